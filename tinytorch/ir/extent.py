"""Sizes known only at run time: polynomials with integer coefficients in Dims.

An ``Extent`` adds, multiplies, divides (where that is exact) and compares like an int, so that
code written for sizes serves both. A constant is always a plain int: programs whose sizes are all
known never meet an Extent.

``==`` means equality at every size, as for types. An order is decided by the bounds of the Dims
where possible. Where it depends on the size, whoever records the user's program decides by the
example at hand and guards the outcome (``deciding``), and so for ``equal``; elsewhere SizeError is
raised.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np

from tinytorch.ir.dim import Dim, active_decider, decider_for, variable

Monomial: TypeAlias = tuple[Dim, ...]
Terms: TypeAlias = dict[Monomial, int]


class Extent:
    """A polynomial in Dims. Made by ``Extent.of`` and arithmetic; never constant."""

    __slots__ = ("_hash", "terms")

    def __init__(self, terms: tuple[tuple[Monomial, int], ...]) -> None:
        self.terms = terms
        # Python hashes -1 and -2 alike; equal hashes would ask for a decision.
        self._hash = hash(tuple((m, 3 * c + 1) for m, c in terms))

    @staticmethod
    def of(dim: Dim) -> Extent:
        """The size that is one Dim."""
        return Extent((((dim,), 1),))

    # ------------------------------------------------------------- arithmetic

    def __add__(self, other: Any) -> Any:
        terms = _terms(other)
        return self._inexact(other, "__add__") if terms is None else _sum(dict(self.terms), terms)

    def __mul__(self, other: Any) -> Any:
        terms = _terms(other)
        if terms is None:
            return self._inexact(other, "__mul__")
        product: Terms = {}
        for a, c in self.terms:
            for b, d in terms.items():
                key = _monomial((*a, *b))
                product[key] = product.get(key, 0) + c * d
        return _size(product)

    __radd__ = __add__
    __rmul__ = __mul__

    def __neg__(self) -> Extent:
        return Extent(tuple((m, -c) for m, c in self.terms))

    def __pos__(self) -> Extent:
        return self

    def __sub__(self, other: Any) -> Any:
        terms = _terms(other)
        if terms is None:
            return self._inexact(other, "__sub__")
        return _sum(dict(self.terms), {m: -c for m, c in terms.items()})

    def __rsub__(self, other: Any) -> Any:
        return (-self).__add__(other)

    def __floordiv__(self, other: Any) -> Any:
        return _whole(self, other)[0]

    def __mod__(self, other: Any) -> Any:
        return _whole(self, other)[1]

    def __rfloordiv__(self, other: Any) -> Any:
        return _whole(other, self)[0]

    def __rmod__(self, other: Any) -> Any:
        return _whole(other, self)[1]

    def __divmod__(self, other: Any) -> Any:
        return _whole(self, other)

    def __truediv__(self, other: Any) -> Any:
        return decider_for(f"{self} / {other}").number(self) / other

    def __rtruediv__(self, other: Any) -> Any:
        return other / decider_for(f"{other} / {self}").number(self)

    def __pow__(self, other: Any) -> Any:
        if isinstance(other, int) and other >= 0:
            return math.prod([self] * other)
        return decider_for(f"{self} ** {other}").number(self) ** other

    def _inexact(self, other: Any, method: str) -> Any:
        if type(other) is not float:
            return NotImplemented
        return getattr(decider_for(f"arithmetic on {self}").number(self), method)(other)

    # ------------------------------------------------------------- comparison

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Extent):
            return self.terms == other.terms
        if _terms(other) is None:
            return NotImplemented
        # Whether a size is 0 or 1 changes what a program means, so that is settled.
        return equal(self, other) if other in (0, 1) else False

    def may_vanish(self) -> bool:
        """Whether bounds and divisibility leave room for the value 0."""
        low, high = self.bounds()
        if (low is not None and low > 0) or (high is not None and high < 0):
            return False
        step = math.gcd(*(c for m, c in self.terms if m))
        return dict(self.terms).get((), 0) % step == 0

    def __ne__(self, other: object) -> bool:
        equal = self.__eq__(other)
        return equal if equal is NotImplemented else not equal

    def __lt__(self, other: Any) -> bool:
        return _ordered(self, other, "<")

    def __le__(self, other: Any) -> bool:
        return _ordered(self, other, "<=")

    def __gt__(self, other: Any) -> bool:
        return _ordered(-self, other, "<", -1)

    def __ge__(self, other: Any) -> bool:
        return _ordered(-self, other, "<=", -1)

    def __bool__(self) -> bool:
        return self != 0

    def __hash__(self) -> int:
        return self._hash

    # ---------------------------------------------------------------- reading

    def __index__(self) -> int:
        return decider_for(f"the value of {self}").settle(self)

    __int__ = __index__

    def __float__(self) -> float:
        return float(self.__index__())

    @property
    def dims(self) -> set[Dim]:
        """The Dims it depends on."""
        return {d for m, _ in self.terms for d in m}

    def bounds(self) -> tuple[int | None, int | None]:
        """Least and greatest value, where they are known."""
        return _bounds(self.terms)

    def at(self, values: Mapping[str, int]) -> int:
        """The value for given sizes, by the Dims' names."""
        return sum(c * math.prod(values[d.name] for d in m) for m, c in self.terms)

    @property
    def code(self) -> str:
        """Python text over the Dims' variables."""
        return _text(self, lambda d: variable(d.name), " * ", (" + ", " - "))

    def __str__(self) -> str:
        return _text(self, repr, "*", ("+", "-"))

    __repr__ = __str__


Size: TypeAlias = int | Extent


def _terms(value: Any) -> Terms | None:
    if isinstance(value, Extent):
        return dict(value.terms)
    if issubclass(type(value), int | np.integer) and type(value) is not bool:
        return {(): int(value)}
    return None


def _monomial(dims: tuple[Dim, ...]) -> Monomial:
    return tuple(sorted(dims, key=lambda d: d.name))


def _rank(monomial: Monomial) -> tuple[int, tuple[str, ...]]:
    """Higher degrees first, then by name: the order of terms, and of division."""
    return -len(monomial), tuple(d.name for d in monomial)


def _size(terms: Terms) -> Any:
    kept = {m: c for m, c in terms.items() if c}
    if not kept or kept.keys() == {()}:
        return kept.get((), 0)
    return Extent(tuple(sorted(kept.items(), key=lambda t: _rank(t[0]))))


def _sum(a: Terms, b: Terms) -> Any:
    for monomial, coefficient in b.items():
        a[monomial] = a.get(monomial, 0) + coefficient
    return _size(a)


def _quotient(monomial: Monomial, divisor: Monomial) -> Monomial | None:
    left = list(monomial)
    for dim in divisor:
        if dim not in left:
            return None
        left.remove(dim)
    return tuple(left)


def divided(a: Any, b: Any) -> tuple[Any, Any]:
    """Return ``(q, r)`` with ``a == q * b + r``; r is 0 where b divides a as a polynomial.

    Division of polynomials in several variables (Cox, Little and O'Shea, Ideals, Varieties, and
    Algorithms, chapter 2.3) with whole coefficients.
    """
    if isinstance(a, int) and isinstance(b, int):
        return divmod(a, b)
    by = sorted((_terms(b) or {}).items(), key=lambda t: _rank(t[0]))
    head, factor = by[0]
    left, quotient, rest = dict(_terms(a) or {}), {}, {}
    while left:
        monomial = min(left, key=_rank)
        coefficient = left.pop(monomial)
        kept = _quotient(monomial, head)
        constant = not monomial and not head
        if kept is None or (coefficient % factor and not constant):
            rest[monomial] = coefficient
            continue
        share = coefficient // factor
        quotient[kept] = share
        if constant and coefficient % factor:
            rest[monomial] = coefficient % factor
        for m, c in by[1:]:
            key = _monomial((*kept, *m))
            left[key] = left.get(key, 0) - share * c
            if not left[key]:
                del left[key]
    return _size(quotient), _size(rest)


def _whole(a: Any, b: Any) -> tuple[Any, Any]:
    """``divmod(a, b)`` where it is a polynomial, decided by the bounds."""
    if _terms(a) is None or _terms(b) is None:
        return NotImplemented, NotImplemented
    sure = sure_divmod(a, b)
    return divmod(_settled(a), _settled(b)) if sure is None else sure


def sure_divmod(a: Any, b: Any) -> tuple[Any, Any] | None:
    """``divmod(a, b)`` if it is one polynomial for every size, else None."""
    q, r = divided(a, b)
    if isinstance(r, int) and r == 0:
        return q, 0
    if surely_less(-1, r) and surely_less(r, b):
        return q, r
    if surely_less(-1, r + b) and surely_less(r, 0):
        return q - 1, r + b
    return None


def _settled(value: Any) -> int:
    return decider_for(f"the rounded quotient of {value}").settle(value) if isinstance(
        value, Extent
    ) else int(value)


def _ordered(size: Extent, other: Any, relation: str, sign: int = 1) -> bool:
    """Whether ``size relation sign * other``."""
    if type(other) is float:
        number = decider_for(f"{size} {relation} {other}").number(size)
        return bool(number < sign * other if relation == "<" else number <= sign * other)
    terms = _terms(other)
    if terms is None:
        return NotImplemented
    difference = _sum(dict(size.terms), {m: -sign * c for m, c in terms.items()})
    if isinstance(difference, int):
        return difference < 0 if relation == "<" else difference <= 0
    low, high = difference.bounds()
    least = 0 if relation == "<" else 1
    if high is not None and high < least:
        return True
    if low is not None and low >= least:
        return False
    return decider_for(f"{difference} {relation} 0").decide(difference, relation)


@functools.lru_cache(maxsize=8192)
def _bounds(terms: tuple[tuple[Monomial, int], ...]) -> tuple[int | None, int | None]:
    shifted: Terms = {}
    for monomial, coefficient in terms:
        parts: Terms = {(): coefficient}
        for dim in monomial:  # dim = what it exceeds its minimum by + its minimum
            grown: Terms = {}
            for m, c in parts.items():
                grown[_monomial((*m, dim))] = grown.get(_monomial((*m, dim)), 0) + c
                grown[m] = grown.get(m, 0) + c * dim.min
            parts = grown
        for m, c in parts.items():
            shifted[m] = shifted.get(m, 0) + c
    low: int | None = 0
    high: int | None = 0
    for monomial, coefficient in shifted.items():
        most: int | None = 1
        for dim in monomial:
            most = None if most is None or dim.max is None else most * (dim.max - dim.min)
        if not monomial:
            low, high = _add(low, coefficient), _add(high, coefficient)
        elif coefficient > 0:
            high = _add(high, None if most is None else coefficient * most)
        else:
            low = _add(low, None if most is None else coefficient * most)
    return low, high


def _add(a: int | None, b: int | None) -> int | None:
    return None if a is None or b is None else a + b


# --------------------------------------------------------- questions and values


def equal(a: Any, b: Any) -> bool:
    """Whether two sizes are equal at the sizes at hand, guarded; else whether they always are."""
    difference = a - b
    if isinstance(difference, int):
        return difference == 0
    decider = active_decider()
    if decider is None or not difference.may_vanish():
        return False
    return decider.decide(difference, "==")


def surely_less(a: Any, b: Any) -> bool:
    """Whether ``a < b`` for every size; False also where it is not known."""
    if isinstance(a, int) and isinstance(b, int):
        return a < b
    difference = a - b
    if isinstance(difference, int):
        return difference < 0
    high = difference.bounds()[1]
    return high is not None and high < 0


def typical(value: Any) -> Any:
    """A size to expect, for choices between ways that are all right for every size."""
    if not isinstance(value, Extent):
        return value
    return value.at({d.name: d.typical for d in value.dims})


def value_at(value: Any, sizes: Mapping[str, int] | None) -> Any:
    """A size, or anything else as it is, for given values of the Dims."""
    return value.at(sizes or {}) if isinstance(value, Extent) else value


# ----------------------------------------------------------------------- text

def _text(extent: Extent, dim: Any, times: str, signs: tuple[str, str]) -> str:
    parts: list[str] = []
    for monomial, coefficient in extent.terms:
        factors = [dim(d) for d in monomial]
        if abs(coefficient) != 1 or not factors:
            factors.insert(0, str(abs(coefficient)))
        if parts:
            parts.append(signs[0] if coefficient > 0 else signs[1])
        elif coefficient < 0:
            parts.append("-")
        parts.append(times.join(factors))
    return "".join(parts)
