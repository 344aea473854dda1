"""Reads and writes at any index: numpy is the truth, compiled equals eager, gradients are exact."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinytorch as tt
from tinytorch.errors import TraceError

X = np.arange(24.0).reshape(2, 3, 4)
I, J = np.array([0, 1, 1]), np.array([2, 0, -1])
INDICES: dict[str, Any] = {
    "two, adjacent": (slice(None), J, I), "two, apart": (I, slice(None), J),
    "with an int": (0, J), "list": ([1, 0, 1],), "none and slice": (None, I, slice(1, None)),
    "matrix of indices": (np.array([[0, 1], [1, 0]]),), "ellipsis": (Ellipsis, J),
    "three": (I, J, J), "negative step apart": (slice(None), slice(0, 3, 2), J),
}  # fmt: skip


def as_index(index: Any) -> Any:
    return tuple(tt.tensor(i) if isinstance(i, np.ndarray) else i for i in index)


OURS = {name: as_index(index) for name, index in INDICES.items()}


@pytest.mark.parametrize("name", INDICES)
def test_reads_are_numpys(name: str) -> None:
    np.testing.assert_array_equal(tt.tensor(X)[OURS[name]].numpy(), X[INDICES[name]])


def test_reads_compile_in_one_function() -> None:
    def read(x: Any) -> Any:
        return [x[index] for index in OURS.values()]

    for got, index in zip(tt.compile(read)(tt.tensor(X)), INDICES.values(), strict=True):
        np.testing.assert_array_equal(got.numpy(), X[index])


@pytest.mark.parametrize("compiled", [False, True])
def test_writes_are_numpys_and_the_last_stays(compiled: bool) -> None:
    def write(x: Any, values: Any) -> Any:
        found = []
        for index, value in zip(OURS.values(), values, strict=True):
            out = x.clone()
            out[index] = value
            found.append(out)
        return found

    rng = np.random.default_rng(0)
    values = [rng.normal(size=X[i].shape) for i in INDICES.values()]
    function = tt.compile(write) if compiled else write
    got = function(tt.tensor(X), [tt.tensor(v) for v in values])
    for out, index, value in zip(got, INDICES.values(), values, strict=True):
        want = X.copy()
        want[index] = value
        np.testing.assert_array_equal(out.numpy(), want)


def test_gradient_of_a_write_goes_to_what_stays() -> None:
    x = tt.zeros(4, requires_grad=True)
    v = tt.tensor([1.0, 2.0, 3.0], requires_grad=True)
    out = x * 1
    out[tt.tensor([2, 2, 0])] = v
    (out * tt.tensor([1.0, 10.0, 100.0, 1000.0])).sum().backward()
    assert out.tolist() == [3, 0, 2, 0]
    assert x.grad.tolist() == [0, 10, 0, 1000]
    assert v.grad.tolist() == [0, 100, 1]


def test_masks() -> None:
    x = tt.tensor([[1.0, -2.0], [-3.0, 4.0]])
    assert x[x > 0].tolist() == [1, 4]
    assert x[tt.tensor([True, False])].tolist() == [[1, -2]]

    def write(x: Any, rows: Any) -> Any:
        a, b, c = x.clone(), x.clone(), x.clone()
        a[a < 0] = 0
        b[b < 0] = tt.tensor([7.0, 8.0])
        c[:, tt.tensor([True, False])] = rows
        return a, b, c

    rows = tt.tensor([[5.0], [6.0]])
    for function in (write, tt.compile(write)):
        a, b, c = function(x, rows)
        assert a.tolist() == [[1, 0], [0, 4]]
        assert b.tolist() == [[1, 7], [8, 4]]
        assert c.tolist() == [[5, -2], [6, 4]]


def test_errors_name_the_value_and_the_remedy() -> None:
    x = tt.zeros(3, 4)
    with pytest.raises(IndexError, match="index 7 is out of bounds for dimension 1 with size 4"):
        x[:, tt.tensor([0, 7])]
    with pytest.raises(IndexError, match="too many indices"):
        x[0, 0, 0]
    with pytest.raises(TraceError, match=r"where\(mask, x, other\)"):
        tt.compile(lambda x: x[x > 0])(x)
    with pytest.raises(RuntimeError, match="shape mismatch"):
        x[tt.tensor([0, 1])] = tt.zeros(3, 4)
    write = tt.compile(lambda x, v: x.clone().masked_scatter(x > 0, v))
    with pytest.raises(RuntimeError, match="masked_scatter"):
        write(tt.ones(3), tt.ones(2))


@pytest.mark.parametrize("compiled", [False, True])
def test_writes_through_views_reach_the_base(compiled: bool) -> None:
    def write(x: Any) -> Any:
        out = x.clone()
        out.diagonal(1).fill_(7.0)
        out.unfold(0, 1, 2).mul_(2)
        out.t().select(0, 3).zero_()
        out.chunk(2, 1)[0].narrow(0, 1, 1).add_(0.5)
        return out

    want = X[0].copy()
    want[[0, 1, 2], [1, 2, 3]] = 7
    want[[0, 2]] *= 2
    want[:, 3] = 0
    want[1, :2] += 0.5
    got = (tt.compile(write) if compiled else write)(tt.tensor(X[0]))
    np.testing.assert_array_equal(got.numpy(), want)


@pytest.mark.parametrize("reduce", ["sum", "prod", "mean", "amax", "amin"])
@pytest.mark.parametrize("include_self", [True, False])
def test_scatter_reduce(reduce: str, include_self: bool) -> None:
    rng = np.random.default_rng(1)
    base, src = rng.normal(size=(3, 4)), rng.normal(size=(5, 4))
    index = rng.integers(0, 2, (5, 4))
    want = base.copy()
    combine = {"sum": np.sum, "prod": np.prod, "mean": np.mean, "amax": np.max, "amin": np.min}
    for row in range(3):
        for col in range(4):
            chosen = src[index[:, col] == row, col]
            if len(chosen):
                own = [base[row, col]] if include_self else []
                want[row, col] = combine[reduce]([*own, *chosen])

    def run(base: Any, index: Any, src: Any) -> Any:
        return base.scatter_reduce(0, index, src, reduce, include_self=include_self)

    given = (tt.tensor(base), tt.tensor(index), tt.tensor(src))
    for function in (run, tt.compile(run)):
        np.testing.assert_allclose(function(*given).numpy(), want, rtol=1e-13)
