"""How values are computed with numpy: checks of matrices, and numpy's own errors as PyTorch's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinytorch.errors import LinAlgError
from tinytorch.tracer.functions.masking import known
from tinytorch.tracer.shapes import check_tensor
from tinytorch.tracer.tensor import Tensor

_REMEDY = "factorizations of matrices run eagerly alone; call it outside the compiled function"


def check_matrix(A: Any, name: str, square: bool = False) -> Tensor:  # noqa: N803
    """Return batches of floating-point matrices; raise RuntimeError for anything else."""
    if check_tensor(A, name).ndim < 2:
        raise RuntimeError(
            f"{name}: The input tensor A must have at least 2 dimensions, but has {A.ndim}"
        )
    if square and A.shape[-1] != A.shape[-2]:
        raise RuntimeError(
            f"{name}: A must be batches of square matrices, but they are {A.shape[-2]} by "
            f"{A.shape[-1]} matrices"
        )
    if A.dtype.kind != "f" or A.dtype.is_half:
        raise RuntimeError(
            f"{name}: Expected a floating point tensor of float32 or float64 as input. Got "
            f"{A.dtype.name}"
        )
    return A


def computed(name: str, rule: Callable[..., Any], *operands: Tensor) -> Any:
    """What a numpy function gives for the values of tensors, as tensors of their dtype.

    Raises TraceError inside a compiled function, LinAlgError where numpy's algorithm fails.
    """
    arrays = [known(x, f"the operand of {name}", _REMEDY) for x in operands]
    with np.errstate(all="ignore"):
        try:
            found = rule(*arrays)
        except np.linalg.LinAlgError as error:
            raise LinAlgError(f"{name}: {error}") from None
    dtype = operands[0].dtype.numpy
    if not isinstance(found, tuple):
        return Tensor.wrap(np.array(found, dtype, order="C"))
    return tuple(Tensor.wrap(np.array(x, dtype, order="C")) for x in found)


def zero_pivot(array: np.ndarray) -> int:
    """Which diagonal element of an LU factorization is zero first, from 1 on; 0 for none."""
    rows = array.astype(np.float64).copy()
    for k in range(len(rows)):
        pivot = k + int(np.argmax(np.abs(rows[k:, k])))
        if rows[pivot, k] == 0:
            return k + 1
        rows[[k, pivot]] = rows[[pivot, k]]
        rows[k + 1 :] -= np.outer(rows[k + 1 :, k] / rows[k, k], rows[k])
    return 0


def refuse_singular(name: str, what: str, array: np.ndarray) -> None:
    """Raise LinAlgError that names the first matrix that is singular."""
    for batch, place in enumerate(np.ndindex(array.shape[:-2])):
        at = zero_pivot(array[place])
        if at:
            where = f"(Batch element {batch}): " if array.ndim > 2 else ""
            raise LinAlgError(
                f"{name}: {where}The diagonal element {at} is zero, the {what} could not be "
                "completed because the input matrix is singular."
            )


__all__ = ["check_matrix", "computed", "refuse_singular"]
