"""``tinytorch.utils.data``: another name of ``tinytorch.data``."""

from tinytorch.data import *
from tinytorch.data import __all__ as _names
from tinytorch.utils.data import dataloader, dataset, sampler

__all__ = [*_names, "dataloader", "dataset", "sampler"]
