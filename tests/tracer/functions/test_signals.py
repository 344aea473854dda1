"""Windows, areas under curves, and other small everyday functions; numbers from PyTorch 2.13."""

import numpy as np
import pytest

import tinytorch as tt


def test_windows():
    np.testing.assert_allclose(tt.hann_window(4).numpy(), [0, 0.5, 1, 0.5], atol=1e-7)
    np.testing.assert_allclose(tt.hann_window(5, False).numpy(), [0, 0.5, 1, 0.5, 0], atol=1e-7)
    expected = [0.08, 0.3978522, 0.9121479, 0.9121479, 0.3978522]
    np.testing.assert_allclose(tt.hamming_window(5).numpy(), expected, rtol=1e-6)
    expected = [0, 0.2007702, 0.8492298, 0.8492298, 0.2007702]
    np.testing.assert_allclose(tt.blackman_window(5).numpy(), expected, atol=1e-6)
    np.testing.assert_allclose(tt.bartlett_window(5).numpy(), [0, 0.4, 0.8, 0.8, 0.4], atol=1e-7)
    assert tt.hann_window(1).tolist() == [1]
    assert tt.hann_window(0).tolist() == []
    with pytest.raises(RuntimeError, match="non-negative"):
        tt.hann_window(-1)


def test_areas_under_curves():
    y, x = tt.tensor([[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]), tt.tensor([0.0, 1.0, 3.0])
    for run in (lambda f: f, tt.compile):
        assert run(lambda y, x: tt.trapezoid(y, x))(y, x).tolist() == [3.5, 12.5]
        assert run(lambda y: tt.cumulative_trapezoid(y, dx=2.0))(y).tolist() == [[1, 4], [7, 16]]
    assert tt.trapz(y, dim=0).tolist() == [1.5, 2.5, 3.5]
    leaf = y.double().requires_grad_()
    assert tt.autograd.gradcheck(lambda v: tt.trapezoid(v, x.double()), (leaf,))


def test_diagonals_filled_in_place():
    for shape, wrap in (((3, 3), False), ((7, 3), True), ((3, 7), True), ((7, 3), False)):
        expected = np.zeros(shape)
        np.fill_diagonal(expected, 5, wrap)
        np.testing.assert_array_equal(tt.zeros(shape).fill_diagonal_(5, wrap).numpy(), expected)
    assert tt.zeros(3, 3, 3).fill_diagonal_(1).sum().item() == 3
    with pytest.raises(RuntimeError):
        tt.zeros(3).fill_diagonal_(1)


def test_other_names():
    x = tt.tensor([-1.0, 2.0], requires_grad=True)
    assert not tt.detach(x).requires_grad
    assert tt.fill(x, 3).tolist() == [3, 3]
    assert tt.real(x) is x
    assert x.conj() is x
    assert x.is_signed()
    assert not tt.ones(1, dtype=tt.uint8).is_signed()
    matrix = tt.ones(2, 2)
    assert tt.norm(matrix, p="fro").item() == pytest.approx(2)
    assert tt.norm(matrix, p="nuc").item() == pytest.approx(2)
    assert matrix.renorm_(1, 0, 1.0).tolist() == [[0.5, 0.5], [0.5, 0.5]]
