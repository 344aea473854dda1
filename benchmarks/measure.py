"""Measure one workload: start every peer cold and warm, check it, then time all in turn."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.case import Arrays, Workload, mismatch
from benchmarks.peers import Peer, base_environment
from benchmarks.process import PeerError, PeerProcess, Setting, environment

SETTLE = 0.5
"""Seconds before a sample: OpenMP and BLAS threads of the peer before keep a core busy, waiting for
work, for a while after its last call, and would be measured with the next one."""
WARM = 0.3
"""Seconds of calls that are not counted, after that pause."""


@dataclass(frozen=True)
class Effort:
    """How long to measure."""

    rounds: int = 11
    seconds: float = 0.25
    """Length of one sample; a slower call makes a sample of one call."""
    warm_starts: int = 3


QUICK = Effort(rounds=3, seconds=0.05, warm_starts=1)


@dataclass
class Row:
    """What was measured of one peer on one workload; times in seconds."""

    workload: str
    peer: str
    malloc: str
    is_peer: bool
    cold: float | None = None
    warm: list[float] = field(default_factory=list)
    samples: list[float] = field(default_factory=list)
    calls: int = 0
    peak_bytes: int = 0
    ratio: float | None = None
    error: str = ""

    @property
    def step(self) -> float | None:
        """The median time of a call; None when the row failed."""
        return statistics.median(self.samples) if self.samples and not self.error else None


@dataclass
class _Entrant:
    """A row under way: its process runs from the last warm start to the end of the rounds."""

    row: Row
    peer: Peer
    setting: Setting
    cache: Path
    process: PeerProcess | None = None


def probe(peer: Peer, threads: int) -> tuple[str, str]:
    """Return (version, why it is missing), one of them empty; also warms the file cache."""
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as folder:
        setting = Setting(threads, tuned_malloc=False, timeout=300)
        done = subprocess.run(
            [sys.executable, "-c", peer.probe],
            env=environment(peer, setting, Path(folder)) | base_environment(threads, Path(folder)),
            capture_output=True,
            text=True,
        )
    if done.returncode == 0:
        return done.stdout.strip(), ""
    return "", (done.stderr.strip().splitlines() or ["no reason given"])[-1]


class Measurement:
    """One workload with all its peers, each with and without the tuned malloc where asked."""

    def __init__(
        self, workload: Workload, folder: Path, effort: Effort, say: Callable[[str], None]
    ) -> None:
        self._workload = workload
        self._folder = folder
        self._effort = effort
        self._say = say
        self._entrants: list[_Entrant] = []
        data = workload.data()
        self._data = folder / "data"
        self._data.mkdir()
        for name, array in data.items():
            np.save(self._data / f"{name}.npy", array)
        self._reference: Arrays = workload.reference(data)

    def run(self, peers: Iterable[Peer], mallocs: Iterable[str], setting: Setting) -> list[Row]:
        """Return one row per peer and malloc; a peer that fails has its error in its row."""
        workload = self._workload
        for malloc in mallocs:
            for peer in peers:
                if peer.name in workload.builders:
                    row = Row(workload.name, peer.name, malloc, peer.is_peer)
                    cache = self._folder / f"{peer.name}-{malloc}"
                    cache.mkdir()
                    own = replace(setting, tuned_malloc=malloc == "tuned")
                    self._entrants.append(_Entrant(row, peer, own, cache))
        with ExitStack() as processes:
            self._each(self._cold_start)
            for nth in range(self._effort.warm_starts):
                last = nth == self._effort.warm_starts - 1
                self._each(lambda e, last=last: self._warm_start(e, processes if last else None))
            for nth in range(self._effort.rounds):
                self._each(self._sample, first=nth)
            self._each(self._end)
        form_ratios([entrant.row for entrant in self._entrants])
        return [entrant.row for entrant in self._entrants]

    def _each(self, act: Callable[[_Entrant], None], first: int = 0) -> None:
        """Let every entrant that has not failed act, beginning with another one each round."""
        first %= max(1, len(self._entrants))
        for entrant in self._entrants[first:] + self._entrants[:first]:
            if entrant.row.error:
                continue
            try:
                act(entrant)
            except PeerError as error:
                entrant.row.error = str(error)
                self._say(f"{entrant.row.peer}: {error}")

    def _start(self, entrant: _Entrant) -> PeerProcess:
        return PeerProcess(
            entrant.peer, self._workload.name, self._data, entrant.cache, entrant.setting
        )

    def _check(self, process: PeerProcess) -> None:
        """Raise PeerError unless the process computes what the float64 reference computes."""
        with tempfile.TemporaryDirectory(dir=self._folder) as folder:
            process.ask(do="check", folder=folder)
            got = {file.stem: np.load(file) for file in Path(folder).glob("*.npy")}
        wrong = mismatch(got, self._reference, self._workload)
        if wrong:
            raise PeerError(f"wrong result: {wrong}")

    def _cold_start(self, entrant: _Entrant) -> None:
        with self._start(entrant) as process:
            entrant.row.cold = process.start_seconds
            self._check(process)
            process.ask(do="quit")
        self._say(f"{entrant.row.peer} ({entrant.row.malloc}): cold {entrant.row.cold:.2f} s")

    def _warm_start(self, entrant: _Entrant, processes: ExitStack | None) -> None:
        """Start once more; the last start's process stays for the rounds."""
        process = self._start(entrant)
        with ExitStack() as this_one:
            this_one.enter_context(process)
            entrant.row.warm.append(process.start_seconds)
            self._check(process)
            if processes is None:
                process.ask(do="quit")
            else:
                processes.push(this_one.pop_all())
                entrant.process = process

    def _ask(self, entrant: _Entrant, **request: Any) -> dict[str, Any]:
        assert entrant.process is not None
        return entrant.process.ask(**request)

    def _sample(self, entrant: _Entrant) -> None:
        time.sleep(SETTLE)
        self._ask(entrant, do="time", seconds=WARM)  # the clock and the caches come back first
        answer = self._ask(entrant, do="time", seconds=self._effort.seconds)
        entrant.row.samples.append(answer["seconds"])
        entrant.row.calls = answer["calls"]

    def _end(self, entrant: _Entrant) -> None:
        entrant.row.peak_bytes = self._ask(entrant, do="quit")["peak_bytes"]


def form_ratios(rows: list[Row]) -> None:
    """Divide each time by that of the fastest peer with the same malloc."""
    for malloc in {row.malloc for row in rows}:
        group = [row for row in rows if row.malloc == malloc and row.step is not None]
        peers = [row.step for row in group if row.is_peer and row.step is not None]
        for row in group:
            if peers and row.step is not None:
                row.ratio = row.step / min(peers)
