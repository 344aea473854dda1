"""The course's six sets of points in the unit square, drawn by ``random``."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from tinytorch.data.planar import RULES, spiral_points


@dataclass
class Graph:
    """``N`` points ``X`` with labels ``y`` of 0 and 1."""

    N: int
    X: list[tuple[float, float]]
    y: list[int]


def make_pts(N: int) -> list[tuple[float, float]]:  # noqa: N803 - MiniTorch's name
    """Uniform points of the unit square, by ``random.random``."""
    return [(random.random(), random.random()) for _ in range(N)]


def _labelled(name: str) -> Callable[[int], Graph]:
    rule = RULES[name]

    def draw(N: int) -> Graph:  # noqa: N803
        X = make_pts(N)
        return Graph(N, X, [int(rule(x1, x2)) for x1, x2 in X])

    draw.__name__ = name.lower()
    draw.__doc__ = f"The set {name!r}, see ``tinytorch.data``."
    return draw


simple, diag, split, xor, circle = map(_labelled, RULES)


def spiral(N: int) -> Graph:  # noqa: N803
    """Two arms of a spiral, half the points each."""
    half = N // 2
    return Graph(N, spiral_points(N), [0] * half + [1] * half)


datasets = {
    "Simple": simple, "Diag": diag, "Split": split, "Xor": xor, "Circle": circle, "Spiral": spiral,
}  # fmt: skip
