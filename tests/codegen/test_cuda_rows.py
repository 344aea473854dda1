"""Every row of the op table and every layer function as CUDA text, in the simulator."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable

import pytest
from cuda_case import MANY_CHUNKS
from cuda_functions import FUNCTIONS
from cuda_rows import NAMES, REFUSED, ROWS
from cuda_run import simulate
from samples import STRUCTURE

import tinytorch as tt
from tinytorch.codegen.cuda import emit_program
from tinytorch.errors import CompileError
from tinytorch.ir import ops
from tinytorch.passes.base import PassManager
from tinytorch.passes.pipeline import lower_program, optimize
from tinytorch.tracer.subtrace import close

INSTALLED = importlib.util.find_spec("numba_cuda") is not None
CONTROL = {
    "cond": lambda x: tt.cond(x.sum() > 0, lambda a: a + 1, lambda a: a * 2, (x,)),
    "scan": lambda x: tt.scan(lambda total, row: (total + row, total), x[0] * 0, x),
    "while": lambda x: tt.while_loop(lambda a: a.sum() < 9, lambda a: a * 2, (x,)),
}


def simulated(test: Callable[..., None]) -> Callable[..., None]:
    """Mark a test that needs the simulator."""
    without = pytest.mark.skipif(not INSTALLED, reason="numba-cuda is not installed")
    for mark in (pytest.mark.cudasim, pytest.mark.slow, without):
        test = mark(test)
    return test


@pytest.fixture(scope="module")
def results() -> dict[str, str | None]:
    return simulate(16, *ROWS, *FUNCTIONS)


@pytest.mark.parametrize("name", NAMES)
@simulated
def test_row_matches_the_reference(name: str, results: dict[str, str | None]) -> None:
    """In every dtype, halves among them, and the derivative too."""
    found = {row: error for row, error in results.items() if row.split()[0] == name}
    assert name in found
    assert set(found.values()) == {None}, next(e for e in found.values() if e)


@pytest.mark.parametrize("name", FUNCTIONS)
@simulated
def test_function_matches_the_reference(name: str, results: dict[str, str | None]) -> None:
    assert results[name] is None, results[name]


def test_every_row_is_printed_or_refused_for_a_reason() -> None:
    assert {*NAMES, *STRUCTURE, *REFUSED} == set(ops.TABLE)
    assert set(REFUSED) == set(CONTROL)


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_printed_is_refused(name: str) -> None:
    graph = close(CONTROL[name], [tt.ones(3, 4)], name).graph
    assert any(node.op.name == name for node in graph)
    program = lower_program(optimize(graph, PassManager([])), MANY_CHUNKS)
    with pytest.raises(CompileError, match="cond, scan and while_loop"):
        emit_program(program)
