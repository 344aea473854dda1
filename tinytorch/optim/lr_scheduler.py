"""Learning-rate schedules: plain Python that sets ``group["lr"]`` between steps.

They belong outside compiled functions, and raise TraceError inside; a compiled step reads the
learning rate at every call, so a schedule never makes it compile again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from tinytorch.optim.optimizer import Optimizer
from tinytorch.tracer.tracked import Tracked


class LRScheduler(Tracked):
    """Base of schedules: ``step()`` once an epoch (or step) sets every group's learning rate.

    ``last_epoch`` -1 starts anew. Raises TypeError for an object that is no Optimizer, KeyError
    if a schedule that goes on finds groups without ``initial_lr``.
    """

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")
        for position, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", group["lr"])
            elif "initial_lr" not in group:
                raise KeyError(
                    "param 'initial_lr' is not specified in "
                    f"param_groups[{position}] when resuming an optimizer"
                )
        self.optimizer = optimizer
        self.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._last_lr: list[float] = []
        self.step()

    def get_lr(self) -> list[float]:
        """Return the learning rate of each group at ``last_epoch``."""
        raise NotImplementedError

    def get_last_lr(self) -> list[float]:
        """Return the learning rates that the last step set."""
        return self._last_lr

    def step(self) -> None:
        """Go on by one epoch."""
        self.last_epoch += 1
        rates = self.get_lr()
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate
        self._last_lr = rates

    def state_dict(self) -> dict[str, Any]:
        """Return everything but the optimizer."""
        plain = {k: v for k, v in self.__dict__.items() if k not in _NOT_STATE}
        return {**plain, **self._numbers}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what ``state_dict`` returned."""
        for name, value in state_dict.items():
            setattr(self, name, value)


_NOT_STATE = ("optimizer", "_numbers", "_born", "lr_lambdas")


class StepLR(LRScheduler):
    """Multiply by gamma every ``step_size`` epochs."""

    def __init__(
        self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        self.step_size = step_size
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Return the learning rate of each group at ``last_epoch``."""
        due = self.last_epoch > 0 and self.last_epoch % self.step_size == 0
        factor = self.gamma if due else 1.0
        return [group["lr"] * factor for group in self.optimizer.param_groups]


class ExponentialLR(LRScheduler):
    """Multiply by gamma every epoch."""

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Return the learning rate of each group at ``last_epoch``."""
        factor = self.gamma if self.last_epoch > 0 else 1.0
        return [group["lr"] * factor for group in self.optimizer.param_groups]


class CosineAnnealingLR(LRScheduler):
    """Half a cosine from the initial learning rate to ``eta_min`` over ``T_max`` epochs, and back.

    Computed from the rate before, as in PyTorch, so that schedules can be chained. Source:
    Loshchilov and Hutter, "SGDR", 2017.
    """

    def __init__(
        self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        self.T_max = T_max
        self.eta_min = eta_min
        self._resumed = last_epoch != -1
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Return the learning rate of each group at ``last_epoch``."""
        epoch, span, low = self.last_epoch, self.T_max, self.eta_min
        rates = [group["lr"] for group in self.optimizer.param_groups]
        if epoch == 0:
            return rates
        if self._resumed and not self._last_lr:  # the first step of a schedule that goes on
            wave = (1 + math.cos(math.pi * epoch / span)) / 2
            return [low + (base - low) * wave for base in self.base_lrs]
        if (epoch - 1 - span) % (2 * span) == 0:  # the rate before was eta_min
            rise = (1 - math.cos(math.pi / span)) / 2
            return [
                rate + (base - low) * rise for rate, base in zip(rates, self.base_lrs, strict=True)
            ]
        ratio = (1 + math.cos(math.pi * epoch / span)) / (
            1 + math.cos(math.pi * (epoch - 1) / span)
        )
        return [(rate - low) * ratio + low for rate in rates]


class LambdaLR(LRScheduler):
    """The initial learning rate times a function of the epoch (one for all groups, or one each)."""

    def __init__(
        self, optimizer: Optimizer,
        lr_lambda: Callable[[int], float] | Sequence[Callable[[int], float]],
        last_epoch: int = -1,
    ) -> None:  # fmt: skip
        groups = len(optimizer.param_groups)
        self.lr_lambdas = [lr_lambda] * groups if callable(lr_lambda) else list(lr_lambda)
        if len(self.lr_lambdas) != groups:
            raise ValueError(f"Expected {groups} lr_lambdas, but got {len(self.lr_lambdas)}")
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Return the learning rate of each group at ``last_epoch``."""
        return [
            base * factor(self.last_epoch)
            for base, factor in zip(self.base_lrs, self.lr_lambdas, strict=True)
        ]
