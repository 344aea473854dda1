"""Factorizations and what is computed from them: values, derivatives, refusals."""

import numpy as np
import pytest

import tinytorch as tt
from tinytorch import linalg
from tinytorch.errors import TraceError

rng = np.random.default_rng(0)


def matrix(*shape):
    return tt.from_numpy(rng.normal(size=shape))


def positive(n):
    a = rng.normal(size=(n, n))
    return tt.from_numpy(a @ a.T + n * np.eye(n))


SQUARE, TALL, WIDE = matrix(3, 3), matrix(4, 3), matrix(2, 4)
BATCH = matrix(2, 3, 3)
RIGHT = matrix(3, 2)

DIFFERENTIABLE = {
    "inv": (linalg.inv, (BATCH,)),
    "det": (linalg.det, (BATCH,)),
    "slogdet": (lambda a: linalg.slogdet(a).logabsdet, (BATCH,)),
    "solve": (linalg.solve, (SQUARE, RIGHT)),
    "solve of broadcast batches": (linalg.solve, (BATCH, RIGHT)),
    "solve for a vector": (linalg.solve, (SQUARE, RIGHT[:, 0].clone())),
    "solve from the right": (lambda a, b: linalg.solve(a, b, left=False), (SQUARE, matrix(2, 3))),
    "solve_triangular": (lambda a, b: linalg.solve_triangular(a, b, upper=True), (SQUARE, RIGHT)),
    "cholesky": (lambda a: linalg.cholesky((a + a.mT) / 2), (positive(3),)),
    "qr, tall": (linalg.qr, (TALL,)),
    "qr, wide": (linalg.qr, (WIDE,)),
    "svdvals": (linalg.svdvals, (TALL,)),
    "svd": (lambda a: (lambda u, s, v: (u * u, s, v[:, :1] * v, u[:, :1] * u))(
        *linalg.svd(a, full_matrices=False)), (TALL,)),
    "eigvalsh": (lambda a: linalg.eigvalsh((a + a.mT) / 2), (SQUARE,)),
    "eigh": (lambda a: linalg.eigh((a + a.mT) / 2).eigenvectors ** 2, (SQUARE,)),
    "pinv, tall": (linalg.pinv, (TALL,)),
    "pinv, wide": (linalg.pinv, (WIDE,)),
    "matrix_exp": (linalg.matrix_exp, (SQUARE,)),
    "matrix_power": (lambda a: linalg.matrix_power(a, -2), (SQUARE,)),
    "nuclear norm": (lambda a: linalg.norm(a, "nuc"), (TALL,)),
    "spectral norm": (lambda a: linalg.norm(a, 2), (TALL,)),
    "lstsq": (lambda a, b: linalg.lstsq(a, b).solution, (TALL, matrix(4, 2))),
}  # fmt: skip


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_gradients_are_those_of_finite_differences(name):
    function, operands = DIFFERENTIABLE[name]
    given = tuple(x.clone().requires_grad_() for x in operands)
    assert tt.autograd.gradcheck(function, given, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", ["inv", "det", "solve", "cholesky", "slogdet", "svdvals"])
def test_second_gradients(name):
    function, operands = DIFFERENTIABLE[name]
    given = tuple((x[0] if x.ndim == 3 else x).clone().requires_grad_() for x in operands)
    assert tt.autograd.gradgradcheck(function, given, atol=1e-4, rtol=1e-3)


def test_values():
    a, b = SQUARE.numpy(), RIGHT.numpy()
    np.testing.assert_allclose(linalg.inv(BATCH).numpy(), np.linalg.inv(BATCH.numpy()))
    np.testing.assert_allclose(linalg.solve(SQUARE, RIGHT).numpy(), np.linalg.solve(a, b))
    np.testing.assert_allclose(tt.det(BATCH).numpy(), np.linalg.det(BATCH.numpy()))
    u, s, vh = linalg.svd(TALL, full_matrices=False)
    np.testing.assert_allclose(((u * s) @ vh).numpy(), TALL.numpy())
    assert tuple(linalg.svd(TALL).U.shape) == (4, 4)
    v = tt.svd(TALL).V
    np.testing.assert_allclose(v.numpy(), vh.mT.numpy())
    q, r = TALL.qr()
    np.testing.assert_allclose((q @ r).numpy(), TALL.numpy())
    values, vectors = linalg.eigh(positive(3))
    assert (values > 0).all()
    np.testing.assert_allclose((vectors.mT @ vectors).numpy(), np.eye(3), atol=1e-12)
    lower = linalg.cholesky(positive(3))
    np.testing.assert_allclose(np.triu(lower.numpy(), 1), 0)
    np.testing.assert_allclose(tt.cholesky_inverse(lower).numpy(),
                               np.linalg.inv((lower @ lower.mT).numpy()))  # fmt: skip
    assert linalg.matrix_rank(tt.ones(3, 3)).item() == 1
    np.testing.assert_allclose(linalg.cond(SQUARE).item(), np.linalg.cond(a))
    np.testing.assert_allclose(linalg.norm(TALL, "nuc").item(), np.linalg.norm(TALL.numpy(), "nuc"))
    found = linalg.matrix_norm(BATCH, 2, (0, 2), keepdim=True)
    assert tuple(found.shape) == (1, 3, 1)
    rotation = linalg.matrix_exp(tt.tensor([[0.0, -np.pi], [np.pi, 0.0]], dtype=tt.float64))
    np.testing.assert_allclose(rotation.numpy(), -np.eye(2), atol=1e-12)
    np.testing.assert_allclose(tt.logdet(positive(2) * 0 + tt.eye(2)).item(), 0)
    eye = tt.eye(6).reshape(2, 3, 6)
    assert tuple(linalg.tensorinv(eye).shape) == (6, 2, 3)
    np.testing.assert_array_equal(linalg.tensorsolve(eye, tt.ones(2, 3)).numpy(), np.ones(6))


def test_empty_and_singular_matrices():
    assert linalg.det(tt.ones(0, 0)).item() == 1
    assert tuple(linalg.inv(tt.ones(2, 0, 0)).shape) == (2, 0, 0)
    with pytest.raises(linalg.LinAlgError, match=r"Batch element 1.*diagonal element 1 is zero"):
        linalg.inv(tt.stack([tt.eye(2), tt.zeros(2, 2)]))
    with pytest.raises(RuntimeError, match="singular"):
        linalg.solve(tt.ones(2, 2), tt.ones(2))
    with pytest.raises(linalg.LinAlgError, match="leading minor of order 2"):
        linalg.cholesky(tt.tensor([[1.0, 2.0], [2.0, 1.0]]))
    x = tt.ones(2, 2, dtype=tt.float64).requires_grad_()
    linalg.det(x).backward()
    np.testing.assert_allclose(x.grad.numpy(), [[1, -1], [-1, 1]])


def test_refusals():
    with pytest.raises(RuntimeError, match="square matrices"):
        linalg.inv(tt.ones(2, 3))
    with pytest.raises(RuntimeError, match="at least 2 dimensions"):
        linalg.det(tt.ones(3))
    with pytest.raises(RuntimeError, match="floating point"):
        linalg.inv(tt.ones(2, 2, dtype=tt.int64))
    with pytest.raises(RuntimeError, match="unrecognized mode"):
        linalg.qr(tt.ones(2, 2), "raw")
    with pytest.raises(TraceError, match="eagerly alone"):
        tt.compile(lambda x: linalg.inv(x) * 2)(tt.eye(2))
