"""Line search for the strong Wolfe conditions.

Source: Nocedal and Wright, "Numerical Optimization", 2006, algorithms 3.5 and 3.6, with the
interpolation and safeguards of PyTorch's (from Schmidt's minFunc).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

LEAST_CHANGE = 1e-9
"""Length of a bracket below which the search ends."""
DECREASE, CURVATURE = 1e-4, 0.9
"""The constants of the two conditions."""


class Point(NamedTuple):
    """How things are at some length along the direction."""

    length: float
    loss: float
    gradient: Any
    slope: float


def strong_wolfe(
    at: Callable[[float], Point], start: Point, length: float, scale: float, most: int
) -> tuple[Point, int]:
    """Return a point that fulfils the conditions (or the best there is), and the evaluations used.

    ``scale`` is the direction's largest component, ``most`` the most evaluations after the first.
    """
    point, used = at(length), 1
    before, bracket, done = start, [start, point], False
    tries = 0
    while tries < most:
        if point.loss > _allowed(start, point) or (tries > 1 and point.loss >= before.loss):
            bracket = [before, point]
            break
        if abs(point.slope) <= -CURVATURE * start.slope:
            bracket, done = [point], True
            break
        if point.slope >= 0:
            bracket = [before, point]
            break
        lowest = point.length + 0.01 * (point.length - before.length)
        length = interpolated(before, point, (lowest, point.length * 10))
        before, point = point, at(length)
        used += 1
        tries += 1
    if tries == most:
        bracket = [start, point]
    if not done:
        used += _zoom(at, start, bracket, scale, most - tries)
    return min(bracket, key=lambda end: end.loss), used


def _allowed(start: Point, point: Point) -> float:
    """The largest loss at a point that is a sufficient decrease."""
    return start.loss + DECREASE * point.length * start.slope


def _zoom(
    at: Callable[[float], Point], start: Point, bracket: list[Point], scale: float, most: int
) -> int:
    """Narrow a bracket in place until its better end will do; return the evaluations used."""
    used, stuck = 0, False
    low, high = (0, 1) if bracket[0].loss <= bracket[1].loss else (1, 0)
    while used < most:
        ends = [end.length for end in bracket]
        if abs(ends[1] - ends[0]) * scale < LEAST_CHANGE:
            break
        length, stuck = _inside(interpolated(bracket[0], bracket[1]), min(ends), max(ends), stuck)
        point = at(length)
        used += 1
        if point.loss > _allowed(start, point) or point.loss >= bracket[low].loss:
            bracket[high] = point
            low, high = (0, 1) if bracket[0].loss <= bracket[1].loss else (1, 0)
            continue
        done = abs(point.slope) <= -CURVATURE * start.slope
        if not done and point.slope * (bracket[high].length - bracket[low].length) >= 0:
            bracket[high] = bracket[low]
        bracket[low] = point
        if done:
            break
    return used


def _inside(length: float, least: float, largest: float, stuck: bool) -> tuple[float, bool]:
    """Keep a trial away from the ends, if it comes close to them twice or goes beyond."""
    margin = 0.1 * (largest - least)
    if min(largest - length, length - least) >= margin:
        return length, False
    if not stuck and least < length < largest:
        return length, True
    nearer_largest = abs(length - largest) < abs(length - least)
    return (largest - margin if nearer_largest else least + margin), False


def interpolated(a: Point, b: Point, bounds: tuple[float, float] | None = None) -> float:
    """The minimum of the cubic through two points with their slopes, within bounds."""
    if bounds is None:
        bounds = (min(a.length, b.length), max(a.length, b.length))
    if a.length > b.length:
        a, b = b, a
    width = b.length - a.length
    first = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.length - b.length)
    square = first**2 - a.slope * b.slope
    if not square >= 0:
        return (bounds[0] + bounds[1]) / 2.0
    root = math.sqrt(square)
    steep = b.slope - a.slope + 2 * root
    lowest = b.length - width * ((b.slope + root - first) / steep) if steep else bounds[1]
    return min(max(lowest, bounds[0]), bounds[1])
