"""Scans: running values along an axis, each a function of the one before and an element.

Sums of floats run in float64, so that a long scan loses no more than its last rounding.
"""

from __future__ import annotations

import numpy as np

from tinytorch.ir.op import Attrs, Handle, Infer, Op, fail, linear, opaque
from tinytorch.ir.ops.elementwise import exp, sub
from tinytorch.ir.ops.movement import pad, slice_
from tinytorch.ir.ops.selection import where
from tinytorch.ir.types import DType, TensorType, float32, float64, int64


def wide(dtype: DType) -> DType:
    """The dtype in which a scan carries its value."""
    if dtype.kind != "f":
        return dtype
    return float32 if dtype.bits == 16 else float64


def _scanned(name: str, floating: bool = False, result: DType | None = None) -> Infer:
    def infer(types: tuple[TensorType, ...], attrs: Attrs) -> TensorType:
        first = types[0]
        if not 0 <= attrs["axis"] < first.ndim:
            raise fail(name, f"axis {attrs['axis']} does not fit the rank", *types)
        if any(t.shape != first.shape or t.dtype is not first.dtype for t in types):
            raise fail(name, "operands must have one shape and dtype", *types)
        if floating and not first.dtype.is_floating_point:
            raise fail(name, "operands must be floating point", *types)
        return TensorType(result or first.dtype, first.shape)

    return infer


def _wide_array(x: np.ndarray) -> np.ndarray:
    return x.astype(np.float64) if x.dtype.kind == "f" else x


def _in_order(x: np.ndarray, axis: int, reverse: bool) -> np.ndarray:
    return np.flip(x, axis) if reverse else x


def _cumsum_eager(x: np.ndarray, axis: int, reverse: bool) -> np.ndarray:
    with np.errstate(all="ignore"):
        kind = np.float64 if x.dtype.kind == "f" else x.dtype
        out = np.cumsum(_in_order(x, axis, reverse), axis, dtype=kind)
        return _in_order(out, axis, reverse).astype(x.dtype)


cumsum: Op = linear(
    "cumsum", "scan", "Sums of all elements up to each (from the end, if ``reverse``).",
    infer=_scanned("cumsum"), eager=_cumsum_eager, accumulates=True,
    transpose=lambda g, x, axis, reverse: (cumsum(g, axis=axis, reverse=not reverse),),
)  # fmt: skip


# ------------------------------------------------------------------ recurrence


def _recurrence_eager(a: np.ndarray, b: np.ndarray, axis: int, reverse: bool) -> np.ndarray:
    a = np.moveaxis(_in_order(a, axis, reverse), axis, 0)
    b = np.moveaxis(_in_order(b, axis, reverse), axis, 0)
    factors, out = _wide_array(a), _wide_array(b).copy()
    with np.errstate(all="ignore"):
        for i in range(1, len(out)):
            out[i] += factors[i] * out[i - 1]
        return _in_order(np.moveaxis(out, 0, axis), axis, reverse).astype(b.dtype)


def _later(x: Handle, axis: int, reverse: bool) -> Handle:
    """Each element replaced by the one before it in the order of the scan; zero comes first."""
    shape = x.aval.shape
    ndim = len(shape)
    if shape[axis] == 0:
        return x
    low = tuple(int(i == axis and not reverse) for i in range(ndim))
    high = tuple(int(i == axis and reverse) for i in range(ndim))
    stops = tuple(s - p for s, p in zip(shape, low))
    kept = slice_(x, starts=high, stops=stops, steps=(1,) * ndim)
    return pad(kept, low=low, high=high)


def _recurrence_vjp(
    g: Handle, y: Handle, a: Handle, b: Handle, axis: int, reverse: bool
) -> tuple[Handle, Handle]:
    following = _later(a, axis, not reverse)
    h = recurrence(following, g, axis=axis, reverse=not reverse)
    return h * _later(y, axis, reverse), h


def _recurrence_jvp(
    ts: tuple[Handle | None, Handle | None], y: Handle, a: Handle, b: Handle, axis: int,
    reverse: bool,
) -> Handle:  # fmt: skip
    ta, tb = ts
    moved = None if ta is None else ta * _later(y, axis, reverse)
    total = tb if moved is None else (moved if tb is None else moved + tb)
    return recurrence(a, total, axis=axis, reverse=reverse)


recurrence: Op = opaque(
    "recurrence", "scan",
    "y[i] = a[i] * y[i - 1] + b[i] along an axis; y starts from b, whatever the first a "
    "(from the end, if ``reverse``).",
    infer=_scanned("recurrence"), eager=_recurrence_eager,
    vjp=_recurrence_vjp, jvp=_recurrence_jvp, accumulates=True,
)  # fmt: skip

# --------------------------------------------------------------- logcumsumexp


def _logcumsumexp_eager(x: np.ndarray, axis: int) -> np.ndarray:
    with np.errstate(all="ignore"):
        return np.logaddexp.accumulate(_wide_array(x), axis).astype(x.dtype)


def _ratio(later: Handle, sooner: Handle) -> Handle:
    """exp(sooner - later), where both are -inf 0; never above 1 for values of the scan."""
    return where(sooner == float("-inf"), 0.0, exp(sub(sooner, later)))


def _logcumsumexp_vjp(g: Handle, y: Handle, x: Handle, axis: int) -> tuple[Handle]:
    # The sum over j >= i of g[j] * exp(x[i] - y[j]), with every factor at most 1.
    factors = _ratio(_later(y, axis, True), y)
    return (_ratio(y, x) * recurrence(factors, g, axis=axis, reverse=True),)


def _logcumsumexp_jvp(ts: tuple[Handle], y: Handle, x: Handle, axis: int) -> Handle:
    factors = _ratio(y, _later(y, axis, False))
    return recurrence(factors, _ratio(y, x) * ts[0], axis=axis, reverse=False)


logcumsumexp = opaque(
    "logcumsumexp", "scan", "log of the sum of exp of all elements up to each.",
    infer=_scanned("logcumsumexp", floating=True), eager=_logcumsumexp_eager,
    vjp=_logcumsumexp_vjp, jvp=_logcumsumexp_jvp, accumulates=True,
)  # fmt: skip

# ------------------------------------------------------------------- positions


def _running(name: str, doc: str, ufunc: np.ufunc, beats: np.ufunc) -> Op:
    def eager(x: np.ndarray, axis: int) -> np.ndarray:
        x = np.moveaxis(x, axis, 0)
        out = np.zeros(x.shape, np.int64)
        if len(x) > 1:
            best = ufunc.accumulate(x, 0)
            with np.errstate(invalid="ignore"):
                new = beats(x[1:], best[:-1]) | (x[1:] != x[1:])
            steps = np.arange(1, len(x)).reshape(-1, *[1] * (x.ndim - 1))
            out[1:] = np.maximum.accumulate(np.where(new, steps, 0), 0)
        return np.moveaxis(out, 0, axis)

    return opaque(name, "scan", doc, infer=_scanned(name, result=int64), eager=eager, result=int64)


cumargmax = _running(
    "cumargmax", "Position of the largest so far; a NaN wins, and of equals the last.",
    np.maximum, np.greater_equal,
)  # fmt: skip
cumargmin = _running(
    "cumargmin", "Position of the smallest so far; a NaN wins, and of equals the last.",
    np.minimum, np.less_equal,
)  # fmt: skip

__all__ = ["cumargmax", "cumargmin", "cumsum", "logcumsumexp", "recurrence", "wide"]
