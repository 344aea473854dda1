"""Where tensors live: methods and attributes of Tensor that name a device or ask for it."""

from __future__ import annotations

from typing import Any

from tinytorch.tracer.device import CPU, check_device
from tinytorch.tracer.tensor import Tensor


def cpu(self: Tensor, memory_format: Any = None) -> Tensor:
    """Return the tensor: it lives on the CPU."""
    return self


def cuda(self: Tensor, device: Any = None, non_blocking: bool = False,
         memory_format: Any = None) -> Tensor:  # fmt: skip
    """Refuse, with a RuntimeError: tensors live on the CPU."""
    check_device("cuda" if device is None else device)
    return self


def get_device(self: Tensor) -> int:
    """The number of the tensor's device: -1, as it lives on the CPU."""
    return -1


def pin_memory(self: Tensor, device: Any = None) -> Tensor:
    """Refuse, with a RuntimeError: memory is pinned for a device that copies, and none is there."""
    raise RuntimeError("Cannot access accelerator device when none is available.")


def is_pinned(self: Tensor, device: Any = None) -> bool:
    """Whether the memory is pinned: it never is."""
    return False


METHODS = ["cpu", "cuda", "get_device", "is_pinned", "pin_memory"]
PROPERTIES: dict[str, Any] = {
    "device": property(lambda self: CPU, doc="The device that the tensor lives on."),
    **dict.fromkeys(
        ["is_cuda", "is_mkldnn", "is_mps", "is_quantized", "is_sparse", "is_xpu", "is_meta"], False
    ),
}
__all__ = ["get_device"]
