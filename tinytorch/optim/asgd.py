"""Averaged stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tinytorch.optim.optimizer import Counts, Optimizer, advance, gradient_of
from tinytorch.optim.settings import check_not_negative
from tinytorch.tracer.factories import zeros_like
from tinytorch.tracer.functions import elementwise, where
from tinytorch.tracer.tensor import Tensor
from tinytorch.tracer.tracked import TrackedDict


class ASGD(Optimizer):
    """Gradient descent whose ``state[param]["ax"]`` averages the parameter from step t0 on.

    Raises ValueError for settings that make no sense. Source: Polyak and Juditsky, "Acceleration
    of Stochastic Approximation by Averaging", 1992.
    """

    def __init__(
        self, params: Any, lr: Any = 1e-2, lambd: float = 1e-4, alpha: float = 0.75,
        t0: float = 1e6, weight_decay: float = 0, foreach: bool | None = None,
        maximize: bool = False, differentiable: bool = False, capturable: bool = False,
    ) -> None:  # fmt: skip
        settings = {
            "lr": lr, "lambd": lambd, "alpha": alpha, "t0": t0, "weight_decay": weight_decay,
            "foreach": foreach, "maximize": maximize, "differentiable": differentiable,
            "capturable": capturable,
        }  # fmt: skip
        super().__init__(params, settings)

    def check_settings(self, group: Mapping[str, Any]) -> None:
        """Raise ValueError for a negative setting."""
        check_not_negative("learning rate", group["lr"])
        check_not_negative("weight_decay value", group["weight_decay"])

    def new_state(self, param: Tensor, group: Mapping[str, Any]) -> dict[str, Any]:
        """An average of nothing."""
        return {"ax": zeros_like(param)}

    def first_counts(self, group: Mapping[str, Any]) -> dict[str, Any]:
        """Count steps; the step size and the weight of the next average go along."""
        return {"step": 0.0, "eta": group["lr"], "mu": 1.0}

    def update(self, group: TrackedDict, active: list[int], counts: Counts) -> None:
        """Take one step, with the step size that the step before set."""
        lr, lambd = group["lr"], group["lambd"]
        clock: Any = counts["step"]
        eta: Any = counts["eta"]
        mu: Any = counts["mu"]
        advance(clock, active)
        shrinks: Any = 1.0 - eta * lambd
        alone: Any = mu == 1.0
        # Vectors of their own: the old eta and mu are overwritten before the parameters are done.
        descents: Any = -eta
        weights: Any = where(alone, 0.0, mu)
        for position in active:
            param: Any = group["params"][position]
            grad = gradient_of(param, group, group["weight_decay"])
            average = self.state[param]["ax"]
            moved = param * shrinks[position] + grad * descents[position]
            mixed = average + (moved - average) * weights[position]
            average.copy_(where(alone[position], moved, mixed))
            param.copy_(moved)
        advance(eta, active, lr / (1.0 + clock * (lambd * lr)) ** group["alpha"])
        advance(mu, active, 1.0 / elementwise.clamp(clock - group["t0"], min=1.0))
