"""LRScheduler: the base of schedules, with PyTorch's counting of epochs."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from types import FunctionType, MethodType
from typing import Any

from tinytorch.optim.optimizer import Optimizer
from tinytorch.tracer.mode import no_grad
from tinytorch.tracer.tensor import Tensor
from tinytorch.tracer.tracked import Tracked

NOT_STATE = frozenset({"optimizer", "_numbers", "_born"})


class LRScheduler(Tracked):
    """Base of schedules: ``step()`` once an epoch (or step) sets every group's learning rate.

    ``last_epoch`` -1 starts anew. Raises TypeError for an object that is no Optimizer, KeyError
    if a schedule that goes on finds groups without ``initial_lr``.
    """

    _is_initial = False

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        check_optimizer(optimizer)
        for position, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", _own(group["lr"]))
            elif "initial_lr" not in group:
                raise KeyError(
                    f"param 'initial_lr' is not specified in param_groups[{position}] when "
                    "resuming scheduler with last_epoch >= 0: load the optimizer's state first"
                )
        self.optimizer = optimizer
        self.base_lrs = [_own(group["initial_lr"]) for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._step_count = 0
        self._last_lr: list[Any] = []
        self._initial_step()

    def _initial_step(self) -> None:
        """Set the learning rates of the first epoch."""
        self._step_count = 0
        self._is_initial = True
        try:
            self.step()
        finally:
            self._is_initial = False

    def get_lr(self) -> list[Any]:
        """Return the learning rate of each group at ``last_epoch``."""
        raise NotImplementedError

    def get_last_lr(self) -> list[Any]:
        """Return the learning rates that the last step set."""
        return self._last_lr

    def step(self, epoch: int | None = None) -> None:
        """Go on by one epoch, or to a given one."""
        self._step_count += 1
        self._update_lr(epoch)

    def _update_lr(self, epoch: int | None = None) -> None:
        """Set the rates of the next epoch, or of a given one."""
        if epoch is None:
            self.last_epoch += 1
            self.set_rates(self.get_lr())
        else:
            self.last_epoch = epoch
            self.set_rates(self.closed_form())

    def closed_form(self) -> list[Any]:
        """Return the learning rates at ``last_epoch``, from it alone where there is a formula."""
        return self.get_lr()

    def current(self) -> list[Any]:
        """Return the groups' learning rates as they are."""
        return [_own(group["lr"]) for group in self.optimizer.param_groups]

    def set_rates(self, rates: Sequence[Any]) -> None:
        """Set every group's learning rate."""
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            set_rate(group, rate)
        self._last_lr = self.current()

    def state_dict(self) -> dict[str, Any]:
        """Return everything but the optimizer; of functions, the state of callable objects."""
        plain = {k: v for k, v in self.__dict__.items() if k not in NOT_STATE}
        return {**plain, **self._numbers}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what ``state_dict`` returned."""
        for name, value in state_dict.items():
            setattr(self, name, value)


def check_optimizer(optimizer: Any) -> None:
    """Raise TypeError for an object that is no Optimizer."""
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")


def set_rate(group: Any, rate: Any) -> None:
    """Set a group's learning rate; one that is a tensor keeps its memory."""
    if isinstance(group["lr"], Tensor):
        with no_grad():
            group["lr"].fill_(float(rate))
    else:
        group["lr"] = rate


def _own(value: Any) -> Any:
    return value.detach().clone() if isinstance(value, Tensor) else value


def for_groups(name: str, optimizer: Optimizer, value: Any) -> list[Any]:
    """Return a value for each group; raise ValueError for a list of another length."""
    groups = len(optimizer.param_groups)
    if not isinstance(value, list | tuple):
        return [value] * groups
    if len(value) != groups:
        raise ValueError(
            f"{name} must have the same length as optimizer.param_groups. {name} has {len(value)} "
            f"values, param_groups has {groups}."
        )
    return list(value)


def state_of_callable(function: Callable[..., Any] | None) -> dict[str, Any] | None:
    """State of a callable object; None for a function, whose code is no state."""
    if function is None or isinstance(function, FunctionType | MethodType):
        return None
    return copy.copy(getattr(function, "__dict__", None))
