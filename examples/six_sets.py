"""MiniTorch's six sets of points in the unit square, each learnt by a small network.

Run it with ``python examples/six_sets.py``, or ``--set Xor`` for one of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from training import command_line, fit, made, prepared, repeated

import tinytorch as tt
import tinytorch.nn.functional as F
from tinytorch import nn, optim
from tinytorch.data import planar


def learn(name: str, options: Any) -> tuple[list[float], float]:
    """Train on one set; return the losses and the part of points with the right label."""
    generator = tt.Generator().manual_seed(options.seed)
    points = planar.datasets[name](options.points, generator=generator)
    x, y = points.tensors
    hidden = options.hidden
    model = nn.Sequential(
        nn.Linear(2, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, 1)
    )
    optimizer = optim.Adam(model.parameters(), lr=options.rate)

    def train(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = F.binary_cross_entropy_with_logits(model(x).squeeze(1), y)
        loss.backward()
        optimizer.step()
        return loss

    target = y.float()
    losses = fit(made(train, options), repeated([(x, target)], 40 if options.quick else 2000), 500)
    with tt.no_grad():
        right = ((model(x).squeeze(1) > 0) == (target > 0.5)).float().mean().item()
    return losses, float(right)


def main(arguments: Sequence[str] | None = None) -> list[float]:
    """Learn one set or all; return the losses of the last one."""
    parser = command_line("MiniTorch's six sets")
    parser.add_argument("--set", default="", help="one of " + ", ".join(planar.datasets))
    parser.add_argument("--points", type=int, default=250)
    parser.add_argument("--hidden", type=int, default=10)
    parser.add_argument("--rate", type=float, default=0.02)
    options = prepared(parser, arguments)
    losses: list[float] = []
    for name in [options.set] if options.set else list(planar.datasets):
        losses, right = learn(name, options)
        print(f"{name:8s} loss {losses[-1]:.4f}   {right:.1%} right")
    return losses


if __name__ == "__main__":
    main()
