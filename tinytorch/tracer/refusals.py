"""Errors for tensors used in ways that cannot work, and the checks that raise them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

from tinytorch.errors import OutOfMemoryError, TraceError
from tinytorch.tracer.mode import user_origin


def concrete(tensor: Any, wanted: str, remedy: str) -> TraceError:
    """The error for asking a traced tensor for its value."""
    return TraceError(
        f"{user_origin()}: a traced tensor of {tensor._type} has no value yet, so it cannot become "
        f"{wanted}; {remedy}"
    )


def foreign(tensor: Any) -> TraceError:
    """The error for a tensor that belongs to a trace that has ended, or to another one."""
    return TraceError(
        f"{user_origin()}: this tensor of {tensor._type} belongs to another trace: it has no value "
        "outside the compiled function that made it; return it from that function instead"
    )


_ADDRESSES = 1 << 47
"""Bytes that a process can address."""


def no_memory(shape: Sequence[Any], dtype: Any) -> OutOfMemoryError:
    """The error for a tensor that memory does not hold, of the class that PyTorch raises."""
    size = math.prod(shape) * dtype.itemsize
    return OutOfMemoryError(
        f"can't allocate memory: a tensor of {dtype.name}{list(shape)} takes {size} bytes"
    )


@contextmanager
def allocating(shape: Sequence[Any], dtype: Any) -> Iterator[None]:
    """Raise RuntimeError instead of numpy's own errors where memory does not hold a tensor."""
    if math.prod(shape) * dtype.itemsize >= _ADDRESSES:
        raise no_memory(shape, dtype)
    try:
        yield
    except MemoryError:
        raise no_memory(shape, dtype) from None


def refuse_number(value: Any) -> NoReturn:
    """Raise the error for a value that is neither tensor nor number."""
    raise TypeError(f"expected a tensor or a number, got {type(value).__name__}")


def check_data(tensor: Any, value: Any) -> None:
    """Raise for a value that cannot become the ``data`` of a tensor."""
    if not hasattr(value, "apply_op") or not hasattr(value, "_storage"):
        raise TypeError(f"Variable data has to be a tensor, but got {type(value).__name__}")
    if tensor._requires and not value.dtype.is_floating_point:
        raise RuntimeError(
            "data set to a tensor that requires gradients must be floating point or complex dtype"
        )


def seed_for(tensor: Any, gradient: Any) -> Any:
    """Check the start of a backward pass; return the cotangent to start from."""
    if not tensor.requires_grad:
        raise RuntimeError(
            "element 0 of tensors does not require grad and does not have a grad_fn"
        )
    if gradient is None:
        if tensor._type.size != 1:
            raise RuntimeError(
                "grad can be implicitly created only for scalar outputs, got shape "
                f"{list(tensor.shape)}; pass gradient="
            )
        return tensor.constant(1)
    if not hasattr(gradient, "apply_op"):
        raise TypeError(f"gradient must be a Tensor, got {type(gradient).__name__}")
    if gradient.shape != tensor.shape:
        raise RuntimeError(
            f"Mismatch in shape: grad_output has a shape of {list(gradient.shape)} and output has "
            f"a shape of {list(tensor.shape)}."
        )
    return gradient
