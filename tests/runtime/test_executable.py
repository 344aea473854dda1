from __future__ import annotations

import itertools

import numpy as np
import pytest
from handmade import Builder, call, checked, elementwise, row_sum, total

from tinytorch.errors import CompileError
from tinytorch.ir import types as T
from tinytorch.ir.program import Row
from tinytorch.runtime import load, set_num_threads

RNG = np.random.default_rng(0)
LAUNCHERS = ("pool", "python")
SHAPES = (  # m, n, k, batch, rows of a panel
    (7, 5, 3, 1, 4), (33, 300, 70, 2, 8), (1, 1, 1, 3, 1), (4, 3, 0, 2, 2), (0, 4, 4, 1, 1),
    (40, 1, 129, 1, 16),
)  # fmt: skip


@pytest.mark.parametrize("launcher", LAUNCHERS)
@pytest.mark.parametrize("threads", [1, 2, 4])
def test_many_rows_of_different_sizes(launcher, threads):
    set_num_threads(threads)
    b = Builder()
    pair = elementwise("axpy", "v0 * c0 + v1", inputs=2)
    sizes = [1, 5, 64, 1000, 4097]
    rows, arrays, expected = [], {}, []
    for n in sizes:
        x, y, out = (b.external(T.float32, n) for _ in range(3))
        arrays[x], arrays[y] = (RNG.standard_normal(n, np.float32) for _ in range(2))
        arrays[out] = np.full(n, np.nan, np.float32)
        rows.append(Row((x, y, out), n, 512))
        expected.append((out, arrays[x] * np.float32(0.5) + arrays[y]))
    b.launch(pair, *rows)
    executable = load(b.program(), b.sources, launcher)
    assert call(executable, arrays) == 0
    for slot, want in expected:
        np.testing.assert_allclose(arrays[slot], want, rtol=1e-6)


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_intermediates_in_the_arena(launcher):
    b = Builder()
    x, out = b.external(T.float32, 40), b.external(T.float32, 8)
    middle = b.arena(T.float32, 40)
    b.launch(elementwise("square", "v0 * v0"), Row((x, middle), 40, 16))
    b.launch(row_sum(5), Row((middle, out), 8, 3))
    executable = load(b.program(), b.sources, launcher)
    for _ in range(3):
        data = RNG.standard_normal(40, np.float32)
        result = np.zeros(8, np.float32)
        assert call(executable, {x: data, out: result}) == 0
        np.testing.assert_allclose(result, (data**2).reshape(8, 5).sum(1), rtol=1e-6)


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_partials_scratch_and_finish(launcher):
    n, chunk = 10_000, 700
    b = Builder()
    x, out = b.external(T.float32, n), b.external(T.float32, 1)
    partial = b.arena(T.float32, -(-n // chunk))
    b.launch(total(), Row((x, partial, out), n, chunk))
    executable = load(b.program(), b.sources, launcher)
    data, result = RNG.standard_normal(n, np.float32), np.zeros(1, np.float32)
    assert call(executable, {x: data, out: result}) == 0
    np.testing.assert_allclose(result[0], data.sum(dtype=np.float64), rtol=1e-4)


def test_same_bits_for_any_number_of_threads():
    n, m = 50_000, 96
    b = Builder()
    x, out = b.external(T.float32, n), b.external(T.float32, 1)
    partial = b.arena(T.float32, 200)
    a, c = b.external(T.float32, m * m), b.external(T.float32, m * m)
    b.launch(total(), Row((x, partial, out), n, 333))
    b.product(a, a, c, T.float32, m, m, m, panel_rows=17)
    executable = load(b.program(), b.sources)
    data, square = RNG.standard_normal(n, np.float32), RNG.standard_normal((m, m), np.float32)
    seen = set()
    for threads in (1, 2, 3, 4, 9, 2, 1):
        set_num_threads(threads)
        for _ in range(20):
            result, matrix = np.zeros(1, np.float32), np.zeros((m, m), np.float32)
            assert call(executable, {x: data, out: result, a: square, c: matrix}) == 0
            seen.add((result.tobytes(), matrix.tobytes()))
    assert len(seen) == 1
    np.testing.assert_allclose(matrix, square @ square, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_a_failed_check_stops_the_program(launcher):
    b = Builder()
    table, index = b.external(T.float32, 10), b.external(T.int64, 20)
    out, after = b.external(T.float32, 20), b.external(T.float32, 20)
    status = b.arena(T.int64, 1)
    b.launch(checked(), Row((table, index, out, status), 20, 5))
    b.launch(elementwise("double", "v0 + v0"), Row((out, after), 20, 5))
    executable = load(b.program(status), b.sources, launcher)
    values = RNG.standard_normal(10, np.float32)
    good = RNG.integers(0, 10, 20)
    for position in (None, 0, 19, None):
        where = good.copy()
        if position is not None:
            where[position] = 10
        arrays = {table: values, index: where, out: np.zeros(20, np.float32),
                  after: np.zeros(20, np.float32)}  # fmt: skip
        code = call(executable, arrays)
        assert code == (0 if position is None else 7)
        want = 2 * values[good] if position is None else np.zeros(20)
        np.testing.assert_array_equal(arrays[after], want)


@pytest.mark.parametrize("launcher", LAUNCHERS)
@pytest.mark.parametrize("dtype", [T.float32, T.float64])
@pytest.mark.parametrize(("tl", "tr"), list(itertools.product((False, True), repeat=2)))
@pytest.mark.parametrize("portable", [False, True])
def test_products(launcher, dtype, tl, tr, portable, monkeypatch):
    if portable:
        from tinytorch.runtime import executable as module
        from tinytorch.runtime.library import NO_BLAS

        monkeypatch.setattr(module, "blas", lambda: NO_BLAS)
    for m, n, k, batch, panel in SHAPES:
        b = Builder()
        left, right = b.external(dtype, batch * m * k), b.external(dtype, k * n)
        out = b.external(dtype, batch * m * n)
        b.product(left, right, out, dtype, m, n, k, tl, tr, batch, right_stride=0,
                  panel_rows=panel)  # fmt: skip
        executable = load(b.program(), b.sources, launcher)
        x = RNG.standard_normal((batch, k, m) if tl else (batch, m, k)).astype(dtype.storage)
        y = RNG.standard_normal((n, k) if tr else (k, n)).astype(dtype.storage)
        result = np.full((batch, m, n), np.nan, dtype.storage)
        assert call(executable, {left: x, right: y, out: result}) == 0
        want = (x.transpose(0, 2, 1) if tl else x) @ (y.T if tr else y)
        tolerance = 1e-4 if dtype is T.float32 else 1e-12
        np.testing.assert_allclose(result, want, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_copies(launcher):
    b = Builder()
    source, target = b.external(T.float64, 9), b.external(T.float64, 9)
    b.copy(source, target, 64)
    executable = load(b.program(), {}, launcher)
    data, result = RNG.standard_normal(9), np.zeros(9)
    assert call(executable, {source: data, target: result}) == 0
    np.testing.assert_array_equal(result[:8], data[:8])
    assert result[8] == 0


@pytest.mark.parametrize("launcher", LAUNCHERS)
@pytest.mark.parametrize("dtype", T.DTYPES, ids=lambda d: d.name)
def test_every_dtype_of_buffers(launcher, dtype):
    text = "v1" if dtype is T.bool_ else "v0 + v1"
    b = Builder()
    pair = elementwise(f"add_{dtype.name}", text, dtype, 2)
    slots = [b.external(dtype, 100) for _ in range(3)]
    b.launch(pair, Row(tuple(slots), 100, 30))
    executable = load(b.program(), b.sources, launcher)
    x, y = (RNG.integers(0, 50, 100).astype(dtype.storage) for _ in range(2))
    out = np.zeros(100, dtype.storage)
    assert call(executable, {slots[0]: x, slots[1]: y, slots[2]: out}) == 0
    np.testing.assert_array_equal(out, y if dtype is T.bool_ else x + y)


def test_empty_programs_and_empty_rows():
    assert load(Builder().program(), {}).run() == 0
    b = Builder()
    x, y = b.external(T.float32, 0), b.external(T.float32, 0)
    b.launch(elementwise("same", "v0"), Row((x, y), 0, 8))
    executable = load(b.program(), b.sources)
    assert call(executable, {x: np.empty(0, np.float32), y: np.empty(0, np.float32)}) == 0


def test_texts_on_demand():
    b = Builder()
    x, y = b.external(T.float32, 8), b.external(T.float32, 8)
    b.launch(elementwise("shown", "v0 + c0"), Row((x, y), 8, 8))
    executable = load(b.program(), b.sources)
    assert "fadd" in executable.llvm
    assert "shown.call" in executable.asm


def test_mistakes_are_named():
    b = Builder()
    x, y = b.external(T.float32, 8), b.external(T.float64, 8)
    pair = elementwise("mistaken", "v0 + c0")
    b.launch(pair, Row((x, y), 8, 8))
    with pytest.raises(CompileError, match="mistaken takes buffers"):
        load(b.program(), b.sources)
    with pytest.raises(CompileError, match="no source for kernels: mistaken"):
        load(b.program(), {})
    for text, reason in [("v0 + nonsense", "cannot compile broken"), ("v0 +", "does not run")]:
        b = Builder()
        x, y = b.external(T.float32, 8), b.external(T.float32, 8)
        b.launch(elementwise("broken", text), Row((x, y), 8, 8))
        with pytest.raises(CompileError, match=reason):
            load(b.program(), b.sources)
