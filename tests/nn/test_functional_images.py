"""Convolutions, pools and resampling: corner cases, errors, second derivatives, kernels."""

from __future__ import annotations

import numpy as np
import pytest
from finite_difference import check_gradient

import tinytorch as tt
import tinytorch.nn.functional as F

RNG = np.random.default_rng(2)


def normal(*shape: int) -> tt.Tensor:
    return tt.tensor(RNG.standard_normal(shape))


def slow_conv2d(x, w, stride, padding, dilation):
    x = np.pad(x, ((0, 0), (0, 0), (padding,) * 2, (padding,) * 2))
    span = [dilation * (k - 1) for k in w.shape[2:]]
    counts = [(s - d - 1) // stride + 1 for s, d in zip(x.shape[2:], span, strict=True)]
    out = np.zeros((x.shape[0], w.shape[0], *counts))
    for i, j in np.ndindex(*counts):
        part = x[:, :, i * stride :, j * stride :]
        part = part[:, :, : span[0] + 1 : dilation, : span[1] + 1 : dilation]
        out[:, :, i, j] = np.einsum("nchw,ochw->no", part, w)
    return out


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("padding", [0, 2])
@pytest.mark.parametrize("dilation", [1, 2])
def test_conv2d_is_its_definition(stride, padding, dilation):
    x, w = RNG.standard_normal((2, 3, 7, 6)), RNG.standard_normal((4, 3, 3, 2))
    out = F.conv2d(tt.tensor(x), tt.tensor(w), None, stride, padding, dilation)
    np.testing.assert_allclose(out.numpy(), slow_conv2d(x, w, stride, padding, dilation), 1e-10)


@pytest.mark.parametrize(("stride", "dilation"), [(1, 1), (2, 1), (1, 2), (2, 2), (3, 1)])
def test_conv_transpose_is_the_gradient_of_conv(stride, dilation):
    w = normal(4, 3, 3, 2)
    x = tt.zeros(2, 3, 9, 8, dtype=tt.float64, requires_grad=True)
    y = F.conv2d(x, w, None, stride, 1, dilation)
    g = normal(*y.shape)
    y.backward(g)
    extra = [
        s - ((n - 1) * stride - 2 + dilation * (k - 1) + 1)
        for s, n, k in zip((9, 8), y.shape[2:], (3, 2), strict=True)
    ]
    back = F.conv_transpose2d(g, w, None, stride, 1, extra, 1, dilation)
    np.testing.assert_allclose(back.numpy(), x.grad.numpy(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("compiled", [False, True])
def test_second_derivative_of_conv_and_pool(compiled):
    x = normal(1, 2, 5, 5).requires_grad_()
    w = normal(2, 2, 3, 3).requires_grad_()

    def penalty(x, w):
        y = F.max_pool2d(F.conv2d(x, w, padding=1, stride=1) ** 2, 2, ceil_mode=True)
        (g,) = tt.autograd.grad(y.sum(), [x], create_graph=True)
        return (g * g).sum()

    def step(x, w):
        out = penalty(x, w)
        out.backward()
        return out

    (tt.compile(step) if compiled else step)(x, w)
    h = 1e-6
    for at in ((0, 0, 0, 0), (1, 0, 2, 1)):
        sides = []
        for sign in (h, -h):
            moved = w.detach().numpy().copy()
            moved[at] += sign
            sides.append(float(penalty(x, tt.tensor(moved)).detach()))
        assert w.grad.numpy()[at] == pytest.approx((sides[0] - sides[1]) / (2 * h), rel=1e-5)


def test_max_pool_gives_the_gradient_to_the_first_of_equal_ones():
    x = tt.tensor([[[1.0, 1.0, 0.0, 2.0, 2.0, 2.0]]], requires_grad=True)
    F.max_pool1d(x, 3).sum().backward()
    assert x.grad.tolist() == [[[1, 0, 0, 1, 0, 0]]]


@pytest.mark.parametrize("compiled", [False, True])
def test_padding_is_never_the_largest(compiled):
    def pool(x):
        return F.max_pool2d(x, 3, 2, 1, return_indices=True)

    run = tt.compile(pool) if compiled else pool
    values, at = run(tt.full((1, 1, 4, 4), -np.inf))
    assert np.isneginf(values.numpy()).all()
    assert at.tolist() == [[[[0, 1], [4, 5]]]]
    values, at = run(tt.tensor([[[[0.0, -1, -2, np.nan]] * 4]]))
    assert np.isnan(values.numpy()[0, 0, :, 1]).all()
    assert (at.numpy()[0, 0, :, 1] % 4 == 3).all()


def test_pools_take_integers_and_empty_batches():
    x = tt.arange(16).reshape(1, 1, 4, 4)
    out = F.max_pool2d(x, 2)
    assert out.dtype is tt.int64
    assert out.tolist() == [[[[5, 7], [13, 15]]]]
    assert F.max_pool2d(tt.zeros(0, 2, 4, 4), 2).shape == (0, 2, 2, 2)
    assert F.conv2d(tt.zeros(0, 2, 4, 4), tt.zeros(3, 2, 3, 3)).shape == (0, 3, 2, 2)


def test_half_precision_is_computed_in_float32():
    x, w = normal(1, 8, 6, 6).half(), normal(4, 8, 3, 3).half()
    wide = F.conv2d(x.float(), w.float())
    assert F.conv2d(x, w).dtype is tt.float16
    np.testing.assert_array_equal(F.conv2d(x, w).numpy(), wide.half().numpy())


def test_result_of_conv_can_be_viewed():
    assert F.conv2d(tt.ones(2, 1, 4, 4), tt.ones(3, 1, 3, 3)).view(2, -1).shape == (2, 12)


ERRORS = [
    (lambda: F.conv2d(tt.ones(1, 3, 4), tt.ones(2, 2, 3, 3)), RuntimeError, "to have 2 channels"),
    (lambda: F.conv2d(tt.ones(3, 4), tt.ones(2, 2, 3, 3)), RuntimeError, "Expected 3D .unbatched"),
    (lambda: F.conv2d(tt.ones(1, 2, 4, 4), tt.ones(2, 2, 5, 3)), RuntimeError,
     "Kernel size can't be greater than actual input size"),
    (lambda: F.conv2d(tt.ones(1, 2, 4, 4), tt.ones(3, 1, 3, 3), groups=2), RuntimeError,
     "divisible by 2 at dimension 0"),
    (lambda: F.conv1d(tt.ones(1, 2, 4), tt.ones(3, 2, 3), tt.ones(2)), RuntimeError,
     "1-dimensional with 3 elements"),
    (lambda: F.conv1d(tt.ones(1, 2, 4), tt.ones(3, 2, 3).double()), RuntimeError, "same"),
    (lambda: F.conv1d(tt.ones(1, 2, 4), tt.ones(3, 2, 3), stride=0), RuntimeError, "stride"),
    (lambda: F.conv1d(tt.ones(1, 2, 4), tt.ones(3, 2, 3), padding=-1), RuntimeError, "negative"),
    (lambda: F.conv1d(tt.ones(1, 2, 4), tt.ones(3, 2, 3), padding="mirror"), RuntimeError,
     "Invalid padding string"),
    (lambda: F.conv1d(tt.ones(1, 2, 4), tt.ones(3, 2, 3), stride=2, padding="same"), RuntimeError,
     "not supported for strided"),
    (lambda: F.conv2d(tt.ones(1, 2, 4, 4), tt.ones(3, 2, 3, 3), stride=(1, 1, 1)), RuntimeError,
     "list of 2 values"),
    (lambda: F.conv2d(tt.ones(1, 2, 4, 4), tt.ones(3, 2, 3, 3), stride=1.5), TypeError, "stride"),
    (lambda: F.conv_transpose1d(tt.ones(1, 2, 4), tt.ones(2, 3, 3), output_padding=1),
     RuntimeError, "output padding must be smaller"),
    (lambda: F.max_pool2d(tt.ones(1, 1, 4, 4), 2, padding=2), RuntimeError, "at most half"),
    (lambda: F.max_pool2d(tt.ones(1, 1, 4, 4), 5), RuntimeError, "Output size is too small"),
    (lambda: F.max_pool2d(tt.ones(4, 4), 2), RuntimeError, "Expected 3D or 4D"),
    (lambda: F.avg_pool2d(tt.ones(1, 1, 4, 4), 2, divisor_override=0), RuntimeError, "not zero"),
    (lambda: F.avg_pool2d(tt.ones(1, 1, 4, 4), 0), RuntimeError, "greater than zero"),
    (lambda: F.adaptive_avg_pool2d(tt.ones(4, 4), 2), RuntimeError, "Expected 3D or 4D"),
    (lambda: F.pad(tt.ones(1, 4), (4, 0), "reflect"), RuntimeError, "should be less than"),
    (lambda: F.pad(tt.ones(1, 4), (5, 0), "circular"), RuntimeError, "wrapping around"),
    (lambda: F.pad(tt.ones(4), (1, 0), "reflect"), NotImplementedError, "non-constant padding"),
    (lambda: F.pad(tt.ones(4), (1, 0), "mirror"), NotImplementedError, "Unrecognised"),
    (lambda: F.pad(tt.ones(4), (1,)), RuntimeError, "must be even"),
    (lambda: F.pad(tt.ones(4), (-3, -3)), RuntimeError, "negative output size"),
    (lambda: F.interpolate(tt.ones(1, 1, 4)), ValueError, "either size or scale_factor"),
    (lambda: F.interpolate(tt.ones(1, 1, 4), 2, 2.0), ValueError, "only one of"),
    (lambda: F.interpolate(tt.ones(1, 1, 4), 2, mode="bilinear"), NotImplementedError, "Only 3D"),
    (lambda: F.interpolate(tt.ones(1, 1, 4), (2, 2)), ValueError, "spatial dimensions"),
    (lambda: F.interpolate(tt.ones(1, 1, 4), 2, align_corners=True), ValueError, "align_corners"),
    (lambda: F.pixel_shuffle(tt.ones(3, 2, 2), 2), RuntimeError, "divisible by the square"),
    (lambda: F.fold(tt.ones(1, 4, 5), (3, 3), 2), RuntimeError, "sliding blocks"),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(ERRORS)))
def test_error(number):
    call, kind, text = ERRORS[number]
    with pytest.raises(kind, match=text):
        call()


def test_constant_pad_keeps_infinity():
    out = F.pad(tt.tensor([1.0, np.inf]), (1, 0), value=-np.inf)
    assert out.tolist() == [-np.inf, 1.0, np.inf]
    check_gradient(lambda x: F.pad(x, (1, 2), value=3.0), RNG.standard_normal(4))


def test_columns_are_one_kernel_without_a_copy():
    @tt.compile
    def conv(x, w):
        return F.relu(F.conv2d(x, w, padding=1))

    conv(tt.ones(4, 8, 8, 8), tt.ones(16, 8, 3, 3))
    program = conv.stages["program"]
    steps = [line for line in program.splitlines() if "launch" in line or " product " in line]
    assert len(steps) == 3, program  # columns with their padding, product, relu


def test_non_overlapping_pool_needs_no_guard_in_backward():
    @tt.compile
    def step(x):
        F.avg_pool2d(x * x, 2).sum().backward()

    x = tt.ones(2, 3, 8, 8, requires_grad=True)
    step(x)
    assert all(" if " not in k.source for k in step.kernels)
