"""``tinytorch.data``: datasets, samplers and the DataLoader, with PyTorch's names.

Also found as ``tinytorch.utils.data``. Beyond these: readers of local MNIST, CIFAR and CSV files,
scikit-learn's bundled sets, and MiniTorch's points in the plane.
"""

from tinytorch.data import planar
from tinytorch.data.bundled import bundled
from tinytorch.data.cifar import cifar10, cifar100
from tinytorch.data.collate import default_collate, default_convert
from tinytorch.data.dataset import (
    ChainDataset,
    ConcatDataset,
    Dataset,
    IterableDataset,
    StackDataset,
    Subset,
    TensorDataset,
    random_split,
)  # fmt: skip
from tinytorch.data.loader import DataLoader
from tinytorch.data.mnist import mnist, read_idx
from tinytorch.data.sampler import (
    BatchSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)  # fmt: skip
from tinytorch.data.table import CSVDataset
from tinytorch.data.worker import WorkerInfo, get_worker_info

__all__ = [
    "BatchSampler", "CSVDataset", "ChainDataset", "ConcatDataset", "DataLoader", "Dataset",
    "IterableDataset", "RandomSampler", "Sampler", "SequentialSampler", "StackDataset", "Subset",
    "SubsetRandomSampler", "TensorDataset", "WeightedRandomSampler", "WorkerInfo", "bundled",
    "cifar10", "cifar100", "default_collate", "default_convert", "get_worker_info", "mnist",
    "planar", "random_split", "read_idx",
]  # fmt: skip
