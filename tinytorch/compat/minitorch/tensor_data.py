"""Storage, shape and strides: how a tensor's elements lie in memory."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from tinytorch.compat.minitorch.operators import prod
from tinytorch.errors import TypeRuleError
from tinytorch.ir.types import broadcast_shapes
from tinytorch.tracer.storage import contiguous_strides

UserIndex: TypeAlias = Sequence[int]
UserShape: TypeAlias = Sequence[int]
UserStrides: TypeAlias = Sequence[int]
Storage: TypeAlias = npt.NDArray[np.float64]
OutIndex: TypeAlias = npt.NDArray[np.int32]
Index: TypeAlias = npt.NDArray[np.int32]
Shape: TypeAlias = npt.NDArray[np.int32]
Strides: TypeAlias = npt.NDArray[np.int32]
MAX_DIMS = 32


class IndexingError(RuntimeError):
    """An index or a shape that does not fit."""


def index_to_position(index: Sequence[int], strides: Sequence[int]) -> int:
    """Place in storage of a multi-index."""
    return int(sum(i * s for i, s in zip(index, strides)))


def to_index(ordinal: int, shape: Sequence[int], out_index: Any) -> None:
    """Write the multi-index of the ordinal-th element, in row-major order, into ``out_index``."""
    for axis in range(len(shape) - 1, -1, -1):
        ordinal, out_index[axis] = divmod(int(ordinal), int(shape[axis]))


def broadcast_index(
    big_index: Sequence[int], big_shape: Sequence[int], shape: Sequence[int], out_index: Any
) -> None:
    """Write the index into a smaller shape that an index into the broadcast shape reads."""
    lead = len(big_shape) - len(shape)
    for axis, size in enumerate(shape):
        out_index[axis] = big_index[axis + lead] if size > 1 else 0


def shape_broadcast(shape1: UserShape, shape2: UserShape) -> tuple[int, ...]:
    """Shape that two shapes broadcast to; raises IndexingError if there is none."""
    if not shape1 or not shape2:
        raise IndexingError(f"cannot broadcast {tuple(shape1)} and {tuple(shape2)}")
    try:
        return tuple(int(s) for s in broadcast_shapes(tuple(shape1), tuple(shape2)))
    except TypeRuleError as error:
        raise IndexingError(str(error)) from None


def strides_from_shape(shape: UserShape) -> tuple[int, ...]:
    """Strides of a contiguous layout."""
    return contiguous_strides(tuple(shape))


def strided(storage: Any, shape: Sequence[int], strides: Sequence[int]) -> Any:
    """A flat storage seen through a shape and strides, which count elements."""
    steps = [int(s) * storage.itemsize for s in strides]
    return np.lib.stride_tricks.as_strided(storage, tuple(int(s) for s in shape), steps)


class TensorData:
    """A flat float64 storage seen through a shape and strides."""

    def __init__(
        self, storage: Any, shape: UserShape, strides: UserStrides | None = None
    ) -> None:
        self._storage = np.asarray(storage, np.float64).reshape(-1)
        self.strides = strides_from_shape(shape) if strides is None else tuple(strides)
        if len(self.strides) != len(shape):
            raise IndexingError(f"Len of strides {self.strides} must match {tuple(shape)}.")
        self.shape = tuple(shape)
        self._shape, self._strides = np.array(self.shape), np.array(self.strides)
        self.dims = len(self.shape)
        self.size = int(prod(self.shape))
        assert len(self._storage) == self.size

    @staticmethod
    def shape_broadcast(shape_a: UserShape, shape_b: UserShape) -> tuple[int, ...]:
        """Shape that two shapes broadcast to."""
        return shape_broadcast(shape_a, shape_b)

    def is_contiguous(self) -> bool:
        """Whether strides never grow from one axis to the next."""
        return all(a >= b for a, b in zip(self.strides, self.strides[1:]))

    def index(self, index: int | UserIndex) -> int:
        """Place in storage; raises IndexingError for an index that does not fit."""
        whole = (index,) if isinstance(index, int) else tuple(index)
        shape = (1,) if not self.shape and whole == (0,) else self.shape
        if len(whole) != len(shape):
            raise IndexingError(f"Index {whole} must be size of {self.shape}.")
        for i, size in zip(whole, shape):
            if i >= size:
                raise IndexingError(f"Index {whole} out of range {self.shape}.")
            if i < 0:
                raise IndexingError(f"Negative indexing for {whole} not supported.")
        return index_to_position(whole, self.strides)

    def indices(self) -> Iterable[tuple[int, ...]]:
        """All indices, in row-major order."""
        return iter([tuple(int(i) for i in at) for at in np.ndindex(*self.shape)])

    def sample(self) -> tuple[int, ...]:
        """A random index."""
        return tuple(random.randint(0, s - 1) for s in self.shape)

    def get(self, key: UserIndex) -> float:
        """One element."""
        return float(self._storage[self.index(key)])

    def set(self, key: UserIndex, val: float) -> None:
        """Write one element."""
        self._storage[self.index(key)] = val

    def tuple(self) -> Any:
        """Storage, shape and strides."""
        return self._storage, self._shape, self._strides

    def permute(self, *order: int) -> TensorData:
        """The same storage with its axes in another order."""
        assert sorted(order) == list(range(self.dims)), (
            f"Must give a position to each dimension. Shape: {self.shape} Order: {order}"
        )
        return TensorData(
            self._storage, [self.shape[o] for o in order], [self.strides[o] for o in order]
        )

    def to_string(self) -> str:
        """Rows in brackets."""
        inner = self.dims - 1
        text = ""
        for index in self.indices():
            opened = next((d for d in range(inner, -1, -1) if index[d]), -1) + 1
            text += "".join("\n" + "\t" * d + "[" for d in range(opened, self.dims))
            last = [i == s - 1 for i, s in zip(index, self.shape)]
            closed = next((n for n, end in enumerate(reversed(last)) if not end), self.dims)
            text += f"{self.get(index):3.2f}" + ("]" * closed or " ")
        return text

    def view(self) -> np.ndarray[Any, Any]:
        """The elements as an array of this shape, in this storage."""
        return strided(self._storage, self.shape, self.strides)
