"""Fetcher: from what a sampler says to a batch, in this process or in a worker."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from tinytorch.data.collate import default_collate
from tinytorch.data.dataset import IterableDataset, batch_cutter


class EndOfStream(Exception):
    """A stream has no further items."""


class Fetcher:
    """Makes batches (or, without ``batched``, single items) of a dataset.

    For a stream, ``fetch`` takes as many items as it is given indices; it raises EndOfStream at
    the end, and for a last batch that is short if ``drop_last``.
    """

    def __init__(
        self, dataset: Any, batched: bool, collate_fn: Callable[[Any], Any], drop_last: bool
    ) -> None:
        self._dataset = dataset
        self._batched = batched
        self._collate = collate_fn
        self._drop_last = drop_last
        self._stream = iter(dataset) if isinstance(dataset, IterableDataset) else None
        self._ended = False
        plain = batched and self._stream is None and collate_fn is default_collate
        self._cut = batch_cutter(dataset) if plain else None

    def fetch(self, indices: Any) -> Any:
        """Return the batch, or the item, that a sampler's entry names."""
        if self._stream is not None:
            return self._collate(self._next(indices))
        if not self._batched:
            return self._collate(self._dataset[indices])
        if self._cut is not None:
            return self._cut(indices)
        several = getattr(self._dataset, "__getitems__", None)
        if several is not None:
            return self._collate(several(indices))
        return self._collate([self._dataset[index] for index in indices])

    def _next(self, indices: Any) -> Any:
        wanted = len(indices) if self._batched else 1
        items = [] if self._ended or self._stream is None else list(
            itertools.islice(self._stream, wanted)
        )  # fmt: skip
        self._ended = len(items) < wanted
        if not items or (self._ended and self._drop_last):
            raise EndOfStream
        return items if self._batched else items[0]
