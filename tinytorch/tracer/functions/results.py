"""What functions with several results return: tuples with PyTorch's field names."""

from __future__ import annotations

from typing import NamedTuple

from tinytorch.tracer.tensor import Tensor


class ValuesIndices(NamedTuple):
    """Chosen values, and where they stand along the axis."""

    values: Tensor
    indices: Tensor


class MinMax(NamedTuple):
    """The smallest and the largest."""

    min: Tensor
    max: Tensor
