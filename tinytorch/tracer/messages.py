"""What an error says besides its reason: the call, what it was given, and the user's line.

Errors are raised deep inside, where the reason is known. On its way out an error passes the public
function that the user called, which adds the call with the shapes and dtypes of its arguments, and
the trace under way, which adds the line. The exception stays the same object of the same class. An
exception of the user's own, raised in a function that was handed to tinytorch, is left as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Any

import numpy as np

from tinytorch.ir.extent import Extent
from tinytorch.ir.origin import Origin
from tinytorch.ir.types import DType
from tinytorch.tracer.mode import is_own_file
from tinytorch.tracer.number import Number
from tinytorch.tracer.tensor import Tensor
from tinytorch.tracer.usercode import is_machinery

_MOST_SHOWN = 6
_LONGEST_TEXT = 60


def _frames(traceback: TracebackType | None) -> Iterator[tuple[str, int]]:
    """File and line of each frame of a traceback, outermost first, that tells whose code ran."""
    while traceback is not None:
        file = traceback.tb_frame.f_code.co_filename
        if is_own_file(file) or not is_machinery(file):
            yield file, traceback.tb_lineno
        traceback = traceback.tb_next


def _text_of(error: BaseException) -> str | None:
    """An error's message, if it is one that can be added to."""
    args = error.args
    if len(args) != 1 or type(args[0]) is not str:
        return None
    return args[0] if str(error) == args[0] else None


def shown(value: Any) -> str:
    """An argument as an error names it: a tensor by dtype and shape, anything odd by its type."""
    if isinstance(value, Tensor):
        return str(value._type)
    if type(value) is Number:
        return repr(value.value)
    if value is None or value is Ellipsis or isinstance(value, bool | float | DType | Extent):
        return str(value)
    if isinstance(value, int):
        return str(value) if value.bit_length() < 128 else f"an int of {value.bit_length()} bits"
    if isinstance(value, str):
        return repr(value if len(value) <= _LONGEST_TEXT else value[:_LONGEST_TEXT] + "...")
    if type(value) in (list, tuple):
        first = value[:_MOST_SHOWN]
        inner = ["[...]" if isinstance(x, list | tuple) else shown(x) for x in first]
        inner += ["..."] * (len(value) > _MOST_SHOWN)
        text = ", ".join(inner)
        return f"[{text}]" if type(value) is list else f"({text}{',' * (len(inner) == 1)})"
    if isinstance(value, slice):
        parts = (value.start, value.stop, value.step)
        return ":".join("" if p is None else shown(p) for p in parts[: 2 + (parts[2] is not None)])
    if isinstance(value, np.ndarray):
        return f"numpy {value.dtype}{list(value.shape)}"
    return f"<{type(value).__name__}>"


def is_own(error: Exception) -> bool:
    """Whether an error caught where a public function was called came from no user code inside."""
    return all(is_own_file(file) for file, _ in _frames(error.__traceback__))


def add_call(
    error: Exception, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    """Add a call and its arguments to the message of an error that it raised.

    The outermost public function counts, up to where user code called one: that is what the user
    wrote.
    """
    text = _text_of(error)
    if text is None:
        return
    state = error.__dict__
    reason = state.setdefault("_reason", text)
    given = [shown(x) for x in args] + [f"{k}={shown(x)}" for k, x in kwargs.items()]
    error.args = (f"{reason} [in {name}({', '.join(given)})]",)


def add_line(error: BaseException) -> None:
    """Add the user's line to the message of an error that tinytorch raised while tracing."""
    text = _text_of(error)
    frames = list(_frames(error.__traceback__))
    if text is None or not frames or not is_own_file(frames[-1][0]):
        return
    for file, line in reversed(frames):
        if not is_own_file(file):
            place = str(Origin(file, line))
            if place not in text:
                error.args = (f"{text} (at {place})",)
            return


__all__ = ["add_call", "add_line", "is_own", "shown"]
