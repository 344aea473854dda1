"""Batches made by worker processes: order, seeds, errors, and ends without orphans."""

import gc
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from worker_cases import Failing, Items, Needy, Parallel, Slow, Stream

import tinytorch as tt
from tinytorch.data import DataLoader, TensorDataset, get_worker_info


def identity(batch):
    return batch


def numbers(loader):
    return [batch["x"][:, 0].tolist() for batch in loader]


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def assert_ended(pids):
    deadline = time.monotonic() + 10
    while any(map(alive, pids)):
        assert time.monotonic() < deadline, "workers are still there"
        time.sleep(0.01)


def test_workers_give_the_batches_that_one_process_gives():
    for options in ({}, {"shuffle": True}, {"drop_last": True}):
        found = []
        for workers in (0, 2):
            tt.manual_seed(3)
            found.append(numbers(DataLoader(Items(), 5, num_workers=workers, **options)))
        assert found[0] == found[1]
    batch = next(iter(DataLoader(Items(), 4, num_workers=2)))
    assert batch["x"].dtype is tt.int64
    assert batch["noise"].dtype is tt.float64
    assert set(batch["pid"].tolist()) != {os.getpid()}


def test_order_is_kept_however_long_items_take():
    loader = DataLoader(Slow(), None, num_workers=3, prefetch_factor=1)
    assert list(loader) == list(range(12))


def test_seeds_make_randomness_repeat():
    def run(seed):
        tt.manual_seed(seed)
        return [b["noise"].numpy() for b in DataLoader(Items(), 3, num_workers=2)]

    first, again, other = run(1), run(1), run(2)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert len({x for batch in first for x in batch.reshape(-1).tolist()}) == 36
    generator = tt.Generator(5)
    loader = DataLoader(Items(), 3, num_workers=2, generator=generator)
    a, b = ([batch["noise"].tolist() for batch in loader] for _ in range(2))
    assert a != b  # a new pass draws anew


def test_streams_are_shared_out():
    assert get_worker_info() is None
    loader = DataLoader(Stream(11), 2, num_workers=3)
    batches = [batch.tolist() for batch in loader]
    assert sorted(sum(batches, [])) == list(range(11))
    assert batches[:3] == [[0, 3], [1, 4], [2, 5]]
    assert list(DataLoader(Stream(4), None, num_workers=2)) == [0, 1, 2, 3]
    dropped = DataLoader(Stream(11), 2, num_workers=3, drop_last=True)
    assert all(len(batch) == 2 for batch in dropped)


def test_a_tensor_dataset_is_cut_in_workers_too():
    dataset = TensorDataset(tt.arange(10), tt.ones(10, 2, requires_grad=True))
    batches = list(DataLoader(dataset, 4, num_workers=2))
    assert [b[0].tolist() for b in batches] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_bfloat16_crosses_unchanged():
    dataset = TensorDataset(tt.arange(4).to(tt.bfloat16))
    for options in ({}, {"num_workers": 1}, {"num_workers": 1, "collate_fn": identity}):
        (x,) = next(iter(DataLoader(dataset, 2, **options)))[-1:]
        x = x[0] if isinstance(x, tuple) else x
        assert x.dtype is tt.bfloat16
        assert float(x.sum()) == 1.0


def test_any_start_method():
    for method in ("spawn", "forkserver"):
        loader = DataLoader(Items(4), 2, num_workers=1, multiprocessing_context=method)
        assert numbers(loader) == [[100, 101], [102, 103]]


def test_workers_run_kernels_after_this_process_has_used_its_threads():
    before = tt.get_num_threads()
    tt.set_num_threads(2)
    try:
        big = tt.compile(lambda x: (x.exp() + 1).sum())
        big(tt.ones(600_000))
        found = [float(x) for x in DataLoader(Parallel(3), None, num_workers=2)]
        assert found == [0.0, 64.0**3, 4 * 64.0**3]
        big(tt.ones(600_000))
    finally:
        tt.set_num_threads(before)


# ---------------------------------------------------------------------- errors


def test_exceptions_come_with_their_traceback():
    for kind in (ValueError, KeyError, IndexError):
        loader = DataLoader(Failing(kind), 2, num_workers=2)
        seen = []
        with pytest.raises(kind) as caught:
            seen.extend(batch.tolist() for batch in loader)
        assert seen == [[0, 1], [2, 3]]
        text = str(caught.value)
        assert f"Caught {kind.__name__} in DataLoader worker process 0." in text
        assert "Original Traceback" in text
        assert 'raise self.kind("item five")' in text
    for kind in (Needy, StopIteration):
        with pytest.raises(RuntimeError, match=f"Caught {kind.__name__} in"):
            list(DataLoader(Failing(kind), 2, num_workers=2))


def test_iteration_may_go_on_after_an_exception():
    batches = iter(DataLoader(Failing(ValueError), 2, num_workers=2))
    seen = []
    for _ in range(6):
        try:
            seen.append(next(batches).tolist())
        except ValueError:
            seen.append(None)
    assert seen == [[0, 1], [2, 3], None, [6, 7], [8, 9], [10, 11]]


def test_what_cannot_be_sent_is_reported():
    loader = DataLoader(Failing("unsendable"), 1, num_workers=1, collate_fn=identity)
    with pytest.raises(Exception, match="in DataLoader worker process 0"):
        list(loader)


def test_a_worker_that_dies_is_reported():
    with pytest.raises(RuntimeError, match=r"pid\(s\) \d+\) exited unexpectedly with exit code 7"):
        list(DataLoader(Failing("exit"), 2, num_workers=2))


def test_a_worker_that_takes_too_long_is_given_up():
    loader = DataLoader(Failing("sleep"), 2, num_workers=2, timeout=0.5)
    start = time.monotonic()
    with pytest.raises(RuntimeError, match=r"timed out after 0\.5 seconds"):
        list(loader)
    assert time.monotonic() - start < 20


def failing_init(worker):
    raise ValueError(f"no {worker}")


def test_worker_init_fn(tmp_path):
    def note(worker):
        info = get_worker_info()
        (tmp_path / str(worker)).write_text(f"{info.id} of {info.num_workers}")

    list(DataLoader(Items(), 4, num_workers=2, worker_init_fn=note))
    assert (tmp_path / "1").read_text() == "1 of 2"
    with pytest.raises(ValueError, match="no 0"):
        list(DataLoader(Items(), 4, num_workers=2, worker_init_fn=failing_init))


# ------------------------------------------------------------------------ ends


def pids_of(iterator):
    return [process.pid for process in iterator._pool.processes]


def test_workers_end_with_the_iteration():
    batches = iter(DataLoader(Items(), 4, num_workers=2))
    pids = pids_of(batches)
    assert len(list(batches)) == 3
    assert_ended(pids)
    with pytest.raises(StopIteration):
        next(batches)


def test_leaving_early_leaves_no_process_behind():
    batches = iter(DataLoader(Items(10_000), 4, num_workers=2))
    pids = pids_of(batches)
    next(batches)
    assert all(map(alive, pids))
    del batches
    gc.collect()
    assert_ended(pids)


def test_persistent_workers_are_used_again():
    loader = DataLoader(Items(), 3, num_workers=2, persistent_workers=True, shuffle=True)
    first = iter(loader)
    pids = pids_of(first)
    next(first)  # and leave early: what is under way must not show up in the next pass
    for _ in range(2):
        batches = iter(loader)
        assert pids_of(batches) == pids
        assert sorted(sum((b["x"][:, 0].tolist() for b in batches), [])) == [*range(100, 112)]
    with pytest.raises(RuntimeError, match="newer iteration"):
        next(first)
    assert all(map(alive, pids))
    del loader, batches, first
    gc.collect()
    assert_ended(pids)


def test_an_exception_leaves_no_process_behind():
    batches = iter(DataLoader(Failing(ValueError), 2, num_workers=2))
    pids = pids_of(batches)
    gc.disable()
    try:
        with pytest.raises(ValueError):
            list(batches)
        del batches
        assert_ended(pids)
    finally:
        gc.enable()


PROGRAM = """
import sys, time
sys.path[:0] = {path!r}
from worker_cases import Items
from tinytorch.data import DataLoader
if __name__ == "__main__":
    batches = iter(DataLoader(Items(10_000), 4, num_workers=2))
    next(batches)
    print(*[p.pid for p in batches._pool.processes], flush=True)
    if "{end}" == "kill":
        time.sleep(60)
"""


@pytest.mark.parametrize("end", ["exit", "kill"])
def test_workers_do_not_outlive_the_program(end, tmp_path):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM.format(path=sys.path, end=end))
    with subprocess.Popen([sys.executable, program], stdout=subprocess.PIPE, text=True) as process:
        pids = [int(word) for word in process.stdout.readline().split()]
        assert len(pids) == 2
        if end == "kill":
            process.send_signal(signal.SIGKILL)
    assert_ended(pids)
