"""Largest and smallest, by value and by position."""

from __future__ import annotations

from typing import Any

from tinytorch.ir import ops
from tinytorch.ir.op import Op
from tinytorch.ir.types import bool_, uint8
from tinytorch.tracer.functions.reduction import without_axes
from tinytorch.tracer.functions.results import MinMax, ValuesIndices
from tinytorch.tracer.kinds import Axes
from tinytorch.tracer.shapes import axes_of, axis_of, check_tensor
from tinytorch.tracer.tensor import Tensor


def check_filled(name: str, input: Tensor, axes: tuple[int, ...], all_axes: bool) -> None:
    """Raise for an axis without elements: no value is the largest of none."""
    empty = [a for a in axes if input._type.shape[a] == 0]
    if not empty:
        return
    if all_axes:
        raise RuntimeError(
            f"{name}(): Expected reduction dim to be specified for input.numel() == 0. Specify "
            "the reduction dim with the 'dim' argument."
        )
    raise IndexError(
        f"{name}(): Expected reduction dim {empty[0]} to have non-zero size."
    )


def _by_value(name: str, op: Op, input: Tensor, dim: Any, keepdim: bool) -> Tensor:
    axes = axes_of(dim, check_tensor(input, name).ndim)
    check_filled(name, input, axes, dim is None or dim == ())
    return without_axes(op(input, axes=axes), input, axes, keepdim)


def amax(input: Tensor, dim: Axes = (), keepdim: bool = False) -> Tensor:
    """Largest over axes; ties share the gradient."""
    return _by_value("amax", ops.max_, input, dim, keepdim)


def amin(input: Tensor, dim: Axes = (), keepdim: bool = False) -> Tensor:
    """Smallest over axes; ties share the gradient."""
    return _by_value("amin", ops.min_, input, dim, keepdim)


def aminmax(input: Tensor, *, dim: int | None = None, keepdim: bool = False) -> MinMax:
    """Smallest and largest, over one axis or all."""
    return MinMax(
        _by_value("aminmax", ops.min_, input, dim, keepdim),
        _by_value("aminmax", ops.max_, input, dim, keepdim),
    )


def _by_position(name: str, op: Op, input: Tensor, dim: Any, keepdim: bool) -> Tensor:
    if check_tensor(input, name).dtype is bool_:
        raise NotImplementedError(f"\"{name}_cpu\" not implemented for 'Bool'")
    axes = axes_of(dim, input.ndim)
    if dim is None and input._type.size == 0:
        raise IndexError(
            f"{name}(): Expected reduction dim to be specified for input.numel() == 0."
        )
    check_filled(name, input, axes, False)
    return without_axes(op(input, axes=axes), input, axes, keepdim)


def argmax(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Position of the (first) largest, over one axis or in row-major order."""
    return _by_position("argmax", ops.argmax, input, dim, keepdim)


def argmin(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Position of the (first) smallest, over one axis or in row-major order."""
    return _by_position("argmin", ops.argmin, input, dim, keepdim)


def _forms(name: str, args: tuple[Any, ...], given: dict[str, Any]) -> tuple[str, Any, bool]:
    """Which of the three forms of ``max`` a call has: no dim, a dim, or another tensor."""
    given = dict(zip(("dim", "keepdim"), args)) | given
    other = given.pop("other", None)
    if isinstance(given.get("dim"), Tensor):
        other = given.pop("dim")
    unknown = given.keys() - {"dim", "keepdim"}
    if unknown:
        raise TypeError(f"{name}() got an unexpected keyword argument '{unknown.pop()}'")
    if other is not None:
        check_tensor(other, name, "other")
        return "other", other, False
    return "dim", given.get("dim"), bool(given.get("keepdim", False))


def _choice(name: str, value: Op, place: Op, pair: Op, input: Tensor, args: Any,
            given: Any) -> Any:  # fmt: skip
    check_tensor(input, name)
    form, what, keepdim = _forms(name, args, given)
    if form == "other":
        return pair(input, what)
    if what is None:
        return _by_value(name, value, input, None, keepdim)
    axis = axis_of(what, input.ndim)
    if not input.ndim:
        return ValuesIndices(input.clone(), input.constant(0, dtype=place.result))
    check_filled(name, input, (axis,), False)
    keys = input.to(uint8) if input.dtype is bool_ else input
    at = place(keys, axes=(axis,))
    values = ops.gather(input, at, axis=axis)
    return ValuesIndices(
        without_axes(values, input, (axis,), keepdim), without_axes(at, input, (axis,), keepdim)
    )


def max(input: Tensor, *args: Any, **given: Any) -> Any:  # noqa: A001
    """``max(input)``, ``max(input, dim, keepdim=False)`` or ``max(input, other)``.

    With a dim: the values and their positions; the gradient goes to the element chosen.
    """
    return _choice("max", ops.max_, ops.argmax, ops.maximum, input, args, given)


def min(input: Tensor, *args: Any, **given: Any) -> Any:  # noqa: A001
    """``min(input)``, ``min(input, dim, keepdim=False)`` or ``min(input, other)``.

    With a dim: the values and their positions; the gradient goes to the element chosen.
    """
    return _choice("min", ops.min_, ops.argmin, ops.minimum, input, args, given)


__all__ = ["amax", "amin", "aminmax", "argmax", "argmin", "max", "min"]
METHODS = __all__
