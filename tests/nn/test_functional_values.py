"""Values and derivatives of nn.functional, against numpy formulas and finite differences."""

import math

import numpy as np
import pytest
from finite_difference import check_gradient

import tinytorch as tt
import tinytorch.nn.functional as F

RNG = np.random.default_rng(0)
X = RNG.standard_normal((4, 5))
EDGES = np.array([0.0, 1e-30, 30.0, -30.0, 800.0, -800.0, np.inf, -np.inf])


def np_softplus(x):
    return np.logaddexp(0, x)


def np_sigmoid(x):
    return np.exp(-np_softplus(-x))


np_erf = np.vectorize(math.erf)
ACTIVATIONS = {
    "relu": (F.relu, lambda x: np.maximum(x, 0)),
    "gelu": (F.gelu, lambda x: x * 0.5 * (1 + np_erf(x / math.sqrt(2)))),
    "gelu_tanh": (
        lambda x: F.gelu(x, approximate="tanh"),
        lambda x: x * 0.5 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    ),
    "silu": (F.silu, lambda x: x * np_sigmoid(x)),
    "leaky_relu": (lambda x: F.leaky_relu(x, 0.2), lambda x: np.where(x > 0, x, 0.2 * x)),
    "elu": (lambda x: F.elu(x, 0.7), lambda x: np.where(x > 0, x, 0.7 * np.expm1(x))),
    "softplus": (F.softplus, np_softplus),
    "softplus_beta": (lambda x: F.softplus(x, beta=2.0), lambda x: np_softplus(2 * x) / 2),
    "sigmoid": (F.sigmoid, np_sigmoid),
    "tanh": (F.tanh, np.tanh),
    "logsigmoid": (F.logsigmoid, lambda x: -np_softplus(-x)),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation(name):
    ours, reference = ACTIVATIONS[name]
    np.testing.assert_allclose(ours(tt.tensor(X)).numpy(), reference(X), rtol=1e-7)
    check_gradient(ours, X)


def test_softplus_and_logsigmoid_stay_finite_with_exact_derivatives():
    x = tt.tensor(EDGES[:6], requires_grad=True)
    F.logsigmoid(x).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), np_sigmoid(-EDGES[:6]), atol=1e-15)
    y = tt.tensor(EDGES, requires_grad=True)
    out = F.softplus(y)
    out.sum().backward()
    np.testing.assert_allclose(out.detach().numpy()[:6], np_softplus(EDGES[:6]), rtol=1e-9)
    np.testing.assert_allclose(y.grad.numpy(), [0.5, 0.5, 1, np.exp(-30), 1, 0, 1, 0], atol=1e-12)


def test_gelu_refuses_an_unknown_approximation():
    with pytest.raises(RuntimeError, match="none or tanh"):
        F.gelu(tt.tensor(X), approximate="erf")


def test_inplace_activation_writes_into_its_input():
    x = tt.tensor([-1.0, 2.0])
    assert F.relu(x, inplace=True) is x
    assert x.tolist() == [0.0, 2.0]


@pytest.mark.parametrize("dim", [0, 1, -1])
def test_softmax_sums_to_one_and_log_softmax_is_its_log(dim):
    p, logs = F.softmax(tt.tensor(X * 200), dim), F.log_softmax(tt.tensor(X * 200), dim)
    np.testing.assert_allclose(p.sum(dim).numpy(), 1)
    np.testing.assert_allclose(np.exp(logs.numpy()), p.numpy(), rtol=1e-12)
    check_gradient(lambda x: F.softmax(x, dim), X)
    check_gradient(lambda x: F.log_softmax(x, dim), X)


def test_softmax_of_integers_needs_a_dtype():
    with pytest.raises(RuntimeError, match="softmax.*int64"):
        F.softmax(tt.tensor([1, 2]), 0)
    assert F.softmax(tt.tensor([1, 1]), 0, dtype=tt.float32).tolist() == [0.5, 0.5]


def test_layer_norm():
    x, w, b = (
        RNG.standard_normal((3, 4, 5)),
        RNG.standard_normal((4, 5)),
        RNG.standard_normal((4, 5)),
    )
    out = F.layer_norm(tt.tensor(x), (4, 5), tt.tensor(w), tt.tensor(b), 1e-3)
    mean, var = x.mean((1, 2), keepdims=True), x.var((1, 2), keepdims=True)
    np.testing.assert_allclose(out.numpy(), (x - mean) / np.sqrt(var + 1e-3) * w + b, rtol=1e-10)
    check_gradient(lambda x, w, b: F.layer_norm(x, (4, 5), w, b), x[:1], w, b)
    half = F.layer_norm(tt.tensor(x * 1000).half(), (4, 5))
    assert half.dtype is tt.float16
    np.testing.assert_allclose(half.float().numpy(), (x - mean) / np.sqrt(var), atol=5e-3)


def test_layer_norm_errors_name_the_shapes():
    with pytest.raises(RuntimeError, match=r"expected input with shape \[\*, 4\]"):
        F.layer_norm(tt.tensor(X), (4,))
    with pytest.raises(RuntimeError, match=r"weight of shape \[4\].*\[5\]"):
        F.layer_norm(tt.tensor(X), (5,), tt.ones(4))
    with pytest.raises(RuntimeError, match="at least 1-dimensional"):
        F.layer_norm(tt.tensor(X), ())


def test_linear():
    w, b = RNG.standard_normal((3, 5)), RNG.standard_normal(3)
    np.testing.assert_allclose(
        F.linear(tt.tensor(X), tt.tensor(w), tt.tensor(b)).numpy(), X @ w.T + b
    )
    check_gradient(F.linear, X, w, b)
    with pytest.raises(RuntimeError, match=r"\[4, 5\].*\[3, 4\]"):
        F.linear(tt.tensor(X), tt.tensor(w[:, :4]))


# --------------------------------------------------------------------- dropout


def test_dropout_keeps_the_mean_and_repeats_under_a_seed():
    x = tt.ones(200, 500)
    tt.manual_seed(3)
    a = F.dropout(x, 0.25)
    tt.manual_seed(3)
    b = F.dropout(x, 0.25)
    assert (a == b).all()
    values = np.unique(a.numpy())
    np.testing.assert_allclose(values, [0, 1 / 0.75], rtol=1e-6)
    assert abs(float(a.mean()) - 1) < 0.01


def test_dropout_gradient_uses_the_same_mask():
    x = tt.ones(50, requires_grad=True)
    out = F.dropout(x, 0.5)
    out.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), out.detach().numpy())


def test_dropout_edges():
    x = tt.tensor(X)
    assert F.dropout(x, 0.0) is x
    assert F.dropout(x, 0.9, training=False) is x
    assert float(F.dropout(x, 1.0).abs().sum()) == 0.0
    assert F.dropout(x.half(), 0.5).dtype is tt.float16
    for p in (-0.1, 1.1):
        with pytest.raises(ValueError, match=f"but got {p}"):
            F.dropout(x, p)


# ------------------------------------------------------------------- embedding


def test_embedding_looks_rows_up_and_leaves_the_padding_row_alone():
    w, index = RNG.standard_normal((5, 3)), np.array([[0, 2, 2], [1, 4, 0]])
    table = tt.tensor(w, requires_grad=True)
    out = F.embedding(tt.tensor(index), table, padding_idx=-3)
    np.testing.assert_array_equal(out.detach().numpy(), w[index])
    out.sum().backward()
    np.testing.assert_array_equal(table.grad.numpy()[:, 0], [2, 1, 0, 0, 1])


def test_embedding_errors():
    w = tt.ones(5, 3)
    for bad in (5, -1):
        with pytest.raises(IndexError, match="index out of range in self"):
            F.embedding(tt.tensor([0, bad]), w)
    with pytest.raises(RuntimeError, match="scalar types: Long, Int; but got float32"):
        F.embedding(tt.tensor([0.0]), w)
    with pytest.raises(RuntimeError, match="2-D"):
        F.embedding(tt.tensor([0]), tt.ones(5))


def test_one_hot():
    assert F.one_hot(tt.tensor([0, 2])).tolist() == [[1, 0, 0], [0, 0, 1]]
    assert F.one_hot(tt.tensor([[1]]), 2).tolist() == [[[0, 1]]]
    with pytest.raises(RuntimeError, match="smaller than num_classes"):
        F.one_hot(tt.tensor([3]), 3)
