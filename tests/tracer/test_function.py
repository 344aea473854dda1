"""autograd.Function: the context, the tape, create_graph, and the same under compile."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from agreement import Compile, check, normal

import tinytorch as tt
from tinytorch import Tensor
from tinytorch.autograd import Function, grad, gradcheck, gradgradcheck, once_differentiable
from tinytorch.errors import TraceError


def leaf(*values: float) -> Tensor:
    return tt.tensor(values, dtype=tt.float64, requires_grad=True)


class Scaled(Function):
    """k * x * x, with an argument that is no tensor."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, k: float) -> Tensor:
        ctx.save_for_backward(x)
        ctx.k = k
        return x * x * k

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        return g * 2 * x * ctx.k, None


class Exponential(Function):
    """exp, saving its output."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        y = x.exp()
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        return g * ctx.saved_tensors[0]


class Pair(Function):
    """A product and a sum."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor) -> Any:
        ctx.save_for_backward(a, b)
        return a * b, a + b

    @staticmethod
    def backward(ctx: Any, g: Tensor, h: Tensor) -> Any:
        a, b = ctx.saved_tensors
        return g * b + h, g * a + h


class Straight(Function):
    """Rounds, and passes gradients straight through."""

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return x.round()

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        return g * 10


def test_values_gradients_and_names() -> None:
    x = leaf(1.0, 2.0)
    y = Scaled.apply(x, 3.0)
    assert y.grad_fn.name() == "ScaledBackward"
    assert y.tolist() == [3.0, 12.0]
    (g,) = grad(y.sum(), x, create_graph=True)
    (h,) = grad(g.sum(), x)
    assert (g.tolist(), h.tolist()) == ([6.0, 12.0], [6.0, 6.0])
    assert not Scaled.apply(x.detach(), 1.0).requires_grad
    with tt.no_grad():
        assert not Scaled.apply(x, 1.0).requires_grad


def test_a_saved_output_carries_higher_derivatives() -> None:
    x = leaf(0.5, 1.0)
    y = Exponential.apply(x)
    for _ in range(3):
        (y,) = grad(y.sum(), x, create_graph=True)
        np.testing.assert_allclose(y.detach().numpy(), np.exp([0.5, 1.0]), rtol=1e-15)


def test_several_outputs_and_missing_cotangents() -> None:
    a, b = leaf(1.0, 2.0), leaf(3.0, 4.0)
    product, _ = Pair.apply(a, b)
    product.sum().backward()
    assert (a.grad.tolist(), b.grad.tolist()) == ([3.0, 4.0], [1.0, 2.0])
    product, total = Pair.apply(a, b)
    (product * total).sum().backward()
    assert a.grad.tolist() == [18.0, 36.0]


def test_derivatives_by_differences() -> None:
    assert gradcheck(Pair.apply, (leaf(1.0, 2.0), leaf(3.0, 4.0)))
    assert gradgradcheck(Pair.apply, (leaf(1.0, 2.0), leaf(3.0, 4.0)))
    assert gradgradcheck(Exponential.apply, (leaf(0.3, 0.4),))


def test_cotangents_are_materialized_unless_told_otherwise() -> None:
    seen = []

    class Two(Function):
        @staticmethod
        def forward(ctx: Any, a: Tensor) -> Any:
            ctx.set_materialize_grads(False)
            return a * 2, a * 3

        @staticmethod
        def backward(ctx: Any, g: Any, h: Any) -> Any:
            seen.append((g is None, h is None))
            return h * 3

    a = leaf(1.0)
    Two.apply(a)[1].sum().backward()
    assert (seen, a.grad.item()) == ([(True, False)], 3.0)


def test_outputs_marked_non_differentiable() -> None:
    class Parts(Function):
        @staticmethod
        def forward(ctx: Any, a: Tensor) -> Any:
            half, mask, constant = a * 2, a > 0, a * 5
            ctx.mark_non_differentiable(mask, constant)
            return half, mask, constant

        @staticmethod
        def backward(ctx: Any, g: Tensor, _: Any, zero: Tensor) -> Tensor:
            return g * 2 + zero

    def scenario(compile: Compile) -> Any:
        a = leaf(1.0)

        def f(a: Tensor) -> Any:
            half, mask, constant = Parts.apply(a)
            (g,) = grad(half.sum(), a)
            return g, half.requires_grad, mask.requires_grad, constant.requires_grad, mask

        return compile(f)(a)

    got = check(scenario)
    assert got[1:4] == [True, False, False]


def test_needs_input_grad_and_arguments_by_name() -> None:
    seen = []

    class Keyed(Function):
        @staticmethod
        def forward(ctx: Any, a: Tensor, b: Tensor, text: str = "t") -> Tensor:
            seen.append((ctx.needs_input_grad, text))
            return a * b

        @staticmethod
        def backward(ctx: Any, g: Tensor) -> Any:
            return g, g, None

    Keyed.apply(leaf(1.0), b=tt.ones(1, dtype=tt.float64)).sum().backward()
    assert seen == [((True, False, False), "t")]


def test_an_input_returned_is_an_output_of_its_own() -> None:
    class Same(Function):
        @staticmethod
        def forward(ctx: Any, a: Tensor) -> Tensor:
            return a

        @staticmethod
        def backward(ctx: Any, g: Tensor) -> Tensor:
            return g * 10

    a = leaf(3.0)
    b = a * 2
    c = Same.apply(b)
    (c + b).sum().backward()
    assert c is not b
    assert a.grad.item() == 22.0


def test_an_input_written_in_place() -> None:
    class Tripled(Function):
        @staticmethod
        def forward(ctx: Any, a: Tensor) -> Tensor:
            a.mul_(3)
            ctx.mark_dirty(a)
            return a

        @staticmethod
        def backward(ctx: Any, g: Tensor) -> Tensor:
            return g * 3

    a = leaf(3.0, 4.0)
    b = a * 1
    assert Tripled.apply(b) is b
    (b * b).sum().backward()
    assert a.grad.tolist() == [54.0, 72.0]
    with pytest.raises(RuntimeError, match="in-place operation"):
        Tripled.apply(leaf(1.0))
    with pytest.raises(TraceError, match="mark_dirty"):
        tt.compile(lambda x: Tripled.apply(x * 1))(a)


def test_gradients_are_summed_to_the_shape_of_the_argument() -> None:
    class Broadcast(Function):
        @staticmethod
        def forward(ctx: Any, a: Tensor) -> Tensor:
            return a + tt.ones(3, 2, dtype=tt.float64)

        @staticmethod
        def backward(ctx: Any, g: Tensor) -> Tensor:
            return g

    a = leaf(1.0, 2.0)
    Broadcast.apply(a).sum().backward()
    assert a.grad.tolist() == [3.0, 3.0]


def function_with(backward: Any, save: Any = None) -> type[Function]:
    class Doubled(Function):
        @staticmethod
        def forward(ctx: Any, a: Tensor, *rest: Any) -> Tensor:
            ctx.save_for_backward(*(save or (a,)))
            return a * 2

    Doubled.backward = staticmethod(backward)
    return Doubled


@pytest.mark.parametrize(("make", "message"), [
    (lambda x: function_with(lambda ctx, g: g).apply(x, leaf(2.0)), "incorrect number"),
    (lambda x: function_with(lambda ctx, g: (g, g)).apply(x, 2.0), "not a Variable"),
    (lambda x: function_with(lambda ctx, g: tt.ones(3)).apply(x), "invalid gradient"),
    (lambda x: function_with(Function.backward).apply(x), "must implement either"),
    (lambda x: Scaled()(x), "Legacy"),
    (lambda x: function_with(None, save=(3,)).apply(x), "can only save variables"),
])  # fmt: skip
@pytest.mark.parametrize("compiled", [False, True])
def test_refusals(make: Any, message: str, compiled: bool) -> None:
    def run(x: Tensor) -> Any:
        return grad(make(x).sum(), x)

    with pytest.raises((RuntimeError, TypeError, NotImplementedError), match=message):
        (tt.compile(run) if compiled else run)(leaf(1.0, 2.0))


def test_saved_tensors_are_freed_and_watched() -> None:
    y = Exponential.apply(leaf(1.0)).sum()
    y.backward(retain_graph=True)
    y.backward()
    with pytest.raises(RuntimeError, match="second time"):
        y.backward()
    b = leaf(1.0) * 1
    y = Scaled.apply(b, 2.0).sum()
    b.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.backward()


def test_once_differentiable() -> None:
    class Once(Function):
        @staticmethod
        def forward(ctx: Any, a: Tensor) -> Tensor:
            ctx.save_for_backward(a)
            return a * a

        @staticmethod
        @once_differentiable
        def backward(ctx: Any, g: Tensor) -> Tensor:
            return 2 * g * ctx.saved_tensors[0]

    a, seed = leaf(3.0), leaf(1.0)
    (g,) = grad(Once.apply(a), a, seed, create_graph=True)
    assert g.item() == 6.0
    with pytest.raises(RuntimeError, match="once_differentiable"):
        g.sum().backward()

    @tt.compile
    def second(x: Tensor) -> Any:
        (g,) = grad(Once.apply(x).sum(), x, create_graph=True)
        return grad(g.sum(), x)

    with pytest.raises(RuntimeError, match="once_differentiable"):
        second(a)


def test_backward_may_use_anything_that_python_offers_when_eager() -> None:
    class Looked(Function):
        @staticmethod
        def forward(ctx: Any, a: Tensor) -> Tensor:
            ctx.array = a.detach().numpy().copy()
            return tt.from_numpy(np.sin(ctx.array))

        @staticmethod
        def backward(ctx: Any, g: Tensor) -> Tensor:
            if g.item() > 1e9:
                raise AssertionError
            return g * tt.from_numpy(np.cos(ctx.array))

    x = leaf(0.5)
    Looked.apply(x).sum().backward()
    assert x.grad.item() == np.cos(0.5)
    with pytest.raises(TraceError):
        tt.compile(lambda a: Looked.apply(a))(x)


# ------------------------------------------------------------------- compiled


@pytest.mark.parametrize("inside", [True, False], ids=["inside", "outside"])
def test_compiled_as_eager(inside: bool) -> None:
    def scenario(compile: Compile) -> Any:
        w = normal(3, seed=1, dtype="f8", requires_grad=True)

        def loss(x: Tensor) -> Tensor:
            product, total = Pair.apply(Exponential.apply(w * x), Scaled.apply(w, 0.5))
            return (product * Straight.apply(total * 3)).sum()

        def step(x: Tensor) -> Any:
            value = loss(x)
            value.backward()
            return value

        x = normal(3, seed=2, dtype="f8")
        if inside:
            return compile(step)(x), compile(step)(x), w.grad
        f = compile(loss)
        f(x).backward()
        f(x).backward()
        return w.grad

    check(scenario, rtol=1e-12)


def test_higher_derivatives_compiled() -> None:
    def scenario(compile: Compile) -> Any:
        @compile
        def f(x: Tensor) -> Any:
            y = (Exponential.apply(x) * Scaled.apply(x, 2.0)).sum()
            (g,) = grad(y, x, create_graph=True)
            (h,) = grad(g.sum(), x, create_graph=True)
            (k,) = grad((h * g).sum(), x)
            return y, g, h, k

        return f(leaf(0.3, 0.4))

    check(scenario, compiles=1, rtol=1e-12)


def test_run_time_numbers_and_captured_tensors_in_the_context() -> None:
    class Weighted(Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor, w: Tensor, k: float) -> Tensor:
            ctx.factor = w.detach() * k  # kept as an attribute, not by save_for_backward
            return x * w * k

        @staticmethod
        def backward(ctx: Any, g: Tensor) -> Any:
            return g * ctx.factor, None, None

    def scenario(compile: Compile) -> Any:
        w = normal(2, dtype="f8")

        @compile
        def f(x: Tensor, k: float) -> Any:
            return grad(Weighted.apply(x, w, k).sum(), x)

        x = leaf(1.0, 2.0)
        return f(x, 2.0), f(x, 3.0)

    check(scenario, compiles=1)
