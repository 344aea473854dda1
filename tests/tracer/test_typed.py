"""Tensors made by class, in the manner of older programs."""

from __future__ import annotations

import numpy as np
import pytest
from agreement import check, normal

import tinytorch as tt

CLASSES = {
    tt.FloatTensor: tt.float32, tt.DoubleTensor: tt.float64, tt.HalfTensor: tt.float16,
    tt.BFloat16Tensor: tt.bfloat16, tt.ByteTensor: tt.uint8, tt.CharTensor: tt.int8,
    tt.ShortTensor: tt.int16, tt.IntTensor: tt.int32, tt.LongTensor: tt.int64,
    tt.BoolTensor: tt.bool,
}  # fmt: skip


@pytest.mark.parametrize("kind", CLASSES)
def test_a_class_stands_for_a_dtype(kind):
    made = kind([0, 1])
    assert made.dtype is CLASSES[kind]
    assert made.type() == f"tinytorch.{kind.__name__}"
    assert isinstance(made, kind)
    assert isinstance(made, tt.Tensor)
    assert not any(isinstance(made, other) for other in CLASSES if other is not kind)
    assert kind(2, 3).shape == (2, 3)
    assert tt.ones(2).type(kind).dtype is made.dtype
    assert tt.ones(2).type(made.type()).dtype is made.dtype
    assert kind(made).tolist() == made.tolist()


def test_tensor_takes_sizes_or_data():
    assert tt.Tensor().shape == (0,)
    assert tt.Tensor(3).shape == (3,)
    assert tt.Tensor(2, 3).shape == (2, 3)
    assert tt.Tensor(tt.ones(4, 1).shape).shape == (4, 1)
    assert tt.Tensor((2, 3)).tolist() == [2.0, 3.0]
    assert tt.Tensor([[1, 2], [3, 4]]).dtype is tt.float32
    assert tt.Tensor(np.arange(3)).dtype is tt.float32
    x = tt.arange(2)
    tt.Tensor(x)[0] = 7  # the same memory
    assert x.tolist() == [7, 1]


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: tt.Tensor(3.5), TypeError),
        (lambda: tt.Tensor(True), TypeError),
        (lambda: tt.Tensor("ab"), TypeError),
        (lambda: tt.Tensor(2, 3.0), TypeError),
        (lambda: tt.Tensor(-1), RuntimeError),
        (lambda: tt.LongTensor(tt.ones(2)), TypeError),
        (lambda: tt.Tensor([[1], [2, 3]]), ValueError),
        (lambda: tt.ones(2).type("torch.Tensors"), TypeError),
        (lambda: tt.ones(2).type(int), TypeError),
    ],
)
def test_what_is_neither_is_refused(make, error):
    with pytest.raises(error):
        make()


def test_a_parameter_of_sizes():
    weight = tt.nn.Parameter(tt.Tensor(2, 3))
    tt.nn.init.ones_(weight)
    assert weight.sum().item() == 6


def test_compiled():
    def scenario(compile):
        @compile
        def step(x):
            return x + tt.Tensor([1, 2, 3]) + tt.Tensor(3).zero_(), x.type(tt.LongTensor)

        return step(normal(2, 3))

    check(scenario, compiles=1)
