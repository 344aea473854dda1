"""Tensors by name in the safetensors format, with every claim of a file checked.

The library reads and writes the format; before it does, the header is read here once more, since
JSON lets a name occur twice and the library then takes one of the two.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import stat
from collections.abc import Mapping
from typing import IO, Any, NoReturn

import numpy as np
import safetensors

from tinytorch.errors import FileFormatError
from tinytorch.ir.types import BY_NAME, TensorType
from tinytorch.tracer.tensor import Tensor

_LENGTH = 8
"""Bytes of the header's length, a little-endian number at the start of a file."""
_NAMES = {
    "BOOL": "bool", "U8": "uint8", "I8": "int8", "I16": "int16", "I32": "int32", "I64": "int64",
    "F16": "float16", "BF16": "bfloat16", "F32": "float32", "F64": "float64",
}  # fmt: skip
DTYPES = {short: BY_NAME[name] for short, name in _NAMES.items() if name in BY_NAME}


def _specs(arrays: Mapping[str, tuple[str, np.ndarray]]) -> dict[str, Any]:
    return {
        name: safetensors.TensorSpec(
            dtype=dtype, shape=array.shape, data_ptr=array.ctypes.data, data_len=array.nbytes
        )
        for name, (dtype, array) in arrays.items()
    }


def serialized(
    arrays: Mapping[str, tuple[str, np.ndarray]], metadata: dict[str, str]
) -> bytes:  # fmt: skip
    """Return contiguous arrays, each with the name of its dtype, as the bytes of a file."""
    return bytes(safetensors.serialize(_specs(arrays), metadata=metadata))


def write_file(
    path: str, arrays: Mapping[str, tuple[str, np.ndarray]], metadata: dict[str, str]
) -> None:
    """Write a file beside its place, then put it there in one step.

    Raises OSError if that is not possible; then the old file is as it was.
    """
    path = os.path.realpath(path)
    folder, name = os.path.split(path)
    if os.path.isdir(path):
        raise IsADirectoryError(f"{path} is a folder")
    beside = os.path.join(folder, f".{name[:100]}.{secrets.token_hex(8)}.tmp")
    os.close(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
    try:
        mode = stat.S_IMODE(os.stat(beside).st_mode)
        with contextlib.suppress(FileNotFoundError):
            mode = stat.S_IMODE(os.stat(path).st_mode)
        try:
            safetensors.serialize_file(_specs(arrays), beside, metadata=metadata)
        except safetensors.SafetensorError as error:
            raise OSError(f"could not write {path}: {error}") from None
        os.chmod(beside, mode)
        with open(beside, "rb+") as written:
            os.fsync(written.fileno())
        os.replace(beside, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(beside)
        raise


def check_size(file: IO[bytes], source: str) -> None:
    """Raise FileFormatError unless a file is as long as its header says; read no more than that."""
    about = os.fstat(file.fileno())
    if not stat.S_ISREG(about.st_mode):
        _refuse(source, "it is no regular file")
    start = file.read(_LENGTH)
    length = int.from_bytes(start, "little")
    header = _header(start + file.read(min(length, about.st_size)), source)
    ends = [0]
    for name, entry in header.items():
        offsets = entry.get("data_offsets") if isinstance(entry, dict) else None
        if name != "__metadata__" and isinstance(offsets, list):
            ends += [end for end in offsets if isinstance(end, int)]
    if _LENGTH + length + max(ends) != about.st_size:
        _refuse(
            source, f"it has {about.st_size} bytes where its header tells of "
            f"{_LENGTH + length + max(ends)}: truncated or damaged"
        )  # fmt: skip
    file.seek(0)


def parse(data: bytes, source: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return the tensors and the metadata of a file; raise FileFormatError for a bad one."""
    header = _header(data, source)
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        _refuse(source, "its metadata are not texts by name")
    for name, entry in header.items():
        short = entry.get("dtype") if isinstance(entry, dict) else None
        if not isinstance(short, str) or short not in DTYPES:
            _refuse(source, f"tensor {name!r} has dtype {short!r}, which is none of tinytorch's")
    try:
        found = dict(safetensors.deserialize(data))  # type: ignore[no-untyped-call]
    except safetensors.SafetensorError as error:
        _refuse(source, str(error))
    tensors = {}
    for name in header:
        entry = found[name]
        dtype, shape = DTYPES[entry["dtype"]], tuple(entry["shape"])
        array = np.frombuffer(entry["data"], dtype.numpy)
        if dtype.kind == "b" and array.size and array.view(np.uint8).max() > 1:
            _refuse(source, f"tensor {name!r} holds bools that are neither 0 nor 1")
        tensors[name] = Tensor.make(TensorType(dtype, shape), array.reshape(shape))
    return tensors, metadata


def _header(data: bytes, source: str) -> dict[str, Any]:
    """The header as JSON says it, without repeated names."""
    length = int.from_bytes(data[:_LENGTH], "little")
    if data[:2] in (b"PK", b"\x80\x02", b"\x80\x04", b"\x80\x05") and length > len(data):
        _refuse(
            source, "it is a pickle, as torch.save writes it, which could run anything when read; "
            "save it with safetensors.torch.save_file"
        )  # fmt: skip
    if len(data) < _LENGTH or length > len(data) - _LENGTH:
        _refuse(
            source, f"it has {len(data)} bytes, and its header would end after "
            f"{length + _LENGTH}: truncated, or of another format"
        )  # fmt: skip
    try:
        text = data[_LENGTH : _LENGTH + length].decode()
        header = json.loads(text, object_pairs_hook=_without_repeats)
    except (ValueError, RecursionError) as error:
        _refuse(source, f"its header is no valid JSON ({error})")
    if not isinstance(header, dict):
        _refuse(source, "its header is no JSON object")
    return header


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the name {repeated!r} occurs twice")
    return found


def _refuse(source: str, why: str) -> NoReturn:
    raise FileFormatError(f"{source} cannot be loaded as a safetensors file: {why}")
