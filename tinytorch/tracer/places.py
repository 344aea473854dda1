"""Places: where the tensors of a replay lie in memory, and whether they touch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.lib.array_utils import byte_bounds

from tinytorch.tracer.storage import LentStorage
from tinytorch.tracer.tensor import Tensor


def address(tensor: Tensor) -> int:
    """Address of a tensor's first element."""
    found: int = tensor.array.__array_interface__["data"][0]
    return found


def pointer_of(tensor: Tensor) -> int:
    """Address of a contiguous tensor's first element, remembered on the tensor."""
    tensor._pointer = address(tensor)
    return tensor._pointer


def is_packed(tensor: Tensor) -> bool:
    """Whether a tensor's elements lie in row-major order without gaps: a program can read them."""
    return tensor.is_contiguous() and bool(tensor.array.flags.c_contiguous)


def touch(a: Tensor, b: Tensor) -> bool:
    """Whether some memory belongs to both tensors."""
    low, high = byte_bounds(a.array)
    start, end = byte_bounds(b.array)
    return low < end and start < high and np.shares_memory(a.array, b.array)


def touch_lent(a: Tensor, others: Sequence[Tensor]) -> bool:
    """Whether memory that numpy shows too is that of others, under storages of their own."""
    return type(a._storage) is LentStorage and any(
        type(b._storage) is LentStorage and b._storage is not a._storage and touch(a, b)
        for b in others
    )


__all__ = ["address", "is_packed", "pointer_of", "touch", "touch_lent"]
