"""Parameter: a leaf tensor that a module finds when it is assigned as an attribute."""

from __future__ import annotations

from typing import Any

from tinytorch.errors import TraceError
from tinytorch.tracer.mode import mode, user_origin
from tinytorch.tracer.tensor import Tensor


class Parameter(Tensor):
    """A tensor that a module registers and an optimizer updates.

    Shares memory with ``data``. Raises TypeError if ``data`` is no tensor, RuntimeError if a
    gradient is wanted of a dtype that has none.
    """

    __slots__ = ()

    def __new__(cls, data: Tensor, requires_grad: bool = True) -> Parameter:
        """Build the parameter around ``data``."""
        if not isinstance(data, Tensor):
            raise TypeError(f"Parameter data must be a Tensor, got {type(data).__name__}")
        if mode.trace is not None:
            raise TraceError(
                f"{user_origin()}: a Parameter made inside a compiled function would be made only "
                "once, while it is traced; make it outside"
            )
        self: Any = Tensor.make(data.aval, data.array, data._storage, data._strides, cls=cls)
        self.requires_grad_(requires_grad)
        return self

    def __init__(self, data: Tensor, requires_grad: bool = True) -> None:
        pass

    def converted_in_place(self, dtype: Any) -> None:
        """Change the element type; whoever holds this parameter sees the new one."""
        self.show_memory_of(self.detach().to(dtype))
        grad = self.grad
        if grad is not None:
            self._grad = grad.detach().to(dtype)

    def __repr__(self) -> str:
        return f"Parameter containing:\n{super().__repr__()}"
