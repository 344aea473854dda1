"""Local files of a known layout, plain or gzipped, read without trusting what they say of sizes."""

from __future__ import annotations

import contextlib
import gzip
import os
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from tinytorch.errors import FileFormatError


@dataclass
class LocalFile:
    """A file open for reading, with the number of bytes that it holds, unpacked."""

    path: str
    stream: IO[bytes] | gzip.GzipFile
    left: int

    def read(self, count: int, what: str) -> bytes:
        """Return the next bytes; raise FileFormatError, before reading, if there are fewer."""
        if count > self.left:
            raise FileFormatError(
                f"{self.path}: {what} would take {count} bytes, and {self.left} are left: the file "
                "is truncated or damaged"
            )
        data = self.stream.read(count)
        if len(data) != count:
            raise FileFormatError(f"{self.path}: the file ends in the middle of {what}")
        self.left -= count
        return data

    def end(self) -> None:
        """Raise FileFormatError unless everything was read."""
        if self.left or self.stream.read(1):
            raise FileFormatError(f"{self.path}: bytes are left over after the last entry")


@contextlib.contextmanager
def opened(path: Any) -> Iterator[LocalFile]:
    """Open a file, gzipped or not; errors of unpacking become FileFormatError.

    The length of a gzipped file's content is taken from its last four bytes, and must be what the
    packed bytes can hold (deflate packs at most 1032 to 1).
    """
    path = os.fspath(path)
    with open(path, "rb") as raw:
        size = os.fstat(raw.fileno()).st_size
        packed = raw.read(2) == b"\x1f\x8b"
        if not packed:
            raw.seek(0)
            yield LocalFile(path, raw, size)
            return
        raw.seek(max(size - 4, 0))
        length = int.from_bytes(raw.read(4), "little")
        if length > size * 1032:
            raise FileFormatError(
                f"{path}: {size} gzipped bytes cannot hold the {length} that it promises"
            )
        raw.seek(0)
        try:
            with gzip.GzipFile(fileobj=raw) as stream:
                yield LocalFile(path, stream, length)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise FileFormatError(f"{path}: damaged gzip file ({error})") from None


def find(root: Any, folders: Sequence[str], names: Sequence[str]) -> Path:
    """Return the first file of these names in a folder or these folders of it.

    Raises FileNotFoundError that says what was looked for.
    """
    places = [Path(root), *(Path(root) / folder for folder in folders)]
    for place in places:
        for name in names:
            if (place / name).is_file():
                return place / name
    raise FileNotFoundError(
        f"none of {', '.join(names)} in {' or '.join(str(p) for p in places)}: download the files "
        "there first"
    )
