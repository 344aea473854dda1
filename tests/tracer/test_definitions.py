"""Functions and methods replaced between calls, and refusals that user code catches."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest
from agreement import Compile, check

import tinytorch as tt
import tinytorch.nn.functional as F
from tinytorch import Tensor, nn, optim
from tinytorch.errors import TraceError

X = tt.ones(2)


class Base:
    factor = 3.0

    def __init__(self) -> None:
        self.k = 2.0

    def __call__(self, x: Tensor) -> Tensor:
        return self.by_class(self.method(x)) * self.value

    def method(self, x: Tensor) -> Tensor:
        return x * self.k

    @classmethod
    def by_class(cls, x: Tensor) -> Tensor:
        return x * cls.factor

    @property
    def value(self) -> float:
        return self.k + 1


class Thing(Base):
    pass


class Net(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return self.helper(x) + 1

    def helper(self, x: Tensor) -> Tensor:
        return x * 2


def scaled(x: Tensor, factor: float = 2.0, *, bias: float = 1.0) -> Tensor:
    return x * factor + bias


Edit = tuple[Any, str, Callable[..., Any]]


def edits(thing: Any, net: Any) -> list[Edit]:
    return [
        (thing, "method", lambda x: x * 50),
        (Thing, "method", lambda self, x: x * 60),
        (Base, "method", lambda self, x: x * 70),
        (Base, "by_class", classmethod(lambda cls, x: x * 80)),
        (Thing, "value", property(lambda self: 90)),
        (Base, "__call__", lambda self, x: x * 100),
        (Net, "forward", lambda self, x: x * 110),
        (Net, "helper", lambda self, x: x * 120),
        (net, "forward", lambda x: x * 130),
        (nn.Tanh, "forward", lambda self, x: x * 140),
        (F, "relu", lambda x: x * 150),
        (scaled, "__code__", (lambda x, factor=2.0, *, bias=1.0: x * 160).__code__),
        (scaled, "__defaults__", (170.0,)),
        (scaled, "__kwdefaults__", {"bias": 180.0}),
    ]


@pytest.mark.filterwarnings("ignore:.*was traced:UserWarning")
def test_replaced_functions_and_methods_are_seen() -> None:
    def scenario(compile: Compile) -> Any:
        thing, net, tanh = Thing(), Net(), nn.Tanh()
        f = compile(lambda x: thing(x) + net(x) + tanh(x) + F.relu(x) + scaled(x))
        found = [f(X)]
        with pytest.MonkeyPatch.context() as patch:
            for owner, name, new in edits(thing, net):
                with patch.context() as one:
                    one.setattr(owner, name, new, raising=False)
                    found += [f(X), f(X)]
        return [*found, f(X)]

    values = [round(x.sum().item()) for x in check(scenario)]
    assert values[0] not in values[1:-1]  # each edit tells


def test_a_replaced_step_is_seen() -> None:
    def scenario(compile: Compile) -> Any:
        w = nn.Parameter(tt.ones(3))
        opt = optim.SGD([w], lr=0.1)

        @compile
        def step() -> Tensor:
            w.grad = w * 2
            opt.step()
            return w * 1

        found = [step()]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(optim.SGD, "step", lambda self: None)
            found.append(step())
        return [*found, step()]

    check(scenario)


def test_keywords_of_a_partial_and_of_a_function() -> None:
    def scenario(compile: Compile) -> Any:
        part = functools.partial(scaled, factor=3.0)
        f = compile(lambda x: part(x) + scaled(x))
        found = [f(X)]
        part.keywords["factor"] = 5.0
        found.append(f(X))
        scaled.__kwdefaults__["bias"] = 7.0
        found.append(f(X))
        scaled.__kwdefaults__["bias"] = 1.0
        return found

    check(scenario)


def test_a_refusal_that_user_code_catches_is_raised_all_the_same() -> None:
    class Keeping(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            try:
                self.last = x
            except Exception:
                return x
            return x

    def reading(x: Tensor) -> Tensor:
        try:
            return x * float(x.sum())
        except RuntimeError:
            return x

    for function, match in ((Keeping(), "last"), (reading, "Python number")):
        compiled = tt.compile(function)
        for _ in range(2):
            with pytest.raises(TraceError, match=match):
                compiled(X)
    assert tt.compile(lambda x: x * 2)(X).tolist() == [2, 2]
