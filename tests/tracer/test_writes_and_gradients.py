"""Writes in place, views and gradients: what PyTorch does, eager and compiled.

The numbers and the refusals are PyTorch's own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from agreement import assert_same

import tinytorch as tt
from tinytorch import Tensor
from tinytorch.autograd import grad


def silently(write: Callable[[], Any]) -> None:
    with tt.no_grad():
        write()


def write_through_a_view(x: Tensor) -> Any:
    y = x * 1
    y[1:].mul_(5)
    return y, grad((y * y).sum(), x)


def write_to_the_base(x: Tensor) -> Any:
    y = x * 1
    view = y[1:]
    y.mul_(2)
    return view, grad((view * view).sum(), x)


def two_views(x: Tensor) -> Any:
    y = x * 1
    a, b = y[:2], y[1:]
    a.mul_(2)
    return b, grad((b * b).sum(), x)


def view_of_a_view(x: Tensor) -> Any:
    y = x.reshape(3, 1).expand(3, 2) * 1
    view = y.T[0]
    view.add_(10)
    return y, grad((y * y).sum(), x)


def into_a_tensor_without_history(x: Tensor) -> Any:
    y = tt.zeros(4, dtype=tt.float64)
    view = y[1:]
    view.copy_(x)
    return y.requires_grad, view.requires_grad, grad((y * y).sum(), x)


def a_view_made_before(x: Tensor) -> Any:
    y = tt.zeros(3, dtype=tt.float64)
    view = y[1:]
    y.copy_(x)
    return view.requires_grad, grad((view * view).sum(), x)


def overwritten_with_a_constant(x: Tensor) -> Any:
    y = x * 2
    y.zero_()
    z = x * 2
    z[0].fill_(3)
    return grad(y.sum(), x), grad((z * z).sum(), x)


def silent_write(x: Tensor) -> Any:
    y = x * 1
    silently(lambda: y.add_(1))
    z = y * y
    return z, grad(z.sum(), x)


def silent_write_after_a_recorded_one(x: Tensor) -> Any:
    y = x * 1
    y.mul_(2)
    silently(lambda: y.add_(1))
    return y, grad((y * y).sum(), x)


def silent_write_seen_by_a_view(x: Tensor) -> Any:
    y = x * 1
    view = y[:1]
    silently(lambda: y.add_(1))
    return view, grad((view * view).sum(), x)


def silent_write_through_a_view(x: Tensor) -> Any:
    y = x * 1
    view = y[:1]
    silently(lambda: view.add_(1))
    return y, grad((y * y).sum(), x)


def second_derivative_after_a_silent_write(x: Tensor) -> Any:
    y = x * x
    silently(lambda: y.add_(1))
    (g,) = grad((y * y).sum(), x, create_graph=True)
    return g, grad(g.sum(), x)


def silent_write_to_a_leaf(x: Tensor) -> Any:
    leaf = x.detach().clone().requires_grad_()

    def write() -> None:
        leaf[0] = 7.0
        leaf[1:].mul_(2)

    silently(write)
    return leaf, grad((leaf * leaf).sum(), leaf)


def write_to_a_detached_leaf(x: Tensor) -> Any:
    leaf = x.detach().clone().requires_grad_()
    leaf.detach()[0] = 9.0
    return leaf, grad((leaf * leaf).sum(), leaf)


def needs_no_value(x: Tensor) -> Any:
    y = x + 1
    y.mul_(3)
    z = x * 1
    w = z * 3
    z.add_(1)
    u = x * 1
    v = u.sigmoid()
    u.add_(1)
    return grad(y.sum(), x), grad(w.sum(), x), grad(v.sum(), x)


def ops_in_place_keep_what_they_need(x: Tensor) -> Any:
    y = x * 1
    y.mul_(x).pow_(2).neg_().exp_()
    return y, grad(y.sum(), x)


WORKS: dict[Callable[[Tensor], Any], Any] = {
    write_through_a_view: [[1, 10, 15], [[2, 100, 150]]],
    write_to_the_base: [[4, 6], [[0, 16, 24]]],
    two_views: [[4, 3], [[0, 16, 6]]],
    view_of_a_view: [[[11, 1], [12, 2], [13, 3]], [[24, 28, 32]]],
    into_a_tensor_without_history: [True, True, [[2, 4, 6]]],
    a_view_made_before: [True, [[0, 4, 6]]],
    overwritten_with_a_constant: [[[0, 0, 0]], [[0, 16, 24]]],
    silent_write: [[4, 9, 16], [[4, 6, 8]]],
    silent_write_after_a_recorded_one: [[3, 5, 7], [[12, 20, 28]]],
    silent_write_seen_by_a_view: [[2], [[4, 0, 0]]],
    silent_write_through_a_view: [[2, 2, 3], [[4, 4, 6]]],
    second_derivative_after_a_silent_write: [[8, 40, 120], [[16, 52, 112]]],
    silent_write_to_a_leaf: [[7, 4, 6], [[14, 8, 12]]],
    write_to_a_detached_leaf: [[9, 2, 3], [[18, 4, 6]]],
    needs_no_value: None,
    ops_in_place_keep_what_they_need: None,
}


def numbers(tree: Any) -> Any:
    if isinstance(tree, tuple | list):
        return [numbers(x) for x in tree]
    return tree.tolist() if isinstance(tree, Tensor) else tree


def at() -> Tensor:
    return tt.tensor([1.0, 2.0, 3.0], dtype=tt.float64, requires_grad=True)


@pytest.mark.parametrize("function", WORKS, ids=lambda f: f.__name__)
def test_what_works(function: Callable[[Tensor], Any]) -> None:
    eager = function(at())
    if WORKS[function] is not None:
        assert numbers(eager) == WORKS[function]
    assert_same(eager, tt.compile(function)(at()), rtol=1e-12)


def saved_result_overwritten(x: Tensor) -> Any:
    y = x.exp()
    y.add_(1)
    return grad(y.sum(), x)


def saved_result_overwritten_in_a_row(x: Tensor) -> Any:
    return grad((x * 1).exp_().reciprocal_().sum(), x)


def saved_operand_overwritten(x: Tensor) -> Any:
    y = x * 1
    z = y * y
    y.add_(1)
    return grad(z.sum(), x)


def saved_operand_overwritten_through_a_view(x: Tensor) -> Any:
    y = x * 1
    z = y * y
    y[0] = 5.0
    return grad(z.sum(), x)


def saved_view_overwritten_through_the_base(x: Tensor) -> Any:
    y = x * 1
    view = y[1:]
    z = view * view
    y.add_(1)
    return grad(z.sum(), x)


def multiplied_by_itself_in_place(x: Tensor) -> Any:
    y = x * 1
    y.mul_(y)
    return grad(y.sum(), x)


def a_step_between_forward_and_backward(x: Tensor) -> Any:
    y = x * 1
    z = y * y
    silently(lambda: y.sub_(0.1))
    return grad(z.sum(), x)


def freed_twice(x: Tensor) -> Any:
    y = (x * x).sum()
    grad(y, x)
    return grad(y, x)


def freed_in_part(x: Tensor) -> Any:
    h = x.exp()
    first, second = h.sum(), (h * 2).sum()
    grad(first, x)
    return grad(second, x)


def a_leaf(x: Tensor) -> Any:
    x.mul_(2)


def a_view_of_a_leaf(x: Tensor) -> Any:
    x[0].mul_(2)


def a_repeated_element(x: Tensor) -> Any:
    tt.zeros(1).expand(3).add_(1)


REFUSED = {
    **dict.fromkeys(
        [saved_result_overwritten, saved_result_overwritten_in_a_row, saved_operand_overwritten,
         saved_operand_overwritten_through_a_view, saved_view_overwritten_through_the_base,
         multiplied_by_itself_in_place, a_step_between_forward_and_backward],
        "modified by an inplace operation",
    ),
    freed_twice: "second time", freed_in_part: "second time",
    a_leaf: "a leaf Variable that requires grad is being used in an in-place operation",
    a_view_of_a_leaf: "a view of a leaf Variable that requires grad is being used",
    a_repeated_element: "single memory location",
}  # fmt: skip


@pytest.mark.parametrize("function", REFUSED, ids=lambda f: f.__name__)
@pytest.mark.parametrize("way", ["eager", "compiled"])
def test_what_is_refused(function: Callable[[Tensor], Any], way: str) -> None:
    run = function if way == "eager" else tt.compile(function)
    with pytest.raises(RuntimeError, match=REFUSED[function]):
        run(at())


def test_detached_memory_counts_as_the_same() -> None:
    x = at()
    y = x.exp()
    y.detach().add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()
    version = x._version
    silently(lambda: x.add_(1))
    x.detach()[0] = 2.0
    assert x._version == version + 2


def test_a_copy_has_a_gradient_of_its_own() -> None:
    x = at()
    a = x * 1
    y = tt.zeros(3, dtype=tt.float64)
    y.copy_(a)
    y.retain_grad()
    (y * 3 + a * 5).sum().backward()
    assert y.grad.tolist() == [3.0] * 3
    assert x.grad.tolist() == [8.0] * 3


def test_the_seed_is_not_the_gradient() -> None:
    x = at()
    seed = tt.ones(3, dtype=tt.float64)
    (x * 1).backward(seed)
    x.grad.add_(1)
    assert seed.tolist() == [1.0] * 3


def test_accumulation_keeps_the_tensor_unless_history_is_wanted() -> None:
    x = at()
    (x * x).sum().backward()
    first = x.grad
    (x * x).sum().backward()
    assert x.grad is first
    (x * x).sum().backward(create_graph=True)
    assert x.grad is not first
    assert x.grad.requires_grad
    assert first.tolist() == [4.0, 8.0, 12.0]


def test_a_view_in_which_nothing_repeats_can_be_written_to():
    def step(x):
        x = x * 1
        x.expand(1, 2).fill_(3)
        tt.broadcast_tensors(x, x)[0].mul_(4)
        x[None].expand(1, -1).add_(1)
        return x

    for run in (step, tt.compile(step)):
        assert run(tt.tensor([1.0, 2.0])).tolist() == [13, 13]
    with pytest.raises(RuntimeError, match="single memory location"):
        tt.zeros(2).expand(3, 2).fill_(1)
