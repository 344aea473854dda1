"""Symbolic sizes of a trace: argument axes whose size may differ from call to call.

While such a trace records, ``x.shape[0]`` is a run-time number that also serves as a size. What
Python decides about it is decided by the size at hand, and then must hold: a bound narrows the
Dim, other outcomes become guards, and where the value itself is needed (``range(n)``, an f-string)
the axis is specialised. Narrowing and specialising start the trace again with what was learnt.
"""

from __future__ import annotations

import ast
import builtins
import functools
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tinytorch.ir.dim import Dim
from tinytorch.ir.extent import Extent
from tinytorch.tracer.mode import mode, user_origin
from tinytorch.tracer.number import Number
from tinytorch.tracer.tensor import Tensor

Axis = tuple[int, int]
"""Position of an argument leaf, and one of its axes."""


_BUILTIN = {"abs", "bool", "float", "int"}


class Restart(BaseException):
    """Record again: a Dim has narrower bounds, or (None) is no Dim any more.

    No ``Exception``, so that user code does not catch it.
    """

    def __init__(self, dims: dict[str, Dim | None], why: str) -> None:
        super().__init__(why)
        self.dims = dims
        self.why = why


class SymbolicSizes:
    """The sizes of one trace: settles what the bounds of the Dims leave open, and keeps it."""

    def __init__(self, axes: Mapping[Axis, Dim]) -> None:
        self.axes = dict(axes)
        self.dims = {d.name: d for d in axes.values()}
        self.values = {d.name: d.hint for d in axes.values()}
        self.guards: dict[tuple[Extent, str], bool] = {}
        self.restart: Restart | None = None
        self._storages: set[int] = set()

    # ------------------------------------------------------------- arguments

    def stand_in(self, position: int, leaf: Tensor) -> Tensor:
        """What the traced function sees of an argument: the same, of symbolic sizes."""
        found = {axis: dim for (at, axis), dim in self.axes.items() if at == position}
        if not found:
            return leaf
        shape = tuple(
            Extent.of(found[axis]) if axis in found else size
            for axis, size in enumerate(leaf._type.shape)
        )
        strides = strides_of(shape) if leaf.is_contiguous() else leaf._strides
        kind = replace(leaf._type, shape=shape)
        out = Tensor.make(kind, leaf.array, leaf._storage, strides, type(leaf))
        out._requires, out._tape, out._grad = leaf._requires, leaf.tape, leaf._grad
        self._storages.add(id(leaf._storage))
        return out

    def check_capture(self, x: Tensor) -> None:
        """Specialise an argument that the function also sees by another way."""
        if id(x._storage) in self._storages and not any(
            isinstance(size, Extent) for size in x._type.shape
        ):
            self._again(dict.fromkeys(self.dims), "an argument shares memory with another tensor")

    # ------------------------------------------------------------- decisions

    def decide(self, difference: Extent, relation: str) -> bool:
        """Whether ``difference relation 0`` at the sizes at hand; guarded from here on."""
        value = difference.at(self.values)
        outcome = {"==": value == 0, "<": value < 0, "<=": value <= 0}[relation]
        narrowed = _narrowed(difference, relation, outcome)
        if narrowed is not None:
            if narrowed.min == narrowed.max:
                self.settle(Extent.of(narrowed))
            text = f"{difference.code} {relation} 0"
            self._again({narrowed.name: narrowed}, f"{text} is {outcome}")
        self.guards[difference, relation] = outcome
        return outcome

    def settle(self, extent: Extent) -> int:
        """Specialise the axes behind a size whose value is needed."""
        what = f"the value of {extent.code} is needed"
        self._again({d.name: None for d in extent.dims}, what)
        return extent.at(self.values)

    def settle_behind(self, text: str) -> None:
        """Specialise the axes that arithmetic on numbers depends on."""
        found = names_in(text) & self.dims.keys()
        if found:
            self._again(dict.fromkeys(found), f"the value of {text} is needed")

    def _again(self, dims: dict[str, Dim | None], why: str) -> None:
        where = user_origin()
        self.restart = Restart(dims, f"{why} ({where})" if where else why)
        raise self.restart

    # --------------------------------------------------------------- reading

    def number(self, extent: Extent) -> Number:
        """A size as a run-time number."""
        found: Number = mode.trace.size_number(extent)
        return found

    def shape(self, sizes: Sequence[Any]) -> list[Any]:
        """Sizes as user code sees them."""
        return [self.number(s) if isinstance(s, Extent) else s for s in sizes]

    def fits(self, values: Mapping[str, int], predicates: Mapping[str, Any]) -> bool:
        """Whether everything that was decided comes out the same at other sizes.

        Of the trace's predicates, those on sizes alone are looked at; a replay checks the others.
        """
        known = dict(values)
        for text, outcome in predicates.items():
            if names_in(text) - _BUILTIN <= known.keys() and eval(text, dict(known)) != outcome:
                return False
        for name, value in values.items():
            dim = self.dims[name]
            if value < dim.min or (dim.max is not None and value > dim.max):
                return False
        for (difference, relation), outcome in self.guards.items():
            at = difference.at(values)
            if {"==": at == 0, "<": at < 0, "<=": at <= 0}[relation] != outcome:
                return False
        return True

    def explain(self) -> list[str]:
        """What is checked of the sizes."""
        lines = [f"checks size {dim!r}" for dim in self.dims.values()]
        return lines + [
            f"checks ({difference.code} {relation} 0) == {outcome}"
            for (difference, relation), outcome in self.guards.items()
        ]


class _Length:
    """``len`` while sizes are symbolic somewhere: Python lets ``__len__`` return plain ints only.

    The function is put among the builtins for the time of such traces, and acts on tensors of a
    thread that has one; everything else, it hands to the real one.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._real = builtins.len

    def __call__(self, x: Any, /) -> Any:
        if mode.sizes is not None and isinstance(x, Tensor) and x.ndim:
            return x.shape[0]
        return self._real(x)

    def __enter__(self) -> None:
        with self._lock:
            if self._users == 0:
                self._real, builtins.len = builtins.len, self
            self._users += 1

    def __exit__(self, *exc: object) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                builtins.len = self._real


symbolic_length = _Length()


def strides_of(shape: Sequence[Any]) -> tuple[Any, ...]:
    """Row-major strides of sizes of which none is 0."""
    strides: list[Any] = []
    step: Any = 1
    for size in reversed(shape):
        strides.append(step)
        step = step * size
    return tuple(reversed(strides))


@functools.lru_cache(maxsize=1024)
def names_in(text: str) -> frozenset[str]:
    """Variables of a Python expression."""
    tree = ast.walk(ast.parse(text, mode="eval"))
    return frozenset(n.id for n in tree if isinstance(n, ast.Name))


def _narrowed(difference: Extent, relation: str, outcome: bool) -> Dim | None:
    """The Dim with the bounds under which an outcome is sure, if bounds can say so."""
    if len(difference.terms) > 2 or len(difference.dims) != 1:
        return None
    (monomial, factor), *rest = difference.terms
    if len(monomial) != 1 or (rest and rest[0][0]):
        return None
    dim, constant = monomial[0], rest[0][1] if rest else 0
    low, high = dim.min, dim.max
    if relation == "==":
        at = -constant // factor
        if outcome:
            return replace(dim, min=at, max=at)
        if at != low and at != high:
            return None
        low, high = (low + 1, high) if at == low else (low, (high or 0) - 1)
        return replace(dim, min=low, max=high)
    if relation == "<=":
        constant -= 1  # whole numbers: x <= 0 where x - 1 < 0
    if factor < 0:
        factor, constant, outcome = -factor, -constant - 1, not outcome  # x < 0 where -x - 1 >= 0
    if outcome:  # factor * dim <= -constant - 1
        most = (-constant - 1) // factor
        high = most if high is None else min(high, most)
    else:
        low = max(low, -(constant // factor))
    return replace(dim, min=low, max=high)


def mark_dynamic(x: Tensor, index: Any) -> None:
    """Say that the size of an axis (or of several) will differ from call to call.

    A function compiled with ``x`` as an argument is then compiled for any size at once. Raises
    IndexError for an axis that x does not have.
    """
    if not isinstance(x, Tensor):
        raise TypeError(f"mark_dynamic(): argument 'x' must be Tensor, not {type(x).__name__}")
    for axis in index if isinstance(index, tuple | list) else (index,):
        if not 0 <= axis < x.ndim:
            raise IndexError(f"mark_dynamic(): axis {axis} is out of range for {x.ndim} axes")
        x._dynamic = frozenset({*getattr(x, "_dynamic", ()), int(axis)})


__all__ = ["mark_dynamic"]
