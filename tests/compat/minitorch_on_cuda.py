"""CudaOps beside SimpleOps, as a program: the simulator is chosen before numba is imported."""

from __future__ import annotations

import numpy as np

import tinytorch.compat.minitorch as minitorch
from tinytorch.compat.minitorch import CudaOps, SimpleOps, TensorBackend, tensor

CUDA, SIMPLE = TensorBackend(CudaOps), TensorBackend(SimpleOps)


def both(function, *arrays):
    found = [function(*(tensor(a.tolist(), backend=b) for a in arrays)) for b in (CUDA, SIMPLE)]
    np.testing.assert_allclose(*(t.to_numpy() for t in found), rtol=1e-12)


def main() -> None:
    rng = np.random.default_rng(0)
    a, b, row = rng.random((3, 4)), rng.random((3, 4)), rng.random(4)
    both(lambda a: (a * 2 + 1).sigmoid().log().exp(), a)
    both(lambda a, row: a + row * a, a, row)
    both(lambda a, b: a.permute(1, 0) @ b, a, b)
    both(lambda a: a.sum(0), a)
    both(lambda a: a.sum(), rng.random(500))
    both(lambda a, b: a @ b, rng.random((2, 9, 33)), rng.random((2, 33, 5)))
    minitorch.grad_check(lambda a, b: (a * b).relu() @ b.permute(1, 0), *(
        tensor(x.tolist(), backend=CUDA) for x in (a, b)))  # fmt: skip
    x = rng.random(48)
    sums = minitorch.sum_practice(tensor(x.tolist(), backend=CUDA))
    np.testing.assert_allclose(sums._storage, [x[:32].sum(), x[32:].sum()])
    square = rng.random((5, 5))
    given = tensor(square.tolist(), backend=CUDA)
    np.testing.assert_allclose(minitorch.mm_practice(given, given).view(), square @ square)


if __name__ == "__main__":
    main()
