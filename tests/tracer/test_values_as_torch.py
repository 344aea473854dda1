"""Values and refusals at corners, as PyTorch has them."""

import math

import numpy as np
import pytest

import tinytorch as tt
import tinytorch.nn.functional as F


def test_what_memory_does_not_hold_is_a_runtime_error():
    huge = 1 << 50
    for call in (
        lambda: tt.zeros(huge), lambda: tt.zeros(1 << 60), lambda: tt.arange(huge),
        lambda: tt.rand(huge), lambda: tt.ones(2).repeat(huge), lambda: tt.ones(1).expand(huge) + 1,
        lambda: tt.ones(1).expand(huge).clone(), lambda: F.pad(tt.ones(2), (0, huge)),
        lambda: tt.histc(tt.ones(2), huge), lambda: tt.bincount(tt.tensor([huge])),
        lambda: F.adaptive_avg_pool1d(tt.ones(1, 1, 4), huge),
    ):  # fmt: skip
        with pytest.raises(RuntimeError, match="can't allocate memory"):
            call()


def test_minus_zero_stays_in_relu_and_its_kin():
    x = tt.tensor([-0.0, 0.0, -1.0, 2.0, math.nan])
    for function in (tt.relu, F.relu6, lambda x: F.hardtanh(x, 0.0, 6.0)):
        for run in (function, tt.compile(function)):
            found = run(x)
            np.testing.assert_array_equal(found.numpy(), [0, 0, 0, 2, math.nan])
            assert tt.signbit(found[:4]).tolist() == [True, False, False, False]


def test_nan_bounds_of_hardtanh_win():
    x = tt.tensor([-2.0, 0.0, 5.0])
    assert tt.isnan(F.hardtanh(x, math.nan, 1.0)).all()
    assert tt.isnan(F.hardtanh(x, -1.0, math.nan)).all()


def test_searching_puts_nan_above_all_and_compares_fractions_with_integers():
    line = tt.tensor([1, 2, 3])
    assert tt.searchsorted(line, 2.5).item() == 2
    assert tt.searchsorted(line, math.nan).item() == 3
    assert tt.bucketize(tt.tensor([1.5, math.nan]), line).tolist() == [1, 3]
    with_nan = tt.tensor([1.0, 2.0, math.nan])
    assert tt.searchsorted(with_nan, tt.tensor([math.nan, 5.0])).tolist() == [3, 3]
    assert tt.searchsorted(with_nan, tt.tensor([math.nan, 5.0]), right=True).tolist() == [3, 3]


def test_arange_of_integers_cuts_its_bounds_first():
    assert tt.arange(0.5, 3.9, dtype=tt.int64).tolist() == [0, 1, 2]
    assert tt.arange(5.7, 0.0, -1, dtype=tt.int64).tolist() == [5, 4, 3, 2, 1]
    assert tt.arange(0, 5, 1.5, dtype=tt.int32).tolist() == [0, 1, 2, 3]
    assert tt.arange(tt.tensor(3)).dtype is tt.int64
    with pytest.raises(ValueError, match="step must be nonzero"):
        tt.arange(1, 2, 0.5, dtype=tt.int64)
    with pytest.raises(RuntimeError, match="unsupported range"):
        tt.arange(math.inf)
    with pytest.raises(NotImplementedError):
        tt.arange(2, dtype=tt.bool)


def test_forms_with_a_number_before_the_last_operands():
    x, y = tt.ones(2), tt.tensor([2.0, 3.0])
    calls = [
        (lambda: tt.add(x, 2, y), [5, 7]), (lambda: x.sub(2, y), [-3, -5]),
        (lambda: x.clone().add_(2, y), [5, 7]), (lambda: x.addcmul(2, y, y), [9, 19]),
        (lambda: x.clone().addcdiv_(2, y, y), [3, 3]),
    ]  # fmt: skip
    for call, expected in calls:
        with pytest.warns(UserWarning, match="deprecated"):
            found = call()
        assert found.tolist() == expected
    assert tt.add(1, 2).item() == 3
    assert tt.mul(2, 3.0).dtype is tt.float32
    assert tt.div(1, 2).item() == 0.5


def test_average_pools_of_integers_cut_towards_zero():
    x = tt.tensor([[[1, 2, -1, -2]]])
    assert F.avg_pool1d(x, 2).tolist() == [[[1, -1]]]
    with pytest.raises(NotImplementedError):
        F.avg_pool1d(x.int(), 2)


def test_losses_refuse_targets_of_other_dtypes():
    p, bits = tt.tensor([0.3, 0.4]), tt.tensor([0, 1])
    with pytest.raises(RuntimeError, match="Found dtype"):
        F.binary_cross_entropy(p, bits)
    with pytest.raises(RuntimeError, match="can't be cast"):
        F.binary_cross_entropy_with_logits(p, bits)
    with pytest.raises(NotImplementedError):
        F.binary_cross_entropy_with_logits(bits, p)
    with pytest.raises(RuntimeError, match="can't be cast"):
        F.gaussian_nll_loss(p, p, bits + 1)
    weight = tt.tensor([1.0, 2.0], dtype=tt.float64)
    assert F.binary_cross_entropy(p, bits.float(), weight).dtype is tt.float32


@pytest.mark.parametrize("bits", [31, 32, 33, 40, 62])
def test_integers_of_wide_ranges_are_drawn_evenly(bits):
    tt.manual_seed(0)
    drawn = tt.randint(0, 1 << bits, (4000,))
    assert ((drawn >= 0) & (drawn < 1 << bits)).all()
    assert abs((drawn.double() / 2.0**bits).mean().item() - 0.5) < 0.02
    assert len(set(drawn.tolist())) > 3990
