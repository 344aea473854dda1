"""Derivatives: by differences, and back through anything that knows its chain rule.

``backpropagate`` is MiniTorch's interface to tinytorch's own engine: every variable becomes one
``autograd.Function`` whose backward is the variable's chain rule.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import tinytorch as tt


def central_difference(f: Any, *vals: Any, arg: int = 0, epsilon: float = 1e-6) -> Any:
    """Return ``(f(.., x + e, ..) - f(.., x - e, ..)) / 2e``, the derivative in one argument."""
    above, below = list(vals), list(vals)
    above[arg] = vals[arg] + epsilon
    below[arg] = vals[arg] - epsilon
    return (f(*above) - f(*below)) / (2 * epsilon)


@dataclass
class Context:
    """What a function keeps for its backward; nothing if no gradient is wanted."""

    no_grad: bool = False
    saved_values: tuple[Any, ...] = ()

    def save_for_backward(self, *values: Any) -> None:
        """Keep values."""
        if not self.no_grad:
            self.saved_values = values

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """The values kept."""
        return self.saved_values


def wrap_tuple(x: Any) -> tuple[Any, ...]:
    """A value as a tuple; a tuple as it is."""
    return x if isinstance(x, tuple) else (x,)


def unwrap_tuple(x: tuple[Any, ...]) -> Any:
    """The one value of a tuple; a longer tuple as it is."""
    return x[0] if len(x) == 1 else x


class Variable(Protocol):
    """What ``topological_sort`` and ``backpropagate`` need to know of a variable."""

    def accumulate_derivative(self, x: Any) -> None:
        """Add to the derivative of a leaf."""

    @property
    def unique_id(self) -> int:
        """What tells this variable from others."""

    def is_leaf(self) -> bool:
        """Whether the user made it."""

    def is_constant(self) -> bool:
        """Whether it has no derivative."""

    @property
    def parents(self) -> Iterable[Variable]:
        """What it was computed from."""

    def chain_rule(self, d_output: Any) -> Iterable[tuple[Variable, Any]]:
        """Derivatives of the parents, given that of this variable."""


def topological_sort(variable: Variable) -> Iterable[Variable]:
    """Return all variables behind one that are not constant, each before its parents."""
    order: list[Variable] = []
    seen: set[int] = set()
    waiting: list[tuple[Variable, bool]] = [(variable, False)]
    while waiting:
        current, done = waiting.pop()
        if done:
            order.append(current)
        elif current.unique_id not in seen and not current.is_constant():
            seen.add(current.unique_id)
            waiting.append((current, True))
            if not current.is_leaf():
                waiting.extend((parent, False) for parent in reversed(list(current.parents)))
    return order[::-1]


class _ChainRule(tt.autograd.Function):
    """One variable's chain rule as a node of tinytorch's graph; its value does not matter."""

    @staticmethod
    def forward(ctx: Any, variable: Variable, parents: list[int], *stand_ins: Any) -> Any:
        ctx.variable, ctx.parents = variable, parents
        return tt.zeros((), dtype=tt.float64)

    @staticmethod
    def backward(ctx: Any, d_output: Any) -> Any:
        found = dict.fromkeys(ctx.parents, 0.0)
        for parent, derivative in ctx.variable.chain_rule(d_output.item()):
            if parent.unique_id in found:
                found[parent.unique_id] += float(derivative)
        return None, None, *(tt.tensor(d, dtype=tt.float64) for d in found.values())


def backpropagate(variable: Variable, deriv: Any) -> None:
    """Accumulate the derivative of a variable, times ``deriv``, into the leaves behind it."""
    order = list(topological_sort(variable))
    stand_ins: dict[int, Any] = {}
    leaves: list[Variable] = []
    for current in reversed(order):
        if current.is_leaf():
            stand_ins[current.unique_id] = tt.zeros((), dtype=tt.float64, requires_grad=True)
            leaves.append(current)
            continue
        parents = list({p.unique_id: None for p in current.parents if p.unique_id in stand_ins})
        stand_ins[current.unique_id] = _ChainRule.apply(
            current, parents, *(stand_ins[p] for p in parents)
        )
    if variable.is_leaf():
        variable.accumulate_derivative(deriv)
        return
    stand_ins[variable.unique_id].backward(tt.tensor(float(deriv), dtype=tt.float64))
    for leaf in leaves:
        grad = stand_ins[leaf.unique_id].grad
        if grad is not None:
            leaf.accumulate_derivative(grad.item())
