"""Control flow through the passes: merged, pruned, lowered, and the same values all the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import execution
import numpy as np
import pytest

import tinytorch as tt
from tinytorch.codegen.cuda.program import emit_program
from tinytorch.errors import CompileError, TypeRuleError
from tinytorch.ir import ops
from tinytorch.ir.graph import Graph, Node
from tinytorch.ir.interpret import interpret
from tinytorch.ir.parser import parse_graph
from tinytorch.ir.printer import format_graph
from tinytorch.ir.program import Branch, Loop
from tinytorch.ir.types import TensorType, bool_, float64, int64
from tinytorch.ir.verify import verify
from tinytorch.passes.base import PassManager
from tinytorch.passes.pipeline import optimize
from tinytorch.tracer.subtrace import close

F = float64


def traced(function: Callable[..., Any], *shapes: tuple[int, ...]) -> Graph:
    """The graph of a function on float64 tensors that require gradients."""
    examples = [tt.zeros(*s, dtype=F) for s in shapes]
    return close(function, examples, "f", flows=[True] * len(shapes)).graph


def values(graph: Graph, seed: int = 0) -> list[np.ndarray]:
    source = np.random.default_rng(seed)
    return [np.asarray(source.normal(size=n.type.shape)) for n in graph.inputs]


def counts(graph: Graph) -> Counter[str]:
    live = graph.live()
    return Counter(n.op.name for n in graph if n in live)


def rnn(w: Any, h: Any, xs: Any) -> Any:
    _, ys = tt.scan(lambda h, x: ((h @ w + x).tanh(),) * 2, h, xs)
    return (ys * ys).sum()


SHAPES = ((3, 3), (2, 3), (5, 2, 3))


def choose(x: Any, y: Any) -> Any:
    return tt.cond(x.sum() > 0, lambda a: (a * y, a.sum()), lambda a: (a - 1, y.sum()), (x,))


def newton(x: Any) -> Any:
    return tt.while_loop(
        lambda i, r: (i < 50) & (((r * r - x) ** 2).sum() > 1e-18),
        lambda i, r: (i + 1, (r + x / r) / 2), (0, x * 0 + 1),
    )  # fmt: skip


def nested_gradient(w: Any, h: Any, xs: Any) -> Any:
    def step(h: Any, x: Any) -> Any:
        h = tt.cond(h.sum() > 0, lambda h: (h @ w).sin(),
                    lambda h: tt.fori_loop(0, 3, lambda i, v: v * 0.5 + x, h), (h,))  # fmt: skip
        return h, h.sum()

    last, ys = tt.scan(step, h, xs, reverse=True)
    return tt.autograd.grad((ys * ys).sum() + last.sum(), (w, h, xs))


CASES: dict[str, tuple[Callable[..., Any], tuple[tuple[int, ...], ...]]] = {
    "scan": (rnn, SHAPES),
    "gradient": (lambda *xs: tt.autograd.grad(rnn(*xs), xs), SHAPES),
    "cond": (choose, ((4,), (4,))),
    "cond gradient": (
        lambda x, y: tt.autograd.grad(sum(r.sum() for r in choose(x, y)), (x, y)), ((4,), (4,)),
    ),
    "while": (lambda x: newton(x * x + 0.5), ((3,),)),
    "nested": (nested_gradient, SHAPES),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("launcher", ["pool", "python"])
def test_lowered_is_interpreted(name: str, launcher: str) -> None:
    function, shapes = CASES[name]
    graph = traced(function, *shapes)
    for seed in range(2):
        execution.check(graph, values(graph, seed), launcher=launcher, tolerance=1e-12)


@pytest.mark.parametrize("name", CASES)
def test_passes_keep_values_and_text_comes_back(name: str) -> None:
    function, shapes = CASES[name]
    graph = verify(traced(function, *shapes))
    optimized = verify(optimize(graph, PassManager()), "optimized")
    for seed in range(2):
        at = values(graph, seed)
        execution.assert_same(interpret(graph, at)[0], interpret(optimized, at)[0], 1e-12)
    for each in (graph, optimized):
        text = format_graph(each, origins=False)
        assert format_graph(parse_graph(text), origins=False) == text
        assert parse_graph(text).hash() == each.hash()


def test_a_gradient_takes_two_loops() -> None:
    graph = traced(CASES["gradient"][0], *SHAPES)
    assert counts(graph)["scan"] == 3
    assert counts(optimize(graph, PassManager()))["scan"] == 2


def test_a_branch_runs_once_and_keeps_what_its_gradient_reads() -> None:
    def gradient(x: Any, w: Any) -> Any:
        y, z = tt.cond(
            x.sum() > 0, lambda x: ((x @ w).exp() @ w, x), lambda x: (x.sin(), (x @ w).cos()), (x,)
        )
        return tt.autograd.grad((y * y).sum() + (z * z).sum(), (x, w))

    graph = traced(gradient, (3, 3), (3, 3))
    forward, backward = (n for n in optimize(graph, PassManager()) if n.op is ops.cond)
    true, false = forward.attrs["true"], forward.attrs["false"]
    assert [counts(g)["matmul"] for g in (true, false)] == [2, 1]
    assert len(true.outputs) == 2 + 1  # exp of a product in one branch, a product in the other
    true, false = backward.attrs["true"], backward.attrs["false"]
    assert [counts(g)["matmul"] for g in (true, false)] == [4, 2]
    assert not counts(true)["exp"]
    for seed in range(3):
        execution.check(graph, values(graph, seed), tolerance=1e-12)


def test_values_and_tangents_take_one_loop() -> None:
    def both(w: Any, h: Any, xs: Any, t: Any) -> Any:
        return rnn(w, h, xs), tt.func.jvp(lambda h: rnn(w, h, xs), (h,), (t,))

    graph = traced(both, *SHAPES, SHAPES[1])
    assert counts(graph)["scan"] > 1
    assert counts(optimize(graph, PassManager()))["scan"] == 1


def test_loops_of_which_one_needs_the_other_stay_apart() -> None:
    def chained(x: Any, xs: Any) -> Any:
        a, _ = tt.scan(lambda c, v: (c * v, None), x, xs)
        return tt.scan(lambda c, v: (c * v + a, None), x, xs)[0]

    graph = traced(chained, (2,), (3, 2))
    assert counts(optimize(graph, PassManager()))["scan"] == 2
    execution.check(graph, values(graph), tolerance=1e-12)


def test_what_nobody_reads_is_not_computed() -> None:
    def wasteful(x: Any, xs: Any, other: Any) -> Any:
        (a, _, _), _ = tt.scan(
            lambda c, v: ((c[0] * v[0], c[1].exp(), c[2]), v[1].sum()), (x, x, x), (xs, other)
        )
        return a

    graph = optimize(traced(wasteful, (2,), (3, 2), (3, 4)), PassManager())
    (scan,) = (n for n in graph if n.op is ops.scan_ and n in graph.live())
    assert (scan.attrs["carries"], scan.attrs["slices"], len(scan.inputs)) == (1, 1, 2)
    assert not counts(scan.attrs["body"])["exp"]


def test_a_predicate_known_beforehand_leaves_one_branch() -> None:
    branches = {name: branch(op) for name, op in (("true", ops.exp), ("false", ops.sin))}
    for value, op in ((True, "exp"), (False, "sin")):
        whole = Graph("f")
        x = whole.add_input(TensorType(F, (3,)), "x")
        chosen = whole.add(ops.cond, [whole.constant(value, (), bool_), x], **branches)
        whole.outputs = [whole.add(ops.get, [chosen], index=0)]
        assert set(counts(optimize(whole, PassManager()))) == {"input", op}


def branch(op: Any, shape: tuple[int, ...] = (3,)) -> Graph:
    graph = Graph(op.name)
    graph.outputs = [graph.add(op, [graph.add_input(TensorType(F, shape), "x")])]
    return graph.freeze()


def test_program_text_shows_what_is_inside() -> None:
    text = tt.compile(nested_gradient)
    inputs = [tt.zeros(*s, dtype=F, requires_grad=True) for s in SHAPES]
    text(*inputs)
    shown = text.stages["program"]
    for part in ("loop 5 times in reverse", "carry s", "bytes a run", "if s", "else"):
        assert part in shown
    assert any(isinstance(s, Loop) for s in text.program.steps)


def test_cuda_text_is_refused() -> None:
    program = execution.plan(traced(choose, (4,), (4,)))
    assert any(isinstance(s, Branch) for s in program.steps)
    with pytest.raises(CompileError, match="cond, scan and while_loop"):
        emit_program(program)


def rows(xs: Any) -> Any:
    return tt.scan(lambda h, x: ((h * x).tanh(),) * 2, xs[0], xs)[1]


@pytest.mark.parametrize(
    ("function", "kind"), [(choose, "cond"), (rows, "scan"), (newton, "while_loop")]
)
def test_the_refusal_of_cuda_text_names_line_and_remedy(function: Any, kind: str) -> None:
    compiled = tt.compile(function)
    compiled(*(tt.ones(4, 1) for _ in range(function.__code__.co_argcount)))
    lines = range(*(function.__code__.co_firstlineno + n for n in (1, 8)))
    with pytest.raises(CompileError, match=f"a {kind} cannot.*(where|Python)") as caught:
        emit_program(compiled.program)
    assert any(f"(at test_control.py:{line})" in str(caught.value) for line in lines)


def test_cuda_text_for_any_size_is_refused_with_lines_and_a_remedy() -> None:
    compiled = tt.compile(lambda x: x.softmax(1))
    for size in (3, 4):
        compiled(tt.ones(2, size))
    with pytest.raises(CompileError, match=r"\(at test_control.py:\d+\).*arguments of one size"):
        emit_program(compiled.program)


def added(op: Any, inputs: list[TensorType], **attrs: Any) -> Node:
    graph = Graph("f")
    return graph.add(op, [graph.add_input(t, "x") for t in inputs], **attrs)


def test_type_rules_name_both_sides() -> None:
    x, p = TensorType(F, (3,)), TensorType(bool_, ())
    with pytest.raises(TypeRuleError, match="one bool"):
        added(ops.cond, [x, x], true=branch(ops.exp), false=branch(ops.sin))
    with pytest.raises(TypeRuleError, match=r"takes \(f64\[4\]\), is given \(f64\[3\]\)"):
        added(ops.cond, [p, x], true=branch(ops.exp), false=branch(ops.sin, (4,)))
    attrs: Any = {"carries": 0, "slices": 1, "length": 5, "reverse": False}
    with pytest.raises(TypeRuleError, match="5 slices"):
        added(ops.scan_, [x], body=branch(ops.exp, ()), **attrs)
    with pytest.raises(TypeRuleError, match="must return one bool"):
        added(ops.while_, [x], condition=branch(ops.exp), body=branch(ops.exp), carries=1)
    changed = Graph("changed")
    y = changed.add_input(x, "x")
    changed.outputs = [changed.add(ops.cast, [y], dtype=int64)]
    attrs |= {"carries": 1, "slices": 0}
    with pytest.raises(TypeRuleError, match=r"carry \(f64\[3\]\), returns \(i64\[3\]\)"):
        added(ops.scan_, [x], body=changed, **attrs)
