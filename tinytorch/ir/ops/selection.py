"""Elementwise ops whose operands differ in dtype, change it, or guard a value."""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np

from tinytorch.ir.op import Attrs, Handle, Op, as_dtype, fail, register
from tinytorch.ir.storage import stored
from tinytorch.ir.types import DType, TensorType, bool_


def _where_type(types: tuple[TensorType, ...], attrs: Attrs) -> TensorType:
    c, a, b = types
    if c.dtype is not bool_:
        raise fail("where", "the condition must be bool", *types)
    if not (c.shape == a.shape == b.shape) or a.dtype is not b.dtype:
        raise fail("where", "operands must have one shape, branches one dtype", *types)
    return TensorType(a.dtype, a.shape)


def _where_vjp(g: Handle, y: Handle, c: Handle, a: Handle, b: Handle) -> tuple[Any, ...]:
    zero = g.constant(0)
    return None, where(c, g, zero), where(c, zero, g)


def _where_jvp(ts: tuple[Any, ...], y: Handle, c: Handle, a: Handle, b: Handle) -> Handle:
    _, ta, tb = ts
    zero = y.constant(0)
    return where(c, zero if ta is None else ta, zero if tb is None else tb)


where = register(
    Op(
        "where", "elementwise", "The first branch where the condition holds, else the second.",
        _where_type, np.where, "select({0}, {1}, {2})", _where_vjp, _where_jvp, moves=True,
    )
)  # fmt: skip


def _cast_eager(x: np.ndarray, dtype: DType, weak: bool = False) -> np.ndarray:
    return stored(x, dtype)


def _cast_back(
    g: Handle, y: Handle, x: Handle, dtype: DType, weak: bool = False
) -> tuple[Any, ...]:
    return (cast(g, dtype=x.aval.dtype) if x.aval.dtype.is_floating_point else None,)


def _cast_forward(
    ts: tuple[Any, ...], y: Handle, x: Handle, dtype: DType, weak: bool = False
) -> Any:
    return cast(ts[0], dtype=dtype) if dtype.is_floating_point else None


cast = register(
    Op(
        "cast", "elementwise", "The same values in another dtype.",
        lambda types, attrs: TensorType(attrs["dtype"], types[0].shape, attrs.get("weak", False)),
        _cast_eager, None, _cast_back, _cast_forward, linear=True,
    )
)  # fmt: skip

detach = register(
    Op(
        "detach", "elementwise",
        "The value itself, through which no derivative flows. ``label`` keeps two leaves that "
        "start from one value apart.",
        lambda types, attrs: types[0], lambda x, label: x, "{0}",
        lambda g, y, x, label: (None,), lambda ts, y, x, label: None,
        moves=True,
    )
)  # fmt: skip

# ------------------------------------------------------- checks at run time

ERRORS = {"IndexError": IndexError, "RuntimeError": RuntimeError,
          "ValueError": ValueError, "ZeroDivisionError": ZeroDivisionError}


def _same(types: tuple[TensorType, ...], attrs: Attrs) -> TensorType:
    return types[0]


def _require_range(
    x: np.ndarray, low: int, high: int, error: str, message: str
) -> np.ndarray:
    bad = (x < low) | (x >= high)
    if builtins.bool(bad.any()):
        raise ERRORS[error](message.replace("{value}", str(x[bad].flat[0])))
    return x


require_range = register(
    Op(
        "require_range", "elementwise",
        "The value itself; fails with ``error`` unless ``low <= x < high``. In ``message``, "
        "``{value}`` stands for the first offender where it is known.",
        _same, _require_range, "{0}", lambda g, y, x, **a: (None,), lambda ts, y, x, **a: None,
        effect=True,
    )
)  # fmt: skip


def _require_nonzero(x: np.ndarray, error: str, message: str) -> np.ndarray:
    if not builtins.bool(np.all(x != 0)):
        raise ERRORS[error](message)
    return x


require_nonzero = register(
    Op(
        "require_nonzero", "elementwise", "The value itself; fails with ``error`` if any is 0.",
        _same, _require_nonzero, "{0}", lambda g, y, x, **a: (None,), lambda ts, y, x, **a: None,
        effect=True,
    )
)  # fmt: skip

__all__ = ["ERRORS", "as_dtype", "cast", "detach", "require_nonzero", "require_range", "where"]
