"""Common divisors and multiples, combinations, and the parts that a float is made of."""

from __future__ import annotations

import itertools
import math
from typing import Any, NamedTuple

import numpy as np

from tinytorch.ir import ops, types
from tinytorch.ir.types import bool_, int32, int64, promote
from tinytorch.tracer.functions.choice import where
from tinytorch.tracer.functions.masking import known
from tinytorch.tracer.functions.windows import taken
from tinytorch.tracer.mode import mode
from tinytorch.tracer.shapes import cat, check_tensor, reshape, stack
from tinytorch.tracer.tensor import Tensor
from tinytorch.tracer.views import Size


def _whole(name: str, input: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    """Two tensors of one integer dtype and shape."""
    for x in (input, other):
        if check_tensor(x, name).dtype.kind != "i":
            raise NotImplementedError(f"\"{name}_cpu\" not implemented for '{x.dtype.name}'")
    dtype = promote(input.dtype, other.dtype)
    shape = types.broadcast_shapes(input._type.shape, other._type.shape)
    return input.to(dtype).expand(*shape), other.to(dtype).expand(*shape)


def gcd(input: Tensor, other: Tensor) -> Tensor:
    """Greatest common divisors of integers, by Euclid: as many steps as 64 bits can need."""
    a, b = _whole("gcd", input, other)
    if mode.trace is None:
        return Tensor.wrap(np.gcd(a.array, b.array))
    a, b = ops.abs_(a), ops.abs_(b)
    for _ in range(_EUCLID[a.dtype.bits]):
        rest = where(b == 0, 0, ops.remainder(a, where(b == 0, 1, b)))
        a, b = where(b == 0, a, b), rest
    return a


_EUCLID = {8: 13, 16: 24, 32: 47, 64: 92}
"""Steps of Euclid's algorithm for two neighbours among the numbers of Fibonacci."""


def lcm(input: Tensor, other: Tensor) -> Tensor:
    """Least common multiples of integers; 0 where one is 0."""
    a, b = _whole("lcm", input, other)
    divisor = gcd(a, b)
    safe = where(divisor == 0, 1, divisor)
    return ops.abs_(ops.floor_divide(a, safe) * b)


def ldexp(input: Tensor, other: Tensor) -> Tensor:
    """``input * 2**other``."""
    power = ops.exp2(other.to(mode.default_dtype) if other.dtype.kind != "f" else other)
    return input * power


class FrexpResult(NamedTuple):
    """Fractions from a half to 1, and exponents of 2."""

    mantissa: Tensor
    exponent: Tensor


def frexp(input: Tensor) -> FrexpResult:
    """``input = mantissa * 2**exponent``. Runs eagerly alone."""
    if not check_tensor(input, "frexp").dtype.is_floating_point:
        raise RuntimeError("torch.frexp() only supports floating-point dtypes")
    values = known(input, "frexp's result", "call it outside the compiled function")
    fractions, exponents = np.frexp(values)
    whole = Tensor.wrap(np.array(exponents, np.int32))
    return FrexpResult(Tensor.wrap(np.array(fractions)).to(input.dtype), whole.to(int32))


def nextafter(input: Tensor, other: Tensor) -> Tensor:
    """The next number of the dtype from ``input`` towards ``other``. Runs eagerly alone."""
    remedy = "call it outside the compiled function"
    if check_tensor(input, "nextafter").dtype is not other.dtype or input.dtype.is_half:
        raise NotImplementedError("nextafter is for two tensors of one dtype, float32 or float64")
    a, b = (known(x, "nextafter's result", remedy) for x in (input, other))
    return Tensor.wrap(np.array(np.nextafter(a, b)))


def broadcast_shapes(*shapes: Any) -> Size:
    """The shape to which tensors of given shapes broadcast."""
    return Size(types.broadcast_shapes(*((s,) if isinstance(s, int) else tuple(s) for s in shapes)))


def combinations(input: Tensor, r: int = 2, with_replacement: bool = False) -> Tensor:
    """All choices of ``r`` elements of a vector, a row each, in the order of their places."""
    if check_tensor(input, "combinations").ndim != 1:
        raise RuntimeError(f"Expect a 1D vector, but got shape {list(input.shape)}")
    if r < 0:
        raise RuntimeError("Expect a non-negative number, but got " + str(r))
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    rows = list(choose(range(int(input.shape[0])), r))
    if not rows or r == 0:
        return input.new_zeros(len(rows) if r else 0, r)
    columns = [
        cat([reshape(taken(input, 0, input.constant(i, shape=(1,), dtype=int64)), 1) for i in part])
        for part in zip(*rows, strict=True)
    ]
    return stack(columns, 1)


def vander(x: Tensor, N: int | None = None, increasing: bool = False) -> Tensor:  # noqa: N803
    """Powers of each element of a vector along a new last axis, falling unless ``increasing``."""
    if check_tensor(x, "vander").ndim != 1:
        raise RuntimeError("x must be a one-dimensional tensor.")
    count = int(x.shape[0]) if N is None else N
    if count < 0:
        raise RuntimeError("N must be non-negative.")
    if x.dtype is bool_:
        x = x.to(int64)
    columns = [x * 0 + 1]
    for _ in range(count - 1):
        columns.append(columns[-1] * x)
    if count == 0:
        return x.new_zeros(x.shape[0], 0)
    return stack(columns if increasing else columns[::-1], 1)


def unravel_index(indices: Tensor, shape: Any) -> tuple[Tensor, ...]:
    """Row-major positions in a shape as an index an axis."""
    sizes = (shape,) if isinstance(shape, int) else tuple(shape)
    if check_tensor(indices, "unravel_index").dtype.kind != "i":
        raise ValueError("expected 'indices' to be an integer tensor")
    total = math.prod(sizes)
    at = ops.require_range(
        indices.to(int64), low=-total, high=total, error="ValueError",
        message=f"unravel_index: index {{value}} is out of range for a shape of {total} elements",
    )  # fmt: skip
    found = []
    for size in reversed(sizes):
        found.append(ops.remainder(at, size))
        at = ops.floor_divide(at, size)
    return tuple(reversed(found))


def sum_to_size(self: Tensor, *size: Any) -> Tensor:
    """Added up along axes so that the shape is ``size``, which broadcasts to this one."""
    shape = tuple(size[0]) if len(size) == 1 and isinstance(size[0], tuple | list) else size
    lead = self.ndim - len(shape)
    if lead < 0 or any(n not in (1, m) for n, m in zip(shape, self.shape[lead:], strict=True)):
        raise RuntimeError(f"size {list(shape)} is not expandable to size {list(self.shape)}.")
    axes = (*range(lead), *(
        i + lead for i, n in enumerate(shape) if n == 1 and self.shape[i + lead] != 1
    ))  # fmt: skip
    return reshape(ops.sum_(self, axes=axes), tuple(shape)) if axes else self


def nelement(self: Tensor) -> Any:
    """Number of elements."""
    return self.numel()


def ndimension(self: Tensor) -> int:
    """Number of axes."""
    return self.ndim


__all__ = [
    "broadcast_shapes", "combinations", "frexp", "gcd", "lcm", "ldexp", "nextafter",
    "unravel_index", "vander",
]  # fmt: skip
METHODS = [
    "frexp", "gcd", "lcm", "ldexp", "ndimension", "nelement", "nextafter", "sum_to_size",
]  # fmt: skip
IN_PLACE = ["gcd", "lcm", "ldexp", "nextafter"]
