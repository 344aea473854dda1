"""RMSprop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tinytorch.optim.optimizer import (
    Counts,
    Optimizer,
    advance,
    averaged,
    averaged_square,
    gradient_of,
)  # fmt: skip
from tinytorch.optim.settings import check_not_negative
from tinytorch.tracer.factories import zeros_like
from tinytorch.tracer.functions import elementwise
from tinytorch.tracer.tensor import Tensor
from tinytorch.tracer.tracked import TrackedDict


class RMSprop(Optimizer):
    """Gradients divided by the root of a running average of their squares.

    ``centered`` divides by the standard deviation instead: the average gradient's square is
    subtracted first. Raises ValueError for settings that make no sense. Sources: Hinton, lecture 6
    of "Neural Networks for Machine Learning", 2012; Graves, "Generating Sequences", 2013.
    """

    def __init__(
        self, params: Any, lr: Any = 1e-2, alpha: float = 0.99, eps: float = 1e-8,
        weight_decay: float = 0, momentum: float = 0, centered: bool = False,
        capturable: bool = False, foreach: bool | None = None, maximize: bool = False,
        differentiable: bool = False,
    ) -> None:  # fmt: skip
        settings = {
            "lr": lr, "momentum": momentum, "alpha": alpha, "eps": eps, "centered": centered,
            "weight_decay": weight_decay, "capturable": capturable, "foreach": foreach,
            "maximize": maximize, "differentiable": differentiable,
        }  # fmt: skip
        super().__init__(params, settings)

    def check_settings(self, group: Mapping[str, Any]) -> None:
        """Raise ValueError for a negative setting."""
        check_not_negative("learning rate", group["lr"])
        check_not_negative("epsilon value", group["eps"])
        check_not_negative("momentum value", group["momentum"])
        check_not_negative("weight_decay value", group["weight_decay"])
        check_not_negative("alpha value", group["alpha"])

    def new_state(self, param: Tensor, group: Mapping[str, Any]) -> dict[str, Any]:
        """Zero averages of what the settings ask for."""
        names = ["square_avg"]
        names += ["momentum_buffer"] if group["momentum"] > 0 else []
        names += ["grad_avg"] if group["centered"] else []
        return {name: zeros_like(param) for name in names}

    def first_counts(self, group: Mapping[str, Any]) -> dict[str, Any]:
        """Count steps."""
        return {"step": 0.0}

    def update(self, group: TrackedDict, active: list[int], counts: Counts) -> None:
        """Take one step."""
        lr, alpha, momentum = group["lr"], group["alpha"], group["momentum"]
        advance(counts["step"], active)
        for position in active:
            param: Any = group["params"][position]
            grad = gradient_of(param, group, group["weight_decay"])
            spread = averaged_square(self.state[param]["square_avg"], grad, alpha)
            if group["centered"]:
                mean = averaged(self.entry(param, "grad_avg"), grad, alpha)
                spread = spread - mean * mean
            step = grad / (elementwise.sqrt(spread) + group["eps"])
            if momentum > 0:
                buffer = self.entry(param, "momentum_buffer")
                buffer.copy_(buffer * momentum + step)
                step = buffer
            param.copy_(param - step * lr)
