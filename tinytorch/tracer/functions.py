"""Functions on tensors: thin covers of ops with PyTorch's names, arguments and errors."""

from __future__ import annotations

import builtins
import math
from collections.abc import Callable, Sequence
from typing import Any

from tinytorch.errors import TraceError, TypeRuleError
from tinytorch.ir import ops
from tinytorch.ir.op import Op
from tinytorch.ir.types import bool_, broadcast_shapes, int64, promote
from tinytorch.ir.types import count as count_of
from tinytorch.tracer.mode import mode, user_origin
from tinytorch.tracer.number import Number
from tinytorch.tracer.storage import view_strides
from tinytorch.tracer.tensor import Tensor

# ------------------------------------------------------------------- arguments


def check_tensor(x: Any, function: str) -> Tensor:
    """Return x, or raise TypeError as PyTorch does."""
    if not isinstance(x, Tensor):
        raise TypeError(f"{function}(): argument 'input' must be Tensor, not {type(x).__name__}")
    return x


def axis_of(dim: Any, ndim: int) -> int:
    """Normalise an axis; raise IndexError with PyTorch's wording."""
    if not hasattr(dim, "__index__") or isinstance(dim, Tensor):
        raise TypeError(f"dim must be an int, not {type(dim).__name__}")
    dim = int(dim.__index__())
    span = max(ndim, 1)
    if not -span <= dim < span:
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{-span}, {span - 1}], "
            f"but got {dim})"
        )
    return dim % span


def axes_of(dim: Any, ndim: int) -> tuple[int, ...]:
    """Normalise ``None``, one axis or several to sorted unique axes."""
    if dim is None:
        return tuple(range(ndim))
    if not isinstance(dim, tuple | list):
        dim = (dim,)
    axes = [axis_of(d, ndim) for d in dim] if dim else list(range(ndim))
    if len(set(axes)) != len(axes):
        raise RuntimeError("dim appears multiple times in the list of dims")
    return tuple(sorted(axes)) if ndim else ()


def sizes_of(shape: Sequence[Any], function: str) -> tuple[int, ...]:
    """Read ``f(2, 3)`` or ``f((2, 3))`` as a shape of ints."""
    if len(shape) == 1 and isinstance(shape[0], tuple | list):
        shape = shape[0]
    for size in shape:
        if type(size) is not Number and (not hasattr(size, "__index__") or isinstance(size, bool)):
            raise TypeError(
                f"{function}(): argument 'size' must be tuple of ints, but found element of type "
                f"{type(size).__name__}"
            )
    return tuple(int(s.__index__()) for s in shape)


# ----------------------------------------------------------------- elementwise


def _unary(op: Op) -> Callable[[Tensor], Tensor]:
    def function(input: Tensor) -> Tensor:
        return op(check_tensor(input, op.name))

    function.__name__ = function.__qualname__ = op.name
    function.__doc__ = op.doc
    return function


def _binary(op: Op) -> Callable[[Any, Any], Tensor]:
    def function(input: Any, other: Any) -> Tensor:
        return op(input, other)

    function.__name__ = function.__qualname__ = op.name
    function.__doc__ = op.doc
    return function


UNARY: dict[str, Callable[[Tensor], Tensor]] = {
    op.name: _unary(op)
    for op in (
        ops.abs_, ops.cos, ops.erf, ops.exp, ops.expm1, ops.isnan, ops.log, ops.log1p, ops.neg,
        ops.relu, ops.rsqrt, ops.sigmoid, ops.sign, ops.sin, ops.sqrt, ops.tanh,
    )
}  # fmt: skip
BINARY: dict[str, Callable[[Any, Any], Tensor]] = {
    op.name: _binary(op)
    for op in (
        ops.add, ops.eq, ops.ge, ops.gt, ops.le, ops.lt, ops.maximum, ops.minimum, ops.mul, ops.ne,
        ops.sub, ops.pow_,
    )
}  # fmt: skip


def _bitwise(op: Op) -> Callable[[Any, Any], Tensor]:
    def function(input: Any, other: Any) -> Tensor:
        for x in (input, other):
            if isinstance(x, Tensor) and x.dtype.is_floating_point or isinstance(x, float):
                kind = x.dtype.name if isinstance(x, Tensor) else "float"
                raise TypeRuleError(f"{op.name} takes integers or bools, got {kind}")
        return op(input, other)

    function.__name__ = function.__qualname__ = op.name
    function.__doc__ = op.doc
    return function


BINARY |= {op.name: _bitwise(op) for op in (ops.bitwise_and, ops.bitwise_or, ops.bitwise_xor)}


def _rounding(op: Op) -> Callable[[Tensor], Tensor]:
    def function(input: Tensor) -> Tensor:
        check_tensor(input, op.name)
        return op(input) if input.dtype.is_floating_point else clone(input)

    function.__name__ = function.__qualname__ = op.name
    function.__doc__ = f"{op.doc} Integers stay as they are."
    return function


UNARY |= {op.name: _rounding(op) for op in (ops.floor, ops.ceil, ops.trunc, ops.round_)}


def reciprocal(input: Tensor) -> Tensor:
    """1 / x."""
    return 1 / input


def square(input: Tensor) -> Tensor:
    """x * x."""
    return input * input


def div(input: Any, other: Any, *, rounding_mode: str | None = None) -> Tensor:
    """Quotient; ``rounding_mode`` None, ``"floor"`` or ``"trunc"``."""
    if rounding_mode is None:
        return ops.div(input, other)
    if rounding_mode == "floor":
        return floor_divide(input, other)
    if rounding_mode == "trunc":
        quotient = UNARY["trunc"](ops.div(input, other))
        return quotient.to(BINARY["mul"](input, other).dtype)
    raise RuntimeError(
        f"div expected rounding_mode to be one of None, 'trunc', or 'floor' but found "
        f"'{rounding_mode}'"
    )


def _divisor(input: Any, other: Any) -> Any:
    """Guard an integer divisor: dividing by zero raises, as in PyTorch."""
    types = [x.type if hasattr(x, "apply_op") else None for x in (input, other)]
    integral = builtins.all(t is None or t.dtype.kind != "f" for t in types)
    if isinstance(other, Tensor) and integral:
        return ops.require_nonzero(other, error="RuntimeError", message="ZeroDivisionError")
    if integral and not isinstance(other, Tensor) and other == 0:
        raise RuntimeError("ZeroDivisionError")
    return other


def floor_divide(input: Any, other: Any) -> Tensor:
    """Quotient rounded down; raises RuntimeError on integer division by zero."""
    return ops.floor_divide(input, _divisor(input, other))


def remainder(input: Any, other: Any) -> Tensor:
    """Remainder with the divisor's sign; raises RuntimeError on integer division by zero."""
    return ops.remainder(input, _divisor(input, other))


def logical_not(input: Tensor) -> Tensor:
    """Not, of each element's truth."""
    return ops.logical_not(input.to(bool_))


def logical_and(input: Tensor, other: Tensor) -> Tensor:
    """And, of each element's truth."""
    return ops.bitwise_and(input.to(bool_), other.to(bool_))


def logical_or(input: Tensor, other: Tensor) -> Tensor:
    """Or, of each element's truth."""
    return ops.bitwise_or(input.to(bool_), other.to(bool_))


def bitwise_not(input: Tensor) -> Tensor:
    """Bitwise not; of a bool, logical not."""
    return ops.logical_not(input) if input.dtype is bool_ else ops.bitwise_not(input)


def where(condition: Tensor, input: Any, other: Any) -> Tensor:
    """Elements of ``input`` where the condition holds, else of ``other``; shapes broadcast."""
    check_tensor(condition, "where")
    if condition.dtype is not bool_:
        raise RuntimeError(f"where expected condition to be a boolean tensor, but got a tensor "
                           f"with dtype {condition.dtype}")  # fmt: skip
    if not isinstance(input, Tensor) and not isinstance(other, Tensor):
        fraction = isinstance(input, float) or isinstance(other, float)
        dtype = mode.default_dtype if fraction else int64
        input = condition.constant(input, shape=(), dtype=dtype)
    return ops.where(condition, input, other)


def clamp(input: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """Values limited to ``[min, max]``; the gradient passes where the value is inside."""
    if min is None and max is None:
        raise RuntimeError("torch.clamp: At least one of 'min' or 'max' must not be None")
    out = input
    if min is not None:
        out = ops.where(out < min, min, out)
    if max is not None:
        out = ops.where(out > max, max, out)
    return out


def masked_fill(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """``value`` where the mask holds, else ``input``; the dtype stays."""
    if mask.dtype is not bool_:
        raise RuntimeError(f"masked_fill only supports boolean masks, but got dtype {mask.dtype}")
    fill = value if isinstance(value, Tensor) else input.constant(value, shape=())
    return ops.where(mask, fill.to(input.dtype), input)


# ---------------------------------------------------------------------- shapes


def reshape(input: Tensor, *shape: Any) -> Tensor:
    """The same elements in another shape; a view where strides allow, else a copy."""
    wanted = fill_size(input, sizes_of(shape, "reshape"))
    strides = view_strides(tuple(input.shape), input._strides, wanted)
    if strides is None:
        return ops.reshape(input, shape=wanted)
    return input.view_as_op(ops.reshape, {"shape": wanted}, strides)


def view(input: Tensor, *shape: Any) -> Tensor:
    """The same memory in another shape; raises RuntimeError where only a copy could do it."""
    wanted = fill_size(input, sizes_of(shape, "view"))
    strides = view_strides(tuple(input.shape), input._strides, wanted)
    if strides is None:
        raise RuntimeError(
            "view size is not compatible with input tensor's size and stride (at least one "
            "dimension spans across two contiguous subspaces). Use .reshape(...) instead."
        )
    return input.view_as_op(ops.reshape, {"shape": wanted}, strides)


def fill_size(input: Tensor, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Replace a single -1 by the size that fits; raise RuntimeError if none does."""
    total = input._type.size
    if shape.count(-1) > 1:
        raise RuntimeError("only one dimension can be inferred")
    if builtins.any(s < -1 for s in shape):
        raise RuntimeError(f"invalid shape dimension {min(shape)}")
    rest = math.prod(s for s in shape if s != -1)
    if (-1 in shape and (rest == 0 or total % rest)) or (-1 not in shape and rest != total):
        raise RuntimeError(f"shape '{list(shape)}' is invalid for input of size {total}")
    return tuple(total // rest if s == -1 else s for s in shape)


def permute(input: Tensor, *dims: Any) -> Tensor:
    """A view with axes in another order."""
    order = tuple(axis_of(d, input.ndim) for d in sizes_of(dims, "permute"))
    if sorted(order) != list(range(input.ndim)):
        raise RuntimeError(
            f"permute(sparse_coo): number of dimensions in the tensor input does not match the "
            f"length of the desired ordering of dimensions i.e. input.dim() = {input.ndim} is not "
            f"equal to len(dims) = {len(order)}"
        )
    return input.view_as_op(ops.permute, {"order": order}, tuple(input._strides[i] for i in order))


def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """A view with two axes swapped."""
    order = list(range(input.ndim))
    a, b = axis_of(dim0, input.ndim), axis_of(dim1, input.ndim)
    if order:
        order[a], order[b] = order[b], order[a]
    return permute(input, *order)


def expand(input: Tensor, *shape: Any) -> Tensor:
    """A view in which axes of size 1 repeat; -1 keeps a size."""
    wanted = sizes_of(shape, "expand")
    lead = len(wanted) - input.ndim
    if lead < 0:
        raise RuntimeError(
            f"expand: the number of sizes provided ({len(wanted)}) must be greater or equal to the "
            f"number of dimensions in the tensor ({input.ndim})"
        )
    old: tuple[Any, ...] = input._type.shape
    full = tuple(old[i - lead] if s == -1 and i >= lead else s for i, s in enumerate(wanted))
    for i, size in enumerate(full):
        if size < 0 or (i >= lead and old[i - lead] not in (1, size)):
            raise RuntimeError(
                f"The expanded size of the tensor ({size}) must match the existing size "
                f"({old[i - lead] if i >= lead else 'none'}) at non-singleton dimension {i}. "
                f"Target sizes: {list(wanted)}. Tensor sizes: {list(old)}"
            )
    strides = tuple(
        0 if i < lead or (old[i - lead] == 1 and s != 1) else input._strides[i - lead]
        for i, s in enumerate(full)
    )
    return input.view_as_op(ops.broadcast_to, {"shape": full}, strides)


def broadcast_to(input: Tensor, shape: Sequence[int]) -> Tensor:
    """``expand`` with the shape as one argument."""
    return expand(input, *shape)


def squeeze(input: Tensor, dim: Any = None) -> Tensor:
    """A view without axes of size 1."""
    chosen = axes_of(dim, input.ndim)
    return view(
        input, tuple(s for i, s in enumerate(input.shape) if not (i in chosen and s == 1))
    )


def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """A view with a new axis of size 1."""
    axis = axis_of(dim, input.ndim + 1)
    shape, strides = list(input.shape), list(input._strides)
    strides.insert(axis, shape[axis] * strides[axis] if axis < len(shape) else 1)
    shape.insert(axis, 1)
    return input.view_as_op(ops.reshape, {"shape": tuple(shape)}, tuple(strides))


def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Axes from ``start_dim`` to ``end_dim`` merged into one."""
    if input.ndim == 0:
        return reshape(input, 1)
    a, b = axis_of(start_dim, input.ndim), axis_of(end_dim, input.ndim)
    if a > b:
        raise RuntimeError("flatten() has invalid args: start_dim cannot come after end_dim")
    shape = input.shape
    return reshape(input, (*shape[:a], math.prod(shape[a : b + 1]), *shape[b + 1 :]))


def clone(input: Tensor) -> Tensor:
    """A copy with its own memory, through which gradients flow."""
    return ops.reshape(input, shape=input._type.shape)


def contiguous(input: Tensor) -> Tensor:
    """The tensor itself if its elements lie in order, else a copy that does."""
    if input.is_contiguous():
        return input
    return ops.reshape(input, shape=input._type.shape)


def cat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Tensors one after another along an axis; dtypes promote."""
    if not tensors:
        raise RuntimeError("torch.cat(): expected a non-empty list of Tensors")
    axis = axis_of(dim, tensors[0].ndim)
    dtype = tensors[0].dtype
    for t in tensors[1:]:
        dtype = promote(dtype, t.dtype)
    return ops.cat(*(t.to(dtype) for t in tensors), axis=axis)


def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Tensors of one shape along a new axis."""
    if not tensors:
        raise RuntimeError("stack expects a non-empty TensorList")
    for t in tensors:
        if t.shape != tensors[0].shape:
            raise RuntimeError(
                f"stack expects each tensor to be equal size, but got {list(tensors[0].shape)} at "
                f"entry 0 and {list(t.shape)}"
            )
    return cat([unsqueeze(t, dim) for t in tensors], axis_of(dim, tensors[0].ndim + 1))


def flip(input: Tensor, dims: Any) -> Tensor:
    """A copy reversed along axes."""
    return ops.flip(input, axes=axes_of(dims, input.ndim))


# ------------------------------------------------------------------ reductions


def _squeezed(out: Tensor, input: Tensor, axes: tuple[int, ...], keepdim: bool) -> Tensor:
    if keepdim:
        return out
    shape = tuple(s for i, s in enumerate(input._type.shape) if i not in set(axes))
    return ops.reshape(out, shape=shape)


def sum(input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:  # noqa: A001
    """Sum over axes; integers and bools sum as int64."""
    if dtype is not None:
        input = input.to(dtype)
    elif not input.dtype.is_floating_point:
        input = input.to(int64)
    axes = axes_of(dim, input.ndim)
    return _squeezed(ops.sum_(input, axes=axes), input, axes, keepdim)


def mean(input: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
    """Mean over axes, of a floating-point tensor."""
    if not input.dtype.is_floating_point:
        raise RuntimeError(
            f"mean(): could not infer output dtype. Input dtype must be either a floating point or "
            f"complex dtype. Got: {input.dtype.name}"
        )
    axes = axes_of(dim, input.ndim)
    count = count_of(input._type.shape[a] for a in axes)
    scale = 1 / count if count else math.nan
    return sum(input, dim, keepdim) * scale if count else sum(input, dim, keepdim) / 0.0


def var(input: Tensor, dim: Any = None, *, correction: float = 1, keepdim: bool = False,
        unbiased: bool | None = None) -> Tensor:  # fmt: skip
    """Variance over axes; divides by ``count - correction``."""
    correction = correction if unbiased is None else int(unbiased)
    axes = axes_of(dim, input.ndim)
    count = count_of(input._type.shape[a] for a in axes)
    centred = input - mean(input, axes, keepdim=True)
    total = sum(centred * centred, dim, keepdim)
    return total / max(0.0, float(count - correction))


def std(input: Tensor, dim: Any = None, *, correction: float = 1, keepdim: bool = False) -> Tensor:
    """Standard deviation over axes."""
    return ops.sqrt(var(input, dim, correction=correction, keepdim=keepdim))


def amax(input: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
    """Largest over axes; ties share the gradient."""
    axes = axes_of(dim, input.ndim)
    return _squeezed(ops.max_(input, axes=axes), input, axes, keepdim)


def amin(input: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
    """Smallest over axes; ties share the gradient."""
    axes = axes_of(dim, input.ndim)
    return _squeezed(ops.min_(input, axes=axes), input, axes, keepdim)


def argmax(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Position of the (first) largest."""
    axes = axes_of(dim, input.ndim)
    return _squeezed(ops.argmax(input, axes=axes), input, axes, keepdim)


def argmin(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Position of the (first) smallest."""
    axes = axes_of(dim, input.ndim)
    return _squeezed(ops.argmin(input, axes=axes), input, axes, keepdim)


def any(input: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:  # noqa: A001
    """Whether any element is true."""
    return amax(input.to(bool_), dim, keepdim)


def all(input: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:  # noqa: A001
    """Whether all elements are true."""
    return amin(input.to(bool_), dim, keepdim)


# -------------------------------------------------------------------- products


def matmul(input: Tensor, other: Tensor) -> Tensor:
    """Matrix product with PyTorch's rules for vectors and broadcast batches."""
    check_tensor(input, "matmul")
    check_tensor(other, "matmul")
    if input.ndim == 0 or other.ndim == 0:
        raise RuntimeError("both arguments to matmul need to be at least 1D, but they are "
                           f"{input.ndim}D and {other.ndim}D")  # fmt: skip
    if input.dtype is not other.dtype:
        raise RuntimeError(f"expected m1 and m2 to have the same dtype, but got: "
                           f"{input.dtype.name} != {other.dtype.name}")  # fmt: skip
    a = unsqueeze(input, 0) if input.ndim == 1 else input
    b = unsqueeze(other, 1) if other.ndim == 1 else other
    if a.shape[-1] != b.shape[-2]:
        raise RuntimeError(
            f"mat1 and mat2 shapes cannot be multiplied ({'x'.join(map(str, input.shape))} and "
            f"{'x'.join(map(str, other.shape))})"
        )
    out = _batched(a, b)
    if input.ndim == 1:
        out = squeeze(out, -2)
    return squeeze(out, -1) if other.ndim == 1 else out


def _batched(a: Tensor, b: Tensor) -> Tensor:
    if a.ndim > 2 and b.ndim == 2:  # one large product beats many small ones
        rows = ops.matmul(reshape(a, -1, a.shape[-1]), b)
        return reshape(rows, (*a.shape[:-1], b.shape[-1]))
    batch = broadcast_shapes(a.shape[:-2], b.shape[:-2])
    return ops.matmul(expand(a, *batch, *a.shape[-2:]), expand(b, *batch, *b.shape[-2:]))


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``input @ weight.T + bias``; input (..., in), weight (out, in), bias (out)."""
    if input.ndim == 0 or input.shape[-1] != weight.shape[-1]:
        raise RuntimeError(
            f"linear: input of shape {list(input.shape)} does not fit weight of shape "
            f"{list(weight.shape)}: the last axis must have size {weight.shape[-1]}"
        )
    out = matmul(input, transpose(weight, 0, 1) if weight.ndim == 2 else weight)
    return out if bias is None else out + bias


# -------------------------------------------------------------------- softmax


def softmax(input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """exp(x) / sum(exp(x)) along an axis, without overflow."""
    input = input if dtype is None else input.to(dtype)
    axes = axes_of(dim, input.ndim)
    shifted = ops.exp(input - ops.max_(input, axes=axes).detach())
    return shifted / ops.sum_(shifted, axes=axes)


def log_softmax(input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """log(softmax(x)), without overflow or loss."""
    input = input if dtype is None else input.to(dtype)
    axes = axes_of(dim, input.ndim)
    shifted = input - ops.max_(input, axes=axes).detach()
    return shifted - ops.log(ops.sum_(ops.exp(shifted), axes=axes))


def logsumexp(input: Tensor, dim: Any, keepdim: bool = False) -> Tensor:
    """log(sum(exp(x))) along axes, without overflow."""
    axes = axes_of(dim, input.ndim)
    top = ops.max_(input, axes=axes).detach()
    top = ops.where(ops.abs_(top) == math.inf, 0.0, top)
    out = ops.log(ops.sum_(ops.exp(input - top), axes=axes)) + top
    return _squeezed(out, input, axes, keepdim)


# ------------------------------------------------------------------- indexing


def in_range(index: Tensor, size: int, error: str, message: str, negative: bool) -> Tensor:
    """Guard an index tensor; negative indices count from the end if allowed."""
    if index.dtype.kind != "i":
        raise IndexError(
            f"tensors used as indices must be long, int, byte or bool tensors, got {index.dtype}"
        )
    index = index.to(int64)
    low = -size if negative else 0
    index = ops.require_range(index, low=low, high=size, error=error, message=message)
    return ops.where(index < 0, index + size, index) if negative else index


def index_select(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """Slices along an axis at the positions of a 1-d index tensor."""
    axis = axis_of(dim, input.ndim)
    if index.ndim > 1:
        raise IndexError("index_select(): Index is supposed to be a vector")
    checked = in_range(index, input.shape[axis], "IndexError", "index out of range in self", False)
    return ops.take(input, checked if index.ndim else reshape(checked, 1), axis=axis)


def gather(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """Elements along an axis at the positions of an index of the result's shape."""
    axis = axis_of(dim, input.ndim)
    if index.dtype is not int64:
        raise RuntimeError("gather(): Expected dtype int64 for index")
    if index.ndim != input.ndim:
        raise RuntimeError("Index tensor must have the same number of dimensions as input tensor")
    size = input.shape[axis]
    message = f"index {{value}} is out of bounds for dimension {axis} with size {size}"
    checked = in_range(index, size, "RuntimeError", message, False)
    bounds = tuple(s if i == axis else n for i, (s, n) in enumerate(zip(input.shape, index.shape)))
    if bounds != tuple(input.shape):
        input = ops.slice_(input, starts=(0,) * input.ndim, stops=bounds, steps=(1,) * input.ndim)
    return ops.gather(input, checked, axis=axis)


def take_along_dim(input: Tensor, indices: Tensor, dim: int) -> Tensor:
    """``gather`` with numpy's name; other axes broadcast."""
    return gather(input, dim, indices)


def one_hot(tensor: Tensor, num_classes: int) -> Tensor:
    """1 at each class index, else 0, as int64 with a new last axis."""
    if num_classes < 1:
        raise TraceError(
            f"{user_origin()}: one_hot needs num_classes: the number of classes in the data is not "
            "known before it is read"
        )
    checked = in_range(
        tensor, num_classes, "RuntimeError", "Class values must be smaller than num_classes.", False
    )
    last = unsqueeze(checked, -1)
    shape = (*tensor.shape, num_classes)
    classes = tensor.apply_op(ops.iota, (), {"shape": shape, "axis": tensor.ndim})
    return (last == classes).to(int64)

