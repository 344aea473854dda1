"""Functions behind layers: products, normalisation, dropout, table look-up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tinytorch.tracer import dtypes as types
from tinytorch.tracer import functions as tensor_functions
from tinytorch.tracer.factories import rand
from tinytorch.tracer.functions import amax, elementwise, gathering, index_select, where
from tinytorch.tracer.shapes import check_tensor
from tinytorch.tracer.tensor import Tensor


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``input @ weight.T + bias``; input (..., in), weight (out, in) or (in), bias (out) or ().

    Raises RuntimeError where shapes do not fit or dtypes differ.
    """
    check_tensor(input, "linear")
    return tensor_functions.linear(input, weight, bias)


def layer_norm(
    input: Tensor, normalized_shape: Sequence[int], weight: Tensor | None = None,
    bias: Tensor | None = None, eps: Any = 1e-5,
) -> Tensor:  # fmt: skip
    """Centre and scale the last axes to mean 0 and variance 1, then ``* weight + bias``.

    ``normalized_shape`` names the last axes by size; weight and bias have that shape. The
    variance divides by the count. Half precision is computed in float32. Raises RuntimeError
    where shapes do not fit. Source: Ba, Kiros and Hinton, "Layer Normalization", 2016.
    """
    check_tensor(input, "layer_norm")
    shape = tuple(normalized_shape)
    if not shape:
        raise RuntimeError(
            "Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one "
            "element, but got normalized_shape = []"
        )
    for name, value in (("weight", weight), ("bias", bias)):
        if value is not None and tuple(value.shape) != shape:
            raise RuntimeError(
                f"Expected {name} to be of same shape as normalized_shape, but got {name} of shape "
                f"{list(value.shape)} and normalized_shape = {list(shape)}"
            )
    if tuple(input.shape[-len(shape) :]) != shape:
        expected = ", ".join(["*", *map(str, shape)])
        raise RuntimeError(
            f"Given normalized_shape={list(shape)}, expected input with shape [{expected}], but "
            f"got input of size{list(input.shape)}"
        )
    wide = input.to(types.float32) if input.dtype is types.float16 else input
    axes = tuple(range(-len(shape), 0))
    centred = wide - wide.mean(axes, keepdim=True)
    variance = (centred * centred).mean(axes, keepdim=True)
    out = centred * elementwise.rsqrt(variance + eps)
    if weight is not None:
        out = out * weight
    if bias is not None:
        out = out + bias
    return out.to(input.dtype)


def dropout(input: Tensor, p: Any = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero each element with probability p, and scale the others by 1 / (1 - p).

    The input itself if not ``training`` or p is 0. Draws from the default generator. Raises
    ValueError unless 0 <= p <= 1.
    """
    check_tensor(input, "dropout")
    if p < 0.0 or p > 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
    if not training or p == 0:
        return input
    if p == 1:
        out = input * 0.0
    else:
        # float32 draws also for half precision, whose range ends below 2 ** 24
        dtype = types.float32 if input.dtype is types.float16 else input.dtype
        drawn = rand(input.shape, dtype=dtype)
        out = input * ((drawn >= p).to(input.dtype) * (1.0 / (1.0 - p)))
    return input.copy_(out) if inplace else out


def embedding(input: Tensor, weight: Tensor, padding_idx: Any = None) -> Tensor:
    """Rows of ``weight`` (rows, width) at integer indices (...): shape (..., width).

    The row at ``padding_idx`` receives no gradient. Raises IndexError "index out of range in
    self", RuntimeError for a weight that is no matrix or an index that is no int.
    """
    check_tensor(input, "embedding")
    check_tensor(weight, "embedding")
    if weight.ndim != 2:
        raise RuntimeError("'weight' must be 2-D")
    if input.dtype.kind != "i":
        raise RuntimeError(
            "Expected tensor for argument #1 'indices' to have one of the following scalar types: "
            f"Long, Int; but got {input.dtype.name} instead (while checking arguments for "
            "embedding)"
        )
    rows, width = weight.shape
    out = index_select(weight, 0, input.reshape(-1)).reshape(*input.shape, width)
    if padding_idx is None:
        return out
    if not -rows <= padding_idx < rows:
        raise AssertionError("Padding_idx must be within num_embeddings")
    padding_idx = padding_idx + rows if padding_idx < 0 else padding_idx
    return where((input == padding_idx).unsqueeze(-1), out.detach(), out)


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """1 at each class index, else 0, as int64 with a new last axis.

    ``num_classes`` -1 takes one more than the largest index, which needs its value.
    """
    check_tensor(tensor, "one_hot")
    if num_classes == -1:
        if tensor.numel() == 0:
            raise RuntimeError("Can not infer total number of classes from empty tensor.")
        num_classes = int(amax(tensor).item()) + 1
    if num_classes < 1:
        raise RuntimeError("num_classes should be positive")
    return gathering.one_hot(tensor, int(num_classes))
