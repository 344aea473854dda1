"""Rprop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tinytorch.optim.optimizer import Counts, Optimizer, advance, gradient_of
from tinytorch.optim.settings import check_not_negative
from tinytorch.tracer.factories import full_like, zeros_like
from tinytorch.tracer.functions import elementwise, where
from tinytorch.tracer.tensor import Tensor
from tinytorch.tracer.tracked import TrackedDict


class Rprop(Optimizer):
    """Steps by the gradient's sign, of a size that grows while the sign stays.

    Raises ValueError for settings that make no sense. Source: Riedmiller and Braun, "A Direct
    Adaptive Method for Faster Backpropagation Learning: The RPROP Algorithm", 1993.
    """

    def __init__(
        self, params: Any, lr: Any = 1e-2, etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50), *, capturable: bool = False,
        foreach: bool | None = None, maximize: bool = False, differentiable: bool = False,
    ) -> None:  # fmt: skip
        settings = {
            "lr": lr, "etas": tuple(etas), "step_sizes": tuple(step_sizes), "foreach": foreach,
            "maximize": maximize, "differentiable": differentiable, "capturable": capturable,
        }  # fmt: skip
        super().__init__(params, settings)

    def check_settings(self, group: Mapping[str, Any]) -> None:
        """Raise ValueError for a negative learning rate, or factors that do not enclose 1."""
        check_not_negative("learning rate", group["lr"])
        less, more = group["etas"]
        if not 0.0 < less < 1.0 < more:
            raise ValueError(f"Invalid eta values: {less}, {more}")

    def new_state(self, param: Tensor, group: Mapping[str, Any]) -> dict[str, Any]:
        """The gradient before, and the first step sizes."""
        return {"prev": zeros_like(param), "step_size": full_like(param, float(group["lr"]))}

    def first_counts(self, group: Mapping[str, Any]) -> dict[str, Any]:
        """Count steps."""
        return {"step": 0.0}

    def update(self, group: TrackedDict, active: list[int], counts: Counts) -> None:
        """Take one step; where the sign turned, wait for one step."""
        less, more = group["etas"]
        smallest, largest = group["step_sizes"]
        advance(counts["step"], active)
        for position in active:
            param: Any = group["params"][position]
            before, size = self.state[param]["prev"], self.state[param]["step_size"]
            grad = gradient_of(param, group, 0)
            agreement = grad * before
            grown = where(agreement > 0, size * more, size)
            grown = where(agreement < 0, size * less, grown)
            size.copy_(elementwise.clamp(grown, smallest, largest))
            grad = where(agreement < 0, 0.0, grad)
            param.copy_(param - elementwise.sign(grad) * size)
            before.copy_(grad)
