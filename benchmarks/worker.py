"""The subprocess that runs one workload for one peer: ``python -m benchmarks.worker``.

Its standard output carries one JSON object per line and nothing else. The first line reports
the end of the first step; after that each line of standard input is one request:

``check``   complete the workload's first steps and save the outputs as .npy files
``time``    run for about ``seconds`` and report the mean time of a call
``quit``    report the peak memory and end
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import traceback
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import workloads
from benchmarks.case import Case
from benchmarks.peers import BY_NAME, restrict_to

MOST_CALLS = 5000
"""Calls in one sample at most; a sample of a slow workload has fewer."""


def peak_bytes() -> int:
    """Return the largest resident size of this process so far.

    ``ru_maxrss`` also covers the parent's memory at the moment of the fork; VmHWM does not.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def run(case: Case, calls: int) -> float:
    """Return the seconds that ``calls`` steps take, the wait for their results included."""
    step = case.step
    started = time.perf_counter()
    if case.repeat is not None:
        case.repeat(calls)
    else:
        for _ in repeat(None, calls):
            step()
    case.finish()
    return time.perf_counter() - started


def calibrate(case: Case, seconds: float) -> int:
    """Return how many calls fill about ``seconds``; warms the peer up on the way."""
    calls = 1
    while True:
        took = run(case, calls)
        if took >= seconds / 4 or calls >= MOST_CALLS:
            return max(1, min(MOST_CALLS, round(calls * seconds / max(took, 1e-9))))
        calls *= 4


class Worker:
    """Answers the requests about one case."""

    def __init__(self, case: Case, steps: int) -> None:
        self.case = case
        self.steps = steps
        self.calls = 0
        self.latest: Any = case.step()
        case.finish()

    def check(self, folder: Path) -> dict[str, Any]:
        """Finish the first steps and save what they computed, without copying it in memory."""
        for _ in range(self.steps - 1):
            self.latest = self.case.step()
        self.case.finish()
        for name, array in self.case.outputs(self.latest).items():
            np.save(folder / f"{name}.npy", array)
        self.latest = None
        return {}

    def time(self, seconds: float) -> dict[str, Any]:
        """Take one sample; the first request also finds the number of calls."""
        if not self.calls:
            self.calls = calibrate(self.case, seconds)
        run(self.case, max(1, self.calls // 20))  # wakes threads, fills caches again
        return {"seconds": run(self.case, self.calls) / self.calls, "calls": self.calls}


def serve(arguments: argparse.Namespace, reply: Any) -> None:
    """Build the case, then answer requests until ``quit`` or the end of the input."""
    restrict_to(arguments.threads)
    peer = BY_NAME[arguments.peer]
    peer.prepare(arguments.threads)
    workload = workloads.load(arguments.workload)
    data = {file.stem: np.load(file) for file in sorted(Path(arguments.data).glob("*.npy"))}
    worker = Worker(workload.builders[peer.name](data), workload.steps)
    reply({"first_step": time.monotonic()})
    for line in sys.stdin:
        request = json.loads(line)
        if request["do"] == "check":
            reply(worker.check(Path(request["folder"])))
        elif request["do"] == "time":
            reply(worker.time(request["seconds"]))
        else:
            reply({"peak_bytes": peak_bytes()})
            return


def main() -> None:
    """Read the command line; report any exception as a reply, so that only this row fails."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("peer")
    parser.add_argument("workload")
    parser.add_argument("data", help="folder with the inputs as .npy files")
    parser.add_argument("threads", type=int)
    arguments = parser.parse_args()
    channel = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a peer prints must not mix with the replies

    def reply(message: dict[str, Any]) -> None:
        channel.write(json.dumps(message) + "\n")
        channel.flush()

    try:
        serve(arguments, reply)
    except Exception as error:
        traceback.print_exc()
        text = (str(error).strip().splitlines() or [""])[0]
        reply({"error": f"{type(error).__name__}: {text}"})
        sys.exit(1)


if __name__ == "__main__":
    main()
