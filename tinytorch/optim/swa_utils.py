"""Averages of a model's parameters over training: exponential (EMA) and equal (SWA).

Updates run eagerly and inside compiled functions: the count is a tensor, and whether it is still 0
is decided by ``where``. Source of SWA: Izmailov et al., "Averaging Weights Leads to Wider Optima
and Better Generalization", 2018.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import Any

from tinytorch.nn.module import Module
from tinytorch.optim.optimizer import Optimizer
from tinytorch.optim.schedules.base import LRScheduler, check_optimizer, for_groups
from tinytorch.optim.schedules.cycle import anneal
from tinytorch.tracer.factories import tensor
from tinytorch.tracer.functions import where
from tinytorch.tracer.mode import no_grad
from tinytorch.tracer.tensor import Tensor

Average = Callable[[Tensor, Tensor, Tensor], Tensor]
"""From the average, the parameter and the count of averaged models to the new average."""
MultiAverage = Callable[[Sequence[Tensor], Sequence[Tensor], Tensor], None]
"""The same for lists; it writes the averages in place."""


def _check_decay(decay: float) -> None:
    if not 0.0 <= decay <= 1.0:
        raise ValueError(
            f"Invalid decay value {decay} provided. Please provide a value in [0,1] range."
        )


def get_ema_avg_fn(decay: float = 0.999) -> Average:
    """Return ``decay * average + (1 - decay) * parameter``; raise ValueError outside [0, 1]."""
    _check_decay(decay)

    def ema_update(average: Any, current: Any, num_averaged: Any) -> Tensor:
        return average * decay + current * (1 - decay)

    return ema_update


def get_swa_avg_fn() -> Average:
    """Return the mean of all models so far."""

    def swa_update(average: Any, current: Any, num_averaged: Any) -> Tensor:
        return average + (current - average) / (num_averaged + 1)

    return swa_update


def _for_lists(one: Average) -> MultiAverage:
    def update(averages: Sequence[Any], currents: Sequence[Tensor], num_averaged: Tensor) -> None:
        with no_grad():
            for average, current in zip(averages, currents, strict=True):
                average.copy_(one(average, current, num_averaged))

    return update


def get_ema_multi_avg_fn(decay: float = 0.999) -> MultiAverage:
    """``get_ema_avg_fn`` for lists, in place."""
    return _for_lists(get_ema_avg_fn(decay))


def get_swa_multi_avg_fn() -> MultiAverage:
    """``get_swa_avg_fn`` for lists, in place."""
    return _for_lists(get_swa_avg_fn())


class AveragedModel(Module):
    """A copy of a model whose parameters are averages; it is called as the model is.

    ``update_parameters(model)`` after each step takes the model into the average, by ``avg_fn``
    (new average from average, parameter and count) or ``multi_avg_fn`` (lists, in place), else the
    mean of all. The first update copies. With ``use_buffers`` buffers are averaged, else copied.
    Raises AssertionError if both functions are given.
    """

    n_averaged: Tensor

    def __init__(
        self, model: Module, device: Any = None, avg_fn: Average | None = None,
        multi_avg_fn: MultiAverage | None = None, use_buffers: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("Only one of avg_fn and multi_avg_fn should be provided")
        self.module = copy.deepcopy(model).to(device=device)
        self.register_buffer("n_averaged", tensor(0))
        self.avg_fn = avg_fn
        self.multi_avg_fn = multi_avg_fn
        self.use_buffers = use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Run the averaged model."""
        return self.module(*args, **kwargs)

    def update_parameters(self, model: Module) -> None:
        """Take a model's parameters into the average."""
        with no_grad():
            averages, currents = self._averaged(self.module), self._averaged(model)
            first: Any = self.n_averaged == 0
            update = self.multi_avg_fn or _for_lists(self.avg_fn or get_swa_avg_fn())
            update(averages, currents, self.n_averaged)
            for average, current in zip(averages, currents, strict=True):
                average.copy_(where(first, current.to(average.dtype), average))
            if not self.use_buffers:
                pairs = zip(self.module.buffers(), model.buffers(), strict=True)
                for copied, current in pairs:
                    copied.copy_(current)
            self.n_averaged.copy_(self.n_averaged + 1)

    def _averaged(self, model: Module) -> list[Any]:
        buffers = model.buffers() if self.use_buffers else ()
        return [t.detach() for t in chain(model.parameters(), buffers)]


def update_bn(loader: Iterable[Any], model: Module, device: Any = None) -> None:
    """Compute batch norms' running statistics anew, as the mean over all batches of a loader.

    Of batches that are lists or tuples the first entry is the input.
    """
    every: Iterable[Any] = model.modules()
    norms = {m: m.momentum for m in every if getattr(m, "running_mean", None) is not None}
    if not norms:
        return
    was_training = model.training
    model.train()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
    try:
        with no_grad():
            for batch in loader:
                first = batch[0] if isinstance(batch, list | tuple) else batch
                model(first.to(device) if device is not None else first)
    finally:
        for norm, momentum in norms.items():
            norm.momentum = momentum
        model.train(was_training)


class SWALR(LRScheduler):
    """From each group's learning rate to ``swa_lr`` over ``anneal_epochs``, then constant.

    Raises ValueError for an unknown strategy or a negative number of epochs.
    """

    def __init__(
        self, optimizer: Optimizer, swa_lr: Any, anneal_epochs: int = 10,
        anneal_strategy: str = "cos", last_epoch: int = -1,
    ) -> None:  # fmt: skip
        check_optimizer(optimizer)
        rates = for_groups("swa_lr", optimizer, swa_lr)
        for rate, group in zip(rates, optimizer.param_groups, strict=True):
            group["swa_lr"] = rate
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                "anneal_strategy must be one of 'cos' or 'linear', instead got "
                f"{anneal_strategy}"
            )
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(
                f"anneal_epochs must be equal or greater than 0, got {anneal_epochs}"
            )
        self._anneal_strategy = anneal_strategy
        self.anneal_epochs = anneal_epochs
        super().__init__(optimizer, last_epoch)

    def _share(self, epoch: int) -> float:
        """How far the way to ``swa_lr`` is gone at an epoch."""
        done = max(0.0, min(1.0, epoch / max(1, self.anneal_epochs)))
        return anneal(self._anneal_strategy, 0.0, 1.0, done)

    def get_lr(self) -> list[Any]:
        """Return the learning rate of each group at ``last_epoch``."""
        epoch = self._step_count - 1
        if self.anneal_epochs == 0:
            epoch = max(1, epoch)
        before, now = self._share(epoch - 1), self._share(epoch)
        rates = []
        for group in self.optimizer.param_groups:
            rate, goal = group["lr"], group["swa_lr"]
            start = goal if before == 1.0 else (rate - before * goal) / (1.0 - before)
            rates.append(goal * now + start * (1.0 - now))
        return rates
