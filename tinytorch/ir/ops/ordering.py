"""Ordering: the permutation that sorts. Sorted values are a gather of it, and so differentiable."""

from __future__ import annotations

import numpy as np

from tinytorch.ir.op import Attrs, fail, opaque
from tinytorch.ir.types import TensorType, int64


def _argsort_type(types: tuple[TensorType, ...], attrs: Attrs) -> TensorType:
    (x,) = types
    if not 0 <= attrs["axis"] < x.ndim:
        raise fail("argsort", f"axis {attrs['axis']} does not fit the rank", x)
    return TensorType(int64, x.shape)


def _argsort_eager(x: np.ndarray, axis: int, descending: bool) -> np.ndarray:
    if not descending:
        return np.argsort(x, axis, kind="stable")
    # Sorted backwards from a reversed axis, equals keep their order.
    order = np.argsort(np.flip(x, axis), axis, kind="stable")
    return np.flip(x.shape[axis] - 1 - order, axis)


argsort = opaque(
    "argsort", "ordering",
    "Positions along an axis in the order of their values; equals keep their order, NaN is above "
    "everything.",
    infer=_argsort_type, eager=_argsort_eager, result=int64,
)  # fmt: skip
