"""From items to batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tinytorch.tracer import dtypes as types
from tinytorch.tracer.factories import as_tensor, tensor
from tinytorch.tracer.shapes import stack
from tinytorch.tracer.tensor import Tensor


def default_convert(data: Any) -> Any:
    """Turn numpy arrays and scalars inside an item into tensors; leave the rest."""
    if isinstance(data, np.ndarray | np.generic) and data.dtype.kind in "biuf":
        return as_tensor(np.asarray(data))
    if isinstance(data, Mapping):
        return _like(data, {key: default_convert(value) for key, value in data.items()})
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*map(default_convert, data))
    if isinstance(data, tuple):
        return [default_convert(value) for value in data]
    if isinstance(data, Sequence) and not isinstance(data, str | bytes):
        return _like(data, [default_convert(value) for value in data])
    return data


def default_collate(batch: Sequence[Any]) -> Any:
    """Stack items into a batch, with a new first axis.

    Tensors and arrays stack; floats become float64, ints int64; strings stay a list; dicts, named
    tuples and sequences collate entry by entry. Raises TypeError for other items, RuntimeError for
    sequences of unequal length.
    """
    first = batch[0]
    if isinstance(first, Tensor):
        return stack(batch, 0)
    if isinstance(first, np.ndarray | np.generic) and first.dtype.kind in "biuf":
        return as_tensor(np.stack([np.asarray(item) for item in batch]))
    if isinstance(first, float) and not isinstance(first, np.generic):
        return tensor(list(batch), dtype=types.float64)
    if isinstance(first, bool | int):
        return tensor(list(batch))
    if isinstance(first, str | bytes) and not isinstance(first, np.generic):
        return batch
    if isinstance(first, Mapping):
        return _like(first, {key: default_collate([item[key] for item in batch]) for key in first})
    if isinstance(first, Sequence) and not isinstance(first, np.generic):
        return _columns(first, batch)
    raise TypeError(
        "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found "
        f"{type(first)}"
    )


def _columns(first: Any, batch: Sequence[Any]) -> Any:
    if any(len(item) != len(first) for item in batch):
        raise RuntimeError("each element in list of batch should be of equal size")
    columns = [default_collate(list(column)) for column in zip(*batch, strict=True)]
    if isinstance(first, tuple):
        return type(first)(*columns) if hasattr(first, "_fields") else columns
    return _like(first, columns)


def _like(model: Any, plain: Any) -> Any:
    """Give a plain dict or list the type of another, where that type can be made of it."""
    if type(model) is type(plain):
        return plain
    try:
        return type(model)(plain)
    except TypeError:
        return plain
