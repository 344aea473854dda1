"""A physics-informed network: it solves u'' = -pi^2 sin(pi x) with u(0) = u(1) = 0.

Run it with ``python examples/pinn.py``. The equation's second derivative is the network's own,
found by differentiating twice inside the compiled step; training differentiates a third time.
(Raissi, Perdikaris and Karniadakis, 2019.)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from training import command_line, fit, made, prepared, repeated

import tinytorch as tt
from tinytorch import nn, optim


def main(arguments: Sequence[str] | None = None) -> list[float]:
    """Train; print the largest error; return the losses."""
    options = prepared(command_line("A physics-informed network"), arguments)
    model = nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(),
                          nn.Linear(32, 1))  # fmt: skip
    optimizer = optim.Adam(model.parameters(), lr=2e-3)
    ends = tt.tensor([[0.0], [1.0]])

    def train(x: Any) -> Any:
        optimizer.zero_grad()
        x = x.detach().clone().requires_grad_()
        u = model(x)
        (slope,) = tt.autograd.grad(u.sum(), [x], create_graph=True)
        (curvature,) = tt.autograd.grad(slope.sum(), [x], create_graph=True)
        residual = curvature + math.pi**2 * tt.sin(math.pi * x)
        loss = (residual**2).mean() + 100 * (model(ends) ** 2).mean()
        loss.backward()
        optimizer.step()
        return loss

    x = tt.linspace(0, 1, 101).unsqueeze(1)
    losses = fit(made(train, options), repeated([(x,)], 5 if options.quick else 5000), 500)
    with tt.no_grad():
        error = (model(x) - tt.sin(math.pi * x)).abs().max().item()
    print(f"largest error {error:.5f}")
    return losses


if __name__ == "__main__":
    main()
