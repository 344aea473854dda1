"""The classic small examples give their published numbers, compiled, in float64."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

import tinytorch as tt
from tinytorch import Tensor, nn, optim


class MLP(nn.Module):
    """Layers of neurons; weights are drawn as micrograd draws them: neuron by neuron."""

    def __init__(self, inputs: int, widths: list[int]) -> None:
        super().__init__()
        self.layers = nn.ModuleList()
        for n_in, n_out in zip([inputs, *widths], widths):
            drawn = [[random.uniform(-1, 1) for _ in range(n_in)] for _ in range(n_out)]
            layer = nn.Linear(n_in, n_out).double()
            with tt.no_grad():
                layer.weight.copy_(tt.tensor(drawn, dtype=tt.float64))
                layer.bias.zero_()
            self.layers.append(layer)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers[:-1]:
            x = layer(x).relu()
        return self.layers[-1](x)


@pytest.mark.parametrize("compiled", [True, False])
def test_two_moons(compiled: bool) -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    random.seed(1337)
    np.random.seed(1337)
    points, classes = datasets.make_moons(n_samples=100, noise=0.1)
    x, y = tt.from_numpy(points), tt.from_numpy((classes * 2 - 1).astype("f8"))
    model = MLP(2, [16, 16, 1])
    optimizer = optim.SGD(model.parameters(), lr=1.0)

    def step() -> Any:
        scores = model(x).squeeze(1)
        penalty = 1e-4 * sum((p * p).sum() for p in model.parameters())
        loss = (1 - y * scores).relu().mean() + penalty
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss, ((y > 0) == (scores > 0)).double().mean()

    run = tt.compile(step) if compiled else step
    losses = []
    for k in range(100):
        optimizer.param_groups[0]["lr"] = 1 - 0.9 * k / 100
        loss, accuracy = run()
        losses.append(loss.item())
    assert losses[0] == pytest.approx(0.8958441028683222, rel=1e-10)
    assert losses[1] == pytest.approx(1.7235905336972022, rel=1e-10)
    assert losses[99] == pytest.approx(0.0109783701354927, rel=1e-7)
    assert accuracy.item() == 1.0
    if compiled:
        assert run.cache_info().compiles == 1


def test_a_neuron() -> None:
    names = {"x1": 2.0, "x2": 0.0, "w1": -3.0, "w2": 1.0, "b": 6.8813735870195432}
    leaf = {k: tt.tensor(v, dtype=tt.float64, requires_grad=True) for k, v in names.items()}

    @tt.compile
    def neuron() -> Tensor:
        out = (leaf["x1"] * leaf["w1"] + leaf["x2"] * leaf["w2"] + leaf["b"]).tanh()
        out.backward()
        return out

    assert neuron().item() == pytest.approx(0.7071067811865476, rel=1e-12)
    for name, want in {"x1": -1.5, "w1": 1.0, "x2": 0.5, "w2": 0.0}.items():
        assert leaf[name].grad.item() == pytest.approx(want, rel=1e-12, abs=1e-12)


def test_a_square_of_an_exponential() -> None:
    x = tt.tensor(0.5, dtype=tt.float64, requires_grad=True)
    y = tt.compile(lambda: ((x**2).exp()) ** 2)()
    y.backward()
    assert y.item() == pytest.approx(1.648721270700128, rel=1e-14)
    assert x.grad.item() == pytest.approx(3.297442541400256, rel=1e-14)
