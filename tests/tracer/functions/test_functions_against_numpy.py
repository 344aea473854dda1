"""Functions of one tensor against numpy: eager, compiled all in one, and their gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinytorch as tt
from tinytorch.errors import TraceError

rng = np.random.default_rng(3)
A = rng.normal(size=(3, 4))
Z = A.copy()
Z[0, 1] = Z[2, 2] = Z[2, 0] = 0
NAN = A.copy()
NAN[1, 1] = np.nan

CASES: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "cumsum": (lambda x: x.cumsum(1), lambda x: x.cumsum(1)),
    "cumprod": (lambda x: x.cumprod(0), lambda x: x.cumprod(0)),
    "logcumsumexp": (lambda x: x.logcumsumexp(1), lambda x: np.logaddexp.accumulate(x, 1)),
    "cummax": (lambda x: x.cummax(1).values, lambda x: np.maximum.accumulate(x, 1)),
    "prod": (lambda x: x.prod(1), lambda x: x.prod(1)),
    "sort": (lambda x: x.sort(0).values, lambda x: np.sort(x, 0)),
    "topk": (lambda x: x.topk(2).values, lambda x: np.sort(x, 1)[:, :-3:-1]),
    "median": (lambda x: x.median(0).values, lambda x: np.median(x, 0)),
    "quantile": (lambda x: x.quantile(0.3, 1), lambda x: np.quantile(x, 0.3, 1)),
    "max": (lambda x: x.max(1).values, lambda x: x.max(1)),
    "std": (lambda x: x.std(1), lambda x: x.std(1, ddof=1)),
    "norm": (lambda x: x.norm(3, 0), lambda x: (np.abs(x) ** 3).sum(0) ** (1 / 3)),
    "diff": (lambda x: tt.diff(x, 2), lambda x: np.diff(x, 2)),
    "roll": (lambda x: x.roll((1, -1), (0, 1)), lambda x: np.roll(x, (1, -1), (0, 1))),
    "rot90": (lambda x: x.rot90(), np.rot90),
    "tril": (lambda x: x.tril(1), lambda x: np.tril(x, 1)),
    "diag": (lambda x: tt.diag(x, 1), lambda x: np.diag(x, 1)),
    "kron": (lambda x: tt.kron(x, x[:2]), lambda x: np.kron(x, x[:2])),
    "einsum": (lambda x: tt.einsum("ij,kj,k->ik", x, x, x[:, 0]),
               lambda x: np.einsum("ij,kj,k->ik", x, x, x[:, 0])),
    "tensordot": (lambda x: tt.tensordot(x, x, ([1], [1])),
                  lambda x: np.tensordot(x, x, ([1], [1]))),
    "cov": (tt.cov, np.cov),
    "repeat": (lambda x: x.repeat(2, 1), lambda x: np.tile(x, (2, 1))),
    "repeat_interleave": (lambda x: x.repeat_interleave(2, 1), lambda x: np.repeat(x, 2, 1)),
    "unfold": (lambda x: x.unfold(1, 2, 1),
               lambda x: np.lib.stride_tricks.sliding_window_view(x, 2, 1)),
    "vander": (lambda x: tt.linalg.vander(x[0]), lambda x: np.vander(x[0], increasing=True)),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_value_is_numpys(name: str) -> None:
    ours, numpys = CASES[name]
    np.testing.assert_allclose(ours(tt.tensor(A)).numpy(), numpys(A), rtol=1e-12, atol=1e-14)


def test_all_compile_in_one_function_with_gradients() -> None:
    def step(x: Any) -> Any:
        outs = [ours(x) for ours, _ in CASES.values()]
        grads = [tt.autograd.grad((out * out).sum(), x)[0] for out in outs]
        return outs, grads

    x = tt.tensor(A, requires_grad=True)
    eager, compiled = step(x), tt.compile(step)(x)
    for name, *pairs in zip(CASES, *eager, *compiled, strict=True):
        value, grad, again, grad_again = (p.detach().numpy() for p in pairs)
        np.testing.assert_allclose(again, value, rtol=1e-11, atol=1e-13, err_msg=name)
        np.testing.assert_allclose(grad_again, grad, rtol=1e-10, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("name", CASES)
def test_gradient_is_that_of_finite_differences(name: str) -> None:
    ours, _ = CASES[name]
    at = Z if name in ("cumprod", "prod") else A
    x = tt.tensor(at, requires_grad=True)
    out = ours(x)
    w = np.random.default_rng(5).normal(size=tuple(out.shape))
    (out * tt.tensor(w)).sum().backward()
    step = np.random.default_rng(6).normal(size=at.shape)
    high, low = (ours(tt.tensor(at + s * 1e-6 * step)).numpy() for s in (1, -1))
    numeric = (w * (high - low)).sum() / 2e-6
    np.testing.assert_allclose((x.grad.numpy() * step).sum(), numeric, rtol=1e-6, atol=1e-7)


def test_nan_is_largest_and_wins() -> None:
    x = tt.tensor(NAN)
    assert np.isnan(x.sort(1).values[1, -1].item())
    assert x.argsort(1, descending=True)[1, 0].item() == 1
    assert np.isnan(x.max(1).values[1].item())
    assert x.max(1).indices[1].item() == 1
    assert np.isnan(x.median().item())
    np.testing.assert_allclose(x.nanmedian(0).values.numpy()[0], np.median(NAN[:, 0]))
    np.testing.assert_allclose(x.nanmean().item(), np.nanmean(NAN))


def test_searches() -> None:
    rows, values = np.sort(A.reshape(-1)), rng.normal(size=(2, 5))
    found = tt.compile(lambda s, v: tt.searchsorted(s, v, right=True))(
        tt.tensor(rows), tt.tensor(values)
    )
    np.testing.assert_array_equal(found.numpy(), np.searchsorted(rows, values, "right"))
    numbers, tests = rng.integers(0, 99, 60), rng.integers(0, 99, 40)
    got = tt.isin(tt.tensor(numbers), tt.tensor(tests))
    np.testing.assert_array_equal(got.numpy(), np.isin(numbers, tests))
    values_, inverse, counts = tt.unique(tt.tensor([3, 1, 3]), True, True, True)
    assert (values_.tolist(), inverse.tolist(), counts.tolist()) == ([1, 3], [1, 0, 1], [1, 2])
    assert tt.bincount(tt.tensor([0, 2, 2])).tolist() == [1, 0, 2]


@pytest.mark.parametrize("function", [
    tt.unique, tt.nonzero, lambda x: tt.masked_select(x, x > 0), lambda x: tt.equal(x, x),
    lambda x: tt.allclose(x, x), lambda x: tt.bincount(x.long()), lambda x: tt.where(x > 0),
    lambda x: tt.repeat_interleave(x, tt.ones(3, dtype=tt.int64)),
])  # fmt: skip
def test_what_depends_on_data_is_refused_with_a_remedy(function: Any) -> None:
    with pytest.raises(TraceError, match="outside|where|output_size"):
        tt.compile(function)(tt.tensor([1.0, 0.0, 2.0]))


def test_draws_are_the_same_eager_and_compiled() -> None:
    def draw() -> Any:
        p = tt.full((200,), 0.3)
        weights = tt.tensor([0.0, 1.0, 3.0, 0.0])
        return (
            tt.bernoulli(p), tt.multinomial(weights, 50, True), tt.multinomial(weights, 2),
            tt.normal(p, 2.0), tt.randperm(9), tt.zeros(50).exponential_(2.0),
            tt.zeros(9, dtype=tt.int64).random_(3, 7), tt.zeros(5).uniform_(2, 3),
        )  # fmt: skip

    tt.manual_seed(4)
    eager = draw()
    tt.manual_seed(4)
    for a, b in zip(eager, tt.compile(draw)(), strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-6)
    heads, drawn, both = (x.numpy() for x in eager[:3])
    assert set(heads) == {0, 1}
    assert 0.15 < heads.mean() < 0.45
    assert set(drawn) == {1, 2}
    assert sorted(both) == [1, 2]
    assert sorted(eager[4].tolist()) == list(range(9))


def test_dlpack_shares_memory_both_ways() -> None:
    x = tt.arange(4)
    array = np.from_dlpack(x)
    array[0] = 9
    assert x[0].item() == 9
    y = tt.from_dlpack(np.arange(3.0))
    assert y.tolist() == [0, 1, 2]
