"""micrograd, row by row, in its own words and in tinytorch's."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest

import tinytorch as tt
from tinytorch.compat.micrograd import Value, draw_dot, nn, trace


def neuron():
    x1, x2 = Value(2.0, label="x1"), Value(0.0, label="x2")
    w1, w2 = Value(-3.0, label="w1"), Value(1.0, label="w2")
    b = Value(6.8813735870195432, label="b")
    n = x1 * w1 + x2 * w2 + b
    n.label = "n"
    return x1, x2, w1, w2, b, n, n.tanh()


def test_K1_a_value_prints_itself_and_computes():
    assert repr(Value(2.0)) == "Value(2.0)"
    a = Value(3.0)
    for made, truth in (
        (a + 1, 4.0), (1 + a, 4.0), (a - 1, 2.0), (1 - a, -2.0), (a * 2, 6.0), (2 * a, 6.0),
        (a / 2, 1.5), (6 / a, 2.0), (a**2, 9.0), (a**-1, 1 / 3), (-a, -3.0), (a.relu(), 3.0),
        (Value(-1.0).relu(), 0.0), (a.exp(), np.exp(3.0)), (a.tanh(), np.tanh(3.0)),
    ):  # fmt: skip
        assert made.data == pytest.approx(truth, rel=1e-15)
    assert a.grad == 0
    b = a * 2
    assert b._prev >= {a}
    assert b._op == "*"
    with pytest.raises(AssertionError):
        a ** Value(2.0)


def test_K2_backward_adds_up():
    a = Value(3.0)
    b = a + a
    b.backward()
    assert a.grad == 2
    b.backward()
    assert a.grad == 4


def test_K3_the_neuron():
    x1, x2, w1, w2, b, n, o = neuron()
    o.backward()
    assert n.data == pytest.approx(0.8813735870195432, abs=1e-15)
    assert o.data == pytest.approx(0.7071067811865476, abs=1e-15)
    found = [v.grad for v in (n, x1, w1, x2, w2, b, o)]
    assert found == pytest.approx([0.5, -1.5, 1.0, 0.5, 0.0, 0.5, 1.0], abs=1e-14)


@pytest.mark.parametrize("compiled", [False, True])
def test_K4_the_same_in_the_tensor_api(compiled):
    names = ("x1", "x2", "w1", "w2", "b")
    values = dict(zip(names, (2.0, 0.0, -3.0, 1.0, 6.8813735870195432)))
    t = {k: tt.tensor([v], dtype=tt.double, requires_grad=True) for k, v in values.items()}

    def run():
        o = tt.tanh(t["x1"] * t["w1"] + t["x2"] * t["w2"] + t["b"])
        o.backward()
        return o

    o = (tt.compile(run) if compiled else run)()
    assert o.item() == pytest.approx(0.7071067811865476, abs=1e-15)
    found = [t[k].grad.item() for k in ("x2", "w2", "x1", "w1")]
    assert found == pytest.approx([0.5, 0.0, -1.5, 1.0], abs=1e-14)


def test_K5_the_picture_shows_every_value_and_operation():
    *_, o = neuron()
    o.backward()
    nodes, edges = trace(o)
    dot = draw_dot(o)
    assert "rankdir=LR" in dot.source
    assert dot.source.count("shape=record") == len(nodes) == 10
    for value in nodes:
        assert f"{{ {value.label} | data {value.data:.4f} | grad {value.grad:.4f} }}" in dot.source
        assert f"data {value.data:.4f}" in dot.svg()
    for op in ("+", "*", "tanh"):
        assert f'label="{op}"' in dot.source
    assert dot.source.count("->") == len(edges) + sum(1 for v in nodes if v._op)


@pytest.mark.filterwarnings("error")
def test_K6_tanh_does_not_overflow():
    n = Value(1000.0)
    o = n.tanh()
    o.backward()
    assert (o.data, n.grad) == (1.0, 0.0)
    assert Value(-1000.0).tanh().data == -1.0


def test_K7_the_expression_of_the_readme():
    a, b = Value(-4.0), Value(2.0)
    c = a + b
    d = a * b + b**3
    c += c + 1
    c += 1 + c + (-a)
    d += d * 2 + (b + a).relu()
    d += 3 * d + (b - a).relu()
    e = c - d
    f = e**2
    g = f / 2.0
    g += 10.0 / f
    g.backward()
    found = (g.data, a.grad, b.grad)
    assert found == pytest.approx((24.70408163265306, 138.83381924198252, 645.5772594752186))

    x = Value(-4.0)
    z = 2 * x + 2 + x
    q = z.relu() + z * x
    h = (z * z).relu()
    y = h + q + q * x
    y.backward()
    assert (y.data, x.grad) == (-20.0, 46.0)


def moons_loss(model, X, y):
    """The loss of micrograd's demo, and its accuracy."""
    scores = [model(list(map(Value, row))) for row in X]
    losses = [(1 + -yi * si).relu() for yi, si in zip(y, scores)]
    penalty = 1e-4 * sum(p * p for p in model.parameters())
    accuracy = np.mean([(yi > 0) == (si.data > 0) for yi, si in zip(y, scores)])
    return sum(losses) * (1.0 / len(losses)) + penalty, accuracy


def test_K8_the_network_of_values():
    """The whole training, vectorised and compiled, stands in ``end_to_end/test_micrograd.py``."""
    datasets = pytest.importorskip("sklearn.datasets")
    random.seed(1337)
    np.random.seed(1337)
    X, y = datasets.make_moons(n_samples=100, noise=0.1)
    y = y * 2 - 1
    model = nn.MLP(2, [16, 16, 1])
    assert len(model.parameters()) == 337
    assert str(model).startswith("MLP of [Layer of [ReLUNeuron(2), ")
    with tt.no_grad():
        total, accuracy = moons_loss(model, X, y)
    assert total.data == pytest.approx(0.8958441028683222, rel=1e-12)
    assert accuracy == 0.5


def test_K8_gradients_train_it():
    random.seed(0)
    X, y = [[0.5, -1.0], [1.5, 0.3], [-0.2, 0.8]], [1, -1, 1]
    model = nn.MLP(2, [4, 1])
    losses = []
    for _ in range(5):
        total, _ = moons_loss(model, X, y)
        model.zero_grad()
        total.backward()
        for p in model.parameters():
            p.data -= 0.1 * p.grad
        losses.append(total.data)
    assert losses == sorted(losses, reverse=True)
    weight, eps = model.layers[0].neurons[0].w[0], 1e-6
    model.zero_grad()
    moons_loss(model, X, y)[0].backward()
    weight.data += eps
    above = moons_loss(model, X, y)[0].data
    weight.data -= 2 * eps
    assert weight.grad == pytest.approx((above - moons_loss(model, X, y)[0].data) / (2 * eps))


def test_K9_worked_sums():
    x = Value(1.0)
    L = (x + 2) ** 2
    L.backward()
    assert (L.data, x.grad) == (9, 6)
    w, x, b = Value(2.0), Value(3.0), Value(1.0)
    z = w * x + b
    L = z**2
    L.backward()
    assert (z.data, L.data, w.grad, x.grad, b.grad) == (7, 49, 42, 28, 14)


def sine(x):
    """An operation written as micrograd's own are."""
    out = Value(math.sin(x.data), (x,), "sin")

    def _backward():
        x.grad += math.cos(x.data) * out.grad

    out._backward = _backward
    return out


def product(a, b):
    out = Value(a.data * b.data, (a, b), "*")

    def _backward():
        a.grad += b.data * out.grad
        b.grad += a.data * out.grad

    out._backward = _backward
    return out


def test_K2_operations_made_by_hand_join_the_graph():
    x = Value(0.7)
    y = x * 2
    z = product(sine(y), y) + product(y, y)
    z.backward()
    assert z.data == pytest.approx(1.4 * math.sin(1.4) + 1.96)
    slope = math.sin(1.4) + 1.4 * math.cos(1.4) + 2.8
    assert (x.grad, y.grad) == (pytest.approx(2 * slope), pytest.approx(slope))
    z.backward()
    assert x.grad == pytest.approx(4 * slope)
    unfinished = Value(3.0, (x,), "no derivative")
    x.grad = 0
    unfinished.backward()
    assert x.grad == 0.0


def test_K2_one_step_at_a_time():
    x = Value(0.7)
    y = x * 2
    s = sine(y)
    p = s * y
    p.grad = 1.0
    for value in (p, s, y, x):
        value._backward()
    assert x.grad == pytest.approx(2 * (math.sin(1.4) + 1.4 * math.cos(1.4)))
    twice = x + x
    x.grad, twice.grad = 0, 1.0
    twice._backward()
    assert x.grad == 2.0


def test_K2_a_derivative_can_be_replaced_until_it_is_used():
    x = Value(3.0)
    y = x * x
    y._backward = lambda: None
    (y + x).backward()
    assert x.grad == 1.0
    z = x * x
    z + 1  # noqa: B018
    with pytest.raises(RuntimeError, match="before the value is used"):
        z._backward = lambda: None


@pytest.mark.parametrize("compiled", [False, True])
def test_K9_a_sum_of_squares_of_a_product(compiled):
    X = tt.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=tt.float64, requires_grad=True)
    W = tt.tensor([[1.0, 0.5], [-1.0, 2.0]], dtype=tt.float64, requires_grad=True)

    def run():
        loss = ((X @ W) ** 2).sum()
        loss.backward()
        return loss

    (tt.compile(run) if compiled else run)()
    h = X.detach().numpy() @ W.detach().numpy()
    np.testing.assert_allclose(W.grad.numpy(), X.detach().numpy().T @ (2 * h))
    np.testing.assert_allclose(X.grad.numpy(), (2 * h) @ W.detach().numpy().T)
