"""Adam and AdamW."""

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
from tinytorch.optim.settings import check_betas, check_not_negative
from tinytorch.tracer.factories import zeros_like
from tinytorch.tracer.functions import elementwise, where
from tinytorch.tracer.tensor import Tensor
from tinytorch.tracer.tracked import TrackedDict


class Adam(Optimizer):
    """Steps scaled by running averages of the gradient and its square.

    ``weight_decay`` is added to the gradient, or shrinks the parameter itself with
    ``decoupled_weight_decay``. ``amsgrad`` divides by the largest average of the square so far.
    Raises ValueError for settings that make no sense. Sources: Kingma and Ba, "Adam", 2015; Reddi,
    Kale and Kumar, "On the Convergence of Adam and Beyond", 2018.
    """

    def __init__(
        self, params: Any, lr: Any = 1e-3, betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8, weight_decay: float = 0, amsgrad: bool = False, *,
        foreach: bool | None = None, maximize: bool = False, capturable: bool = False,
        differentiable: bool = False, fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:  # fmt: skip
        settings = {
            "lr": lr, "betas": tuple(betas), "eps": eps, "weight_decay": weight_decay,
            "amsgrad": amsgrad, "maximize": maximize, "foreach": foreach, "capturable": capturable,
            "differentiable": differentiable, "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay,
        }  # fmt: skip
        super().__init__(params, settings)

    def check_settings(self, group: Mapping[str, Any]) -> None:
        """Raise ValueError for a negative setting or a beta outside [0, 1)."""
        check_not_negative("learning rate", group["lr"])
        check_not_negative("epsilon value", group["eps"])
        check_betas(group["betas"])
        check_not_negative("weight_decay value", group["weight_decay"])

    def new_state(self, param: Tensor, group: Mapping[str, Any]) -> dict[str, Any]:
        """Zero averages of the gradient and its square."""
        names = ["exp_avg", "exp_avg_sq", *(["max_exp_avg_sq"] if group["amsgrad"] else [])]
        return {name: zeros_like(param) for name in names}

    def first_counts(self, group: Mapping[str, Any]) -> dict[str, Any]:
        """Count steps."""
        return {"step": 0.0}

    def update(self, group: TrackedDict, active: list[int], counts: Counts) -> None:
        """Take one step.

        The bias corrections of all parameters are two float64 vectors; an entry of one is a 0-d
        tensor, which scales a parameter in the parameter's own dtype.
        """
        beta1, beta2 = group["betas"]
        lr, eps, decay = group["lr"], group["eps"], group["weight_decay"]
        decoupled = group["decoupled_weight_decay"]
        clock = counts["step"]
        advance(clock, active)
        step_sizes: Any = lr / (1.0 - beta1**clock)
        root_scales: Any = elementwise.rsqrt(1.0 - beta2**clock)
        for position in active:
            param: Any = group["params"][position]
            state = self.state[param]
            grad = gradient_of(param, group, 0 if decoupled else decay)
            mean = averaged(state["exp_avg"], grad, beta1)
            square = averaged_square(state["exp_avg_sq"], grad, beta2)
            if group["amsgrad"]:
                largest = self.entry(param, "max_exp_avg_sq")
                largest.copy_(where(largest < square, square, largest))
                square = largest
            scale = elementwise.sqrt(square) * root_scales[position] + eps
            kept = param * (1.0 - lr * decay) if decoupled and decay != 0 else param
            param.copy_(kept - mean * step_sizes[position] / scale)


class AdamW(Adam):
    """Adam whose weight decay shrinks parameters directly.

    Source: Loshchilov and Hutter, "Decoupled Weight Decay Regularization", 2019.
    """

    def __init__(
        self, params: Any, lr: Any = 1e-3, betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8, weight_decay: float = 1e-2, amsgrad: bool = False, *,
        maximize: bool = False, foreach: bool | None = None, capturable: bool = False,
        differentiable: bool = False, fused: bool | None = None,
    ) -> None:  # fmt: skip
        super().__init__(
            params, lr, betas, eps, weight_decay, amsgrad, foreach=foreach, maximize=maximize,
            capturable=capturable, differentiable=differentiable, fused=fused,
            decoupled_weight_decay=True,
        )  # fmt: skip
