"""The table of peers: how each is found, how its threads are set and where it keeps caches."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

TUNED_MALLOC = (
    "glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=17179869184:glibc.malloc.top_pad=268435456"
)
"""GLIBC_TUNABLES that make glibc keep large buffers, so that pages are not faulted in again."""


@dataclass(frozen=True)
class Peer:
    """One row of the report."""

    name: str
    probe: str
    """Python text that prints the version, and raises ImportError where the peer is missing."""
    environment: Callable[[int, Path], dict[str, str]]
    """Variables for (threads, cache folder); every cache of the peer goes into that folder."""
    prepare: Callable[[int], None]
    """Set the number of threads inside the process, where the environment is not enough."""
    is_peer: bool = True
    """Ratios are formed against the best row for which this holds."""


def base_environment(threads: int, cache: Path) -> dict[str, str]:
    """Return the variables that all peers share: thread counts of BLAS and OpenMP, caches."""
    counted = ("OMP", "OPENBLAS", "MKL", "NUMBA")
    variables = {f"{library}_NUM_THREADS": str(threads) for library in counted}
    return variables | {"XDG_CACHE_HOME": str(cache), "CUDA_VISIBLE_DEVICES": ""}


def restrict_to(threads: int) -> None:
    """Bind this process to its first ``threads`` cores, for peers that count cores themselves."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


def _plain(threads: int, cache: Path) -> dict[str, str]:
    return {}


def _leave(threads: int) -> None:
    """Nothing to set in the process: the environment and the affinity were enough."""


def _tinytorch(threads: int, cache: Path) -> dict[str, str]:
    return {"TINYTORCH_CACHE_DIR": str(cache), "TINYTORCH_NUM_THREADS": str(threads)}


def _torch(threads: int, cache: Path) -> dict[str, str]:
    return {
        "TORCHINDUCTOR_CACHE_DIR": str(cache / "inductor"),
        "TRITON_CACHE_DIR": str(cache / "triton"),
    }


def _jax(threads: int, cache: Path) -> dict[str, str]:
    return {
        "JAX_PLATFORMS": "cpu",
        "NPROC": str(threads),  # the size of XLA's thread pool
        "JAX_COMPILATION_CACHE_DIR": str(cache),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }


def _pytensor(threads: int, cache: Path) -> dict[str, str]:
    return {
        "PYTENSOR_FLAGS": f"mode=NUMBA,floatX=float32,base_compiledir={cache}",
        "NUMBA_CACHE_DIR": str(cache),
    }


def _set_threads(module: str) -> Callable[[int], None]:
    def prepare(threads: int) -> None:
        importlib.import_module(module).set_num_threads(threads)

    return prepare


def _prepare_torch_compile(threads: int) -> None:
    _set_threads("torch")(threads)
    # Lets a gradient be part of the compiled graph: on small calls three to four times
    # faster than a graph break at backward(), so the peer is given it.
    config = importlib.import_module("torch._dynamo").config
    if hasattr(config, "trace_autograd_ops"):
        config.trace_autograd_ops = True


def _version_of(module: str) -> str:
    return f"import {module}; print({module}.__version__)"


_GCC_PROBE = """
import shutil, subprocess
if shutil.which("gcc") is None:
    raise ImportError("no gcc")
print(subprocess.run(["gcc", "-dumpfullversion"], capture_output=True, text=True).stdout)
"""

PEERS = (
    Peer(
        "tinytorch",
        "import tinytorch; print(getattr(tinytorch, '__version__', 'source'))",
        _tinytorch,
        _set_threads("tinytorch"),
        is_peer=False,
    ),
    Peer("torch", _version_of("torch"), _torch, _set_threads("torch")),
    Peer("torch-fused", _version_of("torch"), _torch, _set_threads("torch")),
    Peer("torch.compile", _version_of("torch"), _torch, _prepare_torch_compile),
    Peer("jax", _version_of("jax"), _jax, _leave),
    Peer("pytensor", _version_of("pytensor"), _pytensor, _leave),
    Peer("c", _GCC_PROBE, _plain, _leave, is_peer=False),
)
BY_NAME = {peer.name: peer for peer in PEERS}
