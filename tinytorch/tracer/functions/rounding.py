"""Magnitude, sign, rounding and limits."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from typing import Any

from tinytorch.ir import ops
from tinytorch.ir.op import Op
from tinytorch.ir.types import bool_
from tinytorch.tracer.functions.choice import where
from tinytorch.tracer.functions.covers import check_tensors, named
from tinytorch.tracer.kinds import Operand
from tinytorch.tracer.limits import finfo
from tinytorch.tracer.shapes import check_tensor, clone
from tinytorch.tracer.tensor import Tensor


def _refuse_bool(name: str, input: Tensor) -> None:
    if check_tensor(input, name).dtype is bool_:
        raise NotImplementedError(f"\"{name}\" not implemented for 'bool'")


def _rounding(op: Op) -> Callable[[Tensor], Tensor]:
    def function(input: Tensor) -> Tensor:
        _refuse_bool(op.name, input)
        return op(input) if input.dtype.is_floating_point else clone(input)

    return named(function, op.name, f"{op.doc} Integers stay as they are.")


floor = _rounding(ops.floor)
ceil = _rounding(ops.ceil)
trunc = _rounding(ops.trunc)
fix = trunc


def abs(input: Tensor) -> Tensor:  # noqa: A001
    """Magnitude; the least integer stays as it is."""
    _refuse_bool("abs", input)
    return ops.abs_(input)


absolute = abs


def relu(input: Tensor) -> Tensor:
    """0 where x is below 0, else x; NaN and -0 stay."""
    if check_tensor(input, "relu").dtype is bool_:
        raise RuntimeError("Boolean inputs not supported for relu")
    return ops.relu(input)


def round(input: Tensor, *, decimals: int = 0) -> Tensor:  # noqa: A001
    """Nearest integer, or number of that many decimals; halves to even."""
    _refuse_bool("round", input)
    if not input.dtype.is_floating_point:
        if decimals:
            raise NotImplementedError(f"\"round_vml_cpu\" not implemented for '{input.dtype.name}'")
        return clone(input)
    if decimals == 0:
        return ops.round_(input)
    scale = 10.0 ** builtins.abs(decimals)
    if decimals < 0:
        return ops.round_(input / scale) * scale
    return ops.round_(input * scale) / scale


def frac(input: Tensor) -> Tensor:
    """x less its integral part; the sign is kept."""
    if not check_tensor(input, "frac").dtype.is_floating_point:
        raise NotImplementedError(f"\"frac\" not implemented for '{input.dtype.name}'")
    return input - trunc(input)


def sign(input: Tensor) -> Tensor:
    """-1, 0 or 1; of a bool, itself."""
    return clone(input) if check_tensor(input, "sign").dtype is bool_ else ops.sign(input)


sgn = sign


def signbit(input: Tensor) -> Tensor:
    """Whether the sign is negative, that of -0 and of NaN included."""
    if check_tensor(input, "signbit").dtype.is_floating_point:
        return ops.copysign(1, input) < 0
    return input < 0


def heaviside(input: Tensor, values: Tensor) -> Tensor:
    """0 below zero, 1 above, ``values`` at zero; both operands of one dtype."""
    check_tensors("heaviside", input, values)
    if input.dtype is not values.dtype:
        raise RuntimeError(
            "heaviside is not yet implemented for tensors with different dtypes."
        )
    return where(input == 0, values, (input > 0).to(input.dtype))


# ---------------------------------------------------------------------- limits


def _limit(input: Tensor, bound: Any, beyond: Callable[[Any, Any], Any]) -> Tensor:
    """``bound`` where the input is beyond it; a NaN on either side wins."""
    if isinstance(bound, Tensor):
        outside = beyond(input, bound)
        if bound.dtype.is_floating_point:
            outside = outside | (bound != bound)
        return where(outside, bound, input)
    if bound != bound:
        return where(input == input, bound, input)
    return where(beyond(input, bound), bound, input)


def clamp(input: Tensor, min: Operand = None, max: Operand = None) -> Tensor:
    """Values limited to ``[min, max]``; ``max`` where ``min > max``; NaN stays.

    Bounds are numbers or tensors, and take part in the result's dtype. The gradient passes where
    the value is inside, bounds included.
    """
    check_tensor(input, "clamp")
    if min is None and max is None:
        raise RuntimeError("torch.clamp: At least one of 'min' or 'max' must not be None")
    out = input
    if min is not None:
        out = _limit(out, min, lambda x, bound: x < bound)
    if max is not None:
        out = _limit(out, max, lambda x, bound: x > bound)
    return out


clip = clamp


def clamp_min(input: Tensor, min: Operand) -> Tensor:
    """Values not below ``min``."""
    return clamp(input, min)


def clamp_max(input: Tensor, max: Operand) -> Tensor:
    """Values not above ``max``."""
    return clamp(input, None, max)


def nan_to_num(
    input: Tensor, nan: float | None = None, posinf: float | None = None,
    neginf: float | None = None,
) -> Tensor:  # fmt: skip
    """NaN becomes ``nan`` (0), infinities ``posinf`` and ``neginf`` (the finite extremes)."""
    if not check_tensor(input, "nan_to_num").dtype.is_floating_point:
        return clone(input)
    limits = finfo(input.dtype)
    top = limits.max if posinf is None else posinf
    bottom = limits.min if neginf is None else neginf
    out = where(input != input, 0.0 if nan is None else nan, input)
    out = where(input == float("inf"), top, out)
    return where(input == -float("inf"), bottom, out)


__all__ = [
    "abs", "absolute", "ceil", "clamp", "clamp_max", "clamp_min", "clip", "fix", "floor", "frac",
    "heaviside", "nan_to_num", "relu", "round", "sgn", "sign", "signbit", "trunc",
]  # fmt: skip
METHODS = __all__
IN_PLACE = [name for name in __all__ if name != "signbit"]
