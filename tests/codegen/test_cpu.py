"""The texts of kernels: what they look like, and that they run as they stand."""

from __future__ import annotations

import ast
from typing import Any

import numpy as np
import pytest
from execution import CHUNKED, WHOLE, built, check, plan

from tinytorch.compiler import emit
from tinytorch.ir.graph import Graph
from tinytorch.ir.interpret import interpret
from tinytorch.ir.parser import parse_graph
from tinytorch.ir.printer import format_graph
from tinytorch.ir.program import Launch

TEXTS = {
    "affine": """graph affine(%x: f32[64,48], %b: f32[48]) {
      %0: f32[64,48] = broadcast_to(%b, shape=[64,48])
      %1: f32[64,48] = add(%x, %0)
      %2: f32[64,48] = relu(%1)
      return %2
    }""",
    "scale": """graph scale(%x: f32[5000]) {
      %0: f32[5000] = full(value=0x1.8p+1, shape=[5000], dtype=f32)
      %1: f32[5000] = mul(%x, %0)
      return %1
    }""",
    "softmax": """graph softmax(%x: f32[512,128]) {
      %0: f32[512,1] = max(%x, axes=[1])
      %1: f32[512,128] = broadcast_to(%0, shape=[512,128])
      %2: f32[512,128] = sub(%x, %1)
      %3: f32[512,128] = exp(%2)
      %4: f32[512,1] = sum(%3, axes=[1])
      %5: f32[512,128] = broadcast_to(%4, shape=[512,128])
      %6: f32[512,128] = div(%3, %5)
      return %6
    }""",
    "sums": """graph sums(%x: f64[300,200]) {
      %0: f64[1,200] = sum(%x, axes=[0])
      %1: f64[1,1] = sum(%x, axes=[0,1])
      return %0, %1
    }""",
    "checked": """graph checked(%x: f64[10,4], %i: i64[7]) {
      %0: i64[7] = require_range(%i, low=0, high=10, error="IndexError", message="{value} out")
      %1: f64[7,4] = take(%x, %0, axis=0)
      return %1
    }""",
    "scatter": """graph scatter(%x: f64[7,4], %i: i64[7]) {
      %0: f64[10,4] = put_add(%x, %i, axis=0, size=10)
      return %0
    }""",
    "frame": """graph frame(%x: f64[3,4], %y: f64[2,4]) {
      %0: f64[5,4] = cat(%x, %y, axis=0)
      %1: f64[7,6] = pad(%0, low=[1,1], high=[1,1])
      return %1
    }""",
    "product": """graph product(%x: f32[6,5], %y: f32[7,5]) {
      %0: f32[5,7] = permute(%y, order=[1,0])
      %1: f32[6,7] = matmul(%x, %0)
      return %1
    }""",
}  # fmt: skip


def values_of(graph: Graph) -> list[np.ndarray]:
    source = np.random.default_rng(11)
    return [
        source.integers(0, 10, n.type.shape) if n.type.dtype.kind == "i"
        else source.standard_normal(n.type.shape).astype(n.type.dtype.numpy)
        for n in graph.inputs
    ]  # fmt: skip


@pytest.mark.parametrize("name", sorted(TEXTS))
def test_golden_text(name, golden):
    program = plan(parse_graph(TEXTS[name]))
    golden(f"cpu/{name}.py", "\n\n".join(s.text for s in emit(program, WHOLE).values()))


def test_golden_graph(golden):
    golden("graph/softmax.txt", format_graph(parse_graph(TEXTS["softmax"])) + "\n")


@pytest.mark.parametrize("target", [WHOLE, CHUNKED], ids=["whole", "chunked"])
@pytest.mark.parametrize("name", sorted(TEXTS))
def test_plain_python_equals_machine_code(name, target):
    text = TEXTS[name]
    for large, small in (("512", "9"), ("128", "11"), ("300", "13"), ("200", "7"), ("5000", "70")):
        text = text.replace(large, small)  # plain Python is slow
    graph = parse_graph(text)
    values = values_of(graph)
    native = check(graph, values, target=target, tolerance=1e-5)
    plain = built(graph, target, True, "python")
    for a, b in zip(native(values)[1], plain(values)[1]):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["affine", "sums", "softmax"])
def test_own_driver_equals_the_pool(name):
    """The text pasted into a file and run by numba's prange gives what the pool gives."""
    graph = parse_graph(TEXTS[name])
    values = values_of(graph)
    made = built(graph, WHOLE)
    _, pooled, _ = made(values)
    (step,) = made.program.steps
    assert isinstance(step, Launch)
    kernel, row = step.kernel, step.rows[0]
    namespace: dict[str, Any] = {}
    exec(compile(emit(made.program)[kernel.name].text, kernel.name, "exec"), namespace)
    slots = {s.id: s for s in made.program.slots}
    arrays = {slot: v.reshape(-1).copy() for slot, v in zip(made.program.inputs, values)}
    for slot in row.slots:
        arrays.setdefault(slot, np.zeros(slots[slot].size, slots[slot].dtype.numpy))
    namespace[f"run_{kernel.name}"](*(arrays[s] for s in row.slots))
    for slot, expected in zip(made.program.outputs, pooled):
        found = arrays[slot].reshape(expected.shape)
        eps = np.finfo(expected.dtype).eps
        np.testing.assert_allclose(found, expected, rtol=16 * eps, atol=16 * eps)


@pytest.mark.parametrize("name", sorted(TEXTS))
def test_texts_are_single_assignment(name):
    """A name that is not an accumulator is assigned at one place: numba compiles that fast."""
    for source in emit(plan(parse_graph(TEXTS[name])), WHOLE).values():
        for function in ast.parse(source.text).body:
            if not isinstance(function, ast.FunctionDef) or function.name.startswith("run_"):
                continue
            stores: dict[str, int] = {}
            reads_itself: set[str] = set()
            for node in ast.walk(function):
                if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                    name_ = node.targets[0].id
                    stores[name_] = stores.get(name_, 0) + 1
                    used = {n.id for n in ast.walk(node.value) if isinstance(n, ast.Name)}
                    reads_itself |= {name_} & used
            again = {n for n, count in stores.items() if count > 1}
            assert again <= reads_itself


def test_flat_kernels_of_any_size_have_one_text():
    def text(size: int) -> dict[str, str]:
        graph = parse_graph(TEXTS["scale"].replace("5000", str(size)))
        return {name: s.text for name, s in emit(plan(graph)).items()}

    assert text(10) == text(5000)


def test_texts_hold_no_line_of_the_user():
    graph = parse_graph(TEXTS["affine"])
    again = parse_graph(TEXTS["affine"])
    program, other = plan(graph), plan(again)
    assert [s.key for s in emit(program).values()] == [s.key for s in emit(other).values()]


@pytest.mark.parametrize("bad", [-1, 10, 2**40])
def test_failed_check_gives_its_code(bad):
    graph = parse_graph(TEXTS["checked"])
    values = values_of(graph)
    values[1][3] = bad
    for launcher in ("python", "pool"):
        made = built(graph, WHOLE, True, launcher)
        code, _, _ = made(values) if abs(bad) < 100 or launcher == "pool" else (1, None, None)
        assert made.program.messages[code - 1][:2] == ("IndexError", "{value} out")
    with pytest.raises(IndexError, match=f"{bad} out"):
        interpret(graph, values)
