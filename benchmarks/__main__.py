"""The command ``python -m benchmarks``."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks import workloads
from benchmarks.measure import QUICK, Effort, Measurement, Row, probe
from benchmarks.peers import BY_NAME, PEERS
from benchmarks.process import Setting
from benchmarks.report import table, write_json


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Time tinytorch beside its peers."
    )
    add = parser.add_argument
    add("--only", nargs="+", metavar="NAME", choices=workloads.MODULES, help="these workloads")
    add("--peers", nargs="+", metavar="NAME", choices=BY_NAME, help="these peers")
    add("--threads", type=int, default=2, help="threads of each peer (default 2)")
    add("--quick", action="store_true", help="few short rounds: shows that it runs")
    add("--rounds", type=int, help=f"samples of each peer (default {Effort.rounds})")
    add("--seconds", type=float, help=f"length of a sample (default {Effort.seconds})")
    add(
        "--malloc",
        choices=("both", "started", "tuned"),
        default="both",
        help="as started, with glibc told to keep memory, or (default) as started for all and "
        "tuned as well for the large workloads",
    )
    add("--timeout", type=float, default=600, help="seconds to wait for a peer's answer")
    add("--json", type=Path, metavar="FILE", help="write every sample to this file")
    add("--verbose", action="store_true", help="show what the peers print")
    add("--list", action="store_true", help="list workloads and peers, and end")
    chosen = parser.parse_args(arguments)
    if chosen.threads < 1:
        parser.error("--threads must be at least 1")
    return chosen


def effort(chosen: argparse.Namespace) -> Effort:
    """Return how long to measure."""
    base = QUICK if chosen.quick else Effort()
    return Effort(chosen.rounds or base.rounds, chosen.seconds or base.seconds, base.warm_starts)


def mallocs(choice: str, large: bool) -> list[str]:
    """Return the malloc settings under which a workload is timed."""
    if choice == "both":
        return ["started", "tuned"] if large else ["started"]
    return [choice]


def progress(text: str) -> None:
    """Say on standard error what has just been measured."""
    print(f"  .. {text}", file=sys.stderr, flush=True)


def warn_of_neighbours() -> None:
    """Say so when the machine is busy: OpenMP peers then lose far more than their share."""
    busy = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    if busy > 0.5:
        text = "warning: load average %.1f; timings will favour peers without OpenMP threads"
        print(text % busy, file=sys.stderr)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; return 1 when a peer failed or computed something else."""
    chosen = parse(arguments)
    if chosen.list:
        print("workloads:", *workloads.MODULES)
        print("peers:", *BY_NAME)
        return 0
    # An ordinary exit, so that the peers' processes end with this one.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    warn_of_neighbours()
    peers = [peer for peer in PEERS if not chosen.peers or peer.name in chosen.peers]
    found = {peer.name: probe(peer, chosen.threads) for peer in peers}
    missing = {name: why for name, (_, why) in found.items() if why}
    versions = {name: version for name, (version, why) in found.items() if not why}
    listed = ", ".join(f"{name} {version}" for name, version in versions.items())
    print(f"versions: {listed}", flush=True)
    setting = Setting(chosen.threads, False, chosen.timeout, chosen.verbose)
    rows: list[Row] = []
    for name in chosen.only or workloads.MODULES:
        workload = workloads.load(name)
        with tempfile.TemporaryDirectory(prefix="benchmarks-") as folder:
            measurement = Measurement(workload, Path(folder), effort(chosen), progress)
            present = [peer for peer in peers if peer.name in versions]
            measured = measurement.run(present, mallocs(chosen.malloc, workload.large), setting)
        rows += measured
        absent = {name: why for name, why in missing.items() if name in workload.builders}
        print(f"\n{table(workload, measured, absent)}", flush=True)
    if chosen.json:
        settings = {key: value for key, value in vars(chosen).items() if key != "json"}
        write_json(chosen.json, rows, versions, settings)
    return int(any(row.error for row in rows))


if __name__ == "__main__":
    sys.exit(main())
