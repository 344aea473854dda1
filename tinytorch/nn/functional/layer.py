"""Functions behind layers: products and table look-up."""

from __future__ import annotations

from typing import Any

from tinytorch.nn.functional.distance import norm
from tinytorch.tracer import dtypes as types
from tinytorch.tracer import functions as tensor_functions
from tinytorch.tracer.factories import arange
from tinytorch.tracer.functions import index_select, matmul, where
from tinytorch.tracer.functions.gathering import one_hot
from tinytorch.tracer.functions.windows import taken
from tinytorch.tracer.kinds import Scalar, Whole
from tinytorch.tracer.mode import no_grad
from tinytorch.tracer.shapes import check_tensor
from tinytorch.tracer.tensor import Tensor


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``input @ weight.T + bias``; input (..., in), weight (out, in) or (in), bias (out) or ().

    Raises RuntimeError where shapes do not fit or dtypes differ.
    """
    check_tensor(input, "linear")
    check_tensor(weight, "linear")
    if input.ndim == 0 or weight.ndim == 0:
        raise RuntimeError(
            f"both arguments to linear need to be at least 1D, but they are {input.ndim}D and "
            f"{weight.ndim}D"
        )
    if weight.ndim > 2:
        raise RuntimeError(f"linear: weight must be a matrix or a vector, not {weight.ndim}D")
    return tensor_functions.linear(input, weight, bias)


def bilinear(
    input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None
) -> Tensor:
    """``input1 @ weight[o] @ input2 + bias`` for each output o.

    Inputs (..., in1) and (..., in2) with the same leading axes, weight (out, in1, in2), bias
    (out); the result is (..., out). Raises RuntimeError where shapes do not fit.
    """
    for x in (input1, input2, weight):
        check_tensor(x, "bilinear")
    if input1.ndim == 0 or input1.shape[:-1] != input2.shape[:-1]:
        raise RuntimeError(
            "bilinear(): input batch dimensions do not match: got "
            f"{list(input1.shape)} and {list(input2.shape)}"
        )
    if weight.ndim != 3 or input1.shape[-1] != weight.shape[1]:
        raise RuntimeError(
            f"bilinear(): input1 size does not match weight size: got {input1.shape[-1]} but "
            f"expected {weight.shape[1] if weight.ndim == 3 else 'a weight of 3 axes'}"
        )
    if input2.shape[-1] != weight.shape[2]:
        raise RuntimeError(
            f"bilinear(): input2 size does not match weight size: got {input2.shape[-1]} but "
            f"expected {weight.shape[2]}"
        )
    given = [x.dtype for x in (input1, input2, weight, bias) if x is not None]
    if len(set(given)) > 1:
        raise RuntimeError(
            f"bilinear(): All tensors must have the same dtype, got {', '.join(map(str, given))}"
        )
    out_size, in1, in2 = weight.shape
    if bias is not None and tuple(bias.shape) != (out_size,):
        raise RuntimeError(
            f"bilinear(): bias size does not match weight size: got {list(bias.shape)} but "
            f"expected [{out_size}]"
        )
    left = input1.reshape(-1, in1)
    half = matmul(left, weight.permute(1, 0, 2).reshape(in1, out_size * in2))
    right = input2.reshape(-1, 1, in2)
    out = (half.reshape(-1, out_size, in2) * right).sum(-1)
    out = out.reshape(*input1.shape[:-1], out_size)
    return out if bias is None else out + bias


# ---------------------------------------------------------------------- tables


def embedding(
    input: Tensor, weight: Tensor, padding_idx: Whole = None, max_norm: Scalar = None,
    norm_type: Scalar = 2.0, scale_grad_by_freq: bool = False, sparse: bool = False,
) -> Tensor:  # fmt: skip
    """Rows of ``weight`` (rows, width) at integer indices (...): shape (..., width).

    The row at ``padding_idx`` receives no gradient. ``max_norm`` first scales the rows in use down
    to that ``norm_type``-norm, in place. ``scale_grad_by_freq`` divides a row's gradient by how
    often it is used. Raises IndexError "index out of range in self", RuntimeError for a weight
    that is no matrix or an index that is no int, NotImplementedError for ``sparse``.
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
    if sparse:
        raise NotImplementedError("embedding: sparse gradients are not supported; use sparse=False")
    rows, width = weight.shape
    if padding_idx is not None:
        if not -rows <= padding_idx < rows:
            raise AssertionError("Padding_idx must be within num_embeddings")
        padding_idx = padding_idx + rows if padding_idx < 0 else padding_idx
    flat = input.reshape(-1)
    if max_norm is not None:
        _shorten(weight, _uses(flat, rows) > 0, max_norm, norm_type)
    out = index_select(weight, 0, flat)
    if scale_grad_by_freq:
        share = 1.0 / taken(_uses(flat, rows).to(weight.dtype), 0, flat.to(types.int64))
        out = _with_gradient_times(out, share.unsqueeze(-1))
    out = out.reshape(*input.shape, width)
    if padding_idx is None:
        return out
    return where((input == padding_idx).unsqueeze(-1), out.detach(), out)


def _uses(index: Tensor, rows: int) -> Tensor:
    """How often each row is used."""
    return (index.unsqueeze(-1) == arange(rows)).to(types.int64).sum(0)


def _shorten(weight: Tensor, used: Tensor, max_norm: Any, norm_type: Any) -> None:
    with no_grad():
        fixed = weight.detach()
        size = norm(fixed, norm_type, -1, keepdim=True)
        short = fixed * (max_norm / (size + 1e-7))
        weight.copy_(where(used.unsqueeze(-1) & (size > max_norm), short, fixed))


def _with_gradient_times(x: Tensor, factor: Tensor) -> Tensor:
    """The value of x with its gradient scaled."""
    scaled = x * factor
    return x.detach() + (scaled - scaled.detach())


__all__ = ["bilinear", "embedding", "linear", "one_hot"]
