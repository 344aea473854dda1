"""ObjectCode: machine code as bytes, and the names and layout that callers of it rely on."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from tinytorch.errors import CompileError
from tinytorch.ir.types import DType

ALIGNMENT = 64
"""Every buffer starts on a cache line."""


@dataclass(frozen=True)
class ObjectCode:
    """An object file and the symbols it expects to find in the process."""

    image: bytes
    symbols: tuple[str, ...]

    def to_bytes(self) -> bytes:
        """One line of JSON, then the image."""
        return json.dumps(self.symbols).encode() + b"\n" + self.image

    @classmethod
    def from_bytes(cls, data: bytes) -> ObjectCode:
        """Inverse of ``to_bytes``; raises CompileError on anything else."""
        head, newline, image = data.partition(b"\n")
        try:
            symbols = tuple(str(s) for s in json.loads(head))
        except (ValueError, TypeError) as error:
            raise CompileError(f"not object code: {error}") from None
        if not newline or not image:
            raise CompileError("not object code: no image")
        return cls(image, symbols)


def call_symbol(function: str) -> str:
    """Name under which an object exports a function of a text with the uniform signature."""
    return f"{function}.call"


def aligned(nbytes: int) -> int:
    """``nbytes`` rounded up to a whole number of cache lines."""
    return -(-nbytes // ALIGNMENT) * ALIGNMENT


def scratch_offsets(scratch: Iterable[tuple[DType, int]]) -> tuple[tuple[int, ...], int]:
    """Byte offset of each scratch buffer, and the bytes of all of them together."""
    offsets = []
    total = 0
    for dtype, size in scratch:
        offsets.append(total)
        total += aligned(size * dtype.itemsize)
    return tuple(offsets), total
