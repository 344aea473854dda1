"""Grids, unpooling, bags of embeddings and CTC; golden numbers are from PyTorch 2.13."""

import itertools

import numpy as np
import pytest

import tinytorch as tt
import tinytorch.nn.functional as F
from tinytorch import nn

IMAGE = (tt.arange(12.0, dtype=tt.float64) ** 1.5 % 7).reshape(1, 1, 3, 4)
POINTS = tt.tensor([[[[-1.3, 0.2], [0.35, 0.7], [2.7, -3.4]]]], dtype=tt.float64)
GOLDEN = {
    ("bilinear", "zeros"): [0.0, 3.035056, 0.0],
    ("bilinear", "border"): [1.188225, 3.194796, 5.196152],
    ("bilinear", "reflection"): [1.542026, 3.194796, 1.990011],
    ("nearest", "zeros"): [0.0, 3.622777, 0.0],
    ("nearest", "border"): [1.0, 3.622777, 5.196152],
    ("nearest", "reflection"): [1.0, 3.622777, 1.627417],
    ("bicubic", "zeros"): [-0.082753, 2.998115, 0.0],
    ("bicubic", "border"): [1.285299, 3.085035, 5.196152],
    ("bicubic", "reflection"): [1.618457, 3.088567, 1.951361],
}


@pytest.mark.parametrize(("mode", "padding"), GOLDEN)
def test_grid_sample(mode, padding):
    def sample(x, grid):
        return F.grid_sample(x, grid, mode, padding, align_corners=False)

    found = sample(IMAGE, POINTS)
    np.testing.assert_allclose(found.numpy().ravel(), GOLDEN[mode, padding], atol=1e-5)
    given = IMAGE.clone().requires_grad_(), POINTS.clone().requires_grad_(mode != "nearest")
    assert tt.autograd.gradcheck(sample, given)


def test_grid_sample_compiled_and_on_volumes():
    def loss(x, grid):
        x.grad = grid.grad = None
        out = F.grid_sample(x, grid, padding_mode="reflection", align_corners=True)
        out.sum().backward()
        return out, x.grad, grid.grad

    volume = tt.linspace(0, 5, 24).reshape(1, 1, 2, 3, 4) ** 2
    places = tt.linspace(-1.2, 1.3, 12).reshape(1, 1, 2, 2, 3)
    for x, grid in ((IMAGE, POINTS), (volume, places)):
        leaves = [v.clone().requires_grad_() for v in (x, grid)]
        eager = [v.detach().numpy().copy() for v in loss(*leaves)]
        for expected, found in zip(eager, tt.compile(loss)(*leaves), strict=True):
            np.testing.assert_allclose(found.detach().numpy(), expected, rtol=1e-5, atol=1e-6)


def test_affine_grid_of_the_identity_shows_the_image_itself():
    theta = tt.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]], dtype=tt.float64)
    for corners in (True, False):
        grid = F.affine_grid(theta, (1, 1, 3, 4), align_corners=corners)
        same = F.grid_sample(IMAGE, grid, align_corners=corners)
        np.testing.assert_allclose(same.numpy(), IMAGE.numpy(), atol=1e-12)
    with pytest.raises(ValueError, match="non-zero, positive output size"):
        F.affine_grid(theta, (1, 1, 0, 4))


def test_grid_sample_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match="expected mode"):
        F.grid_sample(IMAGE, POINTS, "area")
    with pytest.raises(RuntimeError, match="same dtype"):
        F.grid_sample(IMAGE, POINTS.float())
    with pytest.raises(RuntimeError, match="bicubic interpolation only supports 4D"):
        F.grid_sample(tt.ones(1, 1, 2, 2, 2), tt.ones(1, 1, 1, 1, 3), "bicubic")


@pytest.mark.parametrize("n", [1, 2, 3])
def test_unpooling_undoes_pooling(n):
    pool, unpool = getattr(nn, f"MaxPool{n}d"), getattr(nn, f"MaxUnpool{n}d")
    x = (tt.arange(float(4**n), dtype=tt.float64) ** 1.5 % 7).reshape(1, 1, *(4,) * n)
    values, places = pool(2, return_indices=True)(x)
    found = unpool(2)(values, places)
    assert found.shape == x.shape
    again, _ = pool(2, return_indices=True)(found)
    np.testing.assert_array_equal(again.numpy(), values.numpy())
    assert int((found != 0).sum()) <= 2**n
    compiled = tt.compile(unpool(2))(values, places)
    np.testing.assert_array_equal(compiled.numpy(), found.numpy())
    leaf = values.clone().requires_grad_()
    assert tt.autograd.gradcheck(lambda v: unpool(2)(v, places), (leaf,))
    with pytest.raises(ValueError, match="invalid output_size"):
        unpool(2)(values, places, (9,) * n)
    with pytest.raises(RuntimeError):
        unpool(2)(values, places + 100)


TABLE = (tt.arange(12.0, dtype=tt.float64) ** 1.5 % 5).reshape(4, 3)
REDUCE = {"sum": np.sum, "mean": np.mean, "max": np.max}


@pytest.mark.parametrize("mode", REDUCE)
def test_bags(mode):
    table = TABLE.numpy()
    rows = tt.tensor([0, 1, 2, 3, 1])

    def bags(weight):
        return F.embedding_bag(rows, weight, tt.tensor([0, 2, 2]), mode=mode)

    expected = [REDUCE[mode](table[[0, 1]], 0), np.zeros(3), REDUCE[mode](table[[2, 3, 1]], 0)]
    np.testing.assert_allclose(bags(TABLE).numpy(), expected)
    np.testing.assert_allclose(tt.compile(bags)(TABLE).numpy(), expected)
    assert tt.autograd.gradcheck(bags, (TABLE.clone().requires_grad_(),))
    ends = F.embedding_bag(rows, TABLE, tt.tensor([0, 2, 2, 5]), mode=mode,
                           include_last_offset=True)  # fmt: skip
    np.testing.assert_allclose(ends.numpy(), expected)
    layer = nn.EmbeddingBag.from_pretrained(TABLE, mode=mode, padding_idx=1)
    found = layer(tt.tensor([[0, 1], [1, 1]]))
    np.testing.assert_allclose(found.numpy(), [table[0], np.zeros(3)])


def test_bags_with_weights_and_refusals():
    index, scale = tt.tensor([[0, 1]]), tt.tensor([[2.0, 3.0]], dtype=tt.float64)
    found = F.embedding_bag(index, TABLE, mode="sum", per_sample_weights=scale)
    np.testing.assert_allclose(found.numpy()[0], 2 * TABLE.numpy()[0] + 3 * TABLE.numpy()[1])
    with pytest.raises(NotImplementedError, match="per_sample_weights"):
        F.embedding_bag(index, TABLE, per_sample_weights=scale)
    with pytest.raises(ValueError, match="offsets has to be a 1D Tensor"):
        F.embedding_bag(index[0], TABLE)
    with pytest.raises(ValueError, match="offsets has to be None"):
        F.embedding_bag(index, TABLE, tt.tensor([0]))
    assert repr(nn.EmbeddingBag(4, 3)) == "EmbeddingBag(4, 3, mode='mean')"


FRAMES = F.log_softmax((tt.arange(60.0, dtype=tt.float64) ** 1.5 % 3).reshape(5, 3, 4), -1)
LABELS, HEARD, SAID = tt.tensor([[1, 2], [2, 2], [3, 1]]), (5, 5, 4), (2, 2, 1)


def likelihood_by_hand(frames, labels):
    """The sum over all paths that collapse to the labels."""
    total = 0.0
    for path in itertools.product(range(frames.shape[1]), repeat=len(frames)):
        kept = [k for i, k in enumerate(path) if k and (i == 0 or path[i - 1] != k)]
        if kept == list(labels):
            total += np.exp(sum(frames[t, k] for t, k in enumerate(path)))
    return -np.log(total)


def test_ctc_counts_every_alignment():
    found = F.ctc_loss(FRAMES, LABELS, HEARD, SAID, reduction="none").numpy()
    by_hand = [
        likelihood_by_hand(FRAMES.numpy()[:t, i], LABELS.numpy()[i, :n])
        for i, (t, n) in enumerate(zip(HEARD, SAID, strict=True))
    ]
    np.testing.assert_allclose(found, by_hand)
    np.testing.assert_allclose(found, [4.5692, 4.4701, 3.6670], atol=1e-4)
    mean = nn.CTCLoss()(FRAMES, tt.tensor([1, 2, 2, 2, 3]), tt.tensor(HEARD), tt.tensor(SAID))
    np.testing.assert_allclose(mean.item(), np.mean(found / SAID))


def test_ctc_is_differentiated_and_compiled():
    def loss(x):
        return F.ctc_loss(F.log_softmax(x, -1), LABELS, HEARD, SAID, reduction="sum")

    x = FRAMES.clone().requires_grad_()
    assert tt.autograd.gradcheck(loss, (x,))

    @tt.compile
    def step(x):
        loss(x).backward()
        return x.grad

    loss(x).backward()
    eager, x.grad = x.grad.numpy().copy(), None
    np.testing.assert_allclose(step(x).numpy(), eager, rtol=1e-6)


def test_ctc_of_targets_that_no_alignment_fits():
    args = FRAMES, tt.tensor([[1, 2, 3], [2, 2, 2], [3, 1, 1]]), (5, 3, 4), (3, 3, 0)
    assert F.ctc_loss(*args, reduction="none")[1].item() == float("inf")
    x = FRAMES.clone().requires_grad_()
    losses = F.ctc_loss(x, *args[1:], reduction="none", zero_infinity=True)
    assert losses[1].item() == 0
    losses.sum().backward()
    assert tt.isfinite(x.grad).all()
    with pytest.raises(RuntimeError, match="batch_size"):
        F.ctc_loss(FRAMES, LABELS, (5,), SAID)
