"""Memory: the arena of a program, and recycled arrays for results.

Fresh memory from the system costs many times more to touch than to write again, so both are
touched once and kept.
"""

from __future__ import annotations

import contextlib
import mmap
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from tinytorch.errors import OutOfMemoryError
from tinytorch.runtime.objectcode import ALIGNMENT, aligned

HUGE = 4 << 20
"""Bytes from which memory is mapped apart, on huge pages where the system has them."""

Bytes: TypeAlias = npt.NDArray[np.uint8]


def allocate(nbytes: int) -> Bytes:
    """Return at least one byte of zeroed memory, aligned to a cache line and already touched.

    Raises OutOfMemoryError where the system has none.
    The array's base is no array, so every view of it, at any remove, refers to it directly.
    """
    nbytes = max(1, nbytes)
    if nbytes < HUGE:
        raw = bytearray(nbytes + ALIGNMENT)
        offset = -address_of(np.frombuffer(raw, np.uint8)) % ALIGNMENT
        memory = np.frombuffer(raw, np.uint8, nbytes, offset)
    else:
        # Private: a forked child must not write into its parent's memory.
        try:
            mapped = mmap.mmap(-1, nbytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        except (OSError, OverflowError) as error:
            raise OutOfMemoryError(
                f"can't allocate memory: a compiled function needs {nbytes} bytes at once"
            ) from error
        if hasattr(mmap, "MADV_HUGEPAGE"):
            with contextlib.suppress(OSError):  # a kernel without huge pages
                mapped.madvise(mmap.MADV_HUGEPAGE)
        memory = np.frombuffer(mapped, np.uint8)
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


_TRIES = 4  # entries examined by one call
_SPARE = 4  # entries up to which none is given back to the system

Entry: TypeAlias = tuple[Bytes, int]
Result: TypeAlias = tuple[npt.NDArray[Any], int, Bytes]
"""An array, its address, and the memory it lies in."""

_KEPT, _KEPT_HUGE = 4, 2


def _references(entry: Entry) -> int:
    return sys.getrefcount(entry[0])


_UNUSED = _references((np.empty(0, np.uint8), 0))
"""References to a buffer that only its entry holds (how many differs between Pythons)."""


@dataclass
class _Shelf:
    """Buffers of one size, in use or not."""

    nbytes: int
    entries: deque[Entry] = field(default_factory=deque)

    def take(self) -> Entry:
        """Return a buffer that nobody uses: a known one, else a new one.

        An entry is popped before it is examined, so no two threads examine the same one. Beyond
        ``_SPARE`` entries, further unused ones that come by are dropped.
        """
        found: Entry | None = None
        for _ in range(min(len(self.entries), _TRIES)):
            try:
                entry = self.entries.popleft()
            except IndexError:  # another thread holds the rest
                break
            if _references(entry) <= _UNUSED:
                if found is None:
                    found = (entry[0], entry[1])  # a new tuple: it keeps the memory in use
                elif len(self.entries) >= _SPARE:
                    continue
            self.entries.append(entry)
            if found is not None and len(self.entries) <= _SPARE:
                break
        if found is None:
            memory = allocate(self.nbytes)
            found = (memory, address_of(memory))
            self.entries.append((memory, found[1]))
        return found


class OutputPool:
    """Arrays for results, by size. A buffer returns when the last array that shares it dies."""

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
        return shelf.take()

    def ring(self, dtype: npt.DTypeLike, shape: tuple[int, ...]) -> Callable[[], Result]:
        """Return a function that gives an array of one dtype and shape, and its address.

        It keeps the last few arrays it gave and gives one again once nobody holds it or a view of
        it: then a result costs neither memory nor a new array object. The function is not safe
        for two threads at once; the caller has its executable's turn.
        """
        kind = np.dtype(dtype)
        nbytes = aligned(kind.itemsize * int(np.prod(shape, dtype=np.int64)))
        entries: list[Result] = []
        most = _KEPT if nbytes < HUGE else _KEPT_HUGE
        references = sys.getrefcount
        array_idle, memory_idle = _IDLE

        def grow() -> Result:
            memory, address = self.take(nbytes)
            entry = (np.ndarray(shape, kind, memory), address, memory)
            entries.insert(0, entry)
            del entries[most:]
            return entry

        def give() -> Result:
            for entry in entries:
                if references(entry[0]) <= array_idle and references(entry[2]) <= memory_idle:
                    return entry
            return grow()

        return give

    def clear(self) -> None:
        """Forget all buffers; those in use live on until they are dropped."""
        for shelf in self._shelves.values():
            shelf.entries.clear()


outputs = OutputPool()
"""The pool that all programs share."""


def _idle_references() -> tuple[int, int]:
    """References to a kept array and to its memory when nobody else holds either.

    Measured on one, because it differs between versions of Python.
    """
    private = OutputPool()
    memory, address = private.take(ALIGNMENT)
    entries: list[Result] = [(np.ndarray((1,), np.uint8, memory), address, memory)]
    del memory
    for entry in entries:
        return sys.getrefcount(entry[0]), sys.getrefcount(entry[2])
    raise AssertionError


_IDLE = _idle_references()
