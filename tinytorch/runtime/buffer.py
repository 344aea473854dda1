"""Memory: the arena of a program, and recycled arrays for results.

Fresh memory from the system costs many times more to touch than to write again, so both are
touched once and kept.
"""

from __future__ import annotations

import mmap
import sys
import weakref
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from tinytorch.runtime.objectcode import ALIGNMENT, aligned

HUGE = 4 << 20
"""Bytes from which memory is mapped apart, on huge pages where the system has them."""

Bytes = npt.NDArray[np.uint8]


def allocate(nbytes: int) -> Bytes:
    """Return at least one byte of zeroed memory, aligned to a cache line and already touched."""
    nbytes = max(1, nbytes)
    if nbytes >= HUGE:
        # Private: a forked child must not write into its parent's memory.
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
        mapped = mmap.mmap(-1, nbytes, flags=flags)
        if hasattr(mmap, "MADV_HUGEPAGE"):
            mapped.madvise(mmap.MADV_HUGEPAGE)
        memory = np.frombuffer(mapped, np.uint8)
    else:
        raw = np.empty(nbytes + ALIGNMENT, np.uint8)
        start = -raw.ctypes.data % ALIGNMENT
        memory = raw[start : start + nbytes]
    memory.fill(0)
    return memory


def address_of(array: npt.NDArray[Any]) -> int:
    """Address of an array's first element."""
    return int(array.__array_interface__["data"][0])


class Arena:
    """One allocation that holds every intermediate of a program."""

    def __init__(self, nbytes: int) -> None:
        self.memory = allocate(nbytes)
        self.nbytes = nbytes
        self.address = address_of(self.memory)


class _Shelf:
    """Buffers of one size. Those in use are known by being referred to from elsewhere."""

    def __init__(self, nbytes: int) -> None:
        self.nbytes = nbytes
        self.buffers: deque[tuple[Bytes, int]] = deque()


# References to a buffer that nobody uses, counted where ``take`` counts them: its tuple, the
# local name, the argument of getrefcount.
_UNUSED = 3
_TRIES = 4
SPARE_BYTES = 256 << 20
"""Unused memory that the pool keeps at most, beyond which it forgets the buffers it finds."""


class OutputPool:
    """Arrays for results, by size. A buffer returns when the last array that shares it dies.

    ``take`` is called by one thread at a time per shelf entry: an entry is popped before it is
    examined, so two threads never see the same one.
    """

    def __init__(self) -> None:
        self._shelves: dict[int, _Shelf] = {}

    def take(self, nbytes: int) -> tuple[Bytes, int]:
        """Return memory that nothing else refers to, as bytes, and its address.

        The memory is not cleared. It is kept from being taken again as long as the returned
        array, or any view of it, lives.
        """
        shelf = self._shelves.get(nbytes)
        if shelf is None:
            shelf = self._shelves.setdefault(nbytes, _Shelf(nbytes))
        return _take(shelf)

    def maker(
        self, dtype: npt.DTypeLike, shape: tuple[int, ...]
    ) -> Callable[[], tuple[npt.NDArray[Any], int]]:
        """Return a function that takes an array of one dtype and shape, and its address."""
        kind = np.dtype(dtype)
        nbytes = kind.itemsize * int(np.prod(shape, dtype=np.int64))
        shelf = self._shelves.setdefault(aligned(nbytes), _Shelf(aligned(nbytes)))
        ndarray = np.ndarray

        def make() -> tuple[npt.NDArray[Any], int]:
            memory, address = _take(shelf)
            return ndarray(shape, kind, memory), address

        return make

    def clear(self) -> None:
        """Forget all buffers; those in use live on until they are dropped."""
        for shelf in self._shelves.values():
            shelf.buffers.clear()


def _take(shelf: _Shelf) -> tuple[Bytes, int]:
    buffers = shelf.buffers
    for _ in range(min(len(buffers), _TRIES)):
        try:
            entry = buffers.popleft()
        except IndexError:
            break
        memory = entry[0]
        free = sys.getrefcount(memory) <= _UNUSED
        buffers.append(entry)
        if free:
            return entry
    memory = allocate(shelf.nbytes)
    entry = (memory, address_of(memory))
    buffers.append(entry)
    return entry


outputs = OutputPool()
"""The pool that all programs share."""
