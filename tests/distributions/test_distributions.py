"""Distributions against PyTorch's numbers, eager and compiled."""

from __future__ import annotations

import math

import numpy as np
import pytest
from agreement import check, normal

import tinytorch as tt
from tinytorch import distributions as D  # noqa: N812
from tinytorch.errors import TraceError

LOC, SCALE = [[0.2, -1.0], [1.5, 0.4]], [0.5, 2.0]
CHOICE = [[0.1, 0.2, 0.7], [0.5, 0.25, 0.25]]
CASES = {
    "Normal": ((LOC, SCALE), [0.3, -0.2]),
    "LogNormal": ((LOC, SCALE), [0.3, 1.2]),
    "Laplace": ((LOC, SCALE), [0.3, -0.2]),
    "Uniform": (([-1.0, 0.0], [2.0, 0.5]), [0.3, 0.2]),
    "Exponential": (([0.5, 2.0],), [0.3, 1.0]),
    "Bernoulli": (([0.3, 0.9],), [1.0, 0.0]),
    "Categorical": ((CHOICE,), [2, 1]),
    "OneHotCategorical": ((CHOICE,), [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0]]),
}
GOLDEN = {  # of PyTorch 2.13
    "Normal": {
        "log_prob": [-0.2457913, -1.692086, -3.105792, -1.657086],
        "cdf": [0.5792598, 0.6554217, 0.008197546, 0.3820886],
        "entropy": [0.7257913, 2.112086, 0.7257913, 2.112086], "mean": [0.2, -1.0, 1.5, 0.4],
        "variance": [0.25, 4.0, 0.25, 4.0], "mode": [0.2, -1.0, 1.5, 0.4],
    },
    "LogNormal": {
        "log_prob": [-2.964098, -1.969143, -13.64476, -1.80033],
        "cdf": [0.002492934, 0.7227936, 2.980232e-08, 0.456665],
        "entropy": [0.9257913, 1.112086, 2.225791, 2.512086],
        "mean": [1.384031, 2.718282, 5.078419, 11.02318],
        "variance": [0.5440623, 396.0397, 7.325112, 6512.734],
        "mode": [0.9512295, 0.006737947, 3.490343, 0.02732372],
    },
    "Laplace": {
        "log_prob": [-0.2, -1.786294, -2.4, -1.686294],
        "cdf": [0.5906346, 0.66484, 0.04535899, 0.3704091],
        "entropy": [1.0, 2.386294, 1.0, 2.386294], "mean": [0.2, -1.0, 1.5, 0.4],
        "variance": [0.5, 8.0, 0.5, 8.0], "mode": [0.2, -1.0, 1.5, 0.4],
    },
    "Uniform": {
        "log_prob": [-1.098612, 0.6931472], "cdf": [0.4333333, 0.4],
        "entropy": [1.098612, -0.6931472], "mean": [0.5, 0.25], "variance": [0.75, 0.02083333],
    },
    "Exponential": {
        "log_prob": [-0.8431472, -1.306853], "cdf": [0.139292, 0.8646647],
        "entropy": [1.693147, 0.3068528], "mean": [2.0, 0.5], "variance": [4.0, 0.25],
        "mode": [0.0, 0.0],
    },
    "Bernoulli": {
        "log_prob": [-1.203973, -2.302585], "entropy": [0.6108643, 0.325083], "mean": [0.3, 0.9],
        "variance": [0.21, 0.09000002], "mode": [0.0, 1.0],
    },
    "Categorical": {
        "log_prob": [-0.356675, -1.386294], "entropy": [0.8018185, 1.039721], "mode": [2.0, 0.0],
    },
    "OneHotCategorical": {
        "log_prob": [-0.356675, -1.386294], "entropy": [0.8018185, 1.039721],
        "mean": [0.1, 0.2, 0.7, 0.5, 0.25, 0.25],
        "variance": [0.09, 0.16, 0.21, 0.25, 0.1875, 0.1875],
        "mode": [0.0, 0.0, 1.0, 1.0, 0.0, 0.0],
    },
}  # fmt: skip


def made(name, **settings):
    return getattr(D, name)(*(tt.tensor(p) for p in CASES[name][0]), **settings)


def known(distribution, name, value):
    """What the golden numbers are of."""
    found = {}
    for method in GOLDEN[name]:
        x = getattr(distribution, method)
        found[method] = x(value) if method in ("log_prob", "cdf") else x() if callable(x) else x
    return found


@pytest.mark.parametrize("name", CASES)
def test_numbers_are_pytorchs(name):
    found = known(made(name), name, tt.tensor(CASES[name][1]))
    for method, right in GOLDEN[name].items():
        np.testing.assert_allclose(
            found[method].numpy().reshape(-1), right, rtol=2e-5, atol=1e-6, err_msg=method
        )


@pytest.mark.parametrize("name", CASES)
def test_compiled_is_eager(name):
    def scenario(compile):
        @compile
        def step(value, *parameters):
            leaves = [p.detach().requires_grad_() for p in parameters]
            d = getattr(D, name)(*leaves)
            if d.has_rsample:
                (d.rsample((3,)) * value).sum().backward(retain_graph=True)
            (d.log_prob(value) + d.entropy()).sum().backward()
            return [leaf.grad for leaf in leaves], known(d, name, value), d.sample((4,))

        return step(tt.tensor(CASES[name][1]), *(tt.tensor(p) for p in CASES[name][0]))

    check(scenario, compiles=1, rtol=1e-4)


@pytest.mark.parametrize("name", CASES)
def test_draws_have_the_mean_and_shape(name):
    tt.manual_seed(0)
    d = made(name)
    drawn = d.sample((4000,))
    assert drawn.shape == (4000, *d.batch_shape, *d.event_shape)
    assert not drawn.requires_grad
    if name != "Categorical":
        error = (drawn.mean(0) - d.mean).abs()
        assert (error < 6 * d.stddev / math.sqrt(4000)).all().item()
    else:
        share = (drawn == 2).float().mean(0)
        np.testing.assert_allclose(share.numpy(), [0.7, 0.25], atol=0.04)
    assert d.expand((5, *d.batch_shape)).sample().shape == (5, *d.batch_shape, *d.event_shape)
    repr(d)


@pytest.mark.parametrize("name", ["Normal", "Laplace", "LogNormal", "Uniform", "Exponential"])
def test_icdf_undoes_cdf(name):
    d, value = made(name), tt.tensor(CASES[name][1])
    if name == "LogNormal":
        value = d.icdf(tt.tensor(0.4))
    np.testing.assert_allclose(
        d.icdf(d.cdf(value)).numpy(), value.expand(d.batch_shape).numpy(), rtol=1e-3
    )


@pytest.mark.parametrize(
    ("p", "q"),
    [
        (D.Normal(0.3, 0.5), D.Normal(-0.2, 1.5)),
        (D.Laplace(0.3, 0.5), D.Laplace(-0.2, 1.5)),
        (D.LogNormal(0.3, 0.5), D.LogNormal(-0.2, 1.5)),
        (D.Exponential(2.0), D.Exponential(0.7)),
        (D.Uniform(0.0, 1.0), D.Uniform(-1.0, 2.0)),
        (D.Uniform(0.0, 1.0), D.Normal(0.5, 1.5)),
        (D.Bernoulli(0.3), D.Bernoulli(0.6)),
        (D.Categorical(tt.tensor(CHOICE[0])), D.Categorical(tt.tensor(CHOICE[1]))),
    ],
)
def test_divergence_is_the_mean_of_the_difference(p, q):
    tt.manual_seed(0)
    x = p.sample((20000,))
    mean = (p.log_prob(x) - q.log_prob(x)).mean()
    assert D.kl_divergence(p, q).item() == pytest.approx(mean.item(), abs=0.03)
    assert D.kl_divergence(p, p).item() == pytest.approx(0, abs=1e-6)


def test_divergence_where_one_cannot_happen():
    never, even = D.Bernoulli(0.0), D.Bernoulli(0.5)
    assert D.kl_divergence(never, even).item() == pytest.approx(math.log(2))
    assert D.kl_divergence(even, never).item() == math.inf
    assert D.kl_divergence(D.Uniform(0.0, 2.0), D.Uniform(0.0, 1.0)).item() == math.inf
    with pytest.raises(NotImplementedError, match="Normal.*Bernoulli"):
        D.kl_divergence(D.Normal(0.0, 1.0), even)


def test_a_divergence_of_ones_own():
    class Mine(D.Normal):
        pass

    @D.register_kl(Mine, D.Normal)
    def _(p, q):
        return p.loc * 0 + 7

    assert D.kl_divergence(Mine(0.0, 1.0), D.Normal(0.0, 1.0)).item() == 7
    assert D.kl_divergence(D.Normal(0.0, 1.0), Mine(0.0, 1.0)).item() == 0
    with pytest.raises(TypeError):
        D.register_kl(int, D.Normal)


def test_independent():
    d = D.Independent(D.Normal(tt.tensor(LOC), tt.tensor(SCALE)), 1)
    assert (d.batch_shape, d.event_shape) == ((2,), (2,))
    x = tt.tensor([0.3, -0.2])
    right = np.array(GOLDEN["Normal"]["log_prob"]).reshape(2, 2).sum(1)
    np.testing.assert_allclose(d.log_prob(x).numpy(), right, rtol=1e-5)
    assert d.expand((3, 2)).rsample((5,)).shape == (5, 3, 2, 2)
    assert D.kl_divergence(d, d).shape == (2,)
    with pytest.raises(ValueError, match="3 vs 2"):
        D.Independent(D.Normal(tt.tensor(LOC), 1.0), 3)


@pytest.mark.parametrize(
    "make",
    [
        lambda: D.Normal(0.0, -1.0),
        lambda: D.Normal(float("nan"), 1.0),
        lambda: D.Normal("a", 1),
        lambda: D.Uniform(1.0, 0.0),
        lambda: D.Exponential(0.0),
        lambda: D.Bernoulli(1.5),
        lambda: D.Bernoulli(),
        lambda: D.Categorical(tt.ones(3), tt.ones(3)),
        lambda: D.Categorical(tt.tensor(1.0)),
        lambda: D.Categorical(tt.tensor([0.5, -0.6])),
        lambda: D.Categorical(tt.ones(3)).log_prob(tt.tensor(3)),
        lambda: D.Bernoulli(0.5).log_prob(tt.tensor(2.0)),
        lambda: D.Normal(0.0, 1.0).log_prob(3.0),
        lambda: D.Normal(tt.zeros(2), 1.0).log_prob(tt.zeros(3)),
        lambda: D.OneHotCategorical(tt.ones(3)).log_prob(tt.zeros(4)),
    ],
)
def test_what_is_no_distribution_or_value_is_refused(make):
    with pytest.raises(ValueError, match="."):
        make()


def test_checks_can_be_switched_off():
    assert D.Normal(0.0, -1.0, validate_args=False).scale.item() == -1
    D.Distribution.set_default_validate_args(False)
    try:
        D.Normal(0.0, -1.0)
    finally:
        D.Distribution.set_default_validate_args(True)


def test_compiled_checks_raise_when_called():
    @tt.compile
    def score(scale, x):
        return D.Normal(0.0, scale).log_prob(x)

    score(tt.ones(2), tt.ones(2))
    with pytest.raises(ValueError, match="scale"):
        score(tt.tensor([1.0, -1.0]), tt.ones(2))
    with pytest.raises(ValueError, match="support"):
        score(tt.ones(2), tt.tensor([1.0, float("nan")]))


def test_a_policy_gradient_step():
    def scenario(compile):
        policy = tt.nn.Linear(4, 3)
        with tt.no_grad():
            policy.weight.copy_(normal(3, 4))
            policy.bias.zero_()
        optimizer = tt.optim.Adam(policy.parameters(), lr=0.1)

        @compile
        def step(states, reward):
            d = D.Categorical(logits=policy(states))
            action = d.sample()
            loss = -(d.log_prob(action) * reward).mean() - 0.01 * d.entropy().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss, action

        return [step(normal(6, 4, seed=k), normal(6)) for k in range(3)]

    check(scenario, compiles=1)


def test_a_distribution_from_outside_is_watched():
    prior = D.Normal(tt.zeros(2), tt.ones(2))

    @tt.compile
    def step(x):
        return prior.log_prob(x)

    x = tt.ones(2)
    np.testing.assert_allclose(step(x).numpy(), prior.log_prob(x).numpy())
    prior.loc.fill_(3)
    np.testing.assert_allclose(step(x).numpy(), prior.log_prob(x).numpy())
    prior.loc = tt.full((2,), 5.0)
    np.testing.assert_allclose(step(x).numpy(), prior.log_prob(x).numpy())


def test_a_distribution_as_a_result_is_refused():
    @tt.compile
    def step(x):
        return D.Normal(x, 1.0)

    with pytest.raises(TraceError, match="Normal"):
        step(tt.ones(2))
