"""A case for every layer function that tests/nn has a call of: its value and its gradients."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import functional_cases
import numpy as np
from cuda_case import MANY_CHUNKS, Case

import tinytorch as tt
import tinytorch.nn.functional as F
from tinytorch.tracer.subtrace import close


def _case(call: functional_cases.Case) -> Case:
    """One graph of the value and of what the sum of its squares gives the operands."""
    floats = [a.dtype.kind == "f" for a in call.arrays]
    arrays = [
        a.astype(np.float64 if f else np.int64) for a, f in zip(call.arrays, floats, strict=True)
    ]
    operands = [tt.tensor(a, requires_grad=f) for a, f in zip(arrays, floats, strict=True)]

    def value_and_gradients(*tensors: tt.Tensor) -> list[tt.Tensor]:
        out = call.call(F, tensors)
        free = [t for t in tensors if t.requires_grad]
        found = tt.autograd.grad((out * out).sum(), free, allow_unused=True)
        return [out, *(g for g in found if g is not None)]

    closed = close(value_and_gradients, operands, call.name)
    captured = [t.detach().numpy() for t in closed.captures]
    return Case(closed.graph, [*arrays, *captured], MANY_CHUNKS, tolerance=1e-9)


def _calls() -> list[functional_cases.Case]:
    """Of each function the smallest call that sets most: the simulator is too slow for all."""
    def rank(call: functional_cases.Case) -> tuple[int, int]:
        return -sum(a.size for a in call.arrays), len(call.settings)

    return list({c.name: c for c in sorted(functional_cases.CASES, key=rank)}.values())


FUNCTIONS: dict[str, Callable[[], Case]] = {f"F.{c.name}": partial(_case, c) for c in _calls()}
