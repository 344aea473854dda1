"""Fifty steps of every optimizer: cases, and the results that PyTorch 2.13 gave in float64.

``python tests/optim/trajectories.py`` writes the results anew, with torch installed.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

GOLDEN = Path(__file__).parent.parent / "golden" / "optim" / "trajectories.json"
STEPS = 50
RNG = np.random.default_rng(0)
START = [RNG.standard_normal(s) for s in ((3, 4), (4,), (2, 2))]
GOAL = [RNG.standard_normal(p.shape) for p in START]

CASES: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {"lr": 0.02}),
    ("SGD", {"lr": 0.02, "momentum": 0.9, "dampening": 0.4}),
    ("SGD", {"lr": 0.02, "momentum": 0.8, "nesterov": True, "weight_decay": 0.1}),
    ("SGD", {"lr": 1e-4, "maximize": True}),
    ("Adam", {"lr": 0.01}),
    ("Adam", {"lr": 0.01, "betas": (0.5, 0.9), "eps": 1e-3, "weight_decay": 0.1}),
    ("Adam", {"lr": 0.01, "amsgrad": True, "maximize": True}),
    ("Adam", {"lr": 0.01, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("AdamW", {"lr": 0.01}),
    ("AdamW", {"lr": 0.02, "amsgrad": True, "weight_decay": 0.2}),
    ("RMSprop", {"lr": 0.01}),
    ("RMSprop", {"lr": 0.01, "centered": True, "momentum": 0.9, "weight_decay": 0.1}),
    ("RMSprop", {"lr": 0.01, "alpha": 0.8, "maximize": True}),
    ("Adagrad", {"lr": 0.1}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.05, "weight_decay": 0.1,
                 "initial_accumulator_value": 0.3}),
    ("Adadelta", {}),
    ("Adadelta", {"lr": 0.5, "rho": 0.7, "weight_decay": 0.1, "maximize": True}),
    ("Adamax", {"lr": 0.02}),
    ("Adamax", {"lr": 0.02, "betas": (0.8, 0.9), "weight_decay": 0.1, "maximize": True}),
    ("NAdam", {"lr": 0.02}),
    ("NAdam", {"lr": 0.02, "weight_decay": 0.1, "momentum_decay": 0.1}),
    ("NAdam", {"lr": 0.02, "weight_decay": 0.1, "decoupled_weight_decay": True,
               "maximize": True}),
    ("RAdam", {"lr": 0.05}),
    ("RAdam", {"lr": 0.05, "betas": (0.8, 0.95), "weight_decay": 0.1}),
    ("RAdam", {"lr": 0.05, "weight_decay": 0.1, "decoupled_weight_decay": True,
               "maximize": True}),
    ("ASGD", {"lr": 0.05}),
    ("ASGD", {"lr": 0.05, "lambd": 0.01, "t0": 20, "weight_decay": 0.1, "maximize": True}),
    ("Rprop", {"lr": 0.01}),
    ("Rprop", {"lr": 0.3, "etas": (0.4, 1.1), "step_sizes": (1e-3, 0.4)}),
]  # fmt: skip
FIRST = {name: position for position, (name, _) in reversed(list(enumerate(CASES)))}
"""The first case of every optimizer."""


def gradient(position: int, values: Any, goal: Any) -> Any:
    """What every step descends along: linear and cubic in the distance from the goal."""
    d = values - goal
    return d * ((position + 1) / 5) + d * d * d * 0.5


def is_idle(position: int, step: int) -> bool:
    """The second parameter has no gradient at every third step."""
    return position == 1 and step % 3 == 0


def golden(case: int) -> tuple[list[np.ndarray], dict[str, Any]]:
    """Parameters after the last step, and the first one's state."""
    stored = json.loads(GOLDEN.read_text())[case]
    state = {name: np.array(value) for name, value in stored["state"].items()}
    return [np.array(p) for p in stored["params"]], state


def write() -> None:
    """Run PyTorch."""
    import torch

    torch.set_default_dtype(torch.float64)
    goals = [torch.tensor(g) for g in GOAL]
    results = []
    for name, settings in CASES:
        params = [torch.tensor(p, requires_grad=True) for p in START]
        optimizer = getattr(torch.optim, name)(params, **settings)
        for step in range(STEPS):
            optimizer.zero_grad()
            for i, p in enumerate(params):
                if not is_idle(i, step):
                    p.grad = gradient(i, p.detach(), goals[i])
            optimizer.step()
        state = optimizer.state[params[0]]
        results.append({
            "params": [p.tolist() for p in params],
            "state": {k: v.tolist() for k, v in state.items() if v is not None},
        })  # fmt: skip
    GOLDEN.parent.mkdir(parents=True, exist_ok=True)
    GOLDEN.write_text("[\n" + ",\n".join(json.dumps(r) for r in results) + "\n]\n")


if __name__ == "__main__":
    write()
