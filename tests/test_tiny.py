"""Ten quick tests through every room: what to run before every commit."""

import numpy as np
import pytest

import tinytorch as tt
import tinytorch.nn.functional as F
from tinytorch import nn, optim
from tinytorch.ir.parser import parse_graph
from tinytorch.ir.printer import format_graph


def test_eager():
    x = tt.tensor([1.0, 2.0, 3.0], requires_grad=True)
    (x * x).sum().backward()
    assert x.grad.tolist() == [2.0, 4.0, 6.0]


def test_promotion():
    assert (tt.ones(2, dtype=tt.int32) + 0.5).dtype is tt.float32


def test_view_and_write():
    x = tt.zeros(2, 3)
    x[1] += 2
    assert x.tolist() == [[0.0] * 3, [2.0] * 3]


@pytest.fixture(scope="module")
def step():
    tt.manual_seed(0)
    model = nn.Linear(3, 2)
    opt = optim.SGD(model.parameters(), lr=0.1)

    @tt.compile
    def train_step(x, y):
        opt.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        opt.step()
        return loss

    x, y = tt.rand(5, 3), tt.tensor([0, 1, 1, 0, 1])
    train_step.losses = [train_step(x, y).item() for _ in range(5)]
    return train_step


def test_compiled_step_learns(step):
    assert step.losses == sorted(step.losses, reverse=True)


def test_one_compile(step):
    assert step.cache_info().compiles == 1


def test_text_round_trip(step):
    assert parse_graph(format_graph(step.graph)).hash() == step.graph.hash()


def test_stages(step):
    assert "update %" in step.stages["graph"]
    assert "def " in step.kernels[0].source


def test_compiled_equals_eager():
    def f(x):
        return (x.softmax(-1) * 3).tanh().sum(0)

    x = tt.rand(4, 7)
    np.testing.assert_allclose(tt.compile(f)(x).numpy(), f(x).numpy(), rtol=1e-5)


def test_refusal_names_the_line():
    with pytest.raises(tt.errors.TraceError, match="test_tiny.py"):
        tt.compile(lambda x: x if x.sum() > 0 else -x)(tt.rand(2))


def test_random_numbers_agree():
    tt.manual_seed(7)
    eager = tt.rand(5).numpy().copy()
    tt.manual_seed(7)
    assert (tt.compile(lambda: tt.rand(5))().numpy() == eager).all()
