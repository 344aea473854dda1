"""Arithmetic shared by every handle on a value: ``graph.Proxy`` here, the tracer's Tensor above.

Broadcasting and promotion happen once, in ``matched``: it inserts ``cast`` and ``broadcast_to``,
so elementwise ops always see equal types and no derivative rule has to undo a broadcast.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinytorch.errors import IntegerRangeError, TypeRuleError
from tinytorch.ir import ops
from tinytorch.ir.extent import Extent
from tinytorch.ir.op import Op
from tinytorch.ir.types import (
    DType,
    TensorType,
    bool_,
    broadcast_shapes,
    float32,
    float64,
    int64,
    promote,
    result_type,
)  # fmt: skip

_MIXED = {"where": 1}  # operands before this position keep their own dtype
_AS_IS = {"cast", "detach", "require_range", "require_nonzero"}


def weak_type(value: Any) -> TensorType:
    """Type of a Python number (or a numpy scalar).

    Raises TypeError for anything else, IntegerRangeError for an integer beyond int64.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bool):
        return TensorType(bool_, (), True)
    if isinstance(value, int | Extent):
        if type(value) is int and not -(1 << 63) <= value < 1 << 63:
            raise IntegerRangeError(f"Overflow when unpacking long: {value} does not fit in int64")
        return TensorType(int64, (), True)
    if isinstance(value, float):
        return TensorType(float64, (), True)
    raise TypeError(f"expected a tensor or a number, got {type(value).__name__}")


def matched(op: Op, operands: Sequence[Any], default: DType) -> list[Any]:
    """Return handles of one shape and dtype for an elementwise op.

    Operands are handles and Python numbers. Shapes broadcast; dtypes promote by PyTorch's rules
    (``types.result_type``), integers to ``default`` for ops on floats alone. Raises TypeRuleError
    if shapes do not broadcast.
    """
    first = next(x for x in operands if hasattr(x, "apply_op"))
    alike = all(x is first or getattr(x, "aval", None) == first.aval for x in operands)
    if alike and (first.aval.dtype.is_floating_point or not op.floating):
        return list(operands)
    types = [x.aval if hasattr(x, "apply_op") else weak_type(x) for x in operands]
    start = _MIXED.get(op.name, 0)
    arithmetic = types[start:]
    weak = all(t.weak for t in types)
    if weak:
        dtype = arithmetic[0].dtype
        for t in arithmetic[1:]:
            dtype = promote(dtype, t.dtype)
        default = float64
    else:
        dtype = result_type(arithmetic, default)
    if op.floating and not dtype.is_floating_point:
        dtype = default
    try:
        shape = broadcast_shapes(*(t.shape for t in types))
    except TypeRuleError as error:
        raise TypeRuleError(f"{op.name}: {error}") from None
    out = []
    for position, operand in enumerate(operands):
        wanted = types[position].dtype if position < start else dtype
        if not hasattr(operand, "apply_op"):
            out.append(first.constant(operand, shape=shape, dtype=wanted, weak=weak))
            continue
        if operand.aval.dtype is not wanted:
            operand = operand.converted(wanted, weak)
        if operand.aval.shape != shape:
            operand = ops.broadcast_to(operand, shape=shape)
        out.append(operand)
    return out


_IN_FLOAT32 = {"add", "sub", "mul", "div", "pow"}


def beside_a_number(op: Op, operands: Sequence[Any]) -> Any:
    """Apply arithmetic on a half and a number in float32, and round once; None for other operands.

    The number itself is not rounded to a half, as in PyTorch: ``x * 65536`` need not overflow.
    """
    if op.name not in _IN_FLOAT32:
        return None
    strong = [x for x in operands if hasattr(x, "apply_op") and not x.aval.weak]
    if len(strong) == len(operands) or not strong:
        return None
    dtype = strong[0].aval.dtype
    if not dtype.is_half or any(x.aval.dtype is not dtype for x in strong):
        return None
    moved = [
        x.converted(float32) if hasattr(x, "apply_op") and not x.aval.weak else x for x in operands
    ]
    return op(*moved).converted(dtype)


def needs_matching(op: Op) -> bool:
    """Whether operands of this op broadcast and promote."""
    return op.family == "elementwise" and op.name not in _AS_IS


class Operators:
    """Python's operators in terms of the op table. Subclasses give ``aval`` and ``apply_op``."""

    __slots__ = ()
    __array_priority__ = 1000

    aval: TensorType

    def apply_op(self, op: Op, operands: Sequence[Any], attrs: Any) -> Any:
        """Apply an op to operands of which this is the first handle."""
        raise NotImplementedError

    def constant(self, value: Any, shape: Any = None, dtype: Any = None, weak: bool = False) -> Any:
        """Return a handle on a number, by default of this handle's shape and dtype."""
        raise NotImplementedError

    def converted(self, dtype: DType, weak: bool = False) -> Any:
        """Return this value in another dtype."""
        return ops.cast(self, dtype=dtype, weak=True) if weak else ops.cast(self, dtype=dtype)

    def sum_axes(self, axes: tuple[int, ...]) -> Any:
        """Sum over axes, which stay with size 1."""
        return ops.sum_(self, axes=tuple(axes))

    def __add__(self, other: Any) -> Any:
        return ops.add(self, other)

    def __radd__(self, other: Any) -> Any:
        return ops.add(other, self)

    def __sub__(self, other: Any) -> Any:
        return ops.sub(self, other)

    def __rsub__(self, other: Any) -> Any:
        return ops.sub(other, self)

    def __mul__(self, other: Any) -> Any:
        return ops.mul(self, other)

    def __rmul__(self, other: Any) -> Any:
        return ops.mul(other, self)

    def __truediv__(self, other: Any) -> Any:
        return ops.div(self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return ops.div(other, self)

    def __pow__(self, other: Any) -> Any:
        return ops.pow_(self, other)

    def __rpow__(self, other: Any) -> Any:
        return ops.pow_(other, self)

    def __neg__(self) -> Any:
        return ops.neg(self)

    def __abs__(self) -> Any:
        return ops.abs_(self)

    def __eq__(self, other: object) -> Any:
        return ops.eq(self, other)

    def __ne__(self, other: object) -> Any:
        return ops.ne(self, other)

    def __lt__(self, other: Any) -> Any:
        return ops.lt(self, other)

    def __le__(self, other: Any) -> Any:
        return ops.le(self, other)

    def __gt__(self, other: Any) -> Any:
        return ops.gt(self, other)

    def __ge__(self, other: Any) -> Any:
        return ops.ge(self, other)

    __hash__ = object.__hash__
