"""Tensors of nested data: what sequences may hold, and the dtype it gives."""

from __future__ import annotations

from collections import UserList, deque

import numpy as np
import pytest

import tinytorch as tt


@pytest.mark.parametrize(
    ("data", "dtype", "values"),
    [
        (deque([1.0, 2.0]), tt.float32, [1, 2]),
        (range(3), tt.int64, [0, 1, 2]),
        (UserList([1, 2]), tt.int64, [1, 2]),
        ([range(2), (3, 4)], tt.int64, [[0, 1], [3, 4]]),
        ([deque([1]), deque([2])], tt.int64, [[1], [2]]),
        ([True, False], tt.bool, [1, 0]),
        ([True, 2], tt.int64, [1, 2]),
        ([1, 2.5, True], tt.float32, [1, 2.5, 1]),
        ([[], []], tt.float32, [[], []]),
        ([np.float32(1), np.float32(2)], tt.float32, [1, 2]),
        ([np.float64(1.5)], tt.float64, [1.5]),
        ([np.float16(1), 2.5], tt.float32, [1, 2.5]),
        ([np.int32(1)], tt.int32, [1]),
        ([np.array([1, 2]), np.array([3, 4])], tt.int64, [[1, 2], [3, 4]]),
        ([tt.tensor(1.0), tt.tensor(2.0)], tt.float32, [1, 2]),
        ([tt.tensor([1.0]), tt.tensor([2.0])], tt.float32, [1, 2]),
        ([tt.tensor(1), 2.5], tt.float32, [1, 2.5]),
    ],
)
def test_nested_data(data, dtype, values):
    made = tt.tensor(data)
    assert made.dtype is dtype
    assert made.tolist() == values
    assert tt.LongTensor(data).tolist() == np.array(values, dtype=int).tolist()


def test_tensors_in_a_list_are_numbers():
    assert not tt.tensor([tt.tensor(2.0, requires_grad=True)]).requires_grad
    with pytest.raises(ValueError, match="only one element tensors"):
        tt.tensor([tt.ones(2), tt.ones(2)])

    @tt.compile
    def step(x):
        return tt.tensor([x[0], x[1]])

    with pytest.raises(tt.errors.TraceError, match="test_nested_data"):
        step(tt.ones(2))
