"""Pool: the processes of a DataLoader, seen from the process that iterates."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import warnings
import weakref
from collections import deque
from collections.abc import Iterator
from multiprocessing.connection import Connection, wait
from typing import Any

from tinytorch.data.worker import Report, Work, run_worker

GRACE_SECONDS = 2.0
"""How long a worker may go on with its batch after it was told to stop."""


class Pool:
    """Processes with a pipe each, which end when the pool is closed or collected, or at exit."""

    def __init__(self, works: list[Work], context: Any) -> None:
        self.connections: list[Connection] = []
        self.processes: list[Any] = []
        self.epoch = 0
        self._reached = [0] * len(works)
        forked = context.get_start_method() == "fork"
        self.close = weakref.finalize(
            self, _close, self.processes, self.connections, os.getpid()
        )  # fmt: skip
        try:
            for work in works:
                ours, theirs = multiprocessing.Pipe()
                self.connections.append(ours)
                others = list(self.connections) if forked else []
                process = context.Process(
                    target=run_worker, args=(theirs, others, work), daemon=True,
                    name=f"DataLoader worker {work.worker_id}",
                )  # fmt: skip
                with warnings.catch_warnings():
                    # Python advises against forking beside threads; tinytorch's own are sent home
                    # first, and numpy's see to themselves.
                    warnings.simplefilter("ignore", DeprecationWarning)
                    process.start()
                self.processes.append(process)
                theirs.close()
        except BaseException:
            self.close()
            raise

    def begin(self) -> None:
        """Begin an epoch: answers to what was asked before will be thrown away."""
        self.epoch += 1
        for worker in range(len(self.processes)):
            self.ask(worker, ("epoch", self.epoch))

    def ask(self, worker: int, message: Any) -> None:
        """Send a message; raise RuntimeError if the worker is gone."""
        try:
            self.connections[worker].send(message)
        except (BrokenPipeError, ConnectionResetError):
            raise self._gone(worker) from None

    def answer(self, worker: int, timeout: float) -> Any:
        """Wait for a worker's next answer; raise RuntimeError if it is late or gone."""
        while True:
            kind, content = self._receive(worker, timeout)
            if kind == "epoch":
                self._reached[worker] = content
            elif self._reached[worker] == self.epoch:
                return kind, content

    def _receive(self, worker: int, timeout: float) -> Any:
        connection, process = self.connections[worker], self.processes[worker]
        ready = wait([connection, process.sentinel], timeout or None)
        if not ready:
            raise RuntimeError(f"DataLoader timed out after {timeout} seconds")
        try:
            if connection in ready or connection.poll():
                return connection.recv()
        except (EOFError, ConnectionResetError):
            pass
        raise self._gone(worker)

    def _gone(self, worker: int) -> RuntimeError:
        process = self.processes[worker]
        process.join(GRACE_SECONDS)
        return RuntimeError(
            f"DataLoader worker (pid(s) {process.pid}) exited unexpectedly with exit code "
            f"{process.exitcode}"
        )


def _close(processes: list[Any], connections: list[Connection], owner: int) -> None:
    """Tell workers to stop, and see that they do. A forked copy of the owner leaves them alone."""
    if os.getpid() != owner:
        return
    for connection in connections:
        with contextlib.suppress(OSError, ValueError):
            connection.send(None)
        connection.close()
    wait_for = [process.sentinel for process in processes]
    _wait_all(wait_for, GRACE_SECONDS)
    for process in processes:
        if process.is_alive():
            process.terminate()
    for process in processes:
        process.join(GRACE_SECONDS)
        if process.is_alive():
            process.kill()
            process.join()


def _wait_all(sentinels: list[Any], seconds: float) -> None:
    left = list(sentinels)
    while left:
        ready = wait(left, seconds)
        if not ready:
            return
        left = [s for s in left if s not in ready]


class WorkerBatches(Iterator[Any]):
    """Batches that workers make ahead, in the order of the sampler.

    Entries go to the workers in turn, and each answers in order, so the next batch is the next
    answer of the worker whose turn it is. ``ahead`` entries a worker are under way.
    """

    def __init__(
        self, pool: Pool, entries: Iterator[Any], ahead: int, timeout: float, keep: bool
    ) -> None:
        self._pool = pool
        self._entries = entries
        self._timeout = timeout
        self._keep = keep
        self._epoch = pool.epoch
        self._turns: deque[int] = deque()
        self._flight: deque[int] = deque()
        count = len(pool.processes)
        self._turns.extend(range(count))
        for _ in range(max(1, ahead) * count):
            self._ask_next()

    def _ask_next(self) -> None:
        """Ask the worker whose turn it is for the sampler's next entry."""
        if not self._turns:
            return
        try:
            entry = next(self._entries)
        except StopIteration:
            return
        worker = self._turns[0]
        self._turns.rotate(-1)
        self._pool.ask(worker, ("fetch", entry))
        self._flight.append(worker)

    def __next__(self) -> Any:
        if self._flight and self._epoch != self._pool.epoch:
            raise RuntimeError(
                "a newer iteration over this DataLoader took over its persistent workers"
            )
        while self._flight:
            worker = self._flight.popleft()
            try:
                kind, content = self._pool.answer(worker, self._timeout)
            except BaseException:
                self.close()
                raise
            if kind == "end":  # a stream is exhausted: what else it was asked for ends, too
                if worker in self._turns:
                    self._turns.remove(worker)
                self._ask_next()
                continue
            self._ask_next()
            if kind == "error":
                report: Report = content
                report.raise_again()
            return content
        if not self._keep:
            self.close()
        raise StopIteration

    def close(self) -> None:
        """End the workers."""
        self._flight.clear()
        self._pool.close()
