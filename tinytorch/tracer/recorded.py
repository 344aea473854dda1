"""Recorded: a tensor's place in autograd, its history, its gradient, whether it wants one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from tinytorch.ir import ops
from tinytorch.ir.types import DType
from tinytorch.tracer.mode import mode
from tinytorch.tracer.storage import Storage
from tinytorch.tracer.tape import TapeNode
from tinytorch.tracer.tracked import lending, touch
from tinytorch.tracer.views import apply_chain, base_of


class Recorded:
    """What autograd knows of a tensor."""

    __slots__ = ("_grad", "_requires", "_tape", "_tape_version")

    _storage: Storage
    _chain: tuple[tuple[Any, Any], ...]
    _requires: bool
    _grad: Any
    _tape: TapeNode | None
    _tape_version: int
    if TYPE_CHECKING:

        @property
        def shape(self) -> Any:
            """Sizes of the axes."""

        @property
        def dtype(self) -> DType:
            """Element type."""

    @property
    def is_leaf(self) -> bool:
        """Whether the tensor was made by the user rather than by a recorded op."""
        return self.tape is None

    @property
    def tape(self) -> TapeNode | None:
        """How the tensor was computed; a view of a tensor written to since derives it again."""
        base = base_of(self)
        if base is not None and self._tape_version != self._storage.tape_version:
            self._tape_version = self._storage.tape_version
            if mode.trace is None and base.tape is not None:
                self._tape = apply_chain(base, self._chain)._tape
        return self._tape

    grad_fn = tape

    @property
    def requires_grad(self) -> bool:
        """Whether ``backward`` accumulates into, or flows through, this tensor."""
        if self._requires or self.tape is not None:
            return True
        base = base_of(self)
        return (
            base is not None and base._array is None and base.requires_grad
            and all(op is not ops.detach for op, _ in self._chain)
        )  # fmt: skip

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.requires_grad_(value)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Switch recording on or off; only floating-point leaves can require gradients."""
        if requires_grad and self._storage.inference and not mode.inference:
            raise RuntimeError(
                "Setting requires_grad=True on inference tensor outside InferenceMode is not "
                "allowed."
            )
        if requires_grad and not self.dtype.is_floating_point:
            raise RuntimeError("only Tensors of floating point dtype can require gradients")
        if not self.is_leaf:
            if requires_grad:
                return self
            raise RuntimeError("you can only change requires_grad flags of leaf variables.")
        if mode.trace is not None:
            mode.trace.set_requires_grad(self, bool(requires_grad))
        else:
            if self._requires != bool(requires_grad):
                touch()
            self._requires = bool(requires_grad)
        return self

    @property
    def grad(self) -> Self | None:
        """The gradient accumulated by ``backward``, or None."""
        if mode.trace is not None:
            return mode.trace.get_grad(self)
        lending.value += 1
        return self._grad

    @grad.setter
    def grad(self, value: Self | None) -> None:
        if value is not None:
            if not isinstance(value, Recorded):
                raise TypeError(f"assigned grad must be a Tensor or None, got {type(value)}")
            if value.shape != self.shape:
                raise RuntimeError(
                    f"assigned grad has data of a different size: {value.shape} for {self.shape}"
                )
        if mode.trace is None:
            lending.value += 1
            self._grad = value
        else:
            mode.trace.set_grad(self, value)
