"""The context of an ``autograd.Function``: what its forward leaves for its backward."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tinytorch.tracer.tape import Saved, TapeNode, pick
from tinytorch.tracer.tensor import Tensor, leaf_value

FREED = (
    "Trying to backward through the graph a second time (or directly access saved tensors after "
    "they have already been freed). Specify retain_graph=True if you need to backward through the "
    "graph a second time."
)


class FunctionCtx:
    """Carries values from forward to backward; attributes may be set freely on it."""

    needs_input_grad: tuple[bool, ...] = ()
    materialize_grads = True
    _to_save: tuple[Any, ...] = ()
    _dirty: tuple[Any, ...] = ()
    _constant: tuple[Any, ...] = ()
    _saved: Any = None

    def save_for_backward(self, *tensors: Any) -> None:
        """Keep tensors (or None): inputs, outputs or others. Call it once; TypeError otherwise."""
        for position, x in enumerate(tensors):
            if x is not None and not isinstance(x, Tensor):
                raise TypeError(
                    "save_for_backward can only save variables, but argument "
                    f"{position} is of type {type(x).__name__}"
                )
        self._to_save = tensors

    def save_for_forward(self, *tensors: Any) -> None:
        """Accepted for PyTorch's sake: forward mode follows from the backward."""

    def mark_dirty(self, *tensors: Tensor) -> None:
        """Say which inputs forward writes in place and returns."""
        self._dirty = tensors

    def mark_non_differentiable(self, *tensors: Tensor) -> None:
        """Say which outputs carry no gradients."""
        self._constant = tensors

    def set_materialize_grads(self, value: bool) -> None:
        """Say whether absent cotangents come as zeros (the default) or as None."""
        self.materialize_grads = value

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """What ``save_for_backward`` kept.

        Raises RuntimeError after a backward pass that freed it, and where it was written in place.
        """
        return () if self._saved is None else self._saved.unpack()


class SavedTensors:
    """Tensors kept by an eager call: inputs as they are, outputs without a circle of references."""

    def __init__(self, tensors: tuple[Any, ...], outputs: list[Any], name: str) -> None:
        self.freed = False
        self.name = name
        self.entries = [_Entry(x, outputs) for x in tensors]
        self.tape: Callable[[], TapeNode | None] = _no_tape

    def unpack(self) -> tuple[Any, ...]:
        """The tensors, unless they were freed or overwritten."""
        if self.freed:
            raise RuntimeError(FREED)
        return tuple(entry.tensor(self) for entry in self.entries)

    def release(self) -> None:
        """Let go of them after a backward pass."""
        self.freed, self.entries = True, []


def _no_tape() -> None:
    return None


class _Entry:
    """One kept tensor."""

    def __init__(self, x: Any, outputs: list[Any]) -> None:
        self.index = next((i for i, y in enumerate(outputs) if y is x), -1) if x is not None else -1
        self.kept = None if self.index >= 0 else x
        if x is not None and x._storage.inference:
            raise RuntimeError(
                "Inference tensors cannot be saved for backward. To work around you can make a "
                "clone to use it in autograd."
            )
        self.value: Saved | None = None if x is None else leaf_value(x)
        if self.value is not None and self.index >= 0:
            self.value.leaf = None

    def tensor(self, owner: SavedTensors) -> Any:
        """The tensor, with its history."""
        value = self.value
        if value is None:
            return None
        if not value.intact:
            raise RuntimeError(
                "one of the variables needed for gradient computation has been modified by an "
                f"inplace operation: a tensor of {value.type}, saved by {owner.name}, is at "
                f"version {value.storage.version}; expected version {value.version}"
            )
        if self.index < 0:
            return self.kept
        out = Tensor.make(value.type, value.array, value.storage)
        tape = owner.tape()
        if tape is not None and self.index in tape.attrs["flowing"]:
            out._tape = pick(tape, self.index, value.array)
        return out
