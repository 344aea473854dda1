"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tinytorch.optim.optimizer import Counts, Optimizer, advance, gradient_of
from tinytorch.optim.settings import check_not_negative
from tinytorch.tracer.factories import zeros_like
from tinytorch.tracer.functions import where
from tinytorch.tracer.tensor import Tensor
from tinytorch.tracer.tracked import TrackedDict


class SGD(Optimizer):
    """Gradient descent with momentum, dampening, weight decay and Nesterov's look-ahead.

    With momentum: ``buffer = momentum * buffer + (1 - dampening) * grad``, but for the first step,
    where it is the gradient itself; the step is ``lr * buffer``, or ``lr * (grad + momentum *
    buffer)`` with ``nesterov``. Raises ValueError for settings that make no sense.
    """

    def __init__(
        self, params: Any, lr: Any = 1e-3, momentum: float = 0, dampening: float = 0,
        weight_decay: float = 0, nesterov: bool = False, *, maximize: bool = False,
        foreach: bool | None = None, differentiable: bool = False, fused: bool | None = None,
    ) -> None:  # fmt: skip
        settings = {
            "lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay,
            "nesterov": nesterov, "maximize": maximize, "foreach": foreach,
            "differentiable": differentiable, "fused": fused,
        }  # fmt: skip
        super().__init__(params, settings)

    def check_settings(self, group: Mapping[str, Any]) -> None:
        """Raise ValueError for a negative setting or Nesterov without momentum."""
        check_not_negative("learning rate", group["lr"])
        check_not_negative("momentum value", group["momentum"])
        check_not_negative("weight_decay value", group["weight_decay"])
        if group["nesterov"] and (group["momentum"] <= 0 or group["dampening"] != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")

    def new_state(self, param: Tensor, group: Mapping[str, Any]) -> dict[str, Any]:
        """A zero momentum buffer, if there is momentum."""
        return {"momentum_buffer": zeros_like(param)} if group["momentum"] != 0 else {}

    def first_counts(self, group: Mapping[str, Any]) -> dict[str, Any]:
        """Count steps with momentum, for the sake of the first; PyTorch shows no such count."""
        return {"_begun": 0.0}

    def update(self, group: TrackedDict, active: list[int], counts: Counts) -> None:
        """Take one step."""
        lr, momentum, dampening = group["lr"], group["momentum"], group["dampening"]
        dampened = momentum != 0 and dampening != 0
        begun = counts["_begun"]
        for position in active:
            param = group["params"][position]
            step = gradient_of(param, group, group["weight_decay"])
            if momentum != 0:
                buffer = self.entry(param, "momentum_buffer")
                # A first step on the zero buffer gives the gradient, unless it is dampened.
                pushed = buffer * momentum + (step * (1 - dampening) if dampened else step)
                if dampened:
                    pushed = where(begun[position] == 0.0, step, pushed)
                buffer.copy_(pushed)
                step = step + pushed * momentum if group["nesterov"] else pushed
            param.copy_(param - step * lr)
        if momentum != 0:
            advance(begun, active)

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Write a state dict; a momentum buffer in it means that the first step was taken."""
        super().load_state_dict(state_dict)
        stored = state_dict["state"]
        for counts, saved in zip(self._counts, state_dict["param_groups"], strict=True):
            for position, number in enumerate(saved["params"]):
                begun = stored.get(number, {}).get("momentum_buffer") is not None
                counts["_begun"][position] = 1.0 if begun else 0.0
