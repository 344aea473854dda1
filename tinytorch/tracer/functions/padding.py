"""Padding with one number."""

from __future__ import annotations

from tinytorch.ir import ops
from tinytorch.tracer.factories import full
from tinytorch.tracer.kinds import Scalar, Wholes
from tinytorch.tracer.shapes import check_tensor
from tinytorch.tracer.tensor import Tensor


def constant_pad_nd(input: Tensor, pad: Wholes, value: Scalar = 0) -> Tensor:
    """Copies of ``value`` around the last axes; negative amounts cut off.

    ``pad`` holds pairs (before, after), the last axis first. Raises RuntimeError for an odd
    number of amounts, more pairs than axes, or an axis that would get a negative size.
    """
    check_tensor(input, "constant_pad_nd")
    amounts = [int(p.__index__()) for p in pad]
    if len(amounts) % 2:
        raise RuntimeError(
            f"Length of pad must be even but instead it equals {len(amounts)}"
        )
    if len(amounts) > 2 * input.ndim:
        raise RuntimeError(
            f"Length of pad should be no more than twice the number of dimensions of the input. "
            f"Pad length is {len(amounts)} while the input has {input.ndim} dimensions."
        )
    low, high = [0] * input.ndim, [0] * input.ndim
    for pair in range(len(amounts) // 2):
        low[-1 - pair], high[-1 - pair] = amounts[2 * pair : 2 * pair + 2]
    shape = [s + a + b for s, a, b in zip(input.shape, low, high, strict=True)]
    for axis, size in enumerate(shape):
        if size < 0:
            raise RuntimeError(
                f"The input size {input.shape[axis]}, plus negative padding {low[axis]} and "
                f"{high[axis]}, resulted in a negative output size, which is invalid. Check "
                f"dimension {axis} of your input."
            )
    if any(p < 0 for p in amounts):
        input = ops.slice_(
            input, starts=tuple(max(0, -a) for a in low), steps=(1,) * input.ndim,
            stops=tuple(s - max(0, -b) for s, b in zip(input.shape, high, strict=True)),
        )  # fmt: skip
        low, high = [max(0, a) for a in low], [max(0, b) for b in high]
    if type(value) in (int, float, bool) and value == 0:
        return ops.pad(input, low=tuple(low), high=tuple(high))
    around = full(shape, value, dtype=input.dtype)
    return ops.update_slice(around, input, starts=tuple(low), steps=(1,) * input.ndim)


__all__ = ["constant_pad_nd"]
METHODS: list[str] = []
