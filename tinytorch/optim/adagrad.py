"""Adagrad."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tinytorch.optim.optimizer import Counts, Optimizer, advance, gradient_of
from tinytorch.optim.settings import check_not_negative
from tinytorch.tracer.factories import full_like
from tinytorch.tracer.functions import elementwise
from tinytorch.tracer.tensor import Tensor
from tinytorch.tracer.tracked import TrackedDict


class Adagrad(Optimizer):
    """Gradients divided by the root of the sum of all their squares so far.

    Raises ValueError for settings that make no sense. Source: Duchi, Hazan and Singer, "Adaptive
    Subgradient Methods", 2011.
    """

    def __init__(
        self, params: Any, lr: Any = 1e-2, lr_decay: float = 0, weight_decay: float = 0,
        initial_accumulator_value: float = 0, eps: float = 1e-10, foreach: bool | None = None, *,
        maximize: bool = False, differentiable: bool = False, fused: bool | None = None,
    ) -> None:  # fmt: skip
        settings = {
            "lr": lr, "lr_decay": lr_decay, "eps": eps, "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value, "foreach": foreach,
            "maximize": maximize, "differentiable": differentiable, "fused": fused,
        }  # fmt: skip
        super().__init__(params, settings)

    def check_settings(self, group: Mapping[str, Any]) -> None:
        """Raise ValueError for a negative setting."""
        check_not_negative("learning rate", group["lr"])
        check_not_negative("lr_decay value", group["lr_decay"])
        check_not_negative("weight_decay value", group["weight_decay"])
        check_not_negative("initial_accumulator_value value", group["initial_accumulator_value"])
        check_not_negative("epsilon value", group["eps"])

    def new_state(self, param: Tensor, group: Mapping[str, Any]) -> dict[str, Any]:
        """The sum of squares before any gradient."""
        return {"sum": full_like(param, float(group["initial_accumulator_value"]))}

    def first_counts(self, group: Mapping[str, Any]) -> dict[str, Any]:
        """Count steps."""
        return {"step": 0.0}

    def update(self, group: TrackedDict, active: list[int], counts: Counts) -> None:
        """Take one step."""
        clock: Any = counts["step"]
        advance(clock, active)
        step_sizes: Any = group["lr"] / (1.0 + (clock - 1.0) * group["lr_decay"])
        for position in active:
            param: Any = group["params"][position]
            grad = gradient_of(param, group, group["weight_decay"])
            total = self.state[param]["sum"]
            total.copy_(total + grad * grad)
            scale = elementwise.sqrt(total) + group["eps"]
            param.copy_(param - grad * step_sizes[position] / scale)
