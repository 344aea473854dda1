"""DataLoader: batches of a dataset, made here or by workers ahead of time."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from tinytorch.data.collate import default_collate, default_convert
from tinytorch.data.dataset import IterableDataset
from tinytorch.data.fetch import EndOfStream, Fetcher
from tinytorch.data.pool import Pool, WorkerBatches
from tinytorch.data.sampler import (
    BatchSampler,
    ConstantSampler,
    RandomSampler,
    SequentialSampler,
)  # fmt: skip
from tinytorch.data.worker import Work
from tinytorch.errors import TraceError
from tinytorch.tracer.generator import Generator, chosen
from tinytorch.tracer.mode import mode, user_origin

_FIXED = frozenset(
    {"batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers"}
)
"""Attributes that cannot be set once a loader is made: the samplers were made from them."""


class DataLoader:
    """Iterate over a dataset in batches.

    Order: ``shuffle`` draws a new one at each pass, from ``generator`` or the default generator;
    or give a ``sampler`` of indices or a ``batch_sampler`` of index lists. ``batch_size`` None
    yields single items. ``collate_fn`` turns a list of items into a batch. Batches of a
    TensorDataset are cut by whole index arrays, item by item otherwise.

    With ``num_workers``, processes make batches ahead, ``prefetch_factor`` each; the order, and
    under a seed the content, is the same from run to run. Each worker's generators (tinytorch's,
    random's and numpy's) are seeded before ``worker_init_fn`` is called with its number. An
    exception of a worker is raised here with its traceback. Workers end with the iteration, also
    one that is left early, but for ``persistent_workers``, which end with the loader. They are
    started as ``multiprocessing_context`` says, else as multiprocessing does on this platform.
    ``pin_memory`` and ``in_order`` are accepted: memory is as it is, and order always kept.

    Raises ValueError for options that exclude one another.
    """

    def __init__(
        self, dataset: Any, batch_size: int | None = 1, shuffle: bool | None = None,
        sampler: Iterable[Any] | None = None, batch_sampler: Iterable[Any] | None = None,
        num_workers: int = 0, collate_fn: Callable[[list[Any]], Any] | None = None,
        pin_memory: bool = False, drop_last: bool = False, timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None, multiprocessing_context: Any = None,
        generator: Generator | None = None, *, prefetch_factor: int | None = None,
        persistent_workers: bool = False, pin_memory_device: str = "", in_order: bool = True,
    ) -> None:  # fmt: skip
        _check_workers(
            num_workers, timeout, prefetch_factor, persistent_workers, multiprocessing_context
        )
        stream = isinstance(dataset, IterableDataset)
        if stream:
            _check_stream(shuffle, sampler, batch_sampler)
        if sampler is not None and shuffle:
            raise ValueError("sampler option is mutually exclusive with shuffle")
        if batch_sampler is not None:
            if batch_size != 1 or shuffle or sampler is not None or drop_last:
                raise ValueError(
                    "batch_sampler option is mutually exclusive with batch_size, shuffle, sampler, "
                    "and drop_last"
                )
            batch_size, drop_last = None, False
        elif batch_size is None and drop_last:
            raise ValueError(
                "batch_size=None option disables auto-batching and is mutually exclusive with "
                "drop_last"
            )
        if sampler is None:
            if stream:
                sampler = ConstantSampler()
            elif shuffle:
                sampler = RandomSampler(dataset, generator=generator)
            else:
                sampler = SequentialSampler(dataset)
        if batch_size is not None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.dataset = dataset
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self.num_workers = num_workers
        self.prefetch_factor = 2 if num_workers and prefetch_factor is None else prefetch_factor
        self.persistent_workers = persistent_workers
        self.pin_memory = pin_memory
        self.pin_memory_device = pin_memory_device
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.multiprocessing_context = multiprocessing_context
        self.generator = generator
        self.in_order = in_order
        together = default_convert if batch_sampler is None else default_collate
        self.collate_fn: Callable[[Any], Any] = together if collate_fn is None else collate_fn
        self._pool: Pool | None = None
        self._made = True

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _FIXED and self.__dict__.get("_made"):
            raise ValueError(
                f"{name} attribute should not be set after {type(self).__name__} is initialized"
            )
        object.__setattr__(self, name, value)

    def __iter__(self) -> Iterator[Any]:
        if mode.trace is not None:
            raise TraceError(
                f"{user_origin()}: iterating over a DataLoader inside a compiled function would "
                "freeze its batches; iterate outside and pass each batch as arguments"
            )
        # Drawn with and without workers, so that their number does not change the order.
        first, second = chosen(self.generator).bits((2,)).tolist()
        if self.num_workers == 0:
            return self._batches()
        return self._worker_batches(first << 31 ^ second)

    def _entries(self) -> Iterator[Any]:
        source: Any = self.sampler if self.batch_sampler is None else self.batch_sampler
        return iter(source)

    def _batches(self) -> Iterator[Any]:
        batched = self.batch_sampler is not None
        fetcher = Fetcher(self.dataset, batched, self.collate_fn, self.drop_last)
        for entry in self._entries():
            try:
                batch = fetcher.fetch(entry)
            except EndOfStream:
                return
            yield batch

    def _worker_batches(self, seed: int) -> Iterator[Any]:
        pool = self._pool
        if pool is None or not pool.close.alive:
            pool = Pool(
                [self._work(worker, seed) for worker in range(self.num_workers)], self._context()
            )
        if self.persistent_workers:
            self._pool = pool
        pool.begin()
        return WorkerBatches(
            pool, self._entries(), self.prefetch_factor or 1, self.timeout, self.persistent_workers
        )

    def _work(self, worker: int, seed: int) -> Work:
        return Work(
            self.dataset, self.batch_sampler is not None, self.collate_fn, self.drop_last, worker,
            self.num_workers, seed, self.worker_init_fn,
        )  # fmt: skip

    def _context(self) -> Any:
        chosen = self.multiprocessing_context
        if chosen is None or isinstance(chosen, str):
            return multiprocessing.get_context(chosen)
        return chosen

    def __len__(self) -> int:
        """Return the number of batches (of items, without batches)."""
        if isinstance(self.dataset, IterableDataset):
            count = len(self.dataset)  # type: ignore[arg-type]  # TypeError if it has none
            if self.batch_size is None:
                return count
            return count // self.batch_size if self.drop_last else -(-count // self.batch_size)
        steps: Any = self.sampler if self.batch_sampler is None else self.batch_sampler
        return len(steps)


def _check_workers(
    count: int, timeout: float, ahead: int | None, persistent: bool, context: Any
) -> None:
    if count < 0:
        raise ValueError(
            "num_workers option should be non-negative; use num_workers=0 to disable "
            "multiprocessing."
        )
    if timeout < 0:
        raise ValueError("timeout option should be non-negative")
    if count == 0 and ahead is not None:
        raise ValueError(
            "prefetch_factor option could only be specified in multiprocessing. Let num_workers > "
            "0 to enable multiprocessing, otherwise set prefetch_factor to None."
        )
    if ahead is not None and ahead < 0:
        raise ValueError("prefetch_factor option should be non-negative")
    if persistent and count == 0:
        raise ValueError("persistent_workers option needs num_workers > 0")
    if context is not None and count == 0:
        raise ValueError(
            "multiprocessing_context can only be used with multi-process loading (num_workers > "
            f"0), but got num_workers={count}"
        )
    if isinstance(context, str) and context not in multiprocessing.get_all_start_methods():
        raise ValueError(
            "multiprocessing_context option should specify a valid start method in "
            f"{multiprocessing.get_all_start_methods()!r}, but got {context!r}"
        )


def _check_stream(shuffle: Any, sampler: Any, batch_sampler: Any) -> None:
    start = "DataLoader with IterableDataset: expected unspecified"
    if shuffle:
        raise ValueError(f"{start} shuffle option, but got shuffle={shuffle}")
    if sampler is not None:
        raise ValueError(f"{start} sampler option, but got sampler={sampler}")
    if batch_sampler is not None:
        raise ValueError(f"{start} batch_sampler option, but got batch_sampler={batch_sampler}")
