"""Datasets that workers are tried with, where any process finds them."""

from __future__ import annotations

import os
import random
import time

import numpy as np

import tinytorch as tt
from tinytorch.data import Dataset, IterableDataset, get_worker_info


class Items(Dataset):
    """Item i tells i, the process it was made in, and random numbers."""

    def __init__(self, length=12):
        self.length = length
        self.offset = tt.tensor([100])

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        noise = [random.random(), float(np.random.rand()), float(tt.rand(1).item())]
        return {"x": self.offset + index, "pid": os.getpid(), "noise": np.array(noise)}


class Slow(Items):
    """The earlier an item, the longer it takes."""

    def __getitem__(self, index):
        time.sleep(0.02 * (self.length - index) / self.length)
        return index


class Failing(Items):
    def __init__(self, kind):
        super().__init__()
        self.kind = kind

    def __getitem__(self, index):
        if index == 5:
            if self.kind == "exit":
                os._exit(7)
            if self.kind == "sleep":
                time.sleep(60)
            if self.kind == "unsendable":
                return lambda: None
            if self.kind is Needy:
                raise Needy(1, 2)
            raise self.kind("item five")
        return index


class Needy(Exception):
    """An exception that cannot be made from a text alone."""

    def __init__(self, a, b):
        super().__init__(a, b)


class Stream(IterableDataset):
    """Numbers below a stop, shared out between the workers."""

    def __init__(self, stop):
        self.stop = stop

    def __iter__(self):
        info = get_worker_info()
        first, step = (0, 1) if info is None else (info.id, info.num_workers)
        return iter(range(first, self.stop, step))


class Parallel(Items):
    """Items that need kernels and threads."""

    def __getitem__(self, index):
        x = tt.ones(64, 64) * index
        return (x @ x).sum()
