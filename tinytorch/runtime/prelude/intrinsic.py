"""The register of intrinsics: functions that the text of a kernel may call by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from inspect import signature
from typing import Any

import numpy as np

from tinytorch.runtime.prelude.primitive import BOOL, Register


@dataclass(frozen=True)
class Intrinsic:
    """What a backend must know to call a function of the prelude.

    ``function`` is the checked entry; ``result`` the dtype of its value, or None for that of its
    operands; ``operands`` likewise the dtypes its operands are brought to, or None for the dtype
    they have in common, which is one of ``kinds`` (numpy's letters: b, i, u, f).
    """

    name: str
    function: Callable[..., Any]
    arity: int
    kinds: str
    result: np.dtype[Any] | None
    operands: tuple[np.dtype[Any] | None, ...]

    def operand_types(self, given: tuple[np.dtype[Any], ...]) -> tuple[np.dtype[Any], ...] | None:
        """Return the dtypes to bring operands to, or None if the intrinsic does not take them."""
        if len(given) != self.arity:
            return None
        free = [dtype for dtype, fixed in zip(given, self.operands) if fixed is None]
        common = np.result_type(*free) if free else BOOL
        if free and common.kind not in self.kinds:
            return None
        return tuple(common if fixed is None else fixed for fixed in self.operands)

    def result_type(self, operands: tuple[np.dtype[Any], ...]) -> np.dtype[Any]:
        """Return the dtype of the value on operands of these dtypes."""
        return operands[-1] if self.result is None else self.result


INTRINSICS: dict[str, Intrinsic] = {}


def intrinsic(
    kinds: str = "f", result: Any = None, operands: tuple[Any, ...] | None = None
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a function under its name, and give it an entry that accepts Python numbers.

    The entry raises TypeError on operands of a kind that the intrinsic does not take. Python
    numbers count as bool, int64 and float64, as they do in machine code.
    """

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        name = function.__name__
        arity = len(signature(function).parameters)

        @wraps(function)
        def call(*given: Any) -> Any:
            if any(isinstance(x, Register) for x in given):
                return function(*given)
            values = [x if hasattr(x, "dtype") else np.asarray(x)[()] for x in given]
            wanted = entry.operand_types(tuple(x.dtype for x in values))
            if wanted is None:
                raise TypeError(f"{name} does not take {[str(x.dtype) for x in values]}")
            with np.errstate(all="ignore"):
                cast = (x if x.dtype == d else x.astype(d) for x, d in zip(values, wanted))
                return function(*cast)

        fixed = operands or (None,) * arity
        entry = Intrinsic(
            name,
            call,
            arity,
            kinds,
            None if result is None else np.dtype(result),
            tuple(None if d is None else np.dtype(d) for d in fixed),
        )
        INTRINSICS[name] = entry
        return call

    return register
