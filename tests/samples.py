"""Inputs for every op of the table, keyed by name: what the laws in test_ops.py run on."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinytorch.ir import ops
from tinytorch.ir.types import (
    DType,
    TensorType,
    bool_,
    float32,
    float64,
    from_numpy_dtype,
    int32,
    int64,
)  # fmt: skip


@dataclass
class Sample:
    """Operands and attributes of one application. ``smooth``: differentiable where it stands."""

    arrays: tuple[np.ndarray, ...]
    attrs: dict[str, Any] = field(default_factory=dict)
    smooth: bool = True

    @property
    def types(self) -> tuple[TensorType, ...]:
        return tuple(TensorType(from_numpy_dtype(a.dtype), a.shape) for a in self.arrays)


SHAPES = ((), (1,), (7,), (3, 5), (1, 4), (4, 1), (2, 3, 2), (0, 3))
FLOATS = (float32, float64)
INTEGERS = (int64, int32)
_random = np.random.default_rng(7)


def array(shape: Any, dtype: DType = float64, low: float = -3.0, high: float = 3.0) -> np.ndarray:
    """Random numbers, no two of them closer than finite differences reach."""
    if dtype is bool_:
        return np.asarray(_random.random(shape) < 0.5)
    if dtype.kind == "i":
        return np.asarray(_random.integers(int(low), int(high) + 1, shape), dtype.numpy)
    n = int(np.prod(shape))
    line = np.linspace(low, high, n + 2)[1:-1] + 0.0137
    return _random.permutation(line).reshape(shape).astype(dtype.numpy)


# Domains of float operands, where they are not (-3, 3); and what an op takes beside floats.
_DOMAINS = {
    "log": ((0.2, 4.0),), "log1p": ((-0.7, 3.0),), "sqrt": ((0.2, 4.0),), "rsqrt": ((0.2, 4.0),),
    "div": ((-3.0, 3.0), (0.5, 3.0)), "pow": ((0.3, 3.0), (-2.0, 2.0)),
    "tan": ((-1.2, 1.2),), "asin": ((-0.9, 0.9),), "acos": ((-0.9, 0.9),), "atanh": ((-0.9, 0.9),),
    "acosh": ((1.2, 4.0),), "log2": ((0.2, 4.0),), "log10": ((0.2, 4.0),), "erfinv": ((-0.9, 0.9),),
    "fmod": ((2.0, 2.9), (1.5, 1.95)), "atan2": ((-3.0, 3.0), (0.5, 3.0)),
    "hypot": ((-3.0, 3.0), (0.5, 3.0)),
    "remainder": ((-5.0, 5.0), (1.1, 1.9)), "floor_divide": ((-5.0, 5.0), (1.1, 1.9)),
}  # fmt: skip
_UNARY = [
    "neg",
    "abs",
    "sign",
    "exp",
    "expm1",
    "log",
    "log1p",
    "sqrt",
    "rsqrt",
    "sin",
    "cos",
    "tanh",
    "sigmoid",
    "erf",
    "relu",
    "floor",
    "ceil",
    "trunc",
    "round",
    "isnan",
    *("tan", "asin", "acos", "atan", "sinh", "cosh", "asinh", "acosh", "atanh"),
    *("exp2", "log2", "log10", "erfc", "erfinv"),
]
_BINARY = [
    "add",
    "sub",
    "mul",
    "div",
    "pow",
    "floor_divide",
    "remainder",
    "maximum",
    "minimum",
    "eq",
    "ne",
    "lt",
    "le",
    "gt",
    "ge",
    *("fmod", "atan2", "hypot", "copysign"),
]
_INTEGER = [
    "neg",
    "abs",
    "sign",
    "relu",
    "add",
    "sub",
    "mul",
    "floor_divide",
    "remainder",
    "maximum",
    "minimum",
    "eq",
    "ne",
    "lt",
    "le",
    "gt",
    "ge",
    "pow",
    "fmod",
]
_SHIFTS = ["shift_left", "shift_right"]
_BITS = ["bitwise_and", "bitwise_or", "bitwise_xor"]


def _elementwise(name: str, arity: int) -> Iterator[Sample]:
    domains = _DOMAINS.get(name, ((-3.0, 3.0),) * arity)
    if len(domains) < arity:
        domains = domains * arity
    for dtype in FLOATS:
        for shape in SHAPES:
            arrays = tuple(array(shape, dtype, *domain) for domain in domains)
            if name in ("remainder", "fmod", "floor_divide"):  # far from where they jump
                whole = np.floor(arrays[0] / arrays[1])
                arrays = ((whole + whole.dtype.type(0.3)) * arrays[1], arrays[1])
            if arity == 2 and name not in _DOMAINS:
                arrays = (arrays[0], (arrays[1] + arrays[0].dtype.type(0.011)))
            yield Sample(arrays)
    if name in _INTEGER:
        for dtype in INTEGERS:
            for shape in SHAPES:
                second = array(shape, dtype, 1, 4)
                yield Sample((array(shape, dtype, -9, 9), second)[:arity])
    if name in ("add", "mul", "maximum", "minimum", "eq", "ne", "lt"):
        for shape in ((5,), (2, 3)):
            yield Sample(tuple(array(shape, bool_) for _ in range(arity)))


def _edges(name: str) -> Iterator[Sample]:
    """Zeros, infinities, NaN and ties: no derivative is asked for here."""
    special = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0, 0.5, -2.5, 1e30, 40.0])
    for dtype in FLOATS:
        one = special.astype(dtype.numpy)
        if name in _UNARY:
            one = one[np.abs(one) < 1e20] if name in ("sin", "cos", "tan") else one
            yield Sample((one,), smooth=False)
        elif name not in ("pow", "floor_divide", "remainder", "fmod"):
            a, b = np.meshgrid(one, one)
            yield Sample((a.copy(), b.copy()), smooth=False)


def _reduction(name: str) -> Iterator[Sample]:
    shapes = {
        (): [()], (7,): [(0,)], (3, 5): [(0,), (1,), (0, 1), ()], (1, 4): [(0,), (1,)],
        (4, 1): [(0,), (0, 1)], (2, 3, 4): [(0,), (1,), (2,), (0, 2), (1, 2), (0, 1), (0, 1, 2)],
        (2, 3, 2, 3): [(1, 3), (0, 2), (1, 2)], (130,): [(0,)],
    }  # fmt: skip
    for dtype in (*FLOATS, *INTEGERS):
        for shape, choices in shapes.items():
            if dtype in INTEGERS and len(shape) > 2:
                continue  # a kernel each: the forms are the same as for floats
            for axes in choices:
                if not (name.startswith("arg") and not axes and shape):
                    yield Sample((array(shape, dtype, -6, 6),), {"axes": axes})
    empty = array((0, 3))
    if name == "sum":
        yield Sample((empty,), {"axes": (0,)})
    yield Sample((empty,), {"axes": (1,)})
    if name != "sum":
        for dtype in FLOATS:
            ties = np.array([[1, 3, 3], [2, 2, 0], [np.nan, 1, np.nan], [-np.inf, np.inf, 0]])
            for axes in ((0,), (1,), (0, 1)):
                yield Sample((ties.astype(dtype.numpy),), {"axes": axes}, smooth=False)


def _movement(name: str) -> Iterator[Sample]:
    rows: dict[str, list[tuple[tuple[tuple[int, ...], ...], dict[str, Any]]]] = {
        "reshape": [
            (((),), {"shape": (1, 1)}), (((6,),), {"shape": (2, 3)}),
            (((2, 3, 4),), {"shape": (6, 4)}),
            (((4, 6),), {"shape": (3, 8)}), (((0, 3),), {"shape": (3, 0)}),
        ],
        "broadcast_to": [
            (((),), {"shape": (3,)}), (((3,),), {"shape": (2, 3)}),
            (((3, 1),), {"shape": (2, 3, 4)}),
            (((1, 1),), {"shape": (1, 1)}), (((1,),), {"shape": (0,)}),
        ],
        "permute": [
            (((),), {"order": ()}), (((2, 3),), {"order": (1, 0)}),
            (((2, 3, 4),), {"order": (2, 0, 1)}),
        ],
        "slice": [
            (((7,),), {"starts": (1,), "stops": (6,), "steps": (2,)}),
            (((4, 5),), {"starts": (0, 2), "stops": (4, 5), "steps": (3, 1)}),
            (((4,),), {"starts": (2,), "stops": (2,), "steps": (1,)}),
        ],
        "pad": [
            (((3,),), {"low": (1,), "high": (2,)}), (((2, 3),), {"low": (0, 1), "high": (1, 0)}),
            (((0,),), {"low": (2,), "high": (1,)}),
        ],
        "barrier": [(((2, 3),), {"label": 1}), (((),), {"label": 2}), (((0, 2),), {"label": 3})],
        "flip": [(((5,),), {"axes": (0,)}), (((2, 3),), {"axes": (0, 1)}),
            (((2, 3),), {"axes": ()})],
        "cat": [
            (((2,), (3,)), {"axis": 0}), (((2, 3), (2, 1), (2, 2)), {"axis": 1}),
            (((2, 3), (0, 3)), {"axis": 0}), (((2, 3),), {"axis": 0}),
        ],
        "strided": [
            (((4, 5),), {"shape": (3,), "offsets": (1, 0), "steps": ((1,), (1,))}),
            (((7,),), {"shape": (3, 3), "offsets": (0,), "steps": ((2, 1),)}),
            (((6,),), {"shape": (6,), "offsets": (5,), "steps": ((-1,),)}),
            (((2, 6),), {"shape": (2, 2, 3), "offsets": (0, 1), "steps": ((1, 0, 0), (0, 2, 1))}),
            (((4,),), {"shape": (0, 2), "offsets": (0,), "steps": ((1, 1),)}),
        ],
        "update_slice": [
            (((7,), (3,)), {"starts": (1,), "steps": (2,)}),
            (((4, 5), (2, 2)), {"starts": (1, 0), "steps": (2, 3)}),
            (((3,), (0,)), {"starts": (0,), "steps": (1,)}),
            (((3,), (3,)), {"starts": (0,), "steps": (1,)}),
        ],
        "window": [
            (((7,),), {"axes": (0,), "sizes": (3,), "steps": (1,), "gaps": (1,)}),
            (((9,),), {"axes": (0,), "sizes": (3,), "steps": (2,), "gaps": (3,)}),
            (((2, 6, 5),), {"axes": (1, 2), "sizes": (2, 3), "steps": (2, 1), "gaps": (1, 2)}),
            (((4, 2),), {"axes": (0,), "sizes": (1,), "steps": (3,), "gaps": (5,)}),
        ],
        "unwindow": [
            (((5, 3),), {"axes": (0,), "steps": (1,), "gaps": (1,), "shape": (7,)}),
            (((4, 3),), {"axes": (0,), "steps": (2,), "gaps": (1,), "shape": (10,)}),
            (((3, 2),), {"axes": (0,), "steps": (2,), "gaps": (3,), "shape": (9,)}),
            (((3, 2),), {"axes": (0,), "steps": (3,), "gaps": (1,), "shape": (8,)}),
            (((3, 2),), {"axes": (0,), "steps": (2,), "gaps": (1,), "shape": (6,)}),
            (((2, 3),), {"axes": (0,), "steps": (1,), "gaps": (1,), "shape": (4,)}),
            (((2, 1, 2),), {"axes": (0,), "steps": (3,), "gaps": (2,), "shape": (6, 1)}),
            (((2, 3, 2, 2, 3),), {
                "axes": (1, 2), "steps": (2, 1), "gaps": (1, 2), "shape": (2, 6, 6),
            }),
            (((0, 3, 2),), {"axes": (1,), "steps": (1,), "gaps": (1,), "shape": (0, 4)}),
        ],
    }  # fmt: skip
    for dtype in (*FLOATS, *INTEGERS, bool_):
        for shapes, attrs in rows[name]:
            yield Sample(tuple(array(s, dtype) for s in shapes), attrs)


def _indices(shape: Any, size: int) -> np.ndarray:
    return np.asarray(_random.integers(0, size, shape), np.int64)


def _indexing(name: str) -> Iterator[Sample]:
    for dtype in (*FLOATS, *INTEGERS):
        if name == "take":
            for shape, axis, index in (((5,), 0, (3,)), ((4, 3), 0, ()), ((4, 3), 1, (2, 2))):
                yield Sample((array(shape, dtype), _indices(index, shape[axis])), {"axis": axis})
        elif name == "put_add":
            for shape, axis, index in (
                ((3,), 0, (3,)),
                ((2, 3, 4), 1, (3,)),
                ((2, 2, 3), 0, (2, 2)),
            ):
                attrs = {"axis": axis, "size": 4}
                yield Sample((array(shape, dtype), _indices(index, 4)), attrs)
        else:
            for shape, axis in (((5,), 0), ((4, 3), 0), ((4, 3), 1), ((2, 3, 2), 1)):
                if name.startswith("scatter_"):
                    extreme = name in ("scatter_max", "scatter_min")
                    size = 2 if extreme else 4
                    index = _indices(shape, size)
                    if extreme:  # every cell is hit: none holds an infinity
                        line = np.arange(shape[axis]) % size
                        index[...] = np.moveaxis(np.expand_dims(
                            line, tuple(range(1, len(shape)))), 0, axis)
                    yield Sample((array(shape, dtype), index), {"axis": axis, "size": size})
                    if extreme:
                        index = np.zeros_like(index)
                        attrs = {"axis": axis, "size": 3}
                        yield Sample((array(shape, dtype), index), attrs, smooth=False)
                else:
                    index = tuple(2 if i == axis else s for i, s in enumerate(shape))
                    yield Sample(
                        (array(shape, dtype), _indices(index, shape[axis])), {"axis": axis}
                    )


def _along(name: str) -> Iterator[Sample]:
    """Scans and orderings, along every axis."""
    shapes = (((6,), 0), ((3, 5), 0), ((3, 5), 1), ((2, 3, 4), 1), ((1, 4), 0), ((0, 3), 0),
              ((3, 0), 1), ((33,), 0))  # fmt: skip
    choices: tuple[dict[str, Any], ...] = ({},)
    if name in ("cumsum", "recurrence"):
        choices = ({"reverse": False}, {"reverse": True})
    elif name == "argsort":
        choices = ({"descending": False}, {"descending": True})
    operands = 2 if name == "recurrence" else 1
    for dtype in FLOATS if name == "logcumsumexp" else (*FLOATS, *INTEGERS):
        for shape, axis in shapes:
            for more in choices:
                arrays = tuple(array(shape, dtype) for _ in range(operands))
                if operands == 2 and dtype in FLOATS:
                    arrays = (arrays[0] / arrays[0].dtype.type(4), arrays[1])
                yield Sample(arrays, {"axis": axis} | more)
    ties = np.array([[1, 3, 3], [2, 2, 0], [np.nan, 1, np.nan], [-np.inf, np.inf, -0.0]])
    if name != "recurrence":
        for axis in (0, 1):
            for more in choices:
                yield Sample((ties,), {"axis": axis} | more, smooth=False)
    if name == "argsort":
        for more in choices:
            yield Sample((array((9,), bool_),), {"axis": 0} | more)


_EXTREMES = ("scatter_max", "scatter_min", "scatter_prod")


def _of_its_own(name: str, family: Any) -> list[Sample]:
    """Samples from random numbers that no other op's samples share."""
    global _random
    shared, _random = _random, np.random.default_rng(zlib.crc32(name.encode()))
    try:
        return list(family(name))
    finally:
        _random = shared


def _matmul() -> Iterator[Sample]:
    for dtype in FLOATS:
        for a, b in (
            ((2, 3), (3, 4)), ((1, 1), (1, 5)), ((2, 3, 4), (2, 4, 3)), ((1, 7), (7, 1)),
            ((3, 2, 2, 3), (3, 2, 3, 2)), ((40, 30), (30, 20)),
        ):  # fmt: skip
            yield Sample((array(a, dtype), array(b, dtype)))


def _selection(name: str) -> Iterator[Sample]:
    for dtype in (*FLOATS, *INTEGERS):
        for shape in SHAPES:
            x = array(shape, dtype)
            if name == "where":
                yield Sample((array(shape, bool_), x, array(shape, dtype)))
            elif name == "cast":
                for target in (float32, float64, int64, int32, bool_):
                    yield Sample((x,), {"dtype": target})
            elif name == "detach":
                yield Sample((x,), {"label": 0}, smooth=False)
            elif name == "require_range":
                attrs = {"low": -9, "high": 9, "error": "IndexError", "message": "{value} out"}
                if dtype.kind == "i":
                    yield Sample((x,), attrs)
            else:
                attrs = {"error": "ZeroDivisionError", "message": "zero"}
                yield Sample((abs(x) + x.dtype.type(1),), attrs, smooth=False)


def samples_of(name: str) -> list[Sample]:
    """All samples of an op; an empty list for one that the laws cannot apply to."""
    op = ops.TABLE[name]
    if op.family in ("scan", "ordering") or name in _EXTREMES:
        return _of_its_own(name, _along if name not in _EXTREMES else _indexing)
    if name in _UNARY or name in _BINARY:
        return [*_elementwise(name, 1 if name in _UNARY else 2), *_edges(name)]
    if name in (*_BITS, "bitwise_not"):
        kinds = (*INTEGERS, bool_) if name in _BITS else INTEGERS
        n = 2 if name in _BITS else 1
        return [Sample(tuple(array(s, d, -9, 9) for _ in range(n))) for d in kinds for s in SHAPES]
    if name in _SHIFTS:
        return [
            Sample((array(s, d, -99, 99), array(s, d, -2, 70))) for d in INTEGERS for s in SHAPES
        ]
    if name == "logical_not":
        return [Sample((array(s, bool_),)) for s in SHAPES]
    families = {"reduction": _reduction, "movement": _movement, "indexing": _indexing}
    if op.family in families:
        return list(families[op.family](name))
    if name == "matmul":
        return list(_matmul())
    if op.family == "elementwise":
        return list(_selection(name))
    sources = {
        "full": [
            {"value": v, "shape": s, "dtype": d} for s in ((), (3,), (2, 0)) for v, d in (
                (1.5, float32), (-0.0, float64), (float("nan"), float64), (3, int64), (True, bool_),
            )
        ],
        "extent": [{"size": 0}, {"size": 7}],
        "iota": [{"shape": s, "axis": a} for s,
            a in (((4,), 0), ((2, 3), 0), ((2, 3), 1), ((0,), 0))],
    }  # fmt: skip
    if name in sources:
        return [Sample((), attrs) for attrs in sources[name]]
    if name == "random_bits":
        state = np.array([12345, 7], np.int64)
        return [
            Sample((state,), {"shape": s, "offset": o}) for s in ((), (5,), (2, 3)) for o in (0, 9)
        ]
    return []


STRUCTURE = ("input", "tuple", "get", "call", "custom", "cond", "scan", "while")
"""Ops without samples of their own: graphs are made of them, and tests of graphs cover them."""
