"""MiniTorch's six sets: points, rules, and the spiral's own formula."""

import math

import numpy as np
import pytest

import tinytorch as tt
from tinytorch.data import planar

RULES = {
    "Simple": lambda x, y: x < 0.5,
    "Diag": lambda x, y: x + y < 0.5,
    "Split": lambda x, y: x < 0.2 or x > 0.8,
    "Xor": lambda x, y: (x < 0.5 and y > 0.5) or (x > 0.5 and y < 0.5),
    "Circle": lambda x, y: (x - 0.5) ** 2 + (y - 0.5) ** 2 > 0.1,
}


@pytest.mark.parametrize("name", planar.datasets)
def test_set(name):
    points, classes = planar.datasets[name](200, tt.Generator(1)).tensors
    assert points.shape == (200, 2)
    assert points.dtype is tt.float32
    assert classes.dtype is tt.int64
    assert 0 <= points.numpy().min() <= points.numpy().max() <= 1.2
    if name in RULES:
        expected = [int(RULES[name](x, y)) for x, y in points.tolist()]
        assert classes.tolist() == expected
        assert 0 < sum(expected) < 200
    again = planar.datasets[name](200, tt.Generator(1)).tensors[0]
    assert again.tolist() == points.tolist()
    assert len(planar.datasets[name](0)) == 0
    with pytest.raises(ValueError, match="number of points"):
        planar.datasets[name](-1)


def test_spiral():
    points, classes = planar.spiral(20).tensors
    expected = []
    for i in range(5, 15):
        t = 10.0 * i / 10
        expected.append((t * math.cos(t) / 20 + 0.5, t * math.sin(t) / 20 + 0.5))
    for i in range(5, 15):
        t = -10.0 * i / 10
        expected.append((t * math.sin(t) / 20 + 0.5, t * math.cos(t) / 20 + 0.5))
    np.testing.assert_allclose(points.numpy(), expected, rtol=1e-6)
    assert classes.tolist() == [0] * 10 + [1] * 10
