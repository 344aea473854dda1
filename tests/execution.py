"""Run a graph as the compiler builds it, on numpy arrays, and compare with the interpreter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tinytorch.compiler import emit
from tinytorch.ir.graph import Graph
from tinytorch.ir.interpret import interpret
from tinytorch.ir.program import Program
from tinytorch.ir.target import Target
from tinytorch.passes.base import PassManager
from tinytorch.passes.pipeline import lower_program, optimize
from tinytorch.runtime.executable import Executable, load

CHUNKED = Target("cpu", parallel_work=8, max_chunks=5)
"""A target so eager for chunks that arrays of a dozen elements are cut."""
WHOLE = Target("cpu")


@dataclass
class Built:
    """A program with its executable and the graph it came from."""

    graph: Graph
    program: Program
    executable: Executable

    def __call__(self, values: list[np.ndarray]) -> tuple[int, list[np.ndarray], list[np.ndarray]]:
        """Return the status, the outputs and the new values of state; inputs stay as they are."""
        table, program = self.executable.table, self.program
        held = [np.array(v, order="C") for v in values]  # state is written in place
        outs = [np.empty(n.type.shape, n.type.dtype.numpy) for n in self.graph.outputs]
        status = np.zeros(1, np.int64)
        for slot, array in [*zip(program.inputs, held), *zip(program.outputs, outs)]:
            table[slot] = array.ctypes.data
        if program.status is not None:
            table[program.status] = status.ctypes.data
        code = self.executable.run()
        before = [v for i, v in enumerate(values) if i not in {p for p, _ in program.updates}]
        after = [v for i, v in enumerate(held) if i not in {p for p, _ in program.updates}]
        for kept, now in zip(before, after, strict=True):
            np.testing.assert_array_equal(now, kept, err_msg="a plain input was written")
        return code, outs, [held[i] for i, _ in program.updates]


def plan(graph: Graph, target: Target = WHOLE, fusing: bool = True) -> Program:
    """The program of a graph."""
    return lower_program(optimize(graph, PassManager()), target, fusing)


def built(
    graph: Graph, target: Target = WHOLE, fusing: bool = True, launcher: str = "pool"
) -> Built:
    """Compile a graph."""
    program = plan(graph, target, fusing)
    return Built(graph, program, load(program, emit(program, target), launcher))


def assert_same(want: list[Any], got: list[Any], tolerance: float = 0.0) -> None:
    """Compare arrays: exactly, or within a tolerance relative to the largest finite value."""
    assert len(want) == len(got)
    for number, (a, b) in enumerate(zip(want, got)):
        a, b = np.asarray(a), np.asarray(b)
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        finite = np.abs(a[np.isfinite(a)]) if a.dtype.kind == "f" else np.zeros(0)
        bound = tolerance * (1 + (float(finite.max()) if finite.size else 0.0))
        if bound and a.dtype.kind == "f":
            np.testing.assert_allclose(b, a, rtol=0, atol=bound, err_msg=f"value {number}")
        else:
            np.testing.assert_array_equal(b, a, err_msg=f"value {number}")


def check(
    graph: Graph,
    values: list[np.ndarray],
    *,
    target: Target = WHOLE,
    fusing: bool = True,
    launcher: str = "pool",
    tolerance: float = 0.0,
) -> Built:
    """Assert that a graph gives the same compiled as interpreted; return what was built."""
    want, updates = interpret(graph, [v.copy() for v in values])
    made = built(graph, target, fusing, launcher)
    code, got, changed = made(values)
    assert code == 0
    assert_same(want, got, tolerance)
    assert_same(updates, changed, tolerance)
    return made
