"""Loops: how a kernel walks its domain, chosen so that index maps need no division."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tinytorch.ir.extent import typical
from tinytorch.ir.index import Index, Quotient, Symbol, delinearize
from tinytorch.passes.kernel.domain import END_LEVELS, Plan

ROW = "i"


@dataclass(frozen=True)
class Loops:
    """``rows`` (the chunked axis, one symbol) and the inner axes, the last of them vectorised."""

    rows: Any
    inner: tuple[Any, ...]

    @property
    def cols(self) -> Any:
        """Elements a row."""
        return math.prod(self.inner)

    @property
    def row(self) -> Symbol:
        """The chunked axis."""
        return Symbol(ROW, self.rows)

    @property
    def axes(self) -> tuple[Symbol, ...]:
        """The inner axes, outermost first."""
        return tuple(Symbol(f"j{n}" if n else "j", size) for n, size in enumerate(self.inner))

    def col_index(self) -> Index:
        """Flat index inside a row."""
        flat = Index()
        for axis in self.axes:
            flat = flat * axis.extent + Index(((axis, 1),))
        return flat

    def flat(self, level: str) -> Index:
        """Flat index of an element at a level. The row symbol stays even when there is one row."""
        row = Index(((self.row, 1),))
        if level == "full":
            return row * self.cols + self.col_index() if self.inner else row
        if level == "row":
            return row
        return self.col_index() if level == "column" else Index()

    def indices(self, level: str, shape: tuple[Any, ...]) -> tuple[Index, ...]:
        """Multi-index of an element at a level, in a shape."""
        return delinearize(self.flat(level), shape)


Probe = Callable[[Loops], "list[Index]"]
"""Gives the flat index of every access that a kernel would make under some loops."""


def choose_loops(plan: Plan, probe: Probe) -> Loops:
    """Pick loops for a plan: flat if no access divides, else the longest inner axis without."""
    domain = plan.domain
    split = any(level in ("row", "column") for level in plan.levels.values())
    if split or domain.cols > 1:
        single = Loops(domain.rows, (domain.cols,))
        if not _divides_inner(probe(single)):
            return single
        return Loops(domain.rows, tuple(s for s in domain.col_factors if s > 1) or (1,))
    flat = Loops(domain.rows, ())
    if not _divides(probe(flat)):
        return flat
    return _nested(domain.rows, domain.row_factors, probe) or flat


def _nested(rows: Any, factors: tuple[Any, ...], probe: Probe) -> Loops | None:
    """The longest single inner axis without divisions; several axes where that one is short."""
    single: Loops | None = None
    several: Loops | None = None
    cols: Any = 1
    for position in range(len(factors) - 1, -1, -1):
        cols *= factors[position]
        if typical(cols) == 1 or (position == 0 and len(factors) > 1):
            continue
        one = Loops(rows // cols, (cols,))
        if not _divides_inner(probe(one)):
            single = one
        elif several is None and typical(cols) >= _ENOUGH:
            nest = Loops(rows // cols, factors[position:])
            several = None if _divides_inner(probe(nest)) else nest
    short = single is None or typical(single.cols) < _SHORT
    return several if short and several is not None else single


_SHORT = 32
"""Below this many elements an inner axis does not pay for the divisions of each row."""
_ENOUGH = 64
"""So many elements a row do."""


def _divides(indices: list[Index]) -> bool:
    return any(isinstance(atom, Quotient) for index in indices for atom, _ in index.terms)


def _divides_inner(indices: list[Index]) -> bool:
    return any(
        isinstance(atom, Quotient) and any(s.name != ROW for s in atom.index.symbols())
        for index in indices
        for atom, _ in index.terms
    )


__all__ = ["END_LEVELS", "Loops", "choose_loops"]
