"""Control flow: graphs that run once of two, many times, or until a condition fails.

Each op holds sub-graphs as attributes and takes what they read as operands, so a value flows in
and out through operands and results alone. Results are a tuple.

=============  =================================  ==================================  ===========
op             operands                           inputs of its graphs                results
=============  =================================  ==================================  ===========
``cond``       predicate, operands                operands                            outputs
``scan``       carry, stacked xs, constants       carry, one slice of each x,         carry,
                                                  constants                           stacked ys
``while``      carry, constants                   carry, constants                    carry
=============  =================================  ==================================  ===========
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from tinytorch.errors import TypeRuleError
from tinytorch.ir.op import Attrs, fail, opaque
from tinytorch.ir.types import TensorType, TupleType, bool_


def _listed(types: Any) -> str:
    return "(" + ", ".join(str(t) for t in types) + ")"


def _check_inputs(op: str, what: str, graph: Any, types: tuple[Any, ...]) -> None:
    """Raise TypeRuleError unless a sub-graph takes exactly these types and writes no state."""
    expected = tuple(n.type for n in graph.inputs)
    if expected != types:
        raise TypeRuleError(
            f"{op}: {what} {graph.name} takes {_listed(expected)}, is given {_listed(types)}"
        )
    if graph.updates:
        raise TypeRuleError(f"{op}: {what} {graph.name} updates state")


def _outputs(graph: Any) -> tuple[Any, ...]:
    return tuple(n.type for n in graph.outputs)


# ------------------------------------------------------------------------ cond


def _cond_type(types: tuple[Any, ...], attrs: Attrs) -> TupleType:
    if not types or types[0] != TensorType(bool_, ()):
        raise fail("cond", "the predicate must be one bool", *types)
    true, false = attrs["true"], attrs["false"]
    for what, graph in (("branch", true), ("branch", false)):
        _check_inputs("cond", what, graph, types[1:])
    if _outputs(true) != _outputs(false):
        raise TypeRuleError(
            f"cond: branch {true.name} returns {_listed(_outputs(true))}, branch {false.name} "
            f"{_listed(_outputs(false))}"
        )
    return TupleType(_outputs(true))


def _cond_eager(predicate: Any, *operands: Any, true: Any, false: Any) -> tuple[Any, ...]:
    chosen = true if np.asarray(predicate).item() else false
    return tuple(chosen.run(operands))


cond = opaque(
    "cond", "structure", "The outputs of one of two sub-graphs, chosen by a predicate.",
    infer=_cond_type, eager=_cond_eager,
)  # fmt: skip

# ------------------------------------------------------------------------ scan


class ScanParts(NamedTuple):
    """Operands of a scan, or inputs of its body, by what they are."""

    carry: tuple[Any, ...]
    xs: tuple[Any, ...]
    constants: tuple[Any, ...]


def scan_parts(items: Any, attrs: Attrs) -> ScanParts:
    """Take a scan's operands, or its body's inputs, apart."""
    items, first = tuple(items), attrs["carries"]
    second = first + attrs["slices"]
    return ScanParts(items[:first], items[first:second], items[second:])


def _scan_type(types: tuple[Any, ...], attrs: Attrs) -> TupleType:
    body, length = attrs["body"], attrs["length"]
    carry, xs, constants = scan_parts(types, attrs)
    slices = []
    for x in xs:
        if not x.shape or x.shape[0] != length:
            raise fail("scan", f"a stacked operand must have {length} slices", x)
        slices.append(TensorType(x.dtype, x.shape[1:]))
    _check_inputs("scan", "body", body, (*carry, *slices, *constants))
    outputs = _outputs(body)
    if outputs[: len(carry)] != carry:
        raise TypeRuleError(
            f"scan: body {body.name} takes the carry {_listed(carry)}, returns "
            f"{_listed(outputs[: len(carry)])}"
        )
    stacked = tuple(TensorType(t.dtype, (length, *t.shape)) for t in outputs[len(carry) :])
    return TupleType((*carry, *stacked))


def _scan_eager(
    *operands: Any, body: Any, carries: int, slices: int, length: int, reverse: bool
) -> tuple[Any, ...]:
    carry, xs, constants = scan_parts(operands, {"carries": carries, "slices": slices})
    ys = [np.empty((length, *t.shape), t.dtype.numpy) for t in _outputs(body)[carries:]]
    for i in range(length - 1, -1, -1) if reverse else range(length):
        results = body.run([*carry, *(x[i] for x in xs), *constants])
        carry = tuple(results[:carries])
        for y, value in zip(ys, results[carries:], strict=True):
            y[i] = value
    return (*carry, *ys)


scan_ = opaque(
    "scan", "structure",
    "Run a sub-graph once for each slice of stacked operands, in order (backwards with "
    "``reverse``), a carry handed from run to run; the other outputs are stacked.",
    infer=_scan_type, eager=_scan_eager,
)  # fmt: skip

# ----------------------------------------------------------------------- while


def _while_type(types: tuple[Any, ...], attrs: Attrs) -> TupleType:
    condition, body, carries = attrs["condition"], attrs["body"], attrs["carries"]
    _check_inputs("while", "condition", condition, types)
    _check_inputs("while", "body", body, types)
    if _outputs(condition) != (TensorType(bool_, ()),):
        raise TypeRuleError(
            f"while: condition {condition.name} must return one bool, returns "
            f"{_listed(_outputs(condition))}"
        )
    if _outputs(body) != types[:carries]:
        raise TypeRuleError(
            f"while: body {body.name} takes the carry {_listed(types[:carries])}, returns "
            f"{_listed(_outputs(body))}"
        )
    return TupleType(types[:carries])


def _while_eager(*operands: Any, condition: Any, body: Any, carries: int) -> tuple[Any, ...]:
    carry, constants = operands[:carries], operands[carries:]
    while np.asarray(condition.run([*carry, *constants])[0]).item():
        carry = tuple(body.run([*carry, *constants]))
    return tuple(carry)


while_ = opaque(
    "while", "structure", "Run a sub-graph on a carry as long as a condition on the carry holds.",
    infer=_while_type, eager=_while_eager,
)  # fmt: skip

__all__ = ["ScanParts", "cond", "scan_", "scan_parts", "while_"]
