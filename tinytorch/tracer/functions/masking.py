"""Where a condition holds: positions, elements, and writes there."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinytorch.ir import ops
from tinytorch.ir.storage import numbers
from tinytorch.ir.types import bool_, broadcast_shapes, int64
from tinytorch.tracer.functions import choice
from tinytorch.tracer.functions.viewing import broadcast_tensors
from tinytorch.tracer.kinds import Operand
from tinytorch.tracer.mode import mode
from tinytorch.tracer.refusals import concrete
from tinytorch.tracer.shapes import check_tensor, expand, reshape
from tinytorch.tracer.tensor import Tensor

REMEDY = "the size of the result depends on the data; use tinytorch.where(mask, x, other), or " \
    "call it outside the compiled function"


def known(x: Tensor, what: str, remedy: str = REMEDY) -> np.ndarray:
    """The values of a tensor; raises TraceError, with the remedy, where they are not known yet."""
    if mode.trace is not None or x._array is None:
        raise concrete(x, what, remedy)
    return numbers(x._array)


def nonzero(input: Tensor, *, as_tuple: bool = False) -> Any:
    """Positions of all elements that are not zero: (n, ndim), or a vector for each axis."""
    found = np.nonzero(np.atleast_1d(known(check_tensor(input, "nonzero"), "nonzero's result")))
    if as_tuple:
        return tuple(Tensor.wrap(np.ascontiguousarray(at, np.int64)) for at in found)
    columns = np.stack(found, 1).astype(np.int64)
    return Tensor.wrap(np.ascontiguousarray(columns[:, : input.ndim]))


def argwhere(input: Tensor) -> Tensor:
    """Positions of all elements that are not zero, a row each."""
    out: Tensor = nonzero(input)
    return out


def where(condition: Tensor, input: Operand = None, other: Operand = None) -> Any:
    """Elements of ``input`` where the condition holds, else of ``other``; shapes broadcast.

    With the condition alone: ``nonzero(condition, as_tuple=True)``.
    """
    if input is None and other is None:
        return nonzero(condition, as_tuple=True)
    if input is None or other is None:
        raise TypeError("where() takes a condition alone, or with both input and other")
    return choice.where(condition, input, other)


def as_mask(mask: Any, function: str) -> Tensor:
    """Check that a mask is bool."""
    if check_tensor(mask, function).dtype is not bool_:
        raise RuntimeError(
            f"{function}: expected BoolTensor for mask, but got dtype {mask.dtype.name}"
        )
    return mask


def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    """The elements where the mask holds, as a vector; shapes broadcast."""
    as_mask(mask, "masked_select")
    known(mask, "masked_select's result")
    spread, where_ = broadcast_tensors(input, mask)
    at = np.flatnonzero(where_.array).astype(np.int64)
    return ops.take(reshape(spread, -1), Tensor.wrap(at), axis=0)


def ranks(mask: Tensor) -> Tensor:
    """For each element in row-major order, how many before it the mask has chosen."""
    count = reshape(mask, -1).to(int64)
    return ops.cumsum(count, axis=0, reverse=False) - count


def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """``input`` with the elements where the mask holds replaced by those of source, in order."""
    as_mask(mask, "masked_scatter")
    if source.dtype is not input.dtype:
        raise RuntimeError(
            "masked_scatter: expected self and source to have same dtypes but got "
            f"{input.dtype.name} and {source.dtype.name}"
        )
    shape = broadcast_shapes(input._type.shape, mask._type.shape)
    base, chosen = expand(input, *shape), expand(mask, *shape)
    size = source._type.size
    at = reshape(ranks(chosen), *shape)
    at = ops.where(chosen, at, at.constant(0, shape=()))
    at = ops.require_range(
        at, low=0, high=max(size, 1), error="RuntimeError",
        message="masked_scatter: expected self and source to have same number of elements: source "
        f"has only {size}",
    )  # fmt: skip
    if size == 0:
        known(chosen, "the number of elements masked_scatter writes")
        if chosen.array.any():
            raise RuntimeError("masked_scatter: source has no elements to write")
        return base.clone()
    line = ops.take(reshape(source, -1), at, axis=0)
    return ops.where(chosen, line, base)


__all__ = ["argwhere", "masked_scatter", "masked_select", "nonzero", "where"]
METHODS = ["argwhere", "masked_scatter", "masked_select", "nonzero"]
IN_PLACE = ["masked_scatter"]
