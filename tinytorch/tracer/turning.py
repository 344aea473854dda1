"""In-place changes of how a tensor shows its memory: ``t_``, ``squeeze_`` and their kin.

The memory stays where it is and what shares it sees nothing of this. A tensor that owns its memory
becomes a view of a hidden tensor that keeps the old shape and history, for the views taken before.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tinytorch.errors import TraceError
from tinytorch.tracer import shapes
from tinytorch.tracer.functions import viewing
from tinytorch.tracer.mode import enable_grad, mode, user_origin
from tinytorch.tracer.tensor import Tensor
from tinytorch.tracer.tracked import touch
from tinytorch.tracer.views import base_of, root_of


def _check(x: Tensor) -> None:
    """Refuse leaves, tensors from outside a trace, and inference tensors outside their mode."""
    root = root_of(x)
    if mode.grad and (x._requires or root._requires):
        what = "a leaf Variable" if x._requires else "a view of a leaf Variable"
        raise RuntimeError(f"{what} that requires grad is being used in an in-place operation.")
    if x._storage.inference and not mode.inference:
        raise RuntimeError(
            "Inplace update to inference tensor outside InferenceMode is not allowed. You can "
            "make a clone to get a normal tensor before doing inplace update."
        )
    if mode.trace is not None and (x._array is not None or x._requires):
        raise TraceError(
            f"{user_origin()}: the shape of a tensor from outside, or of a leaf ({x._type}), "
            "cannot change inside a compiled function; use the form that returns a view "
            "(x = x.t() for x.t_())"
        )


def _hidden_root(x: Tensor) -> Tensor:
    """A tensor with the shape and history that ``x`` has now: base of it and of its views."""
    root = Tensor.make(x._type, x._array, x._storage, x._strides)
    root._requires, root._tape, root._tape_version = x._requires, x._tape, x._tape_version
    return root


def _turned(x: Tensor, view: Callable[..., Tensor], args: tuple[Any, ...]) -> Tensor:
    """Let ``x`` show its memory as a view of it does; return ``x``."""
    _check(x)
    if x.requires_grad and not x._requires:
        with enable_grad():  # its history goes on whatever the mode, as its values do
            shown = view(x, *args)
    else:
        shown = view(x, *args)
    base = base_of(x)
    x._base = _hidden_root(x) if base is None else base
    if mode.trace is not None:
        mode.trace.renew(x._base)
        x._memo = None
    x._type, x._array, x._strides = shown._type, shown._array, shown._strides
    x._chain, x._tape, x._tape_version = shown._chain, shown._tape, shown._tape_version
    x._pointer = 0
    x._storage.version += 1
    touch()
    return x


def squeeze_(self: Tensor, dim: Any = None) -> Tensor:
    """In-place form of ``squeeze``: the tensor itself loses axes of size 1."""
    return _turned(self, shapes.squeeze, (dim,))


def unsqueeze_(self: Tensor, dim: int) -> Tensor:
    """In-place form of ``unsqueeze``: the tensor itself gets a new axis of size 1."""
    return _turned(self, shapes.unsqueeze, (dim,))


def transpose_(self: Tensor, dim0: int, dim1: int) -> Tensor:
    """In-place form of ``transpose``: the tensor's own axes are swapped, its memory is not."""
    return _turned(self, shapes.transpose, (dim0, dim1))


def swapaxes_(self: Tensor, axis0: int, axis1: int) -> Tensor:
    """``transpose_`` with numpy's name."""
    return _turned(self, shapes.transpose, (axis0, axis1))


def swapdims_(self: Tensor, dim0: int, dim1: int) -> Tensor:
    """``transpose_`` under another name."""
    return _turned(self, shapes.transpose, (dim0, dim1))


def t_(self: Tensor) -> Tensor:
    """In-place form of ``t``: a matrix becomes its transpose."""
    if self.ndim > 2:
        raise RuntimeError(f"t_() expects a tensor with <= 2 dimensions, but self is {self.ndim}D")
    return _turned(self, viewing.t, ())


METHODS = ["squeeze_", "swapaxes_", "swapdims_", "t_", "transpose_", "unsqueeze_"]
