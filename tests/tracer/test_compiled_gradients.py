"""Gradients inside, outside and through compiled functions, of first and higher order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from agreement import Compile, check, normal

import tinytorch as tt
from tinytorch import Tensor, nn

D = "f8"


def test_autograd_grad_inside() -> None:
    def scenario(compile: Compile) -> Any:
        w = normal(3, dtype=D, requires_grad=True)

        @compile
        def f(x: Tensor) -> Any:
            y = (w * x).exp().sum()
            (g,) = tt.autograd.grad(y, w)
            z = (w * w).sum() + (x * 2).sum()
            both = tt.autograd.grad([z, z * 3], [w])
            return g, both, y

        return f(normal(3, seed=1, dtype=D)), w.grad is None

    check(scenario, compiles=1, rtol=1e-12)


def test_second_derivatives_inside() -> None:
    def scenario(compile: Compile) -> Any:
        w = normal(3, dtype=D, requires_grad=True)

        @compile
        def f(x: Tensor) -> Any:
            w.grad = None
            y = (w * x).tanh().sum() + (w**3).sum()
            (g,) = tt.autograd.grad(y, w, create_graph=True)
            (h,) = tt.autograd.grad(g.sum(), w, create_graph=True)
            penalty = (g * g).sum() + (h * h).sum()
            penalty.backward()
            return g, h, penalty

        x = normal(3, seed=1, dtype=D)
        return f(x), f(x), w.grad

    check(scenario, compiles=1, rtol=1e-11)


def test_backward_outside_through_a_compiled_model() -> None:
    def scenario(compile: Compile) -> Any:
        model = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3))
        f = compile(model)
        seen = []
        for number in range(3):
            x = normal(6, 4, seed=number)
            x.requires_grad_()
            out = f(x)
            (out.square().mean() + x.sum()).backward()
            seen.append([x.grad, out, *(p.grad.clone() for p in model.parameters())])
        return seen

    check(scenario, compiles=1)


def test_outside_gradients_reach_every_result() -> None:
    def scenario(compile: Compile) -> Any:
        @compile
        def f(x: Tensor, s: float) -> Any:
            y = x * s
            return y, y.sum(), {"z": (y * x, y.detach(), y[0])}

        x = normal(3, dtype=D, requires_grad=True)
        y, total, rest = f(x * 1.0, 2.0)
        z, silent, first = rest["z"]
        flags = [t.requires_grad for t in (y, total, z, silent, first)]
        (y.sum() * 2 + total + (z * z).sum() + silent.sum() + first * 3).backward()
        return x.grad, flags

    check(scenario, compiles=1, rtol=1e-12)


def test_second_derivatives_outside() -> None:
    def scenario(compile: Compile) -> Any:
        f = compile(lambda x, y: (x.exp() * y).sin())
        x = normal(3, dtype=D, requires_grad=True)
        y = normal(3, seed=1, dtype=D, requires_grad=True)
        (g,) = tt.autograd.grad(f(x, y).sum(), x, create_graph=True)
        (h,) = tt.autograd.grad((g * g).sum(), x, create_graph=True)
        (h.sum() + f(x, y).sum()).backward()
        return g, h, x.grad, y.grad

    check(scenario, rtol=1e-11)


def test_a_compiled_function_inside_another() -> None:
    def scenario(compile: Compile) -> Any:
        w = normal(3, dtype=D, requires_grad=True)
        inner = compile(lambda x: (x * w).tanh())

        @compile
        def outer(x: Tensor) -> Tensor:
            w.grad = None
            loss = (inner(x) + inner(x * 2)).sum()
            loss.backward()
            return loss

        x = normal(3, seed=1, dtype=D)
        alone = inner(x)
        return outer(x), w.grad, outer(x * 3), w.grad, alone, inner(x)

    check(scenario, compiles=2, rtol=1e-12)


def test_a_chain_of_compiled_calls_outside() -> None:
    def scenario(compile: Compile) -> Any:
        w = normal(3, 3, requires_grad=True)
        layer = compile(lambda x: (x @ w).tanh())
        x = normal(2, 3, seed=1)
        for _ in range(5):
            x = layer(x)
        x.sum().backward()
        return w.grad, x

    check(scenario)


def test_state_written_after_its_use_is_saved_for_outside_gradients() -> None:
    def scenario(compile: Compile) -> Any:
        running = tt.ones(3, dtype=tt.float64)

        @compile
        def f(x: Tensor) -> Tensor:
            out = x * running
            running.add_(1)
            return out

        x = normal(3, dtype=D, requires_grad=True)
        if compile.__name__ == "eagerly":  # eager refuses: the write spoils a saved value
            out = x * tt.ones(3, dtype=tt.float64) + x * 2
            running.add_(2)
        else:
            out = f(x) + f(x)
        out.sum().backward()
        return x.grad, running

    check(scenario, rtol=1e-12)


def test_a_graph_run_backward_inside_is_freed_outside() -> None:
    w = normal(3, requires_grad=True)

    @tt.compile
    def f(x: Tensor) -> Tensor:
        loss = (w * x).sum()
        loss.backward()
        return loss

    loss = f(tt.ones(3))
    assert loss.requires_grad
    with pytest.raises(RuntimeError, match="second time"):
        loss.backward()


def test_a_call_can_be_retained_but_not_run_twice() -> None:
    w = normal(3, requires_grad=True)
    f = tt.compile(lambda x: (w * x).square().sum())
    loss = f(tt.ones(3))
    loss.backward(retain_graph=True)
    loss.backward()
    np.testing.assert_allclose(w.grad.numpy(), 4 * w.detach().numpy(), rtol=1e-6)
    with pytest.raises(RuntimeError, match="second time"):
        loss.backward()


def test_modifying_an_input_before_outside_backward_is_refused() -> None:
    w = normal(3, requires_grad=True)
    f = tt.compile(lambda x: w * x)
    x = tt.ones(3)
    out = f(x)
    x.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.sum().backward()


def test_grad_mode_decides_whether_results_carry_history() -> None:
    w = normal(3, requires_grad=True)
    f = tt.compile(lambda x: w * x)
    with tt.no_grad():
        assert not f(tt.ones(3)).requires_grad
    assert f(tt.ones(3)).requires_grad
    assert f.cache_info().compiles == 2


def test_a_non_leaf_argument_joins_the_outer_graph() -> None:
    def scenario(compile: Compile) -> Any:
        w = normal(4, 4, dtype=D, requires_grad=True)
        f = compile(lambda h: (h * h).sum(1))
        x = normal(2, 4, seed=1, dtype=D)
        f((x @ w).relu()).sum().backward()
        return w.grad

    check(scenario, compiles=1, rtol=1e-12)


def test_integer_and_detached_results_have_no_history() -> None:
    f = tt.compile(lambda x: (x.argmax(), x > 0, x.detach() * 2))
    for result in f(normal(5, requires_grad=True)):
        assert not result.requires_grad
