"""Incoming gradients: what a trace read of ``.grad``, found again at every call.

A backward pass outside leaves new ``.grad`` tensors, so a compiled ``optimizer.step()`` reads them
as it reads arguments: their addresses are entered anew. They are looked at only after a ``.grad``
was read or set somewhere, which one counter tells (``tracked.lending``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinytorch.ir.types import TensorType
from tinytorch.tracer.tensor import Tensor
from tinytorch.tracer.tracked import lending


def apart(
    read: Iterable[tuple[Tensor, Tensor | None]], captured: Iterable[Tensor], seen: Iterable[Any]
) -> dict[int, Tensor]:
    """The owners of gradients that nothing else shares memory with, by the id of the gradient.

    ``read`` are owners and their gradients, ``captured`` the inputs of the graph, gradients among
    them, ``seen`` what the function is given or sees by name.
    """
    pairs = [(owner, grad) for owner, grad in read if grad is not None]
    grads = {id(grad) for _, grad in pairs}
    taken = {id(t._storage) for t in captured if id(t) not in grads}
    taken |= {id(t._storage) for t in seen if isinstance(t, Tensor)}
    holders = Counter(id(grad._storage) for _, grad in pairs)
    return {
        id(grad): owner for owner, grad in pairs
        if id(grad._storage) not in taken and holders[id(grad._storage)] == 1
        and not grad.requires_grad
    }  # fmt: skip


@dataclass
class _Entry:
    owner: Tensor
    slot: int
    type: TensorType
    strides: tuple[int, ...]
    written: bool
    stage: np.ndarray | None


class Incoming:
    """The gradients that one replay reads: checks them, and enters where they lie."""

    def __init__(self, table: Any, fixed: frozenset[int]) -> None:
        self.table = table
        self.fixed = fixed
        self.seen = -1
        """What ``lending`` was when the gradients were last looked at."""
        self.storages: set[int] = set()
        self._entries: list[_Entry] = []

    def add(self, owner: Tensor, slot: int, grad: Tensor, written: bool) -> None:
        """A gradient to read (and write), of the kind that it has now."""
        contiguous = grad.is_contiguous() and grad.array.flags.c_contiguous
        stage = None if contiguous else np.empty(grad._type.shape, grad.dtype.numpy)
        if stage is not None:
            self.table[slot] = stage.__array_interface__["data"][0]
        self._entries.append(_Entry(owner, slot, grad._type, grad._strides, written, stage))

    def enter(self) -> bool:
        """Whether the gradients are of the kind that was traced; enters their addresses."""
        found: set[int] = set()
        loans, self.seen = lending.value, -1
        for entry in self._entries:
            grad = entry.owner._grad
            if (
                grad is None or grad._array is None or grad._strides != entry.strides
                or (grad._type is not entry.type and grad._type != entry.type)
                or grad.requires_grad or (entry.written and not grad._array.flags.writeable)
            ):  # fmt: skip
                return False
            found.add(id(grad._storage))
            if entry.stage is None:
                self.table[entry.slot] = grad._array.__array_interface__["data"][0]
        if len(found) < len(self._entries) or not found.isdisjoint(self.fixed):
            return False
        self.storages = found
        self.seen = loans
        return True

    def hold(self) -> list[Any]:
        """The memory that a call reads, for it to keep alive whatever other threads do."""
        return [_array(entry.owner) for entry in self._entries]

    @property
    def staged(self) -> bool:
        """Whether some gradients are read by way of a contiguous copy."""
        return any(entry.stage is not None for entry in self._entries)

    def load(self) -> None:
        """Copy gradients that are not contiguous to where the program reads them."""
        for entry in self._entries:
            if entry.stage is not None:
                entry.stage[...] = _array(entry.owner)

    def store(self) -> None:
        """After the call: copy back those that it wrote, and count the writes."""
        for entry in self._entries:
            if entry.written:
                if entry.stage is not None:
                    _array(entry.owner)[...] = entry.stage
                grad: Any = entry.owner._grad
                grad._storage.version += 1


def _array(owner: Tensor) -> np.ndarray:
    grad: Any = owner._grad
    found: np.ndarray = grad._array
    return found
