"""The team: threads that share the tasks of a region. See ``runtime/layout.py`` for its words.

A region begins when its leader writes the number of tasks to TICKET. Whoever takes TICKET from n
to n - 1 owns one task, and the region's description cannot change until that task is counted in
DONE; nothing else is needed to keep late workers out of the next region. Threads that find
nothing to do spin for a moment, then park.
"""

from __future__ import annotations

import sys

from tinytorch.runtime import layout as at
from tinytorch.runtime.native.machine import (
    atomic_add,
    atomic_load,
    atomic_store,
    call,
    compare_and_swap,
    load,
    pause,
    store,
)
from tinytorch.runtime.native.product import multiply
from tinytorch.runtime.native.words import Foreign

free = Foreign("free")
malloc = Foreign("malloc")
pthread_cond_broadcast = Foreign("pthread_cond_broadcast")
pthread_cond_signal = Foreign("pthread_cond_signal")
pthread_cond_wait = Foreign("pthread_cond_wait")
pthread_create = Foreign("pthread_create")
pthread_detach = Foreign("pthread_detach")
pthread_mutex_lock = Foreign("pthread_mutex_lock")
pthread_mutex_unlock = Foreign("pthread_mutex_unlock")
pthread_sigmask = Foreign("pthread_sigmask")
sched_yield = Foreign("sched_yield")

INT = 0xFFFFFFFF  # the part of a word that a C int fills
SIG_BLOCK = 0 if sys.platform == "linux" else 1


def run_task(record: int, table: int, index: int, scratch: int) -> None:
    """Run one task of a launch or a product."""
    if load(record + at.OPCODE) == at.LAUNCH:
        task = load(record + at.TASK_ARRAY) + index * at.TASK_BYTES
        call_kernel(load(record + at.ENTRY), task, scratch)
    else:
        multiply(record, table, index)


def call_kernel(function: int, task: int, scratch: int) -> None:
    """Call a kernel, or its finish, on the range that a task names."""
    call(
        function,
        load(task + at.TASK_ARGUMENTS),
        load(task + at.TASK_LO),
        load(task + at.TASK_HI),
        load(task + at.TASK_CHUNK),
        scratch,
    )


def claim(team: int) -> int:
    """Claim a task of the region at hand; return how many were left, 0 if none was."""
    left = atomic_load(team + at.TICKET)
    while left > 0 and not compare_and_swap(team + at.TICKET, left, left - 1):
        left = atomic_load(team + at.TICKET)
    return left


def lead(team: int, record: int, table: int, scratch: int) -> None:
    """Run the tasks of a record with the whole team. The caller holds BUSY."""
    tasks = load(record + at.TASKS)
    if atomic_load(team + at.ALIVE) + 1 < load(team + at.WANTED):
        hire(team)
    store(team + at.RECORD, record)
    store(team + at.RECORD_TABLE, table)
    store(team + at.RECORD_TASKS, tasks)
    atomic_store(team + at.DONE, 0)
    atomic_store(team + at.TICKET, tasks)
    wake(team, tasks - 1)
    mine = 0
    left = claim(team)
    while left > 0:
        run_task(record, table, tasks - left, scratch)
        mine += 1
        left = claim(team)
    atomic_add(team + at.DONE, mine)
    await_tasks(team, tasks)


def await_tasks(team: int, tasks: int) -> None:
    """Wait until workers have finished what they claimed."""
    patience = load(team + at.SPIN)
    while atomic_load(team + at.DONE) < tasks:
        if patience > 0:
            patience -= 1
            pause()
        else:
            pthread_mutex_lock(team + at.MUTEX)
            atomic_store(team + at.WAITING, 1)
            while atomic_load(team + at.DONE) < tasks:
                pthread_cond_wait(team + at.IDLE, team + at.MUTEX)
            atomic_store(team + at.WAITING, 0)
            pthread_mutex_unlock(team + at.MUTEX)


def wake(team: int, wanted: int) -> None:
    """Wake parked workers, as many as there is work for."""
    sleepers = atomic_load(team + at.SLEEPERS)
    if sleepers == 0:
        return
    pthread_mutex_lock(team + at.MUTEX)
    if wanted >= sleepers:
        pthread_cond_broadcast(team + at.WORK)
    else:
        for _ in range(wanted):
            pthread_cond_signal(team + at.WORK)
    pthread_mutex_unlock(team + at.MUTEX)


def hire(team: int) -> None:
    """Start the missing workers; if the system gives no more, do with those there are."""
    while atomic_load(team + at.ALIVE) + 1 < load(team + at.WANTED):
        atomic_add(team + at.ALIVE, 1)
        failed = pthread_create(team + at.THREAD, 0, load(team + at.WORKER), team) & INT
        if failed != 0:
            atomic_add(team + at.ALIVE, -1)
            store(team + at.WANTED, atomic_load(team + at.ALIVE) + 1)
        else:
            pthread_detach(load(team + at.THREAD))


def await_work(team: int) -> None:
    """Spin, then park, until there are tasks or the team is sent home."""
    patience = load(team + at.SPIN)
    while atomic_load(team + at.TICKET) == 0 and atomic_load(team + at.STOP) == 0:
        if patience > 0:
            patience -= 1
            pause()
        else:
            pthread_mutex_lock(team + at.MUTEX)
            atomic_add(team + at.SLEEPERS, 1)
            while atomic_load(team + at.TICKET) == 0 and atomic_load(team + at.STOP) == 0:
                pthread_cond_wait(team + at.WORK, team + at.MUTEX)
            atomic_add(team + at.SLEEPERS, -1)
            pthread_mutex_unlock(team + at.MUTEX)


def worker(team: int) -> int:
    """Life of a worker: claim tasks, run them, count them."""
    pthread_sigmask(SIG_BLOCK, team + at.SIGNALS, 0)
    owned = 0
    capacity = 0
    while atomic_load(team + at.STOP) == 0:
        await_work(team)
        left = claim(team)
        if left == 0:
            continue
        # From here to the count in DONE the region cannot end, so its words hold still.
        record = load(team + at.RECORD)
        tasks = load(team + at.RECORD_TASKS)
        need = load(record + at.SCRATCH_BYTES)
        if need > capacity:
            free(owned)
            owned = malloc(need + at.LINE)
            capacity = need if owned != 0 else 0
        if need > capacity:
            atomic_store(team + at.FAILED, 1)
        else:
            scratch = (owned + at.LINE - 1) & -at.LINE
            run_task(record, load(team + at.RECORD_TABLE), tasks - left, scratch)
        last = atomic_add(team + at.DONE, 1) + 1 == tasks
        if last and atomic_load(team + at.WAITING) != 0:
            pthread_mutex_lock(team + at.MUTEX)
            pthread_cond_signal(team + at.IDLE)
            pthread_mutex_unlock(team + at.MUTEX)
    free(owned)
    atomic_add(team + at.ALIVE, -1)
    return 0


def resize(team: int, threads: int) -> int:
    """Send the workers home and set the size of the next team."""
    while not compare_and_swap(team + at.BUSY, 0, 1):
        sched_yield()
    atomic_store(team + at.STOP, 1)
    pthread_mutex_lock(team + at.MUTEX)
    pthread_cond_broadcast(team + at.WORK)
    pthread_mutex_unlock(team + at.MUTEX)
    while atomic_load(team + at.ALIVE) > 0:
        sched_yield()
    atomic_store(team + at.STOP, 0)
    store(team + at.WANTED, threads)
    atomic_store(team + at.BUSY, 0)
    return 0
