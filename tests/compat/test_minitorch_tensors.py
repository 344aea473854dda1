"""MiniTorch's tensors, backends and networks, row by row."""

from __future__ import annotations

import random

import numpy as np
import pytest

import tinytorch as tt
import tinytorch.compat.minitorch as minitorch
from tinytorch.compat.minitorch import (
    FastOps,
    Function,
    IndexingError,
    MathTestVariable,
    Module,
    Parameter,
    SimpleOps,
    TensorBackend,
    TensorData,
    grad_check,
    operators,
    tensor,
)  # fmt: skip

BACKENDS = {"simple": TensorBackend(SimpleOps), "fast": TensorBackend(FastOps)}
backends = pytest.mark.parametrize("backend", BACKENDS.values(), ids=BACKENDS)
ONE, TWO, REDUCTIONS = MathTestVariable._comp_testing()
named = {"ids": lambda v: v if isinstance(v, str) else ""}
DATA = [[2.0, 3.0], [4.0, 6.0], [5.0, 7.0]]


def test_M19_strides():
    assert minitorch.strides_from_shape((5, 2)) == (2, 1)
    assert minitorch.strides_from_shape((4, 2, 2)) == (4, 2, 1)
    assert tt.arange(6).view(2, 3).stride() == (3, 1)
    assert TensorData(np.zeros(15), (3, 5)).strides == (5, 1)


def test_M20_indices_and_places():
    out = [0, 0]
    for ordinal, index in ((0, (0, 0)), (5, (1, 0)), (10, (2, 0)), (14, (2, 4))):
        minitorch.to_index(ordinal, (3, 5), out)
        assert tuple(out) == index
    out = [0, 0, 0]
    for ordinal, index in ((3, (0, 0, 3)), (4, (0, 1, 0)), (12, (1, 0, 0))):
        minitorch.to_index(ordinal, (2, 3, 4), out)
        assert tuple(out) == index
    assert minitorch.index_to_position((1, 2), (5, 1)) == 7
    data = TensorData(np.arange(15.0), (3, 5))
    assert data.index((1, 2)) == 7
    assert data.get((1, 2)) == 7.0
    data.set((1, 2), -1.0)
    assert data.get((1, 2)) == -1.0
    assert list(data.indices())[:2] == [(0, 0), (0, 1)]
    for bad in ((3, 0), (0, -1), (1, 1, 1), (1,)):
        with pytest.raises(IndexingError):
            data.index(bad)
    with pytest.raises(IndexingError):
        TensorData(np.zeros(4), (2, 2), (1,))
    assert all(0 <= i < n for i, n in zip(data.sample(), data.shape))


def test_M21_permuting_and_views():
    data = TensorData(np.arange(30.0), (2, 3, 5))
    assert data.is_contiguous()
    moved = data.permute(2, 0, 1)
    assert moved.shape == (5, 2, 3)
    assert not moved.is_contiguous()
    t = minitorch.rand((2, 3, 4), requires_grad=True)
    t.permute(2, 0, 1).sum().backward()
    assert t.grad.shape == (2, 3, 4)
    with pytest.raises(AssertionError, match="contiguous"):
        t.permute(2, 0, 1).view(24)
    assert t.permute(2, 0, 1).contiguous().view(24).shape == (24,)
    assert t.permute(2, 0, 1)._tensor.strides == (1, 12, 4)
    x = tt.arange(24).view(2, 3, 4)
    with pytest.raises(RuntimeError, match="view"):
        x.permute(2, 0, 1).view(24)


def test_M22_broadcasting():
    for a, b, c in (
        ((3,), (1,), (3,)), ((5, 1), (5, 3), (5, 3)), ((3,), (5, 3), (5, 3)),
        ((2, 3, 1), (7, 2, 1, 5), (7, 2, 3, 5)),
    ):  # fmt: skip
        assert minitorch.shape_broadcast(a, b) == c
        assert TensorData.shape_broadcast(b, a) == c
    with pytest.raises(IndexingError):
        minitorch.shape_broadcast((5, 2), (5,))
    out = [0, 0]
    minitorch.broadcast_index((1, 2, 3), (4, 5, 6), (1, 6), out)
    assert out == [0, 3]
    a, b = tensor([[1.0], [2.0]], requires_grad=True), tensor([1.0, 2.0, 3.0], requires_grad=True)
    (a * b).sum().backward()
    assert a.grad.shape == (2, 1)
    np.testing.assert_array_equal(a.grad.to_numpy(), [[6.0], [6.0]])
    np.testing.assert_array_equal(b.grad.to_numpy(), [3.0, 3.0, 3.0])


@backends
def test_M23_one_suite_for_all_backends(backend):
    t = tensor(DATA, backend=backend)
    np.testing.assert_array_equal(t.sum(0).to_numpy(), [[11.0, 16.0]])
    np.testing.assert_array_equal(t.sum(1).to_numpy(), [[5.0], [10.0], [12.0]])
    assert t.sum()[0] == 27.0
    assert t.sum().shape == (1,)
    assert tt.tensor(DATA).sum(0).shape == (2,)
    assert tt.tensor(DATA).sum().shape == ()
    double = backend.ops.map(lambda x: x * 2 + 1)
    np.testing.assert_array_equal(double(t).to_numpy(), np.array(DATA) * 2 + 1)
    into = t.zeros()
    backend.ops.cmap(operators.id)(t, into)
    np.testing.assert_array_equal(into.to_numpy(), DATA)
    away = backend.ops.zip(lambda x, y: x - y * 2)
    np.testing.assert_array_equal(
        away(t, tensor([1.0, 2.0], backend=backend)).to_numpy(), np.array(DATA) - [2, 4]
    )
    folded = backend.ops.reduce(lambda total, x: total * 2 + x, 1.0)
    np.testing.assert_array_equal(folded(t, 1).to_numpy(), [[11.0], [18.0], [21.0]])
    with pytest.raises(AttributeError):
        backend.square_map  # noqa: B018


def test_M24_the_tensor_api():
    t = tensor([1.0, 2.0, 3.0], requires_grad=True)
    t.sum().backward()
    np.testing.assert_array_equal(t.grad.to_numpy(), [1, 1, 1])
    t.zero_grad_()
    (t * 2).sum().backward()
    np.testing.assert_array_equal(t.grad.to_numpy(), [2, 2, 2])
    with pytest.raises(AssertionError, match="grad_output"):
        (t * 2).backward()
    (t * 2).backward(tensor([1.0, 0.0, 1.0]))
    np.testing.assert_array_equal(t.grad.to_numpy(), [4, 2, 4])
    x = tensor([[1.0, -2.0], [0.5, 4.0]])
    array = x.to_numpy()
    for made, truth in (
        (x + 1, array + 1), (1 + x, array + 1), (x - 1, array - 1), (1 - x, 1 - array),
        (x * 2, array * 2), (x / 2, array / 2), (1 / x, 1 / array), (-x, -array),
        (x @ x, array @ array), (x < 1, array < 1), (x > 1, array > 1), (x == x, array == array),
        (x.is_close(x + 0.001), np.ones((2, 2))), (x.relu(), np.maximum(array, 0)),
        (x.exp(), np.exp(array)), (x.sigmoid(), 1 / (1 + np.exp(-array))),
        (x.mean(), [array.mean()]), (x.mean(0), array.mean(0)[None]), ((x == x).all(), [1.0]),
    ):  # fmt: skip
        np.testing.assert_allclose(made.to_numpy(), truth)
    assert (x.shape, x.size, x.dims, x[0, 1], tensor(5).item()) == ((2, 2), 4, 2, -2.0, 5.0)
    x[0, 1] = 7.0
    assert x[0, 1] == 7.0
    with pytest.raises(IndexingError):
        x[2, 0]
    assert "7.00" in repr(x)
    assert (t.is_leaf(), x.detach().is_constant(), (t + 1).is_leaf(), (t + 1).grad) == (
        True, True, False, None,
    )  # fmt: skip
    assert not t.detach().requires_grad()
    history = (t + x[0, 0]).history
    assert history.last_fn.__name__ == "Add"
    np.testing.assert_array_equal(tt.tensor([1.0, 2.0, 3.0]).sum().numpy(), 6.0)


@backends
@pytest.mark.parametrize(("name", "base", "fn"), ONE, **named)
def test_M25_gradients_of_one_argument(backend, name, base, fn):
    x = minitorch.rand((2, 3), backend=backend) * 4 - 2
    expected = [base(v) for v in x.to_numpy().ravel()]
    np.testing.assert_allclose(fn(x).to_numpy().ravel(), expected, rtol=1e-7, atol=1e-9)
    grad_check(fn, x.detach())


@pytest.mark.parametrize(("name", "base", "fn"), TWO, **named)
def test_M25_gradients_of_two_arguments_with_broadcasting(name, base, fn):
    grad_check(fn, minitorch.rand((2, 3)), minitorch.rand((2, 3)) + 0.5)
    grad_check(fn, minitorch.rand((2, 3)), minitorch.rand((3,)) + 0.5)


@pytest.mark.parametrize(("name", "base", "fn"), REDUCTIONS, **named)
def test_M25_gradients_of_reductions(name, base, fn):
    grad_check(fn, minitorch.rand((3, 2)))


def test_M25_gradients_of_permutations_and_views():
    grad_check(lambda a: a.permute(1, 0, 2) * 2, minitorch.rand((2, 3, 4)))
    grad_check(lambda a: a.contiguous().view(6) * 3, minitorch.rand((2, 3)))


def test_M25_a_function_of_ones_own():
    class Cube(Function):
        @staticmethod
        def forward(ctx, a):
            ctx.save_for_backward(a)
            return a * a * a

        @staticmethod
        def backward(ctx, grad_output):
            (a,) = ctx.saved_values
            return grad_output * a * a * 3.0

    grad_check(Cube.apply, minitorch.rand((2, 2)))


class Linear(Module):
    def __init__(self, n_in, n_out, backend):
        super().__init__()
        self.weights = Parameter(2 * (minitorch.rand((n_in, n_out), backend=backend) - 0.5))
        self.bias = Parameter(2 * (minitorch.rand((n_out,), backend=backend) - 0.5))

    def forward(self, x):
        return x @ self.weights.value + self.bias.value


@backends
def test_M26_training_on_tensors(backend):
    random.seed(1)
    data = minitorch.datasets["Simple"](50)
    layer1, layer2 = Linear(2, 4, backend), Linear(4, 1, backend)
    optimizer = minitorch.SGD([*layer1.parameters(), *layer2.parameters()], lr=0.5)
    X, y = tensor(data.X, backend=backend), tensor(data.y, backend=backend)
    losses = []
    for _ in range(15):
        optimizer.zero_grad()
        out = layer2(layer1(X).relu()).sigmoid().view(data.N)
        prob = (out * y) + (out - 1.0) * (y - 1.0)
        loss = -prob.log()
        (loss / data.N).sum().view(1).backward()
        losses.append(loss.sum().view(1)[0])
        optimizer.step()
    assert losses[-1] < losses[0]


def test_M27_generated_kernels_are_parallel_and_skip_index_arithmetic():
    @tt.compile
    def f(a, b):
        return a * b + 1.0, (a * b).sum(1)

    x = tt.rand(300, 1000)
    f(x, x)
    source = f.kernels[0].source
    assert "prange(" in source
    assert "//" not in source.split("def run_")[0].split("def ")[1]  # aligned: no index arithmetic


def test_M28_sums_do_not_race():
    x = tt.ones(4, 100_000)
    total = tt.compile(lambda x: x.sum(0).sum())
    assert {total(x).item() for _ in range(20)} == {400_000.0}


def test_M29_kernels_carry_all_they_call():
    f = tt.compile(lambda x: tt.exp(x) + tt.erf(x))
    x = tt.linspace(-1, 1, 9) if hasattr(tt, "linspace") else tt.arange(9) / 4.0
    np.testing.assert_allclose(f(x).numpy(), (tt.exp(x) + tt.erf(x)).numpy(), rtol=1e-5)
    space: dict = {}
    exec(compile(f.kernels[0].source, "pasted.py", "exec"), space)


@backends
@pytest.mark.parametrize(
    ("left", "right"), [((4, 3), (3, 5)), ((2, 4, 3), (1, 3, 5)), ((2, 1, 4, 3), (3, 3, 2))]
)
def test_M30_matrix_products_in_batches(backend, left, right):
    random.seed(0)
    a, b = minitorch.rand(left, backend=backend), minitorch.rand(right, backend=backend)
    np.testing.assert_allclose((a @ b).to_numpy(), a.to_numpy() @ b.to_numpy(), rtol=1e-12)
    np.testing.assert_allclose(
        (a.permute(*range(len(left) - 2), len(left) - 1, len(left) - 2).contiguous().permute(
            *range(len(left) - 2), len(left) - 1, len(left) - 2) @ b).to_numpy(),
        a.to_numpy() @ b.to_numpy(), rtol=1e-12,
    )  # fmt: skip
    a.requires_grad_(True)
    b.requires_grad_(True)
    (a @ b).sum().backward()
    ones = np.ones((a.to_numpy() @ b.to_numpy()).shape)
    grad_a = ones @ np.swapaxes(b.to_numpy(), -1, -2)
    assert a.grad.shape == left
    if len(left) == 2:
        np.testing.assert_allclose(a.grad.to_numpy(), grad_a)
    with pytest.raises(AssertionError):
        a @ minitorch.rand((7, 2), backend=backend)


def test_M33_convolutions_anchored_at_the_left():
    t = tensor([0.0, 1.0, 2.0, 3.0]).view(1, 1, 4)
    w = tensor([1.0, 2.0, 3.0]).view(1, 1, 3)
    out = minitorch.Conv1dFun.apply(t, w)
    np.testing.assert_array_equal(out.to_numpy().ravel(), [8.0, 14.0, 8.0, 3.0])
    grad_check(minitorch.Conv1dFun.apply, minitorch.rand((2, 2, 6)), minitorch.rand((3, 2, 2)))
    grad_check(
        minitorch.Conv2dFun.apply, minitorch.rand((1, 2, 4, 5)), minitorch.rand((3, 2, 2, 3))
    )
    x, k = minitorch.rand((1, 1, 4, 4)), minitorch.rand((1, 1, 2, 2))
    padded = np.pad(x.to_numpy()[0, 0], ((0, 1), (0, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (2, 2))
    expected = (windows * k.to_numpy()[0, 0]).sum((-1, -2))
    np.testing.assert_allclose(minitorch.conv2d(x, k).to_numpy()[0, 0], expected)
    back = np.pad(x.to_numpy()[0, 0], ((1, 0), (1, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(back, (2, 2))[..., ::-1, ::-1]
    np.testing.assert_allclose(
        minitorch.Conv2dFun.apply(x, k, True).to_numpy()[0, 0],
        (windows * k.to_numpy()[0, 0]).sum((-1, -2)),
    )


def test_M34_pooling_softmax_and_dropout():
    x = minitorch.rand((1, 1, 4, 4))
    array = x.to_numpy()[0, 0]
    for kernel in ((2, 2), (2, 1), (1, 2)):
        kh, kw = kernel
        blocks = array.reshape(4 // kh, kh, 4 // kw, kw)
        pooled = minitorch.avgpool2d(x, kernel)
        np.testing.assert_allclose(pooled.to_numpy()[0, 0], blocks.mean((1, 3)))
        largest = minitorch.maxpool2d(x, kernel)
        np.testing.assert_allclose(largest.to_numpy()[0, 0], blocks.max((1, 3)))
        grad_check(lambda t, k=kernel: minitorch.avgpool2d(t, k), minitorch.rand((1, 1, 4, 4)))
        grad_check(lambda t, k=kernel: minitorch.maxpool2d(t, k), minitorch.rand((1, 1, 4, 4)))
    tiled, rows, columns = minitorch.tile(x, (2, 2))
    assert (tiled.shape, rows, columns) == ((1, 1, 2, 2, 4), 2, 2)
    q = minitorch.softmax(x, 3)
    np.testing.assert_allclose(q.to_numpy().sum(3), 1.0)
    np.testing.assert_allclose(minitorch.logsoftmax(x, 3).exp().to_numpy(), q.to_numpy())
    grad_check(lambda t: minitorch.logsoftmax(t, 1), minitorch.rand((2, 3)))
    np.testing.assert_array_equal(
        minitorch.argmax(tensor([[1.0, 3.0, 2.0]]), 1).to_numpy(), [[0.0, 1.0, 0.0]]
    )
    tied = tensor([[2.0, 2.0, 1.0]], requires_grad=True)
    minitorch.max(tied, 1).sum().backward()
    np.testing.assert_array_equal(tied.grad.to_numpy(), [[0.5, 0.5, 0.0]])
    same = minitorch.dropout(x, 0.0)
    np.testing.assert_array_equal(same.to_numpy(), x.to_numpy())
    assert not minitorch.dropout(x, 1.0).to_numpy().any()
    assert minitorch.dropout(x, 1.0, ignore=True) is x


def test_M37_gradient_descent():
    p = Parameter(tensor([1.0, 2.0]))
    optimizer = minitorch.SGD([p], lr=0.1)
    (p.value * p.value).sum().backward()
    optimizer.step()
    np.testing.assert_allclose(p.value.to_numpy(), [0.8, 1.6])
    (p.value * p.value).sum().backward()
    optimizer.zero_grad()
    assert p.value.grad is None


def test_P4_where_the_systems_differ():
    """tinytorch follows PyTorch; the course's meaning stands in the module for it."""
    x = tt.tensor([[1.0, 3.0, 2.0]])
    assert x.argmax(1).tolist() == [1]
    assert minitorch.argmax(tensor([[1.0, 3.0, 2.0]]), 1).to_numpy().tolist() == [[0.0, 1.0, 0.0]]
    assert x.sum(1).shape == (1,)
    assert tensor([[1.0, 3.0, 2.0]]).sum(1).shape == (1, 1)
    w = tt.tensor(2.0, requires_grad=True)
    loss = w * w
    loss.backward()
    with pytest.raises(RuntimeError, match="second time"):
        loss.backward()
    s = minitorch.Scalar(2.0)
    again = s * s
    again.backward()
    again.backward()
    assert s.derivative == 8.0
    assert tt.tensor(1e-6).log().item() == pytest.approx(np.log(1e-6))
    assert minitorch.Scalar(0.0).log().data == pytest.approx(np.log(1e-6))
