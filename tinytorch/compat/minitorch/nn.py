"""Layers of networks: pooling, max, softmax, dropout."""

from __future__ import annotations

from typing import Any

import tinytorch as tt
from tinytorch.compat.minitorch.autodiff import Context
from tinytorch.compat.minitorch.tensor_functions import Function, rand


def tile(input: Any, kernel: tuple[int, int]) -> tuple[Any, int, int]:
    """Reshape (batch, channel, height, width) to (batch, channel, height/kh, width/kw, kh*kw).

    Returns the tensor, the new height and the new width. Raises AssertionError unless the kernel
    divides the image.
    """
    batch, channel, height, width = input.shape
    kh, kw = kernel
    assert height % kh == 0
    assert width % kw == 0
    rows, columns = height // kh, width // kw
    split = input.contiguous().view(batch, channel, rows, kh, columns, kw)
    moved = split.permute(0, 1, 2, 4, 3, 5).contiguous()
    return moved.view(batch, channel, rows, columns, kh * kw), rows, columns


def avgpool2d(input: Any, kernel: tuple[int, int]) -> Any:
    """Mean of each kernel-sized block of (batch, channel, height, width)."""
    batch, channel = input.shape[:2]
    tiled, rows, columns = tile(input, kernel)
    return tiled.mean(4).view(batch, channel, rows, columns)


def argmax(input: Any, dim: int) -> Any:
    """1.0 where an element is the largest along an axis, else 0.0."""
    return input.f.eq_zip(input, input.f.max_reduce(input, dim))


class Max(Function):
    """Largest along an axis; those that tie share the gradient."""

    @staticmethod
    def forward(ctx: Context, input: Any, dim: Any) -> Any:
        hit = argmax(input, int(dim.item()))
        ctx.save_for_backward(hit, int(dim.item()))
        return input.f.max_reduce(input, int(dim.item()))

    @staticmethod
    def backward(ctx: Context, grad_output: Any) -> Any:
        hit, dim = ctx.saved_values
        share = hit / hit.f.add_reduce(hit, dim)
        return grad_output * share, 0.0


def max(input: Any, dim: int) -> Any:  # noqa: A001
    """Largest along an axis, which stays with size 1."""
    return Max.apply(input, input._ensure_tensor(dim))


def maxpool2d(input: Any, kernel: tuple[int, int]) -> Any:
    """Largest of each kernel-sized block of (batch, channel, height, width)."""
    batch, channel = input.shape[:2]
    tiled, rows, columns = tile(input, kernel)
    return max(tiled, 4).view(batch, channel, rows, columns)


def softmax(input: Any, dim: int) -> Any:
    """exp(x) / sum(exp(x)) along an axis, without overflow."""
    shifted = (input - max(input, dim).detach()).exp()
    return shifted / shifted.sum(dim)


def logsoftmax(input: Any, dim: int) -> Any:
    """log(softmax(x)) along an axis."""
    shifted = input - max(input, dim).detach()
    return shifted - _exact_log(shifted.exp().sum(dim))


def _exact_log(x: Any) -> Any:
    """The logarithm without the course's 1e-6, so that exp(logsoftmax) is softmax."""
    return x.map_values(tt.log)


def dropout(input: Any, rate: float, ignore: bool = False) -> Any:
    """Zeros at random places with a probability; the input itself if ``ignore``."""
    if ignore:
        return input
    return input * (rand(input.shape, input.backend) > rate)
