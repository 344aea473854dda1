"""Layers over functions: parameters, buffers, first values, repr, and what PyTorch's give."""

from __future__ import annotations

import math

import numpy as np
import pytest

import tinytorch as tt
import tinytorch.nn.functional as F
from tinytorch import nn

RNG = np.random.default_rng(5)
IMAGE = RNG.standard_normal((4, 4, 6, 6))
LINE = RNG.standard_normal((4, 4, 9))

LAYERS = [
    ("Conv1d(4, 6, 3, stride=2, padding=1, groups=2)", LINE),
    ("Conv1d(4, 2, 3, padding='same', padding_mode='circular', dilation=2)", LINE),
    ("Conv2d(4, 2, (3, 2), padding=(1, 2), bias=False, padding_mode='reflect')", IMAGE),
    ("Conv2d(4, 2, 3, padding='same', padding_mode='replicate')", IMAGE),
    ("ConvTranspose1d(4, 2, 3, stride=2, output_padding=1)", LINE),
    ("ConvTranspose2d(4, 2, 3, 2, 1, dilation=2, groups=2)", IMAGE),
    ("Unfold(2)", IMAGE), ("Fold((4, 4), 2, stride=2)", IMAGE[:, :, 0, :4]),
    ("MaxPool1d(2)", LINE), ("MaxPool2d(3, 2, 1, ceil_mode=True)", IMAGE), ("AvgPool1d(2)", LINE),
    ("AvgPool2d(2, 1, count_include_pad=False)", IMAGE), ("LPPool2d(2, 2)", abs(IMAGE)),
    ("AdaptiveAvgPool1d(4)", LINE), ("AdaptiveAvgPool2d((None, 4))", IMAGE),
    ("AdaptiveMaxPool2d(3)", IMAGE), ("BatchNorm1d(4)", LINE), ("BatchNorm1d(4)", LINE[:, :, 0]),
    ("BatchNorm2d(4, momentum=None)", IMAGE), ("BatchNorm2d(4, affine=False)", IMAGE),
    ("BatchNorm2d(4, track_running_stats=False)", IMAGE), ("GroupNorm(2, 4)", IMAGE),
    ("InstanceNorm1d(4)", LINE), ("InstanceNorm1d(4)", LINE[0]),
    ("InstanceNorm2d(4, affine=True, track_running_stats=True)", IMAGE),
    ("RMSNorm((6,), eps=1e-5)", IMAGE), ("LayerNorm((6, 6))", IMAGE),
    ("LocalResponseNorm(3)", IMAGE), ("ZeroPad2d(1)", IMAGE), ("ConstantPad1d((1, 2), 3.5)", LINE),
    ("ReflectionPad2d((1, 2, 0, 1))", IMAGE), ("ReplicationPad1d(2)", LINE),
    ("CircularPad2d(1)", IMAGE), ("Upsample(scale_factor=2, mode='bilinear')", IMAGE),
    ("Upsample((3, 4))", IMAGE), ("PixelShuffle(2)", IMAGE), ("PixelUnshuffle(3)", IMAGE),
    ("ChannelShuffle(2)", IMAGE), ("PReLU()", IMAGE), ("PReLU(4, init=0.1)", IMAGE),
    ("Unflatten(1, (2, 2))", IMAGE), ("Flatten()", IMAGE),
]  # fmt: skip


def made(library, text: str):
    return eval(f"nn.{text}", {"nn": library})  # noqa: S307


@pytest.mark.parametrize(("text", "x"), LAYERS)
def test_layer_is_pytorchs(text, x):
    torch = pytest.importorskip("torch")
    ours, theirs = made(nn, text).double(), made(torch.nn, text).double()
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict({k: tt.tensor(v.numpy()) for k, v in theirs.state_dict().items()})
    for training in (True, True, False):
        ours.train(training)
        theirs.train(training)
        a, b = ours(tt.tensor(x)), theirs(torch.tensor(x))
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), 1e-9, 1e-9)
    for name, value in theirs.state_dict().items():
        np.testing.assert_allclose(ours.state_dict()[name].numpy(), value.numpy(), 1e-9)


@pytest.mark.parametrize(("text", "x"), LAYERS)
def test_layer_trains_compiled_as_eager(text, x):
    results = []
    for compiled in (False, True):
        tt.manual_seed(0)
        layer = made(nn, text)

        def step(x, layer=layer):
            out = layer(x)
            (out * out).mean().backward()
            return out

        run = tt.compile(step) if compiled else step
        given = tt.tensor(x.astype("f4"), requires_grad=True)
        outs = [run(given), run(given)]
        state = [v.numpy() for v in layer.state_dict().values()]
        grads = [p.grad.numpy() for p in [given, *layer.parameters()]]
        results.append([o.detach().numpy() for o in outs] + state + grads)
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(b, a, rtol=2e-5, atol=2e-6)


def test_first_values_are_within_pytorchs_bounds():
    tt.manual_seed(0)
    layer = nn.Conv2d(8, 16, 3)
    bound = 1 / math.sqrt(8 * 9)
    for values in (layer.weight, layer.bias):
        assert 0.7 * bound < np.abs(values.detach().numpy()).max() <= bound
    assert layer.weight.shape == (16, 8, 3, 3)
    assert nn.ConvTranspose2d(8, 16, 3, groups=2).weight.shape == (8, 8, 3, 3)
    assert np.abs(nn.Bilinear(4, 5, 6).weight.detach().numpy()).max() <= 0.5
    assert nn.Conv1d(2, 2, 3, bias=False).bias is None


def test_output_size_of_a_transposed_convolution():
    down, up = nn.Conv2d(3, 3, 3, stride=2, padding=1), nn.ConvTranspose2d(3, 3, 3, 2, 1)
    for size in (7, 8):
        x = tt.ones(1, 3, size, size)
        assert up(down(x), output_size=x.shape).shape == x.shape
    with pytest.raises(ValueError, match="valid sizes range"):
        up(tt.ones(1, 3, 4, 4), output_size=(12, 12))


ERRORS = [
    (lambda: nn.Conv2d(3, 4, 3, groups=2), ValueError, "in_channels must be divisible"),
    (lambda: nn.Conv2d(4, 3, 3, groups=2), ValueError, "out_channels must be divisible"),
    (lambda: nn.Conv2d(4, 4, 3, padding="some"), ValueError, "Invalid padding string"),
    (lambda: nn.Conv2d(4, 4, 3, 2, padding="same"), ValueError, "not supported for strided"),
    (lambda: nn.Conv2d(4, 4, 3, padding_mode="mirror"), ValueError, "padding_mode must be"),
    (lambda: nn.ConvTranspose2d(4, 4, 3, padding_mode="reflect"), ValueError, "Only \"zeros\""),
    (lambda: nn.BatchNorm2d(3)(tt.ones(2, 3)), ValueError, "expected 4D input"),
    (lambda: nn.BatchNorm1d(3)(tt.ones(1, 3)), ValueError, "more than 1 value per channel"),
    (lambda: nn.BatchNorm1d(3)(tt.ones(2, 4)), RuntimeError, "should contain 4 elements not 3"),
    (lambda: nn.InstanceNorm1d(3)(tt.ones(2, 3, 1)), ValueError, "more than 1 spatial element"),
    (lambda: nn.GroupNorm(2, 3), ValueError, "must be divisible by num_groups"),
    (lambda: nn.Dropout2d(1.5), ValueError, "between 0 and 1"),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(ERRORS)))
def test_error(number):
    call, kind, text = ERRORS[number]
    with pytest.raises(kind, match=text):
        call()


def test_batch_norm_keeps_statistics_and_uses_them_in_evaluation():
    layer = nn.BatchNorm1d(3, momentum=None)
    batches = [tt.tensor(RNG.standard_normal((5, 3)) * 2 + 1) for _ in range(3)]
    layer.double()
    for batch in batches:
        layer(batch)
    assert int(layer.num_batches_tracked) == 3
    means = np.mean([b.numpy().mean(0) for b in batches], 0)
    np.testing.assert_allclose(layer.running_mean.numpy(), means)
    variances = np.mean([b.numpy().var(0, ddof=1) for b in batches], 0)
    np.testing.assert_allclose(layer.running_var.numpy(), variances)
    x = batches[0].numpy()
    layer.eval()
    np.testing.assert_allclose(
        layer(batches[0]).detach().numpy(), (x - means) / np.sqrt(variances + 1e-5)
    )
    assert int(layer.num_batches_tracked) == 3


class LeNet(nn.Module):
    """A small LeNet for 8 x 8 digits, with batch norm and dropout."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(4, 6, 3, padding=1), nn.ReLU(), nn.AvgPool2d(2), nn.Dropout2d(0.2),
        )  # fmt: skip
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(24, 16), nn.Dropout(), nn.Linear(16, 10))

    def forward(self, x):
        return self.head(self.features(x))


def trained(compiled: bool) -> tuple[list[float], list[np.ndarray]]:
    tt.manual_seed(3)
    model = LeNet()
    optimizer = tt.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    rng = np.random.default_rng(4)
    x = tt.tensor(rng.random((16, 1, 8, 8)).astype("f4"))
    y = tt.tensor(rng.integers(0, 10, 16))

    def step(x, y):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    run = tt.compile(step) if compiled else step
    losses = [float(run(x, y)) for _ in range(6)]
    model.eval()
    out = tt.compile(model)(x) if compiled else model(x)
    return losses, [out.detach().numpy(), *(v.numpy() for v in model.state_dict().values())]


def test_lenet_with_batch_norm_and_dropout_trains_compiled_as_eager():
    (eager, expected), (compiled, found) = trained(False), trained(True)
    np.testing.assert_allclose(compiled, eager, rtol=1e-5)
    for a, b in zip(expected, found, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-4, atol=1e-5)


def test_lenet_compiles_once_more_for_all_batch_sizes():
    outcomes = []
    for compiled in (False, True):
        tt.manual_seed(3)
        model = LeNet()

        def step(x, y, model=model):
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            return loss

        run = tt.compile(step) if compiled else step
        rng = np.random.default_rng(0)
        losses = [
            float(run(tt.tensor(rng.random((n, 1, 8, 8), "f4")), tt.tensor(rng.integers(0, 10, n))))
            for n in (8, 5, 11, 3)
        ]
        outcomes.append(losses + [float(p.grad.sum()) for p in model.parameters()])
    np.testing.assert_allclose(outcomes[1], outcomes[0], rtol=2e-4, atol=2e-4)
    assert run.cache_info().compiles == 2


@pytest.mark.parametrize(
    ("layer", "shape", "axes"),
    [
        (nn.Dropout1d(0.4), (8, 30, 5), (2,)), (nn.Dropout2d(0.4), (8, 30, 3, 2), (2, 3)),
        (nn.Dropout3d(0.4), (8, 30, 2, 2, 2), (2, 3, 4)),
    ],
)  # fmt: skip
def test_whole_channels_are_dropped(layer, shape, axes):
    tt.manual_seed(0)
    out = layer(tt.ones(*shape)).numpy()
    assert np.array_equal(out.min(axes), out.max(axes))
    kept = out.max(axes)
    assert set(np.round(kept, 5).ravel()) == {0.0, np.float32(np.round(1 / 0.6, 5))}
    assert 0.4 < (kept > 0).mean() < 0.8
    layer.eval()
    assert layer(tt.ones(*shape)).numpy().min() == 1


def test_alpha_dropout_keeps_mean_and_variance():
    tt.manual_seed(0)
    out = F.alpha_dropout(tt.randn(20000), 0.3, training=True).numpy()
    assert abs(out.mean()) < 0.05
    assert abs(out.var() - 1) < 0.05


def test_embedding_settings_reach_the_function():
    table = tt.tensor([[3.0, 4.0], [0.1, 0.2], [30.0, 40.0]])
    layer = nn.Embedding.from_pretrained(table, freeze=False, max_norm=1.0, scale_grad_by_freq=True)
    out = layer(tt.tensor([0, 0, 1]))
    np.testing.assert_allclose(out.detach().numpy()[0], [0.6, 0.8], rtol=1e-6)
    assert layer.weight.detach().numpy()[2].tolist() == [30.0, 40.0]
    out.sum().backward()
    assert layer.weight.grad.tolist() == [[1, 1], [1, 1], [0, 0]]
