"""Differentiation of graphs: depth, order, sub-graphs, what does not depend."""

from __future__ import annotations

import numpy as np
import pytest
from execution import assert_same, check
from hypothesis import given, settings
from strategies import graphs

from tinytorch.ir import ops
from tinytorch.ir.graph import Graph, Proxy
from tinytorch.ir.interpret import interpret
from tinytorch.ir.parser import parse_graph
from tinytorch.ir.printer import format_graph
from tinytorch.ir.types import TensorType, float64
from tinytorch.ir.verify import verify
from tinytorch.passes.graph.autodiff import jvp, vjp
from tinytorch.passes.graph.rebuild import expand_calls


def scalar(graph: Graph, name: str = "x", shape=()) -> Proxy:
    graph.default_dtype = float64
    return Proxy(graph, graph.add_input(TensorType(float64, shape), name))


def gradient(y: Proxy, *xs: Proxy) -> list[Proxy]:
    found = vjp(y.graph, [y.node], [y.constant(1).node], [x.node for x in xs])
    return [Proxy(y.graph, n) for n in found if n is not None]


def test_chain_of_ten_thousand_ops():
    graph = Graph()
    x = y = scalar(graph)
    for _ in range(10_000):
        y = ops.sin(y)
    (g,) = gradient(y, x)
    (t,) = jvp(graph, [y.node], [x.node], [x.constant(1).node])
    graph.outputs = [g.node, t]
    (backward, forward), _ = interpret(graph, [np.float64(0.5)])
    assert backward == pytest.approx(forward, rel=1e-12)
    assert verify(graph).hash()


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_derivatives_of_derivatives(order):
    graph = Graph()
    x = scalar(graph)
    y = ops.tanh(x) * ops.exp(x)
    for _ in range(order):
        (y,) = gradient(y, x)
    graph.outputs = [y.node]

    def value(at: complex) -> complex:
        return np.tanh(at) * np.exp(at)

    # Cauchy's formula on a circle inside the nearest pole, i pi / 2.
    points = 0.4 + 0.7 * np.exp(2j * np.pi * np.arange(64) / 64)
    factor = float(np.prod(np.arange(1, order + 1)))
    terms = value(points) * np.exp(-2j * np.pi * np.arange(64) * order / 64)
    expected = factor * terms.mean().real / 0.7**order
    assert interpret(graph, [np.float64(0.4)])[0][0] == pytest.approx(expected, rel=1e-9)


def test_jvp_of_vjp_is_the_hessian_product():
    graph = Graph()
    x, t = scalar(graph, "x", (3,)), scalar(graph, "t", (3,))
    y = ops.sum_(ops.sin(x) * x * x, axes=(0,))
    (g,) = gradient(y, x)
    (pushed,) = jvp(graph, [g.node], [x.node], [t.node])
    (again,) = gradient(ops.sum_(g * t, axes=(0,)), x)
    graph.outputs = [pushed, again.node]
    (one, two), _ = interpret(graph, [np.array([0.3, -1.0, 2.0]), np.array([1.0, 2.0, -1.0])])
    assert_same([one], [two], 1e-14)


def test_what_does_not_depend_has_no_cotangent():
    graph = Graph()
    x, y = scalar(graph, "x"), scalar(graph, "y")
    z = ops.exp(x)
    assert vjp(graph, [z.node], [z.constant(1).node], [y.node]) == [None]
    assert vjp(graph, [z.node], [z.constant(1).node], [z.node])[0] is not None
    assert jvp(graph, [z.node], [y.node], [y.constant(1).node]) == [None]


def test_detach_and_jumps_stop_derivatives():
    graph = Graph()
    x = scalar(graph)
    for y in (ops.detach(x, label=0), ops.floor(x), ops.cast(x > 0, dtype=float64)):
        assert vjp(graph, [y.node], [y.constant(1).node], [x.node]) == [None]


def test_value_used_twice_and_as_output():
    graph = Graph()
    x = scalar(graph)
    y = x * x
    z = y + ops.sin(y)
    seeds = [x.constant(2).node, x.constant(3).node]
    (g,) = vjp(graph, [y.node, z.node], seeds, [x.node])
    graph.outputs = [g]
    at = 0.7
    expected = 2 * 2 * at + 3 * (2 * at + np.cos(at * at) * 2 * at)
    assert interpret(graph, [np.float64(at)])[0][0] == pytest.approx(expected)


INNER = """graph inner(%a: f64[2,2], %b: f64[2,2], %i: i64[2]) {
  %0: f64[2,2] = matmul(%a, %b)
  %1: f64[2,2] = tanh(%0)
  %2: f64[2,2] = take(%1, %i, axis=0)
  %3: f64[2,2] = sin(%a)
  return %2, %3
}"""


def with_call(inlined: bool) -> tuple[Graph, list[Proxy], Proxy]:
    inner = parse_graph(INNER)
    graph = Graph("outer")
    graph.default_dtype = float64
    a, b = scalar(graph, "a", (2, 2)), scalar(graph, "b", (2, 2))
    i = Proxy(graph, graph.add_input(inner.inputs[2].type, "i"))
    called = ops.call(a, b * 2, i, graph=inner)
    first, second = (ops.get(called, index=n) for n in range(2))
    pair = ops.tuple_(first * second, first)
    y = ops.sum_(ops.get(pair, index=0) + ops.exp(ops.get(pair, index=1)), axes=(0, 1))
    graph.outputs = [y.node]
    if inlined:
        graph = expand_calls(graph)
        unfrozen = parse_graph(format_graph(graph))
        unfrozen._frozen = False
        graph = unfrozen
        graph.default_dtype = float64
        y = Proxy(graph, graph.outputs[0])
        a, b = (Proxy(graph, n) for n in graph.inputs[:2])
    return graph, [a, b], y


def test_calls_differentiate_like_what_they_hold():
    values = [np.array([[0.1, 0.2], [0.3, -0.4]]), np.array([[1.0, 2.0], [-1.0, 0.5]])]
    values.append(np.array([1, 1]))
    results = []
    for inlined in (False, True):
        graph, xs, y = with_call(inlined)
        found = gradient(y, *xs)
        tangents = [x.constant(1).node for x in xs]
        (pushed,) = jvp(graph, [y.node], [x.node for x in xs], tangents)
        second = gradient(ops.sum_(found[0] * found[1], axes=(0, 1)), *xs)
        graph.outputs = [y.node, *(g.node for g in found), pushed, *(g.node for g in second)]
        results.append(interpret(verify(graph), values)[0])
        check(graph, values, launcher="python", tolerance=1e-12)
    assert_same(results[0], results[1], 1e-12)


@settings(max_examples=60)
@given(made=graphs(exact=False, size=8))
def test_vjp_and_jvp_agree_on_random_graphs(made):
    graph, values = made
    again = parse_graph(format_graph(graph))
    again._frozen = False
    again.default_dtype = float64
    y = again.outputs[0]
    ones = [again.constant(1.0, n.type.shape, float64) for n in (y, *again.inputs)]
    pulled = vjp(again, [y], ones[:1], again.inputs)
    (pushed,) = jvp(again, [y], again.inputs, ones[1:])
    again.outputs = [n for n in (pushed, *pulled) if n is not None]
    again.updates = {}
    found, _ = interpret(verify(again), values)
    if pushed is not None:
        forward, backward = found[0].sum(), sum(g.sum() for g in found[1:])
        assert forward == pytest.approx(backward, rel=1e-7, abs=1e-7)
    else:
        assert all(not g.any() for g in found)
