"""Sources: values that come from nowhere but their attributes (and, for random bits, a state)."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinytorch.ir.op import Attrs, fail, opaque
from tinytorch.ir.storage import stored
from tinytorch.ir.types import DType, TensorType, int64

input_ = opaque(
    "input", "source",
    "A value from outside: an argument, or state (a tensor with an update).",
    infer=lambda types, attrs: attrs["type"],
    eager=lambda **attrs: _no_value(),
)  # fmt: skip


def _no_value() -> Any:
    raise AssertionError("an input has no value of its own")


def _full_type(types: tuple[Any, ...], attrs: Attrs) -> TensorType:
    return TensorType(attrs["dtype"], tuple(attrs["shape"]), attrs.get("weak", False))


def _full_eager(value: Any, shape: Any, dtype: DType, weak: bool = False) -> np.ndarray:
    with np.errstate(all="ignore"):
        return stored(np.full(shape, value), dtype)


full = opaque(
    "full", "source", "One number everywhere.", infer=_full_type, eager=_full_eager
)


def _iota_type(types: tuple[Any, ...], attrs: Attrs) -> TensorType:
    shape = tuple(attrs["shape"])
    if not 0 <= attrs["axis"] < len(shape):
        raise fail("iota", f"axis {attrs['axis']} does not fit rank {len(shape)}")
    return TensorType(int64, shape)


def _iota_eager(shape: Any, axis: int) -> np.ndarray:
    line = np.arange(shape[axis], dtype=np.int64)
    return np.broadcast_to(line.reshape([-1 if i == axis else 1 for i in range(len(shape))]), shape)


iota = opaque(
    "iota", "source", "Each element's own index along an axis.",
    infer=_iota_type, eager=_iota_eager, result=int64,
)  # fmt: skip

extent = opaque(
    "extent", "source",
    "A size as a weak number: ``size`` may be an expression over sizes known at run time.",
    infer=lambda types, attrs: TensorType(int64, (), True),
    eager=lambda size: np.asarray(int(size), np.int64), result=int64,
)  # fmt: skip
