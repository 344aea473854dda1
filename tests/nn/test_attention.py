"""Multi-head attention and transformers: numbers and names of PyTorch's, compiled as eager."""

import numpy as np
import pytest
from agreement import check, normal
from test_recurrent import filled

import tinytorch as tt
from tinytorch import nn, optim


def wave(*shape):
    return tt.tensor(np.cos(np.arange(float(np.prod(shape)))).reshape(shape))


def test_attention_with_everything():
    """Numbers of torch 2.13."""
    layer = filled(nn.MultiheadAttention(
        2, 2, kdim=1, vdim=3, add_bias_kv=True, add_zero_attn=True, batch_first=True,
        dtype=tt.float64,
    ))  # fmt: skip
    out, weights = layer(
        wave(2, 2, 2), wave(2, 3, 1), wave(2, 3, 3),
        key_padding_mask=tt.tensor([[False, False, True], [False, False, False]]),
        attn_mask=tt.tensor([[False, True, False], [False, False, True]]),
    )  # fmt: skip
    np.testing.assert_allclose(
        out.detach().numpy().ravel(),
        [0.2842036459, 0.3740937746, 0.3649585578, 0.3855611466, 0.4877145143, 0.484235759,
         0.3502036883, 0.3653906989], atol=1e-9,
    )  # fmt: skip
    np.testing.assert_allclose(
        weights[0].detach().numpy().ravel(),
        [0.3509047751, 0.0, 0.0, 0.298604347, 0.3504908779, 0.2240521592, 0.2533228953, 0.0,
         0.2971429645, 0.2254819809], atol=1e-9,
    )  # fmt: skip
    assert list(layer.state_dict()) == [
        "q_proj_weight", "k_proj_weight", "v_proj_weight", "in_proj_bias", "bias_k", "bias_v",
        "out_proj.weight", "out_proj.bias",
    ]  # fmt: skip


def test_transformer():
    """Numbers of torch 2.13."""
    model = nn.Transformer(2, 1, 1, 1, 3, activation="gelu", norm_first=True, dtype=tt.float64)
    filled(model).eval()
    mask = model.generate_square_subsequent_mask(2, dtype=tt.float64)
    assert mask.tolist() == [[0.0, -np.inf], [0.0, 0.0]]
    for hint in (None, True):
        out = model(wave(3, 1, 2), wave(2, 1, 2), tgt_mask=mask, tgt_is_causal=hint)
        np.testing.assert_allclose(
            out.detach().numpy().ravel(),
            [0.7756383881, -0.1014233685, 0.7756501269, -0.1014437875], atol=1e-9,
        )  # fmt: skip


def test_shapes_of_results():
    layer = nn.MultiheadAttention(4, 2)
    x = wave(3, 2, 4).float()
    out, weights = layer(x, x, x)
    assert out.shape == (3, 2, 4)
    assert weights.shape == (2, 3, 3)
    np.testing.assert_allclose(weights.sum(-1).detach().numpy(), 1, rtol=1e-6)
    assert layer(x, x, x, average_attn_weights=False)[1].shape == (2, 2, 3, 3)
    assert layer(x, x, x, need_weights=False)[1] is None
    single, weights = layer(x[:, 0], x[:, 0], x[:, 0])
    np.testing.assert_allclose(single.detach().numpy(), out[:, 0].detach().numpy(), atol=1e-6)
    assert weights.shape == (3, 3)


def test_where_all_is_masked():
    layer = nn.MultiheadAttention(4, 2, bias=False)
    x = wave(2, 1, 4).float()
    nothing = tt.ones(2, 2) > 0
    assert np.isnan(layer(x, x, x, attn_mask=nothing)[0].detach().numpy()).all()
    out, _ = layer(x, x, x, attn_mask=nothing, need_weights=False)
    assert not out.detach().numpy().any()


def test_layers_are_copies_of_their_own():
    layer = nn.TransformerEncoderLayer(4, 2, 8, activation=nn.SiLU())
    model = nn.TransformerEncoder(layer, 2, nn.LayerNorm(4))
    assert len(list(model.parameters())) == 2 * 12 + 2
    assert model.layers[0].linear1.weight is not layer.linear1.weight
    assert "(0-1): 2 x TransformerEncoderLayer(" in repr(model)
    assert "(activation): SiLU()" in repr(model)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda a, x: nn.MultiheadAttention(4, 3), AssertionError, "divisible by num_heads"),
        (lambda a, x: nn.MultiheadAttention(0, 3), ValueError, "greater than 0"),
        (lambda a, x: a(x, x[0], x[0]), AssertionError, "but found 2-D and 2-D tensors"),
        (lambda a, x: a(x[..., :3], x, x), AssertionError, "dimension of 4, but got 3"),
        (lambda a, x: a(x, x, x[:2]), AssertionError, "does not match value shape"),
        (lambda a, x: a(x, x, x, attn_mask=tt.ones(3, 4)), RuntimeError, "should be \\(3, 3\\)"),
        (lambda a, x: a(x, x, x, key_padding_mask=tt.ones(3, 3)), AssertionError, "got 3"),
        (lambda a, x: a(x, x, x, is_causal=True), RuntimeError, "Need attn_mask"),
        (lambda a, x: a(x, x, x, attn_mask=tt.ones(3, 3).long()), AssertionError, "bool and float"),
        (lambda a, x: nn.TransformerEncoderLayer(4, 2, activation="z"), RuntimeError, "relu/gelu"),
        (lambda a, x: nn.Transformer(4, 2, 1, 1, 2)(x, x[:, :1]), RuntimeError, "batch number"),
        (lambda a, x: nn.Transformer(4, 2, 1, 1, 2)(x, x[..., :1]), RuntimeError, "d_model"),
    ],
)  # fmt: skip
def test_errors(call, error, text):
    with pytest.raises(error, match=text):
        call(nn.MultiheadAttention(4, 2), wave(3, 2, 4).float())


def test_mismatched_masks_warn():
    x = wave(2, 1, 4).float()
    with pytest.warns(UserWarning, match="mismatched key_padding_mask and attn_mask"):
        nn.MultiheadAttention(4, 2)(
            x, x, x, key_padding_mask=tt.zeros(1, 2) > 0, attn_mask=tt.zeros(2, 2)
        )


def test_a_training_step_compiled():
    def scenario(compile):
        model = nn.TransformerEncoderLayer(4, 2, 6, batch_first=True, dropout=0.25)
        cross = nn.MultiheadAttention(4, 1, kdim=3, vdim=3, add_bias_kv=True, batch_first=True)
        models = filled(nn.ModuleList([model, cross]))
        opt = optim.SGD(models.parameters(), lr=0.1)
        padding = tt.tensor([[False, False, True], [False, False, False]])

        @compile
        def step(x, memory):
            opt.zero_grad()
            mask = nn.Transformer.generate_square_subsequent_mask(3)
            y = model(x, src_mask=mask, src_key_padding_mask=padding.float())
            z, weights = cross(y, memory, memory)
            loss = (z * z).mean() + (weights * weights).sum()
            loss.backward()
            opt.step()
            return loss

        x, memory = normal(2, 3, 4), normal(2, 2, 3)
        return [step(x, memory) for _ in range(3)] + [p.detach() for p in models.parameters()]

    check(scenario, compiles=1, atol=1e-6)
