"""``tinytorch.data``: datasets, samplers and the DataLoader, with PyTorch's names."""

from tinytorch.data.dataset import ConcatDataset, Dataset, Subset, TensorDataset, random_split
from tinytorch.data.loader import DataLoader, default_collate, default_convert
from tinytorch.data.sampler import BatchSampler, RandomSampler, Sampler, SequentialSampler

__all__ = [
    "BatchSampler", "ConcatDataset", "DataLoader", "Dataset", "RandomSampler", "Sampler",
    "SequentialSampler", "Subset", "TensorDataset", "default_collate", "default_convert",
    "random_split",
]  # fmt: skip
