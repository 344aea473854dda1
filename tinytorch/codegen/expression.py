"""Scalar and index expressions as Python text, the same for every target."""

from __future__ import annotations

import math
import re
from typing import Any

from tinytorch.ir.extent import Extent, typical
from tinytorch.ir.index import Index, Quotient
from tinytorch.ir.kernel import (
    Apply,
    Cast,
    Constant,
    Expr,
    Guard,
    IndexValue,
    Load,
    Var,
)  # fmt: skip
from tinytorch.ir.storage import rounded
from tinytorch.ir.types import DType, float32

_CALL = re.compile(r"\b([a-z_][a-z_0-9]*)\(")
_BUILTIN = {"abs", "min", "max", "bool", "int", "range"}
_PLAIN = re.compile(r"[A-Za-z_0-9.\[\]]+$")


def index_text(index: Index) -> str:
    """An index as arithmetic on loop variables, longest stride first."""
    parts: list[str] = []
    for atom, coefficient in sorted(index.terms, key=lambda t: -abs(typical(t[1]))):
        if isinstance(atom, Quotient):
            symbol = "%" if atom.remainder else "//"
            text = f"({index_text(atom.index)}) {symbol} {factor_text(atom.divisor)}"
            text = text if coefficient == 1 else f"({text})"
        else:
            text = atom.name
        if isinstance(coefficient, Extent):
            text = f"{text} * {factor_text(coefficient)}"
        elif coefficient != 1:
            text = f"{text} * {coefficient}" if coefficient > 0 else f"{text} * ({coefficient})"
        parts.append(text)
    if not parts or isinstance(index.offset, Extent) or index.offset:
        parts.append(size_text(index.offset))
    return " + ".join(parts).replace("+ -", "- ")


def size_text(size: Any) -> str:
    """A size as arithmetic on the names of Dims."""
    return size.code if isinstance(size, Extent) else str(size)


def factor_text(size: Any) -> str:
    """A size as a factor."""
    if isinstance(size, Extent):
        return size.code if _PLAIN.match(size.code) else f"({size.code})"
    return str(size)


class ExpressionPrinter:
    """Prints expressions; collects the typed constants and functions they use.

    Constants other than float64, int64 and bool become named globals of their type: a Python
    number in the text would widen the arithmetic around it, and typed calls slow the compiler.
    """

    def __init__(self) -> None:
        self.functions: set[str] = set()
        self.constants: dict[tuple[str, str], str] = {}

    def constant(self, value: float | int | bool, dtype: DType) -> str:
        """A typed constant."""
        if dtype.kind == "b":
            return str(bool(value))
        if dtype.is_half:
            value = rounded(value, dtype)
        if dtype.kind == "i" and dtype.bits == 64:
            return str(int(value))
        if dtype.kind == "f" and math.isfinite(value):
            text = repr(float(value))
        elif dtype.kind == "f":
            text = "np.nan" if math.isnan(value) else ("np.inf" if value > 0 else "-np.inf")
        else:
            text = str(int(value))
        if dtype.name == "float64" and math.isfinite(value):
            return text if value >= 0 and not text.startswith("-") else f"({text})"
        key = (text, dtype.compute)
        return self.constants.setdefault(key, f"c{len(self.constants)}")

    def globals(self) -> list[str]:
        """Definitions of the constants used so far."""
        return [
            f"{name} = np.{compute}({text})" for (text, compute), name in self.constants.items()
        ]

    def text(self, expr: Expr) -> str:
        """An expression."""
        if isinstance(expr, Var):
            return expr.name
        if isinstance(expr, Constant):
            return self.constant(expr.value, expr.dtype)
        if isinstance(expr, Load):
            return f"{expr.buffer}[{index_text(expr.index)}]"
        if isinstance(expr, IndexValue):
            return index_text(expr.index)
        if isinstance(expr, Cast):
            return self._cast(expr)
        if isinstance(expr, Guard):
            return self._guard(expr)
        return self._apply(expr)

    def _apply(self, expr: Apply) -> str:
        self.functions.update(set(_CALL.findall(expr.template)) - _BUILTIN)
        inside_call = expr.template.endswith(")") and expr.template[0] not in "({"
        args = [self.text(a) for a in expr.args]
        if not inside_call:
            args = [a if _PLAIN.match(a) else f"({a})" for a in args]
        return expr.template.format(*args)

    def _cast(self, expr: Cast) -> str:
        inner = self.text(expr.arg)
        if expr.dtype.kind == "b":
            zero = self.constant(0, expr.arg.dtype)
            return f"({inner}) != {zero}"
        if expr.dtype.is_half:
            return self._rounded(expr, inner)
        if expr.dtype.kind == "i" and expr.arg.dtype.kind == "f":
            return self._whole(expr, inner)
        return f"np.{expr.dtype.compute}({inner})"

    def _rounded(self, expr: Cast, inner: str) -> str:
        """A value as a half holds it, in float32."""
        if expr.arg.dtype.compute != "float32":
            inner = f"np.float32({inner})"
        name = f"round_{expr.dtype.name}"
        return f"{self.call(name, float32)}({inner})"

    def _whole(self, expr: Cast, inner: str) -> str:
        """A float as an integer: cut, kept inside int64 or int32, then wrapped."""
        name = "to_int64" if expr.dtype.bits == 64 else "to_int32"
        inner = f"{self.call(name, expr.arg.dtype)}({inner})"
        return inner if expr.dtype.name == name[3:] else f"np.{expr.dtype.compute}({inner})"

    def call(self, name: str, dtype: DType) -> str:
        """Note that the text calls a function on operands of a dtype; return its name there."""
        self.functions.add(name)
        return name

    def _guard(self, expr: Guard) -> str:
        tests = []
        for index, low, high in expr.conditions:
            text = index_text(index)
            tests.append(f"{size_text(low)} <= {text} < {size_text(high)}")
        if not tests:
            return self.text(expr.value)
        value, otherwise = self.text(expr.value), self.text(expr.otherwise)
        return f"({value} if {' and '.join(tests)} else {otherwise})"
