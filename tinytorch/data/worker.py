"""Worker: what a process of a DataLoader does, and what it says.

A worker has one pipe. It reads ``("epoch", number)``, ``("fetch", entry)`` and None, in order, and
answers each of the first two, in order: ``("epoch", number)``, or ``("data", batch)``,
``("error", Report)``, ``("end", None)``. A thread reads ahead, so that the other side never waits
for a worker that waits for it; it also sees to it that a worker does not outlive its parent.

Tensors cross as numpy arrays. They are pickled between processes of one program alone, by
multiprocessing's own pickler, which is told how here.
"""

from __future__ import annotations

import multiprocessing
import os
import queue
import random
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.reduction import ForkingPickler
from typing import Any

import numpy as np

from tinytorch.data.fetch import EndOfStream, Fetcher
from tinytorch.ir.types import BY_NAME, DType, TensorType
from tinytorch.runtime.team import set_num_threads
from tinytorch.tracer.generator import manual_seed
from tinytorch.tracer.tensor import Tensor

WATCH_SECONDS = 5.0
"""How often a worker looks whether its parent still lives."""


@dataclass
class WorkerInfo:
    """What a dataset may know about the worker that it is in."""

    id: int
    num_workers: int
    seed: int
    dataset: Any


class _Current:
    info: WorkerInfo | None = None


def get_worker_info() -> WorkerInfo | None:
    """Return which worker this is, with its seed and its copy of the dataset; None outside."""
    return _Current.info


@dataclass
class Work:
    """Everything that a worker is told at its start."""

    dataset: Any
    batched: bool
    collate_fn: Callable[[Any], Any]
    drop_last: bool
    worker_id: int
    num_workers: int
    seed: int
    init_fn: Callable[[int], None] | None


@dataclass
class Report:
    """An exception of a worker, as text and, if it can be sent, its class."""

    kind: type[BaseException] | None
    text: str

    @staticmethod
    def of(error: BaseException, where: str) -> Report:
        """Report the exception that is being handled."""
        text = f"Caught {type(error).__name__} {where}.\nOriginal {traceback.format_exc()}"
        try:
            ForkingPickler.dumps(type(error))
        except Exception:  # a class made inside a function
            return Report(None, text)
        return Report(type(error), text)

    def raise_again(self) -> None:
        """Raise an exception of the same class; RuntimeError if it wants other arguments."""
        try:
            if self.kind is None or issubclass(self.kind, StopIteration):
                raise TypeError  # a StopIteration would end the loop as if all were well
            error = self.kind(_Verbatim(self.text) if self.kind is KeyError else self.text)
        except Exception:
            error = RuntimeError(self.text)
        try:
            raise error
        finally:
            del error  # which holds this frame, which would hold it, and the workers alive


class _Verbatim(str):
    """A text that KeyError shows as it is."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def run_worker(connection: Connection, others: list[Connection], work: Work) -> None:
    """Serve one pipe until it ends. ``others`` are ends that a fork copied and no worker needs."""
    for other in others:
        other.close()
    try:
        _serve(connection, work)
    except (KeyboardInterrupt, BrokenPipeError, ConnectionResetError):
        pass  # the parent was interrupted too, or no longer listens
    finally:
        connection.close()


def _serve(connection: Connection, work: Work) -> None:
    where = f"in DataLoader worker process {work.worker_id}"
    inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(connection, inbox), daemon=True).start()
    fetcher: Fetcher | None = None
    broken = _prepare(work, where)
    while (message := inbox.get()) is not None:
        kind, content = message
        if kind == "epoch":
            fetcher = None
            _answer(connection, ("epoch", content), where)
            continue
        if broken is not None:
            _answer(connection, ("error", broken), where)
            continue
        try:
            if fetcher is None:
                fetcher = Fetcher(work.dataset, work.batched, work.collate_fn, work.drop_last)
            answer = ("data", fetcher.fetch(content))
        except EndOfStream:
            answer = ("end", None)
        except Exception as error:
            answer = ("error", Report.of(error, where))
        _answer(connection, answer, where)
        del answer


def _prepare(work: Work, where: str) -> Report | None:
    """Seed every generator and call the user's function; return what went wrong."""
    set_num_threads(1)
    seed = work.seed + work.worker_id
    random.seed(seed)
    np.random.seed(seed & 0xFFFFFFFF)
    manual_seed(seed)
    _Current.info = WorkerInfo(work.worker_id, work.num_workers, seed, work.dataset)
    try:
        if work.init_fn is not None:
            work.init_fn(work.worker_id)
    except Exception as error:
        return Report.of(error, where)
    return None


def _answer(connection: Connection, answer: tuple[str, Any], where: str) -> None:
    try:
        data = ForkingPickler.dumps(answer)
    except Exception as error:
        data = ForkingPickler.dumps(("error", Report.of(error, where)))
    connection.send_bytes(data)


def _read(connection: Connection, inbox: queue.SimpleQueue[Any]) -> None:
    """Read ahead; end this process if its parent ended without a word."""
    parent = multiprocessing.parent_process()
    first = os.getppid()
    handles: list[Any] = [connection] if parent is None else [connection, parent.sentinel]
    try:
        while True:
            ready = wait(handles, WATCH_SECONDS)
            if connection in ready:
                message = connection.recv()
                inbox.put(message)
                if message is None:
                    return
            elif ready or os.getppid() != first:
                os._exit(1)
    except (EOFError, OSError):
        inbox.put(None)


def _rebuild(name: str, array: np.ndarray, requires_grad: bool) -> Tensor:
    out = Tensor.make(TensorType(BY_NAME[name], array.shape), array)
    return out.requires_grad_(requires_grad)


def _reduce(x: Tensor) -> Any:
    if not x.is_leaf:
        raise RuntimeError(
            "cannot send a tensor with history to another process; detach() it first"
        )
    array = np.array(x.detach().array, order="C")
    return _rebuild, (x.dtype.name, array, x.requires_grad)


def _reduce_dtype(dtype: DType) -> Any:
    return BY_NAME.__getitem__, (dtype.name,)


ForkingPickler.register(Tensor, _reduce)
ForkingPickler.register(DType, _reduce_dtype)
