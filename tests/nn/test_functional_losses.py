"""Losses of nn.functional, against numpy formulas and finite differences."""

import itertools

import numpy as np
import pytest
from finite_difference import check_gradient

import tinytorch as tt
import tinytorch.nn.functional as F

RNG = np.random.default_rng(1)


def np_log_softmax(x, axis):
    return x - x.max(axis, keepdims=True) - np.log(
        np.exp(x - x.max(axis, keepdims=True)).sum(axis, keepdims=True)
    )  # fmt: skip


def np_cross_entropy(x, target, weight, ignore, reduction, smoothing):
    """One sample at a time, straight from the definition."""
    x = np.moveaxis(x, 1, -1).reshape(-1, x.shape[1])
    logs, classes = np_log_softmax(x, 1), x.shape[1]
    losses, counted = [], []
    for row, t in zip(logs, target.reshape(-1), strict=True):
        if t == ignore:
            losses.append(0.0)
            counted.append(0.0)
            continue
        spread = -(row * weight).sum() / classes
        losses.append((1 - smoothing) * -row[t] * weight[t] + smoothing * spread)
        counted.append(weight[t])
    if reduction == "none":
        return np.array(losses).reshape(target.shape)
    return sum(losses) / (sum(counted) if reduction == "mean" else 1)


CASES = list(
    itertools.product(
        ("mean", "sum", "none"), (0.0, 0.3), (False, True), (-100, 2), ((4, 5), (2, 5, 2, 1))
    )
)


@pytest.mark.parametrize(("reduction", "smoothing", "weighted", "ignore", "shape"), CASES)
def test_cross_entropy(reduction, smoothing, weighted, ignore, shape):
    x = RNG.standard_normal(shape) * 3
    target = RNG.integers(0, 5, (shape[0], *shape[2:]))
    target.reshape(-1)[1] = ignore
    weight = RNG.random(5) + 0.5 if weighted else np.ones(5)
    given = tt.tensor(weight) if weighted else None

    def ours(x):
        return F.cross_entropy(
            x, tt.tensor(target), given, ignore_index=ignore, reduction=reduction,
            label_smoothing=smoothing,
        )  # fmt: skip

    expected = np_cross_entropy(x, target, weight, ignore, reduction, smoothing)
    np.testing.assert_allclose(ours(tt.tensor(x)).numpy(), expected, rtol=1e-10)
    check_gradient(ours, x)
    if not smoothing:
        nll = F.nll_loss(
            F.log_softmax(tt.tensor(x), 1), tt.tensor(target), given, ignore_index=ignore,
            reduction=reduction,
        )
        np.testing.assert_allclose(nll.numpy(), expected, rtol=1e-10)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_cross_entropy_of_probabilities(reduction):
    x, p, w = RNG.standard_normal((4, 3, 2)), RNG.random((4, 3, 2)), RNG.random(3)
    out = F.cross_entropy(
        tt.tensor(x), tt.tensor(p), tt.tensor(w), reduction=reduction, label_smoothing=0.2
    )
    mixed = p * 0.8 + 0.2 / 3
    losses = -(np_log_softmax(x, 1) * mixed * w[:, None]).sum(1)
    expected = {"none": losses, "sum": losses.sum(), "mean": losses.sum() / 8}[reduction]
    np.testing.assert_allclose(out.numpy(), expected, rtol=1e-10)
    check_gradient(lambda x, p: F.cross_entropy(x, p, reduction=reduction), x, p)


def test_cross_entropy_of_one_sample_and_of_none():
    x = tt.tensor([1.0, 2.0, 3.0])
    one = F.cross_entropy(x, tt.tensor(1))
    assert float(one) == pytest.approx(float(F.cross_entropy(x.unsqueeze(0), tt.tensor([1]))))
    assert np.isnan(float(F.cross_entropy(x.unsqueeze(0), tt.tensor([-100]))))
    assert F.cross_entropy(x.unsqueeze(0).half(), tt.tensor([1])).dtype is tt.float16


def test_cross_entropy_errors():
    x = tt.tensor(RNG.standard_normal((4, 3)))
    for bad in (3, -1):
        with pytest.raises(IndexError, match=f"Target {bad} is out of bounds"):
            F.cross_entropy(x, tt.tensor([0, 1, 2, bad]))
    with pytest.raises(ValueError, match=r"input batch_size \(4\).*target batch_size \(3\)"):
        F.cross_entropy(x, tt.tensor([0, 1, 2]))
    with pytest.raises(RuntimeError, match=r"target size \[4, 2\], got \[4, 3\]"):
        F.cross_entropy(tt.ones(4, 3, 2), tt.zeros(4, 3, dtype=tt.int64))
    with pytest.raises(RuntimeError, match="float32"):
        F.cross_entropy(x, tt.ones(4))
    with pytest.raises(RuntimeError, match="all 3 classes"):
        F.cross_entropy(x, tt.tensor([0, 1, 2, 0]), weight=tt.ones(2))
    with pytest.raises(ValueError, match="not a valid value for reduction"):
        F.cross_entropy(x, tt.tensor([0, 1, 2, 0]), reduction="average")
    with pytest.raises(RuntimeError, match="label_smoothing"):
        F.cross_entropy(x, tt.tensor([0, 1, 2, 0]), label_smoothing=1.5)
    with pytest.raises(RuntimeError, match="class probabilities"):
        F.cross_entropy(x, tt.zeros(4, 3, dtype=tt.int64))
    with pytest.raises(RuntimeError, match="ignore_index"):
        F.cross_entropy(x, x, ignore_index=1)
    with pytest.raises(TypeError, match="must be Tensor, not list"):
        F.cross_entropy([[1.0]], tt.tensor([0]))


A, B = RNG.standard_normal((4, 3)) * 2, RNG.standard_normal((4, 3))
D = np.abs(A - B)
PAIRS = {
    "mse": (F.mse_loss, D**2),
    "l1": (F.l1_loss, D),
    "smooth_l1": (F.smooth_l1_loss, np.where(D < 1, D**2 / 2, D - 0.5)),
    "smooth_l1_beta": (
        lambda a, b, **k: F.smooth_l1_loss(a, b, beta=0.5, **k),
        np.where(D < 0.5, D**2, D - 0.25),
    ),
    "huber": (
        lambda a, b, **k: F.huber_loss(a, b, delta=2.0, **k),
        np.where(D < 2, D**2 / 2, 2 * (D - 1)),
    ),
    "bce_logits": (
        lambda a, b, **k: F.binary_cross_entropy_with_logits(a, b, **k),
        np.logaddexp(0, A) - A * B,
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_pair_loss(name):
    loss, expected = PAIRS[name]
    a, b = tt.tensor(A), tt.tensor(B)
    np.testing.assert_allclose(loss(a, b, reduction="none").numpy(), expected, rtol=1e-9)
    np.testing.assert_allclose(loss(a, b, reduction="sum").numpy(), expected.sum(), rtol=1e-9)
    np.testing.assert_allclose(loss(a, b).numpy(), expected.mean(), rtol=1e-9)
    check_gradient(loss, A, B)


def test_pair_loss_warns_about_broadcasting():
    with pytest.warns(UserWarning, match="different to the input size"):
        F.mse_loss(tt.ones(3, 1), tt.ones(3))


def test_binary_cross_entropy():
    p, t = np.clip(RNG.random((4, 3)), 0.05, 0.95), RNG.random((4, 3))
    out = F.binary_cross_entropy(tt.tensor(p), tt.tensor(t))
    np.testing.assert_allclose(out.numpy(), -(t * np.log(p) + (1 - t) * np.log(1 - p)).mean())
    check_gradient(F.binary_cross_entropy, p, t)


def test_binary_cross_entropy_is_finite_at_the_ends():
    p = tt.tensor([0.0, 1.0, 0.0, 1.0], requires_grad=True)
    out = F.binary_cross_entropy(p, tt.tensor([0.0, 0.0, 1.0, 1.0]), reduction="none")
    assert out.tolist() == [0.0, 100.0, 100.0, 0.0]
    out.sum().backward()
    assert np.isfinite(p.grad.numpy()).all()


def test_binary_cross_entropy_errors():
    for bad in (1.5, -0.5, float("nan")):
        with pytest.raises(RuntimeError, match="between 0 and 1"):
            F.binary_cross_entropy(tt.tensor([0.5, bad]), tt.tensor([0.0, 1.0]))
    with pytest.raises(ValueError, match="different to the input size"):
        F.binary_cross_entropy(tt.ones(2), tt.ones(3))
    with pytest.raises(ValueError, match="must be the same as input size"):
        F.binary_cross_entropy_with_logits(tt.ones(2), tt.ones(3))


def test_binary_cross_entropy_with_logits_weights_the_positive_class():
    x, t, w, pos = A, RNG.random((4, 3)), RNG.random((4, 3)), RNG.random(3) + 1
    out = F.binary_cross_entropy_with_logits(
        tt.tensor(x), tt.tensor(t), tt.tensor(w), reduction="none", pos_weight=tt.tensor(pos)
    )
    expected = w * (pos * t * np.logaddexp(0, -x) + (1 - t) * np.logaddexp(0, x))
    np.testing.assert_allclose(out.numpy(), expected, rtol=1e-9)
    big = tt.tensor([0.0, 1000.0, -1000.0], requires_grad=True)
    F.binary_cross_entropy_with_logits(big, tt.zeros(3), reduction="sum").backward()
    assert big.grad.tolist() == [0.5, 1.0, 0.0]
