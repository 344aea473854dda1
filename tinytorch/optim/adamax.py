"""Adamax."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tinytorch.optim.adam import Adam
from tinytorch.optim.optimizer import Counts, Optimizer, advance, averaged, gradient_of
from tinytorch.tracer.factories import zeros_like
from tinytorch.tracer.functions import elementwise
from tinytorch.tracer.tensor import Tensor
from tinytorch.tracer.tracked import TrackedDict


class Adamax(Optimizer):
    """Adam with the largest gradient of late in place of the root of the average square.

    Raises ValueError for settings that make no sense. Source: Kingma and Ba, "Adam", 2015.
    """

    def __init__(
        self, params: Any, lr: Any = 2e-3, betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8, weight_decay: float = 0, foreach: bool | None = None, *,
        maximize: bool = False, differentiable: bool = False, capturable: bool = False,
    ) -> None:  # fmt: skip
        settings = {
            "lr": lr, "betas": tuple(betas), "eps": eps, "weight_decay": weight_decay,
            "foreach": foreach, "maximize": maximize, "differentiable": differentiable,
            "capturable": capturable,
        }  # fmt: skip
        super().__init__(params, settings)

    check_settings = Adam.check_settings
    first_counts = Adam.first_counts

    def new_state(self, param: Tensor, group: Mapping[str, Any]) -> dict[str, Any]:
        """A zero average and a zero maximum."""
        return {name: zeros_like(param) for name in ("exp_avg", "exp_inf")}

    def update(self, group: TrackedDict, active: list[int], counts: Counts) -> None:
        """Take one step."""
        beta1, beta2 = group["betas"]
        clock = counts["step"]
        advance(clock, active)
        step_sizes: Any = group["lr"] / (1.0 - beta1**clock)
        for position in active:
            param: Any = group["params"][position]
            grad = gradient_of(param, group, group["weight_decay"])
            mean = averaged(self.state[param]["exp_avg"], grad, beta1)
            largest = self.state[param]["exp_inf"]
            now = elementwise.abs(grad) + group["eps"]
            largest.copy_(elementwise.maximum(largest * beta2, now))
            param.copy_(param - mean * step_sizes[position] / largest)
