"""Memory that several tensors show: compiled calls see what eager sees, or refuse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from agreement import Compile, check

import tinytorch as tt
from tinytorch import Tensor, nn
from tinytorch.errors import TraceError

Pair = Callable[[Tensor], tuple[Tensor, Tensor]]


def pair(a: tuple[int, int], b: tuple[int, int]) -> Pair:
    return lambda t: (t[slice(*a)], t[slice(*b)])


def adds(compile: Compile) -> Callable[..., Any]:
    @compile
    def f(a: Tensor, b: Tensor) -> Any:
        a.add_(1)
        return a * 2, b * 3

    return f


@pytest.mark.parametrize(("first", "second"), [
    (pair((0, 3), (0, 3)), pair((0, 3), (3, 6))),
    (pair((0, 3), (3, 6)), pair((0, 3), (0, 3))),
    (pair((0, 3), (3, 6)), pair((3, 6), (0, 3))),
    (pair((0, 3), (3, 6)), pair((0, 2), (2, 4))),
])  # fmt: skip
def test_views_of_one_memory_as_arguments(first: Pair, second: Pair) -> None:
    def scenario(compile: Compile) -> Any:
        f, t = adds(compile), tt.zeros(8)
        read = compile(lambda a, b: a * 2 + b)
        return [(f(*kind(t)), read(*kind(t)), t.clone()) for kind in (first, second, first)]

    check(scenario)


@pytest.mark.parametrize("overlapping", [pair((0, 3), (1, 4)), pair((0, 4), (2, 6))])
def test_overlapping_arguments_that_are_written_are_refused(overlapping: Pair) -> None:
    f, t = adds(tt.compile), tt.zeros(8)
    f(*pair((0, 3), (3, 6))(t))
    with pytest.raises(TraceError, match=r"test_memory_shared.py:\d+.*shares"):
        f(*overlapping(t))
    assert t.tolist() == [1, 1, 1, 0, 0, 0, 0, 0]


def test_overlapping_numpy_arrays_that_are_written_are_refused() -> None:
    f, values = adds(tt.compile), np.zeros(8, np.float32)
    f(tt.from_numpy(values[:3]), tt.from_numpy(values[4:7]))
    with pytest.raises(TraceError, match="shares"):
        f(tt.from_numpy(values[:3]), tt.from_numpy(values[1:4]))
    assert values.tolist() == [1, 1, 1, 0, 0, 0, 0, 0]


def test_read_only_memory_is_not_written() -> None:
    f, fixed = tt.compile(lambda a: a.add_(1)), np.ones(3, np.float32)
    fixed.flags.writeable = False
    f(tt.ones(3))
    with pytest.raises(RuntimeError, match="read-only"):
        f(tt.from_numpy(fixed))
    assert fixed.tolist() == [1, 1, 1]


def test_strided_tensors_are_read_and_written() -> None:
    def scenario(compile: Compile) -> Any:
        whole, captured = tt.zeros(3, 4), tt.zeros(4, 3)
        seen = captured.t()

        @compile
        def f(a: Tensor) -> Tensor:
            seen.add_(a)
            a.mul_(2)
            return a + seen

        whole.add_(tt.arange(4.0))
        return [(f(whole), f(whole.t().t()),
                 whole.clone(), captured.clone()) for _ in range(2)]  # fmt: skip

    check(scenario)


def test_a_strided_argument_is_written() -> None:
    def scenario(compile: Compile) -> Any:
        f, t = compile(lambda a: a.add_(1).sum()), tt.zeros(3, 4)
        return [(f(t.t()), f(t[:, ::2]), f(t), t.clone()) for _ in range(2)]

    check(scenario)


def test_an_argument_moves_to_memory_of_its_own() -> None:
    def scenario(compile: Compile) -> Any:
        w = tt.zeros(3)
        seen = []

        @compile
        def f(a: Tensor) -> Tensor:
            w.add_(1)
            return a * 2

        for _ in range(2):
            seen.append((f(w), w.clone()))
        a = w.detach()
        seen.append((f(a), w.clone()))
        a.data = tt.full((3,), 7.0)
        seen.append((f(a), w.clone()))
        return seen

    check(scenario)


# -------------------------------------------------------------------- .data


def test_data_shares_memory_and_swaps() -> None:
    a, b, w = nn.Parameter(tt.ones(3)), nn.Parameter(tt.zeros(3)), tt.full((3,), 2.0)
    a.data, b.data = b.data, a.data
    assert (a.tolist(), b.tolist()) == ([0, 0, 0], [1, 1, 1])
    a.data = w
    w.add_(1)
    assert a.tolist() == [3, 3, 3]
    a.data = tt.ones(2, 2, dtype=tt.float64)
    assert (a.shape, a.dtype, a.requires_grad) == ((2, 2), tt.float64, True)
    with pytest.raises(RuntimeError, match="floating point"):
        a.data = tt.ones(3, dtype=tt.int64)
    with pytest.raises(TypeError, match="has to be a tensor, but got list"):
        a.data = [1.0]


def test_data_replaced_between_calls() -> None:
    def scenario(compile: Compile) -> Any:
        p, w = nn.Parameter(tt.ones(2, 2)), tt.full((2, 2), 5.0)
        f, g = compile(lambda: p * 2), compile(lambda x: x * 2)
        seen = [f(), g(p)]
        p.data = w
        seen += [f(), g(p)]
        w.add_(1)
        seen += [f(), g(p)]
        p.data = p.data[:1].t()
        seen += [f(), g(p)]
        for module in (nn.Linear(2, 2),):
            module.weight = p
            module.half().float()
            w.add_(1)
            seen += [f(), g(p)]
        return seen

    check(scenario)


def test_data_replaced_inside() -> None:
    def scenario(compile: Compile) -> Any:
        p, q = nn.Parameter(tt.ones(3)), nn.Parameter(tt.zeros(3))

        @compile
        def f(x: Tensor) -> Any:
            y = (p * p * x).sum()
            p.data = p.data * 2 + x
            p.data *= 3
            fresh = x * 2
            q.data = fresh
            fresh.add_(1)
            q.data.mul_(3)
            y.backward()
            return y, fresh * 1, q * 1

        found = []
        for _ in range(3):
            p.grad = None
            found.append((f(tt.ones(3)), p.detach().clone(), q.detach().clone(), p.grad))
        return [found, q]

    check(scenario)


def test_data_that_others_share_is_refused_inside() -> None:
    p, q = nn.Parameter(tt.ones(3)), nn.Parameter(tt.zeros(3))

    def swap() -> None:
        p.data, q.data = q.data, p.data

    def keep() -> Tensor:
        old = p.data
        p.data = q.data + 1
        return old * 1

    def resize() -> None:
        p.data = tt.ones(4)

    for function in (swap, keep, resize):
        with pytest.raises(TraceError, match=r"test_memory_shared.py:\d+: assigning .data"):
            tt.compile(function)()

    def give() -> Tensor:
        q.data = q.data + 1
        return q.data

    with pytest.raises(TraceError, match="clone"):
        tt.compile(give)()
    assert (p.tolist(), q.tolist()) == ([1, 1, 1], [0, 0, 0])
