"""Eager autograd: accumulation, freeing, versions, depth, and every gradient by differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from agreement import normal

import tinytorch as tt
import tinytorch.nn.functional as F
from tinytorch import Tensor


def leaf(*values: float) -> Tensor:
    return tt.tensor(values, dtype=tt.float64, requires_grad=True)


def test_gradients_accumulate_in_place_on_leaves() -> None:
    w = leaf(1.0, 2.0)
    (w * w).sum().backward()
    first = w.grad
    (w * 3).sum().backward()
    assert w.grad is first
    assert w.grad.tolist() == [5.0, 7.0]
    w.grad = None
    (w * 3).sum().backward()
    assert w.grad.tolist() == [3.0, 3.0]


def test_a_value_used_twice_and_diamonds() -> None:
    x = leaf(3.0)
    y = x * x
    z = y + y * x + x
    z.backward()
    assert x.grad.item() == 2 * 3 + 3 * 9 + 1
    a = leaf(2.0)
    b = a * 1
    (b * b * b).backward()
    assert a.grad.item() == 12.0


def test_only_leaves_get_grads() -> None:
    w = leaf(1.0)
    y = w * 2
    y.sum().backward()
    assert y.grad is None
    assert w.is_leaf
    assert not y.is_leaf
    assert y.requires_grad
    assert not (w.detach() * 2).requires_grad


def test_a_second_backward_needs_a_retained_graph() -> None:
    w = leaf(1.0)
    y = (w * w).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert w.grad.item() == 4.0
    with pytest.raises(RuntimeError, match="second time"):
        y.backward()
    shared = w.exp()
    (shared * 2).sum().backward()
    with pytest.raises(RuntimeError, match="second time"):
        (shared * 3).sum().backward()


def test_a_linear_graph_may_be_run_twice() -> None:
    w = leaf(1.0)
    y = (w + 1).sum()
    y.backward()
    y.backward()
    assert w.grad.item() == 2.0


def test_values_needed_by_backward_must_not_be_overwritten() -> None:
    w = leaf(1.0, 2.0)
    y = w * 1
    z = y * y
    y.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.sum().backward()
    x = tt.ones(2, dtype=tt.float64)
    z = w * x
    x[0] = 5.0
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.sum().backward()
    y = w * 1
    z = y + 1  # its gradient needs no value
    y.add_(1)
    z.sum().backward()


def test_a_step_under_no_grad_between_forward_and_backward_is_noticed() -> None:
    w, v = leaf(1.0), leaf(2.0)
    loss = (w * v).sum()
    with tt.no_grad():
        w.sub_(0.5)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_leaves_cannot_be_written_while_recording() -> None:
    w = leaf(1.0, 2.0)
    with pytest.raises(RuntimeError, match="leaf Variable"):
        w.add_(1)
    with pytest.raises(RuntimeError, match="leaf"):
        w[0] = 3.0
    with tt.no_grad():
        w[0] = 3.0
    assert w.tolist() == [3.0, 2.0]


def test_an_op_in_place_may_need_the_values_it_overwrites() -> None:
    w, v = leaf(2.0), leaf(3.0)
    y = w * 1
    y.mul_(v).pow_(2).neg_().exp_()
    y.sum().backward()
    want = -2 * 6 * np.exp(-36.0)
    assert w.grad.item() == pytest.approx(want * 3, rel=1e-12)
    assert v.grad.item() == pytest.approx(want * 2, rel=1e-12)


def test_writes_in_place_join_the_graph() -> None:
    w = leaf(1.0, 2.0, 3.0)
    y = tt.zeros(3, dtype=tt.float64)
    view = y[1:]
    y.add_(w * 2)
    view.mul_(w[:2])
    y[0] = w[2] * 5
    (y * y).sum().backward()
    # the loss is (5c)**2 + (2ab)**2 + (2bc)**2 at (1, 2, 3)
    assert w.grad.tolist() == [32.0, 16.0 + 144.0, 150.0 + 96.0]


def test_one_value_read_before_and_after_a_silent_write() -> None:
    for read_first in (True, False):
        w = leaf(2.0)
        y = w * 1
        first = y * y
        with tt.no_grad():
            y.add_(1)
        second = y * y
        if read_first:
            with pytest.raises(RuntimeError, match="modified by an inplace operation"):
                (second + first).sum().backward()
        else:
            second.sum().backward()
            assert w.grad.item() == 6.0


def test_non_scalar_backward_needs_a_gradient() -> None:
    w = leaf(1.0, 2.0)
    with pytest.raises(RuntimeError, match="only for scalar outputs"):
        (w * 2).backward()
    (w * 2).backward(tt.tensor([1.0, 10.0], dtype=tt.float64))
    assert w.grad.tolist() == [2.0, 20.0]
    with pytest.raises(RuntimeError, match="Mismatch in shape"):
        (w * 2).backward(tt.ones(3, dtype=tt.float64))


def test_autograd_grad() -> None:
    x, y, unused = leaf(2.0), leaf(3.0), leaf(4.0)
    gx, gy = tt.autograd.grad((x * x * y).sum(), [x, y])
    assert (gx.item(), gy.item()) == (12.0, 4.0)
    assert x.grad is None
    with pytest.raises(RuntimeError, match="not have been used"):
        tt.autograd.grad(x * 2, [unused])
    assert tt.autograd.grad(x * 2, [unused], allow_unused=True) == (None,)
    h = x * y
    (gh,) = tt.autograd.grad((h * h).sum(), h)
    assert gh.item() == 12.0
    with pytest.raises(RuntimeError, match="does not require grad"):
        tt.autograd.grad(x * 2, [tt.ones(1)])


def test_create_graph_gives_derivatives_of_any_order() -> None:
    x = leaf(0.5)
    y = x.sin()
    for want in (np.cos(0.5), -np.sin(0.5), -np.cos(0.5), np.sin(0.5)):
        (y,) = tt.autograd.grad(y.sum(), x, create_graph=True)
        assert y.item() == pytest.approx(want, rel=1e-12)
    x.grad = None
    (x**3).sum().backward(create_graph=True)
    assert x.grad.requires_grad
    x.grad.sum().backward()


def test_a_chain_of_ten_thousand_ops_does_not_recurse() -> None:
    w = leaf(1.0)
    y = w
    for _ in range(10_000):
        y = y * 1.0001
    y.sum().backward()
    assert w.grad.item() == pytest.approx(1.0001**10_000, rel=1e-9)
    del y


def test_no_grad_records_nothing() -> None:
    w = leaf(1.0)
    with tt.no_grad():
        y = w * 2
        with tt.enable_grad():
            z = w * 2
    assert not y.requires_grad
    assert z.requires_grad

    @tt.no_grad()
    def silent() -> Tensor:
        return w * 2

    assert not silent().requires_grad
    with tt.set_grad_enabled(False):
        assert not (w * 2).requires_grad
    assert tt.is_grad_enabled()


def test_requires_grad_flags() -> None:
    with pytest.raises(RuntimeError, match="floating"):
        tt.tensor([1], requires_grad=True)
    w = leaf(1.0)
    y = w * 2
    with pytest.raises(RuntimeError, match="leaf"):
        y.requires_grad_(False)
    assert y.detach().requires_grad_().is_leaf
    assert tt.ones(1, requires_grad=True).requires_grad


def A(*shape: int, seed: int = 0) -> Tensor:
    return normal(*shape, seed=seed, dtype="f8")


I2 = tt.tensor([1, 0, 2])
MASK = A(3, 4, seed=9) > 0
UNARY: dict[str, Callable[[Tensor], Tensor]] = {
    **{n: (lambda x, n=n: getattr(tt, n)(x)) for n in (
        "abs", "cos", "erf", "exp", "expm1", "neg", "relu", "sigmoid", "sin", "square", "tanh",
        "reciprocal", "sum", "mean", "std", "var", "amax", "amin",
    )},
    **{n: (lambda x, n=n: getattr(tt, n)(x.abs() + 0.1)) for n in (
        "log", "log1p", "sqrt", "rsqrt")},
    **{n: (lambda x, n=n: getattr(F, n)(x)) for n in (
        "gelu", "silu", "softplus", "elu", "leaky_relu", "logsigmoid")},
    "sum of an axis": lambda x: x.sum(1, keepdim=True) * x,
    "mean of axes": lambda x: x.mean((0, 1)),
    "var of an axis": lambda x: x.var(0),
    "std of an axis": lambda x: x.std(1, correction=0),
    "amax of an axis": lambda x: x.amax(1),
    "logsumexp": lambda x: tt.logsumexp(x, 1),
    "softmax": lambda x: x.softmax(1),
    "log_softmax": lambda x: x.log_softmax(0),
    "reshape": lambda x: x.reshape(2, 6),
    "permute": lambda x: x.permute(1, 0),
    "expand": lambda x: x[:, :1].expand(3, 4),
    "flip": lambda x: x.flip(0),
    "squeeze": lambda x: x.unsqueeze(0).squeeze(),
    "flatten": lambda x: x.flatten(),
    "cat": lambda x: tt.cat([x, x * 2, x[:1]]),
    "stack": lambda x: tt.stack([x, x * 2], 1),
    "clamp": lambda x: x.clamp(-0.5, 0.5),
    "where": lambda x: tt.where(MASK, x, x * x),
    "masked_fill": lambda x: x.masked_fill(MASK, 2.0),
    "index": lambda x: x[I2],
    "slice": lambda x: x[1:, ::2],
    "index_select": lambda x: x.index_select(0, I2),
    "gather": lambda x: x.gather(0, I2.reshape(3, 1)),
    "take_along_dim": lambda x: tt.take_along_dim(x, I2.reshape(3, 1), 1),
    "matmul": lambda x: x @ x.T,
    "matvec": lambda x: x @ A(4, seed=3),
    "batched": lambda x: x.reshape(3, 2, 2) @ A(3, 2, 5, seed=3),
    "clone": lambda x: x.clone(),
    "converted": lambda x: x.float().double() * 0 + x,
    "layer_norm": lambda x: F.layer_norm(x, (4,), A(4, seed=2), A(4, seed=3)),
    "linear": lambda x: F.linear(x, A(5, 4, seed=2), A(5, seed=3)),
    "power": lambda x: x**3 + (x.abs() + 0.5) ** 1.5 + 2.0**x,
    "division": lambda x: 1 / (x * x + 1),
    "cross_entropy": lambda x: F.cross_entropy(x, I2),
    "nll_loss": lambda x: F.nll_loss(x.log_softmax(1), I2),
    "mse_loss": lambda x: F.mse_loss(x, A(3, 4, seed=5)),
    "l1_loss": lambda x: F.l1_loss(x, A(3, 4, seed=5)),
    "huber_loss": lambda x: F.huber_loss(x, A(3, 4, seed=5)),
    "smooth_l1_loss": lambda x: F.smooth_l1_loss(x, A(3, 4, seed=5)),
    "binary_cross_entropy_with_logits": (
        lambda x: F.binary_cross_entropy_with_logits(x, MASK.double())),
    "binary_cross_entropy": lambda x: F.binary_cross_entropy(x.sigmoid(), MASK.double()),
    "embedding": lambda x: F.embedding(I2, x),
    "remainder": lambda x: x % 0.7,
    "written": lambda x: _written(x),
}  # fmt: skip
BINARY: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "add": tt.add, "sub": tt.sub, "mul": tt.mul, "maximum": tt.maximum, "minimum": tt.minimum,
    "div": lambda a, b: a / (b * b + 1), "pow": lambda a, b: (a.abs() + 0.5) ** b,
    "where": lambda a, b: tt.where(MASK, a, b), "matmul": lambda a, b: (a + b) @ (a * b).T,
    "lerp": lambda a, b: a.lerp(b, 0.3), "addcmul": lambda a, b: a.addcmul(a, b, value=2),
}  # fmt: skip


def _written(x: Tensor) -> Tensor:
    y = x * 2
    y[1] = x[0] * x[2]
    y.T[0].mul_(x[:, 1])
    y += 1
    return y


def differences(f: Callable[[np.ndarray], float], at: np.ndarray, step: float = 1e-6) -> np.ndarray:
    """Central differences."""
    out = np.empty_like(at)
    for index in np.ndindex(at.shape):
        up, down = at.copy(), at.copy()
        up[index] += step
        down[index] -= step
        out[index] = (f(up) - f(down)) / (2 * step)
    return out


def weighed(out: Tensor) -> Tensor:
    """A sum with a weight of its own for every element."""
    weights = np.linspace(0.5, 1.5, max(out.numel(), 1)).reshape(tuple(out.shape))
    return (out * tt.tensor(weights)).sum()


@pytest.mark.parametrize("name", UNARY)
def test_gradients_by_differences(name: str) -> None:
    f, x = UNARY[name], A(3, 4)
    want = differences(lambda a: weighed(f(tt.tensor(a))).item(), x.numpy())
    x.requires_grad_()
    weighed(f(x)).backward()
    tolerance = 1e-6 if name != "converted" else 1e-5
    np.testing.assert_allclose(x.grad.numpy(), want, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize("shapes", [((3, 4), (3, 4)), ((3, 4), (4,)), ((1, 4), (3, 1))], ids=str)
def test_gradients_of_two_operands(name: str, shapes: Any) -> None:
    f, a, b = BINARY[name], A(*shapes[0]), A(*shapes[1], seed=1)
    wants = [
        differences(lambda v: weighed(f(tt.tensor(v), b)).item(), a.numpy()),
        differences(lambda v: weighed(f(a, tt.tensor(v))).item(), b.numpy()),
    ]
    x, y = a.clone().requires_grad_(), b.clone().requires_grad_()
    weighed(f(x, y)).backward()
    for got, want in zip((x.grad, y.grad), wants):
        np.testing.assert_allclose(got.numpy(), want, rtol=1e-6, atol=1e-6)


def test_second_derivatives_of_everything_smooth() -> None:
    names = ["exp", "sin", "tanh", "sigmoid", "log", "sqrt", "softmax", "layer_norm", "power",
             "gelu", "matmul", "logsumexp", "var", "division", "cross_entropy",
             "written"]  # fmt: skip
    for name in names:
        f = UNARY[name]

        def slope(a: np.ndarray, f: Any = f) -> float:
            x = tt.tensor(a, requires_grad=True)
            (g,) = tt.autograd.grad(weighed(f(x)), x)
            return weighed(g * g).item()

        x = A(3, 4).requires_grad_()
        (g,) = tt.autograd.grad(weighed(f(x)), x, create_graph=True)
        weighed(g * g).backward()
        want = differences(slope, x.detach().numpy())
        np.testing.assert_allclose(x.grad.numpy(), want, rtol=1e-5, atol=1e-5, err_msg=name)


def test_only_inputs_stands_where_pytorch_has_it():
    x, w = tt.ones(2, requires_grad=True), tt.ones(2, requires_grad=True)
    (g,) = tt.autograd.grad((x * x * w).sum(), x, None, True, True, True)
    g.sum().backward()
    assert x.grad.tolist() == [2.0, 2.0]
    with pytest.warns(FutureWarning, match="only_inputs"):
        tt.autograd.grad((x * x).sum(), x, only_inputs=False)
    assert tt.autograd.grad((x * x).sum(), [x, w], None, None, False, True, True)[1] is None
