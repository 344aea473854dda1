"""Factories: tensors from data, numbers and random draws."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinytorch.errors import TraceError
from tinytorch.ir import ops
from tinytorch.ir.extent import Extent
from tinytorch.ir.storage import numbers, stored
from tinytorch.ir.types import (
    DType,
    TensorType,
    bfloat16,
    float16,
    float32,
    from_numpy_dtype,
    int64,
)  # fmt: skip
from tinytorch.tracer.mode import mode, user_origin
from tinytorch.tracer.number import Number, plain
from tinytorch.tracer.shapes import sizes_of
from tinytorch.tracer.tensor import Tensor


def _finish(out: Tensor, requires_grad: bool) -> Tensor:
    return out.requires_grad_() if requires_grad else out


def tensor(data: Any, *, dtype: DType | None = None, requires_grad: bool = False,
           device: Any = None) -> Tensor:  # fmt: skip
    """Return a tensor with a copy of the data (numbers, nested lists, numpy arrays, tensors).

    Python floats become the default dtype, ints int64, bools bool; numpy arrays keep theirs.
    Raises TypeError for data that is not numeric, ValueError for ragged lists.
    """
    check_device(device)
    if type(data) is Number:
        out = data.trace.number_as_tensor(data)
        return _finish(out.to(dtype or out.dtype), requires_grad)
    if isinstance(data, Tensor):
        out = data.detach().clone()
        return _finish(out if dtype is None else out.to(dtype), requires_grad)
    if mode.trace is not None and isinstance(data, list | tuple) and _holds_number(data):
        out = _stacked(data, dtype or _literal_dtype(data))
        return _finish(out, requires_grad)
    if mode.trace is not None and isinstance(data, np.ndarray):
        raise TraceError(
            f"{user_origin()}: a numpy array of shape {list(data.shape)} would be frozen into the "
            "compiled function; make it a tensor outside and pass it as an argument"
        )
    array = _as_array(data, dtype)
    if mode.trace is not None:
        return _traced_literal(array, requires_grad)
    return _finish(Tensor.wrap(array), requires_grad)


def _holds_number(data: Any) -> bool:
    if isinstance(data, list | tuple):
        return any(_holds_number(x) for x in data)
    return type(data) is Number


def _literal_dtype(data: Any) -> DType:
    """The dtype of nested lists of numbers, some of them run-time numbers."""
    values = data if isinstance(data, list | tuple) else [data]
    if any(isinstance(x, list | tuple) for x in values):
        found = [_literal_dtype(x) for x in values]
        return mode.default_dtype if mode.default_dtype in found else found[0]
    return mode.default_dtype if any(isinstance(x, float) for x in values) else int64


def _stacked(data: Any, dtype: DType) -> Tensor:
    """Nested lists with run-time numbers in them, as a tensor."""
    if isinstance(data, list | tuple):
        parts = [_stacked(x, dtype) for x in data]
        if len({p.shape for p in parts}) > 1:
            raise ValueError("tensor data must be rectangular")
        flat = [ops.reshape(p, shape=(1, *p.shape)) for p in parts]
        return ops.cat(*flat, axis=0) if len(flat) > 1 else flat[0]
    return full((), data, dtype=dtype)


def _as_array(data: Any, dtype: DType | None) -> np.ndarray:
    if not isinstance(data, np.ndarray | np.generic | int | float | bool | list | tuple):
        data = np.asarray(data) if hasattr(data, "__array__") else _refuse(data)
    try:
        array = np.array(data, order="C")
    except ValueError as error:
        raise ValueError(f"tensor data must be rectangular: {error}") from None
    array = _known(array)
    if array.dtype.kind not in "biuf" and array.dtype != bfloat16.numpy:
        raise TypeError(f"can't convert data of dtype {array.dtype} to a tensor")
    if dtype is None:
        numpy_made = isinstance(data, np.ndarray | np.generic)
        if array.dtype.kind == "f" and not numpy_made:
            dtype = mode.default_dtype
        else:
            dtype = from_numpy_dtype(array.dtype)
    if array.dtype.kind == "f" and dtype.kind == "i" and not np.isfinite(array).all():
        raise ValueError("cannot convert NaN or infinity to an integer tensor")
    return stored(array, dtype)


def _known(array: np.ndarray) -> np.ndarray:
    """An array of an extension's bfloat16 as stored elements."""
    return array.view(bfloat16.numpy) if array.dtype.name == "bfloat16" else array


def _refuse(data: Any) -> Any:
    raise TypeError(f"cannot make a tensor of {type(data).__name__}")


def _traced_literal(array: np.ndarray, requires_grad: bool) -> Tensor:
    """A literal inside a trace: small ones are built from constants, large ones are refused."""
    trace = mode.trace
    dtype = from_numpy_dtype(array.dtype)
    if array.size == 1:
        return _finish(trace.constant(numbers(array).item(), array.shape, dtype), requires_grad)
    if array.size > 64:
        raise TraceError(
            f"{user_origin()}: a literal of {array.size} elements inside a compiled function; make "
            "it a tensor outside and pass it as an argument"
        )
    parts = [trace.constant(v, (1,), dtype) for v in numbers(array).reshape(-1).tolist()]
    flat = ops.cat(*parts, axis=0) if parts else trace.constant(0, (0,), dtype)
    return _finish(ops.reshape(flat, shape=array.shape), requires_grad)


def from_numpy(array: np.ndarray) -> Tensor:
    """Return a tensor that shares memory with a numpy array."""
    if not isinstance(array, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {type(array).__name__})")
    if mode.trace is not None:
        return tensor(array)
    if not array.dtype.isnative or any(s < 0 for s in array.strides):
        raise ValueError("from_numpy needs native byte order and no negative strides; copy first")
    return Tensor.wrap(array)


def as_tensor(data: Any, dtype: DType | None = None) -> Tensor:
    """Return data as a tensor, without a copy where possible."""
    if isinstance(data, Tensor):
        return data if dtype is None else data.to(dtype)
    if isinstance(data, np.ndarray) and dtype is None and mode.trace is None:
        return from_numpy(data)
    return tensor(data, dtype=dtype)


def full(size: Any, fill_value: Any, *, dtype: DType | None = None, requires_grad: bool = False,
         device: Any = None) -> Tensor:  # fmt: skip
    """Return a tensor of one number."""
    check_device(device)
    shape = sizes_of((size,) if isinstance(size, int) else size, "full")
    if any(s < 0 for s in shape):
        raise RuntimeError(f"Trying to create tensor with negative dimension: {list(shape)}")
    if type(fill_value) is Number:
        value = fill_value.trace.number_as_tensor(fill_value)
        out = value.to(dtype or (mode.default_dtype if value.dtype.kind == "f" else value.dtype))
        return _finish(out.expand(shape).clone(), requires_grad)
    if dtype is None:
        dtype = mode.default_dtype if isinstance(fill_value, float) else None
    if dtype is None:
        dtype = from_numpy_dtype(np.asarray(fill_value).dtype)
    if mode.trace is not None:
        return _finish(mode.trace.constant(fill_value, shape, dtype), requires_grad)
    return _finish(Tensor.wrap(stored(np.full(shape, fill_value), dtype)), requires_grad)


def zeros(*size: Any, dtype: DType | None = None, requires_grad: bool = False,
          device: Any = None) -> Tensor:  # fmt: skip
    """Return a tensor of zeros."""
    shape = sizes_of(size, "zeros")
    return full(shape, 0.0, dtype=dtype or mode.default_dtype, requires_grad=requires_grad,
                device=device)  # fmt: skip


def ones(*size: Any, dtype: DType | None = None, requires_grad: bool = False,
         device: Any = None) -> Tensor:  # fmt: skip
    """Return a tensor of ones."""
    shape = sizes_of(size, "ones")
    return full(shape, 1.0, dtype=dtype or mode.default_dtype, requires_grad=requires_grad,
                device=device)  # fmt: skip


def empty(*size: Any, dtype: DType | None = None, requires_grad: bool = False,
          device: Any = None) -> Tensor:  # fmt: skip
    """Return a tensor of arbitrary content (zeros here, so that runs repeat)."""
    return zeros(*size, dtype=dtype, requires_grad=requires_grad, device=device)


def zeros_like(input: Tensor, *, dtype: DType | None = None, requires_grad: bool = False) -> Tensor:
    """Return zeros of another tensor's shape and dtype."""
    return zeros(input.shape, dtype=dtype or input.dtype, requires_grad=requires_grad)


def ones_like(input: Tensor, *, dtype: DType | None = None, requires_grad: bool = False) -> Tensor:
    """Return ones of another tensor's shape and dtype."""
    return ones(input.shape, dtype=dtype or input.dtype, requires_grad=requires_grad)


def full_like(input: Tensor, fill_value: Any, *, dtype: DType | None = None) -> Tensor:
    """Return one number in another tensor's shape and dtype."""
    return full(input.shape, fill_value, dtype=dtype or input.dtype)


def arange(start: Any, end: Any = None, step: Any = 1, *, dtype: DType | None = None) -> Tensor:
    """Return numbers from start (inclusive) to end (exclusive)."""
    if end is None:
        start, end = 0, start
    start, end, step = (plain(x) for x in (start, end, step))
    integral = all(isinstance(x, int | Extent) for x in (start, end, step))
    if integral and type(step) is int and step == 1:
        count = end - start
    else:
        start, end, step = (int(x) if isinstance(x, Extent) else x for x in (start, end, step))
        count = math.ceil((end - start) / step) if step else -1
    if count < 0:
        raise RuntimeError("upper bound and lower bound inconsistent with step sign")
    dtype = dtype or (int64 if integral else mode.default_dtype)
    if mode.trace is None:
        return Tensor.wrap(stored(start + step * np.arange(count), dtype))
    index = mode.trace.record(ops.iota, (), {"shape": (count,), "axis": 0})
    return (index * step + start).to(dtype)


def eye(n: int, m: int | None = None, *, dtype: DType | None = None, requires_grad: bool = False,
        device: Any = None) -> Tensor:  # fmt: skip
    """Return an (n, m) matrix with ones on the diagonal, m being n unless given."""
    check_device(device)
    m = n if m is None else m
    if n < 0 or m < 0:
        name, size = ("n", n) if n < 0 else ("m", m)
        raise RuntimeError(f"{name} must be greater or equal to 0, got {size}")
    same = arange(n).reshape(n, 1) == arange(m).reshape(1, m)
    return _finish(same.to(dtype or mode.default_dtype), requires_grad)


# ---------------------------------------------------------------------- random


_FIRST_SEED = 67280421310721
"""PyTorch's seed of a generator that was given none."""


class Generator:
    """A counter-based random generator: a seed and how many draws were made.

    The state is a tensor (seed, counter), so compiled code updates it like any other state, and
    eager and compiled draw the same numbers.
    """

    device = "cpu"

    def __init__(self, seed: Any = _FIRST_SEED, *, device: Any = None) -> None:
        self.state = Tensor.make(TensorType(int64, (2,)), np.array([0, 0], np.int64))
        if isinstance(seed, str):  # PyTorch's one argument is a device
            seed, device = _FIRST_SEED, seed
        if device is not None:
            check_device(device)
        self.manual_seed(seed)

    def manual_seed(self, seed: int) -> Generator:
        """Start over from a seed."""
        if mode.trace is not None:
            mode.trace.reseed()
        self.state.array[:] = (int(seed) & 0x7FFFFFFFFFFFFFFF, 0)
        self.state._storage.version += 1
        return self

    def initial_seed(self) -> int:
        """Return the seed that the generator started from."""
        return int(self._outside("initial_seed")[0])

    def seed(self) -> int:
        """Start over from a seed that nobody knows; return it."""
        self.manual_seed(int.from_bytes(os.urandom(7), "little"))
        return self.initial_seed()

    def get_state(self) -> Tensor:
        """Return a copy of the state, int64 of shape (2,): the seed and the count of draws."""
        return Tensor.wrap(self._outside("get_state").copy())

    def set_state(self, new_state: Tensor) -> None:
        """Go on from a state that ``get_state`` returned; raise for anything else."""
        if not isinstance(new_state, Tensor):
            raise TypeError(f"expected a tensor, but got {type(new_state).__name__}")
        if new_state.dtype is not int64 or new_state.shape != (2,):
            raise RuntimeError(
                "a generator's state is an int64 tensor of shape [2], got "
                f"{new_state.dtype} of shape {list(new_state.shape)}"
            )
        values = new_state.detach().numpy()
        if (values < 0).any():
            raise RuntimeError("a generator's state holds no negative numbers")
        self._outside("set_state")[:] = values
        self.state._storage.version += 1

    def _outside(self, what: str) -> np.ndarray:
        if mode.trace is not None:
            raise TraceError(
                f"{user_origin()}: {what} of a generator inside a compiled function; call it "
                "outside"
            )
        return self.state.array

    def bits(self, shape: tuple[int, ...]) -> Tensor:
        """Draw integers in [0, 2**32)."""
        if mode.trace is not None:
            return mode.trace.random_bits(self.state, shape)
        out = ops.random_bits(self.state, shape=shape, offset=0)
        self.state.array[1] += out._type.size
        self.state._storage.version += 1
        return out


default_generator = Generator(int.from_bytes(os.urandom(7), "little"))


def manual_seed(seed: int) -> Generator:
    """Seed the default generator; return it."""
    return default_generator.manual_seed(seed)


def get_rng_state() -> Tensor:
    """Return the default generator's state."""
    return default_generator.get_state()


def set_rng_state(new_state: Tensor) -> None:
    """Let the default generator go on from a state that ``get_rng_state`` returned."""
    default_generator.set_state(new_state)


def seed() -> int:
    """Seed the default generator with a number that nobody knows; return it."""
    return default_generator.seed()


def initial_seed() -> int:
    """Return the default generator's seed."""
    return default_generator.initial_seed()


def _bits(generator: Generator | None, shape: tuple[int, ...]) -> Tensor:
    """Draw from a generator, by default the default one: the only one inside a trace."""
    if generator is not None and generator is not default_generator and mode.trace is not None:
        raise TraceError(
            f"{user_origin()}: a generator of its own inside a compiled function; leave it out, so "
            "that the default one is drawn from, or draw outside"
        )
    return (default_generator if generator is None else generator).bits(shape)


def rand(*size: Any, generator: Generator | None = None, dtype: DType | None = None,
         requires_grad: bool = False) -> Tensor:  # fmt: skip
    """Return uniform numbers in [0, 1): 24 random bits for float32, 32 for float64."""
    dtype = dtype or mode.default_dtype
    bits = _bits(generator, sizes_of(size, "rand"))
    if dtype.bits == 64:
        return _finish(bits.to(dtype) * 2.0**-32, requires_grad)
    if dtype.is_half:  # as many bits as the format has: rounding must not reach 1
        kept_bits = 11 if dtype is float16 else 8
        kept = ops.floor_divide(bits, 1 << (32 - kept_bits))
        return _finish((kept.to(float32) * 2.0**-kept_bits).to(dtype), requires_grad)
    kept = ops.floor_divide(bits, 256)
    return _finish(kept.to(dtype) * 2.0**-24, requires_grad)


def rand_like(input: Tensor) -> Tensor:
    """Return uniform numbers in another tensor's shape and dtype."""
    return rand(input.shape, dtype=input.dtype)


def randn(*size: Any, generator: Generator | None = None, dtype: DType | None = None,
          requires_grad: bool = False) -> Tensor:  # fmt: skip
    """Return standard normal numbers, by the transform of Box and Muller (1958)."""
    dtype = dtype or mode.default_dtype
    shape = sizes_of(size, "randn")
    wide = float32 if dtype.is_half else dtype
    first, second = (rand(shape, generator=generator, dtype=wide) for _ in range(2))
    radius = ops.sqrt(ops.log(1 - first) * -2.0)
    out = radius * ops.cos(second * (2 * math.pi))
    return _finish(out.to(dtype) if wide is not dtype else out, requires_grad)


def randn_like(input: Tensor) -> Tensor:
    """Return standard normal numbers in another tensor's shape and dtype."""
    return randn(input.shape, dtype=input.dtype)


def randint(low: int, high: Any = None, size: Sequence[int] = (), *,
            generator: Generator | None = None, dtype: DType | None = None) -> Tensor:  # fmt: skip
    """Return integers in [low, high)."""
    if isinstance(high, tuple | list):
        low, high, size = 0, low, high
    elif high is None:
        low, high = 0, low
    if high <= low:
        raise RuntimeError(f"random_ expects 'from' to be less than 'to', but got {low} >= {high}")
    bits = _bits(generator, sizes_of((tuple(size),), "randint"))
    scaled = ops.floor_divide(bits * (high - low), 1 << 32) + low
    return scaled.to(dtype or int64)


def randperm(n: int, *, generator: Generator | None = None) -> Tensor:
    """Return a random order of ``range(n)``: that of so many random numbers."""
    if n < 0:
        raise RuntimeError(f"n must be non-negative, got {n}")
    return ops.argsort(_bits(generator, (int(n),)), axis=0, descending=False)


def check_device(device: Any) -> None:
    """Accept the CPU; raise RuntimeError for a device that tensors cannot live on."""
    if device is not None and str(device).split(":")[0] != "cpu":
        raise RuntimeError(f"device {str(device)!r} is not available: tensors live on 'cpu'")

__all__ = [
    "Generator", "arange", "as_tensor", "empty", "eye", "from_numpy", "full", "full_like",
    "get_rng_state", "initial_seed", "manual_seed", "ones", "ones_like", "rand", "rand_like",
    "randint", "randn", "randn_like", "randperm", "seed", "set_rng_state", "tensor", "zeros",
    "zeros_like",
]  # fmt: skip
