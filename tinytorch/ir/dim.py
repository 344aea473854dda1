"""Dims: the symbols that sizes are made of, and who decides about them.

Comparisons of sizes are decided by the bounds of their Dims where possible. What the bounds leave
open is settled by the example at hand while a user's program is recorded, and guarded; a Decider
does both.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from tinytorch.errors import SizeError

if TYPE_CHECKING:
    from tinytorch.ir.extent import Extent


@dataclass(frozen=True, slots=True)
class Dim:
    """A size that differs from call to call, within ``min`` and ``max`` (None: unbounded).

    ``hint`` is a size seen, for choices between ways that are all right for every size.
    """

    name: str
    max: int | None = None
    min: int = 2
    hint: int = field(default=0, compare=False)

    @property
    def typical(self) -> int:
        """A size to expect."""
        low = max(self.min, self.hint or 64)
        return low if self.max is None else min(low, self.max)

    def __repr__(self) -> str:
        low = "" if self.min == 2 else f"{self.min}<="
        return f"{low}{self.name}{'' if self.max is None else f'<={self.max}'}"


def variable(name: str) -> str:
    """What a Dim is called in Python text: kernels' own variables are in lower case."""
    return name if name[0].isupper() else f"size_{name}"


class Decider(Protocol):
    """Who settles, and guards, what the bounds leave open."""

    def decide(self, difference: Extent, relation: str) -> bool:
        """Whether ``difference relation 0`` (``==``, ``<`` or ``<=``)."""

    def settle(self, extent: Extent) -> int:
        """The value itself, which from now on must stay."""

    def number(self, extent: Extent) -> Any:
        """The size as a number that arithmetic on fractions can go on with."""


class _Active(threading.local):
    decider: Decider | None = None


_active = _Active()


@contextmanager
def deciding(decider: Decider | None) -> Iterator[None]:
    """Ask ``decider`` about sizes in this thread, for the time of a block."""
    previous, _active.decider = _active.decider, decider
    try:
        yield
    finally:
        _active.decider = previous


def decider_for(what: str) -> Decider:
    """Who decides in this thread; raise SizeError, saying what for, if nobody does."""
    if _active.decider is None:
        raise SizeError(f"{what}: sizes are known only at run time here")
    return _active.decider


def active_decider() -> Decider | None:
    """Who decides in this thread, if anybody does."""
    return _active.decider
