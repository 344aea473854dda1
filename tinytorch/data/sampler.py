"""Samplers: orders in which a dataset is visited."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from typing import Any

import numpy as np

from tinytorch.tracer.factories import as_tensor
from tinytorch.tracer.generator import Generator, chosen


def permutation(n: int, generator: Generator | None = None) -> np.ndarray:
    """Return ``range(n)`` in random order, int64, drawn from a generator or the default one."""
    keys = chosen(generator).bits((n,)).numpy()
    return np.argsort(keys, kind="stable").astype(np.int64)


def uniform(n: int, generator: Generator | None = None) -> np.ndarray:
    """Return n numbers in [0, 1) with 53 random bits each."""
    bits = chosen(generator).bits((2, n)).numpy()
    high, low = bits[0] >> 5, bits[1] >> 6
    return (high * float(1 << 26) + low) * 2.0**-53


AT_ONCE = 1 << 20
"""Most indices drawn before the first is handed out; ``num_samples=10**10`` is a way to say
"without end"."""


def _drawn(
    total: int, generator: Generator | None, draw: Callable[[int, Generator | None], list[int]]
) -> Iterator[int]:
    """``total`` indices from ``draw(count, generator)``, which may return fewer than asked for.

    All at once if they are few. Else as they are needed, from a generator of their own, so that
    what else is drawn meanwhile changes nothing.
    """
    if total <= AT_ONCE:
        found: list[int] = []
        while len(found) < total:
            found += draw(total - len(found), generator)
        return iter(found[:total])
    first, second = chosen(generator).bits((2,)).tolist()
    return _endless(total, Generator(first << 31 ^ second), draw)


def _endless(
    total: int, generator: Generator, draw: Callable[[int, Generator | None], list[int]]
) -> Iterator[int]:
    given = 0
    while given < total:
        part = draw(min(1 << 16, total - given), generator)[: total - given]
        yield from part
        given += len(part)


class Sampler:
    """Base of samplers: subclasses give ``__iter__`` over indices, and ``__len__``."""

    def __init__(self, data_source: Any = None) -> None:
        """Take what PyTorch's base class takes."""

    def __class_getitem__(cls, item: Any) -> type[Sampler]:
        """Let ``Sampler[int]`` stand as a base class."""
        return cls

    def __iter__(self) -> Iterator[Any]:
        raise NotImplementedError("Subclasses of Sampler should implement __iter__.")


class SequentialSampler(Sampler):
    """Every index, in order."""

    def __init__(self, data_source: Sized) -> None:
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(Sampler):
    """Random indices: each once, or ``num_samples`` of them with ``replacement``."""

    def __init__(
        self, data_source: Sized, replacement: bool = False, num_samples: int | None = None,
        generator: Generator | None = None,
    ) -> None:  # fmt: skip
        if not isinstance(replacement, bool):
            raise TypeError(
                f"replacement should be a boolean value, but got replacement={replacement}"
            )
        wanted = len(data_source) if num_samples is None else num_samples
        if not isinstance(wanted, int) or wanted <= 0:
            raise ValueError(
                f"num_samples should be a positive integer value, but got num_samples={wanted}"
            )
        self.data_source = data_source
        self.replacement = replacement
        self.generator = generator
        self._num_samples = num_samples

    @property
    def num_samples(self) -> int:
        """How many indices one pass gives."""
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def __iter__(self) -> Iterator[int]:
        size = len(self.data_source)

        def draw(count: int, generator: Generator | None) -> list[int]:
            if not self.replacement:
                return list(permutation(size, generator).tolist())
            bits = chosen(generator).bits((count,)).numpy()
            return list(((bits * size) >> 32).tolist())

        return _drawn(self.num_samples if size else 0, self.generator, draw)

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(Sampler):
    """Given indices in random order, each once."""

    def __init__(self, indices: Sequence[int], generator: Generator | None = None) -> None:
        self.indices = indices
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        order = permutation(len(self.indices), self.generator).tolist()
        return iter([self.indices[position] for position in order])

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(Sampler):
    """``num_samples`` indices, each as likely as its weight says; weights need not sum to 1.

    Raises ValueError for settings that make no sense, RuntimeError for weights that are negative,
    not finite, all zero, or fewer than the samples drawn without replacement. Without replacement
    the indices with the smallest exponential waiting times are drawn (Efraimidis and Spirakis,
    "Weighted random sampling with a reservoir", 2006).
    """

    def __init__(
        self, weights: Any, num_samples: int, replacement: bool = True,
        generator: Generator | None = None,
    ) -> None:  # fmt: skip
        if not isinstance(num_samples, int) or isinstance(num_samples, bool) or num_samples <= 0:
            raise ValueError(
                f"num_samples should be a positive integer value, but got num_samples={num_samples}"
            )
        if not isinstance(replacement, bool):
            raise ValueError(
                f"replacement should be a boolean value, but got replacement={replacement}"
            )
        self.weights = as_tensor(weights).double()
        if self.weights.ndim != 1:
            raise ValueError(
                "weights should be a 1d sequence but given weights have shape "
                f"{tuple(self.weights.shape)}"
            )
        self.num_samples = num_samples
        self.replacement = replacement
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        weights = self.weights.detach().numpy()
        if not (np.isfinite(weights).all() and (weights >= 0).all()):
            raise RuntimeError("weights must be finite and not negative")
        if not self.replacement and np.count_nonzero(weights) < self.num_samples:
            raise RuntimeError(
                f"cannot draw {self.num_samples} indices without replacement: only "
                f"{np.count_nonzero(weights)} weights are not zero"
            )
        if not weights.any():
            raise RuntimeError("the sum of the weights must be greater than zero")
        if self.replacement:
            bounds = np.cumsum(weights / weights.max())
            last = int(np.flatnonzero(weights)[-1])  # rounding may carry a draw to the very end

            def draw(count: int, generator: Generator | None) -> list[int]:
                at = np.searchsorted(bounds, uniform(count, generator) * bounds[-1], side="right")
                return list(np.minimum(at, last).tolist())

            return _drawn(self.num_samples, self.generator, draw)
        waiting = np.full(len(weights), np.inf)
        likely = weights > 0
        waits = -np.log1p(-uniform(len(weights), self.generator))
        waiting[likely] = waits[likely] / weights[likely]
        return iter(np.argsort(waiting, kind="stable")[: self.num_samples].tolist())

    def __len__(self) -> int:
        return self.num_samples


class ConstantSampler(Sampler):
    """None for ever: what a stream is asked for."""

    def __iter__(self) -> Iterator[None]:
        return itertools.repeat(None)


class BatchSampler(Sampler):
    """Lists of ``batch_size`` indices of another sampler; ``drop_last`` leaves out a short one."""

    def __init__(self, sampler: Iterable[Any], batch_size: int, drop_last: bool) -> None:
        if not isinstance(batch_size, int) or isinstance(batch_size, bool) or batch_size <= 0:
            raise ValueError(
                f"batch_size should be a positive integer value, but got batch_size={batch_size}"
            )
        if not isinstance(drop_last, bool):
            raise ValueError(f"drop_last should be a boolean value, but got drop_last={drop_last}")
        self.sampler = sampler
        self.batch_size = batch_size
        self.drop_last = drop_last

    def __iter__(self) -> Iterator[list[Any]]:
        batch: list[Any] = []
        for index in self.sampler:
            batch.append(index)
            if len(batch) == self.batch_size:
                yield batch
                batch = []
        if batch and not self.drop_last:
            yield batch

    def __len__(self) -> int:
        count = len(self.sampler)  # type: ignore[arg-type]
        return count // self.batch_size if self.drop_last else -(-count // self.batch_size)
