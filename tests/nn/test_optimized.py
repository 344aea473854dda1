"""``compile(module)`` gives a module that behaves as the original does."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

import tinytorch as tt
import tinytorch.nn.functional as F
from tinytorch import Tensor, nn, optim

X, Y = tt.arange(20.0).reshape(5, 4) / 10, tt.tensor([0, 2, 1, 1, 0])


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3))
        self.scale = 2.0
        self.register_buffer("shift", tt.ones(3))

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x) * self.scale + self.shift if self.training else self.net(x)


def same(a: Tensor, b: Tensor) -> None:
    np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-5, atol=1e-6)


def test_training_goes_as_without_compile() -> None:
    tt.manual_seed(0)
    net = Net()
    twin: Any = tt.compile(copy.deepcopy(net))
    losses = []
    for model in (net, twin):
        opt = optim.Adam(model.parameters(), lr=0.1)
        model.train()
        for _ in range(4):
            opt.zero_grad()
            loss = F.cross_entropy(model(X), Y)
            loss.backward()
            opt.step()
        losses.append(loss)
        model.eval()
    same(*losses)
    assert isinstance(twin, nn.Module)
    assert not twin.training
    same(net(X), twin(X))
    assert twin.cache_info().compiles == 2  # train and eval


def test_attributes_and_state_are_the_originals() -> None:
    net = Net()
    model: Any = tt.compile(net)
    model.scale = 5
    assert net.scale == 5
    same(model(X), net(X))
    del model.scale
    assert not hasattr(net, "scale")
    net.scale = 3.0
    assert model.scale == 3.0
    assert set(model.state_dict()) == {f"_orig_mod.{name}" for name in net.state_dict()}
    assert model.net[0] is net.net[0]
    assert model._orig_mod is net
    assert tt.compile(model) is model
    assert tt.compare(model, X).ok


def test_a_compiled_module_inside_another_and_copied() -> None:
    inner: Any = tt.compile(Net())
    outer = nn.Sequential(inner, nn.Linear(3, 2))
    assert len(list(outer.parameters())) == 6
    other = copy.deepcopy(outer)
    with tt.no_grad():
        for param in other.parameters():
            param.zero_()
    assert other(X).abs().sum().item() == 0
    step = tt.compile(lambda x: outer(x))
    same(step(X), outer(X))
    outer.eval()
    same(step(X), outer(X))
    handle = inner.register_forward_hook(lambda module, args, out: out * 2)
    same(step(X), outer(X))
    same(inner(X), inner._orig_mod(X) * 2)
    handle.remove()
    same(inner(X), inner._orig_mod(X))
