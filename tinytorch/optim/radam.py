"""RAdam."""

from __future__ import annotations

from typing import Any

from tinytorch.optim.adam import Adam
from tinytorch.optim.nadam import NAdam
from tinytorch.optim.optimizer import (
    Counts,
    Optimizer,
    advance,
    averaged,
    averaged_square,
    gradient_of,
)  # fmt: skip
from tinytorch.tracer.functions import elementwise, where
from tinytorch.tracer.tracked import TrackedDict


class RAdam(Optimizer):
    """Adam that starts as momentum alone, until the average of squares can be trusted.

    Raises ValueError for settings that make no sense. Source: Liu et al., "On the Variance of the
    Adaptive Learning Rate and Beyond", 2020.
    """

    def __init__(
        self, params: Any, lr: Any = 1e-3, betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8, weight_decay: float = 0, decoupled_weight_decay: bool = False, *,
        foreach: bool | None = None, maximize: bool = False, capturable: bool = False,
        differentiable: bool = False,
    ) -> None:  # fmt: skip
        settings = {
            "lr": lr, "betas": tuple(betas), "eps": eps, "weight_decay": weight_decay,
            "maximize": maximize, "foreach": foreach, "capturable": capturable,
            "decoupled_weight_decay": decoupled_weight_decay, "differentiable": differentiable,
        }  # fmt: skip
        super().__init__(params, settings)

    check_settings = Adam.check_settings
    first_counts = Adam.first_counts
    new_state = NAdam.new_state

    def update(self, group: TrackedDict, active: list[int], counts: Counts) -> None:
        """Take one step."""
        beta1, beta2 = group["betas"]
        lr, decay, decoupled = group["lr"], group["weight_decay"], group["decoupled_weight_decay"]
        clock: Any = counts["step"]
        advance(clock, active)
        correction: Any = 1.0 - beta2**clock
        final = 2.0 / (1.0 - beta2) - 1.0
        length = final - 2.0 * clock * (1.0 - correction) / correction
        trusted: Any = length > 5.0
        ratio = (length - 4.0) * (length - 2.0) * final / ((final - 4.0) * (final - 2.0) * length)
        scales: Any = elementwise.sqrt(where(trusted, ratio * correction, 0.0))
        step_sizes: Any = lr / (1.0 - beta1**clock)
        for position in active:
            param: Any = group["params"][position]
            state = self.state[param]
            grad = gradient_of(param, group, 0 if decoupled else decay)
            mean = averaged(state["exp_avg"], grad, beta1)
            square = averaged_square(state["exp_avg_sq"], grad, beta2)
            adapted = scales[position] / (elementwise.sqrt(square) + group["eps"])
            kept = param * (1.0 - lr * decay) if decoupled and decay != 0 else param
            factor = where(trusted[position], adapted, 1.0)
            param.copy_(kept - mean * step_sizes[position] * factor)
