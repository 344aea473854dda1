"""Branches and loops of a hand-made Program, natively and as plain Python."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from handmade import Builder, call, checked, elementwise

from tinytorch.ir import types as T
from tinytorch.ir.program import Branch, Carry, Copy, Launch, Loop, Row, Slice
from tinytorch.runtime.executable import load

N = 4
both = pytest.mark.parametrize("launcher", ["pool", "python"])


def pointer(b: Builder, size: int = N, dtype: T.DType = T.float32) -> int:
    slot = b.external(dtype, size)
    b.slots[slot] = replace(b.slots[slot], pointer=True)
    return slot


def launch(b: Builder, pair, *slots: int, extent: int = N) -> Launch:
    b.sources[pair[0].name] = pair[1]
    return Launch(pair[0], (Row(slots, extent, extent),), False)


def carried(b: Builder) -> Carry:
    return Carry(b.arena(T.float32, N), b.arena(T.float32, N), pointer(b), pointer(b))


@both
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_a_loop_hands_its_carry_on_and_cuts_slices(launcher, reverse, count):
    b = Builder()
    start, xs, ys, out = (b.external(T.float32, s) for s in (N, count * N, count * N, N))
    carry, x, y = carried(b), pointer(b), pointer(b)
    step = launch(b, elementwise("mix", "v0 * c0 + v1", inputs=2), carry.now, x, carry.next)
    slices = (Slice(x, xs, 4 * N), Slice(y, ys, 4 * N))
    body = (step, Copy(carry.now, y, 4 * N))
    b.steps = [Copy(start, carry.first, 4 * N), Loop(body, (carry,), slices, count, reverse),
               Copy(carry.now, out, 4 * N)]  # fmt: skip
    executable = load(b.program(), b.sources, launcher)
    rng = np.random.default_rng(count)
    for _ in range(2):  # a second run starts from the beginning
        first, stacked = (rng.normal(size=s).astype("f4") for s in (N, (count, N)))
        got_y, got = np.zeros((count, N), "f4"), np.zeros(N, "f4")
        assert call(executable, {start: first, xs: stacked, ys: got_y, out: got}) == 0
        want, want_y = first, np.zeros((count, N), "f4")
        for i in range(count - 1, -1, -1) if reverse else range(count):
            want_y[i] = want
            want = want * np.float32(0.5) + stacked[i]
        np.testing.assert_allclose(got, want, rtol=1e-6)
        np.testing.assert_allclose(got_y, want_y, rtol=1e-6)


@both
@pytest.mark.parametrize("flag", [False, True])
def test_a_branch_in_a_loop_under_a_condition(launcher, flag):
    b = Builder()
    which = b.external(T.bool_, 1)
    start, out = b.external(T.float32, 1), b.external(T.float32, 1)
    slots = [b.arena(T.float32, 1), b.arena(T.float32, 1), pointer(b, 1), pointer(b, 1)]
    carry = Carry(*slots)
    condition = b.arena(T.bool_, 1)
    less, less_source = elementwise("less", "v0 < 20 * c0")
    less_source = replace(less_source, buffers=(T.float32, T.bool_))
    test = launch(b, (less, less_source), carry.now, condition, extent=1)
    more, twice = (
        launch(b, elementwise(name, expr), carry.now, carry.next, extent=1)
        for name, expr in (("more", "v0 + c0"), ("twice", "v0 + v0"))
    )
    loop = Loop((Branch(which, (more,), (twice,)),), (carry,), condition=condition, test=(test,))
    b.steps = [Copy(start, carry.first, 4), loop, Copy(carry.now, out, 4)]
    executable = load(b.program(), b.sources, launcher)
    for first, want in ((1.0, 10.0 if flag else 16.0), (30.0, 30.0)):
        got = np.zeros(1, "f4")
        arrays = {which: np.array([flag]), start: np.array([first], "f4"), out: got}
        assert call(executable, arrays) == 0
        assert got[0] == want


@both
def test_a_failed_check_ends_a_loop(launcher):
    b = Builder()
    table, out = b.external(T.float32, 10), b.external(T.float32, 3)
    indices = b.external(T.int64, 3)
    status, at, y = b.external(T.int64, 1), pointer(b, 1, T.int64), pointer(b, 1)
    pair = checked()
    kernel = replace(pair[0], buffers=tuple(
        replace(x, role="status") if i == 3 else x for i, x in enumerate(pair[0].buffers)
    ))  # fmt: skip
    step = launch(b, (kernel, pair[1]), table, at, y, status, extent=1)
    b.steps = [Loop((step,), (), (Slice(at, indices, 8), Slice(y, out, 4)), 3)]
    executable = load(b.program(status), b.sources, launcher)
    values = np.arange(10, dtype="f4")
    for where, code, want in (([1, 2, 3], 0, [1, 2, 3]), ([4, 99, 5], 7, [4, 0, 0])):
        got = np.zeros(3, "f4")
        arrays = {table: values, indices: np.array(where), out: got, status: np.zeros(1, np.int64)}
        assert call(executable, arrays) == code
        np.testing.assert_array_equal(got, want)
