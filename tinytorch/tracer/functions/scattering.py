"""Writing at positions that tensors hold. Of several writes to one place, the last one stays."""

from __future__ import annotations

from typing import Any

from tinytorch.ir import ops
from tinytorch.ir.types import bool_, int64
from tinytorch.tracer.functions.arranging import positions
from tinytorch.tracer.functions.gathering import check_index, in_range
from tinytorch.tracer.kinds import Operand, Scalar
from tinytorch.tracer.shapes import axis_of, check_tensor, expand, permute, reshape
from tinytorch.tracer.tensor import Tensor


def with_rows(base: Tensor, index: Tensor, rows: Tensor, accumulate: bool) -> Tensor:
    """``base`` with slices along axis 0 replaced by (or added to) ``rows``, at a checked index."""
    if rows._type.shape[0] == 0:
        return base
    size = base._type.shape[0]
    if accumulate:
        if base.dtype is bool_:
            added = ops.put_add(rows.to(int64), index, axis=0, size=size)
            return ops.bitwise_or(base, added.to(bool_))
        return base + ops.put_add(rows, index, axis=0, size=size)
    order = positions(base, (rows._type.shape[0],), 0)
    writer = ops.scatter_max(order, index, axis=0, size=size)
    chosen = ops.take(rows, ops.where(writer < 0, 0, writer), axis=0)
    column = (size, *(1,) * (base.ndim - 1))
    return ops.where(reshape(writer >= 0, column), chosen, base)


def _rows_first(x: Tensor, axis: int) -> Tensor:
    return permute(x, axis, *(i for i in range(x.ndim) if i != axis))


def _rows_back(x: Tensor, axis: int) -> Tensor:
    order = list(range(1, x.ndim))
    order.insert(axis, 0)
    return permute(x, *order)


def _along(
    name: str, input: Tensor, dim: int, index: Tensor, source: Any
) -> tuple[Tensor, int, Tensor, Any]:
    """Check the arguments of an ``index_...`` function; 0-d tensors count as vectors of one."""
    check_index(index, name)
    axis = axis_of(dim, check_tensor(input, name).ndim)
    if index.ndim > 1:
        raise IndexError(f"{name}(): Index is supposed to be a vector, got {index.ndim} dims")
    base = input if input.ndim else reshape(input, 1)
    size = base.shape[axis]
    message = f"{name}(): index {{value}} is out of bounds for dimension {axis} with size {size}"
    index = in_range(reshape(index, -1), size, "IndexError", message, name == "index_fill")
    if isinstance(source, Tensor):
        if source.dtype is not input.dtype:
            raise RuntimeError(
                f"{name}(): self and source expected to have the same dtype, but got (self) "
                f"{input.dtype.name} and (source) {source.dtype.name}"
            )
        source = source if source.ndim else reshape(source, 1)
        wanted = tuple(index.shape[0] if i == axis else s for i, s in enumerate(base.shape))
        if tuple(source.shape) != wanted:
            raise RuntimeError(
                f"{name}(): source of shape {list(source.shape)} does not fit: "
                f"{index.shape[0]} indices into dimension {axis} of shape {list(base.shape)} need "
                f"{list(wanted)}"
            )
    return base, axis, index, source


def _indexed(
    input: Tensor, base: Tensor, axis: int, index: Tensor, source: Tensor, add: bool
) -> Tensor:
    rows = with_rows(_rows_first(base, axis), index, _rows_first(source, axis), add)
    return reshape(_rows_back(rows, axis), tuple(input.shape))


def index_add(input: Tensor, dim: int, index: Tensor, source: Tensor,
              *, alpha: Scalar = 1) -> Tensor:  # fmt: skip
    """``input`` with slices of ``source`` (times alpha) added along an axis at an index."""
    base, axis, index, source = _along("index_add", input, dim, index, source)
    scaled = source if type(alpha) is int and alpha == 1 else source * alpha
    return _indexed(input, base, axis, index, scaled.to(input.dtype), True)


def index_copy(input: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """``input`` with slices along an axis at an index replaced by those of ``source``."""
    check_index(index, "index_copy", (int64,))
    base, axis, index, source = _along("index_copy", input, dim, index, source)
    return _indexed(input, base, axis, index, source, False)


def index_fill(input: Tensor, dim: int, index: Tensor, value: Operand) -> Tensor:
    """``input`` with slices along an axis at an index filled with one value."""
    if isinstance(value, Tensor) and value.ndim:
        raise RuntimeError(
            "index_fill_ only supports a 0-dimensional value tensor, but got tensor with "
            f"{value.ndim} dimension(s)."
        )
    base, axis, index, _ = _along("index_fill", input, dim, index, None)
    fill = value.to(input.dtype) if isinstance(value, Tensor) else base.constant(value, shape=())
    ones = base.constant(1, shape=tuple(index.shape), dtype=int64)
    hit = ops.put_add(ones, index, axis=0, size=base._type.shape[axis]) > 0
    column = tuple(-1 if i == axis else 1 for i in range(base.ndim))
    out = ops.where(reshape(hit, column), fill, base)
    return reshape(out, tuple(input.shape))


# -------------------------------------------------------------------- elements


def _block(input: Tensor, axis: int, index: Tensor) -> Tensor | None:
    """The part of ``input`` that an index smaller than it along other axes can reach."""
    bounds = tuple(s if i == axis else n for i, (s, n) in enumerate(zip(input.shape, index.shape)))
    if bounds == tuple(input.shape):
        return None
    return ops.slice_(
        input, starts=(0,) * input.ndim, stops=bounds, steps=(1,) * input.ndim
    )


def _elements(
    name: str, input: Tensor, dim: int, index: Tensor, src: Any
) -> tuple[int, Tensor, Tensor]:
    """Check the arguments of a scatter; return axis, checked index and values of its shape."""
    check_index(index, name)
    axis = axis_of(dim, input.ndim)
    if index.ndim != input.ndim:
        raise RuntimeError("Index tensor must have the same number of dimensions as self tensor")
    if not isinstance(src, Tensor):
        value = input.constant(src, shape=tuple(index._type.shape))
    else:
        if src.dtype is not input.dtype:
            raise RuntimeError(f"{name}(): Expected self.dtype to be equal to src.dtype")
        if src.ndim != index.ndim:
            raise RuntimeError("Index tensor must have the same number of dimensions as src tensor")
        if any(n > m for n, m in zip(index.shape, src.shape, strict=True)):
            raise RuntimeError(
                f"Expected index {list(index.shape)} to be no larger than src {list(src.shape)}"
            )
        value = src
        if tuple(src.shape) != tuple(index.shape):
            value = ops.slice_(
                src, starts=(0,) * src.ndim, stops=tuple(index.shape), steps=(1,) * src.ndim
            )
    if any(i != axis and n > m for i, (n, m) in enumerate(zip(index.shape, input.shape))):
        raise RuntimeError(
            f"Expected index {list(index.shape)} to be no larger than self {list(input.shape)} "
            f"apart from dimension {axis}"
        )
    size = input.shape[axis]
    message = f"index {{value}} is out of bounds for dimension {axis} with size {size}"
    return axis, in_range(index, size, "RuntimeError", message, False), value


def _combined(input: Tensor, axis: int, index: Tensor, value: Tensor, kind: str,
              include_self: bool) -> Tensor:  # fmt: skip
    """One block of ``input``, of the index's shape but for the axis, with values combined in."""
    size = input._type.shape[axis]
    attrs = {"axis": axis, "size": size}
    if kind == "set":
        writer = ops.scatter_max(positions(input, index._type.shape, axis), index, **attrs)
        chosen = ops.gather(value, ops.where(writer < 0, 0, writer), axis=axis)
        return ops.where(writer >= 0, chosen, input)
    if kind == "add" or (kind == "sum" and include_self):
        return input + ops.scatter_add(value, index, **attrs)
    ones = input.constant(1, shape=tuple(index._type.shape), dtype=int64)
    hits = ops.scatter_add(ones, index, **attrs)
    if kind in ("sum", "mean"):
        total = ops.scatter_add(value, index, **attrs)
        total = total + input if include_self else ops.where(hits > 0, total, input)
        if kind == "sum":
            return total
        count = hits + 1 if include_self else ops.where(hits > 0, hits, 1)
        count = count.to(input.dtype)
        if input.dtype.is_floating_point:
            return total / count
        return ops.floor_divide(total, count)
    op = {"prod": ops.scatter_prod, "amax": ops.scatter_max, "amin": ops.scatter_min}[kind]
    if include_self:  # the input is one more value for each of its own cells
        own = positions(input, input._type.shape, axis)
        value, index = ops.cat(input, value, axis=axis), ops.cat(own, index, axis=axis)
        return op(value, index, **attrs)
    return ops.where(hits > 0, op(value, index, **attrs), input)


def _scattered(
    name: str, input: Tensor, dim: int, index: Tensor, src: Any, kind: str, include_self: bool
) -> Tensor:
    if check_tensor(input, name).ndim == 0 or index.ndim == 0:
        flat = src if not isinstance(src, Tensor) else reshape(src, -1)
        line, at = reshape(input, -1), reshape(index, -1)
        out = _scattered(name, line, dim, at, flat, kind, include_self)
        return reshape(out, tuple(input.shape))
    axis, index, value = _elements(name, input, dim, index, src)
    if index._type.size == 0:
        return input.clone()
    block = _block(input, axis, index)
    if block is None:
        return _combined(input, axis, index, value, kind, include_self)
    part = _combined(block, axis, index, value, kind, include_self)
    zeros = (0,) * input.ndim
    return ops.update_slice(
        input, part, starts=zeros, steps=(1,) * input.ndim
    )


def scatter(
    input: Tensor, dim: int, index: Tensor, src: Any = None, *, value: Scalar = None,
    reduce: str | None = None,
) -> Tensor:  # fmt: skip
    """``input`` with elements along an axis, at the positions of an index, replaced by ``src``.

    ``src`` is a tensor or a number; ``reduce`` may be ``"add"`` or ``"multiply"``.
    """
    source = value if src is None else src
    if source is None:
        raise TypeError("scatter() needs src or value")
    kinds = {None: "set", "add": "add", "multiply": "prod"}
    if reduce not in kinds:
        raise RuntimeError("reduce argument must be either add or multiply.")
    return _scattered("scatter", input, dim, index, source, kinds[reduce], True)


def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """``input`` with the elements of ``src`` added along an axis at the positions of an index."""
    check_tensor(src, "scatter_add")
    return _scattered("scatter_add", input, dim, index, src, "add", True)


def scatter_reduce(
    input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """``input`` with elements of ``src`` combined in: ``sum prod mean amax amin``.

    Without ``include_self`` a cell that receives any value forgets its own.
    """
    if reduce not in ("sum", "prod", "mean", "amax", "amin"):
        raise RuntimeError(
            "reduce argument must be either sum, prod, mean, amax or amin, got " + str(reduce)
        )
    check_tensor(src, "scatter_reduce")
    return _scattered("scatter_reduce", input, dim, index, src, reduce, include_self)


def index_reduce(
    input: Tensor, dim: int, index: Tensor, source: Tensor, reduce: str, *,
    include_self: bool = True,
) -> Tensor:  # fmt: skip
    """``scatter_reduce`` of whole slices: ``prod mean amax amin``."""
    if reduce not in ("prod", "mean", "amax", "amin"):
        raise RuntimeError(f"index_reduce(): expected prod, mean, amax or amin, got {reduce}")
    base, axis, index, source = _along("index_reduce", input, dim, index, source)
    column = tuple(-1 if i == axis else 1 for i in range(base.ndim))
    spread = expand(reshape(index, column), *source._type.shape)
    out = _scattered("index_reduce", base, axis, spread, source, reduce, include_self)
    return reshape(out, tuple(input.shape))


def select_scatter(input: Tensor, src: Tensor, dim: int, index: int) -> Tensor:
    """``input`` with the slice at one position of an axis replaced."""
    out = input.clone()
    out.select(dim, index).copy_(_of_shape(src, out.select(dim, index), "select_scatter"))
    return out


def slice_scatter(input: Tensor, src: Tensor, dim: int = 0, start: int | None = None,
                  end: int | None = None, step: int = 1) -> Tensor:  # fmt: skip
    """``input`` with ``start:end:step`` of an axis replaced."""
    out = input.clone()
    at = (slice(None),) * axis_of(dim, input.ndim) + (slice(start, end, step),)
    out[at].copy_(_of_shape(src, out[at], "slice_scatter"))
    return out


def diagonal_scatter(input: Tensor, src: Tensor, offset: int = 0, dim1: int = 0,
                     dim2: int = 1) -> Tensor:  # fmt: skip
    """``input`` with a diagonal replaced."""
    out = input.clone()
    line = out.diagonal(offset, dim1, dim2)
    line.copy_(_of_shape(src, line, "diagonal_scatter"))
    return out


def _of_shape(src: Tensor, part: Tensor, name: str) -> Tensor:
    if src.shape != part.shape:
        raise RuntimeError(
            f"{name}: expected src to have a size equal to the slice of self. src size = "
            f"{list(src.shape)}, slice size = {list(part.shape)}"
        )
    return src


def put(input: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """``input`` with the elements at row-major positions replaced by (or added to) ``source``."""
    check_index(index, "put", (int64,))
    if index._type.size != source._type.size:
        raise IndexError(
            "put_(): Expected source and index to have the same number of elements, but got "
            f"source.numel() = {source._type.size}, index.numel() = {index._type.size}"
        )
    size = input._type.size
    message = f"out of range: tried to access index {{value}} on a tensor of {size} elements."
    checked = in_range(reshape(index, -1), size, "IndexError", message, True)
    out = with_rows(reshape(input, -1), checked, reshape(source, -1), accumulate)
    return reshape(out, tuple(input.shape))


__all__ = [
    "diagonal_scatter", "index_add", "index_copy", "index_fill", "index_reduce", "put", "scatter",
    "scatter_add", "scatter_reduce", "select_scatter", "slice_scatter",
]  # fmt: skip
METHODS = __all__
IN_PLACE = [
    "index_add", "index_copy", "index_fill", "index_reduce", "put", "scatter", "scatter_add",
    "scatter_reduce",
]  # fmt: skip

