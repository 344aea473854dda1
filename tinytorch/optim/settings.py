"""Checks of optimizers' settings, with PyTorch's messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tinytorch.tracer.tensor import Tensor


def check_not_negative(name: str, value: Any) -> None:
    """Raise ValueError for a negative setting, or one that is not a number."""
    if not value >= 0.0:
        raise ValueError(f"Invalid {name}: {value}")


def check_betas(betas: Sequence[Any]) -> None:
    """Raise ValueError for a decay rate outside [0, 1)."""
    for position, beta in enumerate(betas):
        if not 0.0 <= beta < 1.0:
            raise ValueError(f"Invalid beta parameter at index {position}: {beta}")


def check_ways(group: Mapping[str, Any]) -> None:
    """Raise for the settings that say how a step is computed, where they make no sense.

    ``foreach``, ``fused`` and ``capturable`` choose between PyTorch's implementations and change
    nothing here: updates of many tensors share launches anyway.
    """
    lr = group.get("lr")
    if isinstance(lr, Tensor) and lr.numel() != 1:
        raise ValueError("Tensor lr must be 1-element")
    if group.get("fused"):
        if group.get("differentiable"):
            raise RuntimeError("`fused` does not support `differentiable`")
        if group.get("foreach"):
            raise RuntimeError("`fused` and `foreach` cannot be `True` together.")
    if group.get("differentiable"):
        raise RuntimeError(
            "differentiable=True is not supported: an optimizer's step records no gradients; "
            "write the update with plain operations and differentiate that"
        )
