"""What holds for the current thread: the active trace, grad mode, the default dtype."""

from __future__ import annotations

import functools
import inspect
import os
import sys
import threading
from collections.abc import Callable
from typing import Any, TypeVar, cast

from tinytorch.ir.origin import Origin
from tinytorch.ir.types import DType, float32

_F = TypeVar("_F", bound=Callable[..., Any])
_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


class _Mode(threading.local):
    """Thread-local switches. All lie in the thread's ``__dict__``, which a replay reads at once."""

    def __init__(self) -> None:
        self.trace: Any = None
        self.sizes: Any = None  # symbolic sizes of the trace under way, if it has any
        self.grad = True
        self.inference = False
        self.default_dtype: DType = float32


mode = _Mode()


def get_default_dtype() -> DType:
    """The dtype of tensors made from Python floats, float32 unless set otherwise."""
    return mode.default_dtype


def set_default_dtype(dtype: DType) -> None:
    """Set the dtype of tensors made from Python floats; raise TypeError unless it is floating."""
    if not isinstance(dtype, DType) or not dtype.is_floating_point:
        raise TypeError(f"only floating-point types are supported as the default, got {dtype}")
    mode.default_dtype = dtype


def is_grad_enabled() -> bool:
    """Whether operations are recorded for ``backward``."""
    return mode.grad


class set_grad_enabled:  # noqa: N801 - PyTorch's name
    """Switch grad mode; also a context manager that switches it back."""

    def __init__(self, mode: bool) -> None:
        self.enabled = bool(mode)
        self.previous = _swap_grad(self.enabled)

    def __enter__(self) -> None:
        mode.grad = self.enabled

    def __exit__(self, *exc: object) -> None:
        mode.grad = self.previous

    def __call__(self, function: _F) -> _F:
        """Wrap a function so that it runs in this mode."""
        mode.grad = self.previous

        return wrapped(function, lambda: set_grad_enabled(self.enabled))


def wrapped(function: _F, context: Callable[[], Any]) -> _F:
    """A function that runs in a context; a generator runs in it whenever it runs at all."""
    if not inspect.isgeneratorfunction(function):

        @functools.wraps(function)
        def run(*args: Any, **kwargs: Any) -> Any:
            with context():
                return function(*args, **kwargs)

        return cast(_F, run)

    @functools.wraps(function)
    def generate(*args: Any, **kwargs: Any) -> Any:
        inner = function(*args, **kwargs)
        try:
            with context():
                value = next(inner)
            while True:
                try:
                    sent = yield value
                except GeneratorExit:
                    with context():
                        inner.close()
                    raise
                except BaseException as error:  # thrown in, handed on
                    with context():
                        value = inner.throw(error)
                else:
                    with context():
                        value = inner.send(sent)
        except StopIteration as stop:
            return stop.value

    return cast(_F, generate)


def _swap_grad(enabled: bool) -> bool:
    previous, mode.grad = mode.grad, enabled
    return previous


class _GradContext:
    """A context manager and decorator that sets grad mode."""

    enabled = True

    def __init__(self, function: Callable[..., Any] | None = None) -> None:
        self._previous: list[bool] = []
        self._function = function

    def __new__(cls, function: Callable[..., Any] | None = None) -> Any:
        if function is not None:
            return cls()(function)
        return super().__new__(cls)

    def __enter__(self) -> None:
        self._previous.append(mode.grad)
        mode.grad = self.enabled

    def __exit__(self, *exc: object) -> None:
        mode.grad = self._previous.pop()

    def __call__(self, function: _F) -> _F:
        """Wrap a function so that it runs in this mode."""

        return wrapped(function, type(self))


class no_grad(_GradContext):  # noqa: N801 - PyTorch's name
    """Do not record operations for ``backward``."""

    enabled = False


class enable_grad(_GradContext):  # noqa: N801 - PyTorch's name
    """Record operations for ``backward`` again, inside ``no_grad``."""

    enabled = True


class inference_mode:  # noqa: N801 - PyTorch's name
    """``no_grad`` whose tensors can never take part in autograd; also a decorator.

    ``inference_mode(False)`` switches it off inside. Inside a compiled function it is ``no_grad``.
    """

    def __init__(self, mode: bool | Callable[..., Any] = True) -> None:
        self._enabled = bool(mode)
        self._previous: list[tuple[bool, bool]] = []

    def __new__(cls, mode: bool | Callable[..., Any] = True) -> Any:
        """As a bare decorator, wrap the function at once."""
        if callable(mode):
            return cls()(mode)
        return super().__new__(cls)

    def __enter__(self) -> None:
        self._previous.append((mode.grad, mode.inference))
        mode.grad, mode.inference = not self._enabled, self._enabled

    def __exit__(self, *exc: object) -> None:
        mode.grad, mode.inference = self._previous.pop()

    def __call__(self, function: _F) -> _F:
        """Wrap a function so that it runs in this mode."""

        return wrapped(function, lambda: inference_mode(self._enabled))


def is_inference_mode_enabled() -> bool:
    """Whether tensors made now can never take part in autograd."""
    return mode.inference


def user_origin(phase: str = "forward") -> Origin | None:
    """The innermost line of the call stack that is not tinytorch's own."""
    frame = sys._getframe(1)
    while frame is not None:
        file = frame.f_code.co_filename
        if not file.startswith(_PACKAGE) and not file.startswith("<"):
            return Origin(file, frame.f_lineno, phase)
        if frame.f_back is None:
            return None
        frame = frame.f_back
    return None


def is_own_file(file: str) -> bool:
    """Whether a source file belongs to tinytorch itself."""
    return file.startswith(_PACKAGE)

__all__ = [
    "enable_grad", "get_default_dtype", "inference_mode", "is_grad_enabled",
    "is_inference_mode_enabled", "no_grad", "set_default_dtype", "set_grad_enabled",
]  # fmt: skip
