"""Choosing between values by a condition."""

from __future__ import annotations

from tinytorch.ir import ops
from tinytorch.ir.types import bool_, int64, uint8
from tinytorch.tracer.kinds import Operand
from tinytorch.tracer.limits import check_fits
from tinytorch.tracer.mode import mode
from tinytorch.tracer.number import Number
from tinytorch.tracer.shapes import check_tensor
from tinytorch.tracer.tensor import Tensor


def where(condition: Tensor, input: Operand, other: Operand) -> Tensor:
    """Elements of ``input`` where the condition holds, else of ``other``; shapes broadcast."""
    check_tensor(condition, "where")
    if condition.dtype is uint8:
        condition = condition.to(bool_)
    if condition.dtype is not bool_:
        raise RuntimeError(f"where expected condition to be a boolean tensor, but got a tensor "
                           f"with dtype {condition.dtype}")  # fmt: skip
    if not isinstance(input, Tensor) and not isinstance(other, Tensor):
        if isinstance(input, float) or isinstance(other, float):
            dtype = mode.default_dtype
        else:
            dtype = bool_ if isinstance(input, bool) and isinstance(other, bool) else int64
        input = condition.constant(input, shape=(), dtype=dtype)
    return ops.where(condition, input, other)


def masked_fill(input: Tensor, mask: Tensor, value: Operand) -> Tensor:
    """``value`` (a number or 0-d tensor) where the mask holds, else ``input``, of whose dtype."""
    if check_tensor(mask, "masked_fill").dtype is not bool_:
        raise RuntimeError(f"masked_fill only supports boolean masks, but got dtype {mask.dtype}")
    if isinstance(value, Tensor):
        if value.ndim:
            raise RuntimeError(
                "masked_fill only supports a 0-dimensional value tensor, but got tensor with "
                f"{value.ndim} dimension(s)."
            )
        fill = value.to(input.dtype)
    else:
        if type(value) is not Number:
            check_fits(value, input.dtype)
        fill = input.constant(value, shape=())
    return ops.where(mask, fill, input)


__all__ = ["masked_fill", "where"]
METHODS = ["masked_fill"]
IN_PLACE = ["masked_fill"]
