"""Refusals of nn.functional: PyTorch's exception classes, eager and compiled."""

from __future__ import annotations

import numpy as np
import pytest

import tinytorch as tt
import tinytorch.nn.functional as F

INTS = tt.arange(4)


@pytest.mark.parametrize(
    "name",
    ["celu", "elu", "gelu", "glu", "hardshrink", "hardsigmoid", "hardswish", "logsigmoid", "mish",
     "selu", "silu", "softshrink", "softplus"],
)  # fmt: skip
def test_activations_refuse_integers(name):
    with pytest.raises(NotImplementedError, match=r"not implemented for int64"):
        getattr(F, name)(INTS)


ERRORS = [
    (lambda: F.glu(tt.ones(2, 3)), RuntimeError, "dimension 1 is size 3"),
    (lambda: F.prelu(tt.ones(2, 3), tt.ones(2)), RuntimeError, "channel size = 3"),
    (lambda: F.hardtanh(tt.ones(2), 1.0, -1.0), ValueError, "greater than max_val"),
    (lambda: F.softshrink(tt.ones(2), -1.0), RuntimeError, "greater or equal to 0"),
    (lambda: F.group_norm(tt.ones(2, 3, 2), 2), RuntimeError, "divisible by num_groups"),
    (lambda: F.batch_norm(tt.ones(2, 3), None, None), RuntimeError, "must be defined"),
    (lambda: F.batch_norm(tt.ones(2, 3), tt.ones(2), tt.ones(3)), RuntimeError, "3 elements"),
    (lambda: F.instance_norm(tt.ones(2, 3, 1)), ValueError, "more than 1 spatial"),
    (lambda: F.rms_norm(tt.ones(3), (2, 3)), ValueError, "at least 2 dimensions"),
    (lambda: F.local_response_norm(tt.ones(2, 3), 2), ValueError, "3D or higher"),
    (lambda: F.linear(tt.ones(2), tt.tensor(1.0)), RuntimeError, "at least 1D"),
    (lambda: F.bilinear(tt.ones(2, 3), tt.ones(2, 3), tt.ones(4, 2, 3)), RuntimeError, "input1"),
    (lambda: F.embedding(INTS, tt.ones(3, 2)), IndexError, "index out of range"),
    (lambda: F.embedding(INTS, tt.ones(4, 2), sparse=True), NotImplementedError, "sparse"),
    (lambda: F.kl_div(INTS, INTS, reduction="sum"), RuntimeError, "Integral inputs"),
    (lambda: F.mse_loss(tt.ones(2), tt.ones(2), reduction="most"), ValueError, "not a valid"),
    (lambda: F.huber_loss(tt.ones(2), tt.ones(2), delta=0), RuntimeError, "non-positive"),
    (lambda: F.triplet_margin_loss(*[tt.ones(2, 2)] * 3, margin=0), ValueError, "greater than 0"),
    (lambda: F.soft_margin_loss(tt.ones(2, 1), tt.ones(2, 3)), RuntimeError, "broadcast shape"),
    (lambda: F.cosine_embedding_loss(*[tt.ones(2)] * 3), RuntimeError, "expects 2D input"),
    (lambda: F.multi_margin_loss(tt.ones(2, 3), tt.tensor([0, 3])), RuntimeError, "out of range"),
    (lambda: F.multi_margin_loss(tt.ones(2, 3), tt.tensor([0, 1]), p=3), ValueError, "p == 1"),
    (lambda: F.nll_loss(tt.ones(2, 3), tt.tensor(0)), ValueError, "batch_size"),
    (lambda: F.scaled_dot_product_attention(
        *[tt.ones(2, 3)] * 3, tt.ones(2, 2), is_causal=True), RuntimeError, "Explicit attn_mask"),
    (lambda: F.scaled_dot_product_attention(
        tt.ones(2, 3), tt.ones(2, 3).double(), tt.ones(2, 3)), RuntimeError, "same dtype"),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(ERRORS)))
def test_error(number):
    call, kind, text = ERRORS[number]
    with pytest.raises(kind, match=text):
        call()


@pytest.mark.parametrize("compiled", [False, True])
def test_what_depends_on_values_is_refused_in_both(compiled):
    def loss(x, t, v):
        return F.gaussian_nll_loss(x, t, v) + F.binary_cross_entropy(t, t)

    run = tt.compile(loss) if compiled else loss
    half = tt.full((3,), 0.5)
    assert np.isfinite(float(run(half, half, half)))
    with pytest.raises(ValueError, match="var has negative"):
        run(half, half, tt.tensor([0.5, -1.0, 0.5]))
    with pytest.raises(RuntimeError, match="between 0 and 1"):
        run(half, half + 1, half)


def test_old_flags_of_losses_still_work_with_a_warning():
    x, y = tt.tensor([1.0, 2.0]), tt.tensor([0.0, 0.0])
    with pytest.warns(UserWarning, match="reduction='sum'"):
        assert float(F.mse_loss(x, y, size_average=False)) == 5
    with pytest.warns(UserWarning, match="reduction='none'"):
        assert F.mse_loss(x, y, reduce=False).tolist() == [1, 4]


def test_rows_that_see_nothing_give_zeros():
    q = tt.ones(2, 3, requires_grad=True)
    mask = tt.tensor([[False, False], [True, False]])
    out = F.scaled_dot_product_attention(q, q, q, mask)
    assert out.tolist() == [[0, 0, 0], [1, 1, 1]]
    out.sum().backward()
    assert np.isfinite(q.grad.numpy()).all()


@pytest.mark.parametrize("compiled", [False, True])
def test_embedding_shortens_rows_in_use(compiled):
    weight = tt.tensor([[3.0, 4.0], [0.3, 0.4], [30.0, 40.0]])

    def look_up(index, weight):
        return F.embedding(index, weight, max_norm=1.0)

    out = (tt.compile(look_up) if compiled else look_up)(tt.tensor([0, 1, 0]), weight)
    np.testing.assert_allclose(out.numpy(), [[0.6, 0.8], [0.3, 0.4], [0.6, 0.8]], rtol=1e-6)
    np.testing.assert_allclose(weight.numpy()[[0, 2]], [[0.6, 0.8], [30, 40]], rtol=1e-6)


def test_gumbel_softmax_samples_with_the_right_frequencies():
    tt.manual_seed(0)
    logits = tt.log(tt.tensor([0.2, 0.3, 0.5])).expand(4000, 3).clone().requires_grad_()
    out = F.gumbel_softmax(logits, tau=0.5, hard=True)
    assert set(np.round(out.detach().numpy(), 5).ravel()) == {0.0, 1.0}
    np.testing.assert_allclose(out.detach().numpy().mean(0), [0.2, 0.3, 0.5], atol=0.03)
    out[:, 0].sum().backward()
    assert np.abs(logits.grad.numpy()).max() > 0


MIXED = {
    "batch_norm": lambda x: F.batch_norm(x.double(), tt.zeros(3), tt.ones(3)),
    "layer_norm": lambda x: F.layer_norm(x, (3,), tt.ones(3).double()),
    "bilinear": lambda x: F.bilinear(x, x.double(), tt.ones(2, 3, 3)),
    "addmm": lambda x: tt.addmm(tt.ones(2, 2).double(), x, x.T),
    "dropout of ints": lambda x: F.dropout(x.long()),
    "l1_loss of bools": lambda x: F.l1_loss(x > 0, x),
}


@pytest.mark.parametrize("name", MIXED)
def test_dtypes_are_not_mixed_where_pytorch_refuses_it(name):
    with pytest.raises(RuntimeError, match=r"dtype|can't be cast|bool tensor"):
        MIXED[name](tt.ones(2, 3))


def test_halves_may_have_parameters_of_float32():
    out = F.layer_norm(tt.tensor([[1.0, 3.0]]).half(), (2,), tt.ones(2), tt.ones(2))
    assert out.dtype is tt.float16
    np.testing.assert_allclose(out.float().numpy(), [[0.0, 2.0]], atol=1e-2)
