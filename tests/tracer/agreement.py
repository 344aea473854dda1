"""Run one scenario twice, eager and compiled, and compare everything it returns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import tinytorch as tt
from tinytorch import Tensor
from tinytorch.tracer.tree import flatten

Compile = Callable[[Callable[..., Any]], Any]
Scenario = Callable[[Compile], Any]


def eagerly(function: Callable[..., Any]) -> Callable[..., Any]:
    """Stand in for ``compile``: leave the function as it is."""
    return function


def values(tree: Any) -> list[Any]:
    """Leaves of a tree, tensors as arrays of their own."""
    leaves, _ = flatten(tree)
    return [x.detach().numpy().copy() if isinstance(x, Tensor) else x for x in leaves]


def assert_same(expected: Any, got: Any, rtol: float = 1e-5, atol: float = 1e-7) -> None:
    """Leaves have equal kinds, dtypes and shapes, and close values."""
    a, b = values(expected), values(got)
    assert len(a) == len(b)
    for position, (x, y) in enumerate(zip(a, b, strict=True)):
        where = f"value {position}"
        if isinstance(x, np.ndarray):
            assert isinstance(y, np.ndarray), where
            assert x.dtype == y.dtype, where
            assert x.shape == y.shape, where
            np.testing.assert_allclose(y, x, rtol=rtol, atol=atol, err_msg=where)
        elif isinstance(x, float):
            assert isinstance(y, float), (where, x, y)
            assert abs(x - y) <= atol + rtol * abs(x), (where, x, y)
        else:
            assert (type(x), x) == (type(y), y), where


def check(
    scenario: Scenario, compiles: int | None = None, rtol: float = 1e-5, atol: float = 1e-7
) -> Any:
    """Compare a scenario run eagerly and compiled; return what the compiled run gave.

    ``compiles`` is how often its compiled functions are traced, over all of them.
    """
    made: list[Any] = []

    def compiling(function: Callable[..., Any]) -> Any:
        made.append(tt.compile(function))
        return made[-1]

    tt.manual_seed(1)
    expected = values(scenario(eagerly))
    tt.manual_seed(1)
    got = values(scenario(compiling))
    assert_same(expected, got, rtol, atol)
    if compiles is not None:
        counts = [m.cache_info().compiles for m in made]
        shown = "\n".join(m.explain() for m in made)
        assert sum(counts) == compiles, f"{counts}\n{shown}"
    return got


def normal(*shape: int, seed: int = 0, dtype: str = "f4", requires_grad: bool = False) -> Tensor:
    """Normal numbers that depend on seed and shape alone."""
    rng = np.random.default_rng([seed, *shape])
    return tt.tensor(rng.normal(size=shape).astype(dtype), requires_grad=requires_grad)
