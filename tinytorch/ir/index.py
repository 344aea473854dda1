"""Affine index expressions over loop variables, with // and % by constants."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Symbol:
    """An integer variable in ``[0, extent)``: a loop axis, or an index loaded from memory."""

    name: str
    extent: int


@dataclass(frozen=True, slots=True)
class Quotient:
    """``index // divisor`` (``remainder`` false) or ``index % divisor`` (true)."""

    index: Index
    divisor: int
    remainder: bool


Atom: TypeAlias = Symbol | Quotient


@dataclass(frozen=True, slots=True)
class Index:
    """``offset + sum(coefficient * atom)``."""

    terms: tuple[tuple[Atom, int], ...] = ()
    offset: int = 0

    def __add__(self, other: Index | int) -> Index:
        if isinstance(other, int):
            return Index(self.terms, self.offset + other)
        merged: dict[Atom, int] = dict(self.terms)
        for atom, coefficient in other.terms:
            merged[atom] = merged.get(atom, 0) + coefficient
        terms = tuple((a, c) for a, c in merged.items() if c != 0)
        return _recombined(Index(terms, self.offset + other.offset))

    def __mul__(self, factor: int) -> Index:
        if factor == 0:
            return Index()
        return Index(tuple((a, c * factor) for a, c in self.terms), self.offset * factor)

    def bounds(self) -> tuple[int, int]:
        """Smallest and largest value the index can take."""
        low = high = self.offset
        for atom, coefficient in self.terms:
            top = coefficient * (atom_extent(atom) - 1)
            low, high = low + min(0, top), high + max(0, top)
        return low, high

    def split(self, divisor: int) -> tuple[Index, Index]:
        """Return ``(self // divisor, self % divisor)``, without // and % where that is exact."""
        if divisor == 1:
            return self, Index()
        whole = Index(
            tuple((a, c // divisor) for a, c in self.terms if c % divisor == 0),
            self.offset // divisor,
        )
        rest = Index(
            tuple((a, c) for a, c in self.terms if c % divisor != 0), self.offset % divisor
        )
        low, high = rest.bounds()
        if low >= 0 and high < divisor:
            return whole, rest
        quotient = Index(((Quotient(rest, divisor, False), 1),))
        return whole + quotient, Index(((Quotient(rest, divisor, True), 1),))

    def symbols(self) -> set[Symbol]:
        """All symbols the index depends on."""
        found: set[Symbol] = set()
        for atom, _ in self.terms:
            found |= {atom} if isinstance(atom, Symbol) else atom.index.symbols()
        return found

    def coefficient(self, symbol: Symbol) -> int | None:
        """Stride along a symbol; None if the index is not affine in it."""
        total = 0
        for atom, coefficient in self.terms:
            if atom == symbol:
                total += coefficient
            elif isinstance(atom, Quotient) and symbol in atom.index.symbols():
                return None
        return total

    def evaluate(self, values: Mapping[str, int]) -> int:
        """The value for given symbol values."""
        return self.offset + sum(c * _evaluate(a, values) for a, c in self.terms)

    def same(self, other: Index) -> bool:
        """Equality that ignores the order of terms."""
        return self.offset == other.offset and dict(self.terms) == dict(other.terms)


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


def atom_extent(atom: Atom) -> int:
    """One more than the largest value of an atom."""
    if isinstance(atom, Symbol):
        return atom.extent
    if atom.remainder:
        return atom.divisor
    return atom.index.bounds()[1] // atom.divisor + 1


def _evaluate(atom: Atom, values: Mapping[str, int]) -> int:
    if isinstance(atom, Symbol):
        return values[atom.name]
    inner = atom.index.evaluate(values)
    return inner % atom.divisor if atom.remainder else inner // atom.divisor


def symbol(name: str, extent: int) -> Index:
    """The index that is one symbol; a symbol of extent 1 is the constant 0."""
    return Index() if extent == 1 else Index(((Symbol(name, extent), 1),))


def constant(value: int) -> Index:
    """A constant index."""
    return Index((), value)


def linearize(indices: Iterable[Index], shape: Iterable[int]) -> Index:
    """Row-major flat index of a multi-index."""
    flat = Index()
    for index, size in zip(indices, shape, strict=True):
        flat = flat * size + index
    return flat


def delinearize(flat: Index, shape: tuple[int, ...]) -> tuple[Index, ...]:
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
