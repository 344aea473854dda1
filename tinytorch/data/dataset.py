"""Datasets: things with a length and an item at each index, or streams of items."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from tinytorch.data.sampler import permutation
from tinytorch.ir.types import TensorType
from tinytorch.tracer.generator import Generator
from tinytorch.tracer.tensor import Tensor


class Dataset:
    """Base of datasets: subclasses give ``__getitem__`` and ``__len__``."""

    def __getitem__(self, index: Any) -> Any:
        raise NotImplementedError("Subclasses of Dataset should implement __getitem__.")

    def __add__(self, other: Dataset) -> ConcatDataset:
        return ConcatDataset([self, other])


class IterableDataset(Dataset):
    """Base of datasets that are streams: subclasses give ``__iter__``.

    With workers each has a copy and iterates over all of it, unless ``get_worker_info`` tells it
    which part is its own.
    """

    def __iter__(self) -> Iterator[Any]:
        raise NotImplementedError("Subclasses of IterableDataset should implement __iter__.")

    def __add__(self, other: Dataset) -> Any:
        return ChainDataset([self, other])


class TensorDataset(Dataset):
    """Tensors of one length; item i is the tuple of their i-th slices."""

    tensors: tuple[Tensor, ...]

    def __init__(self, *tensors: Tensor) -> None:
        if any(len(tensors[0]) != len(t) for t in tensors):
            raise AssertionError("Size mismatch between tensors")
        self.tensors = tensors

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        return tuple(t[index] for t in self.tensors)

    def __len__(self) -> int:
        return len(self.tensors[0])


class Subset(Dataset):
    """The items of a dataset at chosen indices."""

    def __init__(self, dataset: Any, indices: Sequence[int]) -> None:
        self.dataset = dataset
        self.indices = indices

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, list):
            return self.dataset[[self.indices[i] for i in index]]
        return self.dataset[self.indices[index]]

    def __len__(self) -> int:
        return len(self.indices)


class ConcatDataset(Dataset):
    """Datasets one after another. Raises AssertionError for none, or for a stream."""

    def __init__(self, datasets: Iterable[Any]) -> None:
        self.datasets = list(datasets)
        if not self.datasets:
            raise AssertionError("datasets should not be an empty iterable")
        if any(isinstance(d, IterableDataset) for d in self.datasets):
            raise AssertionError("ConcatDataset does not support IterableDataset")
        self.cumulative_sizes = np.cumsum([len(d) for d in self.datasets]).tolist()

    def __getitem__(self, index: int) -> Any:
        length = len(self)
        if index < -length:
            raise ValueError("absolute value of index should not exceed dataset length")
        if index >= length:
            raise IndexError(f"index {index} is out of range for a dataset of length {length}")
        index %= length
        which = int(np.searchsorted(self.cumulative_sizes, index, side="right"))
        before = self.cumulative_sizes[which - 1] if which else 0
        return self.datasets[which][index - before]

    def __len__(self) -> int:
        return int(self.cumulative_sizes[-1])


class ChainDataset(IterableDataset):
    """Streams one after another. Raises AssertionError, on iteration, for another dataset."""

    def __init__(self, datasets: Iterable[Any]) -> None:
        self.datasets = datasets

    def __iter__(self) -> Iterator[Any]:
        for dataset in self._checked():
            yield from dataset

    def __len__(self) -> int:
        return sum(len(dataset) for dataset in self._checked())

    def _checked(self) -> Iterator[Any]:
        for dataset in self.datasets:
            if not isinstance(dataset, IterableDataset):
                raise AssertionError("ChainDataset only supports IterableDataset")
            yield dataset


class StackDataset(Dataset):
    """Datasets side by side: item i is the tuple, or the dict, of their i-th items.

    Raises ValueError for datasets of different lengths, none, or both named and unnamed ones.
    """

    datasets: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if args and kwargs:
            raise ValueError(
                "Supported either ``tuple``- (via ``args``) or ``dict``- (via ``kwargs``) like "
                "input/output, but both types are given."
            )
        if not args and not kwargs:
            raise ValueError("At least one dataset should be passed")
        self.datasets = args or kwargs
        lengths = {len(d) for d in args or kwargs.values()}
        if len(lengths) > 1:
            raise ValueError("Size mismatch between datasets")
        self._length = lengths.pop()

    def __getitem__(self, index: Any) -> Any:
        if isinstance(self.datasets, dict):
            return {name: dataset[index] for name, dataset in self.datasets.items()}
        return tuple(dataset[index] for dataset in self.datasets)

    def __len__(self) -> int:
        return self._length


def batch_cutter(dataset: Any) -> Callable[[list[int]], list[Tensor]] | None:
    """Return a function from indices to a collated batch, one copy a tensor, or None.

    There is one for tensors, and subsets of them, whose items follow the rules of this file; a
    subclass with items of its own has none. It holds the indices of subsets as they are now.
    """
    chosen: np.ndarray | None = None
    while type(dataset) is Subset:
        outer = np.asarray(dataset.indices, np.int64)
        chosen = outer if chosen is None else outer[chosen]
        dataset = dataset.dataset
    plain = isinstance(dataset, TensorDataset)
    if not plain or type(dataset).__getitem__ is not TensorDataset.__getitem__:
        return None
    sources = [(t.dtype, t.detach().array) for t in dataset.tensors]

    def cut(indices: list[int]) -> list[Tensor]:
        at = np.asarray(indices, np.int64)
        rows = at if chosen is None else chosen[at]
        taken = [(dtype, array.take(rows, axis=0)) for dtype, array in sources]
        return [Tensor.make(TensorType(dtype, array.shape), array) for dtype, array in taken]

    return cut


def random_split(
    dataset: Any, lengths: Sequence[int | float], generator: Generator | None = None
) -> list[Subset]:
    """Split into random parts without overlap.

    ``lengths`` are counts, or fractions that sum to 1; what rounding leaves over goes to the first
    parts in turn. Raises ValueError if they do not fit the dataset.
    """
    total = len(dataset)
    sizes = _counts(lengths, total)
    if sum(sizes) != total:
        raise ValueError("Sum of input lengths does not equal the length of the input dataset!")
    return list(_parts(dataset, permutation(total, generator).tolist(), sizes))


def _counts(lengths: Sequence[int | float], total: int) -> list[int]:
    if not (math.isclose(sum(lengths), 1) and sum(lengths) <= 1 + 1e-9):
        return [int(n) for n in lengths]
    for position, fraction in enumerate(lengths):
        if not 0 <= fraction <= 1:
            raise ValueError(f"Fraction at index {position} is not between 0 and 1")
    sizes = [math.floor(total * fraction) for fraction in lengths]
    for extra in range(total - sum(sizes)):
        sizes[extra % len(sizes)] += 1
    return sizes


def _parts(dataset: Any, order: list[int], sizes: list[int]) -> Iterator[Subset]:
    start = 0
    for size in sizes:
        yield Subset(dataset, order[start : start + size])
        start += size
