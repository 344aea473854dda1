"""Affine index expressions over loop variables, with // and % by constants.

Extents, coefficients, offsets and divisors are ints or, where sizes are symbolic, Extents.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from tinytorch.errors import SizeError
from tinytorch.ir.extent import Extent, divided, surely_less, value_at


@dataclass(frozen=True, slots=True)
class Symbol:
    """An integer variable in ``[0, extent)``: a loop axis, or an index loaded from memory."""

    name: str
    extent: Any


@dataclass(frozen=True, slots=True)
class Quotient:
    """``index // divisor`` (``remainder`` false) or ``index % divisor`` (true)."""

    index: Index
    divisor: Any
    remainder: bool


Atom: TypeAlias = Symbol | Quotient


@dataclass(frozen=True, slots=True)
class Index:
    """``offset + sum(coefficient * atom)``."""

    terms: tuple[tuple[Atom, Any], ...] = ()
    offset: Any = 0

    def __add__(self, other: Index | int | Extent) -> Index:
        if not isinstance(other, Index):
            return Index(self.terms, self.offset + other)
        merged: dict[Atom, Any] = dict(self.terms)
        for atom, coefficient in other.terms:
            merged[atom] = merged.get(atom, 0) + coefficient
        terms = tuple((a, c) for a, c in merged.items() if c != 0)
        return _recombined(Index(terms, self.offset + other.offset))

    def __mul__(self, factor: int | Extent) -> Index:
        if isinstance(factor, int) and factor == 0:
            return Index()
        return Index(tuple((a, c * factor) for a, c in self.terms), self.offset * factor)

    def bounds(self) -> tuple[Any, Any]:
        """Smallest and largest value the index can take; SizeError where that depends on sizes."""
        low = high = self.offset
        for atom, coefficient in self.terms:
            top = coefficient * (atom_extent(atom) - 1)
            if top < 0:
                low = low + top
            else:
                high = high + top
        return low, high

    def within(self, size: Any) -> bool:
        """Whether ``0 <= self < size`` always holds, as far as is known."""
        try:
            low, high = self.bounds()
        except SizeError:
            return False
        return surely_less(-1, low) and surely_less(high, size)

    def split(self, divisor: Any) -> tuple[Index, Index]:
        """Return ``(self // divisor, self % divisor)``, without // and % where that is exact."""
        if isinstance(divisor, int) and divisor == 1:
            return self, Index()
        whole_terms: list[tuple[Atom, Any]] = []
        rest_terms: list[tuple[Atom, Any]] = []
        for atom, coefficient in self.terms:
            share, left = divided(coefficient, divisor)
            if isinstance(left, int) and left == 0:
                whole_terms.append((atom, share))
            else:
                rest_terms.append((atom, coefficient))
        share, left = divided(self.offset, divisor)
        whole, rest = Index(tuple(whole_terms), share), Index(tuple(rest_terms), left)
        if rest.within(divisor):
            return whole, rest
        balanced = self._balanced(divisor)
        if balanced is not None:
            return balanced
        quotient = Index(((Quotient(rest, divisor, False), 1),))
        return whole + quotient, Index(((Quotient(rest, divisor, True), 1),))

    def _balanced(self, divisor: Any) -> tuple[Index, Index] | None:
        """The exact split with remainders of coefficients nearest to 0; None if there is none.

        So ``k * (n - 1) + p`` splits into k and ``p - k``, where that stays inside ``[0, n)``.
        """
        if not isinstance(divisor, int):
            return None
        whole: list[tuple[Atom, Any]] = []
        rest: list[tuple[Atom, Any]] = []
        for atom, coefficient in self.terms:
            share, left = divided(coefficient, divisor)
            if not isinstance(left, int):
                return None
            if 2 * left > divisor:
                share, left = share + 1, left - divisor
            whole.append((atom, share))
            rest.append((atom, left))
        share, left = divided(self.offset, divisor)
        inside = Index(tuple((a, c) for a, c in rest if c != 0), left)
        try:
            low, high = inside.bounds()
        except SizeError:
            return None
        if not isinstance(low, int) or not isinstance(high, int):
            return None
        shift = low // divisor
        if high - shift * divisor >= divisor:
            return None
        outside = Index(tuple((a, c) for a, c in whole if not _is_zero(c)), share + shift)
        return outside, inside + -shift * divisor

    def symbols(self) -> set[Symbol]:
        """All symbols the index depends on."""
        found: set[Symbol] = set()
        for atom, _ in self.terms:
            found |= {atom} if isinstance(atom, Symbol) else atom.index.symbols()
        return found

    def coefficient(self, symbol: Symbol) -> Any:
        """Stride along a symbol; None if the index is not affine in it."""
        total: Any = 0
        for atom, coefficient in self.terms:
            if atom == symbol:
                total += coefficient
            elif isinstance(atom, Quotient) and symbol in atom.index.symbols():
                return None
        return total

    def evaluate(self, values: Mapping[str, int]) -> int:
        """The value for given values of symbols and Dims."""
        total: int = value_at(self.offset, values)
        return total + sum(value_at(c, values) * _evaluate(a, values) for a, c in self.terms)

    def same(self, other: Index) -> bool:
        """Equality that ignores the order of terms."""
        return self.offset == other.offset and dict(self.terms) == dict(other.terms)


def _is_zero(value: Any) -> bool:
    return isinstance(value, int) and value == 0


def _recombined(index: Index) -> Index:
    """Rewrite ``(x // d) * (c * d) + (x % d) * c`` as ``x * c``."""
    coefficients = dict(index.terms)
    for atom, coefficient in index.terms:
        if isinstance(atom, Quotient) and atom.remainder:
            whole = Quotient(atom.index, atom.divisor, False)
            if coefficients.get(whole) == coefficient * atom.divisor:
                rest = {a: c for a, c in coefficients.items() if a not in (atom, whole)}
                return Index(tuple(rest.items()), index.offset) + atom.index * coefficient
    return index


def atom_extent(atom: Atom) -> Any:
    """One more than the largest value of an atom."""
    if isinstance(atom, Symbol):
        return atom.extent
    if atom.remainder:
        return atom.divisor
    return atom.index.bounds()[1] // atom.divisor + 1


def _evaluate(atom: Atom, values: Mapping[str, int]) -> int:
    if isinstance(atom, Symbol):
        return values[atom.name]
    inner, divisor = atom.index.evaluate(values), value_at(atom.divisor, values)
    return inner % divisor if atom.remainder else inner // divisor


def symbol(name: str, extent: Any) -> Index:
    """The index that is one symbol; a symbol of extent 1 is the constant 0."""
    return Index() if extent == 1 else Index(((Symbol(name, extent), 1),))


def constant(value: Any) -> Index:
    """A constant index."""
    return Index((), value)


def linearize(indices: Iterable[Index], shape: Iterable[Any]) -> Index:
    """Row-major flat index of a multi-index."""
    flat = Index()
    for index, size in zip(indices, shape, strict=True):
        flat = flat * size + index
    return flat


def delinearize(flat: Index, shape: tuple[Any, ...]) -> tuple[Index, ...]:
    """Multi-index of a row-major flat index, inside ``shape``."""
    indices: list[Index] = []
    for axis in range(len(shape) - 1, -1, -1):
        if axis == 0:
            indices.append(flat)
        elif shape[axis] == 1:
            indices.append(Index())
        else:
            flat, remainder = flat.split(shape[axis])
            indices.append(remainder)
    return tuple(reversed(indices))
