"""Schedules that multiply the learning rate: by lambdas, steps, lines and powers."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from tinytorch.optim.optimizer import Optimizer
from tinytorch.optim.schedules.base import LRScheduler, check_optimizer, state_of_callable

Lambda = Callable[[int], float]


class LambdaLR(LRScheduler):
    """The initial learning rate times a function of the epoch (one for all groups, or one each).

    Raises ValueError for another number of functions than of groups.
    """

    def __init__(
        self, optimizer: Optimizer, lr_lambda: Lambda | Sequence[Lambda], last_epoch: int = -1
    ) -> None:
        check_optimizer(optimizer)
        groups = len(optimizer.param_groups)
        given = list(lr_lambda) if isinstance(lr_lambda, list | tuple) else [lr_lambda] * groups
        if len(given) != groups:
            raise ValueError(f"Expected {groups} lr_lambdas, but got {len(given)}")
        for function in given:
            if not callable(function):
                raise TypeError(
                    f"lr_lambda should be a function, but got {type(function).__name__}"
                )
        self.lr_lambdas: list[Any] = given
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        """Return the learning rate of each group at ``last_epoch``."""
        factors = [factor(self.last_epoch) for factor in self.lr_lambdas]
        return [base * factor for base, factor in zip(self.base_lrs, factors, strict=True)]

    def state_dict(self) -> dict[str, Any]:
        """Return everything but the optimizer and functions; callable objects give their state."""
        return {**super().state_dict(), "lr_lambdas": [*map(state_of_callable, self.lr_lambdas)]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what ``state_dict`` returned; functions stay."""
        super().load_state_dict({k: v for k, v in state_dict.items() if k != "lr_lambdas"})
        for function, state in zip(self.lr_lambdas, state_dict["lr_lambdas"], strict=True):
            if state is not None:
                function.__dict__.update(state)


class MultiplicativeLR(LambdaLR):
    """The learning rate before times a function of the epoch (one for all groups, or one each)."""

    def get_lr(self) -> list[Any]:
        """Return the learning rate of each group at ``last_epoch``."""
        if self._is_initial:
            return self.current()
        factors = [factor(self.last_epoch) for factor in self.lr_lambdas]
        return [rate * factor for rate, factor in zip(self.current(), factors, strict=True)]


class StepLR(LRScheduler):
    """Multiply by gamma every ``step_size`` epochs."""

    def __init__(
        self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        self.step_size = step_size
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        """Return the learning rate of each group at ``last_epoch``."""
        if self.last_epoch == 0 or self.last_epoch % self.step_size != 0:
            return self.current()
        return [rate * self.gamma for rate in self.current()]

    def closed_form(self) -> list[Any]:
        """Return the learning rates from ``last_epoch`` alone."""
        factor = self.gamma ** (self.last_epoch // self.step_size)
        return [base * factor for base in self.base_lrs]


class MultiStepLR(LRScheduler):
    """Multiply by gamma at each milestone."""

    def __init__(
        self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1,
        last_epoch: int = -1,
    ) -> None:  # fmt: skip
        self.milestones = Counter(milestones)
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        """Return the learning rate of each group at ``last_epoch``."""
        if self.last_epoch not in self.milestones:
            return self.current()
        return [rate * self.gamma ** self.milestones[self.last_epoch] for rate in self.current()]

    def closed_form(self) -> list[Any]:
        """Return the learning rates from ``last_epoch`` alone."""
        passed = bisect_right(sorted(self.milestones.elements()), self.last_epoch)
        return [base * self.gamma**passed for base in self.base_lrs]


class ConstantLR(LRScheduler):
    """``factor`` times the learning rate for the first ``total_iters`` epochs.

    Raises ValueError for a factor outside [0, 1].
    """

    def __init__(
        self, optimizer: Optimizer, factor: float = 1.0 / 3, total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:  # fmt: skip
        if factor > 1.0 or factor < 0:
            raise ValueError("Constant multiplicative factor expected to be between 0 and 1.")
        self.factor = factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        """Return the learning rate of each group at ``last_epoch``."""
        if self.last_epoch == 0:
            return [rate * self.factor for rate in self.current()]
        if self.last_epoch != self.total_iters:
            return self.current()
        return [rate * (1.0 / self.factor) for rate in self.current()]

    def closed_form(self) -> list[Any]:
        """Return the learning rates from ``last_epoch`` alone."""
        factor = 1.0 if self.last_epoch >= self.total_iters else self.factor
        return [base * factor for base in self.base_lrs]


class LinearLR(LRScheduler):
    """A line from ``start_factor`` to ``end_factor`` over ``total_iters`` epochs.

    Raises ValueError for a factor outside [0, 1], or a start at 0.
    """

    def __init__(
        self, optimizer: Optimizer, start_factor: float = 1.0 / 3, end_factor: float = 1.0,
        total_iters: int = 5, last_epoch: int = -1,
    ) -> None:  # fmt: skip
        if start_factor > 1.0 or start_factor <= 0:
            raise ValueError(
                "Starting multiplicative factor expected to be greater than 0 and less or equal "
                "to 1."
            )
        if end_factor > 1.0 or end_factor < 0:
            raise ValueError("Ending multiplicative factor expected to be between 0 and 1.")
        self.start_factor = start_factor
        self.end_factor = end_factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        """Return the learning rate of each group at ``last_epoch``."""
        start, rise = self.start_factor, self.end_factor - self.start_factor
        if self.last_epoch == 0:
            return [rate * start for rate in self.current()]
        if self._is_initial or self.last_epoch > self.total_iters:
            return self.current()
        factor = 1.0 + rise / (self.total_iters * start + (self.last_epoch - 1) * rise)
        return [rate * factor for rate in self.current()]

    def closed_form(self) -> list[Any]:
        """Return the learning rates from ``last_epoch`` alone."""
        done = min(self.total_iters, self.last_epoch) / self.total_iters
        factor = self.start_factor + (self.end_factor - self.start_factor) * done
        return [base * factor for base in self.base_lrs]


class ExponentialLR(LRScheduler):
    """Multiply by gamma every epoch."""

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        """Return the learning rate of each group at ``last_epoch``."""
        if self._is_initial:
            return self.current()
        return [rate * self.gamma for rate in self.current()]

    def closed_form(self) -> list[Any]:
        """Return the learning rates from ``last_epoch`` alone."""
        return [base * self.gamma**self.last_epoch for base in self.base_lrs]


class PolynomialLR(LRScheduler):
    """A power of the epochs left, down to 0 after ``total_iters`` epochs."""

    def __init__(
        self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1
    ) -> None:
        self.total_iters = total_iters
        self.power = power
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        """Return the learning rate of each group at ``last_epoch``."""
        epoch, total = self.last_epoch, self.total_iters
        if self._is_initial or epoch > total:
            return self.current()
        factor = ((1.0 - epoch / total) / (1.0 - (epoch - 1) / total)) ** self.power
        return [rate * factor for rate in self.current()]

    def closed_form(self) -> list[Any]:
        """Return the learning rates from ``last_epoch`` alone."""
        left = 1.0 - min(self.total_iters, self.last_epoch) / self.total_iters
        return [base * left**self.power for base in self.base_lrs]
