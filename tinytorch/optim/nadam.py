"""NAdam."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tinytorch.optim.adam import Adam
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


class NAdam(Optimizer):
    """Adam with Nesterov's look-ahead, under momentum that grows with the steps taken.

    Raises ValueError for settings that make no sense. Source: Dozat, "Incorporating Nesterov
    Momentum into Adam", 2016.
    """

    def __init__(
        self, params: Any, lr: Any = 2e-3, betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8, weight_decay: float = 0, momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False, *, foreach: bool | None = None,
        maximize: bool = False, capturable: bool = False, differentiable: bool = False,
    ) -> None:  # fmt: skip
        settings = {
            "lr": lr, "betas": tuple(betas), "eps": eps, "weight_decay": weight_decay,
            "momentum_decay": momentum_decay, "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize, "foreach": foreach, "capturable": capturable,
            "differentiable": differentiable,
        }  # fmt: skip
        super().__init__(params, settings)

    def check_settings(self, group: Mapping[str, Any]) -> None:
        """Raise ValueError for a negative setting or a beta outside [0, 1)."""
        Adam.check_settings(self, group)  # type: ignore[arg-type]
        check_not_negative("momentum_decay value", group["momentum_decay"])

    def new_state(self, param: Tensor, group: Mapping[str, Any]) -> dict[str, Any]:
        """Zero averages of the gradient and its square."""
        return {name: zeros_like(param) for name in ("exp_avg", "exp_avg_sq")}

    def first_counts(self, group: Mapping[str, Any]) -> dict[str, Any]:
        """Count steps, and the product of the momenta so far."""
        return {"step": 0.0, "mu_product": 1.0}

    def update(self, group: TrackedDict, active: list[int], counts: Counts) -> None:
        """Take one step."""
        beta1, beta2 = group["betas"]
        lr, decay, growth = group["lr"], group["weight_decay"], group["momentum_decay"]
        decoupled = group["decoupled_weight_decay"]
        clock: Any = counts["step"]
        product: Any = counts["mu_product"]
        advance(clock, active)
        momentum = beta1 * (1.0 - 0.5 * 0.96 ** (clock * growth))
        ahead = beta1 * (1.0 - 0.5 * 0.96 ** ((clock + 1.0) * growth))
        advance(product, active, product * momentum)
        of_gradient: Any = lr * (1.0 - momentum) / (1.0 - product)
        of_average: Any = lr * ahead / (1.0 - product * ahead)
        correction: Any = 1.0 - beta2**clock
        for position in active:
            param: Any = group["params"][position]
            state = self.state[param]
            grad = gradient_of(param, group, 0 if decoupled else decay)
            mean = averaged(state["exp_avg"], grad, beta1)
            square = averaged_square(state["exp_avg_sq"], grad, beta2)
            scale = elementwise.sqrt(square / correction[position]) + group["eps"]
            kept = param * (1.0 - lr * decay) if decoupled and decay != 0 else param
            step = grad * of_gradient[position] + mean * of_average[position]
            param.copy_(kept - step / scale)
