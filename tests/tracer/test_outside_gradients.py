"""Gradients asked from outside a compiled call: what the call keeps for them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from agreement import Compile, check, normal

import tinytorch as tt
import tinytorch.nn.functional as F
from tinytorch import Tensor, nn, optim
from tinytorch.ir import ops
from tinytorch.passes.graph.partition import Partition
from tinytorch.tracer import subgraph

D = "f8"


def _products(graph: Any) -> int:
    return sum(node.op is ops.matmul for node in graph)


def _model() -> nn.Sequential:
    tt.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 6), nn.GELU(), nn.Linear(6, 3))


def test_backward_passes_compute_no_product_again(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[Any] = []

    def running(graph: Any, values: Any) -> Any:
        ran.append(graph)
        return run(graph, values)

    run = subgraph.run_subgraph
    monkeypatch.setattr("tinytorch.tracer.outside.run_subgraph", running)
    model = _model()
    f = tt.compile(model)
    f(normal(4, 5))
    assert len(f.graph.outputs) == 1  # nobody asked for a gradient: nothing is kept
    for number in range(3):
        f(normal(4, 5, seed=number)).square().sum().backward()
    again, first, second, third = ran
    assert _products(again) == 2
    assert first is second is third
    assert _products(first) == 5  # of weights, and of all inputs but the data
    assert len(f.graph.outputs) > 1
    assert f.cache_info().compiles == 1


def test_a_training_loop_with_the_optimizer_outside() -> None:
    def scenario(compile: Compile) -> Any:
        model = _model()
        model.insert(2, nn.BatchNorm1d(7))
        optimizer = optim.Adam(model.parameters(), lr=0.02)
        f = compile(lambda x, y: F.cross_entropy(model(x), y))
        losses = []
        for number in range(5):
            optimizer.zero_grad()
            loss = f(normal(8, 5, seed=number), tt.arange(8) % 3)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        return losses, model.state_dict()

    check(scenario, compiles=1, rtol=1e-4)


def test_results_differentiated_one_by_one_and_together() -> None:
    def scenario(compile: Compile) -> Any:
        w = normal(3, 3, dtype=D, requires_grad=True)

        @compile
        def f(x: Tensor) -> Any:
            h = (x @ w).tanh()
            return h.exp(), (h @ w).sin().sum(), (h > 0).sum()

        seen = []
        for kind in (0, 1, 2, 0, 1, 2):
            a, b, n = f(normal(2, 3, seed=kind, dtype=D))
            w.grad = None
            if kind == 0:
                a.sum().backward()
            elif kind == 1:
                b.backward(retain_graph=True)
                a.square().sum().backward()
            else:
                (a.sum() * b).backward()
            seen.append((w.grad, n))
        return seen

    check(scenario, compiles=1, rtol=1e-12)


def test_second_derivatives_after_residuals_are_kept() -> None:
    def scenario(compile: Compile) -> Any:
        w = normal(3, dtype=D, requires_grad=True)
        f = compile(lambda x: (x * w).exp() * (x * w).tanh())
        seen = []
        for number in range(3):
            x = normal(3, seed=number, dtype=D, requires_grad=True)
            (g,) = tt.autograd.grad(f(x).sum(), x, create_graph=number > 0)
            if number:
                (h,) = tt.autograd.grad((g * g).sum(), w)
                seen.append(h)
            seen.append(g)
        return seen

    check(scenario, rtol=1e-11)


def test_agrees_with_finite_differences() -> None:
    w = normal(3, 3, dtype=D, requires_grad=True)
    f = tt.compile(lambda x: F.layer_norm((x @ w).tanh() @ w, (3,)).softmax(-1) * x)
    x = normal(2, 3, seed=1, dtype=D, requires_grad=True)
    assert tt.autograd.gradcheck(f, (x,))
    assert tt.autograd.gradcheck(f, (x,))
    assert tt.autograd.gradgradcheck(f, (x,))


@pytest.mark.parametrize("warm", [False, True])
def test_what_the_backward_pass_reads_must_be_as_it_was(warm: bool) -> None:
    model = _model()
    f = tt.compile(model)
    x = normal(4, 5)
    if warm:
        f(x).sum().backward()
        f(x).sum().backward()
    last: Any = model[4]
    out = f(x)
    with tt.no_grad():
        last.weight.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.sum().backward()
    out = f(x)
    with tt.no_grad():
        last.bias.mul_(2)  # no gradient reads it
        out.mul_(0)  # nor its own result
    for p in model.parameters():
        p.grad = None
    out.sum().backward()
    assert all(p.grad is not None for p in model.parameters())


def test_writing_into_a_result_does_not_reach_what_is_kept() -> None:
    w = normal(3, dtype=D, requires_grad=True)
    f = tt.compile(lambda x: (x * w).exp())
    x = normal(3, seed=1, dtype=D)
    f(x).sum().backward()
    w.grad = None
    out = f(x)
    history = out.sum()
    with tt.no_grad():
        out.zero_()
    history.backward()
    np.testing.assert_allclose(w.grad.numpy(), x.numpy() * np.exp(x.numpy() * w.detach().numpy()))


def test_of_any_size() -> None:
    def scenario(compile: Compile) -> Any:
        model = _model()
        f = compile(model)
        seen = []
        for number, size in enumerate((4, 6, 9, 6, 5, 9)):
            model.zero_grad()
            f(normal(size, 5, seed=number)).square().mean().backward()
            seen.append([p.grad.clone() for p in model.parameters()])
        return seen

    check(scenario, compiles=2, rtol=1e-4)


def test_random_numbers_and_loops_and_checkpoints() -> None:
    def scenario(compile: Compile) -> Any:
        tt.manual_seed(3)
        w = normal(4, 4, dtype=D, requires_grad=True)

        def step(h: Tensor, x: Tensor) -> Any:
            h = (h @ w + x).tanh()
            return h, h.exp()

        @compile
        def f(xs: Tensor) -> Tensor:
            h, ys = tt.scan(step, xs[0], F.dropout(xs, 0.3))
            return tt.autograd.checkpoint(lambda a: (a @ w).exp() @ w, ys).sum() + h.sum()

        seen = []
        for number in range(3):
            w.grad = None
            f(normal(5, 4, seed=number, dtype=D)).backward()
            seen.append(w.grad)
        return seen

    check(scenario, compiles=1, rtol=1e-11)


def test_a_loop_runs_once_forwards_and_once_backwards() -> None:
    w = normal(4, 4, requires_grad=True)

    def step(h: Tensor, x: Tensor) -> Any:
        h = (h @ w + x).tanh()
        return h, h

    f = tt.compile(lambda xs: tt.scan(step, xs[0], xs)[1].sum())
    f(normal(5, 4)).backward()
    f(normal(5, 4)).backward()
    loops = [n for n in f._current.built.optimized if n.op is ops.scan_]
    assert len(loops) == 1
    partition: Partition = f._current.traced.partition
    (backward,) = partition._backwards.values()
    assert sum(n.op is ops.scan_ for n in backward.graph) == 1
