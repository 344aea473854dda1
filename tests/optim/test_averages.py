"""Averages of a model: formulas, compiled steps, batch norms."""

import numpy as np
import pytest

import tinytorch as tt
from tinytorch import nn, optim
from tinytorch.optim.swa_utils import (
    AveragedModel,
    get_ema_avg_fn,
    get_ema_multi_avg_fn,
    get_swa_multi_avg_fn,
    update_bn,
)  # fmt: skip

FUNCTIONS = {
    "mean": {},
    "ema": {"avg_fn": get_ema_avg_fn(0.9)},
    "ema list": {"multi_avg_fn": get_ema_multi_avg_fn(0.9)},
    "mean list": {"multi_avg_fn": get_swa_multi_avg_fn()},
}


def train(options, wrap):
    tt.manual_seed(0)
    model = nn.Linear(3, 2).double()
    average = AveragedModel(model, **options)
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    x = tt.rand(4, 3, dtype=tt.float64)

    def step(x):
        optimizer.zero_grad()
        (model(x) ** 2).sum().backward()
        optimizer.step()
        average.update_parameters(model)

    run = wrap(step)
    seen = []
    for _ in range(5):
        run(x)
        seen.append(model.weight.detach().numpy().copy())
    return average, seen, run


@pytest.mark.parametrize("name", FUNCTIONS)
def test_average(name):
    average, seen, _ = train(FUNCTIONS[name], lambda f: f)
    expected = seen[0]
    for count, weight in enumerate(seen[1:], 1):
        part = 1 / (count + 1) if name.startswith("mean") else 0.1
        expected = expected + (weight - expected) * part
    np.testing.assert_allclose(average.module.weight.detach().numpy(), expected, rtol=1e-12)
    assert average.n_averaged.item() == 5
    compiled, _, run = train(FUNCTIONS[name], tt.compile)
    np.testing.assert_allclose(compiled.module.weight.detach().numpy(), expected, rtol=1e-12)
    assert compiled.n_averaged.item() == 5
    assert run.cache_info().compiles == 1
    x = tt.ones(1, 3, dtype=tt.float64)
    np.testing.assert_allclose(compiled(x).detach().numpy(), average(x).detach().numpy())


def test_a_first_model_is_copied_even_over_what_is_not_finite():
    model = nn.Linear(2, 1)
    average = AveragedModel(model)
    with tt.no_grad():
        average.module.weight.fill_(float("nan"))
    average.update_parameters(model)
    np.testing.assert_array_equal(
        average.module.weight.detach().numpy(), model.weight.detach().numpy()
    )


def test_errors():
    with pytest.raises(ValueError, match="Invalid decay value"):
        get_ema_multi_avg_fn(1.5)
    with pytest.raises(AssertionError, match="Only one of"):
        AveragedModel(nn.Linear(1, 1), avg_fn=get_ema_avg_fn(), multi_avg_fn=get_swa_multi_avg_fn())


class Norm(nn.Module):
    """The least that a batch norm has."""

    def __init__(self):
        super().__init__()
        self.register_buffer("running_mean", tt.ones(1))
        self.momentum = 0.1
        self.seen = []

    def reset_running_stats(self):
        self.running_mean.zero_()

    def forward(self, x):
        self.seen.append((self.momentum, self.training, x.shape))
        return x


def test_update_bn_resets_and_restores():
    norm = Norm()
    model = nn.Sequential(norm).eval()
    update_bn([(tt.ones(2, 3), tt.ones(2)), tt.ones(4, 3)], model)
    assert norm.seen == [(None, True, (2, 3)), (None, True, (4, 3))]
    assert norm.momentum == 0.1
    assert norm.running_mean.item() == 0.0
    assert not model.training
    update_bn(iter([1]), nn.Linear(1, 1))  # without batch norms, the loader is not read


def test_update_bn_computes_the_statistics_of_a_loader():
    norm = nn.BatchNorm1d(3)
    model = nn.Sequential(norm, nn.Linear(3, 1))
    batches = [tt.rand(5, 3) * 4, tt.rand(5, 3) - 7]
    model(batches[0] * 100)  # statistics of something else
    update_bn(batches, model)
    means = [b.numpy().mean(0) for b in batches]
    spreads = [b.numpy().var(0, ddof=1) for b in batches]
    np.testing.assert_allclose(norm.running_mean.numpy(), np.mean(means, 0), rtol=1e-5)
    np.testing.assert_allclose(norm.running_var.numpy(), np.mean(spreads, 0), rtol=1e-5)
    assert norm.momentum == 0.1
    average = AveragedModel(model, use_buffers=True)
    average.update_parameters(model)
    compiled = tt.compile(lambda: average.update_parameters(model))
    compiled()
    np.testing.assert_allclose(
        average.module[0].running_mean.numpy(), norm.running_mean.numpy(), rtol=1e-6
    )
    assert average.module[0].num_batches_tracked.item() == 2
