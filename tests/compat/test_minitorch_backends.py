"""MiniTorch's backends from below: functions of storages, tensors of ``TensorData``, CUDA."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numba
import numba.cuda
import numpy as np
import pytest

import tinytorch.compat.minitorch as minitorch
from tinytorch.compat.minitorch import (
    FastOps,
    SimpleOps,
    TensorBackend,
    TensorData,
    fast_ops,
    operators,
    tensor,
    tensor_ops,
)
from tinytorch.errors import CompileError

HERE = Path(__file__).parent
modules = pytest.mark.parametrize("low", [tensor_ops, fast_ops], ids=["simple", "fast"])


@modules
def test_M27_functions_of_storages(low):
    """With operands in any order in memory, and functions that numba has compiled."""
    a = TensorData(np.arange(6.0), (2, 3)).permute(1, 0)
    b = TensorData(np.arange(2.0), (1, 2))
    out = TensorData(np.zeros(6), (3, 2))
    low.tensor_map(numba.njit()(operators.neg))(*out.tuple(), *a.tuple())
    np.testing.assert_array_equal(out.view(), -a.view())
    low.tensor_zip(operators.mul)(*out.tuple(), *a.tuple(), *b.tuple())
    np.testing.assert_array_equal(out.view(), a.view() * b.view())
    out = TensorData(np.array([10.0, 20.0, 30.0]), (3, 1))
    low.tensor_reduce(operators.add)(*out.tuple(), *a.tuple(), 1)
    np.testing.assert_array_equal(out.view(), [[13.0], [25.0], [37.0]])
    low.tensor_reduce(lambda total, x: total * 0 + x)(*out.tuple(), *a.tuple(), 1)
    np.testing.assert_array_equal(out.view(), a.view()[:, 1:])


def test_M27_what_is_parallel_can_be_read(capsys):
    out, a = minitorch.zeros((40, 30)), minitorch.zeros((40, 30))
    mapped = fast_ops.tensor_map(operators.exp)
    mapped(*out.tuple(), *a.tuple())
    mapped.parallel_diagnostics(level=3)
    assert "prange(" in capsys.readouterr().out
    mapped.parallel_diagnostics()
    assert "chunk" in capsys.readouterr().out


@pytest.mark.parametrize("ops", [SimpleOps, FastOps])
def test_M23_a_reduction_starts_where_it_is_told(ops):
    t = tensor([[1.0, 2.0], [3.0, 4.0]])
    assert ops.reduce(operators.add, 5.0)(t, 1).to_numpy().tolist() == [[8.0], [12.0]]
    assert ops.reduce(operators.mul, 2.0)(t, 0).to_numpy().tolist() == [[6.0, 16.0]]
    assert ops.reduce(operators.max, 3.5)(t, 0).to_numpy().tolist() == [[3.5, 4.0]]
    assert ops.reduce(operators.max, -1e9)(t, -1).to_numpy().tolist() == [[2.0], [4.0]]


@pytest.mark.filterwarnings("error")
def test_M23_one_kernel_serves_all_shapes():
    backend = TensorBackend(FastOps)
    for shape in [(2, 3), (4,), (3, 2, 5), (7, 2), (2, 2, 2, 2), (6, 5), (9, 3), (4, 8), (3, 9)]:
        a = minitorch.rand(shape, backend=backend)
        truth = a.to_numpy()
        np.testing.assert_allclose((a * a).to_numpy(), truth * truth)
        np.testing.assert_allclose(a.sum(0).to_numpy(), truth.sum(0, keepdims=True))


def test_M24_tensors_of_tensor_data():
    data = TensorData(np.arange(6.0), (2, 3)).permute(1, 0)
    t = minitorch.Tensor(data, backend=TensorBackend(FastOps), name="t")
    assert (t.shape, t.name, t.is_constant()) == ((3, 2), "t", True)
    t[2, 1] = 50.0
    assert data.get((2, 1)) == 50.0
    assert str(minitorch.tensor([[1.0, 2.5], [3.0, 4.0]])) == "\n[\n\t[1.00 2.50]\n\t[3.00 4.00]]"
    made = minitorch.tensor([1.0, 2.0, 3.0])
    made.sum().backward()
    np.testing.assert_array_equal(made.grad.to_numpy(), [1.0, 1.0, 1.0])
    assert made.grad._tensor._storage.size == 3


def test_M31_cuda_ops_equal_the_reference():
    """Maps, zips, sums, products and practice kernels, as launches in the simulator."""
    path = os.pathsep.join([str(HERE.parents[1]), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, str(HERE / "minitorch_on_cuda.py")],
        env=os.environ | {"NUMBA_ENABLE_CUDASIM": "1", "PYTHONPATH": path},
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.skipif(numba.cuda.is_available(), reason="there is a device")
def test_M31_without_a_device_the_remedy_is_named():
    backend = TensorBackend(minitorch.CudaOps)
    with pytest.raises(CompileError, match="NUMBA_ENABLE_CUDASIM=1"):
        minitorch.tensor([1.0, 2.0], backend=backend) * 2
