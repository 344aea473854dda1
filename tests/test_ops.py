"""The laws of every op, on the samples of samples.py."""

from __future__ import annotations

import zlib
from dataclasses import replace

import numpy as np
import pytest
from execution import assert_same, built
from samples import STRUCTURE, Sample, samples_of

from tinytorch.ir import ops
from tinytorch.ir.graph import Graph, Node, Proxy
from tinytorch.ir.interpret import interpret
from tinytorch.ir.parser import parse_graph
from tinytorch.ir.printer import format_graph
from tinytorch.ir.storage import numbers, stored
from tinytorch.ir.types import BY_NAME, TensorType, float64
from tinytorch.ir.verify import verify
from tinytorch.passes.graph.autodiff import jvp, vjp

NAMES = sorted(set(ops.TABLE) - set(STRUCTURE))
_STEP = 1e-5


def applied(name: str, samples: list[Sample]) -> tuple[Graph, list[np.ndarray], list[Node]]:
    """One graph that applies an op to all samples; its inputs; and the results."""
    graph = Graph(name)
    graph.default_dtype = float64
    values: list[np.ndarray] = []
    for sample in samples:
        operands = []
        for array, type in zip(sample.arrays, sample.types):
            operands.append(graph.add_input(type, f"x{len(values)}"))
            values.append(array)
        graph.outputs.append(graph.add(ops.TABLE[name], operands, **sample.attrs))
    return graph, values, list(graph.outputs)


@pytest.mark.parametrize("name", NAMES)
def test_has_samples_and_doc(name):
    assert samples_of(name), "give the op samples in samples.py"
    assert ops.TABLE[name].doc.strip().endswith(".")


@pytest.mark.parametrize("name", NAMES)
def test_inferred_type_is_numpys(name):
    for sample in samples_of(name):
        op = ops.TABLE[name]
        inferred = op.infer(sample.types, sample.attrs)
        with np.errstate(all="ignore"):
            result = np.asarray(op.eager(*sample.arrays, **sample.attrs))
        assert result.shape == inferred.shape, sample
        if op.floating and sample.types[0].dtype.kind != "f":
            continue
        if inferred.dtype.numpy != result.dtype:  # numpy has its own view of bool arithmetic
            assert sample.types[0].dtype.kind == "b" or name in ("sum", "require_nonzero"), sample


@pytest.mark.parametrize("name", NAMES)
def test_text_round_trip(name):
    graph, _, _ = applied(name, samples_of(name))
    verify(graph)
    text = format_graph(graph)
    again = parse_graph(text)
    assert format_graph(again) == text
    assert again.hash() == graph.hash()


# ------------------------------------------------------------------- compiled

_ULPS = {"erf": 16, "pow": 16, "sum": 32, "matmul": 64}
_SUMS = ("sum", "matmul", "cumsum", "recurrence", "unwindow")
"""Ops whose rounding errors are relative to the largest value, not to their own."""


def halved(sample: Sample, dtype: str) -> Sample:
    """A sample of float32 in another dtype."""
    to = BY_NAME[dtype]
    arrays = tuple(stored(a, to) if a.dtype == np.float32 else a for a in sample.arrays)
    return replace(sample, arrays=arrays)


@pytest.mark.parametrize(
    "dtype", ["float64", "float32", "float16", "bfloat16", "int64", "int32", "bool"]
)
@pytest.mark.parametrize("family", ["elementwise", "reduction", "movement", "other"])
def test_compiled_is_eager(family, dtype):
    """All samples of a family and dtype in one graph, so that few kernels are compiled."""
    graph = Graph(f"{family}_{dtype}")
    graph.default_dtype = float64
    values, owners = [], []
    for name in NAMES:
        op = ops.TABLE[name]
        if family != (
            op.family if op.family in ("elementwise", "reduction", "movement") else "other"
        ):
            continue
        for sample in samples_of(name):
            first = sample.arrays[-1].dtype if sample.arrays else None
            first = np.dtype(sample.attrs["dtype"].storage) if name == "full" else first
            wanted = "float32" if BY_NAME[dtype].is_half else dtype
            if (first or np.dtype("int64")) != np.dtype(wanted):
                continue
            if BY_NAME[dtype].is_half:
                if not sample.arrays:
                    continue
                sample = halved(sample, dtype)
            operands = []
            for array, type in zip(sample.arrays, sample.types):
                operands.append(graph.add_input(type, f"x{len(values)}"))
                values.append(array)
            graph.outputs.append(graph.add(op, operands, **sample.attrs))
            owners.append((name, sample))
    if not owners:
        pytest.skip("no op of this family takes the dtype")
    with np.errstate(all="ignore"):
        want, _ = interpret(graph, values)
    code, got, _ = built(graph)(values)
    assert code == 0
    for (name, sample), a, b in zip(owners, want, got):
        eps = {"float16": 2.0**-10, "bfloat16": 2.0**-7}.get(dtype, 0.0)
        a, b = numbers(a), numbers(b)
        if a.dtype.kind == "f" and a.size:
            ulps = eps or _ULPS.get(name, 4) * np.finfo(a.dtype).eps
            scale = 0.0
            if name in _SUMS:  # terms may cancel: what they weigh counts
                terms = np.concatenate([x.reshape(-1) for x in (a, *map(numbers, sample.arrays))])
                scale = np.abs(terms[np.isfinite(terms)]).max(initial=0.0)
            np.testing.assert_allclose(
                b, a, rtol=ulps, atol=ulps * scale, err_msg=f"{name} {sample}"
            )
        else:
            np.testing.assert_array_equal(b, a, err_msg=f"{name} {sample}")


# ---------------------------------------------------------------- derivatives


def differentiable(name: str) -> list[Sample]:
    op = ops.TABLE[name]
    return [
        s for s in samples_of(name)
        if op.vjp is not None and s.smooth and op.infer(s.types, s.attrs).dtype is float64
        and all(t.dtype is float64 for t in s.types if t.dtype.kind == "f")
        and any(t.dtype.kind == "f" for t in s.types)
    ]  # fmt: skip


DIFFERENTIABLE = [n for n in NAMES if differentiable(n)]


def directions(name: str, arrays: list[np.ndarray]) -> list[np.ndarray]:
    source = np.random.default_rng(zlib.crc32(name.encode()))
    return [np.asarray(source.standard_normal(a.shape)) for a in arrays]


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_vjp_and_jvp_agree_with_finite_differences(name):
    """<g, J t> three ways: by differences, by the JVP, and as <J* g, t> by the VJP."""
    samples = differentiable(name)
    graph, values, results = applied(name, samples)
    primals = [n for n in graph.inputs if n.type.dtype is float64]
    at = dict(zip(graph.inputs, values))
    tangents = directions(name, [at[n] for n in primals])
    cotangents = directions(name + "'", [np.empty(n.type.shape) for n in results])
    forward = [graph.add_input(n.type, "t") for n in primals]
    backward = [graph.add_input(n.type, "g") for n in results]
    pushed = jvp(graph, results, primals, forward)
    pulled = vjp(graph, results, backward, primals)
    graph.outputs = [n for n in (*pushed, *pulled) if n is not None]
    found, _ = interpret(verify(graph), [*values, *tangents, *cotangents])
    known = dict(zip((id(n) for n in graph.outputs), found))

    def shifted(sign: float) -> list[np.ndarray]:
        step = {n: at[n] + sign * _STEP * t for n, t in zip(primals, tangents)}
        plain, _, _ = applied(name, samples)
        return interpret(plain, [step.get(n, at[n]) for n in at])[0]

    by_operand = dict(zip(primals, zip(pulled, tangents)))
    for sample, result, y, g, high, low in zip(
        samples, results, pushed, cotangents, shifted(1), shifted(-1), strict=True
    ):
        numeric = float(np.sum(g * (high - low) / (2 * _STEP)))
        pushed_value = float(np.sum(g * known[id(y)])) if y is not None else 0.0
        pulled_value = sum(
            float(np.sum(known[id(by_operand[n][0])] * by_operand[n][1]))
            for n in result.inputs if n in by_operand and by_operand[n][0] is not None
        )  # fmt: skip
        scale = 1 + float(np.abs(g).sum())
        assert abs(pushed_value - pulled_value) <= 1e-12 * scale, sample
        assert abs(pulled_value - numeric) <= 1e-7 * scale, sample


CONVENTIONS = {
    "relu": ([0.0], [0.0]), "abs": ([0.0], [0.0]), "maximum": ([1.0, 1.0], [0.5, 0.5]),
    "minimum": ([1.0, 1.0], [0.5, 0.5]), "sqrt": ([0.0], [np.inf]), "pow": ([0.0, 0.0], [0.0, 0.0]),
    "sign": ([2.0], [None]),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(CONVENTIONS))
def test_conventions_at_ties_and_edges(name):
    at, want = CONVENTIONS[name]
    graph = Graph()
    xs = [graph.add_input(TensorType(float64, ()), "x") for _ in at]
    y = graph.add(ops.TABLE[name], xs)
    found = vjp(graph, [y], [graph.constant(1.0, (), float64)], xs)
    graph.outputs = [n for n in found if n is not None]
    got = iter(interpret(graph, [np.float64(v) for v in at])[0])
    assert [None if n is None else float(next(got)) for n in found] == want


def test_max_shares_the_cotangent_among_ties():
    graph = Graph()
    x = Proxy(graph, graph.add_input(TensorType(float64, (2, 3)), "x"))
    y = ops.max_(x, axes=(1,))
    seed = y.constant(1)
    graph.outputs = [n for n in vjp(graph, [y.node], [seed.node], [x.node]) if n is not None]
    (found,), _ = interpret(graph, [np.array([[1.0, 2.0, 2.0], [3.0, 0.0, 1.0]])])
    assert_same([np.array([[0, 0.5, 0.5], [1, 0, 0]])], [found])
