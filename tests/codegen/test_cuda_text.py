"""What the CUDA text says: who runs what, where threads wait, what it needs."""

import ast
import itertools
import re

import pytest
from cuda_cases import CASES
from hypothesis import given
from hypothesis import strategies as st

from tinytorch.codegen.cuda import emit, emit_product, emit_program
from tinytorch.codegen.cuda.prelude import BUILTIN, DeviceFunctions
from tinytorch.codegen.cuda.text import geometry
from tinytorch.codegen.cuda.threads import Owner, owner_of
from tinytorch.ir.index import Index, Symbol
from tinytorch.ir.kernel import Buffer, Constant, Kernel, Load, Loop, Store
from tinytorch.ir.op import TABLE
from tinytorch.ir.program import Product
from tinytorch.ir.types import bool_, float16, float32, float64, int32, int64, uint8

CALL = re.compile(r"\b([a-z_][a-z_0-9]*)\(")
I, J, K = Symbol("i", 3), Symbol("j", 4), Symbol("k", 5)


def index(i: int = 0, j: int = 0, k: int = 0, offset: int = 0) -> Index:
    terms = ((I, i), (J, j), (K, k))
    return Index(tuple((s, c) for s, c in terms if c), offset)


def kernel(*body, buffers=("y",), size: int = 60) -> Kernel:
    return Kernel("kernel", tuple(Buffer(b, float32, size, "out") for b in buffers), body, extent=3)


def printed(made: Kernel) -> str:
    text = emit(made).text
    return text[text.index("@cuda.jit\ndef kernel(") :]


# --------------------------------------------------------------------- owners


@given(*[st.integers(-3, 25)] * 3, st.integers(-5, 30))
def test_an_owner_is_the_iteration_that_made_the_address(i, j, k, offset) -> None:
    place = index(i, j, k, offset)
    owner = owner_of(place, Loop(J, "vector", ()))
    if owner is None:
        return
    for values in itertools.product(range(3), range(4), range(5)):
        at = place.evaluate(dict(zip("ijk", values, strict=True)))
        assert (at - owner.offset) // owner.stride % owner.extent == values[1]


def test_rows_and_columns_have_owners() -> None:
    assert owner_of(index(i=20, j=5, k=1), Loop(K, "vector", ())) == Owner("loop", 1, 5, 0)
    assert owner_of(index(i=20, j=5, k=1), Loop(J, "vector", ())) == Owner("loop", 5, 4, 0)
    assert owner_of(index(i=1, j=1), Loop(J, "vector", ())) is None
    assert owner_of(index(i=1), Loop(J, "vector", ())) is None


# -------------------------------------------------------------------- threads


def test_a_store_that_names_no_iteration_is_made_by_one_thread() -> None:
    store = Store("y", index(i=1), Constant(1.0, float32), "sum")
    text = printed(kernel(Loop(I, "chunk", (Loop(J, "vector", (store,)),))))
    assert "for j in range(0, 4):" in text or "for i in range(lo + thread, hi, threads):" in text


def test_threads_wait_before_reading_what_others_wrote() -> None:
    wide = Symbol("j", 100)
    straight, turned = Index(((wide, 1),)), Index(((wide, -1),), 99)
    write = Loop(wide, "vector", (Store("y", straight, Constant(1.0, float32)),))
    same = Loop(wide, "vector", (Store("z", straight, Load("y", straight, float32)),))
    other = Loop(wide, "vector", (Store("z", straight, Load("y", turned, float32)),))
    for second, waits in ((same, 0), (other, 2)):
        rows = Loop(I, "chunk", (write, second))
        assert printed(kernel(rows, buffers=("y", "z"))).count("syncthreads") == waits


def test_rows_are_cut_finer_where_no_result_depends_on_it() -> None:
    wide, ends = (CASES[n]().program.kernels[0] for n in ("softmax_wide", "softmax_with_ends"))
    assert "extent, size = 5, 1\n" in emit(wide).text
    assert f"extent, size = 6, {ends.chunk}\n" in emit(ends).text


def test_a_finish_shares_columns_and_keeps_totals_in_one_block() -> None:
    few, many = (CASES[n]().program.kernels for n in ("softmax_with_ends", "many_columns"))
    finish = emit(few[0]).text.split("_finish(")[1]
    assert "for j in range(block, 40, cuda.gridDim.x):" in finish
    assert "if block == 0:" in finish
    wide = "\n".join(emit(k).text for k in many if k.finish)
    assert "for j in range(block * threads + thread, 2100, threads * cuda.gridDim.x):" in wide


def test_long_rows_stay_in_global_memory() -> None:
    (made,) = CASES["long_row"]().program.kernels
    assert emit(made).scratch == ((float32, 9000),)
    assert "row0 = row0[chunk * 9000 : (chunk + 1) * 9000]" in emit(made).text


# --------------------------------------------------------------------- blocks


def test_M31_a_sum_is_cut_into_blocks_that_each_add_up_in_shared_memory() -> None:
    program = CASES["sum_of_500_in_blocks"]().program
    text = emit_program(program)
    (step,) = program.launches
    assert step.rows[0].extent > step.rows[0].chunk, "one block"
    assert f"cuda.shared.array({geometry(step.kernel).threads}, np.float32)" in text
    assert "block_sum_f32(" in text
    assert "atomic" not in text


@pytest.mark.parametrize(
    ("name", "grid"), [("product_33_by_33", (3, 3, 1)), ("products_of_a_batch", (3, 3, 2))]
)
def test_M31_a_product_reads_each_tile_once_into_shared_memory(name: str, grid) -> None:
    (product,) = (s for s in CASES[name]().program.steps if isinstance(s, Product))
    text = emit_product(product).text
    assert f"[{grid}, (16, 16), stream]" in text
    (kernel,) = (
        n for n in ast.parse(text).body
        if isinstance(n, ast.FunctionDef) and not n.name.startswith("run_")
    )  # fmt: skip
    loops = [n for n in ast.walk(kernel) if isinstance(n, ast.For)]
    batch, steps, inner = loops
    assert [ast.unparse(n.target) for n in loops] == ["b", "start", "inner"]
    # A cell of a factor is read by one thread of the block, once a step, and lies in shared memory.
    assert uses(kernel, "left") == uses(steps, "left") == (1, 0)
    assert uses(kernel, "right") == uses(steps, "right") == (1, 0)
    assert uses(steps, "tile_left") == uses(steps, "tile_right") == (1, 1)
    assert uses(inner, "tile_left") == uses(inner, "tile_right") == (1, 0)
    assert uses(inner, "left") == uses(inner, "right") == (0, 0)
    # A cell of the result is written once, after all steps.
    assert uses(kernel, "out") == uses(batch, "out") == (0, 1)
    assert uses(steps, "out") == (0, 0)


def uses(tree: ast.AST, name: str) -> tuple[int, int]:
    """How often elements of an array are read and written in a text."""
    found = [
        n.ctx for n in ast.walk(tree)
        if isinstance(n, ast.Subscript) and ast.unparse(n.value) == name
    ]  # fmt: skip
    return sum(isinstance(c, ast.Load) for c in found), sum(isinstance(c, ast.Store) for c in found)


# ---------------------------------------------------------------------- texts


@pytest.mark.parametrize("name", CASES)
def test_text_stands_alone(name: str) -> None:
    program = CASES[name]().program
    for text in (emit_program(program), *(emit(k).text for k in program.kernels)):
        nodes = list(ast.walk(ast.parse(text)))
        names = {a.name for n in nodes if isinstance(n, ast.Import) for a in n.names}
        names |= {n.module for n in nodes if isinstance(n, ast.ImportFrom)}
        assert names <= {"math", "numpy", "numba"}
    assert emit_program(program) == emit_program(CASES[name]().program)


def test_origins_point_at_their_lines() -> None:
    (made,) = CASES["softmax_wide"]().program.kernels
    marked = Kernel(**{**made.__dict__, "origins": (("y0", "train.py:7"),)})
    (line,) = [n for n, where in emit(marked).origins if where == "train.py:7"]
    assert emit(marked).text.split("\n")[line - 1].strip().startswith("y0[")


@pytest.mark.parametrize("name", sorted(TABLE))
def test_every_function_of_the_op_table_is_known(name: str) -> None:
    op = TABLE[name]
    dtypes = [] if name.startswith("shift") else [float32, float64, float16]
    if not op.floating:
        dtypes += [int64, int32, uint8]
    for called in set(CALL.findall(op.expr or "")) - BUILTIN:
        for dtype in dtypes:
            device = DeviceFunctions()
            device.spelled(called, dtype)
            ast.parse("\n".join(device.lines()))


def test_an_unknown_function_is_an_error() -> None:
    with pytest.raises(KeyError, match="no CUDA device function 'gamma' for bool"):
        DeviceFunctions().spelled("gamma", bool_)
