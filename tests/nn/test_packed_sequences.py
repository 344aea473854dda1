"""Packed sequences: every sequence as if it ran alone."""

import numpy as np
import pytest
from agreement import normal

import tinytorch as tt
from tinytorch import nn
from tinytorch.nn.utils.rnn import (
    pack_padded_sequence,
    pack_sequence,
    pad_packed_sequence,
    unpack_sequence,
)  # fmt: skip

LENGTHS = [2, 4, 1, 4]


def sequences():
    return [normal(n, 3, seed=n + i) for i, n in enumerate(LENGTHS)]


@pytest.mark.parametrize(("kind", "extra"), [("RNN", {}), ("GRU", {}), ("LSTM", {"proj_size": 2})])
def test_each_sequence_runs_as_alone(kind, extra):
    tt.manual_seed(0)
    layer = getattr(nn, kind)(3, 4, 2, bidirectional=True, **extra)
    found = sequences()
    width = extra.get("proj_size", 4)
    starts = [normal(4, 4, width), normal(4, 4, 4, seed=1)]
    start = tuple(starts) if kind == "LSTM" else starts[0]
    packed, state = layer(pack_sequence(found, enforce_sorted=False), start)
    state = state if kind == "LSTM" else (state,)
    rows = unpack_sequence(packed)
    for i, x in enumerate(found):
        own = [s[:, i] for s in starts]
        want, last = layer(x, tuple(own) if kind == "LSTM" else own[0])
        np.testing.assert_allclose(rows[i].detach().numpy(), want.detach().numpy(), atol=1e-6)
        for a, b in zip(state, last if kind == "LSTM" else (last,), strict=True):
            np.testing.assert_allclose(a[:, i].detach().numpy(), b.detach().numpy(), atol=1e-6)
    total = rows[1].sum()
    total.backward()
    assert layer.weight_ih_l0.grad is not None


def test_packing_and_padding_undo_each_other():
    found = sequences()
    packed = pack_sequence(found, enforce_sorted=False)
    assert packed.batch_sizes.tolist() == [4, 3, 2, 2]
    assert packed.data.shape == (11, 3)
    padded, lengths = pad_packed_sequence(packed, batch_first=True, padding_value=7.0,
                                          total_length=5)  # fmt: skip
    assert lengths.tolist() == LENGTHS
    assert padded.shape == (4, 5, 3)
    assert (padded[0, 2:].numpy() == 7).all()
    again = pack_padded_sequence(padded, lengths, batch_first=True, enforce_sorted=False)
    np.testing.assert_array_equal(again.data.numpy(), packed.data.numpy())


def test_errors():
    x = tt.ones(3, 2, 1)
    for lengths, text in (
        ([1, 2], "sorted in decreasing order"), ([1], "equal to batch_size"), ([2, 0], "than 0"),
        ([4, 1], "exceeds the 3 steps"),
    ):  # fmt: skip
        with pytest.raises(RuntimeError, match=text):
            pack_padded_sequence(x, lengths)
    packed = pack_padded_sequence(x, tt.tensor([3, 1]))
    with pytest.raises(ValueError, match="total_length=2"):
        pad_packed_sequence(packed, total_length=2)
    with pytest.raises(RuntimeError, match="Expected 3, got 1"):
        nn.GRU(3, 2)(packed)
