"""The team of threads that compiled calls share, and the native runner that leads it.

Threads are native ones, unknown to Python; the runner hires them on the first parallel region and
they sleep when there is nothing to do. One caller leads the team at a time; others that come at
that moment run their tasks themselves, with the same bits.
"""

from __future__ import annotations

import ctypes
import functools
import os
import signal
from collections.abc import Callable
from threading import RLock

from tinytorch import config as settings
from tinytorch.runtime import device, kernels, layout
from tinytorch.runtime.library import blas
from tinytorch.runtime.objectcode import call_symbol

SPIN = 2000
"""Turns of waiting before a thread parks: some tens of microseconds."""

_FATAL = ("SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGABRT", "SIGTRAP")
_METH_NOARGS = 4


class _MethodDef(ctypes.Structure):
    """CPython's PyMethodDef."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    )


class Team:
    """The words that ``native/team.py`` works on, and the functions of the native library."""

    def __init__(self) -> None:
        code = kernels.load_runner()
        raw = ctypes.create_string_buffer(layout.TEAM_BYTES + layout.LINE)
        self._memory = raw  # for as long as the process lives: workers look at it
        self.address = -(-ctypes.addressof(raw) // layout.LINE) * layout.LINE
        self._run_address = code.address(call_symbol("run_bound"))
        self._worker_address = code.address(call_symbol("worker"))
        word = ctypes.c_int64
        self._resize = ctypes.CFUNCTYPE(word, word, word)(code.address(call_symbol("resize")))
        code.keep_forever()  # workers may be in it when the interpreter ends
        self._method = _MethodDef(b"run", self._run_address, _METH_NOARGS, b"Run the program.")
        self._lock = RLock()
        self.reset(_default_threads())

    def _word(self, offset: int) -> ctypes.c_int64:
        return ctypes.c_int64.from_address(self.address + offset)

    def reset(self, threads: int) -> None:
        """Write every word anew: no workers, ``threads`` wanted."""
        saved = self._word(layout.BLAS_SAVED).value
        restore = self._word(layout.BLAS_DEPTH).value > 0
        ctypes.memset(self.address, 0, layout.TEAM_BYTES)
        self._lock = RLock()
        library = blas()
        self._word(layout.BLAS_SET).value = library.set_threads
        self._word(layout.BLAS_GET).value = library.get_threads
        if restore and library.set_threads:  # forked while another thread was in BLAS
            ctypes.CFUNCTYPE(None, ctypes.c_int)(library.set_threads)(saved)
        self._word(layout.WORKER).value = self._worker_address
        process = ctypes.CDLL(None)
        process.pthread_mutex_init(ctypes.c_void_p(self.address + layout.MUTEX), None)
        for condition in (layout.WORK, layout.IDLE):
            process.pthread_cond_init(ctypes.c_void_p(self.address + condition), None)
        signals = ctypes.c_void_p(self.address + layout.SIGNALS)
        process.sigfillset(signals)
        for name in _FATAL:
            process.sigdelset(signals, int(getattr(signal, name)))
        self._set_words(threads)

    def _set_words(self, threads: int) -> None:
        self._word(layout.WANTED).value = threads
        # A thread that waits takes the core from one that works if there are too few cores.
        crowded = threads > device.available_cores()
        self._word(layout.SPIN).value = 0 if crowded else SPIN

    @property
    def threads(self) -> int:
        """Threads of a parallel region, the caller among them."""
        return self._word(layout.WANTED).value

    def resize(self, threads: int) -> None:
        """Send the workers home; the next region hires as many as are now wanted."""
        with self._lock:
            self._resize(self.address, threads)
            self._set_words(threads)

    def bind(self, program: int, owner: object) -> Callable[[], int]:
        """Return a builtin function that runs the program at an address, without the GIL.

        It keeps ``owner`` alive, and costs half of what a ctypes function pointer costs.
        """
        create = ctypes.pythonapi.PyCFunction_NewEx
        create.restype = ctypes.py_object
        create.argtypes = (ctypes.c_void_p, ctypes.py_object, ctypes.py_object)
        bound: Callable[[], int] = create(ctypes.addressof(self._method), program, owner)
        return bound


def _default_threads() -> int:
    return settings.config.num_threads or device.available_cores()


_threads: int | None = None  # what the user asked for before the team existed


@functools.cache
def team() -> Team:
    """The team, made when it is first needed."""
    made = Team()
    if _threads is not None:
        made.resize(_threads)
    # Workers are sent home first: Python advises against forking a process with threads. The
    # child starts anew all the same, as other Python threads may be using the team meanwhile.
    os.register_at_fork(
        before=lambda: made.resize(made.threads),
        after_in_child=lambda: made.reset(made.threads),
    )
    return made


def set_num_threads(threads: int) -> None:
    """Set how many threads a compiled call may use; results do not depend on it.

    Raises ValueError for less than one. More than there are cores is allowed.
    """
    global _threads
    if threads < 1:
        raise ValueError(f"the number of threads must be positive, got {threads}")
    _threads = threads
    if team.cache_info().currsize:
        team().resize(threads)


def get_num_threads() -> int:
    """How many threads a compiled call may use."""
    return _threads or _default_threads()

__all__ = ["get_num_threads", "set_num_threads"]
