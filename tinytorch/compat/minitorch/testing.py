"""The functions that the course checks values and derivatives on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tinytorch.compat.minitorch import operators


def _complex(a: float) -> float:
    inner = operators.relu(operators.relu(a * 10 + 7) * 6 + 5)
    return operators.log(operators.sigmoid(inner * 10)) / 50


class MathTest:
    """On floats."""

    neg = staticmethod(lambda a: -a)
    addConstant = staticmethod(lambda a: 5 + a)
    subConstant = staticmethod(lambda a: a - 5)
    square = staticmethod(lambda a: a * a)
    cube = staticmethod(lambda a: a * a * a)
    multConstant = staticmethod(lambda a: 5 * a)
    div = staticmethod(lambda a: a / 5)
    inv = staticmethod(lambda a: operators.inv(a + 3.5))
    sig = staticmethod(lambda a: operators.sigmoid(a))
    log = staticmethod(lambda a: operators.log(a + 100000))
    relu = staticmethod(lambda a: operators.relu(a + 5.5))
    exp = staticmethod(lambda a: operators.exp(a - 200))
    explog = staticmethod(lambda a: operators.log(a + 100000) + operators.exp(a - 200))
    complex = staticmethod(lambda a: _complex(a))
    add2 = staticmethod(lambda a, b: a + b)
    mul2 = staticmethod(lambda a, b: a * b)
    div2 = staticmethod(lambda a, b: a / (b + 5.5))
    gt2 = staticmethod(lambda a, b: operators.lt(b, a + 1.2))
    lt2 = staticmethod(lambda a, b: operators.lt(a + 1.2, b))
    eq2 = staticmethod(lambda a, b: operators.eq(a, b + 5.5))
    sum_red = staticmethod(lambda a: operators.sum(a))
    mean_red = staticmethod(lambda a: operators.sum(a) / float(len(a)))
    mean_full_red = mean_red

    @classmethod
    def _tests(cls) -> tuple[list[Any], list[Any], list[Any]]:
        """(name, function) of one argument, of two, and reductions."""
        return (
            [(n, getattr(cls, n)) for n in _ONE], [(n, getattr(cls, n)) for n in _TWO],
            [(n, getattr(cls, n)) for n in _REDUCTIONS],
        )  # fmt: skip

    @classmethod
    def _comp_testing(
        cls,
    ) -> tuple[Sequence[tuple[str, Callable[..., Any], Callable[..., Any]]], ...]:
        """(name, function on floats, function of this class), in the same three groups."""
        return tuple(
            [(name, getattr(MathTest, name), function) for name, function in group]
            for group in cls._tests()
        )


class MathTestVariable(MathTest):
    """The same on scalars and tensors."""

    inv = staticmethod(lambda a: 1.0 / (a + 3.5))
    sig = staticmethod(lambda a: a.sigmoid())
    log = staticmethod(lambda a: (a + 100000).log())
    relu = staticmethod(lambda a: (a + 5.5).relu())
    exp = staticmethod(lambda a: (a - 200).exp())
    explog = staticmethod(lambda a: (a + 100000).log() + (a - 200).exp())
    complex = staticmethod(
        lambda a: (((a * 10 + 7).relu() * 6 + 5).relu() * 10).sigmoid().log() / 50
    )
    gt2 = staticmethod(lambda a, b: a + 1.2 > b)
    lt2 = staticmethod(lambda a, b: a + 1.2 < b)
    eq2 = staticmethod(lambda a, b: a == (b + 5.5))
    sum_red = staticmethod(lambda a: a.sum(0))
    mean_red = staticmethod(lambda a: a.mean(0))
    mean_full_red = staticmethod(lambda a: a.mean())


_ONE = (
    "addConstant", "complex", "cube", "div", "exp", "explog", "inv", "log", "multConstant", "neg",
    "relu", "sig", "square", "subConstant",
)  # fmt: skip
_TWO = ("add2", "div2", "eq2", "gt2", "lt2", "mul2")
_REDUCTIONS = ("mean_full_red", "mean_red", "sum_red")
