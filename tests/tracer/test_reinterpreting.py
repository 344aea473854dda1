"""``x.view(dtype)``: the same memory under another dtype."""

import numpy as np
import pytest

import tinytorch as tt
from tinytorch.errors import TraceError


def test_bits_are_read_as_numbers_of_another_dtype():
    x = tt.tensor([[1.0, -2.0], [3.0, 0.5]])
    array = x.numpy()
    for dtype, name in ((tt.int32, "i4"), (tt.uint8, "u1"), (tt.float64, "f8"), (tt.int16, "i2")):
        found = x.view(dtype)
        assert found.dtype is dtype
        np.testing.assert_array_equal(found.numpy(), array.view(name))
    assert x.view(dtype=tt.bfloat16).shape == (2, 4)
    assert x.t().view(tt.int32).stride() == (1, 2)
    assert tt.ones(2, 0).view(tt.uint8).shape == (2, 0)


def test_memory_is_shared_and_history_is_not():
    x = tt.zeros(2)
    x.view(tt.int32).fill_(0x3F800000)
    assert x.tolist() == [1, 1]
    assert x._version == 1
    assert not tt.ones(2, requires_grad=True).view(tt.int32).requires_grad


def test_what_does_not_fit_is_refused():
    with pytest.raises(RuntimeError, match="cannot be 0"):
        tt.tensor(1.0).view(tt.int64)
    with pytest.raises(RuntimeError, match=r"size\(-1\) must be divisible"):
        tt.ones(2, 3).view(tt.float64)
    with pytest.raises(RuntimeError, match=r"stride\(-1\) must be 1"):
        tt.ones(2, 2).t().view(tt.uint8)
    with pytest.raises(TraceError, match="x.to"):
        tt.compile(lambda x: x.view(tt.int32) + 1)(tt.ones(2))


def test_poisson_counts():
    rates = tt.full((2000,), 3.5)
    tt.manual_seed(3)
    drawn = tt.poisson(rates)
    assert abs(drawn.mean().item() - 3.5) < 0.2
    assert abs(drawn.var().item() - 3.5) < 0.5
    tt.manual_seed(3)
    np.testing.assert_array_equal(tt.poisson(rates).numpy(), drawn.numpy())
    with pytest.raises(RuntimeError, match="invalid Poisson rate"):
        tt.poisson(-rates)


def test_in_place_forms_are_functions_too():
    x = tt.tensor([-1.0, 4.0])
    assert tt.relu_(x) is x
    assert tt.sqrt_(x).tolist() == [0, 2]
