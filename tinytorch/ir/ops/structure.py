"""Structure: several values as one, and graphs inside graphs."""

from __future__ import annotations

from typing import Any

from tinytorch.ir.op import Attrs, fail, opaque
from tinytorch.ir.types import TupleType, ValueType

tuple_ = opaque(
    "tuple", "structure", "Several values as one.",
    infer=lambda types, attrs: TupleType(tuple(types)), eager=lambda *xs: tuple(xs),
)  # fmt: skip


def _get_type(types: tuple[Any, ...], attrs: Attrs) -> ValueType:
    (value,) = types
    if not isinstance(value, TupleType) or not 0 <= attrs["index"] < len(value.items):
        raise fail("get", f"no item {attrs['index']}", value)
    return value.items[attrs["index"]]


get = opaque(
    "get", "structure", "One item of a tuple.",
    infer=_get_type, eager=lambda xs, index: xs[index],
)  # fmt: skip


def _call_type(types: tuple[Any, ...], attrs: Attrs) -> ValueType:
    graph = attrs["graph"]
    expected = tuple(n.type for n in graph.inputs)
    if tuple(types) != expected:
        raise fail("call", f"graph {graph.name} takes {', '.join(map(str, expected))}", *types)
    return TupleType(tuple(n.type for n in graph.outputs))


call = opaque(
    "call", "structure",
    "The outputs of a sub-graph on these operands; passes recurse into the attribute.",
    infer=_call_type, eager=lambda *xs, graph: graph.run(xs),
)  # fmt: skip


def _custom_type(types: tuple[Any, ...], attrs: Attrs) -> TupleType:
    count, backward = attrs["results"], attrs["backward"]
    results, rest = tuple(types[:count]), tuple(types[count + attrs["primals"] :])
    flowing = tuple(t for t in results if t.dtype.is_floating_point)
    expected = tuple(n.type for n in backward.inputs)
    if expected != (*results, *flowing, *rest):
        raise fail("custom", f"the backward takes {', '.join(map(str, expected))}", *types)
    for index, out in zip(attrs["wrt"], backward.outputs, strict=True):
        if out.type != types[count + index]:
            raise fail("custom", f"cotangent {index} is a {out.type}", *types)
    return TupleType(results)


custom = opaque(
    "custom", "structure",
    "The first ``results`` operands, with a derivative of its own with respect to the ``primals`` "
    "ones after them: ``backward`` takes the results, a cotangent of each floating one and the "
    "remaining operands, and gives a cotangent for each primal listed in ``wrt``. With "
    "``refusal`` the derivative is an error with this text.",
    infer=_custom_type,
    eager=lambda *xs, results, primals, backward, wrt, refusal: tuple(xs[:results]),
)  # fmt: skip
