"""Tensor's methods: functions of this room bound under PyTorch's names, and in-place forms."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from tinytorch.errors import TraceError
from tinytorch.ir import types
from tinytorch.ir.extent import Extent
from tinytorch.ir.storage import numbers
from tinytorch.ir.types import DType, broadcast_shapes
from tinytorch.tracer import backward, hooks, placement, shapes, turning
from tinytorch.tracer import functions as f
from tinytorch.tracer.arguments import refusing
from tinytorch.tracer.assignment import index_put, index_put_, setitem
from tinytorch.tracer.device import check_device
from tinytorch.tracer.functions import viewing
from tinytorch.tracer.indexing import getitem
from tinytorch.tracer.limits import can_cast
from tinytorch.tracer.mode import mode
from tinytorch.tracer.number import Number
from tinytorch.tracer.printing import format_values
from tinytorch.tracer.tensor import Tensor

_VIEWS_AND_COPIES = [
    "broadcast_to", "clone", "contiguous", "expand", "flatten", "flip", "permute", "reshape",
    "squeeze", "transpose", "unsqueeze", "view",
]  # fmt: skip


def _bind() -> None:
    for name in _VIEWS_AND_COPIES:
        setattr(Tensor, name, getattr(shapes, name))
    for module in f.MODULES:
        for name in module.METHODS:
            setattr(Tensor, name, getattr(module, name))
    for home in (backward, hooks, placement, turning):
        for name in home.METHODS:
            setattr(Tensor, name, getattr(home, name))
    for name, item in (*hooks.PROPERTIES.items(), *placement.PROPERTIES.items()):
        setattr(Tensor, name, item)
    for name, function in _OPERATORS.items():
        setattr(Tensor, name, function)
    for name in _BINARY:
        setattr(Tensor, name, _deferring(getattr(Tensor, name)))
    for module in f.MODULES:
        for name in getattr(module, "IN_PLACE", ()):
            function = getattr(module, name)
            setattr(Tensor, f"{name}_", refusing(_in_place(name, function), function))
    for symbol, name in _AUGMENTED.items():
        setattr(Tensor, f"__i{symbol}__", getattr(Tensor, f"{name}_"))


def _cover() -> None:
    """Make every public method refuse bad arguments in PyTorch's way."""
    for name, item in list(vars(Tensor).items()):
        if not name.startswith("_") or name in (*_OPERATORS, *_BINARY):
            setattr(Tensor, name, refusing(item))


def _deferring(function: Callable[..., Any]) -> Callable[..., Any]:
    """An operator that leaves operands it does not know to their own classes, and to Python."""

    @wraps(function)
    def method(self: Tensor, other: Any) -> Any:
        known = isinstance(other, Tensor | int | float | np.generic | Extent)
        return function(self, other) if known else NotImplemented

    return method


def _in_place(name: str, function: Callable[..., Any]) -> Callable[..., Tensor]:
    def method(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        # What is recorded may need the old values, and the write below overwrites them.
        keep = mode.grad and (
            self.requires_grad
            or builtins.any(isinstance(x, Tensor) and x.requires_grad for x in args)
        )  # fmt: skip
        value = function(shapes.clone(self) if keep else self, *args, **kwargs)
        if value.shape != self.shape:
            raise RuntimeError(
                f"output with shape {list(self.shape)} doesn't match the broadcast shape "
                f"{list(value.shape)}"
            )
        if not can_cast(value.dtype, self.dtype):
            raise RuntimeError(
                f"result type {value.dtype.name} can't be cast to the desired output type "
                f"{self.dtype.name}"
            )
        return self.assign(value.to(self.dtype))

    method.__name__ = method.__qualname__ = f"{name}_"
    method.__doc__ = f"In-place form of ``{name}``."
    return method


def _reflected(function: Callable[..., Any]) -> Callable[..., Any]:
    """An operator called on its right operand."""
    return lambda self, other: function(other, self)


_OPERATORS: dict[str, Callable[..., Any]] = {
    "__matmul__": f.matmul,
    "__rmatmul__": _reflected(f.matmul),
    "__floordiv__": f.floor_divide,
    "__rfloordiv__": _reflected(f.floor_divide),
    "__mod__": f.remainder,
    "__rmod__": _reflected(f.remainder),
    "__sub__": f.sub,
    "__rsub__": _reflected(f.sub),
    "__pow__": f.pow,
    "__rpow__": _reflected(f.pow),
    "__neg__": f.neg,
    "__abs__": f.abs,
    "__pos__": f.positive,
    "__and__": f.bitwise_and,
    "__rand__": _reflected(f.bitwise_and),
    "__or__": f.bitwise_or,
    "__ror__": _reflected(f.bitwise_or),
    "__xor__": f.bitwise_xor,
    "__rxor__": _reflected(f.bitwise_xor),
    "__lshift__": f.bitwise_left_shift,
    "__rlshift__": _reflected(f.bitwise_left_shift),
    "__rshift__": f.bitwise_right_shift,
    "__rrshift__": _reflected(f.bitwise_right_shift),
    "__invert__": f.bitwise_not,
    "__getitem__": getitem,
    "__setitem__": setitem,
    "index_put": index_put,
    "index_put_": index_put_,
    "where": lambda self, condition, other: f.where(condition, self, other),
}
_BINARY = [
    f"__{side}{name}__" for side in ("", "r") for name in (
        "add", "sub", "mul", "truediv", "pow", "floordiv", "mod", "and", "or", "xor", "lshift",
        "rshift",
    )
] + ["__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__"]  # fmt: skip
_AUGMENTED = {
    "add": "add", "sub": "sub", "mul": "mul", "truediv": "div", "pow": "pow",
    "floordiv": "floor_divide", "mod": "remainder", "and": "bitwise_and", "or": "bitwise_or",
    "xor": "bitwise_xor", "lshift": "bitwise_left_shift", "rshift": "bitwise_right_shift",
}  # fmt: skip


def method(function: Callable[..., Any]) -> Callable[..., Any]:
    """Bind a function of this file as a method of Tensor."""
    setattr(Tensor, function.__name__, function)
    return function


@method
def to(
    self: Tensor, *args: Any, dtype: DType | None = None, device: Any = None,
    non_blocking: bool = False, copy: bool = False, memory_format: Any = None,
) -> Tensor:  # fmt: skip
    """Return the tensor in a dtype (or like another tensor); itself if nothing changes.

    The places are those of PyTorch: a dtype, a device, a device and a dtype, or a tensor; then
    ``non_blocking`` and ``copy``, which asks for a new tensor in any case.
    """
    flags = [arg for arg in args if isinstance(arg, bool)]
    non_blocking, copy = (*flags, *(non_blocking, copy)[len(flags) :])[:2]
    for arg in args:
        if isinstance(arg, DType):
            dtype = arg
        elif isinstance(arg, Tensor):
            dtype = arg.dtype
        elif arg is not None and not isinstance(arg, bool):
            device = arg
    check_device(device)
    if dtype is None or dtype is self.dtype and not self._type.weak:
        return shapes.clone(self) if copy else self
    if not isinstance(dtype, DType):
        raise TypeError(f"dtype must be a tinytorch dtype, got {dtype!r}")
    return self.converted(dtype)


def _caster(dtype: DType) -> Callable[[Tensor], Tensor]:
    def cast(self: Tensor) -> Tensor:
        return to(self, dtype)

    cast.__doc__ = f"Return the tensor as {dtype.name}."
    return cast


_CASTS = {
    "float": types.float32, "double": types.float64, "long": types.int64, "int": types.int32,
    "bool": types.bool_, "half": types.float16, "bfloat16": types.bfloat16, "short": types.int16,
    "char": types.int8, "byte": types.uint8,
}  # fmt: skip
for _name, _dtype in _CASTS.items():
    setattr(Tensor, _name, _caster(_dtype))


@method
def type_as(self: Tensor, other: Tensor) -> Tensor:
    """Return the tensor in another's dtype."""
    return to(self, other.dtype)


@method
def copy_(self: Tensor, src: Any, non_blocking: bool = False) -> Tensor:
    """Write another tensor's values (or a number), broadcast and converted, into this one.

    Raises TypeError for what is neither, RuntimeError for shapes that do not fit.
    """
    if not isinstance(src, Tensor):
        return fill_(self, src)
    try:
        fits = broadcast_shapes(self._type.shape, src._type.shape) == self._type.shape
    except RuntimeError:
        fits = False
    if not fits:
        raise RuntimeError(
            f"The size of tensor a {list(self.shape)} must match the size of tensor b "
            f"{list(src.shape)}"
        )
    return self.assign(shapes.expand(to(src, self.dtype), *self.shape))


@method
def fill_(self: Tensor, value: Any) -> Tensor:
    """Write one number everywhere; raises TypeError for what is none."""
    if not isinstance(value, Tensor | Number | int | float | np.generic | Extent):
        raise TypeError(f"fill_(): argument 'value' must be Number, not {type(value).__name__}")
    if type(value) is Number:
        value = value.trace.number_as_tensor(value)
    source = value if isinstance(value, Tensor) else self.constant(value, shape=())
    return copy_(self, source)


@method
def zero_(self: Tensor) -> Tensor:
    """Write zeros everywhere."""
    return fill_(self, 0)


@method
def dim(self: Tensor) -> int:
    """Number of axes."""
    return self.ndim


@method
def size(self: Tensor, dim: int | None = None) -> Any:
    """Sizes, or the size of one axis."""
    return self.shape if dim is None else self.shape[shapes.axis_of(dim, self.ndim)]


@method
def numel(self: Tensor) -> int:
    """Number of elements."""
    return self._type.size if mode.sizes is None else mode.sizes.shape((self._type.size,))[0]


@method
def stride(self: Tensor, dim: int | None = None) -> Any:
    """Strides in elements, or that of one axis."""
    strides = self._strides if mode.sizes is None else tuple(mode.sizes.shape(self._strides))
    return strides if dim is None else strides[shapes.axis_of(dim, self.ndim)]


@method
def element_size(self: Tensor) -> int:
    """Bytes of one element."""
    return self.dtype.itemsize


def _reversed(self: Tensor) -> Tensor:
    """A view with the axes reversed."""
    return shapes.permute(self, *range(self.ndim - 1, -1, -1))


Tensor.nbytes = property(  # type: ignore[attr-defined]
    lambda self: self._type.size * self.dtype.itemsize
)
Tensor.itemsize = property(element_size)  # type: ignore[attr-defined]
Tensor.T = property(_reversed)  # type: ignore[attr-defined]
Tensor.mT = property(viewing.matrix_transpose)  # type: ignore[attr-defined]
Tensor.mH = property(viewing.matrix_transpose)  # type: ignore[attr-defined]
Tensor.H = property(f.t)  # type: ignore[attr-defined]


@method
def __iter__(self: Tensor) -> Any:  # noqa: N807
    if self.ndim == 0:
        raise TypeError("iteration over a 0-d tensor")
    return iter([getitem(self, i) for i in range(len(self))])


@method
def __contains__(self: Tensor, value: Any) -> bool:  # noqa: N807
    return bool(f.any(f.eq(self, value)))


@method
def __repr__(self: Tensor) -> str:  # noqa: N807
    plain = self.dtype in (mode.default_dtype, types.int64, types.bool_)
    empty = self._type.size == 0
    extra = f", size={tuple(self.shape)}" if empty and self.ndim > 1 else ""
    if not plain or (empty and self.dtype is not mode.default_dtype):
        extra += f", dtype={self.dtype}"
    if mode.trace is not None or self._array is None:
        return f"tensor(<traced {self._type}>)"
    text = format_values(numbers(self._array), len("tensor("))
    if self.tape is not None:
        extra += f", grad_fn={self.tape!r}"
    elif self._requires:
        extra += ", requires_grad=True"
    return f"tensor({text}{extra})"


@method
def __format__(self: Tensor, spec: str) -> str:  # noqa: N807
    if self.ndim == 0 and spec:
        return format(self.item(), spec)
    return repr(self)


@method
def is_inference(self: Tensor) -> bool:
    """Whether the tensor was made in inference mode, so that autograd cannot use it."""
    return self._storage.inference


@method
def __deepcopy__(self: Tensor, memo: Any) -> Tensor:  # noqa: N807
    if mode.trace is not None:
        raise TraceError("copy.deepcopy of a tensor inside a compiled function; use clone()")
    if self.tape is not None:
        raise RuntimeError(
            "Only Tensors created explicitly by the user support the deepcopy protocol"
        )
    out = Tensor.make(self._type, self.array.copy(), cls=type(self))
    out._requires = self._requires
    out._grad = None if self.grad is None else __deepcopy__(self.grad, memo)
    memo[id(self)] = out
    return out


_bind()
_cover()

_IN_PLACE_AT_THE_TOP = [
    f"{name}_" for name in (
        "abs", "acos", "acosh", "addmv", "arccos", "arccosh", "arcsin", "arcsinh", "arctan",
        "arctanh", "asin", "asinh", "atan", "atanh", "ceil", "clamp", "clamp_max", "clamp_min",
        "clip", "cos", "cosh", "deg2rad", "erf", "erfc", "exp", "exp2", "expm1", "fill", "fix",
        "floor", "frac", "log", "log10", "log1p", "log2", "logit", "nan_to_num", "neg",
        "negative", "rad2deg", "reciprocal", "relu", "round", "rsqrt", "sigmoid", "sin", "sinc",
        "sinh", "sqrt", "square", "tan", "tanh", "trunc", "xlogy", "zero",
    )
]  # fmt: skip
"""Methods that are functions, too, as in PyTorch: ``relu_(x)`` is ``x.relu_()``."""
globals().update({name: getattr(Tensor, name) for name in _IN_PLACE_AT_THE_TOP})

__all__ = ["Tensor", *_IN_PLACE_AT_THE_TOP]
