"""Parameters as one vector, and back."""

from __future__ import annotations

from collections.abc import Iterable

from tinytorch.tracer.mode import no_grad
from tinytorch.tracer.shapes import cat
from tinytorch.tracer.tensor import Tensor


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All elements of all parameters, in order, as one vector; gradients flow through."""
    return cat([parameter.reshape(-1) for parameter in parameters])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Write a vector's elements into parameters, in order.

    Raises TypeError for a ``vec`` that is no tensor, RuntimeError if it holds too few elements.
    """
    if not isinstance(vec, Tensor):
        raise TypeError(f"expected tinytorch.Tensor, but got: {type(vec).__name__}")
    found = list(parameters)
    wanted = sum(parameter.numel() for parameter in found)
    if vec.ndim != 1 or vec.numel() < wanted:
        raise RuntimeError(
            f"vector_to_parameters: a vector of {wanted} elements is needed, but got shape "
            f"{list(vec.shape)}"
        )
    start = 0
    with no_grad():
        for parameter in found:
            end = start + parameter.numel()
            parameter.copy_(vec.detach()[start:end].reshape(*parameter.shape))
            start = end
