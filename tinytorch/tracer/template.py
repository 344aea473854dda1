"""Templates: calls compiled for any size, and the replays made of them for the sizes that come.

A template holds a trace whose argument sizes are symbolic, and its kernels. For new sizes nothing
is traced or compiled: the sizes are put into the trace, memory is planned, and the same replay is
written as for a specialised call.
"""

from __future__ import annotations

import contextlib
import copy
import functools
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tinytorch import compiler
from tinytorch.errors import SizeError
from tinytorch.ir.extent import Extent
from tinytorch.passes.graph.sizes import known, signature_with_sizes, with_sizes
from tinytorch.tracer.binding import Binding
from tinytorch.tracer.fingerprint import Fingerprint
from tinytorch.tracer.outside import keeping_residuals
from tinytorch.tracer.specialize import Result, Traced
from tinytorch.tracer.tensor import Tensor
from tinytorch.tracer.tracked import epoch

_KEPT = 32
"""Replays of one template that are kept, each with memory of its own."""


@dataclass
class Replay:
    """One compiled kind of call."""

    structure: Any
    run: Callable[..., Any]
    binding: Binding
    built: compiler.Compiled
    traced: Traced
    fingerprint: Fingerprint
    reason: str
    rebuilt: Callable[[], tuple[Traced, compiler.Compiled] | None]
    """Builds the same with all residuals of its partition; None if that cannot be."""

    def revalidate(self) -> bool:
        """After the epoch moved: whether the tracked objects behind this replay are the same."""
        if Fingerprint(self.traced.reach.tracked).key != self.fingerprint.key:
            return False
        if self.binding.outside is not None and self.binding.outside.asked:
            self._keep_residuals()
        self.binding.seen.value = epoch.value
        return True

    def _keep_residuals(self) -> None:
        """Give what a backward pass from outside had to compute again."""
        assert self.binding.outside is not None
        self.binding.outside.asked = False
        found = self.rebuilt()
        if found is not None:
            self.traced, self.built = found
            self.binding = Binding(self.traced, self.built)
            self.run = self.binding.build()


@dataclass
class Template:
    """One compiled kind of call, for any size of some axes."""

    structure: Any
    built: compiler.ForAnySize
    traced: Traced
    fingerprint: Fingerprint
    reason: str
    seen: int
    compiled: int = 0
    replays: OrderedDict[tuple[int, ...], Replay] = field(default_factory=OrderedDict)
    keeping: tuple[int, Traced, compiler.ForAnySize | None] | None = None
    """The same with residuals as further results: how many, the trace, the kernels if any."""

    def fitting(self, structure: Any, leaves: Sequence[Any]) -> Replay | None:
        """The replay for the sizes of these arguments; None if the template is not for them."""
        if structure != self.structure:
            return None
        values = self._values(leaves)
        if values is None:
            return None
        key = tuple(values.values())
        found = self.replays.get(key)
        if found is None:
            found = self.replays[key] = self._replay(values)
            while len(self.replays) > _KEPT:
                self.replays.popitem(last=False)
        else:
            self.replays.move_to_end(key)
        return found

    def _values(self, leaves: Sequence[Any]) -> dict[str, int] | None:
        sizes = self.traced.sizes
        assert sizes is not None
        found: dict[str, int] = {}
        for mine, leaf in zip(self.traced.leaves, leaves, strict=True):
            if not isinstance(mine, Tensor):
                continue
            if not isinstance(leaf, Tensor) or not _alike(mine, leaf, found):
                return None
        if len(found) < len(sizes.dims) or not sizes.fits(found, self.traced.trace.predicates):
            return None
        values = {name: found[name] for name in sizes.dims}
        for mine, leaf in zip(self.traced.leaves, leaves, strict=True):
            if isinstance(mine, Tensor) and known(mine._strides, values) != leaf._strides:
                return None
        return values

    def _replay(self, values: dict[str, int]) -> Replay:
        traced, built = self._with_residuals(values) or self._plain(values)
        binding = Binding(traced, built)
        run = binding.build()
        binding.seen.value = self.seen
        return Replay(
            self.structure, run, binding, built, traced, self.fingerprint, self.reason,
            functools.partial(self._with_residuals, values),
        )  # fmt: skip

    def _plain(self, values: dict[str, int]) -> tuple[Traced, compiler.Compiled]:
        built = self.built.at(values)
        self.compiled += built.executable.compiled
        return _at(self.traced, values), built

    def _with_residuals(self, values: dict[str, int]) -> tuple[Traced, compiler.Compiled] | None:
        """With the residuals that backward passes from outside have asked for so far."""
        count = len(self.traced.partition.residuals)
        if count and (self.keeping is None or self.keeping[0] != count):
            traced = keeping_residuals(self.traced)
            kernels = None
            with contextlib.suppress(SizeError):
                kernels = compiler.build_for_any_size(traced.graph)
            self.keeping = (count, traced, kernels)
        if self.keeping is None:
            return None
        _, traced, kernels = self.keeping
        if kernels is None:
            return None
        built = kernels.at(values)
        self.compiled += built.executable.compiled
        return _at(traced, values), built


def _alike(mine: Tensor, leaf: Tensor, found: dict[str, int]) -> bool:
    """Whether a tensor has the shape of one with symbolic sizes; notes the sizes it gives."""
    if leaf.dtype is not mine.dtype or leaf.ndim != mine.ndim:
        return False
    shapes: Any = zip(mine._type.shape, leaf._type.shape, strict=True)
    for size, value in shapes:
        if isinstance(size, Extent):
            (dim,) = size.dims
            if found.setdefault(dim.name, value) != value:
                return False
        elif size != value:
            return False
    return True


def _at(traced: Traced, values: dict[str, int]) -> Traced:
    """A trace with symbolic sizes at given ones."""
    flows = any(r.kind == "output" and r.requires_grad and not r.freed for r in traced.results)
    put = with_sizes if flows else signature_with_sizes  # a backward from outside needs all of it
    graph, node_of = put(traced.graph, values)
    new_of: dict[int, Tensor] = {}

    def tensor(x: Any) -> Any:
        return new_of.get(id(x), x)

    for leaf in traced.leaves:
        if isinstance(leaf, Tensor) and any(isinstance(s, Extent) for s in leaf._type.shape):
            new_of[id(leaf)] = _leaf_at(leaf, values)
    trace = copy.copy(traced.trace)
    trace.graph = graph
    trace.captures = [(node_of[n], tensor(t)) for n, t in trace.captures]
    trace.numbers = [(node_of[n], number) for n, number in trace.numbers]
    trace.grads_read = {
        id(tensor(x)): (tensor(x), g) for x, g in trace.grads_read.values()
    }
    kept = [(tensor(x), g) for x, g in traced.grads_kept]

    def result(r: Result) -> Result:
        chain = tuple((op, {k: known(v, values) for k, v in a.items()}) for op, a in r.chain)
        value = tensor(r.value)
        if r.kind == "output" and isinstance(value, Tensor):
            value = Tensor.make(known(value._type, values), None)
        return replace(r, value=value, chain=chain)

    same: dict[int, Any] = {}  # results that share a value still do
    results = []
    for r in traced.results:
        made = result(r)
        if made.value is not r.value:
            made.value = same.setdefault(id(r.value), made.value)
        results.append(made)
    return replace(
        traced, graph=graph, trace=trace, leaves=[tensor(x) for x in traced.leaves],
        results=results, grads=[(tensor(x), result(r)) for x, r in traced.grads],
        values=values, grads_kept=kept,
    )  # fmt: skip


def _leaf_at(leaf: Tensor, values: dict[str, int]) -> Tensor:
    """What stands for an argument: its kind and where it lies, without memory that is ever read."""
    kind, strides = known(leaf._type, values), known(leaf._strides, values)
    item = kind.dtype.itemsize
    array = np.lib.stride_tricks.as_strided(
        np.empty(1, kind.dtype.numpy), kind.shape, tuple(s * item for s in strides)
    )
    out = Tensor.make(kind, array, leaf._storage, strides, type(leaf))
    out._requires, out._tape = leaf._requires, leaf._tape
    return out
