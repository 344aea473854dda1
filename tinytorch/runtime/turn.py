"""A turn: who may use an executable's memory. A lock that costs next to nothing if nobody waits."""

from __future__ import annotations

import contextlib
import threading

_PATIENCE = 0.05  # seconds after which a waiter looks by itself: an interrupt may lose a wake-up


class Turn:
    """A lock, as a context manager or spelled out by code that counts nanoseconds.

    ``idle`` holds one token while nobody has the turn. ``del turn.idle[0]`` takes it, or raises
    IndexError; being one bytecode without a call, neither another thread nor a signal comes
    between taking it and what follows. ``give`` gives it back, by putting a token there and waking
    one of ``waiting``. An acquired ``threading.Lock`` costs several times as much.
    """

    __slots__ = ("idle", "waiting")

    def __init__(self) -> None:
        self.idle: list[None] = [None]
        self.waiting: list[threading.Lock] = []

    def wait(self) -> None:
        """Return when the token may be there, which another thread can still take first."""
        gate = threading.Lock()
        gate.acquire()
        self.waiting.append(gate)
        try:
            if not self.idle:
                gate.acquire(timeout=_PATIENCE)
        finally:
            if gate in self.waiting:
                self.waiting.remove(gate)

    def give(self) -> None:
        """Put the token back, and wake one who waits for it."""
        self.idle.append(None)
        if self.waiting:
            self.wake()

    def wake(self) -> None:
        """Wake one who waits."""
        with contextlib.suppress(IndexError):  # it looked by itself meanwhile
            self.waiting.pop(0).release()

    def renew(self) -> None:
        """Free it: in the child of a fork, the thread that had the turn does not exist."""
        self.idle[:] = [None]
        self.waiting.clear()

    def __enter__(self) -> None:
        while True:
            try:
                del self.idle[0]
                return
            except IndexError:
                self.wait()

    def __exit__(self, *exc: object) -> None:
        self.give()
