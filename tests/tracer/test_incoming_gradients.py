"""``.grad`` that was there before a compiled call: read, written and handed out as eager does."""

from __future__ import annotations

from typing import Any

import pytest
from agreement import Compile, check, normal

import tinytorch as tt
import tinytorch.nn.functional as F
from tinytorch import Tensor, nn, optim


def net() -> nn.Sequential:
    return nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3))


X, Y = normal(5, 4), tt.tensor([0, 2, 1, 1, 0])


@pytest.mark.parametrize("kind", [optim.SGD, optim.Adam])
def test_a_compiled_optimizer_step_after_backward_outside(kind: Any) -> None:
    """A backward pass leaves new gradients each time: one trace serves them all."""

    def scenario(compile: Compile) -> Any:
        model = net()
        opt = kind(model.parameters(), lr=0.1)
        step = compile(lambda: opt.step())
        for _ in range(6):
            opt.zero_grad()
            F.cross_entropy(model(X), Y).backward()
            step()
        return list(model.parameters())

    check(scenario, compiles=1)


def test_gradients_accumulate_over_two_compiled_functions() -> None:
    def scenario(compile: Compile) -> Any:
        model = net()
        opt = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

        @compile
        def accumulate(x: Tensor) -> Tensor:
            loss = F.cross_entropy(model(x), Y) / 3
            loss.backward()
            return loss

        @compile
        def update() -> Tensor:
            norm = nn.utils.clip_grad_norm_(model.parameters(), 0.5)
            opt.step()
            opt.zero_grad()
            return norm

        found = []
        for number in range(12):
            found.append(accumulate(X * number))
            if number % 3 == 2:
                found.append(update())
        return [found, list(model.parameters())]

    check(scenario, compiles=3)


def test_gradients_of_every_layout_are_read_and_written() -> None:
    def scenario(compile: Compile) -> Any:
        w, found = nn.Parameter(tt.ones(2, 3)), []

        @compile
        def scale(x: Tensor) -> Any:
            w.grad.mul_(2)
            return w.grad, w.grad[0], w.grad * x

        for grad in (tt.ones(2, 3), tt.ones(2, 3), tt.ones(3, 2).t(), tt.ones(2, 6)[:, ::2]):
            w.grad = grad
            found += [scale(tt.ones(3)), scale(tt.ones(3)), grad.clone()]
            found[-3][0].add_(1)  # the very gradient
            found += [w.grad.clone(), grad.clone()]
        return found

    check(scenario)


def test_gradients_that_are_shared() -> None:
    def scenario(compile: Compile) -> Any:
        a, b, found = nn.Parameter(tt.ones(3)), nn.Parameter(tt.ones(3)), []

        @compile
        def f(x: Tensor) -> Tensor:
            a.grad.mul_(2)
            return a.grad + b.grad * x

        shared = tt.ones(3)
        flat = tt.ones(6)
        arrangements: list[Any] = [
            (tt.ones(3), tt.ones(3), tt.ones(3)), (shared, shared, tt.ones(3)),
            (tt.ones(3), tt.ones(3), tt.ones(3)), (shared, tt.ones(3), shared),
            (a.detach(), tt.ones(3), tt.ones(3)), (flat[:3], flat[3:], tt.ones(3)),
            (flat[:3], flat[3:], flat[3:]), (tt.ones(3), a.detach(), tt.ones(3)),
            (shared.detach(), tt.ones(3), shared),
        ]  # fmt: skip
        for a.grad, b.grad, x in arrangements:
            found.append((f(x), a.grad.clone(), b.grad.clone(), x.clone(), a.detach().clone()))
        return found

    check(scenario)


def test_a_gradient_that_comes_and_goes() -> None:
    def scenario(compile: Compile) -> Any:
        w, v, found = nn.Parameter(tt.ones(3)), nn.Parameter(tt.ones(3)), []

        @compile
        def f() -> Any:
            if w.grad is None:
                return 0
            v.grad, w.grad = w.grad, w.grad * 2
            return v.grad, w.grad

        for grad in (None, tt.ones(3), tt.full((3,), 2.0), None, tt.full((3,), 3.0)):
            w.grad = grad
            found.append(f())
            if grad is not None:
                assert v.grad is grad
                found += [f(), v.grad, w.grad]
                w.grad.data = tt.full((3,), 9.0)
                found.append(f())
        return found

    check(scenario)


def test_a_gradient_that_is_also_seen_by_name() -> None:
    def scenario(compile: Compile) -> Any:
        w = nn.Parameter(tt.ones(3))
        known = tt.full((3,), 2.0)
        w.grad = known
        f = compile(lambda: w.grad * 2 + known)
        found = [f()]
        w.grad = tt.full((3,), 5.0)
        return [*found, f()]

    check(scenario)
