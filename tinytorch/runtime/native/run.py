"""The runner: walk a program's records in one call. See ``runtime/layout.py`` for its words."""

from __future__ import annotations

from tinytorch.runtime import layout as at
from tinytorch.runtime.native.machine import (
    atomic_load,
    atomic_store,
    call,
    compare_and_swap,
    copy_bytes,
    load,
    load_byte,
    pause,
    store,
)
from tinytorch.runtime.native.team import call_kernel, lead, resize, run_task, worker
from tinytorch.runtime.native.words import Foreign

PyErr_CheckSignals = Foreign("PyErr_CheckSignals")
PyEval_RestoreThread = Foreign("PyEval_RestoreThread")
PyEval_SaveThread = Foreign("PyEval_SaveThread")
PyGILState_Ensure = Foreign("PyGILState_Ensure")
PyGILState_Release = Foreign("PyGILState_Release")
PyLong_AsLongLong = Foreign("PyLong_AsLongLong")
PyLong_FromLongLong = Foreign("PyLong_FromLongLong")
time = Foreign("time")


def region(team: int, record: int, table: int, scratch: int) -> None:
    """Run the tasks of a record: with the team if it pays and is free, else on this thread.

    Tasks are the same either way, so the results have the same bits.
    """
    tasks = load(record + at.TASKS)
    shared = tasks > 1 and load(record + at.PARALLEL) != 0 and load(team + at.WANTED) > 1
    if shared and compare_and_swap(team + at.BUSY, 0, 1):
        lead(team, record, table, scratch)
        atomic_store(team + at.BUSY, 0)
        return
    for index in range(tasks):
        run_task(record, table, index, scratch)


def launch(team: int, record: int, table: int, scratch: int) -> None:
    """Write the rows' argument arrays, run all tasks, then each row's finish."""
    arguments = load(record + at.ARGUMENTS)
    slots = load(record + at.ARGUMENT_SLOTS)
    for i in range(load(record + at.ARGUMENT_COUNT)):
        slot = load(slots + at.WORD * i)
        store(arguments + at.WORD * i, load(table + at.WORD * slot))
    region(team, record, table, scratch)
    finish = load(record + at.FINISH)
    if finish != 0:
        task = load(record + at.FINISH_ARRAY)
        for _ in range(load(record + at.ROWS)):
            call_kernel(finish, task, scratch)
            task += at.TASK_BYTES


def quiet_blas(team: int) -> None:
    """Make BLAS single-threaded; runs may overlap, the first one saves its setting."""
    if load(team + at.BLAS_SET) == 0:
        return
    while not compare_and_swap(team + at.BLAS_LOCK, 0, 1):
        pause()
    depth = load(team + at.BLAS_DEPTH)
    if depth == 0:
        threads = call(load(team + at.BLAS_GET)) & 0xFFFFFFFF
        store(team + at.BLAS_SAVED, threads)
        if threads != 1:
            call(load(team + at.BLAS_SET), 1)
    store(team + at.BLAS_DEPTH, depth + 1)
    atomic_store(team + at.BLAS_LOCK, 0)


def restore_blas(team: int) -> None:
    """Undo ``quiet_blas``; the last run that overlaps restores the setting."""
    if load(team + at.BLAS_SET) == 0:
        return
    while not compare_and_swap(team + at.BLAS_LOCK, 0, 1):
        pause()
    depth = load(team + at.BLAS_DEPTH) - 1
    store(team + at.BLAS_DEPTH, depth)
    threads = load(team + at.BLAS_SAVED)
    if depth == 0 and threads != 1:
        call(load(team + at.BLAS_SET), threads)
    atomic_store(team + at.BLAS_LOCK, 0)


def branch(program: int, record: int, table: int) -> int:
    """Run one of two lists of records; return their status."""
    predicate = load(table + at.WORD * load(record + at.PREDICATE))
    if load_byte(predicate) != 0:
        return walk(program, record + at.BRANCH_BYTES)
    return walk(program, record + load(record + at.OTHERWISE))


def place_slices(record: int, table: int, index: int) -> None:
    """Point the views of stacked values at one slice."""
    slices = load(record + at.SLICE_ARRAY)
    for _ in range(load(record + at.SLICES)):
        whole = load(table + at.WORD * load(slices + at.SLICE_WHOLE))
        place = whole + index * load(slices + at.SLICE_STRIDE)
        store(table + at.WORD * load(slices + at.SLICE_VIEW), place)
        slices += at.SLICE_BYTES


def start_carries(record: int, table: int) -> None:
    """Point each carry at its first place, and what follows it at its second."""
    carry = load(record + at.CARRY_ARRAY)
    for _ in range(load(record + at.CARRIES)):
        first = load(table + at.WORD * load(carry + at.CARRY_FIRST))
        second = load(table + at.WORD * load(carry + at.CARRY_SECOND))
        store(table + at.WORD * load(carry + at.CARRY_NOW), first)
        store(table + at.WORD * load(carry + at.CARRY_NEXT), second)
        carry += at.CARRY_BYTES


def swap_carries(record: int, table: int) -> None:
    """Make what a run wrote what the next one reads."""
    carry = load(record + at.CARRY_ARRAY)
    for _ in range(load(record + at.CARRIES)):
        now = table + at.WORD * load(carry + at.CARRY_NOW)
        following = table + at.WORD * load(carry + at.CARRY_NEXT)
        place = load(now)
        store(now, load(following))
        store(following, place)
        carry += at.CARRY_BYTES


def interrupted() -> int:
    """Let Python handle signals, with the GIL; return 0, or something else if a handler raised."""
    state = PyGILState_Ensure()
    raised = PyErr_CheckSignals() & 0xFFFFFFFF
    PyGILState_Release(state)
    return raised


def loop(program: int, record: int, table: int) -> int:
    """Run a loop; return the status of the run that failed, or 0.

    One that may never end lets Python handle signals once a second.
    """
    start_carries(record, table)
    count = load(record + at.COUNT)
    condition = load(record + at.CONDITION)
    body = record + load(record + at.BODY)
    done = 0
    since = 0
    if condition >= 0:
        since = time(0)
    while condition >= 0 or done < count:
        if condition >= 0:
            now = time(0)
            if now != since:
                since = now
                if interrupted() != 0:
                    return at.INTERRUPTED
            status = walk(program, record + at.LOOP_BYTES)
            if status != 0:
                return status
            if load_byte(load(table + at.WORD * condition)) == 0:
                break
        index = count - 1 - done if load(record + at.REVERSE) != 0 else done
        place_slices(record, table, index)
        status = walk(program, body)
        if status != 0:
            return status
        swap_carries(record, table)
        done += 1
    return 0


def walk(program: int, record: int) -> int:
    """Run records up to their end; return 0, or the status word as soon as a kernel has set it."""
    team = load(program + at.TEAM)
    table = load(program + at.TABLE)
    scratch = load(program + at.SCRATCH)
    slot = load(program + at.STATUS)
    opcode = load(record + at.OPCODE)
    while opcode != at.END:
        if opcode == at.LAUNCH:
            launch(team, record, table, scratch)
            if load(record + at.CHECKS) != 0:
                status = load(load(table + at.WORD * slot))
                if status != 0:
                    return status
        elif opcode == at.PRODUCT:
            region(team, record, table, scratch)
        elif opcode == at.COPY:
            target = load(table + at.WORD * load(record + at.COPY_TARGET))
            source = load(table + at.WORD * load(record + at.COPY_SOURCE))
            copy_bytes(target, source, load(record + at.COPY_NBYTES))
        else:
            status = (
                branch(program, record, table) if opcode == at.BRANCH
                else loop(program, record, table)
            )  # fmt: skip
            if status != 0:
                return status
        record += load(record + at.LENGTH)
        opcode = load(record + at.OPCODE)
    return 0


def started(program: int) -> int:
    """Run a whole program; return its status."""
    slot = load(program + at.STATUS)
    if slot >= 0:
        store(load(load(program + at.TABLE) + at.WORD * slot), 0)
    return walk(program, program + at.HEADER_BYTES)


def run(program: int) -> int:
    """Run a program; return its status (see ``started``, and ``OUT_OF_MEMORY``)."""
    team = load(program + at.TEAM)
    uses_blas = load(program + at.USES_BLAS) != 0
    if uses_blas:
        quiet_blas(team)
    status = started(program)
    if uses_blas:
        restore_blas(team)
    if atomic_load(team + at.FAILED) != 0 and compare_and_swap(team + at.FAILED, 1, 0):
        return at.OUT_OF_MEMORY
    return status


def run_bound(program: int, unused: int) -> int:
    """``run`` as a method of CPython, without the GIL: address and status are int objects.

    Where a signal's handler raised, there is no status but its exception.
    """
    address = PyLong_AsLongLong(program)
    thread = PyEval_SaveThread()
    status = run(address)
    PyEval_RestoreThread(thread)
    if status == at.INTERRUPTED:
        return 0
    return PyLong_FromLongLong(status)


EXPORTS = {"run": run, "run_bound": run_bound, "worker": worker, "resize": resize}
"""What the native library offers: C functions of words that return a word."""
