"""Results of compiled functions that are neither tensors nor numbers: the same in every call."""

from __future__ import annotations

import gc
import types
from typing import Any

from tinytorch.errors import TraceError
from tinytorch.tracer.mode import user_origin
from tinytorch.tracer.number import Number
from tinytorch.tracer.tensor import Tensor
from tinytorch.tracer.tracked import Tracked

_CLOSED = (type, types.ModuleType, types.CodeType, Tracked, str, bytes, int, float, complex)
"""What is not looked into: nothing that a call made can lie in it, or it is compared as a whole."""
_MOST = 10_000
"""Objects that are looked at, so that a result which reaches half the program ends soon."""


def check_constant(value: Any) -> Any:
    """Return a result that is the same object in every call.

    Raises TraceError for an iterator, and for an object that holds a tensor or a traced number:
    those belong to the call that was traced, and no later call would put its own in their place.
    """
    kind = type(value).__name__
    if hasattr(type(value), "__next__"):
        raise TraceError(
            f"{_where()}a compiled function returns an iterator ({kind}), which only the traced "
            "call could fill; return a list or tuple"
        )
    if holds_values(value):
        raise TraceError(
            f"{_where()}a compiled function returns a {kind} that holds tensors, which would stay "
            "those of the traced call; return tuples, lists, dicts, named tuples or dataclasses"
        )
    return value


def holds_values(value: Any) -> bool:
    """Whether a tensor or traced number can be reached from an object."""
    seen: set[int] = set()
    rest = [value]
    while rest and len(seen) < _MOST:
        x = rest.pop()
        if isinstance(x, Tensor | Number):
            return True
        if id(x) in seen or (isinstance(x, _CLOSED) and not _is_made_in_a_trace(x)):
            continue
        seen.add(id(x))
        rest.extend(_parts(x))
    return False


def _is_made_in_a_trace(x: Any) -> bool:
    """Whether an object is a tracked one that compiled code made, a distribution say."""
    return isinstance(x, Tracked) and x._born is not None


def _parts(x: Any) -> list[Any]:
    """What an object holds; of a function its closure and defaults, not its globals."""
    if isinstance(x, types.FunctionType):
        return [x.__closure__, x.__defaults__, x.__kwdefaults__, x.__dict__]
    return gc.get_referents(x)


def _where() -> str:
    origin = user_origin()
    return "" if origin is None else f"{origin}: "
