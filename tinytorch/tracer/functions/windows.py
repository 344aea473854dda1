"""Windows over axes: sliding ones, the sum that undoes their overlap, and tables of positions.

They carry no name of PyTorch's: convolutions, pools and resampling are written with them.
"""

from __future__ import annotations

from tinytorch.ir import ops
from tinytorch.tracer.kinds import Wholes
from tinytorch.tracer.tensor import Tensor


def windows(
    input: Tensor, dims: Wholes, sizes: Wholes, steps: Wholes,
    gaps: Wholes,
) -> Tensor:  # fmt: skip
    """A view of the windows along sorted, non-negative ``dims``.

    Each axis becomes the number of windows, and their insides are new last axes: element
    (..., o, ..., k, ...) is element o * step + k * gap of the axis. Raises TypeRuleError (a
    RuntimeError) where not one window fits.
    """
    strides = list(input._strides)
    for axis, step in zip(dims, steps, strict=True):
        strides[axis] *= step
    strides += [input._strides[axis] * gap for axis, gap in zip(dims, gaps, strict=True)]
    attrs = {
        "axes": tuple(dims), "sizes": tuple(sizes), "steps": tuple(steps), "gaps": tuple(gaps),
    }  # fmt: skip
    return input.view_as_op(ops.window, attrs, tuple(strides))


def added_windows(
    input: Tensor, dims: Wholes, steps: Wholes, gaps: Wholes,
    shape: Wholes,
) -> Tensor:  # fmt: skip
    """Each element of each window added into zeros of ``shape``: the transpose of ``windows``."""
    return ops.unwindow(
        input, axes=tuple(dims), steps=tuple(steps), gaps=tuple(gaps), shape=tuple(shape)
    )


def taken(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """Slices along a non-negative axis at int64 positions that are in range by construction.

    The index's axes take the place of the axis. Unlike ``index_select`` nothing is checked.
    """
    return ops.take(input, index, axis=dim)


__all__ = ["added_windows", "taken", "windows"]
