"""Compiled calls under threads, forks, signals and long runs."""

from __future__ import annotations

import gc
import os
import resource
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinytorch as tt
from tinytorch import Tensor, nn, optim


def counter() -> tuple[Tensor, Any]:
    total = tt.zeros(1000, dtype=tt.float64)

    @tt.compile
    def add(x: Tensor, n: float) -> Tensor:
        total.add_(x * n)
        return total.sum()

    return total, add


def test_eight_threads_call_one_step() -> None:
    total, add = counter()
    x = tt.ones(1000, dtype=tt.float64)
    errors: list[BaseException] = []
    seen: list[list[float]] = [[] for _ in range(8)]

    def work(number: int) -> None:
        try:
            for _ in range(50):
                seen[number].append(add(x, 1.0).item())
        except BaseException as error:  # noqa: BLE001 - shown by the assertion below
            errors.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert errors == []
    np.testing.assert_array_equal(total.numpy(), np.full(1000, 400.0))
    everything = sorted(v for found in seen for v in found)
    assert everything == [1000.0 * k for k in range(1, 401)]  # some serial order
    assert all(found == sorted(found) for found in seen)
    assert add.cache_info().compiles == 1


def test_modes_belong_to_their_thread() -> None:
    w = tt.ones(3, requires_grad=True)
    f = tt.compile(lambda x: w * x)
    found: list[bool] = []

    def other() -> None:
        with tt.no_grad():
            found.append(f(tt.ones(3)).requires_grad)

    with tt.no_grad():
        thread = threading.Thread(target=lambda: found.append(f(tt.ones(3)).requires_grad))
        thread.start()
        thread.join()
    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    assert found == [True, False]


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_fork_after_threads_started() -> None:
    total, add = counter()
    big = tt.compile(lambda x: (x * 2 + 1).exp().sum())
    x = tt.ones(1 << 18)
    want = big(x).item()
    add(tt.ones(1000, dtype=tt.float64), 1.0)
    child = os.fork()
    if child == 0:
        ok = big(x).item() == want
        ok &= add(tt.ones(1000, dtype=tt.float64), 1.0).item() == 2000.0
        ok &= tt.compile(lambda x: x * 3 - 1)(tt.ones(3)).tolist() == [2.0] * 3
        os._exit(0 if ok else 1)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            break
        time.sleep(0.01)
    else:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        pytest.fail("the forked process hung")
    assert status == 0
    assert big(x).item() == want
    assert total.numpy()[0] == 1.0


def resident() -> int:
    """Bytes of memory in use now."""
    status = Path("/proc/self/statm")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return int(status.read_text().split()[1]) * resource.getpagesize()


def test_two_thousand_calls_do_not_grow() -> None:
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    optimizer = optim.Adam(model.parameters(), lr=1e-3)

    @tt.compile
    def step(x: Tensor, y: Tensor, penalty: float) -> Any:
        optimizer.zero_grad()
        out = model(x)
        loss = nn.functional.cross_entropy(out, y) * penalty
        loss.backward()
        optimizer.step()
        return loss, out

    forward = tt.compile(model)

    def calls(count: int) -> None:
        for number in range(count):
            x = tt.ones(32, 64)
            loss, out = step(x, tt.zeros(32, dtype=tt.int64), 1.0 / (number + 1))
            if number % 10 == 0:
                forward(x).sum().backward()  # through the call, from outside
                out[0].sum()
                loss.item()

    calls(300)
    gc.collect()
    before = resident()
    calls(2000)
    gc.collect()
    assert resident() - before < 8 << 20
    assert step.cache_info().compiles == 1


def interrupt_after(delay: float, work: Callable[[], Any]) -> bool:
    """Run something with a Ctrl-C on its way; say whether it was interrupted."""

    def handler(number: int, frame: Any) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, delay)
    try:
        work()
    except KeyboardInterrupt:
        return True
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    return False


# An interrupt that falls into a weakref callback of numba's is swallowed there with a warning.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_at_any_time_leaves_a_working_state() -> None:
    interrupted = 0
    for number in range(8):
        state, grads = tt.zeros(5), tt.ones(5, requires_grad=True)
        factor = number + os.getpid() / 1e7  # constants of its own: a compile each, cache or not

        @tt.compile
        def step(x: Tensor, state: Tensor = state, w: Tensor = grads, f: float = factor) -> Tensor:
            w.grad = None
            y = x
            for _ in range(20):
                y = (y * w + f).tanh()
            y.sum().backward()
            with tt.no_grad():
                state.add_(1)
            return y

        interrupted += interrupt_after(0.005 + 0.05 * number, lambda s=step: s(tt.ones(5)))
        done = state.numpy()[0]
        assert done in (0.0, 1.0)
        assert tt.is_grad_enabled()
        for again in (1, 2):
            step(tt.ones(5))
            np.testing.assert_array_equal(state.numpy(), np.full(5, done + again))
        assert (tt.ones(2) + 1).tolist() == [2.0, 2.0]
    assert interrupted


def test_an_interrupt_during_runs_leaves_whole_steps() -> None:
    total, add = counter()
    x = tt.ones(1000, dtype=tt.float64)
    add(x, 1.0)

    def forever() -> None:
        while True:
            add(x, 1.0)

    for number in range(10):
        assert interrupt_after(0.01 + 0.003 * number, forever)
        values = total.numpy()
        assert (values == values[0]).all()
        held = values[0]
        assert add(x, 1.0).item() == 1000.0 * (held + 1)
