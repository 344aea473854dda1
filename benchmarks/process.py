"""The parent's handle on one worker: starts it, asks it, ends it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.peers import TUNED_MALLOC, Peer, base_environment

ROOT = Path(__file__).resolve().parent.parent


class PeerError(Exception):
    """A peer raised, died or ran out of time."""


@dataclass(frozen=True)
class Setting:
    """What is the same for every process of a run."""

    threads: int
    tuned_malloc: bool
    timeout: float
    verbose: bool = False


def environment(peer: Peer, setting: Setting, cache: Path) -> dict[str, str]:
    """Return the environment of the peer's process."""
    variables = dict(os.environ)
    variables |= base_environment(setting.threads, cache)
    variables |= peer.environment(setting.threads, cache)
    search = [str(ROOT), variables.get("PYTHONPATH", "")]
    variables["PYTHONPATH"] = os.pathsep.join(part for part in search if part)
    if setting.tuned_malloc:
        variables["GLIBC_TUNABLES"] = TUNED_MALLOC
    return variables


class PeerProcess:
    """A running worker; a context manager that leaves no process behind."""

    def __init__(
        self, peer: Peer, workload: str, data: Path, cache: Path, setting: Setting
    ) -> None:
        """Start the worker and wait for the end of its first step."""
        self._timeout = setting.timeout
        command = [sys.executable, "-m", "benchmarks.worker"]
        command += [peer.name, workload, str(data), str(setting.threads)]
        started = time.monotonic()  # one clock for all processes of the machine
        self._process = subprocess.Popen(
            command,
            env=environment(peer, setting, cache),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=None if setting.verbose else subprocess.DEVNULL,
            text=True,
        )
        try:
            self.start_seconds: float = self._reply()["first_step"] - started
        except BaseException:
            self.kill()
            raise

    def __enter__(self) -> PeerProcess:
        return self

    def __exit__(self, *raised: object) -> None:
        self.kill()

    def kill(self) -> None:
        """End the worker if it still runs, and close its pipes."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def ask(self, **request: Any) -> dict[str, Any]:
        """Send one request and wait for its answer."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise PeerError("the process ended") from None
        return self._reply()

    def _reply(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        watchdog = threading.Timer(self._timeout, self._process.kill)
        watchdog.start()
        try:
            line = self._process.stdout.readline()
        finally:
            expired = not watchdog.is_alive()
            watchdog.cancel()
        if not line:
            status = f"no answer in {self._timeout:.0f} s" if expired else "the process died"
            raise PeerError(f"{status} (exit status {self._process.wait()})")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise PeerError(answer["error"])
        return answer
