"""Sub-traces: functions as graphs, closed over what they read from outside."""

from __future__ import annotations

import contextlib
from typing import Any

import agreement
import numpy as np
import pytest

import tinytorch as tt
from tinytorch import Tensor, nn, optim
from tinytorch.errors import TraceError
from tinytorch.ir import ops
from tinytorch.ir.types import TensorType, float32
from tinytorch.ir.verify import verify
from tinytorch.tracer.subtrace import apply_graph, close
from tinytorch.tracer.tensor import apply_node


def normal(*shape: int, seed: int = 0, requires_grad: bool = False) -> Tensor:
    return agreement.normal(*shape, seed=seed, dtype="f8", requires_grad=requires_grad)


def called(function: Any, *inputs: Tensor) -> Any:
    """Run a function as one ``call`` of its graph."""
    closed = close(function, inputs, "inner")
    operands = [*inputs, *closed.operands()]
    outputs = apply_node(ops.call, operands, {"graph": closed.graph})
    closed.advance()
    return closed.unflatten(outputs)


def applied(function: Any, *inputs: Tensor) -> Any:
    """Run a function op by op through its graph."""
    return close(function, inputs, "inner")(*inputs)


both = pytest.mark.parametrize("run", [called, applied])


def test_closure_converts_what_is_read_from_outside() -> None:
    w, b = normal(3, 3, requires_grad=True), normal(3, seed=1)
    closed = close(lambda x: {"y": x @ w + b, "again": w, "k": 3}, [normal(2, 3)], "f")
    verify(closed.graph)
    assert closed.count == 1
    assert [t is s for t, s in zip(closed.captures, (w, b), strict=True)] == [True, True]
    assert closed.flows == (True, True)
    assert closed.results == (0, 1, (3,))


def test_types_stand_for_examples() -> None:
    closed = close(lambda x: x.sum(), [TensorType(float32, (2, 3))], "f")
    assert closed.graph.outputs[0].type == TensorType(float32, ())
    assert closed.captures == ()


@both
def test_eager_values_and_gradients(run: Any) -> None:
    w = normal(3, 3, requires_grad=True)
    x = normal(2, 3, seed=1, requires_grad=True)
    want = (x @ w).tanh()
    want_grads = tt.autograd.grad(want.pow(2).sum(), (x, w))
    got = run(lambda a: (a @ w).tanh(), x)
    np.testing.assert_allclose(got.detach().numpy(), want.detach().numpy())
    for a, b in zip(tt.autograd.grad(got.pow(2).sum(), (x, w)), want_grads, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy())


@both
def test_second_derivative(run: Any) -> None:
    x = normal(4, requires_grad=True)
    y = run(lambda a: (a**3).sum(), x)
    (g,) = tt.autograd.grad(y, x, create_graph=True)
    (h,) = tt.autograd.grad(g.sum(), x)
    np.testing.assert_allclose(h.numpy(), 6 * x.detach().numpy(), rtol=1e-12)


@both
def test_only_results_that_depend_carry_gradients(run: Any) -> None:
    w = normal(3, requires_grad=True)
    y, z, n = run(lambda a: (a * w, a + 1, a.argmax()), normal(3, seed=1))
    assert y.requires_grad
    assert not n.requires_grad
    if run is applied:
        assert not z.requires_grad


@both
@pytest.mark.parametrize("depth", [1, 2])
def test_inside_a_compiled_step(run: Any, depth: int) -> None:
    def scenario(compile: Any) -> Any:
        layer = nn.Linear(3, 3)
        opt = optim.SGD(layer.parameters(), lr=0.1)

        def body(h: Tensor) -> Tensor:
            if depth == 1:
                return layer(h).tanh()
            return run(lambda k: layer(k).tanh(), h * 2) / 2

        @compile
        def step(x: Tensor, scale: float) -> Any:
            opt.zero_grad()
            h = x * scale
            loss = run(lambda k: (body(k) * h * scale).sum(), h)
            loss.backward()
            opt.step()
            return loss

        x = agreement.normal(2, 3)
        losses = [step(x, s) for s in (0.5, 0.25, 2.0)]
        return losses, list(layer.parameters())

    agreement.check(scenario, compiles=1)


@both
def test_gradients_taken_inside(run: Any) -> None:
    def scenario(compile: Any) -> Any:
        w = normal(3, seed=5, requires_grad=True)

        @compile
        def f(x: Tensor) -> Any:
            def inner(a: Tensor) -> Any:
                a = a.detach().requires_grad_()
                (g,) = tt.autograd.grad((a**3 * w).sum(), a, create_graph=True)
                (gw,) = tt.autograd.grad((a**2 * w).sum(), w)
                return g, gw

            g, gw = run(inner, x)
            (gg,) = tt.autograd.grad(g.sum(), w)
            return g, gw, gg

        return f(normal(3))

    agreement.check(scenario)


@both
def test_random_numbers_are_those_of_plain_code(run: Any) -> None:
    def scenario(compile: Any, how: Any) -> Any:
        @compile
        def f(x: Tensor) -> Any:
            first = tt.rand(3)
            second = how(lambda a: a * tt.rand(3), x)
            third = how(lambda a: how(lambda b: b + tt.rand(3), a), x)
            return first, second, third, tt.rand(2)

        x = tt.ones(3)
        return f(x), f(x), tt.rand(2)

    plain = agreement.check(lambda c: scenario(c, lambda f, *xs: f(*xs)))
    got = agreement.check(lambda c: scenario(c, run))
    agreement.assert_same(plain, got)


def test_views_and_writes_of_own_tensors() -> None:
    base = normal(4, 3)

    def f(x: Tensor) -> Any:
        out = tt.zeros(2, 3, dtype=tt.float64)
        out[0] = x[1]
        out[1] += base[2:].sum(0)
        return out, x.T

    def scenario(compile: Any) -> Any:
        return compile(lambda x: applied(f, x) if compile is not agreement.eagerly else f(x))(
            normal(2, 3, seed=3)
        )

    agreement.check(scenario)


def _writes_capture(w: Tensor) -> Any:
    return lambda x: (w.add_(1), x)[1]


def _sets_grad(w: Tensor) -> Any:
    def f(x: Tensor) -> Tensor:
        w.grad = x
        return x

    return f


REFUSED = {
    "a write to": _writes_capture,
    "assigning .grad": _sets_grad,
    "would accumulate": lambda w: lambda x: (x * w).sum().backward(),
}


@pytest.mark.parametrize("what", REFUSED)
@pytest.mark.parametrize("compiled", [False, True])
def test_side_effects_are_refused(what: str, compiled: bool) -> None:
    w = tt.ones(3, requires_grad=what == "would accumulate")
    run = lambda x: close(REFUSED[what](w), [x], "inner") and x  # noqa: E731
    run = tt.compile(run) if compiled else run
    with pytest.raises(TraceError, match=what):
        run(tt.ones(3))
    assert w.grad is None
    np.testing.assert_array_equal(w.detach().numpy(), np.ones(3, "f4"))


def test_inputs_are_not_written() -> None:
    with pytest.raises(TraceError, match="from outside"):
        close(lambda x: x.add_(1), [tt.ones(3)], "inner")


def test_a_tensor_of_an_ended_subtrace_is_refused() -> None:
    kept: list[Tensor] = []
    close(lambda x: (kept.append(x * 2), x)[1], [tt.ones(3)], "inner")
    with pytest.raises(TraceError, match="another trace"):
        kept[0] + 1
    with pytest.raises(TraceError, match="another trace"):
        close(lambda x: x + kept[0], [tt.ones(3)], "inner")


def test_a_gradient_through_the_outside_is_refused() -> None:
    w = tt.ones(3, requires_grad=True)
    h = w * 2
    with pytest.raises(TraceError, match="computations made outside"):
        close(lambda x: tt.autograd.grad((x * h).sum(), w, allow_unused=True), [w], "inner")


def test_an_error_leaves_the_trace_around_in_place() -> None:
    @tt.compile
    def f(x: Tensor) -> Tensor:
        with contextlib.suppress(ZeroDivisionError):
            close(lambda a: 1 / 0, [x], "inner")
        return x + 1

    np.testing.assert_array_equal(f(tt.ones(2)).numpy(), [2, 2])


def test_apply_graph_takes_the_operands_it_is_given() -> None:
    w = normal(3, requires_grad=True)
    closed = close(lambda x: x * w, [normal(3)], "f")
    other = normal(3, seed=9)
    (y,) = apply_graph(closed.graph, [other, other])
    np.testing.assert_allclose(y.numpy(), other.numpy() ** 2)
