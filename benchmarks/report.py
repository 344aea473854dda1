"""The measurements as text and as JSON."""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.case import Workload
from benchmarks.measure import Row

HEADINGS = ("peer", "malloc", "step", "spread", "ratio", "cold", "warm", "peak")


def duration(seconds: float | None) -> str:
    """Write a time with three digits and a fitting unit."""
    if seconds is None:
        return "-"
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e6:.3g} us"


def spread(samples: list[float]) -> str:
    """Write how far the middle half of the samples lies apart, relative to the median."""
    if len(samples) < 2:
        return "-"
    low, middle, high = statistics.quantiles(samples, n=4, method="inclusive")
    return f"{(high - low) / middle:.0%}"


def cells(row: Row) -> tuple[str, ...]:
    """Return the row's entries under HEADINGS."""
    return (
        row.peer,
        row.malloc,
        duration(row.step),
        spread(row.samples),
        "-" if row.ratio is None else f"{row.ratio:.2f}",
        duration(row.cold),
        duration(statistics.median(row.warm) if row.warm else None),
        f"{row.peak_bytes / 1e6:.0f} MB",
    )


def table(workload: Workload, rows: Iterable[Row], missing: Mapping[str, str]) -> str:
    """Return one workload's table; failed and missing peers are listed below it."""
    rows = list(rows)
    lines = [HEADINGS, *(cells(row) for row in rows if not row.error)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEADINGS))]
    text = [f"{workload.name}: {workload.summary}"]
    for line in lines:
        left = "  ".join(cell.ljust(width) for cell, width in zip(line[:2], widths[:2]))
        right = "  ".join(cell.rjust(width) for cell, width in zip(line[2:], widths[2:]))
        text.append(f"  {left}  {right}")
    text += [f"  {row.peer} ({row.malloc}) failed: {row.error}" for row in rows if row.error]
    text += [f"  {name} missing: {why}" for name, why in missing.items()]
    return "\n".join(text)


def _cpu_name() -> str:
    """Return the model of the processor as the system names it."""
    listing = Path("/proc/cpuinfo")
    if listing.exists():
        for line in listing.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor()


def machine() -> dict[str, Any]:
    """Return what a reader must know to compare two reports."""
    return {
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "load": os.getloadavg() if hasattr(os, "getloadavg") else None,
    }


def write_json(
    path: Path, rows: Iterable[Row], versions: Mapping[str, str], settings: Mapping[str, Any]
) -> None:
    """Write every sample, with the machine, the peers' versions and the settings."""
    document = {
        "machine": machine(),
        "versions": dict(versions),
        "settings": dict(settings),
        "rows": [asdict(row) | {"step": row.step} for row in rows],
    }
    path.write_text(json.dumps(document, indent=1) + "\n")
