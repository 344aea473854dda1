"""Learning rates and momenta of every schedule, as PyTorch 2.13 sets them.

``python tests/optim/rates.py`` writes them anew, with torch installed.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

GOLDEN = Path(__file__).parent.parent / "golden" / "optim" / "rates.json"
STEPS = 24
METRICS = [1.0, 0.9, 0.95, 0.9, 0.9, 0.89999, 0.91, 0.5, 0.6, 0.6, 0.6, 0.6]


def halved(cycle: float) -> float:
    return 0.5**cycle


CASES: dict[str, tuple[str, Callable[[Any, Any], Any]]] = {
    "lambda": ("SGD", lambda s, o: s.LambdaLR(o, [lambda k: 0.9**k, lambda k: 1 / (k + 1)])),
    "multiplicative": ("SGD", lambda s, o: s.MultiplicativeLR(o, lambda k: 0.9 + 0.01 * k)),
    "step": ("SGD", lambda s, o: s.StepLR(o, 3, 0.5)),
    "multistep": ("SGD", lambda s, o: s.MultiStepLR(o, [2, 5, 5, 9], 0.5)),
    "constant": ("SGD", lambda s, o: s.ConstantLR(o, 0.3, 4)),
    "linear": ("SGD", lambda s, o: s.LinearLR(o, 0.25, 0.75, 8)),
    "exponential": ("SGD", lambda s, o: s.ExponentialLR(o, 0.9)),
    "polynomial": ("SGD", lambda s, o: s.PolynomialLR(o, 10, 1.5)),
    "cosine": ("SGD", lambda s, o: s.CosineAnnealingLR(o, 7, 0.01)),
    "restarts": ("SGD", lambda s, o: s.CosineAnnealingWarmRestarts(o, 4, 2, 0.01)),
    "restarts1": ("SGD", lambda s, o: s.CosineAnnealingWarmRestarts(o, 5)),
    "cyclic": ("SGD", lambda s, o: s.CyclicLR(o, 0.01, [0.1, 0.3], 4, 3)),
    "cyclic2": ("Adam", lambda s, o: s.CyclicLR(o, 0.01, 0.1, 4, mode="triangular2")),
    "cyclic3": ("Adam", lambda s, o: s.CyclicLR(o, 0.01, 0.1, 4, mode="exp_range", gamma=0.9)),
    "cyclic4": ("SGD", lambda s, o: s.CyclicLR(o, 0.01, 0.1, 4, scale_fn=halved)),
    "onecycle": ("SGD", lambda s, o: s.OneCycleLR(o, [0.1, 0.3], total_steps=30)),
    "onecycle2": ("Adam", lambda s, o: s.OneCycleLR(
        o, 0.1, epochs=5, steps_per_epoch=6, three_phase=True, anneal_strategy="linear")),
    "plateau": ("SGD", lambda s, o: s.ReduceLROnPlateau(o, patience=1, factor=0.5, cooldown=1)),
    "plateau2": ("SGD", lambda s, o: s.ReduceLROnPlateau(
        o, "max", 0.5, 2, 0.1, "abs", min_lr=[0.02, 0.06])),
    "sequential": ("SGD", lambda s, o: s.SequentialLR(
        o, [s.LinearLR(o, 0.1, 1.0, 5), s.CosineAnnealingLR(o, 8), s.ConstantLR(o, 0.1, 3)],
        [5, 15])),
    "sequential2": ("SGD", lambda s, o: s.SequentialLR(
        o, [s.ConstantLR(o, 0.1, 3), s.ExponentialLR(o, 0.9),
            s.CosineAnnealingWarmRestarts(o, 3)], [3, 12])),
    "chained": ("SGD", lambda s, o: s.ChainedScheduler(
        [s.ConstantLR(o, 0.1, 5), s.ExponentialLR(o, 0.9)])),
    "swa": ("SGD", lambda s, o: s.SWALR(o, [0.5, 0.01], 6)),
    "swa2": ("SGD", lambda s, o: s.SWALR(o, 0.5, 6, "linear")),
}  # fmt: skip


def advance(schedule: Any, step: int) -> None:
    """Take one step, with a metric where the schedule wants one."""
    if type(schedule).__name__ == "ReduceLROnPlateau":
        schedule.step(METRICS[step % len(METRICS)])
    else:
        schedule.step()


def seen(optimizer: Any) -> list[Any]:
    """What a schedule may set in each group."""
    names = ("lr", "momentum", "betas")
    return [[g[n] for n in names if n in g] for g in optimizer.param_groups]


def write() -> None:
    """Run PyTorch."""
    import warnings

    import torch
    from torch.optim import lr_scheduler, swa_utils

    warnings.simplefilter("ignore")
    lr_scheduler.SWALR = swa_utils.SWALR
    lines = []
    for name, (kind, make) in CASES.items():
        a, b = torch.ones(1, requires_grad=True), torch.ones(1, requires_grad=True)
        groups = [{"params": [a]}, {"params": [b], "lr": 0.2}]
        optimizer = getattr(torch.optim, kind)(groups, lr=0.1)
        schedule = make(lr_scheduler, optimizer)
        rows = [seen(optimizer)]
        for step in range(STEPS):
            advance(schedule, step)
            rows.append(seen(optimizer))
        lines.append(f"{json.dumps(name)}: {json.dumps(rows)}")
    GOLDEN.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    write()
