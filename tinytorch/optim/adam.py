"""Adam and AdamW."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tinytorch.optim.optimizer import Optimizer, advance, check_not_negative, gradient_of
from tinytorch.tracer.factories import zeros_like
from tinytorch.tracer.functions import elementwise, where
from tinytorch.tracer.tensor import Tensor
from tinytorch.tracer.tracked import TrackedDict


class Adam(Optimizer):
    """Steps scaled by running averages of the gradient and its square.

    ``weight_decay`` is added to the gradient. ``amsgrad`` divides by the largest average of the
    square so far. Raises ValueError for settings that make no sense. Sources: Kingma and Ba,
    "Adam", 2015; Reddi, Kale and Kumar, "On the Convergence of Adam and Beyond", 2018.
    """

    counts_steps = True
    decoupled = False
    """Whether weight decay shrinks the parameter instead of joining the gradient."""

    def __init__(
        self, params: Any, lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8, weight_decay: float = 0, amsgrad: bool = False, *,
        maximize: bool = False,
    ) -> None:  # fmt: skip
        settings = {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "amsgrad": amsgrad,
            "maximize": maximize,
        }  # fmt: skip
        super().__init__(params, settings)

    def check_settings(self, group: Mapping[str, Any]) -> None:
        """Raise ValueError for a negative setting or a beta outside [0, 1)."""
        check_not_negative("learning rate", group["lr"])
        check_not_negative("epsilon value", group["eps"])
        for position, beta in enumerate(group["betas"]):
            if not 0.0 <= beta < 1.0:
                raise ValueError(f"Invalid beta parameter at index {position}: {beta}")
        check_not_negative("weight_decay value", group["weight_decay"])

    def new_state(self, param: Tensor, group: Mapping[str, Any]) -> dict[str, Any]:
        """Zero averages of the gradient and its square."""
        names = ["exp_avg", "exp_avg_sq", *(["max_exp_avg_sq"] if group["amsgrad"] else [])]
        return {name: zeros_like(param) for name in names}

    def update(self, group: TrackedDict, active: list[int], clock: Tensor) -> None:
        """Take one step.

        The bias corrections of all parameters are two float64 vectors; an entry of one is a 0-d
        tensor, which scales a parameter in the parameter's own dtype.
        """
        beta1, beta2 = group["betas"]
        lr, eps, decay = group["lr"], group["eps"], group["weight_decay"]
        advance(clock, active)
        step_sizes: Any = lr / (1.0 - beta1**clock)
        root_scales: Any = elementwise.rsqrt(1.0 - beta2**clock)
        for position in active:
            param: Any = group["params"][position]
            state = self.state[param]
            grad = gradient_of(param, group, 0 if self.decoupled else decay)
            mean, square = state["exp_avg"], state["exp_avg_sq"]
            mean.copy_(mean + (grad - mean) * (1.0 - beta1))
            square.copy_(square * beta2 + grad * grad * (1.0 - beta2))
            if group["amsgrad"]:
                largest = self.entry(param, "max_exp_avg_sq")
                largest.copy_(where(largest < square, square, largest))
                square = largest
            scale = elementwise.sqrt(square) * root_scales[position] + eps
            kept = param * (1.0 - lr * decay) if self.decoupled and decay != 0 else param
            param.copy_(kept - mean * step_sizes[position] / scale)


class AdamW(Adam):
    """Adam whose weight decay shrinks parameters directly.

    Source: Loshchilov and Hutter, "Decoupled Weight Decay Regularization", 2019.
    """

    decoupled = True

    def __init__(
        self, params: Any, lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8, weight_decay: float = 1e-2, amsgrad: bool = False, *,
        maximize: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize)
