"""Random graphs with symbolic sizes: one set of kernels computes them at every size."""

from __future__ import annotations

import numpy as np
import pytest
from execution import CHUNKED, WHOLE, Built, assert_same
from hypothesis import assume, given, settings
from symbolic_graphs import symbolic_graphs

from tinytorch.compiler import emit
from tinytorch.errors import SizeError
from tinytorch.ir.interpret import interpret
from tinytorch.ir.parser import parse_graph
from tinytorch.ir.printer import format_graph
from tinytorch.ir.verify import verify
from tinytorch.passes.base import PassManager
from tinytorch.passes.graph.sizes import with_sizes
from tinytorch.passes.pipeline import lower_for_any_size, optimize
from tinytorch.runtime.executable import load

SIZES = ((5, 4), (3, 3), (11, 7))


def check(made, target, launcher, tolerance=0.0, fusing=True, sizes=SIZES):
    """Compile once, run at several sizes, compare with the interpreter."""
    graph = verify(made.graph)
    try:
        optimized = verify(optimize(graph, PassManager()), "optimized")
        plan = lower_for_any_size(optimized, target, fusing)
    except SizeError:
        assume(False)
    sources = {}
    for n, m in sizes:
        program = plan({"n": n, "m": m})
        names = {k.name for k in program.kernels}
        assert not sources or names == sources.keys(), "another size needs other kernels"
        sources = sources or emit(program, target)
        known, _ = with_sizes(graph, {"n": n, "m": m})
        values = made.values(n, known)
        _, outputs, updates = Built(known, program, load(program, sources, launcher))(values)
        want = interpret(known, values)
        assert_same(want[0], outputs, tolerance)
        assert_same(want[1], updates, tolerance)


@settings(max_examples=100)
@given(made=symbolic_graphs(exact=True))
@pytest.mark.parametrize("fusing", [True, False])
@pytest.mark.parametrize("target", [WHOLE, CHUNKED], ids=["whole", "chunked"])
def test_texts_compute_the_graph_at_every_size(made, target, fusing):
    check(made, target, "python", fusing=fusing)


@settings(max_examples=60)
@given(made=symbolic_graphs(exact=False))
def test_texts_compute_the_smooth_graph_at_every_size(made):
    check(made, CHUNKED, "python", tolerance=1e-9)


@settings(max_examples=8)
@given(made=symbolic_graphs(exact=True, size=20))
def test_machine_code_computes_the_graph_at_every_size(made):
    check(made, CHUNKED, "pool", sizes=((5, 4), (40, 3), (3, 33)))


@settings(max_examples=100)
@given(made=symbolic_graphs(exact=True))
def test_text_round_trip(made):
    text = format_graph(made.graph)
    again = parse_graph(text)
    assert format_graph(again) == text
    assert again.hash() == made.graph.hash()


@settings(max_examples=50)
@given(made=symbolic_graphs(exact=True))
def test_optimised_graph_is_the_graph(made):
    optimized = verify(optimize(verify(made.graph), PassManager()), "optimized")
    for n, m in SIZES:
        before, _ = with_sizes(made.graph, {"n": n, "m": m})
        after, _ = with_sizes(optimized, {"n": n, "m": m})
        values = made.values(n, before)
        for want, got in zip(interpret(before, values), interpret(after, values)):
            assert_same(want, got)


def test_bits_do_not_depend_on_how_often_sizes_change():
    text = """graph f(%x: f64[n,4]) {
        %0: f64[1,4] = sum(%x, axes=[0])
        return %0
    }"""
    graph = parse_graph(text)
    plan = lower_for_any_size(optimize(graph, PassManager()), CHUNKED)
    found = []
    for n in (50, 20, 50):
        program = plan({"n": n})
        known, _ = with_sizes(graph, {"n": n})
        values = [np.random.default_rng(n).standard_normal((n, 4))]
        built = Built(known, program, load(program, emit(program, CHUNKED)))
        found.append(built(values)[1][0].tobytes())
    assert found[0] == found[2]
