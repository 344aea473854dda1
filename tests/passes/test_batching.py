"""The law of vmap: a batched op is a loop of the op over the examples. For every row."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from samples import STRUCTURE, Sample, samples_of

from tinytorch.ir import ops
from tinytorch.ir.graph import Graph, Proxy
from tinytorch.ir.interpret import interpret
from tinytorch.ir.op import Op
from tinytorch.ir.types import TensorType, float64, from_numpy_dtype, int64
from tinytorch.ir.verify import verify
from tinytorch.passes.graph.batching import batch, rule_of

SIZE = 3
NAMES = sorted(set(ops.TABLE) - set(STRUCTURE))


def examples(array: np.ndarray) -> np.ndarray:
    """Examples like one array: its elements in other places, so that they stay in range."""
    flat = array.reshape(-1)
    return np.stack([np.roll(flat, 2 * i).reshape(array.shape) for i in range(SIZE)])


def subsets(count: int) -> list[tuple[bool, ...]]:
    return [flags for flags in itertools.product([False, True], repeat=count) if any(flags)]


def one(op: Op, sample: Sample) -> Graph:
    graph = Graph(op.name)
    graph.default_dtype = float64
    operands = [graph.add_input(t, f"x{i}") for i, t in enumerate(sample.types)]
    graph.outputs = [graph.add(op, operands, **sample.attrs)]
    return graph.freeze()


def run(graph: Graph, values: Any) -> np.ndarray:
    with np.errstate(all="ignore"):
        return np.asarray(interpret(graph, values)[0][0])


@pytest.mark.parametrize("name", NAMES)
def test_batched_is_a_loop(name: str) -> None:
    op = ops.TABLE[name]
    for sample in samples_of(name):
        graph = one(op, sample)
        if not sample.arrays:
            batched, flags = batch(graph, [], SIZE)
            assert flags == [False]
            np.testing.assert_array_equal(run(batched, []), run(graph, []))
            continue
        if op.family == "random":
            continue  # below: there is no batch of generators
        rule_of(op)
        for which in subsets(len(sample.arrays)):
            batched, flags = batch(graph, which, SIZE)
            assert flags == [True]
            verify(batched)
            values = [examples(a) if f else a for a, f in zip(sample.arrays, which)]
            got = run(batched, values)
            want = np.stack([
                run(graph, [v[i] if f else v for v, f in zip(values, which)])
                for i in range(SIZE)
            ])  # fmt: skip
            assert got.dtype == want.dtype
            close = 1e-5 if want.dtype == np.float32 else 1e-12
            close *= np.abs(want[np.isfinite(want)]).max(initial=1.0) if want.size else 1
            np.testing.assert_allclose(got, want, rtol=0, atol=close, err_msg=str(which))


def test_an_op_without_a_rule_is_named() -> None:
    lonely = Op("lonely", "none such", "Doc.", lambda types, attrs: types[0], lambda x: x)
    graph = Graph("g")
    graph.outputs = [graph.add(lonely, [graph.add_input(TensorType(float64, (2,)), "x")])]
    with pytest.raises(NotImplementedError, match="'lonely'"):
        batch(graph, [True], SIZE)


@pytest.mark.parametrize("randomness", ["same", "different"])
def test_random_bits_are_those_of_a_loop(randomness: str) -> None:
    graph = Graph("draws")
    state = graph.add_input(TensorType(int64, (2,)), "state")
    first = graph.add(ops.random_bits, [state], shape=(2,), offset=0)
    second = graph.add(ops.random_bits, [state], shape=(2, 2), offset=2)
    graph.outputs = [first, second]
    batched, flags = batch(graph.freeze(), [False], SIZE, randomness, draws=6)
    found, _ = interpret(batched, [np.array([7, 100])])
    if randomness == "same":
        assert flags == [False, False]
        found = [np.stack([x] * SIZE) for x in found]
    step = 6 if randomness == "different" else 0
    for e in range(SIZE):
        want, _ = interpret(graph, [np.array([7, 100 + e * step])])
        np.testing.assert_array_equal(found[0][e], want[0])
        np.testing.assert_array_equal(found[1][e], want[1])
    with pytest.raises(RuntimeError, match="randomness error mode"):
        batch(graph, [False], SIZE)


def test_what_all_examples_share_is_computed_once() -> None:
    graph = Graph("g")
    x = graph.add_input(TensorType(float64, (4,)), "x")
    w = graph.add_input(TensorType(float64, (4,)), "w")
    shared = graph.add(ops.exp, [w])
    graph.outputs = [graph.add(ops.mul, [x, shared]), shared]
    batched, flags = batch(graph.freeze(), [True, False], SIZE)
    assert flags == [True, False]
    (exp,) = [n for n in batched if n.op is ops.exp]
    assert exp.type.shape == (4,)


def test_a_shared_matrix_makes_one_product_of_all_rows() -> None:
    graph = Graph("g")
    x = graph.add_input(TensorType(float64, (2, 4)), "x")
    w = graph.add_input(TensorType(float64, (4, 5)), "w")
    graph.outputs = [graph.add(ops.matmul, [x, w])]
    batched, _ = batch(graph.freeze(), [True, False], SIZE)
    (product,) = [n for n in batched if n.op is ops.matmul]
    assert product.type.shape == (6, 5)


def test_calls_are_batched_inside() -> None:
    inner = Graph("inner")
    a = inner.add_input(TensorType(float64, (2,)), "a")
    b = inner.add_input(TensorType(float64, (2,)), "b")
    inner.outputs = [inner.add(ops.mul, [a, b]), inner.add(ops.exp, [b])]
    graph = Graph("g")
    x = graph.add_input(TensorType(float64, (2,)), "x")
    y = graph.add_input(TensorType(float64, (2,)), "y")
    call = graph.add(ops.call, [x, y], graph=inner.freeze())
    graph.outputs = [graph.add(ops.get, [call], index=i) for i in range(2)]
    batched, flags = batch(graph.freeze(), [True, False], SIZE)
    assert flags == [True, False]
    values = [np.arange(6.0).reshape(3, 2), np.array([1.0, 2.0])]
    found, _ = interpret(verify(batched), values)
    np.testing.assert_array_equal(found[0], values[0] * values[1])


# --------------------------------------------------------------- control flow

control = pytest.mark.skipif("while" not in ops.TABLE, reason="no control flow in the table")
F = TensorType(float64, (2,))


def check_structure(name: str, operands: list[np.ndarray], attrs: Any, count: int) -> None:
    """Every batch of an op with graphs is a loop of it."""
    graph = Graph(name)
    inputs = [
        graph.add_input(TensorType(from_numpy_dtype(a.dtype), a.shape), f"x{i}")
        for i, a in enumerate(operands)
    ]
    node = graph.add(ops.TABLE[name], inputs, **attrs)
    graph.outputs = [graph.add(ops.get, [node], index=i) for i in range(count)]
    graph.freeze()
    rng = np.random.default_rng(3)
    for which in subsets(len(operands)):
        values = [
            np.stack([a * rng.uniform(0.5, 2) if a.dtype == float else a ^ (i == 1)
                      for i in range(SIZE)]) if f else a
            for a, f in zip(operands, which)
        ]  # fmt: skip
        batched, flags = batch(graph, which, SIZE)
        got, _ = interpret(verify(batched), values)
        for i in range(SIZE):
            want, _ = interpret(graph, [v[i] if f else v for v, f in zip(values, which)])
            for j in range(count):
                found = got[j][i] if flags[j] else got[j]
                np.testing.assert_allclose(found, want[j], rtol=1e-12, err_msg=str(which))


def graph_of(name: str, kinds: list[TensorType], outputs: Any) -> Graph:
    graph = Graph(name)
    graph.default_dtype = float64
    xs = [Proxy(graph, graph.add_input(k, f"x{i}")) for i, k in enumerate(kinds)]
    graph.outputs = [y.node for y in outputs(*xs)]
    return graph.freeze()


@control
def test_cond_is_batched() -> None:
    true = graph_of("true", [F, F], lambda a, b: [a * b, b])
    false = graph_of("false", [F, F], lambda a, b: [a + b, a])
    operands = [np.array(True), np.array([1.0, 2.0]), np.array([3.0, 4.0])]
    check_structure("cond", operands, {"true": true, "false": false}, 2)


@control
@pytest.mark.parametrize("reverse", [False, True])
def test_scan_is_batched(reverse: bool) -> None:
    body = graph_of("body", [F, F, F, F], lambda h, k, x, w: [h * w + x, k, h * x, w * w])
    operands = [np.array([1.0, 2.0]), np.array([5.0, 6.0]), np.arange(8.0).reshape(4, 2),
                np.array([0.5, 2.0])]  # fmt: skip
    attrs = {"body": body, "carries": 2, "slices": 1, "length": 4, "reverse": reverse}
    check_structure("scan", operands, attrs, 4)


@control
def test_while_is_batched() -> None:
    def small(x: Any, n: Any, w: Any) -> Any:
        return [ops.reshape(ops.sum_(x, axes=(0,)), shape=()) < 100.0]

    number = TensorType(float64, ())
    condition = graph_of("condition", [F, number, F], small)
    body = graph_of("body", [F, number, F], lambda x, n, w: [x * w + 1, n + 1])
    operands = [np.array([1.0, 2.0]), np.array(0.0), np.array([1.5, 2.0])]
    attrs = {"condition": condition, "body": body, "carries": 2}
    check_structure("while", operands, attrs, 2)
