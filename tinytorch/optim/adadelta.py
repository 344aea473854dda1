"""Adadelta."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tinytorch.optim.optimizer import Counts, Optimizer, advance, averaged_square, gradient_of
from tinytorch.optim.settings import check_not_negative
from tinytorch.tracer.factories import zeros_like
from tinytorch.tracer.functions import elementwise
from tinytorch.tracer.tensor import Tensor
from tinytorch.tracer.tracked import TrackedDict


class Adadelta(Optimizer):
    """Gradients scaled so that steps have the units of the parameter.

    Raises ValueError for settings that make no sense. Source: Zeiler, "ADADELTA", 2012.
    """

    def __init__(
        self, params: Any, lr: Any = 1.0, rho: float = 0.9, eps: float = 1e-6,
        weight_decay: float = 0, foreach: bool | None = None, *, capturable: bool = False,
        maximize: bool = False, differentiable: bool = False,
    ) -> None:  # fmt: skip
        settings = {
            "lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay, "maximize": maximize,
            "capturable": capturable, "foreach": foreach, "differentiable": differentiable,
        }  # fmt: skip
        super().__init__(params, settings)

    def check_settings(self, group: Mapping[str, Any]) -> None:
        """Raise ValueError for a negative setting or a rho outside [0, 1]."""
        check_not_negative("learning rate", group["lr"])
        if not 0.0 <= group["rho"] <= 1.0:
            raise ValueError(f"Invalid rho value: {group['rho']}")
        check_not_negative("epsilon value", group["eps"])
        check_not_negative("weight_decay value", group["weight_decay"])

    def new_state(self, param: Tensor, group: Mapping[str, Any]) -> dict[str, Any]:
        """Zero averages of the squares of gradients and of steps."""
        return {name: zeros_like(param) for name in ("square_avg", "acc_delta")}

    def first_counts(self, group: Mapping[str, Any]) -> dict[str, Any]:
        """Count steps."""
        return {"step": 0.0}

    def update(self, group: TrackedDict, active: list[int], counts: Counts) -> None:
        """Take one step."""
        lr, rho, eps = group["lr"], group["rho"], group["eps"]
        advance(counts["step"], active)
        for position in active:
            param: Any = group["params"][position]
            grad = gradient_of(param, group, group["weight_decay"])
            square = averaged_square(self.state[param]["square_avg"], grad, rho)
            moved = self.state[param]["acc_delta"]
            step = elementwise.sqrt(moved + eps) / elementwise.sqrt(square + eps) * grad
            averaged_square(moved, step, rho)
            param.copy_(param - step * lr)
