"""A change of anything a compiled function can see gives the eager result: never a stale one."""

from __future__ import annotations

import argparse
import collections
import dataclasses
import functools
import importlib
import math
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from agreement import Compile, check, normal

import tinytorch as tt
import tinytorch.nn.functional as F
from tinytorch import Tensor, nn, optim
from tinytorch.tracer import usercode

X = normal(3)
FACTOR = 2.0
TABLE = {"a": 1.0, "b": [1.0, 2.0]}


many_kinds = pytest.mark.filterwarnings("ignore:.*was traced:UserWarning")


class Config:
    """A plain object with settings, also on its class."""

    shared = 1.0
    inherited_too: list[float] = [1.0]

    def __init__(self) -> None:
        self.scale = 2.0
        self.flags = {"on": True}


class Special(Config):
    pass


@dataclasses.dataclass(slots=True)
class Slotted:
    scale: float = 2.0


def read_scale(config: Any) -> float:
    return config.scale


def changes(make: Callable[[], Any], use: Callable[[Any, Tensor], Tensor],
            *edits: Callable[[Any], None]) -> list[tuple[np.ndarray, np.ndarray, int]]:  # fmt: skip
    """Run ``use`` compiled and eagerly on one object after each edit."""
    thing = make()
    compiled = tt.compile(lambda x: use(thing, x))
    found = []
    for edit in (lambda _: None, *edits):
        edit(thing)
        for _ in range(2):
            got, want = compiled(X).numpy(), use(thing, X).numpy()
            np.testing.assert_allclose(got, want, rtol=1e-6)
        found.append((got, want, compiled.cache_info().compiles))
    return found


def test_a_global() -> None:
    global FACTOR
    f = tt.compile(lambda x: x * FACTOR)
    try:
        for value, compiles in ((2.0, 1), (3.0, 2), (2.0, 2), (4, 3)):
            FACTOR = value
            np.testing.assert_allclose(f(X).numpy(), X.numpy() * np.float32(value))
            assert f.cache_info().compiles == compiles
    finally:
        FACTOR = 2.0


def test_a_global_container() -> None:
    f = tt.compile(lambda x: x * TABLE["a"] + TABLE["b"][1])
    for a, b in ((1.0, 2.0), (3.0, 2.0), (3.0, 5.0)):
        TABLE["a"], TABLE["b"][1] = a, b
        np.testing.assert_allclose(f(X).numpy(), X.numpy() * np.float32(a) + np.float32(b))
    TABLE["a"], TABLE["b"][1] = 1.0, 2.0


def test_a_closure_variable() -> None:
    scale = 2.0
    f = tt.compile(lambda x: x * scale)
    for value in (2.0, 3.0, 0.0, -0.0, True):
        scale = value
        want = X.numpy() * np.float32(value)
        np.testing.assert_array_equal(f(X).numpy(), want)
        np.testing.assert_array_equal(np.signbit(f(X).numpy()), np.signbit(want))


def setter(name: str, value: Any) -> Callable[[Any], None]:
    return lambda thing: setattr(thing, name, value)


OBJECTS: dict[str, tuple[Callable[[], Any], ...]] = {
    "attribute": (Config, lambda c, x: x * c.scale, setter("scale", 3.0)),
    "attribute read by another function": (
        Config, lambda c, x: x * read_scale(c), setter("scale", 3.0)),
    "attribute read by name": (
        Config, lambda c, x: x * getattr(c, "sca" + "le"), setter("scale", 3.0)),
    "attribute in __dict__": (Config, lambda c, x: x * vars(c)["scale"], setter("scale", 3.0)),
    "attribute that was absent": (
        Config, lambda c, x: x * 2 if hasattr(c, "extra") else x, setter("extra", 1)),
    "class attribute": (
        Config, lambda c, x: x * c.shared, lambda c: setattr(Config, "shared", 4.0)),
    "class attribute of a base": (
        Special, lambda c, x: x * c.shared, lambda c: setattr(Config, "shared", 5.0)),
    "instance attribute over a class attribute": (
        Config, lambda c, x: x * c.shared, setter("shared", 7.0)),
    "list on a class": (
        Special, lambda c, x: x * c.inherited_too[0],
        lambda c: Config.inherited_too.__setitem__(0, 9.0)),
    "dict in an object": (
        Config, lambda c, x: x if c.flags["on"] else -x,
        lambda c: c.flags.update(on=False)),
    "slots": (Slotted, lambda c, x: x * c.scale, setter("scale", 3.0)),
    "namespace": (
        lambda: types.SimpleNamespace(scale=2.0), lambda c, x: x * c.scale, setter("scale", 3.0)),
    "arguments of a program": (
        lambda: argparse.Namespace(scale=2.0, inner=argparse.Namespace(bias=1.0)),
        lambda c, x: x * c.scale + c.inner.bias,
        setter("scale", 3.0), lambda c: setattr(c.inner, "bias", 2.0)),
    "module file": (
        lambda: types.ModuleType("settings"),
        lambda c, x: x * getattr(c, "scale", 1.0), setter("scale", 3.0)),
    "list": (lambda: [1.0, 2.0], lambda c, x: x * sum(c), lambda c: c.append(3.0),
             lambda c: c.__setitem__(0, 5.0), lambda c: c.clear()),
    "nested list": (
        lambda: [[1.0], [2.0]], lambda c, x: x * c[1][0], lambda c: c[1].insert(0, 9.0)),
    "dict": (lambda: {"a": 1.0}, lambda c, x: x * sum(c.values()), lambda c: c.update(b=2.0)),
    "default dict": (
        lambda: collections.defaultdict(float, a=1.0), lambda c, x: x * c["a"],
        lambda c: c.update(a=2.0)),
    "deque": (
        lambda: collections.deque([1.0, 2.0]), lambda c, x: x * c[0], lambda c: c.appendleft(5.0)),
    "set": (lambda: {1.0}, lambda c, x: x * len(c), lambda c: c.add(2.0)),
    "partial": (
        lambda: [functools.partial(pow, 2.0)], lambda c, x: x * c[0](2.0),
        lambda c: c.__setitem__(0, functools.partial(pow, 3.0))),
    "function": (
        lambda: types.SimpleNamespace(act=lambda x: x * 2), lambda c, x: c.act(x),
        lambda c: setattr(c, "act", lambda x: x * 3)),
    "replaced tensor": (
        lambda: types.SimpleNamespace(t=tt.ones(3)), lambda c, x: x * c.t,
        lambda c: setattr(c, "t", tt.full((3,), 2.0)), lambda c: c.t.add_(1)),
    "tensor in a list": (
        lambda: [tt.ones(3)], lambda c, x: x * c[0],
        lambda c: c.__setitem__(0, tt.full((3,), 2.0))),
}  # fmt: skip


@pytest.mark.parametrize("name", OBJECTS)
def test_what_a_closure_holds(name: str) -> None:
    changes(*OBJECTS[name])
    Config.shared, Config.inherited_too[0] = 1.0, 1.0


def test_a_user_module_read_by_two_functions() -> None:
    settings = types.ModuleType("settings")
    settings.__file__ = __file__  # a module of the user's
    settings.one, settings.two = 1.0, 2.0

    def inner(x: Tensor) -> Tensor:
        return x * settings.two

    f = tt.compile(lambda x: inner(x) * settings.one)
    np.testing.assert_allclose(f(X).numpy(), X.numpy() * 2)
    settings.two = 3.0
    np.testing.assert_allclose(f(X).numpy(), X.numpy() * 3)
    settings.one = 2.0
    np.testing.assert_allclose(f(X).numpy(), X.numpy() * 6)


def test_unread_attributes_do_not_retrace() -> None:
    class Trainer:
        def __init__(self) -> None:
            self.scale, self.count, self.history = 2.0, 0, []

        def run(self, x: Tensor) -> Tensor:
            return x * self.scale

    trainer = Trainer()
    step = tt.compile(trainer.run)
    for _ in range(4):
        trainer.history.append(step(X))
        trainer.count += 1
    assert step.cache_info().compiles == 1


class Scaled(nn.Module):
    factor = 2.0  # on the class

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(3, 2)
        self.scale = 0.5
        self.names = ["a"]
        self.gate = True
        self.act = F.relu
        self.options = {"power": 1}

    def forward(self, x: Tensor) -> Tensor:
        y = self.act(self.fc(x)) * self.scale * self.factor * len(self.names)
        return y ** self.options["power"] if self.gate else y


@many_kinds
def test_attributes_of_a_module() -> None:
    def scenario(compile: Compile) -> Any:
        model = Scaled()
        f = compile(model)
        seen = [f(X), f(X)]
        for edit in (
            setter("scale", 0.25), setter("gate", False), lambda m: m.names.append("b"),
            setter("act", F.tanh), setter("gate", True), lambda m: m.options.update(power=2),
            lambda m: setattr(Scaled, "factor", 3.0), setter("factor", 4.0),
            setter("scale", 1), lambda m: m.half().float(),
        ):  # fmt: skip
            edit(model)
            seen += [f(X), f(X)]
        Scaled.factor = 2.0
        return seen

    check(scenario)


def test_numbers_of_modules_and_groups_are_inputs() -> None:
    """A hundred learning rates, three ways, one compile each."""

    def scenario(compile: Compile) -> Any:
        model = Scaled()
        optimizer = optim.SGD(model.parameters(), lr=0.1)

        @compile
        def step(x: Tensor, penalty: float) -> Tensor:
            optimizer.zero_grad()
            loss = model(x).square().sum() * penalty
            loss.backward()
            optimizer.step()
            return loss

        losses = []
        for k in range(100):
            optimizer.param_groups[0]["lr"] = 0.1 - 0.09 * k / 100
            model.scale = 0.5 + k / 1000
            losses.append(step(X, 1.0 / (k + 1)))
        return losses

    check(scenario, compiles=1, rtol=1e-4)


def test_integers_in_arithmetic_are_inputs() -> None:
    def scenario(compile: Compile) -> Any:
        f = compile(lambda x, k, n: x * (1 - 0.9 * k / n) + k // 3 - k % 2 + k**2)
        return [f(X, k, 100) for k in range(20)]

    check(scenario, compiles=1)


def test_a_comparison_guards_its_outcome() -> None:
    def scenario(compile: Compile) -> Any:
        f = compile(lambda x, k: x * 2 if k < 5 else x * k)
        return [f(X, k) for k in range(10)]

    check(scenario, compiles=2)


def test_a_number_that_becomes_a_shape_or_text_guards_its_value() -> None:
    def scenario(compile: Compile) -> Any:
        @compile
        def f(x: Tensor, n: int, p: float) -> Tensor:
            return x[:n].sum() + tt.zeros(n).sum() + len(f"{n}") + int(p) + round(p)

        return [f(X, n, p) for n, p in ((1, 1.5), (2, 1.5), (1, 1.5), (2, 2.5))]

    check(scenario, compiles=3)


def test_what_python_raises_for_numbers_compiled_code_raises() -> None:
    f = tt.compile(lambda x, k, n: x * (k / n))
    assert f(X, 1, 2).shape == (3,)
    for n in (0, 0.0):
        with pytest.raises(ZeroDivisionError):
            f(X, 1, n)
    assert f.cache_info().compiles == 1


def test_powers_of_numbers_keep_their_kind() -> None:
    def scenario(compile: Compile) -> Any:
        f = compile(lambda x, k: ((-1) ** k, 2**k, k**2, 0.5**k, (k + 0.5) ** 0.5, x * (-1) ** k))
        return [f(X, k) for k in (2, 3, 0, -1, 5)]

    check(scenario)


def test_large_integers_do_not_wrap() -> None:
    f = tt.compile(lambda x, k: (k * k, x))
    for k in (10, 10**12, -(10**12), 11):
        assert f(X, k)[0] == k * k


def test_everything_a_number_can_do() -> None:
    def scenario(compile: Compile) -> Any:
        @compile
        def f(x: Tensor, k: int, r: float) -> Any:
            kinds = k & 1, k << 1, ~k, 1 | k, k.bit_length(), divmod(k, 3), divmod(7, k)
            reals = round(r, 1), math.sqrt(r), math.floor(r), int(r), abs(-r), +r, r.is_integer()
            made = tt.tensor([r, 1.0]), tt.tensor([[k, 2], [3, k]]), tt.full((2,), r), tt.arange(k)
            used = x.clamp(max=r), tt.where(x > r, x, r), x.clone().fill_(r), x**r, r - x, k // x
            return kinds, reals, made, used, min(k, 3), max(r, 2.0), {1: "a", 2: "b"}.get(k), r < k

        return [f(X.abs(), k, r) for k, r in ((1, 1.5), (2, 2.5), (1, 1.5), (3, 0.25))]

    check(scenario)


def test_nan_and_infinity_as_numbers() -> None:
    def scenario(compile: Compile) -> Any:
        f = compile(lambda x, r: (x * r if r < math.inf else x, float(r) == float(r)))
        return [f(X, r) for r in (1.0, math.nan, math.nan, math.inf, -math.inf)]

    check(scenario)


@pytest.mark.parametrize("pair", [(1, 1.0), (True, 1), (0.0, -0.0), ("a", "b"), (None, 0)])
def test_kinds_of_numbers_are_told_apart(pair: tuple[Any, Any]) -> None:
    def scenario(compile: Compile) -> Any:
        f = compile(lambda x, v: (x if v in (None, "a", "b") else 1 / (x * v), v))
        ints = tt.tensor([1, 2, 3])
        with np.errstate(all="ignore"):
            return [f(t, v) for v in (*pair, *pair) for t in (X, ints)]

    check(scenario)


def test_a_replaced_submodule_is_the_one_updated() -> None:
    def scenario(compile: Compile) -> Any:
        model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 1))

        @compile
        def step(x: Tensor) -> Tensor:
            model.zero_grad()
            loss = model(x).square().sum()
            loss.backward()
            with tt.no_grad():
                for p in model.parameters():
                    p.sub_(0.1 * p.grad)
            return loss

        first = step(X)
        old = model[1]
        kept = old.weight.detach().clone()
        model[1] = nn.Linear(3, 1)
        second, third = step(X), step(X)
        assert not (old.weight.detach().numpy() == 0).all()
        return first, second, third, kept.shape, [p.detach() for p in model.parameters()]

    check(scenario)


def test_a_replaced_parameter_and_new_layers_are_seen() -> None:
    def scenario(compile: Compile) -> Any:
        model = nn.Sequential(nn.Linear(3, 3))
        f = compile(lambda x: model(x))
        seen = [f(X)]
        model[0].weight = nn.Parameter(tt.ones(3, 3))
        seen.append(f(X))
        model.append(nn.Linear(3, 2))
        seen.append(f(X))
        model[0].bias = None
        seen.append(f(X))
        del model[1]
        return [*seen, f(X)]

    check(scenario, compiles=5)


def test_load_state_dict_needs_no_new_trace() -> None:
    def scenario(compile: Compile) -> Any:
        model, other = nn.Linear(3, 2), nn.Linear(3, 2)
        optimizer = optim.Adam(model.parameters(), lr=0.1)

        @compile
        def step(x: Tensor) -> Tensor:
            optimizer.zero_grad()
            loss = model(x).square().sum()
            loss.backward()
            optimizer.step()
            return loss

        losses = [step(X)]
        model.load_state_dict(other.state_dict())
        losses.append(step(X))
        saved = optimizer.state_dict()
        losses.append(step(X))
        optimizer.load_state_dict(saved)
        return [*losses, step(X)]

    check(scenario, compiles=1, rtol=1e-4)


def test_replaced_optimizer_state_is_seen() -> None:
    def scenario(compile: Compile) -> Any:
        w = normal(3, seed=7, requires_grad=True)
        optimizer = optim.SGD([w], lr=0.1, momentum=0.9)

        @compile
        def step(x: Tensor) -> Tensor:
            optimizer.zero_grad()
            loss = (w * x).sum()
            loss.backward()
            optimizer.step()
            return loss

        first = step(X)
        optimizer.state[w]["momentum_buffer"] = tt.full((3,), 5.0)
        second = step(X)
        return first, second, step(X), w, optimizer.state[w]["momentum_buffer"]

    check(scenario)


def test_train_eval_and_dropout_probability() -> None:
    def scenario(compile: Compile) -> Any:
        drop = nn.Dropout(0.5)
        f = compile(lambda x: drop(x))
        seen = [f(X)]
        drop.eval()
        seen.append(f(X))
        drop.train()
        seen.append(f(X))
        drop.p = 0.25
        return [*seen, f(X)]

    check(scenario)


def test_a_flip_of_requires_grad() -> None:
    def scenario(compile: Compile) -> Any:
        w, v = normal(3, requires_grad=True), normal(3, seed=1)

        @compile
        def f(x: Tensor) -> Tensor:
            return (w * x + v).sum()

        flags = []
        for target, value in ((w, True), (v, True), (w, False), (v, False)):
            target.requires_grad_(value)
            out = f(X)
            flags.append(out.requires_grad)
            if out.requires_grad:
                out.backward()
        x = X.clone().requires_grad_()
        f(x).backward()
        return flags, w.grad, v.grad, x.grad

    check(scenario)


@many_kinds
def test_shapes_strides_dtypes_and_ranks() -> None:
    def scenario(compile: Compile) -> Any:
        f = compile(lambda x: (x * 2 + 1).sum(0))
        base = normal(4, 6)
        return [f(t) for t in (
            base, base[:2], base.T, base[:, ::2], base.double(), base.long(), base[0],
            base.reshape(2, 2, 6), base[:1].expand(4, 6), base,
        )]  # fmt: skip

    check(scenario)


def test_the_same_tensor_twice() -> None:
    def scenario(compile: Compile) -> Any:
        @compile
        def f(a: Tensor, b: Tensor) -> Tensor:
            a.add_(1)
            return a * b

        x, y = tt.ones(3), tt.ones(3)
        first = f(x, y)
        second = f(x, x)
        return first, second, f(y, x), x, y

    check(scenario, compiles=2)


def test_an_argument_that_is_also_captured() -> None:
    def scenario(compile: Compile) -> Any:
        state = tt.ones(3)

        @compile
        def f(a: Tensor) -> Tensor:
            state.add_(a)
            return state * a

        return f(tt.ones(3)), f(state), f(tt.ones(3)), state

    check(scenario)


def test_grad_mode_and_default_dtype() -> None:
    def scenario(compile: Compile) -> Any:
        w = normal(3, requires_grad=True)
        f = compile(lambda x: (w * x, tt.zeros(2) + 0.5))
        seen = [f(X)]
        with tt.no_grad():
            seen.append(f(X))
        tt.set_default_dtype(tt.float64)
        try:
            seen.append(f(X))
        finally:
            tt.set_default_dtype(tt.float32)
        seen.append(f(X))
        return seen, [a.requires_grad for a, _ in seen]

    check(scenario, compiles=3)


def test_clearing_gradients_in_a_loop_of_the_users() -> None:
    """Reading ``p.grad`` before dropping it may cost a second trace, but not one a step."""
    w = normal(3, requires_grad=True)

    @tt.compile
    def step(x: Tensor) -> Tensor:
        if w.grad is not None:
            w.grad = None
        loss = (w * x).square().sum()
        loss.backward()
        return loss

    for _ in range(6):
        step(X)
    assert step.cache_info().compiles <= 2


def test_an_incoming_gradient_is_used_where_it_is_read() -> None:
    def scenario(compile: Compile) -> Any:
        w = normal(3, requires_grad=True)

        @compile
        def scale() -> Tensor:
            return w.grad * 2

        seen = []
        for factor in (1.0, 2.0):
            w.grad = None
            (w * factor).sum().backward()
            seen += [scale(), scale()]
            w.grad.add_(1)
            seen.append(scale())
        return seen

    check(scenario)


def test_many_kinds_stay_bounded_and_warn_once() -> None:
    f = tt.compile(lambda x, s: x * 2)

    def many() -> None:
        for number in range(68):
            np.testing.assert_allclose(f(X, str(number)).numpy(), X.numpy() * 2)

    with pytest.warns(UserWarning, match="was traced") as warned:
        many()
    assert len(warned) == 1
    assert f.cache_info().kinds <= 64


def test_an_installed_package_that_calls_tinytorch_is_guarded(tmp_path, monkeypatch):
    folder = tmp_path / "site-packages"
    (folder / "layers_of_mine").mkdir(parents=True)
    (folder / "layers_of_mine" / "__init__.py").write_text(
        "SCALE = 2.0\n\ndef scaled(x):\n    return x * SCALE\n"
    )
    monkeypatch.setattr(usercode, "_INSTALLED", (str(folder) + "/", *usercode._INSTALLED))
    monkeypatch.setattr(usercode, "_claimed", set())
    usercode.is_user_file.cache_clear()
    monkeypatch.syspath_prepend(folder)
    package = importlib.import_module("layers_of_mine")
    step = tt.compile(lambda x: package.scaled(x) + 1)
    np.testing.assert_allclose(step(X).numpy(), (X * 2 + 1).numpy(), rtol=1e-6)
    assert usercode._claimed == {str(folder / "layers_of_mine") + "/"}
    package.SCALE = 3.0
    np.testing.assert_allclose(step(X).numpy(), (X * 3 + 1).numpy(), rtol=1e-6)


def test_what_tinytorch_runs_itself_is_not_checked():
    compiled = tt.compile(lambda x: x * 2)
    compiled(tt.ones(3))
    assert "checks" not in compiled.explain()
