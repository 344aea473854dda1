"""Target: the fact sheet of a machine that passes may read. Plain data, so tests can fake one."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """What a machine is.

    ``name`` is ``cpu`` or ``cuda``; ``cache_bytes`` the last-level cache; ``parallel_work`` the
    number of scalar operations below which a parallel region costs more than it saves.
    The number of threads is left out on purpose: nothing that decides bits may depend on it.
    """

    name: str
    cache_bytes: int = 32 << 20
    l1_bytes: int = 32 << 10
    parallel_work: int = 32_768
    max_chunks: int = 64
    block_threads: int = 256


CPU = Target("cpu")
CUDA = Target("cuda", cache_bytes=50 << 20, l1_bytes=128 << 10, parallel_work=2048, max_chunks=528)
