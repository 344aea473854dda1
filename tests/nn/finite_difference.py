"""Central finite differences in float64, to check derivatives against."""

from collections.abc import Callable
from typing import Any

import numpy as np

import tinytorch as tt


def check_gradient(function: Callable[..., Any], *arrays: np.ndarray, step: float = 1e-6) -> None:
    """Compare ``backward`` of a weighted sum of the result with central differences."""
    tensors = [tt.tensor(a.astype(np.float64), requires_grad=True) for a in arrays]
    out = function(*tensors)
    weights = np.random.default_rng(7).standard_normal(tuple(out.shape))
    out.backward(tt.tensor(weights))

    def value(*changed: np.ndarray) -> float:
        with tt.no_grad():
            return float((function(*map(tt.tensor, changed)).numpy() * weights).sum())

    for position, tensor in enumerate(tensors):
        numeric = np.zeros(tensor.shape)
        for index in np.ndindex(*tensor.shape):
            sides = []
            for sign in (step, -step):
                changed = [a.astype(np.float64) for a in arrays]
                changed[position][index] += sign
                sides.append(value(*changed))
            numeric[index] = (sides[0] - sides[1]) / (2 * step)
        np.testing.assert_allclose(tensor.grad.numpy(), numeric, rtol=1e-5, atol=1e-6)
