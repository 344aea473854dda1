"""Facts about this machine: its processor, how many cores are ours, how large its caches are."""

from __future__ import annotations

import functools
import os
import platform
from dataclasses import dataclass
from pathlib import Path

from tinytorch.ir.target import CPU, Target
from tinytorch.runtime import loader

_CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
_QUOTA = Path("/sys/fs/cgroup/cpu.max")


@dataclass(frozen=True)
class Host:
    """What a processor is; sizes in bytes, 0 where the system does not tell."""

    name: str
    features: str
    architecture: str
    cores: int
    l1_bytes: int
    l2_bytes: int
    l3_bytes: int


def available_cores() -> int:
    """Cores this process may use: its affinity mask, cut to the container's quota."""
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    try:
        quota, period = _QUOTA.read_text().split()
        cores = min(cores, -(-int(quota) // int(period)))
    except (OSError, ValueError):  # no control group, or "max": no quota
        pass
    return max(1, cores)


def _cache_bytes(level: int) -> int:
    """Size of the data cache of a level, from the kernel's files or the C library."""
    units = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
    for index in _CACHES.glob("index*"):
        try:
            if (index / "level").read_text().strip() != str(level):
                continue
            if (index / "type").read_text().strip() == "Instruction":
                continue
            text = (index / "size").read_text().strip()
            return int(text[:-1]) * units[text[-1]] if text[-1] in units else int(text)
        except (OSError, ValueError, IndexError):
            continue
    name = "SC_LEVEL1_DCACHE_SIZE" if level == 1 else f"SC_LEVEL{level}_CACHE_SIZE"
    if name in os.sysconf_names:
        return max(0, os.sysconf(name))
    return 0


@functools.cache
def host() -> Host:
    """The facts, asked once."""
    name, features = loader.host_cpu()
    return Host(
        name=name,
        features=features,
        architecture=platform.machine(),
        cores=available_cores(),
        l1_bytes=_cache_bytes(1),
        l2_bytes=_cache_bytes(2),
        l3_bytes=_cache_bytes(3),
    )


@functools.cache
def target() -> Target:
    """The fact sheet for passes. Caches that the system does not tell keep the default."""
    facts = host()
    return Target(
        "cpu",
        cache_bytes=facts.l3_bytes or facts.l2_bytes or CPU.cache_bytes,
        l1_bytes=facts.l1_bytes or CPU.l1_bytes,
    )
