"""lgamma and its derivatives, Bessel functions, and what stands in ``special``."""

import math

import numpy as np
import pytest

import tinytorch as tt
from tinytorch import special

X = np.concatenate([np.linspace(-4.7, 12, 120), np.logspace(-20, 20, 60)])


def exact(value):
    return tt.tensor(value, dtype=tt.float64)


def test_lgamma_is_that_of_the_c_library():
    expected = np.array([math.lgamma(x) for x in X])
    np.testing.assert_allclose(tt.lgamma(exact(X)).numpy(), expected, rtol=1e-12, atol=1e-14)
    single = X.astype("f4")
    expected = np.array([math.lgamma(x) for x in single], "f4")
    found = tt.lgamma(tt.tensor(single)).numpy()
    np.testing.assert_array_less(np.abs(found - expected), 2 * np.spacing(np.abs(expected)))
    edges = tt.lgamma(tt.tensor([0.0, -1.0, -3.0, math.inf, -math.inf, 1.0, 2.0, math.nan]))
    np.testing.assert_array_equal(edges.numpy(), [math.inf] * 5 + [0, 0, math.nan])


def test_digamma_and_polygamma():
    euler = 0.57721566490153286
    near = special.digamma(exact([1.0, 0.5, 2.0, -0.5])).numpy()
    half = -euler - 2 * math.log(2)
    np.testing.assert_allclose(near, [-euler, half, 1 - euler, half + 2], rtol=1e-13)
    two = tt.polygamma(1, exact([1.0, 0.5, -0.5])).numpy()
    np.testing.assert_allclose(two, [math.pi**2 / 6, math.pi**2 / 2, math.pi**2 / 2 + 4])
    np.testing.assert_allclose(tt.polygamma(2, exact([1.0])).item(), -2 * 1.2020569031595942)
    edges = tt.digamma(tt.tensor([0.0, -0.0, -1.0, math.inf]))
    np.testing.assert_array_equal(edges.numpy(), [-math.inf, math.inf, math.nan, math.inf])
    with pytest.raises(RuntimeError, match="does not support negative n"):
        tt.polygamma(-1, tt.ones(2))


def test_modified_bessel_functions():
    x = np.linspace(-60, 60, 41)
    np.testing.assert_allclose(special.i0(exact(x)).numpy(), np.i0(x), rtol=1e-13)
    scaled = np.i0(x) * np.exp(-np.abs(x))
    np.testing.assert_allclose(special.i0e(exact(x)).numpy(), scaled, rtol=1e-13)
    # I1 is the derivative of I0.
    leaf = exact(x).requires_grad_()
    special.i0(leaf).sum().backward()
    np.testing.assert_allclose(leaf.grad.numpy(), special.i1(exact(x)).numpy(), rtol=1e-11)
    assert special.i0(tt.tensor([math.inf])).item() == math.inf
    assert special.i1e(tt.tensor([-math.inf])).item() == 0


@pytest.mark.parametrize(
    "function",
    [tt.lgamma, tt.digamma, lambda x: tt.polygamma(2, x), tt.i0, special.i1e, special.ndtr,
     special.entr, lambda x: tt.mvlgamma(x + 8, 3), lambda x: special.xlog1py(x, x * x)],
)  # fmt: skip
def test_derivatives_and_compiled_values(function):
    x = exact([0.3, 1.0, 1.7, 4.2, 11.0, 2.0])
    assert tt.autograd.gradcheck(function, (x.clone().requires_grad_(),))
    assert tt.autograd.gradgradcheck(function, (x.clone().requires_grad_(),), rtol=1e-3)

    def step(x):
        function(x).sum().backward()
        return function(x)

    a, b = x.clone().requires_grad_(), x.clone().requires_grad_()
    np.testing.assert_allclose(tt.compile(step)(a).detach().numpy(), step(b).detach().numpy())
    np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-9)


def test_other_names():
    x = tt.tensor([0.0, 0.5, -1.0, math.nan])
    np.testing.assert_allclose(special.entr(x).numpy(), [0, 0.34657359, -math.inf, math.nan])
    np.testing.assert_allclose(special.ndtr(tt.tensor([-10.0, 0.0])).numpy(), [7.619853e-24, 0.5])
    assert special.softmax(x[:2], 0).sum().item() == pytest.approx(1)
    assert special.expit is not None
    assert special.psi is special.digamma


def test_whole_numbers_and_parts_of_floats():
    a, b = tt.tensor([12, -18, 0]), tt.tensor([8, 27, 0])
    for run in (lambda f: f, tt.compile):
        np.testing.assert_array_equal(run(tt.gcd)(a, b).numpy(), [4, 9, 0])
        np.testing.assert_array_equal(run(tt.lcm)(a, b).numpy(), [24, 54, 0])
    with pytest.raises(NotImplementedError):
        tt.gcd(a, tt.ones(3))
    mantissa, exponent = tt.frexp(tt.tensor([8.0, -0.3]))
    np.testing.assert_allclose(mantissa.numpy(), [0.5, -0.6], rtol=1e-6)
    assert exponent.tolist() == [4, -1]
    np.testing.assert_array_equal(tt.ldexp(tt.ones(2), tt.tensor([3, -1])).numpy(), [8, 0.5])
    assert tt.nextafter(tt.tensor([1.0]), tt.tensor([2.0])).item() > 1


def test_combinations_and_vandermonde():
    x = tt.tensor([1.0, 2.0, 3.0])
    assert tt.combinations(x).tolist() == [[1, 2], [1, 3], [2, 3]]
    assert tt.combinations(x, 2, with_replacement=True).shape == (6, 2)
    assert tt.combinations(x, 4).shape == (0, 4)
    assert tt.vander(x).tolist() == [[1, 1, 1], [4, 2, 1], [9, 3, 1]]
    assert tt.vander(x, 2, increasing=True).tolist() == [[1, 1], [1, 2], [1, 3]]
    rows, columns = tt.unravel_index(tt.tensor([5, -1]), (2, 3))
    assert (rows.tolist(), columns.tolist()) == ([1, 1], [2, 2])
    assert tuple(tt.broadcast_shapes((2, 1), 3, (1, 1))) == (2, 3)
    assert tt.ones(2, 3).sum_to_size(1, 3).tolist() == [[2, 2, 2]]
    assert tt.ones(2, 3).sum_to_size(3).tolist() == [2, 2, 2]


def test_functions_of_layers_at_the_top():
    table, index = tt.eye(3), tt.tensor([2, 0])
    assert tt.embedding(table, index).tolist() == [[0, 0, 1], [1, 0, 0]]
    x = tt.randn(4, 3)
    mean, var = x.mean(0), x.var(0, unbiased=False)
    found = tt.batch_norm(x, None, None, mean, var, False, 0.1, 1e-5)
    np.testing.assert_allclose(found.mean(0).numpy(), np.zeros(3), atol=1e-6)
    assert tt.conv1d(tt.ones(1, 1, 4), tt.ones(1, 1, 2)).tolist() == [[[2, 2, 2]]]
