"""Hooks on gradients, retain_grad, and what else leaves a mark on tensors: modes and detach_."""

from __future__ import annotations

from typing import Any

import pytest
from agreement import Compile, check

import tinytorch as tt
from tinytorch import Tensor
from tinytorch.autograd import backward, grad
from tinytorch.errors import TraceError


def leaf(*values: float) -> Tensor:
    return tt.tensor(values, dtype=tt.float64, requires_grad=True)


def test_hooks_run_in_order_and_replace_the_gradient() -> None:
    a, seen = leaf(2.0), []
    b = a * 3
    b.retain_grad()
    first = b.register_hook(lambda g: seen.append(("first", g.item())))
    b.register_hook(lambda g: g * 10)
    b.register_hook(lambda g: seen.append(("third", g.item())))
    a.register_hook(lambda g: seen.append(("leaf", g.item())))
    a.register_post_accumulate_grad_hook(lambda p: seen.append(("after", p.grad.item())))
    (b * b).sum().backward(retain_graph=True)
    first.remove()
    first.remove()
    (b * b).sum().backward()
    assert seen == [
        ("first", 12.0), ("third", 120.0), ("leaf", 360.0), ("after", 360.0),
        ("third", 120.0), ("leaf", 360.0), ("after", 720.0),
    ]  # fmt: skip
    assert (a.grad.item(), b.grad.item()) == (720.0, 240.0)
    assert b.retains_grad
    assert not a.retains_grad


def test_a_handle_is_a_context() -> None:
    a = leaf(1.0)
    with a.register_hook(lambda g: g * 5):
        (a * 2).sum().backward()
    (a * 2).sum().backward()
    assert a.grad.item() == 12.0


def test_equal_values_keep_hooks_and_gradients_apart() -> None:
    a = leaf(2.0)
    b, c = a * 3, a * 3
    b.register_hook(lambda g: g * 100)
    c.retain_grad()
    (b * 2 + c * 5).sum().backward()
    assert (a.grad.item(), c.grad.item()) == (615.0, 5.0)

    def scenario(compile: Compile) -> Any:
        @compile
        def f(a: Tensor) -> Any:
            b, c = a * 3, a * 3
            v, w = a[:1], a[:1]
            return grad((b * 2 + c * 5 + v * 7 + w).sum(), [b, c, v, w])

        return f(leaf(2.0))

    assert [x.item() for x in check(scenario)] == [2.0, 5.0, 7.0, 1.0]


def test_hooks_see_gradients_with_history() -> None:
    a = leaf(2.0)
    b = a * a
    b.register_hook(lambda g: g * a)
    (g,) = grad((b * b).sum(), a, create_graph=True)
    (h,) = grad(g, a)
    assert (g.item(), h.item()) == (64.0, 192.0)  # the second pass calls it, too


def test_one_pass_over_several_outputs_calls_hooks_once() -> None:
    a, seen = leaf(2.0), []
    b = a * 3
    b.register_hook(lambda g: seen.append(g.item()))
    backward([b * 2, b * b], [tt.tensor([1.0], dtype=tt.float64)] * 2)
    assert (seen, a.grad.item()) == ([14.0], 42.0)


def test_refusals() -> None:
    with pytest.raises(RuntimeError, match="doesn't require gradient"):
        tt.ones(2).register_hook(lambda g: g)
    with pytest.raises(RuntimeError, match="non-leaf"):
        (leaf(1.0) * 2).register_post_accumulate_grad_hook(lambda p: None)
    with pytest.raises(RuntimeError, match="can't retain_grad"):
        tt.ones(2).retain_grad()
    a = leaf(2.0)
    with a.register_hook(lambda g: tt.ones(3)), pytest.raises(RuntimeError, match="has changed"):
        (a * 2).sum().backward()
    with a.register_hook(lambda g: 3), pytest.raises(TypeError, match="expected Tensor"):
        (a * 2).sum().backward()


def test_hooks_are_eager_only() -> None:
    w = leaf(1.0)

    @tt.compile
    def registers(x: Tensor) -> Tensor:
        (x * w).register_hook(lambda g: g)
        return x

    with pytest.raises(TraceError, match="hooks run in eager code alone"):
        registers(leaf(1.0))

    @tt.compile
    def step(x: Tensor) -> None:
        (x * w).sum().backward()

    step(tt.ones(1, dtype=tt.float64))
    handle = w.register_hook(lambda g: g * 2)
    with pytest.raises(TraceError, match="a hook is registered"):
        step(tt.ones(1, dtype=tt.float64))
    handle.remove()
    step(tt.ones(1, dtype=tt.float64))
    assert w.grad.item() == 2.0


def test_hooks_see_the_gradient_from_a_compiled_call() -> None:
    x = leaf(3.0)
    f = tt.compile(lambda x: x * x)
    f(x)
    x.register_hook(lambda g: g * 10)
    y = f(x)
    y.register_hook(lambda g: g + 1)
    y.sum().backward()
    assert x.grad.item() == 120.0


def test_retain_grad_follows_writes_in_place_and_works_compiled() -> None:
    a = leaf(2.0)
    b = a * 3
    b.retain_grad()
    b.mul_(4)
    (b * b).sum().backward()
    assert (b.grad.item(), a.grad.item()) == (48.0, 576.0)

    def scenario(compile: Compile) -> Any:
        @compile
        def f(a: Tensor) -> Any:
            b = a * 3
            b.retain_grad()
            (b * b).sum().backward()
            return b.grad, b.retains_grad, a.retains_grad

        a = leaf(2.0)
        return f(a), a.grad

    assert [x if isinstance(x, bool) else x.item() for x in check(scenario)] == [
        12.0, True, False, 36.0,
    ]  # fmt: skip


def test_inputs_of_backward() -> None:
    def scenario(compile: Compile) -> Any:
        a, b = leaf(2.0), leaf(3.0)

        @compile
        def step() -> Any:
            c = a * b
            (c * c).sum().backward(inputs=[c, a])
            return c.grad

        return step(), a.grad, b.grad is None

    assert [x if x is True else x.item() for x in check(scenario)] == [12.0, 36.0, True]
    with pytest.raises(RuntimeError, match="cannot be empty"):
        leaf(1.0).sum().backward(inputs=[])


def test_grad_arguments() -> None:
    a, b = leaf(2.0, 3.0), leaf(3.0)
    assert [g.tolist() for g in grad((a * a).sum(), [a, b], materialize_grads=True)] == [
        [4.0, 6.0], [0.0],
    ]  # fmt: skip
    with pytest.raises(ValueError, match="allow_unused"):
        grad(a.sum(), [a, b], materialize_grads=True, allow_unused=False)
    (rows,) = grad(a * a, a, tt.eye(2, dtype=tt.float64), is_grads_batched=True)
    assert rows.tolist() == [[4.0, 0.0], [0.0, 6.0]]


def test_grad_fn_shows_where_a_value_comes_from() -> None:
    a = leaf(2.0)
    z = (a * 2).exp()
    assert (z.grad_fn.name(), repr(z.grad_fn)) == ("ExpBackward0", "<ExpBackward0>")
    ((product, _),) = z.grad_fn.next_functions
    assert product.name() == "MulBackward0"
    (end, _), (nothing, _) = product.next_functions
    assert end.variable is a
    assert nothing is None
    assert a.grad_fn is None
    assert a.is_leaf


def test_detach_in_place() -> None:
    b = leaf(2.0, 3.0) * 2
    b.detach_()
    assert b.is_leaf
    assert not b.requires_grad
    with pytest.raises(RuntimeError, match="Can't detach views"):
        (leaf(2.0, 3.0) * 2)[0].detach_()

    def scenario(compile: Compile) -> Any:
        @compile
        def f(a: Tensor) -> Any:
            b = a * 3
            b.detach_()
            (g,) = grad((a * b).sum(), a)
            return g, b.requires_grad, b.is_leaf

        return f(leaf(2.0))

    check(scenario)


# --------------------------------------------------------------------- modes


def test_inference_mode() -> None:
    with tt.inference_mode():
        x = tt.ones(2)
        assert tt.is_inference_mode_enabled()
        assert not tt.is_grad_enabled()
        assert x[0].is_inference()
        x.add_(1)
        with tt.inference_mode(False):
            assert tt.is_grad_enabled()
    w = tt.ones(2, requires_grad=True)
    (w + x).sum().backward()  # a sum needs no value
    with pytest.raises(RuntimeError, match="cannot be saved for backward"):
        w * x
    with pytest.raises(RuntimeError, match="Inplace update to inference tensor"):
        x.add_(1)
    with pytest.raises(RuntimeError, match="inference tensor outside"):
        x.requires_grad_()
    (w * x.clone()).sum().backward()

    @tt.inference_mode()
    def silent() -> Tensor:
        return w * 2

    assert silent().is_inference()
    assert not silent().requires_grad


def test_inference_mode_and_compiled_calls() -> None:
    f = tt.compile(lambda x: x * 2)
    x = tt.ones(2, requires_grad=True)
    assert f(x).requires_grad
    with tt.inference_mode():
        y = f(x)
    assert y.is_inference()
    assert not y.requires_grad

    @tt.compile
    @tt.inference_mode()
    def inside(x: Tensor) -> Tensor:
        return x * 2

    assert not inside(x).requires_grad


def test_set_grad_enabled_is_a_decorator_too() -> None:
    a = leaf(1.0)

    @tt.set_grad_enabled(False)
    def f() -> Tensor:
        return a * 2

    assert tt.is_grad_enabled()
    assert not f().requires_grad
    tt.set_grad_enabled(False)
    try:
        assert not (a * 2).requires_grad
    finally:
        tt.set_grad_enabled(True)


def test_a_result_with_a_gradient_of_its_own_is_refused_by_compiled_code() -> None:
    @tt.compile
    def f(a: Tensor) -> Tensor:
        b = a * 3
        b.retain_grad()
        (b * b).sum().backward()
        return b

    with pytest.raises(TraceError, match=r"received a \.grad"):
        f(leaf(2.0))


def test_halves_pass_through_hooks_and_functions() -> None:
    x = tt.tensor([1.0, 2.0]).to(tt.bfloat16).requires_grad_()
    seen: list[Tensor] = []
    y = x * x
    y.register_hook(lambda g: seen.append(g * 2))
    y.retain_grad()
    y.sum().backward()
    assert [seen[0].dtype, y.grad.dtype, x.grad.dtype] == [tt.bfloat16] * 3
    assert x.grad.tolist() == [2.0, 4.0]


def test_a_generator_runs_in_the_mode_and_its_reader_does_not() -> None:
    @tt.no_grad()
    def numbers() -> Any:
        got = yield tt.is_grad_enabled()
        try:
            yield got, tt.is_grad_enabled()
        except KeyError:
            yield "caught", tt.is_grad_enabled()
        return "end"

    run = numbers()
    assert next(run) is False
    assert tt.is_grad_enabled()
    assert run.send(3) == (3, False)
    assert run.throw(KeyError()) == ("caught", False)
    with pytest.raises(StopIteration, match="end"):
        next(run)
    assert tt.is_grad_enabled()
