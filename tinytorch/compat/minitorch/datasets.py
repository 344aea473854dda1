"""The course's six sets of points in the unit square."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass


@dataclass
class Graph:
    """``N`` points ``X`` with labels ``y`` of 0 and 1."""

    N: int
    X: list[tuple[float, float]]
    y: list[int]


def make_pts(N: int) -> list[tuple[float, float]]:  # noqa: N803 - MiniTorch's name
    """Uniform points of the unit square, by ``random.random``."""
    return [(random.random(), random.random()) for _ in range(N)]


def _labelled(N: int, inside: Callable[[float, float], bool]) -> Graph:  # noqa: N803
    X = make_pts(N)
    return Graph(N, X, [1 if inside(x1, x2) else 0 for x1, x2 in X])


def simple(N: int) -> Graph:  # noqa: N803
    """1 in the left half."""
    return _labelled(N, lambda x1, x2: x1 < 0.5)


def diag(N: int) -> Graph:  # noqa: N803
    """1 below the line x1 + x2 = 0.5."""
    return _labelled(N, lambda x1, x2: x1 + x2 < 0.5)


def split(N: int) -> Graph:  # noqa: N803
    """1 at both sides."""
    return _labelled(N, lambda x1, x2: x1 < 0.2 or x1 > 0.8)


def xor(N: int) -> Graph:  # noqa: N803
    """1 in the upper left and the lower right quarter."""
    return _labelled(N, lambda x1, x2: (x1 < 0.5 < x2) or (x1 > 0.5 > x2))


def circle(N: int) -> Graph:  # noqa: N803
    """1 outside a circle about the middle."""
    return _labelled(N, lambda x1, x2: (x1 - 0.5) ** 2 + (x2 - 0.5) ** 2 > 0.1)


def spiral(N: int) -> Graph:  # noqa: N803
    """Two arms of a spiral, half the points each; their ends may leave the square."""

    def x(t: float) -> float:
        return t * math.cos(t) / 20.0 + 0.5

    def y(t: float) -> float:
        return t * math.sin(t) / 20.0 + 0.5

    half = N // 2
    turns = [10.0 * i / half for i in range(5, 5 + half)]
    X = [(x(t), y(t)) for t in turns] + [(y(-t), x(-t)) for t in turns]
    return Graph(N, X, [0] * half + [1] * half)


datasets = {
    "Simple": simple, "Diag": diag, "Split": split, "Xor": xor, "Circle": circle, "Spiral": spiral,
}  # fmt: skip
