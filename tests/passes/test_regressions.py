"""Small graphs on which a pass was once wrong."""

from __future__ import annotations

import numpy as np
import pytest
from execution import CHUNKED, WHOLE, built, check

import tinytorch as tt
from tinytorch.ir.parser import parse_graph
from tinytorch.passes.kernel import contraction

GRAPHS = {
    "a value read straight and through a flip": """graph f(%x: f64[3,2], %y: f64[3,2]) {
      %0: f64[3,2] = add(%x, %y)
      %1: f64[3,2] = flip(%0, axes=[0])
      %2: f64[3,2] = add(%0, %1)
      return %2
    }""",
    "a group whose one value its reader computes again": """graph f(%x: f64[2,2,3], %y: f64[2,3]) {
      %0: f64[2,3] = add(%y, %y)
      %1: f64[2,1,3] = reshape(%0, shape=[2,1,3])
      %2: f64[2,2,3] = broadcast_to(%1, shape=[2,2,3])
      %3: f64[2,2,3] = add(%x, %2)
      return %3
    }""",
    "a replaced block inside a replaced block": """
      graph f(%x: f64[8,8], %a: f64[3,1], %b: f64[2,1]) {
      %0: f64[8,8] = update_slice(%x, %a, starts=[2,1], steps=[2,1])
      %1: f64[8,8] = update_slice(%0, %b, starts=[5,7], steps=[2,2])
      return %1
    }""",
    "a padded value beside the value": """graph f(%x: f64[4], %y: f64[4]) {
      %0: f64[4] = add(%x, %y)
      %1: f64[2] = slice(%0, starts=[1], stops=[3], steps=[1])
      %2: f64[4] = pad(%1, low=[0], high=[2])
      %3: f64[4] = mul(%0, %2)
      return %3
    }""",
    "position over everything": """graph f(%x: f64[1,6]) {
      %0: i64[1,1] = argmin(%x, axes=[1])
      return %0
    }""",
    "position over leading axes": """graph f(%x: f64[5,6]) {
      %0: i64[1,6] = argmax(%x, axes=[0])
      return %0
    }""",
    "reductions over middle axes": """graph f(%x: f64[3,4,5], %y: f64[2,3,2,3]) {
      %0: f64[3,1,5] = sum(%x, axes=[1])
      %1: i64[3,1,5] = argmax(%x, axes=[1])
      %2: f64[2,1,2,1] = max(%y, axes=[1,3])
      return %0, %1, %2
    }""",
    "states that trade places": """graph f(state %p: f64[3], state %q: f64[3]) {
      return %p
      update %p <- %q
      update %q <- %p
    }""",
    "three states in a ring, one new": """
      graph f(state %p: f64[3], state %q: f64[3], state %r: f64[3]) {
      %0: f64[3] = add(%p, %q)
      return %r, %q
      update %p <- %q
      update %q <- %r
      update %r <- %0
    }""",
    "an old state returned": """graph f(state %p: f64[3]) {
      %0: f64[3] = neg(%p)
      return %p
      update %p <- %0
    }""",
    "rows of one kernel, some in place": """graph f(state %s: f64[6], %a: f64[6], %b: f64[6]) {
      %0: f64[6] = add(%a, %b)
      %1: f64[6] = add(%s, %b)
      return %0
      update %s <- %1
    }""",
    "a scalar computed from a member of its own kernel": """
      graph f(%x: i64[1], %i: i64[1], %y: i64[1], %z: f64[1,1]) {
      %0: i64[1] = gather(%x, %i, axis=0)
      %1: i64[1] = add(%0, %y)
      %2: i64[] = reshape(%1, shape=[])
      %3: i64[] = require_range(%2, low=-99, high=99, error="IndexError", message="range")
      return %z
    }""",
    "a product of a stored view": """graph f(%x: f64[8,1], %y: f64[2,1], state %s: f64[8,1]) {
      %0: f64[2,1] = slice(%x, starts=[0,0], stops=[2,1], steps=[1,1])
      %1: f64[1,2] = permute(%0, order=[1,0])
      %2: f64[1,1] = matmul(%1, %y)
      %3: f64[1,2] = update_slice(%1, %2, starts=[0,1], steps=[1,1])
      %4: f64[1,2] = full(value=0x1.4p+3, shape=[1,2], dtype=f64)
      %5: f64[1,2] = add(%3, %4)
      %6: f64[1,2] = require_nonzero(%5, error="RuntimeError", message="zero")
      %7: f64[8,1] = add(%s, %x)
      return %3
      update %s <- %7
    }""",
    "a total combined with a stored scalar": """graph f(%x: f64[6,6], %y: f64[1,1]) {
      %0: f64[6,6] = add(%x, %x)
      %1: f64[1,1] = min(%x, axes=[0,1])
      %2: f64[1,1] = maximum(%1, %y)
      return %2, %0
    }""",
    "one element for the whole it comes from": """graph f(%x: f64[6,1], %y: f64[1,1]) {
      %0: f64[6,1] = add(%x, %x)
      %1: f64[1,1] = slice(%0, starts=[0,0], stops=[2,1], steps=[2,1])
      %2: f64[1,1] = abs(%1)
      %3: f64[1,1] = add(%2, %y)
      %4: f64[6,1] = broadcast_to(%3, shape=[6,1])
      return %4
    }""",
    "nothing at all": """graph f(%x: f64[0,3], state %s: f64[0], %i: i64[0]) {
      %0: f64[0,3] = exp(%x)
      %1: f64[1,3] = sum(%0, axes=[0])
      %2: f64[3,0] = permute(%0, order=[1,0])
      %3: f64[3,3] = matmul(%2, %0)
      %4: f64[4,3] = put_add(%x, %i, axis=0, size=4)
      %5: f64[1,3] = cat(%x, %1, axis=0)
      %6: f64[0] = neg(%s)
      return %1, %3, %4, %5, %2
      update %s <- %6
    }""",
}  # fmt: skip


@pytest.mark.parametrize("fusing", [True, False])
@pytest.mark.parametrize("target", [WHOLE, CHUNKED], ids=["whole", "chunked"])
@pytest.mark.parametrize("name", sorted(GRAPHS))
def test_compiles_right(name, target, fusing, monkeypatch):
    graph = parse_graph(GRAPHS[name])
    source = np.random.default_rng(3)
    values = [
        np.zeros(n.type.shape, np.int64) if n.type.dtype.kind == "i"
        else np.asarray(source.integers(-5, 6, n.type.shape), np.float64)
        for n in graph.inputs
    ]  # fmt: skip
    check(graph, values, target=target, fusing=fusing, launcher="python")
    monkeypatch.setattr(contraction, "SMALL", 0)
    check(graph, values, target=target, fusing=fusing, launcher="python")


def test_a_check_nobody_reads_still_fails_and_leaves_state_alone():
    graph = parse_graph("""graph f(state %s: f64[3], %i: i64[4]) {
      %0: i64[4] = require_range(%i, low=0, high=3, error="IndexError", message="out")
      %1: f64[3] = neg(%s)
      return %1
      update %s <- %1
    }""")
    made = built(graph, WHOLE, True, "python")
    good, bad = np.array([0, 1, 2, 0]), np.array([0, 1, 3, 0])
    state = np.array([1.0, 2.0, 3.0])
    code, _, (after,) = made([state, good])
    assert (code, after.tolist()) == (0, [-1, -2, -3])
    code, _, (after,) = made([state, bad])
    assert after.tolist() == [1, 2, 3]
    assert made.program.messages[code - 1][0] == "IndexError"


def test_a_check_on_a_total_fails():
    graph = parse_graph("""graph f(%x: f64[50]) {
      %0: f64[1] = sum(%x, axes=[0])
      %1: f64[1] = require_nonzero(%0, error="ZeroDivisionError", message="zero")
      return %1
    }""")
    made = built(graph, CHUNKED, True, "python")
    assert made([np.ones(50)])[0] == 0
    assert made([np.zeros(50)])[0] == 1


def test_a_group_that_every_reader_computes_again_needs_no_kernel():
    def f(x):
        small = (tt.eye(3) * (2 * x) * 3).reshape(3, 1, 3)
        return (small * tt.eye(1).expand(3, 1, 3)).reshape(3, 3)

    x = tt.tensor([1.0, 2.0, 3.0])
    np.testing.assert_array_equal(tt.compile(f)(x).numpy(), f(x).numpy())


def test_a_row_value_written_in_place_comes_after_what_reads_the_old_one():
    graph = parse_graph("""graph f(%x: f64[5], state %s: f64[1]) {
      %0: i64[1] = argmax(%x, axes=[0])
      %1: f64[1] = cast(%0, dtype=f64)
      %2: f64[1] = mul(%s, %1)
      return %2
      update %s <- %1
    }""")
    check(graph, [np.array([1.0, 2.0, 3.0, 9.0, 4.0]), np.array([5.0])], launcher="python")
