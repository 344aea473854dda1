"""Every setting of tinytorch, read from the environment once and held in one frozen object.

Fields in ``CODEGEN_FIELDS`` change generated code and are part of every cache key.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace

CODEGEN_FIELDS = ("fuse",)


@dataclass(frozen=True)
class Config:
    """Typed settings; each may be given as an environment variable ``TINYTORCH_<NAME>``."""

    num_threads: int = 0
    """Threads used by compiled calls; 0 means one per available core."""
    cache_dir: str = ""
    """Folder of the disk cache; empty means tinytorch in $XDG_CACHE_HOME or ~/.cache."""
    dump: str = ""
    """Folder that receives every stage of every compile; empty means none."""
    verify: bool = False
    """Check every representation after every pass, and interpret it before and after."""
    fuse: bool = True
    """Fuse ops into shared kernels; off gives one kernel an op, for finding faults."""
    launcher: str = "pool"
    """``pool``: the native runner. ``python``: run the emitted text itself as plain Python."""


def _number(name: str, text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        raise ValueError(f"{name} must be an integer, got {text!r}") from None
    if value < 0:
        raise ValueError(f"{name} must not be negative, got {value}")
    return value


def from_environment(environ: Mapping[str, str]) -> Config:
    """Build the settings from variables named ``TINYTORCH_*``; raise ValueError on a bad value."""
    changes: dict[str, int | bool | str] = {}
    for name, default in Config().__dict__.items():
        variable = f"TINYTORCH_{name.upper()}"
        text = environ.get(variable)
        if text is None or text == "":
            continue
        if isinstance(default, bool):
            if text not in ("0", "1"):
                raise ValueError(f"{variable} must be 0 or 1, got {text!r}")
            changes[name] = text == "1"
        elif isinstance(default, int):
            changes[name] = _number(variable, text)
        else:
            changes[name] = text
    config = replace(Config(), **changes)  # type: ignore[arg-type]
    if config.launcher not in ("pool", "python"):
        raise ValueError(f"TINYTORCH_LAUNCHER must be pool or python, got {config.launcher!r}")
    return config


config = from_environment(os.environ)


def codegen_key() -> str:
    """Return the settings that change generated code, as text for cache keys."""
    return ",".join(f"{name}={getattr(config, name)}" for name in CODEGEN_FIELDS)
