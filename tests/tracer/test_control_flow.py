"""cond, while_loop, scan and fori_loop: eager equals compiled, values and derivatives."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from typing import Any

import agreement
import numpy as np
import pytest

import tinytorch as tt
from tinytorch import Tensor, nn, optim
from tinytorch.errors import TraceError, TypeRuleError
from tinytorch.ir.program import Launch, Loop, walk


def normal(*shape: int, seed: int = 0, requires_grad: bool = False) -> Tensor:
    return agreement.normal(*shape, seed=seed, dtype="f8", requires_grad=requires_grad)


def both_equal(function: Callable[..., Any], *args: Any, rtol: float = 1e-10) -> Any:
    """The function's values, which must be the same eagerly and compiled."""
    return agreement.check(lambda compile: compile(function)(*args), rtol=rtol, atol=1e-12)


def rnn(w: Tensor, u: Tensor, h: Tensor, xs: Tensor, **options: Any) -> Tensor:
    def step(h: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        h = (x @ w + h @ u).tanh()
        return h, (h * h).sum()

    h, ys = tt.scan(step, h, xs, **options)
    return (ys * tt.arange(1, len(ys) + 1)).sum() + h.sum()


def unrolled(w: Tensor, u: Tensor, h: Tensor, xs: Tensor, reverse: bool = False) -> Tensor:
    total: Any = 0.0
    order = range(len(xs) - 1, -1, -1) if reverse else range(len(xs))
    for i in order:
        h = (xs[i] @ w + h @ u).tanh()
        total = total + (h * h).sum() * (i + 1)
    return total + h.sum()


def weights() -> list[Tensor]:
    shapes = ((3, 4), (4, 4), (2, 4), (5, 2, 3))
    return [normal(*s, seed=i, requires_grad=True) for i, s in enumerate(shapes)]


# ------------------------------------------------------------------------ scan


@pytest.mark.parametrize("reverse", [False, True])
def test_scan_is_the_unrolled_loop_and_so_are_its_derivatives(reverse: bool) -> None:
    def twice(f: Any, *inputs: Tensor) -> Any:
        loss = f(*inputs, reverse=reverse)
        grads = tt.autograd.grad(loss, inputs, create_graph=True)
        penalty = sum(((g * g).sum() for g in grads), tt.zeros((), dtype=tt.float64))
        return loss, grads, tt.autograd.grad(penalty, inputs)

    want = agreement.values(twice(unrolled, *weights()))
    agreement.assert_same(want, twice(rnn, *weights()), rtol=1e-9)
    got = tt.compile(lambda *inputs: twice(rnn, *inputs))(*weights())
    agreement.assert_same(want, got, rtol=1e-9)


def test_gradient_agrees_with_finite_differences() -> None:
    inputs = weights()
    step = tt.compile(lambda *inputs: tt.autograd.grad(rnn(*inputs), inputs))
    for x, g in zip(inputs, step(*inputs), strict=True):
        direction = normal(*x.shape, seed=9)
        with tt.no_grad():
            high, low = (
                rnn(*(y + direction * e if y is x else y for y in inputs)) for e in (1e-6, -1e-6)
            )
        want = (high - low).item() / 2e-6
        assert (g * direction).sum().item() == pytest.approx(want, rel=1e-6)


def test_trees_lengths_and_constants() -> None:
    def f(x: Tensor) -> Any:
        def step(carry: Any, x: Any) -> Any:
            return {"sum": carry["sum"] + x["a"], "n": carry["n"] + 1}, (x["b"], carry["n"], 2.5)

        first = tt.scan(step, {"sum": tt.zeros(3, dtype=tt.float64), "n": 0},
                        {"a": x, "b": x.sum(1) > 0})  # fmt: skip
        second = tt.scan(lambda c, _: (c * 2, None), x[0], length=3)
        return first, second, tt.scan(lambda c, v: (v, c), x[0], x)

    both_equal(f, normal(4, 3))


def test_of_no_steps() -> None:
    def f(x: Tensor) -> Any:
        return tt.scan(lambda c, v: (c + v, (v * 2).sum()), x, tt.zeros(0, 3, dtype=tt.float64))

    carry, ys = both_equal(f, normal(3))
    np.testing.assert_array_equal(carry, normal(3).numpy())
    assert ys.shape == (0,)
    assert ys.dtype == np.float64


def test_carries_that_trade_places() -> None:
    def f(a: Tensor, b: Tensor) -> Any:
        return tt.scan(lambda c, _: ((c[1], c[0] + c[1]), c[0]), (a, b), length=7)

    (_, b), ys = tt.compile(f)(tt.tensor(0), tt.tensor(1))
    assert (b.item(), ys.tolist()) == (21, [0, 1, 1, 2, 3, 5, 8])


def test_time_to_compile_and_program_do_not_grow_with_the_length() -> None:
    sizes = []
    for length in (3, 300):
        w, u, h, _ = weights()
        step = tt.compile(lambda w, u, h, xs: tt.autograd.grad(rnn(w, u, h, xs), (w, u)))
        step(w, u, h, normal(length, 2, 3))
        sizes.append((len(list(step.graph)), len(list(walk(step.program.steps)))))
    assert sizes[0] == sizes[1]


def test_launches_of_one_step() -> None:
    w, u, h, xs = (x.detach() for x in weights())
    step = tt.compile(rnn)
    step(w, u, h, xs)
    (loop,) = [s for s in step.program.steps if isinstance(s, Loop)]
    assert loop.count == 5
    assert all(isinstance(s, Launch) for s in loop.body)
    assert len(loop.body) <= 3
    assert "loop 5 times" in step.stages["program"]
    assert "= scan(" in step.stages["graph"]


# ------------------------------------------------------------------------ cond


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_cond_with_gradients_into_both_branches(sign: float) -> None:
    w = normal(3, seed=3, requires_grad=True)

    def f(x: Tensor, y: Tensor) -> Any:
        z = tt.cond(x.sum() > 0, lambda a: (a * w).exp(), lambda a: a - y, (x,))
        loss = (z * z).sum()
        grads = tt.autograd.grad(loss, (x, y, w), allow_unused=True, create_graph=True)
        grads = [tt.zeros(3, dtype=tt.float64) if g is None else g for g in grads]
        (second,) = tt.autograd.grad(grads[0].sum(), x)
        return z, grads, second

    x = (tt.ones(3, dtype=tt.float64) * sign).requires_grad_()
    both_equal(f, x, normal(3, requires_grad=True))


def test_cond_of_a_python_bool_and_of_trees() -> None:
    def f(x: Tensor, flag: bool) -> Any:
        a = tt.cond(flag, lambda v: v + 1, lambda v: v - 1, (x,))
        b = tt.cond(a[0] > 0, lambda v: {"k": (v["x"], 1)}, lambda v: {"k": (v["x"] * 2, 3)},
                    ({"x": x},))  # fmt: skip
        return a, b

    for flag in (True, False):
        both_equal(f, normal(3), flag)


def test_only_the_chosen_branch_runs() -> None:
    table = normal(4)

    @tt.compile
    def f(i: Tensor) -> Tensor:
        return tt.cond((i < 4).all(), lambda i: table[i], lambda i: i.double(), (i,))

    np.testing.assert_array_equal(f(tt.tensor([1, 9])).numpy(), [1, 9])
    np.testing.assert_array_equal(f(tt.tensor([1, 3])).numpy(), table.numpy()[[1, 3]])


# ----------------------------------------------------------------------- loops


def test_while_loop_steps_as_often_as_the_values_say() -> None:
    w = normal(3)

    def f(x: Tensor, limit: float) -> Any:
        return tt.while_loop(
            lambda i, x: (x * x).sum() < limit, lambda i, x: (i + 1, x * 1.5 + w * w), (0, x)
        )

    step = tt.compile(f)
    for limit in (0.0, 10.0, 1e6):
        agreement.assert_same(f(normal(3), limit), step(normal(3), limit))
    assert step.cache_info().compiles == 1


def test_fori_loop_with_ints_and_with_tensors() -> None:
    def f(x: Tensor, n: Tensor) -> Any:
        a = tt.fori_loop(1, 5, lambda i, v: v * i + x, x)
        b = tt.fori_loop(0, n, lambda i, v: v + i, tt.zeros(2))
        return a, b, tt.fori_loop(3, 1, lambda i, v: v * 0, x)

    for n in (0, 4):
        both_equal(f, normal(3), tt.tensor(n))


def test_fori_loop_has_gradients() -> None:
    def f(x: Tensor) -> Any:
        y = tt.fori_loop(0, 4, lambda i, v: v * x + i, x)
        return tt.autograd.grad(y.sum(), x)

    both_equal(f, normal(3, requires_grad=True))


@pytest.mark.skipif(
    threading.current_thread() is not threading.main_thread(),
    reason="only the main thread handles signals",
)
def test_a_loop_without_end_can_be_interrupted() -> None:
    class Enough(Exception):
        pass

    def enough(number: int, frame: Any) -> None:
        raise Enough

    state, w = tt.zeros(3), tt.ones(3, requires_grad=True)

    @tt.compile
    def f(last: Tensor, x: Tensor) -> Tensor:
        state.add_(1)
        w.grad = None
        (w * x).sum().backward()
        _, x = tt.while_loop(lambda i, x: i < last, lambda i, x: (i + 1, x.sin()), (last * 0, x))
        state.mul_(2)
        return x

    once = f(tt.tensor(3), tt.ones(3))
    kept, grad = state.clone(), w.grad
    previous = signal.signal(signal.SIGALRM, enough)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with pytest.raises(Enough):
            f(tt.tensor(1 << 60), tt.ones(3) * 5)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    assert state.tolist() == kept.tolist()
    assert w.grad is grad
    assert grad.tolist() == [1, 1, 1]
    assert f(tt.tensor(3), tt.ones(3)).tolist() == once.tolist()
    assert state.tolist() == ((kept + 1) * 2).tolist()


def test_reverse_through_while_loop_is_refused_when_compiled() -> None:
    @tt.compile
    def f(x: Tensor) -> Any:
        (y,) = tt.while_loop(lambda v: v.sum() < 9, lambda v: (v * 2,), (x,))
        return tt.autograd.grad(y.sum(), x)

    with pytest.raises(TraceError, match="reverse-mode .* while_loop"):
        f(tt.ones(3, requires_grad=True))


def test_forward_through_while_loop() -> None:
    def f(x: Tensor, t: Tensor) -> Any:
        def g(x: Tensor) -> Tensor:
            return tt.while_loop(lambda i, v: i < 3, lambda i, v: (i + 1, (v * x).sin()), (0, x))[1]

        return tt.func.jvp(g, (x,), (t,))

    x, t = normal(3), normal(3, seed=1)
    _, got = tt.compile(f)(x, t)
    (_, high), (_, low) = (
        tt.while_loop(
            lambda i, v: i < 3, lambda i, v, p=x + t * e: (i + 1, (v * p).sin()), (0, x + t * e)
        )
        for e in (1e-6, -1e-6)
    )
    np.testing.assert_allclose(got.numpy(), (high - low).numpy() / 2e-6, rtol=1e-6)


@pytest.mark.parametrize("compiled", [False, True])
def test_forward_through_scan_is_reverse_through_scan(compiled: bool) -> None:
    def f(w: Tensor, u: Tensor, h: Tensor, xs: Tensor, t: Tensor) -> Any:
        _, tangent = tt.func.jvp(lambda u: rnn(w, u, h, xs), (u,), (t,))
        return tangent

    w, u, h, xs = (x.detach() for x in weights())
    t = normal(4, 4, seed=8)
    got = (tt.compile(f) if compiled else f)(w, u, h, xs, t)
    (g,) = tt.autograd.grad(rnn(w, u.requires_grad_(), h, xs), u)
    assert got.item() == pytest.approx((g * t).sum().item(), rel=1e-10)


# --------------------------------------------------------------------- nesting


def test_scan_in_cond_in_scan() -> None:
    w = normal(3, seed=4, requires_grad=True)

    def inner(c: Tensor, rows: Tensor) -> Tensor:
        return tt.scan(lambda a, r: ((a * r + w).tanh(), a.sum()), c, rows)[1].sum() + c

    def f(xs: Tensor, c: Tensor) -> Any:
        def step(c: Tensor, rows: Tensor) -> Any:
            c = tt.cond(rows.sum() > 0, inner, lambda c, rows: c * w, (c, rows))
            return c, c.sum()

        c, ys = tt.scan(step, c, xs)
        loss = (ys * ys).sum() + c.sum()
        return loss, tt.autograd.grad(loss, (xs, w))

    both_equal(f, normal(4, 2, 3, requires_grad=True), normal(3, seed=1))


# ----------------------------------------------------------- steps and effects


def test_a_training_step_over_parameters_in_closures() -> None:
    def scenario(compile: Any) -> Any:
        tt.manual_seed(3)
        cell, head = nn.Linear(7, 4), nn.Linear(4, 1)
        opt = optim.Adam([*cell.parameters(), *head.parameters()], lr=0.05)

        @compile
        def step(xs: Tensor, target: Tensor) -> Tensor:
            opt.zero_grad()

            def one(h: Tensor, x: Tensor) -> Any:
                h = cell(tt.cat([x, h], 1)).tanh()
                return h, head(h)

            _, ys = tt.scan(one, tt.zeros(2, 4), xs)
            loss = ((ys - target) ** 2).mean()
            loss.backward()
            opt.step()
            return loss

        xs, target = agreement.normal(6, 2, 3), agreement.normal(6, 2, 1, seed=1)
        losses = [step(xs, target) for _ in range(4)]
        return losses, list(cell.parameters()), list(head.parameters())

    losses = agreement.check(scenario, compiles=1, rtol=1e-3, atol=1e-4)
    assert losses[3] < losses[0]


def test_random_numbers_are_those_of_the_eager_loop() -> None:
    def scenario(compile: Any) -> Any:
        @compile
        def f(x: Tensor, n: Tensor) -> Any:
            a = tt.rand(2)
            b = tt.scan(lambda c, v: (c + tt.rand(3), c * tt.rand(3)), x[0], x)
            c = tt.cond(n > 2, lambda v: v + tt.rand(3), lambda v: v, (x[0],))
            d = tt.while_loop(lambda i, v: i < n, lambda i, v: (i + 1, v + tt.rand(3)), (0, x[0]))
            return a, b, c, d, tt.rand(2)

        x = agreement.normal(4, 3)
        return [f(x, tt.tensor(n)) for n in (1, 3)], tt.rand(2)

    agreement.check(scenario)


def test_an_index_error_inside_a_loop_leaves_state_as_it_was() -> None:
    table, state = normal(4), tt.zeros(3, dtype=tt.float64)

    @tt.compile
    def f(indices: Tensor) -> Tensor:
        state.add_(1)
        start = tt.zeros(2, dtype=tt.float64)
        return tt.scan(lambda c, i: (c + table[i], None), start, indices)[0]

    got = f(tt.tensor([[0, 1], [2, 3]]))
    np.testing.assert_allclose(got.numpy(), table.numpy()[[0, 1]] + table.numpy()[[2, 3]])
    with pytest.raises(IndexError):
        f(tt.tensor([[0, 1], [2, 9]]))
    np.testing.assert_array_equal(state.numpy(), np.ones(3))


def test_state_from_outside_is_written_in_loops_and_branches() -> None:
    def scenario(compile: agreement.Compile) -> Any:
        norm = nn.BatchNorm1d(3, dtype=tt.float64)
        seen, rows = tt.zeros(3, dtype=tt.int64), tt.zeros(2, 3, dtype=tt.float64)
        w = normal(3, 3, requires_grad=True)

        def note(x: Tensor) -> Tensor:
            seen[1:].add_(1)
            return x + seen[1]

        def step(c: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
            c = norm(tt.cond(x.sum() > 0, note, lambda x: x, (c @ w + x,)))
            rows[0] = x[0].detach()
            return c, seen * 2 + rows.sum().to(tt.int64)

        @compile
        def f(x: Tensor, n: Tensor) -> Any:
            seen.mul_(2)
            c, ys = tt.scan(step, x[0], x)
            (g,) = tt.autograd.grad((c * c).sum() + c[0, 0], w)
            a = tt.while_loop(lambda i: (i < n) & (seen[1] < 9), lambda i: (i + seen.add_(1)[0],),
                              (0,))  # fmt: skip
            rows.sub_(1)
            return c, ys, g, a, tt.cond(n > 2, lambda: norm.running_mean * 2, lambda: w[0] * 1)

        found = [f(normal(5, 4, 3, seed=s), tt.tensor(s)) for s in (1, 2, 9)]
        return found, seen, rows, norm.state_dict()

    agreement.check(scenario, compiles=1, rtol=1e-9, atol=1e-12)


def test_random_numbers_beside_written_state() -> None:
    def scenario(compile: agreement.Compile) -> Any:
        tt.manual_seed(5)
        total = tt.zeros(3)

        def step(c: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
            drawn = tt.rand(3)
            total.add_(drawn)
            return c + drawn, total * x

        @compile
        def f(x: Tensor) -> Any:
            return tt.scan(step, x[0], x), tt.cond(x.sum() > 0, lambda: total.add_(tt.rand(3)) * 2,
                                                   lambda: total * 1), tt.rand(2)  # fmt: skip

        return f(tt.ones(4, 3)), f(-tt.ones(4, 3)), total

    agreement.check(scenario, compiles=1)


def test_an_error_in_a_loop_that_writes_state_leaves_it_as_it_was() -> None:
    table, state = normal(4), tt.zeros(4)

    @tt.compile
    def f(indices: Tensor) -> Tensor:
        def step(c: Tensor, i: Tensor) -> Any:
            state.add_(1)
            return c + table[i], None

        return tt.scan(step, table[0] * 0, indices)[0]

    f(tt.tensor([0, 1, 2]))
    with pytest.raises(IndexError):
        f(tt.tensor([0, 1, 9]))
    assert state.tolist() == [3] * 4


@pytest.mark.parametrize("kind", ["parameter", "carry", "checkpoint", "traced"])
def test_other_writes_to_the_outside_are_refused(kind: str) -> None:
    state = tt.zeros(3, requires_grad=kind == "parameter")

    def body(c: Tensor, x: Tensor, made: Tensor) -> Any:
        with tt.no_grad():
            if kind == "carry":
                c.add_(1)
            elif kind == "checkpoint":
                tt.autograd.checkpoint(lambda v: state.add_(v), x)
            else:
                (state if kind == "parameter" else made).add_(x)
        return c * 1, None

    @tt.compile
    def f(xs: Tensor) -> Any:
        made = xs[0] * 2
        return tt.scan(lambda c, x: body(c, x, made), state.detach().clone(), xs)[0]

    with pytest.raises(TraceError, match="from outside"):
        f(tt.ones(2, 3))


# ------------------------------------------------------------------- bad input


BAD: dict[str, tuple[Callable[[Tensor], Any], type[Exception], str]] = {
    "carry changes its shape": (
        lambda x: tt.scan(lambda c, v: (c.sum(), v), x[0], x), TypeRuleError,
        r"scan: the carry must keep its types.*f64\[3\] became f64\[\]",
    ),
    "carry changes its structure": (
        lambda x: tt.scan(lambda c, v: ((c, c), v), x[0], x), TypeRuleError, "keep its structure",
    ),
    "loop changes its dtype": (
        lambda x: tt.fori_loop(0, 2, lambda i, v: v.float(), x), TypeRuleError, "f64.*became f32",
    ),
    "no pair": (lambda x: tt.scan(lambda c, v: c, x[0], x), RuntimeError, "pair"),
    "lengths differ": (
        lambda x: tt.scan(lambda c, v: (c, None), x[0], (x, x[:1])), ValueError, r"\[1, 2\]",
    ),
    "no length": (lambda x: tt.scan(lambda c, v: (c, None), x), ValueError, "length"),
    "no axis": (lambda x: tt.scan(lambda c, v: (c, v), x, x.sum()), ValueError, "0-d"),
    "predicate of two": (
        lambda x: tt.cond(x[0] > 0, lambda: x, lambda: x), RuntimeError, "single-element bool",
    ),
    "predicate is no bool": (
        lambda x: tt.cond(x.sum(), lambda: x, lambda: x), RuntimeError, "single-element bool",
    ),
    "leaf is text": (lambda x: tt.scan(lambda c, v: (c, "a"), x[0], x), TypeError, "str"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("compiled", [False, True])
def test_bad_input_is_refused(name: str, compiled: bool) -> None:
    function, error, text = BAD[name]
    with pytest.raises(error, match=text):
        (tt.compile(function) if compiled else function)(normal(2, 3))


def test_branches_of_different_types_are_both_named() -> None:
    with pytest.raises(TypeRuleError, match=r"f64\[3\].*false_fn returns \(f64\[\]\)"):
        tt.compile(lambda x: tt.cond(x.sum() > 0, lambda v: v, lambda v: v.sum(), (x,)))(normal(3))


def test_lengths_and_batches_of_any_size_share_a_compile() -> None:
    w, u, _, _ = weights()

    def f(xs: Tensor) -> Any:
        loss = rnn(w, u, xs[0] @ w * 0, xs)
        return loss, tt.autograd.grad(loss, (w, u))

    step = tt.compile(f)
    for length, rows in ((3, 2), (4, 2), (9, 2), (6, 2), (5, 7), (2, 5)):
        xs = normal(length, rows, 3, seed=length)
        agreement.assert_same(f(xs), step(xs), rtol=1e-9)
    assert step.cache_info().compiles <= 3
