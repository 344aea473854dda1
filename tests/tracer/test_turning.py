"""In-place changes of a tensor's own view: ``t_``, ``squeeze_``, ``unsqueeze_``, ``transpose_``."""

import numpy as np
import pytest

import tinytorch as tt
from tinytorch.errors import TraceError


def counting(*shape):
    n = int(np.prod(shape))
    return tt.arange(float(n)).reshape(*shape).clone()


def turned(x):
    h = x * 1
    row = h[0]
    h.t_()
    h[0].mul_(3)
    h.unsqueeze_(0)
    return h, row, (h * h).sum() + (row * row).sum()


def test_shapes_strides_and_versions():
    x = counting(2, 3)
    assert x.t_() is x
    assert tuple(x.shape) == (3, 2)
    assert x.stride() == (1, 3)
    assert tuple(x.transpose_(0, 1).shape) == (2, 3)
    assert tuple(x.unsqueeze_(-1).shape) == (2, 3, 1)
    assert tuple(x.swapaxes_(0, 2).shape) == (1, 3, 2)
    assert tuple(x.squeeze_(0).swapdims_(0, 1).shape) == (2, 3)
    assert x._version == 6
    assert tuple(tt.ones(1, 2, 1).squeeze_().shape) == (2,)
    assert tuple(tt.ones(()).squeeze_().shape) == ()


def test_views_taken_before_and_after_share_the_memory():
    x = counting(2, 3)
    before = x[0]
    x.t_()
    after = x[0]
    before.fill_(9)
    after.mul_(2)
    np.testing.assert_array_equal(x.numpy(), [[18, 6], [9, 4], [9, 5]])
    np.testing.assert_array_equal(before.numpy(), [18, 9, 9])


def test_a_view_turns_and_its_base_does_not():
    x = counting(2, 3)
    view = x[1]
    view.unsqueeze_(0)
    view.add_(10)
    assert tuple(x.shape) == (2, 3)
    np.testing.assert_array_equal(x.numpy(), [[0, 1, 2], [13, 14, 15]])


def test_gradients_flow_through_it_and_through_older_views():
    x = counting(2, 3).requires_grad_()
    h, row, loss = turned(x)
    loss.backward()
    # h = x.T with its first row (first column of x) tripled; row is the first row of x.
    expected = 2 * np.arange(6.0).reshape(2, 3)
    expected[0] *= 2
    expected[:, 0] *= 9
    np.testing.assert_allclose(x.grad.numpy(), expected)
    assert tuple(row.shape) == (3,)


def test_compiled_equals_eager():
    def step(x):
        h, row, loss = turned(x)
        loss.backward()
        return h, row, loss

    a, b = counting(2, 3).requires_grad_(), counting(2, 3).requires_grad_()
    eager, compiled = step(a), tt.compile(step)(b)
    for e, c in zip(eager, compiled, strict=True):
        assert e.shape == c.shape
        assert e.stride() == c.stride()
        np.testing.assert_array_equal(e.detach().numpy(), c.detach().numpy())
    np.testing.assert_array_equal(a.grad.numpy(), b.grad.numpy())


def test_what_backward_needs_may_not_turn_before_it():
    def step(x):
        h = x * 1
        y = h * h
        h.t_()
        y.sum().backward()

    for run in (step, tt.compile(step)):
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            run(counting(2, 3).requires_grad_())


def test_what_is_computed_afterwards_is_differentiated():
    @tt.compile
    def step(x):
        h = x * 1
        view = h.view(6)
        view.unsqueeze_(0)
        (h * h).sum().backward()

    x = counting(2, 3).requires_grad_()
    step(x)
    np.testing.assert_array_equal(x.grad.numpy(), 2 * x.detach().numpy())


def test_leaves_that_require_gradients_are_refused():
    x = counting(2, 3).requires_grad_()
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad"):
        x.t_()
    with pytest.raises(RuntimeError, match="a view of a leaf Variable"):
        x[0].unsqueeze_(0)
    with tt.no_grad():
        x.t_()
    assert x.is_leaf
    assert x.requires_grad
    (x * x).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), 2 * x.detach().numpy())
    step = tt.compile(lambda x: (x[0] * 3).sum().backward())
    step(x)
    np.testing.assert_array_equal(x.grad[0].numpy(), 2 * x[0].detach().numpy() + 3)


def test_tensors_from_outside_are_refused_inside_a_compiled_function():
    with pytest.raises(TraceError, match=r"x = x\.t\(\)"):
        tt.compile(lambda x: x.t_() * 2)(counting(2, 3))
    view = tt.compile(lambda x: x[0].unsqueeze_(0) * 2)(counting(2, 3))
    np.testing.assert_array_equal(view.numpy(), [[0, 2, 4]])


def test_a_turned_tensor_that_compiled_code_reads_is_noticed():
    weight = counting(2, 2)
    holder = tt.nn.Module()
    holder.register_buffer("weight", weight)
    for step in (tt.compile(lambda x: x * holder.weight), tt.compile(lambda x: x * weight)):
        assert tuple(step(tt.ones(2)).shape) == (2, 2)
        weight.unsqueeze_(0)
        assert tuple(step(tt.ones(2)).shape) == (1, 2, 2)
        weight.squeeze_(0).t_()
        np.testing.assert_array_equal(step(tt.ones(2)).numpy(), [[0, 2], [1, 3]])
        weight.t_()
        np.testing.assert_array_equal(step(tt.ones(2)).numpy(), [[0, 1], [2, 3]])


def test_wrong_arguments():
    with pytest.raises(RuntimeError, match="t_\\(\\) expects a tensor with <= 2 dimensions"):
        counting(1, 2, 3).t_()
    with pytest.raises(IndexError, match="Dimension out of range"):
        counting(2).unsqueeze_(5)
