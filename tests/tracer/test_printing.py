"""Tensors print as PyTorch prints them (its own text, taken once)."""

from __future__ import annotations

import numpy as np
import pytest

import tinytorch as tt

CASES = [
    (np.float32(1.5), "tensor(1.5000)"),
    (np.arange(3), "tensor([0, 1, 2])"),
    (np.array([1.0, 2, 3], "f"), "tensor([1., 2., 3.])"),
    (np.array([1.5, -22.25], "f"), "tensor([  1.5000, -22.2500])"),
    (np.array([1e-5, 1.0], "f"), "tensor([1.0000e-05, 1.0000e+00])"),
    (np.array([np.nan, np.inf, 1.0], "f"), "tensor([nan, inf, 1.])"),
    (np.zeros((0, 3), "f"), "tensor([], size=(0, 3))"),
    (np.zeros(0, int), "tensor([], dtype=tinytorch.int64)"),
    (np.arange(2000), "tensor([   0,    1,    2,  ..., 1997, 1998, 1999])"),
    (np.arange(4, dtype="i4").reshape(2, 2),
     "tensor([[0, 1],\n        [2, 3]], dtype=tinytorch.int32)"),
]  # fmt: skip


@pytest.mark.parametrize(("array", "text"), CASES)
def test_text(array: np.ndarray, text: str) -> None:
    assert repr(tt.tensor(array)) == text


def test_options() -> None:
    try:
        tt.set_printoptions(precision=2, sci_mode=False)
        assert repr(tt.tensor([1e-5, 1.25])) == "tensor([0.00, 1.25])"
    finally:
        tt.set_printoptions(profile="default")
