"""Cache of bytes by content: in memory, and in a folder shared by all processes of one user.

Keys are texts that name everything the bytes depend on, so an entry never goes stale; a changed
input is another key. One file an entry::

    magic, container version, key length, payload length, SHA-256, key text, payload

The digest covers all the rest. A folder or file that another user owns or may write is not read
at all, nothing is unpickled, and files appear by ``os.replace`` alone. Whatever goes wrong costs
one CacheWarning a cause and a recompile, never a wrong result.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import secrets
import stat
import struct
import time
import warnings
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from tinytorch import config as settings
from tinytorch.errors import CacheWarning

_MAGIC = b"TINYTRCH"
_VERSION = 1
_HEAD = struct.Struct("<8sIIQ32s")
_SUFFIX = ".cache"
_TEMPORARY = ".tmp"
_OPEN = os.O_CLOEXEC | os.O_NOFOLLOW

MEMORY_BYTES = 64 << 20
DISK_BYTES = 1 << 30
_ABANDONED = 3600.0  # seconds after which a temporary file belongs to a process that died
_REFRESH = 86400.0  # seconds after which a hit renews an entry's age
_PRUNE_EVERY = 256  # writes


@dataclass
class Stats:
    """Counts since the process began (or the last ``clear_memory``)."""

    memory_hits: int = 0
    disk_hits: int = 0
    misses: int = 0
    writes: int = 0
    faults: int = 0


class _Fault(Exception):
    """The folder or an entry cannot be used; ``cause`` groups faults for warning once."""

    def __init__(self, cause: str, message: str) -> None:
        super().__init__(message)
        self.cause = cause


stats = Stats()
_memory: OrderedDict[str, bytes] = OrderedDict()
_lock = Lock()
_warned: set[tuple[str, str]] = set()
_serial = itertools.count()


def _renew_lock() -> None:
    """A fork copies a lock as it is, perhaps held by a thread that the child does not have."""
    global _lock
    _lock = Lock()


os.register_at_fork(after_in_child=_renew_lock)


def folder() -> Path:
    """Folder of the disk cache, whether it exists or not."""
    if settings.config.cache_dir:
        return Path(settings.config.cache_dir).absolute()
    base = os.environ.get("XDG_CACHE_HOME", "")
    root = Path(base) if os.path.isabs(base) else Path(os.path.expanduser("~")) / ".cache"
    return root.absolute() / "tinytorch"


def get(key: str) -> bytes | None:
    """Return the bytes stored under a key, or None. Never raises; faults warn once a cause."""
    with _lock:
        found = _memory.get(key)
        if found is not None:
            _memory.move_to_end(key)
            stats.memory_hits += 1
            return found
    try:
        found = _read(key)
    except (_Fault, OSError) as error:
        _warn(error, "read")
        found = None
    if found is None:
        stats.misses += 1
        return None
    stats.disk_hits += 1
    _remember(key, found)
    return found


def put(key: str, payload: bytes) -> None:
    """Store bytes under a key. Never raises; faults warn once a cause."""
    _remember(key, payload)
    try:
        with _directory(create=True) as directory:
            _write(directory, key, payload)
            stats.writes += 1
            if stats.writes % _PRUNE_EVERY == 1:
                _prune(directory)
    except (_Fault, OSError) as error:
        _warn(error, "write")


def clear_memory() -> None:
    """Forget everything held in memory (the disk is left alone), the counts and the warnings."""
    with _lock:
        _memory.clear()
    stats.__init__()  # type: ignore[misc]
    _warned.clear()


def _remember(key: str, payload: bytes) -> None:
    with _lock:
        _memory[key] = payload
        _memory.move_to_end(key)
        total = sum(map(len, _memory.values()))
        while total > MEMORY_BYTES and len(_memory) > 1:
            total -= len(_memory.popitem(last=False)[1])


def _warn(error: Exception, action: str) -> None:
    stats.faults += 1
    cause = error.cause if isinstance(error, _Fault) else f"{action} {type(error).__name__}"
    with _lock:
        if (cause, str(folder())) in _warned:
            return
        _warned.add((cause, str(folder())))
    warnings.warn(f"tinytorch cache: {error}; compiling without it", CacheWarning, stacklevel=3)


# ------------------------------------------------------------------------ files


def _name(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest() + _SUFFIX


def _trusted(status: os.stat_result) -> bool:
    """Owned by this user, and writable by nobody else."""
    return status.st_uid == os.geteuid() and not status.st_mode & 0o022


@contextlib.contextmanager
def _directory(create: bool = False) -> Iterator[int]:
    """Open the folder, checked; files are then opened relative to it, so it cannot be swapped."""
    path = folder()
    if create and not path.is_symlink():
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            path.mkdir(mode=0o700)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | _OPEN)
    except NotADirectoryError:
        raise _Fault("folder", f"{path} is a link or not a folder") from None
    except OSError as error:
        if path.is_symlink():
            raise _Fault("folder", f"{path} is a link") from None
        raise error
    try:
        if not _trusted(os.fstat(descriptor)):
            raise _Fault("folder", f"{path} belongs to another user or others may write to it")
        yield descriptor
    finally:
        os.close(descriptor)


def _read(key: str) -> bytes | None:
    try:
        with _directory() as directory:
            descriptor = os.open(_name(key), os.O_RDONLY | os.O_NONBLOCK | _OPEN, dir_fd=directory)
            with open(descriptor, "rb") as file:
                status = os.fstat(descriptor)
                if not stat.S_ISREG(status.st_mode) or not _trusted(status):
                    raise _Fault("entry", f"entry {_name(key)} is not a file of this user alone")
                data = file.read()
                if time.time() - status.st_mtime > _REFRESH:
                    with contextlib.suppress(OSError):
                        os.utime(descriptor)
    except FileNotFoundError:
        return None
    return _unpack(key, data)


def _pack(key: str, payload: bytes) -> bytes:
    text = key.encode()
    sizes = (len(text), len(payload))
    body = text + payload
    blank = _HEAD.pack(_MAGIC, _VERSION, *sizes, bytes(32))
    digest = hashlib.sha256(blank + body).digest()
    return _HEAD.pack(_MAGIC, _VERSION, *sizes, digest) + body


def _unpack(key: str, data: bytes) -> bytes:
    """The payload of an entry; raises _Fault if it is damaged or answers another key."""
    text = key.encode()
    start = _HEAD.size + len(text)
    payload = data[start:]
    if len(data) < start or data != _pack(key, payload):
        raise _Fault("entry", f"entry {_name(key)} is damaged")
    return payload


def _write(directory: int, key: str, payload: bytes) -> None:
    temporary = f"{os.getpid()}-{next(_serial)}-{secrets.token_hex(8)}{_TEMPORARY}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _OPEN
    descriptor = os.open(temporary, flags, 0o600, dir_fd=directory)
    try:
        with open(descriptor, "wb") as file:
            file.write(_pack(key, payload))
        os.replace(temporary, _name(key), src_dir_fd=directory, dst_dir_fd=directory)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary, dir_fd=directory)
        raise


def _prune(directory: int) -> None:
    """Remove what dead writers left, then the oldest entries beyond DISK_BYTES."""
    entries = []
    now = time.time()
    for name in os.listdir(directory):
        try:
            status = os.stat(name, dir_fd=directory, follow_symlinks=False)
            if name.endswith(_TEMPORARY) and now - status.st_mtime > _ABANDONED:
                os.unlink(name, dir_fd=directory)
            elif name.endswith(_SUFFIX):
                entries.append((status.st_mtime, status.st_size, name))
        except FileNotFoundError:  # another process was faster
            continue
    total = sum(size for _, size, _ in entries)
    for _, size, name in sorted(entries):
        if total <= DISK_BYTES:
            break
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=directory)
        total -= size
