"""Lion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tinytorch.optim.optimizer import Counts, Optimizer, averaged, gradient_of
from tinytorch.optim.settings import check_betas, check_not_negative
from tinytorch.tracer.factories import zeros_like
from tinytorch.tracer.functions import elementwise
from tinytorch.tracer.tensor import Tensor
from tinytorch.tracer.tracked import TrackedDict


class Lion(Optimizer):
    """Steps by the sign of a mixture of momentum and gradient, with decoupled weight decay.

    Raises ValueError for settings that make no sense. Source: Chen et al., "Symbolic Discovery of
    Optimization Algorithms", 2023, program 1.
    """

    def __init__(
        self, params: Any, lr: Any = 1e-4, betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0, *, foreach: bool | None = None, maximize: bool = False,
        capturable: bool = False, differentiable: bool = False,
    ) -> None:  # fmt: skip
        settings = {
            "lr": lr, "betas": tuple(betas), "weight_decay": weight_decay, "foreach": foreach,
            "maximize": maximize, "capturable": capturable, "differentiable": differentiable,
        }  # fmt: skip
        super().__init__(params, settings)

    def check_settings(self, group: Mapping[str, Any]) -> None:
        """Raise ValueError for a negative setting or a beta outside [0, 1)."""
        check_not_negative("learning rate", group["lr"])
        check_betas(group["betas"])
        check_not_negative("weight_decay value", group["weight_decay"])

    def new_state(self, param: Tensor, group: Mapping[str, Any]) -> dict[str, Any]:
        """Zero momentum."""
        return {"exp_avg": zeros_like(param)}

    def update(self, group: TrackedDict, active: list[int], counts: Counts) -> None:
        """Take one step."""
        beta1, beta2 = group["betas"]
        lr, decay = group["lr"], group["weight_decay"]
        for position in active:
            param: Any = group["params"][position]
            grad = gradient_of(param, group, 0)
            momentum = self.state[param]["exp_avg"]
            mixture = momentum * beta1 + grad * (1.0 - beta1)
            kept = param * (1.0 - lr * decay) if decay != 0 else param
            param.copy_(kept - elementwise.sign(mixture) * lr)
            averaged(momentum, grad, beta2)
