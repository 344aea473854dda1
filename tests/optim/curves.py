"""Losses after each L-BFGS step on Rosenbrock's valley and a small fit, as PyTorch 2.13 gives.

``python tests/optim/curves.py`` writes them anew, with torch installed.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

GOLDEN = Path(__file__).parent.parent / "golden" / "optim" / "lbfgs.json"
X = np.random.default_rng(0).standard_normal((20, 3))
Y = np.tanh(X @ np.array([1.0, -2.0, 0.5])) + 0.1 * X[:, 0] ** 2
CASES: list[tuple[str, dict[str, Any], int]] = [
    ("valley", {"lr": 1, "line_search_fn": "strong_wolfe", "max_iter": 4}, 6),
    ("valley", {"lr": 1e-3}, 4),
    ("valley", {"lr": 0.5, "line_search_fn": "strong_wolfe", "max_iter": 3, "max_eval": 5,
                "history_size": 2}, 5),
    ("fit", {"lr": 0.1, "max_iter": 5, "history_size": 3}, 6),
    ("fit", {"lr": 1, "line_search_fn": "strong_wolfe", "max_iter": 6}, 5),
]  # fmt: skip


def problem(module: Any, name: str) -> tuple[list[Any], Any]:
    """Parameters and a loss, for torch or tinytorch."""
    if name == "valley":
        p = module.tensor([-1.2, 1.0], dtype=module.float64, requires_grad=True)
        return [p], lambda: (1 - p[0]) ** 2 + 100 * (p[1] - p[0] ** 2) ** 2
    x, y = module.tensor(X), module.tensor(Y)
    w = module.tensor(np.full((3, 1), 0.1), requires_grad=True)
    b = module.tensor(np.zeros(1), requires_grad=True)
    return [w, b], lambda: (((x @ w + b).tanh()[:, 0] - y) ** 2).mean()


def run(module: Any, optimizers: Any, case: int) -> dict[str, Any]:
    """Losses before each step, final parameters, and the counts."""
    name, settings, steps = CASES[case]
    params, loss_of = problem(module, name)
    optimizer = optimizers.LBFGS(params, **settings)

    def closure() -> Any:
        optimizer.zero_grad()
        loss = loss_of()
        loss.backward()
        return loss

    losses = [float(optimizer.step(closure).detach()) for _ in range(steps)]
    state = optimizer.state[params[0]]
    return {
        "losses": losses, "params": [p.detach().numpy().tolist() for p in params],
        "counts": [state["n_iter"], state["func_evals"]],
    }  # fmt: skip


if __name__ == "__main__":
    import torch

    results = [json.dumps(run(torch, torch.optim, case)) for case in range(len(CASES))]
    GOLDEN.write_text("[\n" + ",\n".join(results) + "\n]\n")
