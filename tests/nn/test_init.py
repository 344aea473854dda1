"""Fills with structure: orthogonal, Dirac, sparse, truncated; generators."""

import math

import numpy as np
import pytest

import tinytorch as tt
from tinytorch.nn import init


@pytest.mark.parametrize("shape", [(4, 6), (6, 4), (5, 5), (4, 3, 2)])
def test_orthogonal(shape):
    tensor = tt.empty(*shape)
    assert init.orthogonal_(tensor, gain=2.0) is tensor
    matrix = tensor.numpy().reshape(shape[0], -1)
    small = matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix
    np.testing.assert_allclose(small, 4 * np.eye(len(small)), atol=1e-5)


def test_dirac_hands_channels_on():
    tensor = init.dirac_(tt.ones(4, 2, 3), groups=2)
    expected = np.zeros((4, 2, 3))
    for row, channel in ((0, 0), (1, 1), (2, 0), (3, 1)):
        expected[row, channel, 1] = 1
    np.testing.assert_array_equal(tensor.numpy(), expected)
    assert float(init.dirac_(tt.ones(1, 1, 3, 3)).sum()) == 1
    with pytest.raises(ValueError, match="divisible by groups"):
        init.dirac_(tt.ones(3, 2, 3), groups=2)
    with pytest.raises(ValueError, match="3, 4, or 5 dimensions"):
        init.dirac_(tt.ones(3, 2))


def test_sparse():
    tensor = init.sparse_(tt.empty(10, 7), sparsity=0.25, std=0.5)
    assert ((tensor.numpy() == 0).sum(0) == 3).all()


@pytest.mark.parametrize(("mean", "std", "a", "b"), [(0, 1, -2, 2), (0, 1, 1.5, 1.7), (2, 3, 2, 9)])
def test_truncated_normal(mean, std, a, b):
    tt.manual_seed(0)
    found = init.trunc_normal_(tt.empty(4000), mean, std, a, b).numpy()
    assert found.min() >= a
    assert found.max() <= b
    grid = np.linspace(a, b, 2001)
    weight = np.exp(-0.5 * ((grid - mean) / std) ** 2)
    assert found.mean() == pytest.approx((grid * weight).sum() / weight.sum(), abs=0.04 * (b - a))


def test_a_generator_of_its_own():
    fills = (init.uniform_, init.normal_, init.trunc_normal_, init.xavier_uniform_,
             init.xavier_normal_, init.kaiming_uniform_, init.kaiming_normal_, init.orthogonal_,
             lambda t, generator: init.sparse_(t, 0.5, generator=generator))  # fmt: skip
    for fill in fills:
        tt.manual_seed(3)
        expected = fill(tt.empty(3, 3), generator=None).numpy()
        before = tt.get_rng_state().tolist()
        found = fill(tt.empty(3, 3), generator=tt.Generator(3)).numpy()
        np.testing.assert_array_equal(found, expected)
        assert tt.get_rng_state().tolist() == before


def test_errors_and_gains():
    with pytest.raises(ValueError, match="2 or more dimensions"):
        init.orthogonal_(tt.ones(2))
    with pytest.raises(ValueError, match="2 dimensions"):
        init.sparse_(tt.ones(2), 0.1)
    with pytest.warns(UserWarning, match="zero-element"):
        init.kaiming_normal_(tt.empty(0, 2))
    assert init.calculate_gain("conv_transpose2d") == 1
    assert init.calculate_gain("leaky_relu", 1) == pytest.approx(1.0)
    assert init.calculate_gain("selu") == 0.75
    assert math.isclose(init.calculate_gain("tanh"), 5 / 3)
