"""Random graphs mean the same at every stage: text, optimised graph, program, fused or not."""

from __future__ import annotations

from unittest import mock

import numpy as np
import pytest
from execution import CHUNKED, WHOLE, assert_same, built, check, plan
from hypothesis import given, settings
from strategies import graphs

from tinytorch.ir.interpret import interpret
from tinytorch.ir.parser import parse_graph
from tinytorch.ir.printer import format_graph
from tinytorch.ir.program import Copy, Launch
from tinytorch.ir.verify import verify
from tinytorch.passes.base import PassManager
from tinytorch.passes.kernel import contraction
from tinytorch.passes.pipeline import optimize

_SMOOTH = 1e-9


@settings(max_examples=150)
@given(made=graphs(exact=True))
def test_optimised_graph_is_the_graph(made):
    graph, values = made
    optimized = verify(optimize(verify(graph), PassManager()), "optimized")
    want, got = interpret(graph, values), interpret(optimized, values)
    assert_same(want[0], got[0])
    assert_same(want[1], got[1])


@settings(max_examples=100)
@given(made=graphs(exact=False))
def test_optimised_smooth_graph_is_the_graph(made):
    graph, values = made
    optimized = verify(optimize(verify(graph), PassManager()), "optimized")
    assert_same(interpret(graph, values)[0], interpret(optimized, values)[0], _SMOOTH)


@settings(max_examples=60)
@given(made=graphs(exact=True))
@pytest.mark.parametrize("fusing", [True, False])
@pytest.mark.parametrize("target", [WHOLE, CHUNKED], ids=["whole", "chunked"])
def test_texts_compute_the_graph(made, fusing, target):
    graph, values = made
    check(graph, values, target=target, fusing=fusing, launcher="python")


@settings(max_examples=40)
@given(made=graphs(exact=False))
@pytest.mark.parametrize("target", [WHOLE, CHUNKED], ids=["whole", "chunked"])
def test_texts_compute_the_smooth_graph(made, target):
    graph, values = made
    check(graph, values, target=target, launcher="python", tolerance=_SMOOTH)


@settings(max_examples=30)
@given(made=graphs(exact=True))
def test_library_products_compute_the_graph(made):
    graph, values = made
    with mock.patch.object(contraction, "SMALL", 0):
        check(graph, values, launcher="python")


@settings(max_examples=8)
@given(made=graphs(exact=True, size=20))
def test_machine_code_computes_the_graph(made):
    graph, values = made
    check(graph, values, target=CHUNKED)


@settings(max_examples=100)
@given(made=graphs(exact=True))
def test_text_round_trip(made):
    graph, _ = made
    text = format_graph(graph)
    again = parse_graph(text)
    assert format_graph(again) == text
    assert again.hash() == graph.hash()


@settings(max_examples=80)
@given(made=graphs(exact=True, size=25))
def test_live_values_never_overlap(made):
    """A block of the arena is written again only after the last read of what it held."""
    graph, _ = made
    program = plan(graph, CHUNKED)
    slots = {s.id: s for s in program.slots}
    # A slot for one element of a value lies inside the value's own slot.
    whole = {
        s.id: int(s.note.rpartition("of s")[2])
        for s in program.slots if s.note.startswith("element ")
    }  # fmt: skip
    spans: dict[int, list[int]] = {}
    for when, step in enumerate(program.steps):
        for slot in _touched(step):
            slot = whole.get(slot, slot)
            if slots[slot].offset is not None:
                spans.setdefault(slot, []).append(when)
    live = [(slots[s], min(t), max(t)) for s, t in spans.items()]
    for i, (a, a0, a1) in enumerate(live):
        assert a.offset % 64 == 0
        assert a.offset + a.nbytes <= program.arena_bytes
        for b, b0, b1 in live[:i]:
            if a0 <= b1 and b0 <= a1:
                assert a.offset + a.nbytes <= b.offset or b.offset + b.nbytes <= a.offset


def _touched(step) -> list[int]:
    if isinstance(step, Launch):
        return [s for row in step.rows for s in row.slots]
    if isinstance(step, Copy):
        return [step.source, step.target]
    return [step.left, step.right, step.out]


@settings(max_examples=40)
@given(made=graphs(exact=False, size=10))
def test_fusion_changes_rounding_at_most(made):
    graph, values = made
    (_, fused, _), (_, apart, _) = (
        built(graph, WHOLE, fusing, "python")(values) for fusing in (True, False)
    )
    for a, b in zip(fused, apart):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9 * (1 + np.abs(a).max(initial=0)))
