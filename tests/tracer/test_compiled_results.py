"""What goes in and comes out of a compiled call: trees, aliases, identities, captured values."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import numpy as np
import pytest
from agreement import Compile, check, normal

import tinytorch as tt
from tinytorch import Tensor, nn

SCALE = tt.tensor([1.0, 2.0, 3.0])


class Pair(NamedTuple):
    left: Tensor
    right: Any


@dataclasses.dataclass
class Batch:
    x: Tensor
    scale: float
    name: str = "batch"


def test_trees_of_arguments_and_results() -> None:
    def scenario(compile: Compile) -> Any:
        @compile
        def f(pair: Pair, batch: Batch, items: list[Tensor], *, table: dict[str, Any]) -> Any:
            total = pair.left + pair.right[0] * batch.scale + items[1] + table["t"] * table["n"]
            return {
                "total": total, "pair": Pair(batch.x * 2, (1, "text", None)),
                "batch": Batch(total * 2, 3.5), "list": [items[0] - 1, [total]], "empty": (),
            }  # fmt: skip

        x, y = normal(3), normal(3, seed=1)
        out = []
        for n in (1, 2):
            r = f(Pair(x, [y]), Batch(y, 0.5 * n), [x, y], table={"t": x, "n": n})
            assert type(r["pair"]) is Pair
            assert type(r["batch"]) is Batch
            assert r["pair"].right == (1, "text", None)
            out.append(r)
        return out

    check(scenario, compiles=1)


def test_keyword_arguments_and_defaults() -> None:
    def scenario(compile: Compile) -> Any:
        @compile
        def f(x: Tensor, scale: float = 2.0, *, bias: Any = None, mode: str = "a") -> Tensor:
            x = x * scale
            if bias is not None:
                x = x + bias
            return x.exp() if mode == "b" else x

        x = normal(3)
        return f(x), f(x, 3.0), f(x, scale=3.0), f(x, bias=x), f(x, mode="b"), f(x, scale=4.0)

    check(scenario)


def test_tensors_from_closures_globals_and_attributes() -> None:
    class Holder:
        def __init__(self) -> None:
            self.t = normal(3, seed=3)
            self.inner = {"u": [normal(3, seed=4)]}

    def scenario(compile: Compile) -> Any:
        near, holder = normal(3, seed=2), Holder()
        f = compile(lambda x: x * near + SCALE * holder.t - holder.inner["u"][0])
        first = f(normal(3))
        near.mul_(2)  # contents may change: the memory is read at each call
        holder.t.add_(1)
        second = f(normal(3))
        return first, second

    check(scenario, compiles=1)


def test_returned_tensors_that_came_from_outside_are_those_tensors() -> None:
    w = nn.Parameter(tt.ones(3))

    @tt.compile
    def f(x: Tensor) -> Any:
        with tt.no_grad():
            w.add_(1)
        return w, x, {"again": w}

    for count in (2, 3):
        x = normal(3)
        a, b, c = f(x)
        assert a is w
        assert b is x
        assert c["again"] is w
        np.testing.assert_array_equal(w.detach().numpy(), np.full(3, count))


def test_returned_views_share_memory_with_what_came_in() -> None:
    state = tt.zeros(2, 3)

    @tt.compile
    def f(x: Tensor) -> Any:
        state.add_(1)
        return state[1], x.T, x[0]

    x = normal(2, 3)
    for count in (1, 2, 3):
        row, turned, first = f(x)
        np.testing.assert_array_equal(row.numpy(), np.full(3, count))
        assert np.shares_memory(row.numpy(), state.numpy())
        assert np.shares_memory(turned.numpy(), x.numpy())
        assert turned.stride() == (1, 3)
        first.zero_()
        assert not x.numpy()[0].any()


def test_results_that_alias_each_other_do_so_compiled() -> None:
    @tt.compile
    def f(x: Tensor) -> Any:
        y = x * 2
        return y, y, y[0], y.view(-1)

    for _ in range(3):
        a, b, row, flat = f(tt.ones(2, 2))
        assert a is b
        row.fill_(5)
        np.testing.assert_array_equal(a.numpy(), [[5, 5], [2, 2]])
        np.testing.assert_array_equal(flat.numpy(), [5, 5, 2, 2])


def test_equal_results_that_are_apart_eagerly_do_not_alias() -> None:
    @tt.compile
    def f(x: Tensor) -> Any:
        return x + 1, x + 1, x.clone(), x.clone()

    for _ in range(2):
        x = tt.zeros(3)
        a, b, c, d = f(x)
        a.fill_(7)
        c.fill_(8)
        assert not x.numpy().any()
        np.testing.assert_array_equal(b.numpy(), np.ones(3))
        np.testing.assert_array_equal(d.numpy(), np.zeros(3))


def test_a_snapshot_of_state_is_not_the_state() -> None:
    state = tt.zeros(3)

    @tt.compile
    def f() -> Any:
        before = state.clone()
        state.add_(1)
        return before, state + 0, state.clone()

    first = f()
    f()
    for got, want in zip(first, (0, 1, 1)):
        np.testing.assert_array_equal(got.numpy(), np.full(3, want))
    first[2].fill_(9)
    np.testing.assert_array_equal(state.numpy(), np.full(3, 2))


def test_results_never_change_under_a_later_call() -> None:
    w = nn.Parameter(tt.zeros(64))

    @tt.compile
    def f(x: Tensor) -> Any:
        w.grad = None
        (w * x).sum().backward()
        with tt.no_grad():
            w.add_(w.grad)
        return w.detach().clone(), x * 2, w.grad

    kept, views, expected = [], [], []
    for number in range(6):
        results = f(tt.full((64,), float(number)))
        kept.append(results)
        views.append(results[1][:2])
        expected.append([r.detach().numpy().copy() for r in results])
    for results, view, want in zip(kept, views, expected):
        for a, b in zip(results, want):
            np.testing.assert_array_equal(a.detach().numpy(), b)
        np.testing.assert_array_equal(view.numpy(), want[1][:2])


def test_a_grad_held_by_the_user_does_not_change_under_a_later_call() -> None:
    w = nn.Parameter(tt.zeros(8))

    @tt.compile
    def f(x: Tensor) -> None:
        w.grad = None
        (w * x).sum().backward()

    f(tt.ones(8))
    held = w.grad
    array = held.numpy()
    view = held[:2]
    f(tt.full((8,), 5.0))
    np.testing.assert_array_equal(held.numpy(), np.ones(8))
    np.testing.assert_array_equal(array, np.ones(8))
    np.testing.assert_array_equal(view.numpy(), np.ones(2))
    np.testing.assert_array_equal(w.grad.numpy(), np.full(8, 5.0))
    alone = w.grad.numpy()
    f(tt.ones(8))
    np.testing.assert_array_equal(alone, np.full(8, 5.0))
    view = w.grad[2:4]
    f(tt.full((8,), 5.0))
    np.testing.assert_array_equal(view.numpy(), np.ones(2))
    detached = w.grad.detach()
    f(tt.ones(8))
    np.testing.assert_array_equal(detached.numpy(), np.full(8, 5.0))


def test_numbers_come_back_as_python_numbers() -> None:
    def scenario(compile: Compile) -> Any:
        @compile
        def f(x: Tensor, n: int, r: float) -> Any:
            return x * n, n + 1, r / n, n, [n // 2, -r], n % 3, 7, "a", None, True

        return [f(normal(2), n, r) for n, r in ((3, 0.5), (4, 0.25), (7, -2.0))]

    check(scenario, compiles=1)


@pytest.mark.parametrize("result", [None, 3, (), {"a": ()}])
def test_functions_without_tensor_results(result: Any) -> None:
    f = tt.compile(lambda x: result)
    assert f(tt.ones(2)) == result
    assert f(tt.ones(2)) == result


def test_a_compiled_method_belongs_to_its_instance() -> None:
    class Model:
        def __init__(self, scale: float) -> None:
            self.w = tt.full((2,), scale)

        @tt.compile
        def run(self, x: Tensor) -> Tensor:
            return self.w * x

    a, b = Model(2.0), Model(3.0)
    for model, want in ((a, 2), (b, 3), (a, 2)):
        np.testing.assert_array_equal(model.run(tt.ones(2)).numpy(), [want, want])


def test_a_module_can_be_compiled() -> None:
    def scenario(compile: Compile) -> Any:
        model = nn.Sequential(nn.Linear(4, 3), nn.ReLU())
        f = compile(model)
        first = f(normal(2, 4))
        with tt.no_grad():
            model[0].weight.mul_(2)
        return first, f(normal(2, 4))

    check(scenario)


def test_empty_scalar_and_high_rank_tensors() -> None:
    def scenario(compile: Compile) -> Any:
        @compile
        def f(a: Tensor, b: Tensor, c: Tensor) -> Any:
            return a.sum(), a * 2, b * 2 + c.mean(), c.permute(3, 1, 0, 2).reshape(4, -1)

        return f(tt.zeros(0, 3), tt.tensor(2.0), normal(2, 3, 1, 4))

    check(scenario, compiles=1)


def test_inputs_that_are_not_contiguous() -> None:
    def scenario(compile: Compile) -> Any:
        f = compile(lambda a, b: a @ b + a.sum())
        x = normal(4, 6)
        return f(x[:, ::2].T, x), f(x.T[::2], x), f(x[:1].expand(3, 6)[:, :4], x)

    check(scenario)


def test_data_of_a_leaf_can_be_written() -> None:
    w = tt.ones(3, requires_grad=True)
    w.data.mul_(2)
    w.detach().add_(1)
    np.testing.assert_array_equal(w.detach().numpy(), np.full(3, 3))


def test_writes_to_detached_tensors_reach_the_original() -> None:
    def scenario(compile: Compile) -> Any:
        state = tt.ones(2, 3)

        @compile
        def f(x: Tensor) -> Any:
            state.detach()[0].add_(x)
            state.detach().mul_(2)
            y = x * 2
            z = y.detach()
            z.add_(1)
            return y, z.view(-1), state.sum()

        return f(normal(3)), f(normal(3)), state

    check(scenario, compiles=1)


def test_data_is_written_inside() -> None:
    w = tt.ones(2, requires_grad=True)

    @tt.compile
    def f() -> Any:
        w.grad = None
        (w * 3).sum().backward()
        w.data.sub_(0.5 * w.grad)
        w.data[0] = 7.0
        w.data = w.data * 2
        return w * 1

    out = f()
    np.testing.assert_allclose(w.detach().numpy(), [14, -1])
    assert out.requires_grad
    f()
    np.testing.assert_allclose(w.detach().numpy(), [14, -5])


def test_a_write_to_a_detached_value_with_history_is_refused() -> None:
    w = tt.ones(2, requires_grad=True)
    with pytest.raises(tt.errors.TraceError, match="clone"):
        tt.compile(lambda: (w * 2).detach().add_(1))()
    assert tt.compile(lambda: (w * 2).detach() + 1)().tolist() == [3.0, 3.0]


def test_a_returned_detached_parameter_shares_its_memory() -> None:
    w = tt.ones(2, requires_grad=True)
    assert np.shares_memory(tt.compile(lambda: w.detach())().numpy(), w.detach().numpy())
