"""micrograd's demo: two moons, a 2-16-16-1 network, hinge loss, a falling learning rate.

Run it with ``python examples/moons.py``. One compile serves all hundred learning rates.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.datasets import make_moons
from training import command_line, made, prepared

import tinytorch as tt
from tinytorch import nn, optim


def network() -> nn.Module:
    """Linear layers with micrograd's first weights, drawn neuron by neuron."""
    layers: list[nn.Module] = []
    for n_in, n_out in ((2, 16), (16, 16), (16, 1)):
        layer = nn.Linear(n_in, n_out).double()
        drawn = [[random.uniform(-1, 1) for _ in range(n_in)] for _ in range(n_out)]
        with tt.no_grad():
            layer.weight.copy_(tt.tensor(drawn, dtype=tt.float64))
            layer.bias.zero_()
        layers += [layer, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def main(arguments: Sequence[str] | None = None) -> list[float]:
    """Train; print loss and accuracy; return the losses."""
    options = prepared(command_line("micrograd's two moons"), arguments)
    random.seed(1337)
    np.random.seed(1337)
    points, classes = make_moons(n_samples=100, noise=0.1)
    x, y = tt.from_numpy(points), tt.from_numpy(classes * 2.0 - 1)
    model = network()
    optimizer = optim.SGD(model.parameters(), lr=1.0)

    def train(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        scores = model(x).squeeze(1)
        penalty = 1e-4 * sum((p * p).sum() for p in model.parameters())
        loss = (1 - y * scores).relu().mean() + penalty
        loss.backward()
        optimizer.step()
        return loss, ((y > 0) == (scores > 0)).double().mean()

    step = made(train, options)
    losses = []
    for k in range(10 if options.quick else 100):
        optimizer.param_groups[0]["lr"] = 1.0 - 0.9 * k / 100
        loss, accuracy = step(x, y)
        losses.append(loss.item())
        print(f"step {k} loss {losses[-1]}, accuracy {accuracy.item() * 100}%")
    return losses


if __name__ == "__main__":
    main()
