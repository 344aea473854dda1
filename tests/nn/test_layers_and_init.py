"""Layers do what their functions do; initial values have the promised spread."""

import math

import numpy as np
import pytest

import tinytorch as tt
from tinytorch import nn
from tinytorch.nn import functional as F

X = tt.tensor(np.random.default_rng(0).standard_normal((6, 4)).astype(np.float32))
CLASSES = tt.tensor([0, 1, 2, 3, 0, -100])
UNIT = tt.tensor(np.random.default_rng(1).random((6, 4)).astype(np.float32))


@pytest.mark.parametrize(
    ("layer", "function"),
    [
        (nn.ReLU(), F.relu), (nn.Tanh(), F.tanh), (nn.Sigmoid(), F.sigmoid), (nn.SiLU(), F.silu),
        (nn.GELU("tanh"), lambda x: F.gelu(x, "tanh")), (nn.ELU(0.5), lambda x: F.elu(x, 0.5)),
        (nn.LeakyReLU(0.3), lambda x: F.leaky_relu(x, 0.3)), (nn.LogSigmoid(), F.logsigmoid),
        (nn.Softplus(2.0), lambda x: F.softplus(x, 2.0)),
        (nn.Softmax(1), lambda x: F.softmax(x, 1)),
        (nn.LogSoftmax(-1), lambda x: F.log_softmax(x, -1)),
        (nn.Flatten(0), lambda x: x.reshape(-1)), (nn.Identity(1, a=2), lambda x: x),
        (nn.LayerNorm(4), lambda x: F.layer_norm(x, (4,))),
    ],
)  # fmt: skip
def test_layer_is_its_function(layer, function):
    np.testing.assert_array_equal(layer(X).detach().numpy(), function(X).numpy())


@pytest.mark.parametrize(
    ("layer", "function", "target"),
    [
        (nn.MSELoss(reduction="sum"), lambda x, t: F.mse_loss(x, t, reduction="sum"), UNIT),
        (nn.L1Loss(), F.l1_loss, UNIT),
        (nn.SmoothL1Loss(beta=0.5), lambda x, t: F.smooth_l1_loss(x, t, beta=0.5), UNIT),
        (nn.HuberLoss(delta=0.5), lambda x, t: F.huber_loss(x, t, delta=0.5), UNIT),
        (nn.BCEWithLogitsLoss(), F.binary_cross_entropy_with_logits, UNIT),
        (nn.BCELoss(), lambda x, t: F.binary_cross_entropy(UNIT, t), UNIT),
        (nn.NLLLoss(reduction="none"), lambda x, t: F.nll_loss(x, t, reduction="none"), CLASSES),
        (
            nn.CrossEntropyLoss(tt.ones(4) * 2, label_smoothing=0.1),
            lambda x, t: F.cross_entropy(x, t, tt.ones(4) * 2, label_smoothing=0.1), CLASSES,
        ),
    ],
)  # fmt: skip
def test_loss_is_its_function(layer, function, target):
    input = UNIT if isinstance(layer, nn.BCELoss) else X
    np.testing.assert_array_equal(layer(input, target).numpy(), function(input, target).numpy())


def test_loss_weights_are_buffers():
    assert list(nn.CrossEntropyLoss(tt.ones(3)).state_dict()) == ["weight"]
    assert list(nn.BCEWithLogitsLoss(pos_weight=tt.ones(3)).state_dict()) == ["pos_weight"]


def test_linear_starts_like_pytorch():
    tt.manual_seed(0)
    layer = nn.Linear(400, 300)
    bound = 1 / math.sqrt(400)
    for value in (layer.weight, layer.bias):
        array = value.detach().numpy()
        assert np.abs(array).max() <= bound
        assert array.std() == pytest.approx(bound / math.sqrt(3), rel=0.06)
    tt.manual_seed(0)
    again = nn.Linear(400, 300)
    np.testing.assert_array_equal(again.weight.detach().numpy(), layer.weight.detach().numpy())
    assert nn.Linear(3, 2, bias=False).bias is None
    assert nn.Linear(3, 2, dtype=tt.float64).weight.dtype is tt.float64


def test_embedding_layer():
    tt.manual_seed(0)
    layer = nn.Embedding(500, 40, padding_idx=-1)
    array = layer.weight.detach().numpy()
    assert array[:-1].std() == pytest.approx(1, rel=0.03)
    assert (array[-1] == 0).all()
    assert layer.padding_idx == 499
    frozen = nn.Embedding.from_pretrained(tt.ones(3, 2))
    assert not frozen.weight.requires_grad
    assert frozen(tt.tensor([2])).tolist() == [[1.0, 1.0]]
    with pytest.raises(AssertionError, match="within num_embeddings"):
        nn.Embedding(3, 2, padding_idx=3)


def test_dropout_layer_follows_the_mode():
    layer = nn.Dropout(0.5)
    assert float((layer(tt.ones(1000)) == 0).float().mean()) == pytest.approx(0.5, abs=0.1)
    assert layer.eval()(X) is X
    with pytest.raises(ValueError, match="but got 2"):
        nn.Dropout(2)


def test_softmax_without_an_axis_warns_and_takes_pytorchs():
    with pytest.warns(UserWarning, match="Implicit dimension choice for softmax"):
        found = nn.Softmax()(X)
    np.testing.assert_array_equal(found.numpy(), F.softmax(X, 1).numpy())


# ------------------------------------------------------------------------ init


@pytest.mark.parametrize(
    ("fill", "std"),
    [
        (lambda t: nn.init.kaiming_uniform_(t, nonlinearity="relu"), math.sqrt(2 / 300)),
        (lambda t: nn.init.kaiming_normal_(t, mode="fan_out"),
         math.sqrt(2 / (1 + 1e-30) / 200)),
        (lambda t: nn.init.xavier_uniform_(t), math.sqrt(2 / 500)),
        (lambda t: nn.init.xavier_normal_(t, gain=2.0), 2 * math.sqrt(2 / 500)),
        (lambda t: nn.init.normal_(t, 0.0, 0.1), 0.1),
        (lambda t: nn.init.uniform_(t, -1.0, 1.0), 1 / math.sqrt(3)),
    ],
)  # fmt: skip
def test_spread_of_random_fills(fill, std):
    tt.manual_seed(1)
    tensor = tt.empty(200, 300)
    assert fill(tensor) is tensor
    assert float(tensor.std()) == pytest.approx(std, rel=0.02)
    assert float(tensor.mean()) == pytest.approx(0, abs=std * 0.02)


def test_constant_fills():
    assert nn.init.constant_(tt.empty(2), 3.0).tolist() == [3.0, 3.0]
    assert nn.init.ones_(tt.empty(1)).tolist() == [1.0]
    assert nn.init.zeros_(tt.ones(1)).tolist() == [0.0]
    assert nn.init.eye_(tt.empty(2, 3)).tolist() == [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    truncated = nn.init.trunc_normal_(tt.empty(5000), std=2.0, a=-1.0, b=1.0)
    assert float(truncated.abs().amax()) <= 1.0


def test_init_records_nothing_and_fills_parameters():
    parameter = nn.Parameter(tt.zeros(3, 3))
    nn.init.normal_(parameter)
    assert parameter.is_leaf
    assert parameter.requires_grad


def test_init_errors_and_gains():
    assert nn.init.calculate_gain("tanh") == 5 / 3
    assert nn.init.calculate_gain("relu") == math.sqrt(2)
    assert nn.init.calculate_gain("leaky_relu", 1) == 1.0
    with pytest.raises(ValueError, match="Unsupported nonlinearity"):
        nn.init.calculate_gain("swish")
    with pytest.raises(ValueError, match="fewer than 2 dimensions"):
        nn.init.xavier_uniform_(tt.empty(3))
    with pytest.raises(ValueError, match="Mode fan_avg not supported"):
        nn.init.kaiming_uniform_(tt.empty(3, 3), mode="fan_avg")
    with pytest.warns(UserWarning, match="no-op"):
        nn.init.kaiming_uniform_(tt.empty(0, 3))


def test_a_small_model_learns():
    tt.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 16), nn.GELU(), nn.LayerNorm(16), nn.Linear(16, 3))
    target = tt.tensor([0, 1, 2, 0, 1, 2])
    losses = []
    for _ in range(60):
        model.zero_grad()
        loss = F.cross_entropy(model(X), target)
        loss.backward()
        with tt.no_grad():
            for p in model.parameters():
                p.sub_(p.grad * 0.3)
        losses.append(float(loss))
    assert losses[-1] < 0.1 < losses[0]
