"""Sources to addresses of machine code: from this process, the disk cache, or the compiler.

numba and llvmlite.ir are imported on a miss of the cache and not before.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import importlib.metadata
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import RLock
from types import ModuleType
from weakref import WeakValueDictionary

from tinytorch.errors import CompileError
from tinytorch.ir.source import Source
from tinytorch.runtime import cache, loader
from tinytorch.runtime.forked import compile_all
from tinytorch.runtime.objectcode import ObjectCode, call_symbol, scratch_offsets

_loaded: WeakValueDictionary[str, loader.LoadedCode] = WeakValueDictionary()
_lock = RLock()


def _renew_lock() -> None:
    """A fork copies a lock as it is, perhaps held by a thread that the child does not have."""
    global _lock
    _lock = RLock()


os.register_at_fork(after_in_child=_renew_lock)


@dataclass(frozen=True)
class LoadedKernel:
    """Addresses of a kernel and its finish (0: none). ``code`` keeps the machine code alive."""

    entry: int
    finish: int
    scratch_bytes: int
    code: loader.LoadedCode


def jit() -> ModuleType:
    """The compiler: the one place from which numba is imported."""
    return importlib.import_module("tinytorch.runtime.jit")


@functools.cache
def environment() -> str:
    """All that decides machine code beside the source: versions, processor, our own compiler."""
    here = Path(__file__).parent
    digest = hashlib.sha256()
    for path in sorted(here.rglob("*.py")):
        digest.update(path.relative_to(here).as_posix().encode() + b"\x00" + path.read_bytes())
    processor, features = loader.host_cpu()
    settings = sorted(f"{k}={v}" for k, v in os.environ.items() if k.startswith("NUMBA_"))
    return "\n".join(
        (
            f"runtime {digest.hexdigest()}",
            f"numba {importlib.metadata.version('numba')}",
            f"llvmlite {importlib.metadata.version('llvmlite')}",
            f"python {sys.version_info[0]}.{sys.version_info[1]} {sys.platform}",
            f"processor {processor} {features}",
            *settings,
        )
    )


def load_kernels(sources: Mapping[str, Source]) -> tuple[dict[str, LoadedKernel], int]:
    """Load a kernel for each source, by its name; return them and how many were compiled.

    Raises CompileError if a text cannot be compiled.
    """
    with _lock:
        keys = {name: f"kernel {s.key}\n{environment()}" for name, s in sources.items()}
        codes = {name: _loaded.get(key) for name, key in keys.items()}
        missing = {name: keys[name] for name, code in codes.items() if code is None}
        wanted = {key: sources[name] for name, key in missing.items()}  # one text, one code
        objects = {key: code for key in wanted if (code := _cached(key)) is not None}
        lacking = [key for key in wanted if key not in objects]
        compiled = len(lacking)
        if lacking:
            made = compile_all([wanted[k] for k in lacking], jit().compile_source)
            for key, code in zip(lacking, made, strict=True):
                cache.put(key, code.to_bytes())
                objects[key] = code
        if objects:
            batch = loader.LoadedCode(objects.values())
            for name, key in missing.items():
                codes[name] = _loaded[key] = batch
        return {n: _addresses(sources[n], code) for n, code in codes.items() if code}, compiled


def _cached(key: str) -> ObjectCode | None:
    """Object code from the cache, if it is there and can be used."""
    data = cache.get(key)
    if data is None:
        return None
    try:
        code = ObjectCode.from_bytes(data)
    except CompileError:  # written by something else under our key
        return None
    return None if loader.missing_symbols(code.symbols) else code


def _addresses(source: Source, code: loader.LoadedCode) -> LoadedKernel:
    finish = code.address(call_symbol(source.finish)) if source.finish is not None else 0
    _, scratch = scratch_offsets(source.scratch)
    return LoadedKernel(code.address(call_symbol(source.entry)), finish, scratch, code)


def load_runner() -> loader.LoadedCode:
    """The native runner, compiled if the cache lacks it."""
    key = f"runner\n{environment()}"
    with _lock:
        code = _cached(key)
        if code is None:
            words = importlib.import_module("tinytorch.runtime.native.words")
            run = importlib.import_module("tinytorch.runtime.native.run")
            code = words.compile_words("tinytorch.runner", run.EXPORTS)
            cache.put(key, code.to_bytes())
        return loader.LoadedCode([code])
