"""Schedules that rise and fall, and move momentum the other way.

Sources: Smith, "Cyclical Learning Rates", 2017; Smith and Topin, "Super-Convergence", 2018.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from tinytorch.optim.optimizer import Optimizer
from tinytorch.optim.schedules.base import (
    LRScheduler,
    check_optimizer,
    for_groups,
    set_rate,
    state_of_callable,
)  # fmt: skip


class CyclicLR(LRScheduler):
    """Up from ``base_lr`` to ``max_lr`` and down again, over and over.

    ``mode`` says how the height changes: not at all, halved each cycle, or by gamma each step;
    ``scale_fn`` is a function of the cycle or of the iteration in its place. Raises ValueError for
    an unknown mode, and if momentum cannot be cycled.
    """

    def __init__(
        self, optimizer: Optimizer, base_lr: Any, max_lr: Any, step_size_up: int = 2000,
        step_size_down: int | None = None, mode: str = "triangular", gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None, scale_mode: str = "cycle",
        cycle_momentum: bool = True, base_momentum: Any = 0.8, max_momentum: Any = 0.9,
        last_epoch: int = -1,
    ) -> None:  # fmt: skip
        check_optimizer(optimizer)
        base_lrs = for_groups("base_lr", optimizer, base_lr)
        self.max_lrs = for_groups("max_lr", optimizer, max_lr)
        if mode not in ("triangular", "triangular2", "exp_range") and scale_fn is None:
            raise ValueError("mode is invalid and scale_fn is None")
        if last_epoch == -1:
            for rate, group in zip(base_lrs, optimizer.param_groups, strict=True):
                set_rate(group, rate)
        up = float(step_size_up)
        down = up if step_size_down is None else float(step_size_down)
        self.total_size = up + down
        self.step_ratio = up / self.total_size
        self.mode = mode
        self.gamma = gamma
        self._scale_fn_custom = scale_fn
        self.scale_mode = scale_mode
        if scale_fn is None:
            self.scale_mode = "iterations" if mode == "exp_range" else "cycle"
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self.use_beta1 = _start_momentum(optimizer, base_momentum, max_momentum, last_epoch)
            self.base_momentums = for_groups("base_momentum", optimizer, base_momentum)
            self.max_momentums = for_groups("max_momentum", optimizer, max_momentum)
        super().__init__(optimizer, last_epoch)
        self.base_lrs = base_lrs

    def scale_fn(self, x: float) -> float:
        """Return the height of a cycle, as a part of the full one."""
        if self._scale_fn_custom is not None:
            return float(self._scale_fn_custom(x))
        if self.mode == "triangular2":
            return 1 / (2.0 ** (x - 1))
        return float(self.gamma**x) if self.mode == "exp_range" else 1.0

    def get_lr(self) -> list[Any]:
        """Return the learning rate of each group at ``last_epoch``, and set the momenta."""
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        x = 1.0 + self.last_epoch / self.total_size - cycle
        ratio = self.step_ratio
        along = x / ratio if x <= ratio else (x - 1) / (ratio - 1)
        height = self.scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)
        if self.cycle_momentum:
            pairs = zip(self.base_momentums, self.max_momentums, strict=True)
            for group, (low, high) in zip(self.optimizer.param_groups, pairs, strict=True):
                _set_momentum(group, self.use_beta1, high - (high - low) * along * height)
        pairs = zip(self.base_lrs, self.max_lrs, strict=True)
        return [low + (high - low) * along * height for low, high in pairs]

    def state_dict(self) -> dict[str, Any]:
        """Return everything but the optimizer; a callable object gives its state."""
        return {
            **super().state_dict(), "_scale_fn_custom": state_of_callable(self._scale_fn_custom),
        }  # fmt: skip

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what ``state_dict`` returned; a function stays."""
        super().load_state_dict({k: v for k, v in state_dict.items() if k != "_scale_fn_custom"})
        state = state_dict["_scale_fn_custom"]
        if state is not None and self._scale_fn_custom is not None:
            self._scale_fn_custom.__dict__.update(state)


class OneCycleLR(LRScheduler):
    """One rise from ``max_lr / div_factor`` to ``max_lr`` and one fall far below the start.

    Give ``total_steps``, or ``epochs`` and ``steps_per_epoch``. With ``three_phase`` the fall ends
    at the start first. Raises ValueError for lengths, parts or strategies that make no sense, and
    for a step beyond the last.
    """

    def __init__(
        self, optimizer: Optimizer, max_lr: Any, total_steps: int | None = None,
        epochs: int | None = None, steps_per_epoch: int | None = None, pct_start: float = 0.3,
        anneal_strategy: str = "cos", cycle_momentum: bool = True, base_momentum: Any = 0.85,
        max_momentum: Any = 0.95, div_factor: float = 25.0, final_div_factor: float = 1e4,
        three_phase: bool = False, last_epoch: int = -1,
    ) -> None:  # fmt: skip
        check_optimizer(optimizer)
        self.total_steps = _total_steps(total_steps, epochs, steps_per_epoch)
        if not isinstance(pct_start, float) or pct_start < 0 or pct_start > 1:
            raise ValueError(f"Expected float between 0 and 1 pct_start, but got {pct_start}")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                "anneal_strategy must be one of 'cos' or 'linear', instead got "
                f"{anneal_strategy}"
            )
        self._anneal_func_type = anneal_strategy
        self._schedule_phases = _phases(self.total_steps, pct_start, three_phase)
        max_lrs = for_groups("max_lr", optimizer, max_lr)
        if last_epoch == -1:
            for group, highest in zip(optimizer.param_groups, max_lrs, strict=True):
                group["initial_lr"] = highest / div_factor
                group["max_lr"] = highest
                group["min_lr"] = group["initial_lr"] / final_div_factor
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self.use_beta1 = _start_momentum(optimizer, base_momentum, max_momentum, last_epoch)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        """Return the learning rate of each group at ``last_epoch``, and set the momenta."""
        step = self.last_epoch
        if step > self.total_steps:
            raise ValueError(
                f"Tried to step {step} times. The specified number of total steps is "
                f"{self.total_steps}"
            )
        begin = 0.0
        phase = self._schedule_phases[-1]
        for phase in self._schedule_phases:
            if step <= phase["end_step"] or phase is self._schedule_phases[-1]:
                break
            begin = phase["end_step"]
        along = (step - begin) / (phase["end_step"] - begin)
        way, rates = self._anneal_func_type, []
        for group in self.optimizer.param_groups:
            rates.append(anneal(way, group[phase["start_lr"]], group[phase["end_lr"]], along))
            if self.cycle_momentum:
                start, end = group[phase["start_momentum"]], group[phase["end_momentum"]]
                _set_momentum(group, self.use_beta1, anneal(way, start, end, along))
        return rates


def anneal(way: str, start: float, end: float, along: float) -> float:
    """Go a part of the way from start to end, on a line or on half a cosine."""
    if way == "linear":
        return (end - start) * along + start
    return end + (start - end) / 2.0 * (math.cos(math.pi * along) + 1)


def _total_steps(total: Any, epochs: Any, steps_per_epoch: Any) -> int:
    named = {"total_steps": total}
    if total is None:
        if epochs is None or steps_per_epoch is None:
            raise ValueError("You must define either total_steps OR (epochs AND steps_per_epoch)")
        named = {"epochs": epochs, "steps_per_epoch": steps_per_epoch}
    for name, value in named.items():
        if not isinstance(value, int) or value <= 0:
            raise ValueError(f"Expected positive integer {name}, but got {value}")
    return math.prod(named.values())


def _phases(total: int, part: float, three: bool) -> list[dict[str, Any]]:
    """Where each phase ends, and which entries of a group it leads from and to."""
    up = ("initial_lr", "max_lr", "max_momentum", "base_momentum")
    if three:
        down = ("max_lr", "initial_lr", "base_momentum", "max_momentum")
        out = ("initial_lr", "min_lr", "max_momentum", "max_momentum")
        ends = [(part * total - 1, up), (2 * part * total - 2, down), (total - 1, out)]
    else:
        down = ("max_lr", "min_lr", "base_momentum", "max_momentum")
        ends = [(part * total - 1, up), (total - 1, down)]
    names = ("start_lr", "end_lr", "start_momentum", "end_momentum")
    return [{"end_step": end, **dict(zip(names, ways, strict=True))} for end, ways in ends]


def _start_momentum(optimizer: Optimizer, lowest: Any, highest: Any, last_epoch: int) -> bool:
    """Set momenta to the highest; return whether momentum is the first beta."""
    if not {"momentum", "betas"} & set(optimizer.defaults):
        raise ValueError(
            "optimizer must support momentum or beta1 with `cycle_momentum` option enabled"
        )
    use_beta1 = "betas" in optimizer.defaults
    lows = for_groups("base_momentum", optimizer, lowest)
    highs = for_groups("max_momentum", optimizer, highest)
    if last_epoch == -1:
        for group, low, high in zip(optimizer.param_groups, lows, highs, strict=True):
            _set_momentum(group, use_beta1, high)
            group["max_momentum"] = high
            group["base_momentum"] = low
        optimizer.complete_state()
    return use_beta1


def _set_momentum(group: Any, use_beta1: bool, value: float) -> None:
    if use_beta1:
        group["betas"] = (value, *group["betas"][1:])
    else:
        group["momentum"] = value
