"""Gradient homes: ``.grad`` tensors that a replay writes again if nobody else holds them.

A gradient belongs to the user: once somebody keeps a reference to it, the next call must write
elsewhere. If only its parameter holds it, writing in place is not observable. Nobody can have come
to hold one unless a ``.grad`` was read or set, which one counter tells (``tracked.lending``); only
then is each gradient looked at.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from tinytorch.ir.types import TensorType, float32
from tinytorch.runtime.buffer import OutputPool
from tinytorch.tracer.tensor import Tensor
from tinytorch.tracer.tracked import lending


class Homes:
    """The gradient homes of one replay: which one is each parameter's, and those made anew."""

    def __init__(self) -> None:
        self.seen = -1
        """What ``lending`` was when the homes were last looked at."""
        self.fresh: list[tuple[Tensor, Tensor]] = []

    def renewer(
        self, owner: Tensor, give: Callable[[], tuple[Any, int, Any]], type: TensorType, table: Any,
        slot: int,
    ) -> Callable[[], Tensor]:  # fmt: skip
        """Return a function that makes a gradient in fresh memory and enters its address."""

        def renew() -> Tensor:
            array, table[slot], _ = give()
            grad = Tensor.make(type, array)
            self.fresh.append((owner, grad))
            return grad

        return renew

    def settle(self) -> None:
        """After a call that succeeded: hand the fresh gradients to their owners."""
        for owner, grad in self.fresh:
            owner._grad = grad
        lending.value += 1
        self.fresh.clear()

    def forget(self) -> None:
        """After a call that failed: gradients stay what they were."""
        self.fresh.clear()
        self.seen = -1


def _reference_counts() -> tuple[int, int, int]:
    """What getrefcount says for a gradient that only its owner, its home and a local hold.

    Measured on one whose memory comes from a ring, because it differs between versions of Python.
    """
    give = OutputPool().ring(np.float32, (1,))
    owner = [Tensor.make(TensorType(float32, (1,)), give()[0])]
    home = [owner[0]]
    g = home[0]
    return sys.getrefcount(g), sys.getrefcount(g._array), sys.getrefcount(g._storage)


HELD, HELD_ARRAY, HELD_STORAGE = _reference_counts()
