"""How many launches a program takes: fusion seen from outside. Structure, not time."""

from __future__ import annotations

from execution import plan

from tinytorch.ir import ops
from tinytorch.ir.graph import Graph, Proxy
from tinytorch.ir.program import Copy, Program
from tinytorch.ir.types import TensorType, float32, float64
from tinytorch.passes.graph.autodiff import vjp


def source(graph: Graph, shape, name: str) -> Proxy:
    return Proxy(graph, graph.add_input(TensorType(float32, shape), name))


def copies(program: Program) -> int:
    return sum(isinstance(step, Copy) for step in program.steps)


def softmax(x: Proxy) -> Proxy:
    e = ops.exp(x - ops.max_(x, axes=(1,)))
    return e / ops.sum_(e, axes=(1,))


def layer_norm(x: Proxy, weight: Proxy, bias: Proxy) -> Proxy:
    n = x.aval.shape[1]
    centred = x - ops.sum_(x, axes=(1,)) / n
    variance = ops.sum_(centred * centred, axes=(1,)) / n
    return centred * ops.rsqrt(variance + 1e-5) * weight + bias


def test_chain_and_gradient_is_one_launch():
    graph = Graph("chain")
    x = y = source(graph, (1000, 300), "x")
    for _ in range(20):
        y = ops.sin(y) * 1.01 + 0.1
    loss = ops.sum_(y, axes=(0, 1))
    graph.outputs = [loss.node, *vjp(graph, [loss.node], [loss.constant(1).node], [x.node])]
    program = plan(graph)
    assert len(program.steps) == 1
    assert program.arena_bytes < 10_000  # partial sums; no gradient is kept aside


def test_softmax_and_layer_norm_both_ways_are_few_launches():
    graph = Graph("norm")
    x, g = source(graph, (8192, 1024), "x"), source(graph, (8192, 1024), "g")
    weight, bias = source(graph, (1024,), "weight"), source(graph, (1024,), "bias")
    y = layer_norm(softmax(x), weight, bias)
    found = vjp(graph, [y.node], [g.node], [x.node, weight.node, bias.node])
    graph.outputs = [y.node, *found]
    program = plan(graph)
    assert len(program.launches) <= 3
    assert len(program.steps) == len(program.launches)


def test_forward_alone_is_one_launch_without_scratch_memory():
    graph = Graph("norm")
    x = source(graph, (8192, 1024), "x")
    weight, bias = source(graph, (1024,), "weight"), source(graph, (1024,), "bias")
    graph.outputs = [layer_norm(softmax(x), weight, bias).node]
    program = plan(graph)
    assert len(program.steps) == 1
    assert program.arena_bytes == 0


def adamw(tensors: int) -> Graph:
    graph = Graph("adamw")
    rate = Proxy(graph, graph.add_input(TensorType(float64, (), True), "lr"))
    for i in range(tensors):
        shape = (3 + i * 7, 5) if i % 2 else (i + 2,)
        p, m, v, g = (source(graph, shape, f"{k}{i}") for k in "pmvg")
        t = source(graph, (), f"t{i}")
        step = t + 1
        first, second = m * 0.9 + g * 0.1, v * 0.999 + g * g * 0.001
        c1, c2 = 1 - 0.9**step, 1 - 0.999**step
        update = (rate / c1) * first / (ops.sqrt(second) / ops.sqrt(c2) + 1e-8)
        new = p * (1 - rate * 0.01) - update
        for state, value in ((p, new), (m, first), (v, second), (t, step)):
            graph.updates[state.node] = value.node
    return graph


def test_update_of_fifty_tensors_is_two_launches_in_place():
    program = plan(adamw(50))
    assert len(program.launches) <= 2
    assert copies(program) == 0
    assert program.arena_bytes == 0


def test_momentum_update_is_one_launch_in_place():
    graph = Graph("sgd")
    for i in range(20):
        p, m, g = (source(graph, (i + 2, 3), f"{k}{i}") for k in "pmg")
        moved = m * 0.9 + g
        graph.updates.update({p.node: (p - moved * 0.1).node, m.node: moved.node})
    program = plan(graph)
    assert len(program.steps) == 1
    assert len(program.launches[0].rows) == 20
    assert program.arena_bytes == 0


def test_unfused_is_one_launch_an_op():
    graph = Graph("apart")
    x = source(graph, (64, 64), "x")
    graph.outputs = [ops.exp(ops.sin(x) + ops.cos(x)).node]
    assert len(plan(graph, fusing=False).launches) == 4
    assert len(plan(graph).launches) == 1
