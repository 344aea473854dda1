"""Code written for PyTorch finds its names."""

import tinytorch.utils.data
from tinytorch import data
from tinytorch.utils.data import DataLoader
from tinytorch.utils.data.dataloader import default_collate
from tinytorch.utils.data.dataset import TensorDataset
from tinytorch.utils.data.sampler import SubsetRandomSampler


def test_names_are_the_same_things():
    assert DataLoader is data.DataLoader is tinytorch.utils.data.DataLoader
    assert default_collate is data.default_collate
    assert TensorDataset is data.TensorDataset
    assert SubsetRandomSampler is data.SubsetRandomSampler
    assert set(data.__all__) < set(tinytorch.utils.data.__all__)
