"""Every rule of simplify: the graph it meets, what it makes of it, and the same values."""

from __future__ import annotations

import numpy as np
import pytest
from execution import assert_same

from tinytorch.ir.interpret import interpret
from tinytorch.ir.parser import parse_graph
from tinytorch.ir.verify import verify
from tinytorch.passes.graph.reductions import split_reductions
from tinytorch.passes.graph.simplify import RULES, simplify

F = "f64[4,6]"
NUMBER = {
    "0": "0x0.0p+0", "-0": "-0x0.0p+0", "1": "0x1.0p+0", "-1": "-0x1.0p+0", "2": "0x1.0p+1",
    "3": "0x1.8p+1", "4": "0x1.0p+2", "0.5": "0x1.0p-1", "-0.5": "-0x1.0p-1",
}  # fmt: skip


def full(name: str, value: str, type: str = F) -> str:
    shape, dtype = type[type.index("[") :], type[: type.index("[")]
    return f"%{name}: {type} = full(value={NUMBER[value]}, shape={shape}, dtype={dtype})"


def program(*lines: str, inputs: str = f"%x: {F}, %y: {F}", results: int = 1) -> str:
    last = lines[-1].split(":")[0]
    return "\n".join([f"graph f({inputs}) {{", *lines, f"return {last}", "}"])


def unary(op: str, operand: str, number: int, attrs: str = "", type: str = F) -> str:
    return f"%{number}: {type} = {op}({operand}{attrs})"


# rule -> (graph, ops left besides inputs, in order of insertion)
CASES = {
    "detach": (program(unary("detach", "%x", 0, ", label=0"), unary("exp", "%0", 1)), "exp"),
    "cast": (program(unary("cast", "%x", 0, ", dtype=f64"), unary("exp", "%0", 1)), "exp"),
    "cast of a broadcast": (
        program(
            "%0: i64[4,6] = broadcast_to(%i, shape=[4,6])", "%1: f64[4,6] = cast(%0, dtype=f64)",
            inputs="%i: i64[6]",
        ), "cast broadcast_to",
    ),
    "reshape": (
        program("%0: f64[24] = reshape(%x, shape=[24])",
            "%1: f64[2,12] = reshape(%0, shape=[2,12])"),
        "reshape",
    ),
    "reshape back": (
        program(
            "%0: f64[24] = reshape(%x, shape=[24])", unary("reshape", "%0", 1, ", shape=[4,6]"),
            unary("exp", "%1", 2),
        ), "exp",
    ),
    "broadcast_to": (
        program(
            "%0: f64[4,6] = broadcast_to(%v, shape=[4,6])",
            "%1: f64[2,4,6] = broadcast_to(%0, shape=[2,4,6])", inputs="%v: f64[6]",
        ), "broadcast_to",
    ),
    "permute": (
        program(
            "%0: f64[6,4] = permute(%x, order=[1,0])", unary("permute", "%0", 1, ", order=[1,0]"),
            unary("exp", "%1", 2),
        ), "exp",
    ),
    "permuted product": (
        program(
            "%0: f64[6,4] = permute(%y, order=[1,0])", "%1: f64[4,4] = matmul(%x, %0)",
            "%2: f64[4,4] = permute(%1, order=[1,0])",
        ), "permute matmul",
    ),
    "slice": (
        program(
            unary("slice", "%x", 0, ", starts=[0,0], stops=[4,6], steps=[1,1]"),
            unary("exp", "%0", 1),
        ), "exp",
    ),
    "pad": (program(unary("pad", "%x", 0, ", low=[0,0], high=[0,0]"), unary("exp", "%0", 1)),
        "exp"),
    "update_slice": (
        program(unary("update_slice", "%x, %y", 0, ", starts=[0,0], steps=[1,1]"),
            unary("exp", "%0", 1)),
        "exp",
    ),
    "cat": (
        program(
            "%0: f64[4,6] = cat(%x, %e, axis=0)", "%1: f64[4,6] = exp(%0)",
            inputs=f"%x: {F}, %e: f64[0,6]",
        ), "exp",
    ),
    "sum of axes of size 1": (
        program("%0: f64[1,6] = sum(%v, axes=[0])", "%1: f64[1,6] = exp(%0)",
            inputs="%v: f64[1,6]"),
        "exp",
    ),
    "known size": (
        program("%0: i64[]~ = extent(size=7)", "%1: f64[] = cast(%0, dtype=f64)"), "full",
    ),
    "sum of a number": (program(full("0", "2"), "%1: f64[4,1] = sum(%0, axes=[1])"), "full"),
    "add zero": (program(full("0", "0"), unary("add", "%0, %x", 1), unary("exp", "%1", 2)), "exp"),
    "sub zero": (program(full("0", "0"), unary("sub", "%x, %0", 1), unary("exp", "%1", 2)), "exp"),
    "mul one": (program(full("0", "1"), unary("mul", "%0, %x", 1), unary("exp", "%1", 2)), "exp"),
    "mul minus one": (program(full("0", "-1"), unary("mul", "%x, %0", 1)), "neg"),
    "div one": (program(full("0", "1"), unary("div", "%x, %0", 1), unary("exp", "%1", 2)), "exp"),
    "div by a power of two": (program(full("0", "4"), unary("div", "%x, %0", 1)), "full mul"),
    "neg": (program(unary("neg", "%x", 0), unary("neg", "%0", 1), unary("exp", "%1", 2)), "exp"),
    "pow 0": (program(full("0", "0"), unary("pow", "%x, %0", 1)), "full"),
    "pow 1": (program(full("0", "1"), unary("pow", "%x, %0", 1), unary("exp", "%1", 2)), "exp"),
    "pow 2": (program(full("0", "2"), unary("pow", "%x, %0", 1)), "mul"),
    "pow 3": (program(full("0", "3"), unary("pow", "%x, %0", 1)), "mul mul"),
    "pow -1": (program(full("0", "-1"), unary("pow", "%x, %0", 1)), "full div"),
    "pow 0.5": (program(full("0", "0.5"), unary("pow", "%x, %0", 1)), "sqrt"),
    "pow -0.5": (program(full("0", "-0.5"), unary("pow", "%x, %0", 1)), "rsqrt"),
    "where of one": (
        program(
            "%0: bool[4,6] = gt(%x, %y)", unary("where", "%0, %x, %x", 1), unary("exp", "%1", 2)
        ), "exp",
    ),
    "where of a constant": (
        program(
            "%0: bool[4,6] = full(value=true, shape=[4,6], dtype=bool)",
            unary("where", "%0, %x, %y", 1), unary("exp", "%1", 2),
        ), "exp",
    ),
    "log of a softmax": (
        program(
            unary("exp", "%x", 0), "%1: f64[4,1] = sum(%0, axes=[1])",
            "%2: f64[4,6] = broadcast_to(%1, shape=[4,6])", unary("div", "%0, %2", 3),
            unary("log", "%3", 4),
        ), "exp sum log broadcast_to sub",
    ),
    "log of one plus exp": (
        program(full("0", "1"), unary("exp", "%x", 1), unary("add", "%0, %1", 2),
            unary("log", "%2", 3)),
        "abs neg exp log1p full maximum add",
    ),
    "log of a sigmoid": (
        program(unary("sigmoid", "%x", 0), unary("log", "%0", 1)),
        "neg abs neg exp log1p full maximum add neg",
    ),
    "constants fold": (
        program(full("0", "2"), full("1", "3"), unary("add", "%0, %1", 2),
            unary("mul", "%x, %2", 3)),
        "full mul",
    ),
    "get": (
        program(
            "%0: (f64[4,6], f64[4,6]) = tuple(%x, %y)", "%1: f64[4,6] = get(%0, index=1)",
            "%2: f64[4,6] = exp(%1)",
        ), "exp",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(CASES))
def test_rule(name):
    text, expected = CASES[name]
    graph = parse_graph(text)
    after = verify(simplify(graph), "optimized")
    left = [n.op.name for n in after if n in after.live() and n.op.name != "input"]
    assert sorted(left) == sorted(expected.split())
    source = np.random.default_rng(5)
    values = [
        source.integers(1, 4, n.type.shape) if n.type.dtype.kind == "i"
        else source.uniform(0.3, 2.5, n.type.shape)
        for n in graph.inputs
    ]  # fmt: skip
    assert_same(interpret(graph, values)[0], interpret(after, values)[0], 1e-14)


@pytest.mark.parametrize("op", sorted(RULES))
def test_every_op_with_rules_has_a_case(op):
    assert any(f"= {op}(" in text for text, _ in CASES.values()) or op in (
        "max", "min", "matmul", "put_add", "scatter_add",
    )  # fmt: skip


@pytest.mark.parametrize("text", [
    program(full("0", "-0"), unary("mul", "%0, %x", 1)),
    program(full("0", "0"), unary("mul", "%0, %x", 1)),
    program(unary("sub", "%x, %x", 0)),
    program(unary("div", "%x, %x", 0)),
])  # fmt: skip
def test_infinite_and_nan_values_survive(text):
    """x * 0, x - x and x / x are no constants: x may be infinite."""
    graph = parse_graph(text)
    values = [np.full((4, 6), v) for v in (np.inf, 1.0)][: len(graph.inputs)]
    assert_same(interpret(graph, values)[0], interpret(simplify(graph), values)[0])


def test_checks_stay_even_on_constants():
    graph = parse_graph("""graph f(%x: f64[2]) {
      %0: f64[2] = full(value=0x0.0p+0, shape=[2], dtype=f64)
      %1: f64[2] = require_nonzero(%0, error="RuntimeError", message="zero")
      return %x
    }""")
    assert any(n.op.effect for n in simplify(graph))


def test_stable_forms_neither_overflow_nor_underflow():
    for name in ("log of one plus exp", "log of a sigmoid"):
        graph = simplify(parse_graph(CASES[name][0]))
        for extreme in (-800.0, 800.0):
            (y,), _ = interpret(graph, [np.full((4, 6), extreme), np.ones((4, 6))])
            assert np.isfinite(y).all()


def test_simplify_of_a_long_chain_is_not_quadratic():
    text = ["graph f(%x: f64[2]) {", "  %0: f64[2] = sin(%x)"]
    text += [f"  %{i}: f64[2] = sin(%{i - 1})" for i in range(1, 10_000)]
    graph = parse_graph("\n".join([*text, "  return %9999", "}"]))
    assert len(simplify(graph)) == 10_001


@pytest.mark.parametrize("op", ["sum", "max", "min", "argmax", "argmin"])
@pytest.mark.parametrize(
    "axes", [(0,), (1,), (2,), (3,), (0, 2), (1, 3), (0, 3), (1, 2), (0, 1, 3)]
)
def test_split_reductions_leave_leading_or_trailing_axes(op, axes):
    done = ",".join("1" if i in axes else str(s) for i, s in enumerate((2, 3, 4, 5)))
    dtype = "i64" if op.startswith("arg") else "f64"
    graph = parse_graph(
        f"graph f(%x: f64[2,3,4,5]) {{\n%0: {dtype}[{done}] = {op}(%x, axes={list(axes)})\n"
        "return %0\n}"
    )
    split = verify(split_reductions(graph), "optimized")
    for node in split:
        if node.op.family == "reduction":
            shape = node.inputs[0].type.shape
            reduced = [a for a in node.attrs["axes"] if shape[a] != 1]
            kept = [a for a, s in enumerate(shape) if s != 1 and a not in reduced]
            assert not kept or reduced[0] > kept[-1] or reduced[-1] < kept[0]
    values = [np.random.default_rng(0).integers(-3, 4, (2, 3, 4, 5)).astype(float)]
    assert_same(interpret(graph, values)[0], interpret(split, values)[0])
