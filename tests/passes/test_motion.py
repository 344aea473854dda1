"""What scans do step by step, and what is computed ahead of them and behind them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import execution
import numpy as np
import pytest

import tinytorch as tt
from tinytorch.ir import ops
from tinytorch.ir.graph import Graph
from tinytorch.ir.interpret import interpret
from tinytorch.ir.verify import verify
from tinytorch.passes.base import PassManager
from tinytorch.passes.graph.motion import move_out_of_loops
from tinytorch.passes.pipeline import optimize
from tinytorch.tracer.subtrace import close

SHAPES = ((3, 3), (3, 4), (2, 3), (5, 2, 3))
"""Of w, v, h, xs."""


def traced(function: Callable[..., Any], *shapes: tuple[int, ...]) -> Graph:
    """The graph of a function on float64 tensors that require gradients."""
    examples = [tt.zeros(*s, dtype=tt.float64) for s in shapes]
    return close(function, examples, "f", flows=[True] * len(shapes)).graph


def values(graph: Graph) -> list[np.ndarray]:
    source = np.random.default_rng(0)
    return [np.asarray(source.normal(size=n.type.shape)) for n in graph.inputs]


def loops(graph: Graph) -> list[Any]:
    live = graph.live()
    return [n for n in graph if n.op is ops.scan_ and n in live]


def products(graph: Graph) -> int:
    live = graph.live()
    return sum(n.op is ops.matmul for n in graph if n in live)


def gradient(f: Callable[..., Any]) -> Callable[..., Any]:
    def run(*args: Any) -> Any:
        return tt.autograd.grad(f(*args), args, allow_unused=True, materialize_grads=True)

    return run


def network(w: Any, v: Any, h: Any, xs: Any, reverse: bool = False) -> Any:
    """Products of a slice, of the carry, and of what no later step reads."""

    def step(h: Any, x: Any) -> Any:
        h = (x @ (w * 2).exp() + h @ w + v.sum()).tanh()
        return h, ((h @ v).sin(), h)

    last, (ys, hs) = tt.scan(step, h, xs, reverse=reverse)
    return (ys * ys).sum() + last.sum() + (hs * hs).sum()


def turned(w: Any, v: Any, h: Any, xs: Any) -> Any:
    """Columns: the matrix stands on the left."""

    def step(h: Any, x: Any) -> Any:
        h = (w @ x + w.T @ h).tanh()
        return h, v.T @ h

    last, ys = tt.scan(step, h.T, xs.transpose(1, 2))
    return (ys * ys).sum() + last.sum()


def adding(w: Any, v: Any, h: Any, xs: Any) -> Any:
    """Sums of products, some of them read in the loop, some mixed with other terms."""

    def step(carry: Any, x: Any) -> Any:
        h, a, b, c, d = carry
        g = (h @ w + x).tanh()
        a = a + x.T @ g
        b = b - (g.T @ x).T + (w * x.sum()).sin()
        c = c + g.sum(0)
        d = d + (d.sum() * 0.1 + x.T @ x)
        return (g, a, b, c, d), g

    last, ys = tt.scan(step, (h, w, w * 2, v[:, 0] * 1, w * 0), xs)
    return sum((part * part).sum() for part in last) + ys.sum()


def deep(w: Any, v: Any, h: Any, xs: Any) -> Any:
    """One loop in another."""

    def step(h: Any, x: Any) -> Any:
        h, ys = tt.scan(lambda h, v: ((h @ w + v @ w).sin(), h @ w), h, x[None] * xs)
        return h, ys.sum(0)

    last, ys = tt.scan(step, h, xs)
    return (last * last).sum() + (ys * ys).sum()


CASES: dict[str, Any] = {
    "network": network, "backwards": lambda *a: network(*a, reverse=True), "turned": turned,
    "adding": adding, "deep": deep,
}  # fmt: skip
CASES |= {f"gradient of {name}": gradient(f) for name, f in CASES.items()}
CASES["second gradient of network"] = lambda *args: tt.autograd.grad(
    sum((g * g).sum() for g in tt.autograd.grad(network(*args), args[:2], create_graph=True)), args
)


@pytest.mark.parametrize("name", CASES)
def test_means_the_same(name: str) -> None:
    graph = traced(CASES[name], *SHAPES)
    before = values(graph)
    truth, _ = interpret(graph, before)
    optimized = optimize(graph, PassManager())
    verify(optimized)
    execution.assert_same(truth, interpret(optimized, before)[0], 1e-9)
    assert move_out_of_loops(optimized) is optimized
    if name in ("gradient of network", "adding"):
        execution.check(graph, before, tolerance=1e-9)


def test_one_product_a_step_forwards_and_one_backwards() -> None:
    graph = optimize(traced(CASES["gradient of network"], *SHAPES), PassManager())
    forward, backward = loops(graph)
    assert products(forward.attrs["body"]) == 1
    assert products(backward.attrs["body"]) == 1
    assert backward.attrs["carries"] == 1  # no sum for a weight is left
    assert not any(n.op is ops.exp for n in forward.attrs["body"])


def test_an_accumulator_that_is_read_stays() -> None:
    (loop,) = loops(optimize(traced(adding, *SHAPES), PassManager()))
    assert loop.attrs["carries"] == 3  # h, what remains of b, and d
    assert products(loop.attrs["body"]) == 2  # h @ w, and x.T @ x for d


def test_large_steps_stay_where_they_are() -> None:
    """A loop over chunks of many rows may be there to save memory, and is fast."""

    def chunked(w: Any, xs: Any) -> Any:
        return tt.scan(lambda total, x: (total + (x @ w).exp().sum(), None), w.sum(), xs)[0]

    graph = optimize(traced(gradient(chunked), (3, 4), (5, 200, 3)), PassManager())
    assert [products(loop.attrs["body"]) for loop in loops(graph)] == [1, 2]


def test_errors_in_a_loop_stay_errors() -> None:
    w, table = tt.ones(3, 3), tt.ones(4, 3)

    @tt.compile
    def f(xs: Any, at: Any) -> Any:
        return tt.scan(lambda h, x: (h + 1, (table[x[1].long()] * x[0].sum()) @ w), xs[0], (xs, at))

    assert f(tt.ones(5, 2, 3), tt.zeros(5, 2))[1].shape == (5, 2, 3)
    with pytest.raises(IndexError):
        f(tt.ones(5, 2, 3), tt.zeros(5, 2) + 9)
