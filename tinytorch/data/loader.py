"""DataLoader: batches of a dataset."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from tinytorch.data.dataset import batch_cutter
from tinytorch.data.sampler import BatchSampler, RandomSampler, SequentialSampler
from tinytorch.errors import TraceError
from tinytorch.tracer import dtypes as types
from tinytorch.tracer.factories import Generator, as_tensor, tensor
from tinytorch.tracer.mode import mode, user_origin
from tinytorch.tracer.shapes import stack
from tinytorch.tracer.tensor import Tensor


class DataLoader:
    """Iterate over a dataset in batches.

    Order: ``shuffle`` draws a new one at each pass, from ``generator`` or the default generator;
    or give a ``sampler`` of indices or a ``batch_sampler`` of index lists. ``batch_size`` None
    yields single items. ``collate_fn`` turns a list of items into a batch. Batches of a
    TensorDataset are cut by whole index arrays, item by item otherwise. Raises ValueError for
    options that exclude one another, and for ``num_workers`` other than 0.
    """

    def __init__(
        self, dataset: Any, batch_size: int | None = 1, shuffle: bool | None = None,
        sampler: Iterable[Any] | None = None, batch_sampler: Iterable[Any] | None = None,
        num_workers: int = 0, collate_fn: Callable[[list[Any]], Any] | None = None,
        pin_memory: bool = False, drop_last: bool = False, *, generator: Generator | None = None,
    ) -> None:  # fmt: skip
        if num_workers != 0:
            raise ValueError(
                f"num_workers={num_workers} is not supported: batches are made in the calling "
                "process; use num_workers=0"
            )
        if sampler is not None and shuffle:
            raise ValueError("sampler option is mutually exclusive with shuffle")
        if batch_sampler is not None:
            if batch_size != 1 or shuffle or sampler is not None or drop_last:
                raise ValueError(
                    "batch_sampler option is mutually exclusive with batch_size, shuffle, sampler, "
                    "and drop_last"
                )
            batch_size = None
        elif batch_size is None and drop_last:
            raise ValueError(
                "batch_size=None option disables auto-batching and is mutually exclusive with "
                "drop_last"
            )
        if sampler is None:
            sampler = RandomSampler(dataset, generator=generator) if shuffle else (
                SequentialSampler(dataset)
            )  # fmt: skip
        self.dataset = dataset
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.num_workers = num_workers
        self.pin_memory = pin_memory
        self.generator = generator
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        if batch_size is not None:
            self.batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.collate_fn: Callable[[Any], Any] = collate_fn or (
            default_convert if self.batch_sampler is None else default_collate
        )

    def __iter__(self) -> Iterator[Any]:
        if mode.trace is not None:
            raise TraceError(
                f"{user_origin()}: iterating over a DataLoader inside a compiled function would "
                "freeze its batches; iterate outside and pass each batch as arguments"
            )
        return self._batches()

    def _batches(self) -> Iterator[Any]:
        if self.batch_sampler is None:
            for index in self.sampler:
                yield self.collate_fn(self.dataset[index])
            return
        cut = batch_cutter(self.dataset) if self.collate_fn is default_collate else None
        for indices in self.batch_sampler:
            if cut is not None:
                yield cut(indices)
            else:
                yield self.collate_fn([self.dataset[index] for index in indices])

    def __len__(self) -> int:
        steps: Any = self.sampler if self.batch_sampler is None else self.batch_sampler
        return len(steps)


def default_convert(data: Any) -> Any:
    """Turn numpy arrays inside an item into tensors; leave the rest."""
    if isinstance(data, np.ndarray) and data.dtype.kind in "biuf":
        return as_tensor(data)
    if isinstance(data, np.generic) and data.dtype.kind in "biuf":
        return as_tensor(np.asarray(data))
    if isinstance(data, Mapping):
        return {key: default_convert(value) for key, value in data.items()}
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*map(default_convert, data))
    if isinstance(data, list | tuple):
        return [default_convert(value) for value in data]
    return data


def default_collate(batch: list[Any]) -> Any:
    """Stack items into a batch, with a new first axis.

    Tensors and arrays stack; floats become float64, ints int64; strings stay a list; dicts, named
    tuples and sequences collate entry by entry. Raises TypeError for other items, RuntimeError for
    sequences of unequal length.
    """
    first = batch[0]
    if isinstance(first, Tensor):
        return stack(batch, 0)
    if isinstance(first, np.ndarray | np.generic) and np.asarray(first).dtype.kind in "biuf":
        return as_tensor(np.stack([np.asarray(item) for item in batch]))
    if isinstance(first, bool | int):
        return tensor(batch)
    if isinstance(first, float):
        return tensor(batch, dtype=types.float64)
    if isinstance(first, str | bytes):
        return batch
    if isinstance(first, Mapping):
        return {key: default_collate([item[key] for item in batch]) for key in first}
    if isinstance(first, list | tuple):
        if any(len(item) != len(first) for item in batch):
            raise RuntimeError("each element in list of batch should be of equal size")
        columns = [default_collate(list(column)) for column in zip(*batch, strict=True)]
        return type(first)(*columns) if hasattr(first, "_fields") else columns
    raise TypeError(
        "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found "
        f"{type(first)}"
    )
