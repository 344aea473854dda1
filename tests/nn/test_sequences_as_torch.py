"""Recurrent layers and transformers agree with PyTorch: names, text, values, gradients."""

import warnings

import numpy as np
import pytest

import tinytorch as tt
from tinytorch import nn

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore:LSTM with projections")


def given(tensor):
    return None if tensor is None else tt.tensor(tensor.detach().numpy())


def load(theirs, ours):
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})


def close(want, got):
    if want is None:
        assert got is None
        return
    assert tuple(got.shape) == tuple(want.shape)
    np.testing.assert_allclose(got.detach().numpy(), want.detach().numpy(), rtol=1e-4, atol=1e-5)


KINDS = [("RNN", {}), ("RNN", {"nonlinearity": "relu"}), ("LSTM", {}), ("LSTM", {"proj_size": 2}),
         ("GRU", {})]  # fmt: skip
SETTINGS = [
    (1, False, False, True, True), (1, True, True, False, True), (2, True, False, True, True),
    (2, False, True, True, True), (2, True, False, False, False), (1, False, True, True, False),
]  # fmt: skip


@pytest.mark.parametrize(("layers", "both", "first", "bias", "batched"), SETTINGS)
@pytest.mark.parametrize(("kind", "extra"), KINDS, ids=str)
def test_recurrent(kind, extra, layers, both, first, bias, batched):
    torch.manual_seed(0)
    settings = {"bias": bias, "batch_first": first, "bidirectional": both, **extra}
    theirs = getattr(torch.nn, kind)(3, 4, layers, **settings)
    ours = getattr(nn, kind)(3, 4, layers, **settings)
    load(theirs, ours)
    shape = (5, 3) if not batched else (2, 5, 3) if first else (5, 2, 3)
    x = torch.randn(shape, requires_grad=True)
    count = layers * (2 if both else 1)
    hidden = torch.randn((count, 2, extra.get("proj_size", 4)))
    cell = torch.randn((count, 2, 4))
    hidden, cell = (hidden, cell) if batched else (hidden[:, 0], cell[:, 0])
    start = (hidden, cell) if kind == "LSTM" else hidden
    own_x = given(x).requires_grad_()
    own_start = (given(hidden), given(cell)) if kind == "LSTM" else given(hidden)
    want, want_state = theirs(x, start)
    got, got_state = ours(own_x, own_start)
    close(want, got)
    pairs = zip(want_state, got_state) if kind == "LSTM" else [(want_state, got_state)]
    for a, b in pairs:
        close(a, b)
    want.square().sum().backward()
    got.square().sum().backward()
    close(x.grad, own_x.grad)
    for p, q in zip(theirs.parameters(), ours.parameters(), strict=True):
        close(p.grad, q.grad)


@pytest.mark.parametrize("mask", [None, "bool", "float", "each"])
@pytest.mark.parametrize(("other", "extra"), [(False, False), (False, True), (True, True)])
@pytest.mark.parametrize(("batched", "first"), [(True, True), (True, False), (False, False)])
def test_attention(batched, first, other, extra, mask):
    torch.manual_seed(1)
    settings = {"batch_first": first, "add_bias_kv": extra, "add_zero_attn": extra}
    if other:
        settings |= {"kdim": 3, "vdim": 5}
    theirs, ours = torch.nn.MultiheadAttention(4, 2, **settings), nn.MultiheadAttention(
        4, 2, **settings)  # fmt: skip
    load(theirs, ours)
    shapes = [(3, 2, 4), (5, 2, 3 if other else 4), (5, 2, 5 if other else 4)]
    inputs = [torch.randn(s) for s in shapes]
    if not batched:
        inputs = [x[:, 0] for x in inputs]
    elif first:
        inputs = [x.transpose(0, 1).contiguous() for x in inputs]
    masks = {
        None: None, "bool": torch.rand(3, 5) > 0.7, "float": torch.randn(3, 5),
        "each": torch.randn(4 if batched else 2, 3, 5),
    }  # fmt: skip
    padding = torch.rand((2, 5) if batched else (5,)) > 0.7
    padding = padding if mask in (None, "bool") else torch.where(padding, -1.0, 0.0)
    for weights, average in ((True, True), (True, False), (False, True)):
        both = {"need_weights": weights, "average_attn_weights": average}
        want = theirs(*inputs, attn_mask=masks[mask], key_padding_mask=padding, **both)
        got = ours(*map(given, inputs), attn_mask=given(masks[mask]),
                   key_padding_mask=given(padding), **both)  # fmt: skip
        close(want[0], got[0])
        close(want[1], got[1])


@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize(("activation", "bias"), [("relu", True), ("gelu", False)])
def test_transformer(norm_first, batch_first, activation, bias):
    torch.manual_seed(2)
    settings = {
        "d_model": 4, "nhead": 2, "dim_feedforward": 6, "norm_first": norm_first, "bias": bias,
        "batch_first": batch_first, "activation": activation, "num_encoder_layers": 2,
        "num_decoder_layers": 2,
    }  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = torch.nn.Transformer(**settings).eval()
    ours = nn.Transformer(**settings).eval()
    load(theirs, ours)
    source, target = torch.randn(3, 2, 4), torch.randn(5, 2, 4)
    if batch_first:
        source, target = (x.transpose(0, 1).contiguous() for x in (source, target))
    mask = theirs.generate_square_subsequent_mask(5)
    padding = torch.tensor([[False, False, True], [False, False, False]])
    masks = {"src_key_padding_mask": padding, "memory_key_padding_mask": padding}
    for causal in (None, True):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            want = theirs(source, target, tgt_mask=mask, tgt_is_causal=causal, **masks)
        got = ours(given(source), given(target), tgt_mask=given(mask), tgt_is_causal=causal,
                   **{k: given(v) for k, v in masks.items()})  # fmt: skip
        close(want, got)
