"""The sixteen scalar operators, and map, zip and reduce of higher order, on floats and lists."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

EPS = 1e-6


def mul(x: float, y: float) -> float:
    """Product."""
    return x * y


def id(x: float) -> float:  # noqa: A001
    """The value itself."""
    return x


def add(x: float, y: float) -> float:
    """Sum."""
    return x + y


def neg(x: float) -> float:
    """Negative, as a float."""
    return -float(x)


def lt(x: float, y: float) -> float:
    """1.0 if x is less than y, else 0.0."""
    return 1.0 if x < y else 0.0


def eq(x: float, y: float) -> float:
    """1.0 if equal, else 0.0."""
    return 1.0 if x == y else 0.0


def max(x: float, y: float) -> float:  # noqa: A001
    """The larger one."""
    return x if x > y else y


def is_close(x: float, y: float) -> float:
    """1.0 if less than 0.01 apart, else 0.0."""
    return 1.0 if abs(x - y) < 1e-2 else 0.0


def sigmoid(x: float) -> float:
    """1 / (1 + exp(-x)), in the form that does not overflow."""
    if x >= 0:
        return 1.0 / (1.0 + math.exp(-x))
    return math.exp(x) / (1.0 + math.exp(x))


def relu(x: float) -> float:
    """The value where positive, else 0.0."""
    return x if x > 0 else 0.0


def log(x: float) -> float:
    """Natural logarithm of x + 1e-6."""
    return math.log(x + EPS)


def exp(x: float) -> float:
    """e to the power x."""
    return math.exp(x)


def inv(x: float) -> float:
    """1 / x."""
    return 1.0 / x


def log_back(x: float, d: float) -> float:
    """d times the derivative of ``log``."""
    return d / (x + EPS)


def inv_back(x: float, d: float) -> float:
    """d times the derivative of ``inv``."""
    return -d / (x * x)


def relu_back(x: float, d: float) -> float:
    """d times the derivative of ``relu``."""
    return d if x > 0 else 0.0


def map(fn: Callable[[float], float]) -> Callable[[Iterable[float]], list[float]]:  # noqa: A001
    """Return a function that applies ``fn`` to each element."""
    return lambda ls: [fn(x) for x in ls]


def zipWith(  # noqa: N802 - MiniTorch's name
    fn: Callable[[float, float], float],
) -> Callable[[Iterable[float], Iterable[float]], list[float]]:
    """Return a function that applies ``fn`` to pairs of elements."""
    return lambda ls1, ls2: [fn(x, y) for x, y in zip(ls1, ls2)]


def reduce(
    fn: Callable[[float, float], float], start: float
) -> Callable[[Iterable[float]], float]:
    """Return a function that combines all elements, starting from ``start``."""

    def combined(ls: Iterable[float]) -> float:
        total = start
        for x in ls:
            total = fn(x, total)
        return total

    return combined


def negList(ls: Iterable[float]) -> list[float]:  # noqa: N802 - MiniTorch's name
    """The negative of each element."""
    return map(neg)(ls)


def addLists(ls1: Iterable[float], ls2: Iterable[float]) -> list[float]:  # noqa: N802
    """Sums of pairs of elements."""
    return zipWith(add)(ls1, ls2)


def sum(ls: Iterable[float]) -> float:  # noqa: A001
    """Sum of a list."""
    return reduce(add, 0.0)(ls)


def prod(ls: Iterable[float]) -> float:
    """Product of a list."""
    return reduce(mul, 1.0)(ls)
