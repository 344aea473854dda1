"""The thread team under what Python processes do: fork, threads, resizing, signals, exit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from handmade import Builder, call, elementwise, total

from tinytorch import config as settings
from tinytorch.ir import types as T
from tinytorch.ir.program import Row
from tinytorch.runtime import get_num_threads, load, set_num_threads
from tinytorch.runtime.library import blas
from tinytorch.runtime.team import team

HERE = Path(__file__).parent
RNG = np.random.default_rng(1)


def sum_program(n: int = 20_000, chunk: int = 250, launches: int = 1):
    """Sums in parallel chunks; returns (executable, slots of x and out)."""
    b = Builder()
    x, out = b.external(T.float32, n), b.external(T.float32, 1)
    partial = b.arena(T.float32, -(-n // chunk))
    for _ in range(launches):
        b.launch(total(), Row((x, partial, out), n, chunk))
    return load(b.program(), b.sources), x, out


def run_sum(program, data) -> bytes:
    executable, x, out = program
    result = np.zeros(1, np.float32)
    assert call(executable, {x: data, out: result}) == 0
    return result.tobytes()


def python(code: str, timeout: float = 60, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh interpreter that shares the cache folder."""
    env = {**os.environ, "TINYTORCH_CACHE_DIR": settings.config.cache_dir, **environ}
    env["PYTHONPATH"] = os.pathsep.join([str(HERE), str(HERE.parents[1])])
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code)],
        capture_output=True, text=True, timeout=timeout, env=env, check=False,
    )  # fmt: skip


def test_setting_the_number_of_threads():
    for threads in (1, 3, 7):
        set_num_threads(threads)
        assert get_num_threads() == threads
    with pytest.raises(ValueError, match="positive"):
        set_num_threads(0)


def test_python_threads_at_once():
    set_num_threads(3)
    data = RNG.standard_normal(20_000, np.float32)
    want = run_sum(sum_program(), data)
    wrong = []

    def work() -> None:
        mine = sum_program()
        wrong.extend(1 for _ in range(200) if run_sum(mine, data) != want)

    workers = [threading.Thread(target=work) for _ in range(8)]
    for worker in workers:
        worker.start()
    for threads in (1, 4, 2, 3):
        time.sleep(0.02)
        set_num_threads(threads)
    for worker in workers:
        worker.join()
    assert not wrong


def test_one_executable_shared_by_threads():
    program, data = sum_program(), RNG.standard_normal(20_000, np.float32)
    want = run_sum(program, data)
    results = []
    workers = [
        threading.Thread(target=lambda: results.extend(run_sum(program, data) for _ in range(100)))
        for _ in range(4)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert set(results) == {want}


def test_workers_park_and_wake():
    set_num_threads(2)
    program, data = sum_program(), RNG.standard_normal(20_000, np.float32)
    want = run_sum(program, data)
    for _ in range(50):
        time.sleep(0.002)  # long enough to park
        assert run_sum(program, data) == want
    before = time.process_time()
    time.sleep(0.3)
    assert time.process_time() - before < 0.1, "an idle team burns the processor"


def test_more_threads_than_cores():
    data = RNG.standard_normal(20_000, np.float32)
    program = sum_program(launches=20)
    set_num_threads(1)
    want = run_sum(program, data)
    set_num_threads(4 * (os.cpu_count() or 1))
    for _ in range(30):
        assert run_sum(program, data) == want


def test_blas_threads_are_restored():
    library = blas()
    if not library.get_threads:
        pytest.skip("no BLAS with a thread setting")
    import ctypes

    get = ctypes.CFUNCTYPE(ctypes.c_int)(library.get_threads)
    put = ctypes.CFUNCTYPE(None, ctypes.c_int)(library.set_threads)
    b = Builder()
    a, c = b.arena(T.float64, 64 * 64), b.arena(T.float64, 64 * 64)
    b.product(a, a, c, T.float64, 64, 64, 64, panel_rows=8)
    executable = load(b.program(), {})
    before = get()
    try:
        for threads in (1, 2):
            put(threads)
            assert executable.run() == 0
            assert get() == threads
    finally:
        put(before)


def test_fork_while_the_team_is_alive():
    code = """
        import os, threading, warnings
        import numpy as np
        from test_team import sum_program, run_sum
        from tinytorch.runtime import set_num_threads
        warnings.simplefilter("ignore", DeprecationWarning)  # Python's own advice on fork
        set_num_threads(3)
        data = np.random.default_rng(0).standard_normal(20_000, np.float32)
        program = sum_program()
        want = run_sum(program, data)
        stop = False
        def work():
            mine = sum_program()
            while not stop:
                assert run_sum(mine, data) == want
                assert run_sum(program, data) == want  # its lock may be held during a fork
        threads = [threading.Thread(target=work) for _ in range(2)]
        for t in threads: t.start()
        for _ in range(20):
            child = os.fork()
            if child == 0:
                ok = all(run_sum(program, data) == want for _ in range(20))
                os._exit(0 if ok else 1)
            assert os.waitpid(child, 0)[1] == 0
            assert run_sum(program, data) == want
        stop = True
        for t in threads: t.join()
        print("fine")
    """
    done = python(code)
    assert (done.returncode, done.stdout, done.stderr) == (0, "fine\n", "")


def test_exit_with_workers_alive():
    code = """
        import numpy as np, threading
        from test_team import sum_program, run_sum
        from tinytorch.runtime import set_num_threads
        set_num_threads(4)
        data = np.zeros(20_000, np.float32)
        program = sum_program()
        run_sum(program, data)
        def forever():
            while True:
                run_sum(program, data)
        threading.Thread(target=forever, daemon=True).start()
        print("done")
    """
    for _ in range(5):
        done = python(code)
        assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


def test_interrupt_is_seen_after_the_call():
    set_num_threads(2)
    program, data = sum_program(launches=2000), RNG.standard_normal(20_000, np.float32)
    run_sum(program, data)
    main = threading.get_ident()
    timer = threading.Timer(0.05, lambda: signal.pthread_kill(main, signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            run_sum(program, data)
    timer.join()
    set_num_threads(3)
    run_sum(program, data)


def test_workers_do_not_take_signals():
    set_num_threads(3)
    program, data = sum_program(), RNG.standard_normal(20_000, np.float32)
    run_sum(program, data)
    hits = []
    old = signal.signal(signal.SIGUSR1, lambda *_: hits.append(threading.current_thread()))
    try:
        for _ in range(20):
            os.kill(os.getpid(), signal.SIGUSR1)
            run_sum(program, data)
    finally:
        signal.signal(signal.SIGUSR1, old)
    assert hits


def test_scratch_of_workers_grows():
    set_num_threads(3)
    data = RNG.standard_normal(4096, np.float32)
    for size in (10, 4096, 100):
        name = f"through_scratch_{size}"
        b = Builder()
        x, out = b.external(T.float32, 4096), b.external(T.float32, 4096)
        pair = elementwise(name, "v0")
        text = (
            "from numba import njit\n@njit\n"
            f"def {name}(x, out, line, lo, hi, chunk):\n"
            f"    for i in range(lo, hi):\n        line[i % {size}] = x[i]\n"
            f"        out[i] = line[i % {size}]\n"
        )
        from handmade import source

        made = source(name, text, [T.float32, T.float32], [(T.float32, size)])
        b.launch((pair[0], made), Row((x, out), 4096, 64))
        result = np.zeros(4096, np.float32)
        assert call(load(b.program(), b.sources), {x: data, out: result}) == 0
        np.testing.assert_array_equal(result, data)


def test_no_numba_on_a_warm_start():
    code = """
        import sys
        import numpy as np
        from test_team import sum_program, run_sum
        program = sum_program()
        run_sum(program, np.ones(20_000, np.float32))
        print(program[0].compiled, "numba" in sys.modules)
    """
    run_sum(sum_program(), np.ones(20_000, np.float32))
    assert python(code).stdout == "0 False\n"


def test_team_survives_a_lack_of_threads():
    code = """
        import resource
        import numpy as np
        from test_team import sum_program, run_sum
        from tinytorch.runtime import set_num_threads
        data = np.ones(20_000, np.float32)
        program = sum_program()
        want = run_sum(program, data)
        soft, hard = resource.getrlimit(resource.RLIMIT_AS)
        set_num_threads(64)
        import mmap
        used = int(open("/proc/self/statm").read().split()[0]) * mmap.PAGESIZE
        resource.setrlimit(resource.RLIMIT_AS, (used + (60 << 20), hard))
        assert run_sum(program, data) == want
        print("fine")
    """
    if sys.platform != "linux":
        pytest.skip("limits address space, which other systems do not")
    done = python(code)
    assert (done.returncode, done.stdout) == (0, "fine\n"), done.stderr


def test_the_team_is_one():
    assert team() is team()
