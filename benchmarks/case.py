"""What a workload is, and what one peer's form of it must offer to be checked and timed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Arrays = dict[str, Array]


def _nothing() -> None:
    """Do nothing: the peer's calls are already complete when they return."""


@dataclass(frozen=True)
class Case:
    """One workload written for one peer, with its data loaded and nothing run yet."""

    step: Callable[[], Any]
    """One call, as a user would write it. What it returns goes to ``outputs`` or is dropped."""
    outputs: Callable[[Any], Arrays]
    """Numpy arrays, named as in the reference, from what the latest ``step`` returned."""
    finish: Callable[[], None] = _nothing
    """Wait until every step so far has really been computed."""
    repeat: Callable[[int], Any] | None = None
    """Run n steps without returning to Python; only for references that have such a loop."""


Builder = Callable[[Arrays], Case]


@dataclass(frozen=True)
class Workload:
    """Data, a float64 reference and one builder per peer; a peer without one is left out."""

    name: str
    summary: str
    data: Callable[[], Arrays]
    """The inputs, the same bytes for every peer."""
    reference: Callable[[Arrays], Arrays]
    """The expected outputs after ``steps`` calls, computed by numpy in float64."""
    builders: Mapping[str, Builder]
    steps: int = 1
    """Calls made before the outputs are compared; more than one for training."""
    rtol: float = 1e-4
    atol: float = 1e-5
    large: bool = False
    """Large workloads are also timed with a tuned malloc (see ``peers.TUNED_MALLOC``)."""
    notes: Mapping[str, str] = field(default_factory=dict)
    """By peer: how its form differs from the others', for the report."""


def mismatch(got: Mapping[str, Array], want: Mapping[str, Array], workload: Workload) -> str:
    """Say how ``got`` differs from the reference ``want``; empty when it does not."""
    if got.keys() != want.keys():
        return f"outputs are {sorted(got)}, expected {sorted(want)}"
    for name, expected in want.items():
        value = got[name]
        if value.dtype != np.float32:
            return f"{name} is {value.dtype}, expected float32"
        if value.size != expected.size:
            return f"{name} has shape {value.shape}, expected {expected.shape}"
        error = np.abs(value.reshape(expected.shape).astype(np.float64) - expected)
        allowed = workload.atol + workload.rtol * np.abs(expected)
        if not bool(np.all(error <= allowed)):  # written so that NaN fails
            return f"{name} is off by up to {float(np.max(error)):.3g}"
    return ""
