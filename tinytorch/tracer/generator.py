"""Generators of random numbers: a seed and a count of draws, the same eager and compiled."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from tinytorch.errors import TraceError
from tinytorch.ir import ops
from tinytorch.ir.types import TensorType, int64
from tinytorch.tracer.device import CPU, check_device, device
from tinytorch.tracer.mode import mode, user_origin
from tinytorch.tracer.tensor import Tensor

_FIRST_SEED = 67280421310721
"""PyTorch's seed of a generator that was given none."""


class Generator:
    """A counter-based random generator: a seed and how many draws were made.

    The state is a tensor (seed, counter), so compiled code updates it like any other state, and
    eager and compiled draw the same numbers.
    """

    device: device = CPU

    def __init__(self, seed: Any = _FIRST_SEED, *, device: Any = None) -> None:
        self.state = Tensor.make(TensorType(int64, (2,)), np.array([0, 0], np.int64))
        if isinstance(seed, str | type(CPU)):  # PyTorch's one argument is a device
            seed, device = _FIRST_SEED, seed
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


def chosen(generator: Generator | None) -> Generator:
    """Return a generator, or for None the default one; raise TypeError for anything else."""
    if generator is None:
        return default_generator
    if not isinstance(generator, Generator):
        raise TypeError(f"expected a Generator, not {type(generator).__name__}")
    return generator


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

__all__ = [
    "Generator", "get_rng_state", "initial_seed", "manual_seed", "seed", "set_rng_state",
]  # fmt: skip
