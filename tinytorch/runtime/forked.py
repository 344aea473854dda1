"""Compile many sources at once, in forked copies of this process.

The compiler holds one lock for the whole process, so only processes can share the work. A fork
has everything imported and costs milliseconds; it is used only where it is safe: on Linux, from a
process with one Python thread.
"""

from __future__ import annotations

import contextlib
import os
import signal
import struct
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable, Sequence
from typing import IO

from tinytorch.ir.source import Source
from tinytorch.runtime import device
from tinytorch.runtime.objectcode import ObjectCode

WORTHWHILE = 3
"""Sources per process below which a fork does not pay."""

_FRAME = struct.Struct("<QQ")  # position among the sources, length of the bytes that follow

Compiler = Callable[[Source], ObjectCode]


def compile_all(sources: Sequence[Source], compile_one: Compiler) -> list[ObjectCode]:
    """Compile sources, in their order. Raises CompileError for one that cannot be compiled."""
    if not sources:
        return []
    # The first one loads and warms up the compiler, for the copies too.
    order = sorted(range(len(sources)), key=lambda i: -len(sources[i].text))
    done = {order[0]: compile_one(sources[order[0]])}
    rest = order[1:]
    processes = min(device.available_cores(), len(rest) // WORTHWHILE)
    if processes > 1 and _may_fork():
        shares = [rest[i::processes] for i in range(processes)]
        done |= _share_out(sources, shares, compile_one)
    for i in rest:  # what no copy delivered; a source at fault raises here
        if i not in done:
            done[i] = compile_one(sources[i])
    return [done[i] for i in range(len(sources))]


def _may_fork() -> bool:
    return sys.platform == "linux" and threading.active_count() == 1


def _share_out(
    sources: Sequence[Source], shares: Sequence[Sequence[int]], compile_one: Compiler
) -> dict[int, ObjectCode]:
    """Compile the first share here and each of the others in a copy of this process."""
    children: list[tuple[int, IO[bytes]]] = []
    done: dict[int, ObjectCode] = {}
    try:
        for share in shares[1:]:
            file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
            child = _fork()
            if child == 0:
                _deliver(sources, share, compile_one, file)
            children.append((child, file))
        for i in shares[0]:
            done[i] = compile_one(sources[i])
        while children:
            child, results = children.pop()
            _, status = os.waitpid(child, 0)
            with results:
                if status == 0:
                    done |= _collect(results)
    except OSError:  # no processes or no temporary files to be had: compile the rest here
        pass
    finally:
        for child, results in children:
            with contextlib.suppress(OSError):
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
            results.close()
    return done


def _fork() -> int:
    with warnings.catch_warnings():
        # Python advises against forking beside threads, even native ones that hold no lock.
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def _deliver(
    sources: Sequence[Source], share: Sequence[int], compile_one: Compiler, file: IO[bytes]
) -> None:
    """Life of a copy: compile its share into the file, then end at once."""
    status = 1
    try:
        for i in share:
            data = compile_one(sources[i]).to_bytes()
            file.write(_FRAME.pack(i, len(data)) + data)
        file.flush()
        status = 0
    finally:
        os._exit(status)


def _collect(file: IO[bytes]) -> dict[int, ObjectCode]:
    file.seek(0)
    found = {}
    while head := file.read(_FRAME.size):
        position, length = _FRAME.unpack(head)
        found[position] = ObjectCode.from_bytes(file.read(length))
    return found
