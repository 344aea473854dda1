"""``tinytorch.save`` and ``tinytorch.load``: nested objects of tensors as safetensors files.

No pickle: nothing in a file is ever run. A dict from names to tensors (a ``state_dict``) is a
plain safetensors file that any library reads, and any such file is read; what is nested or holds
other things than tensors is described by a JSON text in the file's metadata.
"""

from __future__ import annotations

import os
from typing import Any

from tinytorch.errors import TraceError
from tinytorch.saving.container import check_size, parse, serialized, write_file
from tinytorch.saving.structure import Reader, Writer
from tinytorch.tracer.device import check_device, device
from tinytorch.tracer.mode import mode, user_origin

KEY = "tinytorch"
"""Where the description lies in the metadata."""


def save(obj: Any, f: Any) -> None:
    """Write an object to a path, or to a file object open for writing bytes.

    It may hold tensors, numpy arrays and scalars, numbers, strings, bytes, None, dtypes, and
    lists, tuples, sets and dicts (plain, ordered, counters) of such, nested. A tensor that occurs
    twice is stored once. A path is replaced in one step: a crash leaves the old file or the new
    one. Raises TypeError, naming the place, for anything else; a module is saved by its
    ``state_dict()``.
    """
    _check_outside("save")
    writer = Writer()
    description = writer.text(obj)
    if hasattr(f, "write"):
        f.write(serialized(writer.arrays, {KEY: description}))
    elif isinstance(f, str | os.PathLike):
        write_file(os.fspath(f), writer.arrays, {KEY: description})
    else:
        raise TypeError(f"expected a path or a file open for writing, got {type(f).__name__}")


def load(f: Any, map_location: Any = None, *, weights_only: bool = True) -> Any:
    """Read what ``save`` wrote, or any safetensors file as a dict from names to tensors.

    ``f`` is a path or a file object open for reading bytes. Raises FileFormatError (a
    RuntimeError) for a file that is damaged, truncated or of another format, after which nothing
    is loaded. ``weights_only`` is there for PyTorch's sake: a file holds nothing that could run.
    """
    _check_outside("load")
    if isinstance(map_location, str | device):  # a mapping is from devices that are not here
        check_device(map_location)
    if hasattr(f, "read"):
        data, source = f.read(), str(getattr(f, "name", "the file"))
        if not isinstance(data, bytes | bytearray | memoryview):
            raise TypeError(f"{source} must be open for reading bytes, not text")
    elif isinstance(f, str | os.PathLike):
        source = os.fspath(f)
        with open(source, "rb") as opened:
            check_size(opened, str(source))
            data = opened.read()
    else:
        raise TypeError(f"expected a path or a file open for reading, got {type(f).__name__}")
    tensors, metadata = parse(bytes(data), source)
    if KEY not in metadata:
        return tensors
    return Reader(tensors, source).value(metadata[KEY])


def _check_outside(what: str) -> None:
    if mode.trace is not None:
        raise TraceError(
            f"{user_origin()}: tinytorch.{what} inside a compiled function; call it outside"
        )


__all__ = ["load", "save"]
