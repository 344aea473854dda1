"""Compare: run a function eagerly and compiled from one state, and find the first difference."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinytorch.ir.storage import numbers
from tinytorch.tracer.compiled import Compiled
from tinytorch.tracer.specialize import Traced, trace_call
from tinytorch.tracer.tensor import Tensor
from tinytorch.tracer.tree import flatten


@dataclass(frozen=True)
class Row:
    """One compared value: how far apart the two runs are, relative to the tolerance."""

    name: str
    line: str
    worst: float
    ok: bool


@dataclass
class Report:
    """What a comparison found. ``rows`` lists results, then states, then gradients."""

    rows: list[Row] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether everything agrees."""
        return all(row.ok for row in self.rows)

    @property
    def first(self) -> Row | None:
        """The first value that differs, or None."""
        return next((row for row in self.rows if not row.ok), None)

    def __str__(self) -> str:
        if self.first is None:
            return f"eager and compiled agree on {len(self.rows)} values"
        where = f" ({self.first.line})" if self.first.line else ""
        lines = [f"eager and compiled differ, first at {self.first.name}{where}"]
        lines += [
            f"  {'ok      ' if r.ok else 'DIFFERS '} {r.name:<24} by {r.worst:.3g}  {r.line}"
            for r in self.rows
        ]
        return "\n".join(lines)


def compare(
    function: Callable[..., Any], *args: Any, rtol: float = 1e-4, atol: float = 1e-5, **kwargs: Any
) -> Report:
    """Run a function eagerly and compiled from the same state; report what differs.

    Results, updated states (parameters, moments, buffers) and gradients are compared. Both runs
    start from the state at hand, and that state is put back at the end: comparing changes nothing.
    """
    function = getattr(function, "_compiled", function)  # a compiled module's
    compiled = function if isinstance(function, Compiled) else Compiled(function)
    traced = trace_call(compiled.function, args, kwargs, compiled.name)
    captured = [tensor for _, tensor in traced.trace.captures]
    before = _State(captured, traced.trace.number_writes.values())
    try:
        found = _observe(compiled, captured, args, kwargs)
        before.restore()
        expected = _observe(compiled.function, captured, args, kwargs)
    finally:
        before.restore()
    lines = _lines(traced)
    report = Report()
    for kind in ("results", "states", "grads"):
        pairs = zip(getattr(expected, kind), getattr(found, kind), strict=True)
        for number, (want, got) in enumerate(pairs):
            line = lines.get((kind, number), "")
            report.rows.append(_row(f"{kind[:-1]} {number}", line, want, got, rtol, atol))
    return report


class _State:
    """Values and gradients of some tensors, and numbers that a function assigns."""

    def __init__(self, tensors: list[Tensor], numbers: Iterable[tuple[Any, str, Any]]) -> None:
        self.numbers = [(holder, key, dict.__getitem__(holder, key)) for holder, key, _ in numbers]
        self.saved = [(t, t.array.copy(), t._grad, _copy(t._grad)) for t in tensors]

    def restore(self) -> None:
        """Put everything back."""
        for holder, key, value in self.numbers:
            dict.__setitem__(holder, key, value)
        for tensor, values, grad, grad_values in self.saved:
            np.copyto(tensor.array, values)
            tensor._storage.version += 1
            tensor.grad = grad
            if grad is not None and grad_values is not None:
                np.copyto(grad.array, grad_values)


def _copy(tensor: Tensor | None) -> np.ndarray | None:
    return None if tensor is None else tensor.array.copy()


@dataclass
class _Observed:
    results: list[Any]
    states: list[Any]
    grads: list[Any]


def _observe(function: Any, captured: list[Tensor], args: Any, kwargs: Any) -> _Observed:
    leaves, _ = flatten(function(*args, **kwargs))
    results = [x.array.copy() if isinstance(x, Tensor) else x for x in leaves]
    states = [t.array.copy() for t in captured]
    return _Observed(results, states, [_copy(t._grad) for t in captured])


def _row(name: str, line: str, want: Any, got: Any, rtol: float, atol: float) -> Row:
    if not isinstance(want, np.ndarray) or not isinstance(got, np.ndarray):
        same = type(want) is type(got) and (want is got or want == got)
        return Row(name, line, 0.0 if same else float("inf"), same)
    if want.shape != got.shape or want.dtype != got.dtype:
        return Row(name, line, float("inf"), False)
    want, got = numbers(want), numbers(got)
    ok = bool(np.allclose(got, want, rtol=rtol, atol=atol, equal_nan=True))
    with np.errstate(all="ignore"):
        apart = np.abs(want.astype(np.float64) - got.astype(np.float64))
    return Row(name, line, float(np.nanmax(apart)) if apart.size else 0.0, ok)


def _lines(traced: Traced) -> dict[tuple[str, int], str]:
    """The user's line behind each result, state and gradient."""
    graph = traced.graph
    found: dict[tuple[str, int], str] = {}
    for number, result in enumerate(traced.results):
        if result.index >= 0 and result.kind in ("output", "number"):
            found["results", number] = graph.origin_of(graph.outputs[result.index])
    position = {id(tensor): n for n, (_, tensor) in enumerate(traced.trace.captures)}
    for number, (node, _) in enumerate(traced.trace.captures):
        if node in graph.updates:
            found["states", number] = graph.origin_of(graph.updates[node])
    for tensor, result in traced.grads:
        if result.kind == "output" and id(tensor) in position:
            line = graph.origin_of(graph.outputs[result.index])
            found["grads", position[id(tensor)]] = line
    return found

__all__ = ["compare"]
