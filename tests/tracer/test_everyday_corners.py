"""Corners that everyday code meets: wide softmaxes of halves, empty axes, counters in buffers."""

import numpy as np
import pytest

import tinytorch as tt
from tinytorch import nn


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax_of_halves_in_the_dtype_asked_for(name: str) -> None:
    x = tt.randn(2, 3).half()
    function = getattr(tt, name)
    wide = function(x, 1, dtype=tt.float32)
    assert wide.dtype is tt.float32
    assert np.array_equal(wide.numpy(), function(x.float(), 1).numpy())
    assert function(x, 1).dtype is tt.float16


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax_along_an_empty_axis_is_empty(name: str) -> None:
    assert getattr(tt, name)(tt.zeros(0, 3), 0).shape == (0, 3)
    assert getattr(tt, name)(tt.zeros(0, 3), 1).shape == (0, 3)


def test_an_empty_tensor_is_contiguous() -> None:
    assert tt.zeros(0, 3).is_contiguous()
    assert tt.zeros(3, 0).t().is_contiguous()


def test_copying_a_number_fills_and_other_things_are_refused() -> None:
    x = tt.zeros(2)
    assert x.copy_(2.5).tolist() == [2.5, 2.5]
    for junk in ("mean", None, [1.0]):
        with pytest.raises(TypeError, match="must be Number"):
            x.copy_(junk)
        with pytest.raises(TypeError, match="must be Number"):
            x.fill_(junk)
    assert x.tolist() == [2.5, 2.5]


class Counting(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("count", tt.tensor(0))

    def forward(self, x: tt.Tensor) -> tt.Tensor:
        self.count += 1
        return x * 2


def test_a_buffer_counts_with_an_augmented_assignment() -> None:
    eager, module = Counting(), Counting()
    compiled = tt.compile(lambda x: module(x))
    for _ in range(3):
        assert compiled(tt.ones(2)).tolist() == eager(tt.ones(2)).tolist() == [2.0, 2.0]
    assert module.count.item() == eager.count.item() == 3
    assert compiled.cache_info().compiles == 1


def test_a_refused_requires_grad_names_what_to_write() -> None:
    @tt.compile
    def refused(x: tt.Tensor) -> tt.Tensor:
        return x.requires_grad_()

    @tt.compile
    def step(x: tt.Tensor) -> tt.Tensor:
        x = x.detach().requires_grad_()
        (x * x).sum().backward()
        return x.grad

    with pytest.raises(tt.errors.TraceError, match=r"x\.detach\(\)\.requires_grad_\(\)"):
        refused(tt.ones(2))
    assert step(tt.ones(2)).tolist() == [2.0, 2.0]
