"""Carried state: what control flow changes outside itself goes in and out of it as values.

That is the random generator's state, where numbers are drawn, and tensors from outside that are
written in place, such as the running statistics of a normalization. A first trace of a body or
branch finds them. A second one takes their values as further inputs and gives the new ones as
further outputs; behind the control flow they are written.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tinytorch.tracer.mode import mode, no_grad
from tinytorch.tracer.subtrace import Closed, moved_state
from tinytorch.tracer.tensor import Tensor


class CarriedState:
    """The state that some functions, traced before, change."""

    def __init__(self, closed: Sequence[Closed]) -> None:
        self.source = next((c.random_state for c in closed if c.draws), None)
        self.written = list({id(t): t for c in closed for t in c.written}.values())

    def __len__(self) -> int:
        return (self.source is not None) + len(self.written)

    def values(self) -> list[Tensor]:
        """The state at this point of the trace under way."""
        found = [] if self.source is None else [moved_state(self.source, 0)]
        return found + [mode.trace.tensor(mode.trace.node_of(t)) for t in self.written]

    def around(self, step: Callable[..., Any], at: int, last: bool = False) -> Callable[..., Any]:
        """A function that takes the state from argument ``at`` on and returns it there or last."""
        count = len(self)

        def run(*values: Tensor) -> list[Tensor]:
            self._enter(values[at : at + count])
            results = list(step(*values[:at], *values[at + count :]))
            place = len(results) if last else at
            results[place:place] = self.values()
            if self.source is not None:
                mode.trace.forget_random_state()
            return results

        return run

    def ignoring(self, condition: Callable[..., Any]) -> Callable[..., Any]:
        """A function of a carry that reads the state behind it, and draws nothing."""
        count = len(self)

        def run(*carry: Tensor) -> Any:
            first = len(carry) - count
            self._hold(carry[len(carry) - len(self.written) :])
            return condition(*carry[:first])

        return run

    def hand_back(self, values: Sequence[Tensor]) -> None:
        """Behind the control flow: the state is what came out of it."""
        values = list(values)
        if self.source is not None:
            mode.trace.set_random_state(self.source, values.pop(0))
        with no_grad():
            for t, value in zip(self.written, values, strict=True):
                mode.trace.write(t, value)

    def _enter(self, values: Sequence[Tensor]) -> None:
        values = list(values)
        if self.source is not None:
            mode.trace.set_random_state(self.source, values.pop(0))
        self._hold(values)

    def _hold(self, values: Sequence[Tensor]) -> None:
        for t, value in zip(self.written, values, strict=True):
            mode.trace.hold(t, value)


__all__ = ["CarriedState"]
