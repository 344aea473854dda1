"""Numbers of modules and parameter groups that a compiled function assigns."""

from __future__ import annotations

from typing import Any

import pytest
from agreement import Compile, check

import tinytorch as tt
from tinytorch import Tensor, nn, optim
from tinytorch.errors import TraceError

X = tt.ones(3)


class Counting(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.steps, self.total, self.last = 0, 0.5, 0

    def forward(self, x: Tensor, by: int) -> Tensor:
        self.steps += 1
        self.steps += by
        self.last = by
        self.total = self.total * 1.5 + self.steps
        if self.steps > 12:
            self.last = -1
        return x * self.steps + self.total


def test_counters_of_a_module() -> None:
    def scenario(compile: Compile) -> Any:
        model, found = Counting(), []
        f = compile(lambda x, by: model(x, by))
        for by in (1, 2, 3, 3, 2, 1):
            found += [f(X, by), model.steps, model.total, model.last, model(X, 1)]
        model.steps = 0
        return [*found, f(X[:2], 1), model.steps, f(tt.ones(7), 1), f(tt.ones(5), 1), model.steps]

    check(scenario)


def test_a_rate_that_decays_inside() -> None:
    def scenario(compile: Compile) -> Any:
        w = nn.Parameter(tt.ones(3))
        opt = optim.SGD([w], lr=0.1)

        @compile
        def step() -> None:
            opt.zero_grad()
            w.square().sum().backward()
            opt.step()
            opt.param_groups[0]["lr"] *= 0.9

        found = []
        for _ in range(4):
            step()
            found += [w.detach().clone(), opt.param_groups[0]["lr"]]
        return found

    check(scenario, compiles=1)


def test_nothing_is_counted_by_a_call_that_fails_or_by_compare() -> None:
    model = Counting()
    table = tt.ones(4, 3)

    @tt.compile
    def f(at: Tensor) -> Tensor:
        return model(table[at], 1)

    f(tt.tensor(1))
    with pytest.raises(IndexError):
        f(tt.tensor(9))
    assert model.steps == 2
    assert tt.compare(f, tt.tensor(1)).ok
    assert (model.steps, model.last) == (2, 1)


@pytest.mark.parametrize("assign", [
    lambda m: setattr(m, "steps", 1.5), lambda m: setattr(m, "fresh", 1),
    lambda m: setattr(m, "steps", None), lambda m: setattr(m, "steps", tt.ones(())),
])  # fmt: skip
def test_other_assignments_are_refused(assign: Any) -> None:
    model = Counting()

    def f(x: Tensor) -> Tensor:
        assign(model)
        return x

    with pytest.raises(TraceError, match="setting attribute"):
        tt.compile(f)(X)
    assert model.steps == 0
    assert not hasattr(model, "fresh")
