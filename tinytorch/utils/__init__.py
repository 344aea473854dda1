"""``tinytorch.utils``: places where PyTorch keeps things that live elsewhere here."""

from tinytorch.utils import checkpoint, data

__all__ = ["checkpoint", "data"]
