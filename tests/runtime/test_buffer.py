from __future__ import annotations

import os
import sys
import threading

import numpy as np
import pytest

from tinytorch.runtime.buffer import HUGE, Arena, OutputPool, address_of, allocate


@pytest.mark.parametrize("nbytes", [0, 1, 63, 64, 1000, HUGE, HUGE + 1])
def test_allocation_is_aligned_and_zeroed(nbytes):
    memory = allocate(nbytes)
    assert memory.nbytes == max(1, nbytes)
    assert address_of(memory) % 64 == 0
    assert not memory.any()


def test_views_refer_to_the_allocation_itself():
    """What the pool rests on: no view skips the array that it counts references to."""
    for nbytes in (1000, HUGE):
        memory = allocate(nbytes)
        before = sys.getrefcount(memory)
        view = memory.view(np.float32)[3:].reshape(-1, 1)[2:, 0]
        assert sys.getrefcount(memory) == before + 1
        del view
        assert sys.getrefcount(memory) == before


def test_a_fork_does_not_share_large_memory():
    arena = Arena(2 * HUGE)
    child = os.fork()
    if child == 0:
        arena.memory[:] = 1
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert not arena.memory.any()


def test_recycled_when_the_last_holder_dies():
    pool = OutputPool()
    give = pool.ring(np.float32, (10, 10))
    first, address = give()[:2]
    assert address == address_of(first)
    assert (first.shape, first.dtype, first.flags.c_contiguous) == ((10, 10), np.float32, True)
    assert first.flags.writeable
    second, other = give()[:2]
    assert other != address
    row = first[3:, ::2].T
    del first
    third, elsewhere = give()[:2]
    assert elsewhere not in (address, other), "a view keeps the memory"
    del row
    assert {give()[1] for _ in range(10)} == {address}
    del second, third


def test_sizes_and_dtypes_share_memory_by_bytes():
    pool = OutputPool()
    address = pool.take(128)[1]
    assert pool.ring(np.float64, (4, 4))()[1] == address
    assert pool.ring(np.int64, ())()[0].shape == ()
    assert pool.ring(np.float32, (0, 3))()[0].size == 0


def test_memory_does_not_pile_up():
    pool = OutputPool()
    held = [pool.take(4096) for _ in range(200)]
    assert len({address for _, address in held}) == 200
    held.clear()
    for _ in range(200):
        pool.take(4096)
    assert len(pool._shelves[4096].entries) <= 8


def test_threads_never_get_the_same_buffer():
    pool = OutputPool()
    clashes = []

    def work(mark: int) -> None:
        give = pool.ring(np.int64, (16,))
        for _ in range(3000):
            array = give()[0]
            array[:] = mark
            if (array != mark).any():
                clashes.append(mark)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        workers = [threading.Thread(target=work, args=(i,)) for i in range(6)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    finally:
        sys.setswitchinterval(interval)
    assert not clashes


def test_clear():
    pool = OutputPool()
    array, _ = pool.take(64)
    pool.clear()
    array[:] = 1
    assert (array == 1).all()
