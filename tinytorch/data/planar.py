"""MiniTorch's six sets of points in the unit square, in two classes.

Each function takes a number of points and returns a TensorDataset of points, float32 of shape
(n, 2), and classes, int64 of shape (n,). Points are drawn from a generator or the default one, but
for ``spiral``, which draws nothing. Source: MiniTorch, ``minitorch/datasets.py``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tinytorch.data.dataset import TensorDataset
from tinytorch.data.sampler import uniform
from tinytorch.tracer.factories import from_numpy
from tinytorch.tracer.generator import Generator

Rule = Callable[[Any, Any], Any]
RULES: dict[str, Rule] = {
    "Simple": lambda x, y: x < 0.5,
    "Diag": lambda x, y: x + y < 0.5,
    "Split": lambda x, y: (x < 0.2) | (x > 0.8),
    "Xor": lambda x, y: (x < 0.5) & (y > 0.5) | (x > 0.5) & (y < 0.5),
    "Circle": lambda x, y: (x - 0.5) ** 2 + (y - 0.5) ** 2 > 0.1,
}
"""Which points (floats, or arrays of them) are of class 1."""


def _drawn(n: int, generator: Generator | None, rule: Rule) -> TensorDataset:
    _check(n)
    points = uniform(2 * n, generator).reshape(n, 2).astype(np.float32)
    classes = rule(*points.T.astype(np.float64))
    return TensorDataset(from_numpy(points), from_numpy(classes.astype(np.int64)))


def _check(n: int) -> None:
    if not isinstance(n, int) or n < 0:
        raise ValueError(f"the number of points must be an int of at least 0, got {n!r}")


def simple(n: int, generator: Generator | None = None) -> TensorDataset:
    """1 left of the middle."""
    return _drawn(n, generator, RULES["Simple"])


def diag(n: int, generator: Generator | None = None) -> TensorDataset:
    """1 in the corner below the line x + y = 1/2."""
    return _drawn(n, generator, RULES["Diag"])


def split(n: int, generator: Generator | None = None) -> TensorDataset:
    """1 in the bands at the left and the right."""
    return _drawn(n, generator, RULES["Split"])


def xor(n: int, generator: Generator | None = None) -> TensorDataset:
    """1 in two opposite quarters."""
    return _drawn(n, generator, RULES["Xor"])


def circle(n: int, generator: Generator | None = None) -> TensorDataset:
    """1 outside a circle about the middle."""
    return _drawn(n, generator, RULES["Circle"])


def spiral(n: int, generator: Generator | None = None) -> TensorDataset:
    """Two arms of n // 2 points each, the first 0 and the second 1."""
    _check(n)
    points = np.array(spiral_points(n), np.float32).reshape(-1, 2)
    classes = np.repeat(np.arange(2), n // 2)
    return TensorDataset(from_numpy(points), from_numpy(classes.astype(np.int64)))


def spiral_points(n: int) -> list[tuple[float, float]]:
    """Two arms of n // 2 points each, whose ends may leave the square."""

    def along(t: float) -> float:
        return t * math.cos(t) / 20.0 + 0.5

    def across(t: float) -> float:
        return t * math.sin(t) / 20.0 + 0.5

    half = n // 2
    turns = [10.0 * i / half for i in range(5, 5 + half)]
    return [(along(t), across(t)) for t in turns] + [(across(-t), along(-t)) for t in turns]


datasets: dict[str, Callable[..., TensorDataset]] = {
    "Simple": simple, "Diag": diag, "Split": split, "Xor": xor, "Circle": circle, "Spiral": spiral,
}  # fmt: skip
"""The sets by MiniTorch's names."""

__all__ = ["circle", "datasets", "diag", "simple", "spiral", "split", "xor"]
