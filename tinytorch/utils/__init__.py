"""``tinytorch.utils``: places where PyTorch keeps things that live elsewhere here."""

from tinytorch.utils import data

__all__ = ["data"]
