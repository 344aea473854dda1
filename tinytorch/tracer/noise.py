"""Noise: tensors of random numbers, the same eager and compiled."""

from __future__ import annotations

import math
from typing import Any

from tinytorch.errors import TraceError
from tinytorch.ir import ops
from tinytorch.ir.types import DType, float16, float32, int64
from tinytorch.tracer.device import check_device
from tinytorch.tracer.factories import finished, sizes_given
from tinytorch.tracer.generator import Generator, chosen, default_generator
from tinytorch.tracer.kinds import Wholes
from tinytorch.tracer.mode import mode, user_origin
from tinytorch.tracer.shapes import sizes_of
from tinytorch.tracer.tensor import Tensor


def _bits(generator: Generator | None, shape: tuple[int, ...]) -> Tensor:
    """Draw from a generator, by default the default one: the only one inside a trace."""
    drawn = chosen(generator)
    if drawn is not default_generator and mode.trace is not None:
        raise TraceError(
            f"{user_origin()}: a generator of its own inside a compiled function; leave it out, so "
            "that the default one is drawn from, or draw outside"
        )
    return drawn.bits(shape)


def rand(*sizes: Any, size: Any = None, generator: Generator | None = None,
         dtype: DType | None = None, requires_grad: bool = False,
         device: Any = None) -> Tensor:  # fmt: skip
    """Return uniform numbers in [0, 1): 24 random bits for float32, 32 for float64."""
    check_device(device)
    dtype = dtype or mode.default_dtype
    bits = _bits(generator, sizes_given(sizes, size, "rand"))
    if dtype.bits == 64:
        return finished(bits.to(dtype) * 2.0**-32, requires_grad)
    if dtype.is_half:  # as many bits as the format has: rounding must not reach 1
        kept_bits = 11 if dtype is float16 else 8
        kept = ops.floor_divide(bits, 1 << (32 - kept_bits))
        return finished((kept.to(float32) * 2.0**-kept_bits).to(dtype), requires_grad)
    kept = ops.floor_divide(bits, 256)
    return finished(kept.to(dtype) * 2.0**-24, requires_grad)


def rand_like(input: Tensor, *, generator: Generator | None = None, dtype: DType | None = None,
              requires_grad: bool = False, device: Any = None,
              memory_format: Any = None) -> Tensor:  # fmt: skip
    """Return uniform numbers in another tensor's shape and dtype."""
    return rand(input.shape, generator=generator, dtype=dtype or input.dtype,
               requires_grad=requires_grad, device=device)  # fmt: skip


def randn(*sizes: Any, size: Any = None, generator: Generator | None = None,
          dtype: DType | None = None, requires_grad: bool = False,
          device: Any = None) -> Tensor:  # fmt: skip
    """Return standard normal numbers, by the transform of Box and Muller (1958)."""
    check_device(device)
    dtype = dtype or mode.default_dtype
    shape = sizes_given(sizes, size, "randn")
    wide = float32 if dtype.is_half else dtype
    first, second = (rand(shape, generator=generator, dtype=wide) for _ in range(2))
    radius = ops.sqrt(ops.log(1 - first) * -2.0)
    out = radius * ops.cos(second * (2 * math.pi))
    return finished(out.to(dtype) if wide is not dtype else out, requires_grad)


def randn_like(input: Tensor, *, generator: Generator | None = None, dtype: DType | None = None,
               requires_grad: bool = False, device: Any = None,
               memory_format: Any = None) -> Tensor:  # fmt: skip
    """Return standard normal numbers in another tensor's shape and dtype."""
    return randn(input.shape, generator=generator, dtype=dtype or input.dtype,
                requires_grad=requires_grad, device=device)  # fmt: skip


def randint(low: int, high: Any = None, size: Wholes = (), *,
            generator: Generator | None = None, dtype: DType | None = None,
            requires_grad: bool = False, device: Any = None) -> Tensor:  # fmt: skip
    """Return integers in [low, high)."""
    check_device(device)
    if isinstance(high, tuple | list):
        low, high, size = 0, low, high
    elif high is None:
        low, high = 0, low
    if high <= low:
        raise RuntimeError(f"random_ expects 'from' to be less than 'to', but got {low} >= {high}")
    shape = sizes_of((tuple(size),), "randint")
    scaled = _scaled(generator, shape, high - low) + low
    return finished(scaled.to(dtype or int64), requires_grad)


def _scaled(generator: Generator | None, shape: tuple[int, ...], span: Any) -> Tensor:
    """Integers in [0, span): random bits times the span, less 32 bits, without overflow.

    Beyond 2**32 the rest of 63 bits, whose distribution is even to one part in 2**63 / span.
    """
    bits = _bits(generator, shape)
    if span <= 1 << 31:
        return ops.floor_divide(bits * span, 1 << 32)
    if span <= 1 << 32:
        top, low = ops.floor_divide(bits, 1 << 16), ops.remainder(bits, 1 << 16)
        return ops.floor_divide(top * span + ops.floor_divide(low * span, 1 << 16), 1 << 16)
    top = ops.remainder(_bits(generator, shape), 1 << 31)
    return ops.remainder(top * (1 << 32) + bits, span)


def randperm(n: int, *, generator: Generator | None = None, dtype: DType | None = None,
             requires_grad: bool = False, device: Any = None) -> Tensor:  # fmt: skip
    """Return a random order of ``range(n)``: that of so many random numbers."""
    check_device(device)
    if n < 0:
        raise RuntimeError(f"n must be non-negative, got {n}")
    order = ops.argsort(_bits(generator, (int(n),)), axis=0, descending=False)
    return finished(order.to(dtype or int64), requires_grad)


__all__ = ["rand", "rand_like", "randint", "randn", "randn_like", "randperm"]
