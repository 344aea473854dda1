"""A case for every row of the op table: its samples, in every dtype, and its derivative.

``ROWS`` maps ``name`` (and ``name float16``, ``name bfloat16``, ``name backward``) to a case.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np
from cuda_case import MANY_CHUNKS, Case
from samples import STRUCTURE, Sample, samples_of

from tinytorch.ir import ops
from tinytorch.ir.graph import Graph, Node
from tinytorch.ir.storage import stored
from tinytorch.ir.types import BY_NAME, TensorType, float64
from tinytorch.passes.graph.autodiff import vjp

_NESTED = "which launches follow depends on the run; CUDA text is one fixed list of them"
REFUSED = {"cond": _NESTED, "scan": _NESTED, "while": _NESTED}
"""Ops whose kernels are no loop nest that CUDA text can hold, and why; printing them raises."""
NAMES = sorted(set(ops.TABLE) - set(STRUCTURE) - set(REFUSED))

ELEMENTS = 130
"""Larger samples are left out: the simulator runs a Python thread for each of the device's."""
HALVES = ("float16", "bfloat16")


def _kind(sample: Sample) -> tuple[object, ...]:
    """What tells the kernels of samples apart: dtypes; for float32 also forms and attributes."""
    dtypes = [str(a.dtype) for a in sample.arrays]
    if "float32" in dtypes or not dtypes:
        forms = [(a.ndim, a.size == 0) for a in sample.arrays]
        return (*dtypes, sample.smooth, *forms, *map(str, sample.attrs.items()))
    return (*dtypes, sample.smooth, str(sample.attrs.get("dtype")))


def _size(sample: Sample) -> int:
    return max((a.size for a in sample.arrays), default=0)


def chosen(name: str) -> list[Sample]:
    """For each kind the largest sample of an op that the simulator can be given."""
    best: dict[tuple[object, ...], Sample] = {}
    for sample in samples_of(name):
        kind, size = _kind(sample), _size(sample)
        if size <= ELEMENTS and (kind not in best or size > _size(best[kind])):
            best[kind] = sample
    return list(best.values())


def _applied(name: str, samples: list[Sample]) -> tuple[Graph, list[np.ndarray], list[Node]]:
    """A graph without outputs that applies an op to samples; its inputs' values; the results."""
    graph = Graph(name)
    values: list[np.ndarray] = []
    results = []
    for sample in samples:
        operands = [
            graph.add_input(kind, f"x{len(values) + n}") for n, kind in enumerate(sample.types)
        ]
        values += sample.arrays
        results.append(graph.add(ops.TABLE[name], operands, **sample.attrs))
    return graph, values, results


def forward(name: str) -> Case:
    """An op on its samples."""
    graph, values, graph.outputs = _applied(name, chosen(name))
    return Case(graph, values, MANY_CHUNKS, tolerance=1e-5)


def _floats(name: str) -> list[Sample]:
    """The largest of the chosen samples of float32, and the largest with infinities and NaN."""
    found = [s for s in chosen(name) if any(a.dtype == np.float32 for a in s.arrays)]
    return list({s.smooth: s for s in sorted(found, key=_size)}.values())


def halves(name: str, dtype: str) -> Case:
    """An op on its samples of float32, in a half: rounded once, so that bits agree."""
    def stored_in_half(sample: Sample) -> Sample:
        to = BY_NAME[dtype]
        arrays = (stored(a, to) if a.dtype == np.float32 else a for a in sample.arrays)
        return replace(sample, arrays=tuple(arrays))

    graph, values, graph.outputs = _applied(name, [stored_in_half(s) for s in _floats(name)])
    return Case(graph, values, MANY_CHUNKS, tolerance=1e-6)


def _differentiable(name: str) -> list[Sample]:
    op = ops.TABLE[name]
    return [
        s for s in chosen(name)
        if op.vjp is not None and s.smooth and op.infer(s.types, s.attrs).dtype is float64
        and any(t.dtype is float64 for t in s.types)
    ]  # fmt: skip


def backward(name: str) -> Case:
    """The cotangents of an op's operands, in float64."""
    graph, values, results = _applied(name, _differentiable(name))
    random = np.random.default_rng(zlib.crc32(name.encode()))
    wrt = [n for n in graph.inputs if n.type.dtype is float64]
    seeds = [graph.add_input(n.type, "g") for n in results]
    values += [np.asarray(random.standard_normal(n.type.shape)) for n in results]
    found = vjp(graph, results, seeds, wrt)
    graph.outputs = [n for n in found if n is not None]
    return Case(graph, values, MANY_CHUNKS, tolerance=1e-11)


def one_sample(name: str) -> Case:
    """An op on its largest sample, of float32 if it takes that."""
    sample = max(chosen(name), key=lambda s: ("float32" in map(str, _kind(s)), _size(s)))
    graph, values, graph.outputs = _applied(name, [sample])
    return Case(graph, values, MANY_CHUNKS)


def elementwise(dtype: str) -> Case:
    """Every elementwise op that takes a dtype, on shared operands, so that kernels are few."""
    graph = Graph(dtype)
    operands: dict[tuple[int, TensorType], Node] = {}
    to = BY_NAME[dtype]
    like = "float32" if to.is_half else dtype
    for name in NAMES:
        for sample in samples_of(name) if ops.TABLE[name].family == "elementwise" else ():
            first, shape = sample.types[-1].dtype.name, sample.types[-1].shape
            if first != like or shape not in ((2, 3), (3, 5)):
                continue
            types = [t if t.dtype.name != like else TensorType(to, t.shape) for t in sample.types]
            for key in enumerate(types):
                if key not in operands:
                    operands[key] = graph.add_input(key[1], f"x{len(operands)}")
            nodes = [operands[key] for key in enumerate(types)]
            graph.outputs.append(graph.add(ops.TABLE[name], nodes, **sample.attrs))
            if name != "cast":
                break
    return Case(graph, [], MANY_CHUNKS)


def _rows() -> Iterator[tuple[str, Callable[[], Case]]]:
    for name in NAMES:
        yield name, partial(forward, name)
        if _floats(name):
            for dtype in HALVES:
                yield f"{name} {dtype}", partial(halves, name, dtype)
        if _differentiable(name) and backward(name).graph.outputs:
            yield f"{name} backward", partial(backward, name)


ROWS: dict[str, Callable[[], Case]] = dict(_rows())
