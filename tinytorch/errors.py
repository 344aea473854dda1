"""Every exception class that tinytorch raises on purpose.

Each class derives from the builtin that PyTorch raises in the same place, so that
``except RuntimeError`` or ``except IndexError`` written for PyTorch keeps working.
"""

from __future__ import annotations

import threading


class TinyTorchError(Exception):
    """Base of all errors raised by tinytorch on purpose."""


class TypeRuleError(TinyTorchError, RuntimeError):
    """Operands of an op have shapes or dtypes that the op cannot take."""


class NotATensorError(TinyTorchError, TypeError, AttributeError):
    """Something else stands where a tensor is wanted. PyTorch raises one of both, by function."""


class IntegerRangeError(TinyTorchError, RuntimeError, ValueError, TypeError, OverflowError):
    """An int does not fit in 64 bits. PyTorch raises one of the four, by function."""


class OutOfMemoryError(TinyTorchError, RuntimeError, MemoryError):
    """There is not enough memory for a result; PyTorch raises RuntimeError."""


class SizeError(TinyTorchError, RuntimeError):
    """Something depends on a size that is known only at run time: the size must be specialised."""


class _Latest(threading.local):
    error: TraceError | None = None


latest = _Latest()
"""The last TraceError made in this thread: a trace fails even if user code caught it."""


class TraceError(TinyTorchError, RuntimeError):
    """The traced Python function does something that cannot be compiled soundly."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)
        latest.error = self


class LinAlgError(TinyTorchError, RuntimeError):
    """A matrix has no inverse or factorization of the kind that was asked for."""


class VerifyError(TinyTorchError, AssertionError):
    """A representation breaks its own rules: a fault in a pass, never in user code."""


class ParseError(TinyTorchError, ValueError):
    """The text of a graph cannot be read back."""


class CompileError(TinyTorchError, RuntimeError):
    """Emitted source could not be turned into machine code."""


class FileFormatError(TinyTorchError, RuntimeError, ValueError):
    """A file is damaged, truncated or not of the format that was asked for; nothing was loaded."""


class CacheWarning(UserWarning):
    """A cache entry or folder could not be used; the program was compiled again."""
