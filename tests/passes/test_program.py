"""Donation, order and memory of programs."""

from __future__ import annotations

import numpy as np
import pytest
from execution import CHUNKED, check, plan

from tinytorch.ir.parser import parse_graph
from tinytorch.ir.program import Copy, Launch, Product, Program

STATE = "%s: f64[4,6]"


def program_of(
    *lines: str, inputs: str = f"state {STATE}, %x: f64[4,6]", tail: str = ""
) -> Program:
    body = "\n".join([f"graph f({inputs}) {{", *lines, tail or "return", "}"])
    graph = parse_graph(body)
    values = [
        np.random.default_rng(2).integers(1, 5, n.type.shape).astype(n.type.dtype.numpy)
        for n in graph.inputs
    ]
    check(graph, values, launcher="python", tolerance=1e-15)
    check(graph, values, target=CHUNKED, launcher="python", tolerance=1e-15)
    return plan(graph)


def copies(program: Program) -> int:
    return sum(isinstance(s, Copy) for s in program.steps)


def test_elementwise_update_is_in_place():
    program = program_of(
        "%0: f64[4,6] = mul(%s, %x)", "%1: f64[4,6] = add(%0, %s)", "update %s <- %1"
    )
    assert (copies(program), program.arena_bytes) == (0, 0)
    (launch,) = program.launches
    assert [b.role for b in launch.kernel.parameters].count("inout") == 1
    assert program.updates == ((0, program.inputs[0]),)


def test_update_that_moves_elements_is_copied():
    program = program_of("%0: f64[4,6] = flip(%s, axes=[0])", "update %s <- %0")
    assert copies(program) == 1


def test_update_by_row_statistics_is_in_place_or_copied_but_right():
    program = program_of(
        "%0: f64[4,1] = sum(%s, axes=[1])",
        "%1: f64[4,6] = broadcast_to(%0, shape=[4,6])",
        "%2: f64[4,6] = sub(%s, %1)",
        "update %s <- %2",
    )
    assert len(program.launches) == 1


def test_readers_of_the_old_value_run_before_the_writer():
    program = program_of(
        "%0: f64[4,6] = add(%s, %x)",
        "%1: f64[6,4] = permute(%s, order=[1,0])",
        "%2: f64[6,6] = matmul(%1, %x)",
        "return %2",
        "update %s <- %0",
        tail=" ",
    )
    writer = next(
        i for i, s in enumerate(program.steps)
        if isinstance(s, Launch) and any(b.role == "inout" for b in s.kernel.parameters)
    )  # fmt: skip
    reader = next(
        i for i, s in enumerate(program.steps)
        if isinstance(s, Launch) and s.kernel.name.startswith("matmul") or isinstance(s, Product)
    )  # fmt: skip
    assert reader < writer
    assert copies(program) == 0


def test_nothing_is_written_in_place_before_the_last_check():
    program = program_of(
        "%0: f64[4,6] = mul(%s, %s)",
        "%1: f64[6] = exp(%v)",
        '%2: f64[6] = require_nonzero(%1, error="RuntimeError", message="zero")',
        "return %2",
        "update %s <- %0",
        tail=" ",
        inputs=f"state {STATE}, %v: f64[6]",
    )
    failing = [i for i, s in enumerate(program.steps) if isinstance(s, Launch) and s.kernel.checks]
    state = program.inputs[0]
    writers = [
        i for i, s in enumerate(program.steps)
        if (isinstance(s, Copy) and s.target == state)
        or (isinstance(s, Launch) and any(b.role == "inout" for b in s.kernel.parameters))
    ]  # fmt: skip
    assert failing
    assert writers
    assert max(failing) < min(writers)


def test_one_value_for_two_states_and_an_output():
    program = program_of(
        "%0: f64[4,6] = add(%s, %x)",
        "return %0",
        "update %s <- %0",
        "update %t <- %0",
        inputs=f"state {STATE}, state %t: f64[4,6], %x: f64[4,6]",
        tail=" ",
    )
    assert copies(program) == 2


def test_output_twice_and_an_input_as_output():
    program = program_of("%0: f64[4,6] = exp(%x)", "return %0, %0, %x, %s", tail=" ")
    assert len(set(program.outputs)) == 4


def test_equal_flat_kernels_share_a_launch():
    names = "abcdefgh"
    inputs = ", ".join(f"%{n}: f64[{i + 2},3]" for i, n in enumerate(names))
    lines = [f"%{i}: f64[{i + 2},3] = tanh(%{n})" for i, n in enumerate(names)]
    program = program_of(
        *lines, "return " + ", ".join(f"%{i}" for i in range(8)), inputs=inputs, tail=" "
    )
    assert len(program.launches) == 1
    assert len(program.launches[0].rows) == 8
    assert [row.extent for row in program.launches[0].rows] == [3 * (i + 2) for i in range(8)]


def test_memory_is_used_again():
    lines = ["%0: f64[64,64] = matmul(%x, %x)"]
    lines += [f"%{i}: f64[64,64] = matmul(%{i - 1}, %x)" for i in range(1, 12)]
    graph = parse_graph("\n".join(["graph f(%x: f64[64,64]) {", *lines, "return %11", "}"]))
    program = plan(graph)
    assert len(program.steps) == 12
    assert program.arena_bytes <= 2 * 64 * 64 * 8


@pytest.mark.parametrize("size", [40, 100_000])
def test_chunks_depend_on_shape_alone(size):
    graph = parse_graph(
        f"graph f(%x: f64[{size},8]) {{\n%0: f64[{size},1] = sum(%x, axes=[1])\nreturn %0\n}}"
    )
    one, two = plan(graph), plan(graph)
    assert one == two
    (row,) = one.launches[0].rows
    assert row.extent == size
    assert (row.chunks > 1) == (size == 100_000)
