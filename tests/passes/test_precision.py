"""Sums of halves are made in float32."""

from __future__ import annotations

import numpy as np
import pytest
from execution import check

from tinytorch.ir.parser import parse_graph
from tinytorch.ir.storage import stored
from tinytorch.ir.types import BY_SHORT
from tinytorch.passes.graph.precision import widen_sums

TEXT = """graph g(%x: HALF[3,40], %w: HALF[5,40], %i: i64[3]) {
  %0: HALF[40,5] = permute(%w, order=[1,0])
  %1: HALF[3,5] = matmul(%x, %0)
  %2: HALF[1,40] = sum(%x, axes=[0])
  %3: HALF[4,40] = put_add(%x, %i, axis=0, size=4)
  %4: HALF[3,40] = exp(%x)
  %5: HALF[3,40] = cumsum(%4, axis=1, reverse=False)
  %6: HALF[3,1] = max(%5, axes=[1])
  return %1, %2, %3, %4, %5, %6
}
"""


@pytest.mark.parametrize("short", ["f16", "bf16"])
def test_what_accumulates_takes_and_gives_float32(short: str) -> None:
    graph = widen_sums(parse_graph(TEXT.replace("HALF", short)))
    adding = [n for n in graph if n.op.accumulates]
    assert [n.op.name for n in adding] == ["matmul", "sum", "put_add", "cumsum"]
    assert {n.type.dtype.name for n in adding} == {"float32"}
    left, right = adding[0].inputs
    assert [left.op.name, right.op.name, right.inputs[0].op.name] == ["cast", "permute", "cast"]
    assert [n.type.dtype.short for n in graph.outputs] == [short] * 6
    assert widen_sums(graph) is graph


@pytest.mark.parametrize("launcher", ["pool", "python"])
@pytest.mark.parametrize("short", ["f16", "bf16"])
def test_compiled_text_and_plain_python_agree(short: str, launcher: str) -> None:
    rng = np.random.default_rng(3)
    x, w = (stored(rng.integers(-4, 5, s) / 8, BY_SHORT[short]) for s in ((3, 40), (5, 40)))
    graph = parse_graph(TEXT.replace("HALF", short))
    check(graph, [x, w, np.array([3, 0, 3])], launcher=launcher)
