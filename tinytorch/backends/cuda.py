"""Switches of products on CUDA devices, of which there are none."""

from types import SimpleNamespace

matmul = SimpleNamespace(allow_tf32=False, allow_fp16_reduced_precision_reduction=True)


def is_built() -> bool:
    """Whether code for CUDA devices can be run: it cannot."""
    return False
