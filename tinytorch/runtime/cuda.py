"""Runs a program printed as CUDA text: on an NVIDIA GPU, or in numba-cuda's simulator.

Arrays are copied to the device before a run and back after it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import config

from tinytorch.errors import CompileError
from tinytorch.ir.program import Program
from tinytorch.ir.types import bfloat16

try:
    from numba import cuda
except ImportError:  # a numba that leaves CUDA to the package numba-cuda
    cuda = None


class _DeviceMath:
    """``math`` with numpy's values where Python raises: CUDA's functions return inf and NaN."""

    def __getattr__(self, name: str) -> Any:
        spelled = {"pow": "power"}.get(name, name)
        return getattr(np, spelled, None) or getattr(math, name)


def simulated() -> bool:
    """Whether numba simulates a device (``NUMBA_ENABLE_CUDASIM=1``, before it is imported)."""
    return bool(config.ENABLE_CUDASIM)


def define(text: str) -> dict[str, Any]:
    """Run a text and return what it defines.

    Raises CompileError if numba's CUDA part is not installed.
    """
    if cuda is None:
        raise CompileError("CUDA kernels need numba-cuda: pip install 'tinytorch[cuda]'")
    names: dict[str, Any] = {}
    exec(compile(text, "<emitted>", "exec"), names)
    if simulated():
        names["math"] = _DeviceMath()
    return names


def launch(
    names: dict[str, Any], program: Program, arrays: Sequence[Any], fill: int = 0
) -> dict[int, Any]:
    """Run a program on arrays of its inputs; return the caller's buffers by slot, flat.

    ``names`` is what the program's text defines; ``fill`` lies in memory before something writes
    there. Raises CompileError without a device.
    """
    if not cuda.is_available():
        raise CompileError(
            "there is no CUDA device; with NUMBA_ENABLE_CUDASIM=1, set before Python starts, numba "
            "simulates one"
        )
    given = dict(zip(program.inputs, arrays, strict=True))
    buffers: dict[int, Any] = {}
    for slot in program.slots:
        if slot.offset is None:
            value = given.get(slot.id)
            if value is None:
                blank = 0 if slot.id == program.status else fill
                value = np.full(slot.size, blank, slot.dtype.numpy)
            buffers[slot.id] = cuda.to_device(_bits(np.array(value)).reshape(-1))
    arena = cuda.to_device(np.full(max(1, names["ARENA_BYTES"]), fill, np.uint8))
    with np.errstate(all="ignore"):
        names["run"](*buffers.values(), arena)
        cuda.synchronize()
    return {slot: buffer.copy_to_host() for slot, buffer in buffers.items()}


def _bits(array: np.ndarray) -> np.ndarray:
    """bfloat16 as the device has it: bits."""
    return array.view(np.uint16) if array.dtype == bfloat16.numpy else array
