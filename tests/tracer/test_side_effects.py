"""Python side effects in a compiled function are refused, with the user's line; nothing changes."""

from __future__ import annotations

import datetime
import inspect
import itertools
import logging
import os
import random
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from agreement import normal

import tinytorch as tt
import tinytorch.nn.functional as F
from tinytorch import Tensor, nn, optim
from tinytorch.errors import TraceError

X = normal(3)
COUNT = 0
LOG: list[Any] = []


class Boom(Exception):
    pass


class Plain:
    def __init__(self) -> None:
        self.n = 0
        self.items: list[Any] = []
        self.table: dict[str, Any] = {}


class Counting(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.n = 0
        self.seen: list[Any] = []

    def forward(self, x: Tensor) -> Tensor:
        self.last = x
        return x


def printing(x: Tensor) -> Tensor:
    print("loss", 1)
    return x


def logging_(x: Tensor) -> Tensor:
    logging.getLogger("t").warning("hello")
    return x


def global_list(x: Tensor) -> Tensor:
    LOG.append(x)
    return x


def global_assigned(x: Tensor) -> Tensor:
    global COUNT
    COUNT += 1
    return x


def swallowed(x: Tensor) -> Tensor:
    try:
        print("loss")
    except Exception:
        x = x * 2
    return x


def today(x: Tensor) -> Tensor:
    return x * datetime.datetime.now().year


def system_random(x: Tensor) -> Tensor:
    return x * os.urandom(1)[0]


def clock(x: Tensor) -> Tensor:
    return x * time.perf_counter()


def random_number(x: Tensor) -> Tensor:
    return x * random.random()


def numpy_random(x: Tensor) -> Tensor:
    return x * float(np.random.rand())


RNG = np.random.default_rng(0)
ARRAY = np.ones(3, "f4")
COUNTER = itertools.count()


def numpy_generator(x: Tensor) -> Tensor:
    return x * float(RNG.normal())


def numpy_array(x: Tensor) -> Tensor:
    return x * tt.from_numpy(ARRAY)


def iterator(x: Tensor) -> Tensor:
    return x * next(COUNTER)


def file(x: Tensor) -> Tensor:
    with open("/dev/null") as f:
        f.read()
    return x


def branch(x: Tensor) -> Tensor:
    if x.sum() > 0:
        return x
    return -x


def loop(x: Tensor) -> Tensor:
    while (x < 10).all():
        x = x * 2
    return x


def as_float(x: Tensor) -> Any:
    return float(x.sum())


def as_int(x: Tensor) -> Any:
    return [1, 2, 3][int(x.sum())]


def as_item(x: Tensor) -> Any:
    return x.sum().item()


def as_list(x: Tensor) -> Any:
    return x.tolist()


def as_numpy(x: Tensor) -> Any:
    return x.numpy()


def to_numpy_function(x: Tensor) -> Any:
    return np.asarray(x).sum()


def contains(x: Tensor) -> Any:
    return 1.0 in x


def formatted(x: Tensor) -> Any:
    return f"{x.sum():.3f}"


def seeding(x: Tensor) -> Tensor:
    tt.manual_seed(0)
    return tt.rand(3)


def new_parameter(x: Tensor) -> Tensor:
    return nn.Parameter(x)


REFUSED = [
    printing, swallowed, today, system_random, logging_, global_list, global_assigned, clock,
    random_number, numpy_random, numpy_generator, file, branch, loop, as_float, as_int, as_item,
    as_list, as_numpy, to_numpy_function, contains, formatted, seeding,
]  # fmt: skip

UNSEEN = [numpy_random, numpy_generator]
"""numpy's draws raise no events: they are found after the fact, by the generator's state."""


@pytest.mark.parametrize("function", REFUSED, ids=lambda f: f.__name__)
def test_refused_with_the_line(function: Callable[[Tensor], Any]) -> None:
    state = random.getstate(), np.random.get_state()[1].tolist(), RNG.bit_generator.state
    with pytest.raises(TraceError) as caught:
        tt.compile(function)(X)
    lines, first = inspect.getsourcelines(function)
    named = [f"test_side_effects.py:{first + n}" for n in range(len(lines))]
    assert function in UNSEEN or any(n in str(caught.value) for n in named), caught.value
    assert (COUNT, LOG) == (0, [])
    assert state == (
        random.getstate(), np.random.get_state()[1].tolist(), RNG.bit_generator.state
    )  # fmt: skip
    np.testing.assert_array_equal(tt.compile(lambda x: x + 1)(X).numpy(), X.numpy() + 1)


@pytest.mark.parametrize("function", [numpy_array, iterator], ids=lambda f: f.__name__)
def test_captures_that_would_be_frozen_are_refused(function: Callable[[Tensor], Any]) -> None:
    with pytest.raises(TraceError, match="captured by the compiled|frozen into the compiled"):
        tt.compile(function)(X)


def plain_count(o: Any, x: Tensor) -> Tensor:
    o.n += 1
    return x


def plain_append(o: Any, x: Tensor) -> Tensor:
    o.items.append(1)
    return x


def plain_item(o: Any, x: Tensor) -> Tensor:
    o.table["a"] = 1
    return x


def plain_iadd(o: Any, x: Tensor) -> Tensor:
    o.items += [1]
    return x


def plain_bound(o: Any, x: Tensor) -> Tensor:
    add = o.items.append
    add(x)
    return x


def plain_new_attribute(o: Any, x: Tensor) -> Tensor:
    o.last = x * 2
    return x


def plain_deleted(o: Any, x: Tensor) -> Tensor:
    del o.table
    return x


def plain_setattr(o: Any, x: Tensor) -> Tensor:
    setattr(o, "n" * 1, 5)
    return x


def plain_sorted(o: Any, x: Tensor) -> Tensor:
    o.items.sort()
    return x


CHANGES = [
    plain_count, plain_append, plain_item, plain_iadd, plain_bound, plain_new_attribute,
    plain_deleted, plain_setattr, plain_sorted,
]  # fmt: skip


@pytest.mark.parametrize("function", CHANGES, ids=lambda f: f.__name__)
def test_changes_of_plain_objects_are_refused(function: Callable[..., Any]) -> None:
    thing = Plain()
    with pytest.raises(TraceError):
        tt.compile(lambda x: function(thing, x))(X)
    assert vars(thing) == {"n": 0, "items": [], "table": {}}


def test_slots_hidden_by_a_subclass_are_no_state_of_its_own() -> None:
    class Slots:
        __slots__ = ("kept", "path")

    class Shown(Slots):
        __slots__ = ()

        @property
        def path(self) -> str:  # as pathlib has it: it cannot be set
            return "a"

    shown = Shown()
    shown.kept = 3.0

    def writing(x: Tensor) -> Tensor:
        shown.kept += 1.0
        return x if shown.path else x * 2

    with pytest.raises(TraceError):
        tt.compile(writing)(X)
    assert shown.kept == 3.0
    compiled = tt.compile(lambda x: x * shown.kept if shown.path else x)
    assert compiled(tt.ones(1)).item() == 3.0
    shown.kept = 4.0
    assert compiled(tt.ones(1)).item() == 4.0


def test_changes_of_slots_are_refused() -> None:
    class Slots:
        __slots__ = ("n",)

        def __init__(self) -> None:
            self.n = 0

        def run(self, x: Tensor) -> Tensor:
            self.n += 1
            return x

    thing = Slots()
    with pytest.raises(TraceError):
        tt.compile(thing.run)(X)
    assert thing.n == 0


def test_changes_of_modules_and_optimizers_are_refused() -> None:
    model = Counting()
    with pytest.raises(TraceError, match="setting attribute 'last' of Counting"):
        tt.compile(model)(X)
    assert not hasattr(model, "last")
    layer = nn.Linear(3, 3)
    optimizer = optim.SGD(layer.parameters(), lr=0.1)
    schedule = optim.lr_scheduler.StepLR(optimizer, 1)

    def rate(x: Tensor) -> Tensor:
        optimizer.param_groups[0]["nesterov"] = True
        return x

    def grow(x: Tensor) -> Tensor:
        layer.extra = nn.Linear(3, 3)
        return x

    def scheduled(x: Tensor) -> Tensor:
        schedule.step()
        return x

    def evaluated(x: Tensor) -> Tensor:
        layer.eval()
        return layer(x)

    def seen(x: Tensor) -> Tensor:
        model.seen.append(1)
        return x

    for function in (rate, grow, scheduled, evaluated, seen):
        with pytest.raises(TraceError):
            tt.compile(function)(X)
    assert optimizer.param_groups[0]["nesterov"] is False
    assert layer.training
    assert model.seen == []
    assert not hasattr(layer, "extra")


def test_nonlocal_assignment_is_refused_and_undone() -> None:
    total = 0

    def f(x: Tensor) -> Tensor:
        nonlocal total
        total += 1
        return x

    with pytest.raises(TraceError, match="total"):
        tt.compile(f)(X)
    assert total == 0


def test_a_list_of_the_callers_is_not_appended_to() -> None:
    losses: list[Any] = []

    @tt.compile
    def step(x: Tensor, out: list[Any]) -> Tensor:
        loss = x.sum()
        losses.append(loss)
        return loss

    with pytest.raises(TraceError, match="append"):
        step(X, [])
    assert losses == []


def test_local_containers_objects_and_loops_are_fine() -> None:
    def f(x: Tensor, n: int) -> Any:
        parts, table = [], {}
        for i in range(3):
            parts.append(x * i)
            table[f"k{i}"] = parts[-1] + n
        thing = Plain()
        thing.n += 1
        thing.items.append(parts.pop())
        parts.extend(table.values())
        parts.reverse()
        names = sorted(table, key=lambda k: -int(k[1:]))
        return {k: table[k] for k in names}, tt.stack(parts).sum(0), thing.items[0], {1, 2} | {3}

    got, want = tt.compile(f)(X, 2), f(X, 2)
    assert list(got[0]) == list(want[0])
    np.testing.assert_allclose(got[1].numpy(), want[1].numpy(), rtol=1e-6)
    assert got[3] == want[3]


def test_a_tensor_of_another_trace_is_refused() -> None:
    def leaking(x: Tensor, n: float) -> Tensor:
        raise Boom(x * 2, n)

    with pytest.raises(Boom) as caught:
        tt.compile(leaking)(X, 2.0)
    tensor, number = caught.value.args
    for use in (lambda: tensor + 1, tensor.numpy, tensor.item, lambda: tensor.sum().item()):
        with pytest.raises((TraceError, RuntimeError)):
            use()
    with pytest.raises(TraceError, match="another trace"):
        tt.compile(lambda x: x + tensor)(X)
    with pytest.raises(TraceError):
        tt.compile(lambda x: x * number)(X)
    with pytest.raises(TraceError):
        number + 1  # noqa: B018 - the addition is what must fail


@pytest.mark.parametrize("when", ["first", "later"])
def test_an_exception_leaves_everything_as_it_was(when: str) -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5), nn.Linear(4, 2))
    optimizer = optim.Adam(model.parameters(), lr=0.1)
    notes: list[int] = []

    @tt.compile
    def step(x: Tensor, fail: bool) -> Tensor:
        optimizer.zero_grad()
        loss = model(x).square().sum()
        loss.backward()
        optimizer.step()
        if fail:
            with tt.no_grad():
                raise Boom(len(notes))
        return loss

    if when == "later":
        step(X, False)
    tt.manual_seed(3)
    before = _everything(model, optimizer)
    grads = [p.grad for p in model.parameters()]
    with pytest.raises(Boom) as caught:
        step(X, True)
    assert __file__ in str(caught.traceback[-1].path)
    assert tt.is_grad_enabled()
    for a, b in zip(before, _everything(model, optimizer), strict=True):
        np.testing.assert_array_equal(a, b)
    assert all(p.grad is g for p, g in zip(model.parameters(), grads, strict=True))
    compiles = step.cache_info().compiles
    tt.manual_seed(3)
    step(X, False)
    assert step.cache_info().compiles == compiles + (when == "first")
    assert any((a != b).any() for a, b in zip(before, _everything(model, optimizer), strict=True))


def _everything(model: nn.Module, optimizer: Any) -> list[np.ndarray]:
    state = [t for p in model.parameters() for t in optimizer.state[p].values()]
    found = [*model.parameters(), *state, tt.tracer.generator.default_generator.state]
    return [t.detach().numpy().copy() for t in found]


def test_writes_to_outside_tensors_before_an_exception_do_not_happen() -> None:
    state = tt.zeros(3)

    @tt.compile
    def f(x: Tensor) -> Tensor:
        state.add_(1)
        x.mul_(5)
        return F.relu(x) @ tt.ones(7)

    x = tt.ones(3)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="matmul|shape|size"):
            f(x)
        np.testing.assert_array_equal(state.numpy(), np.zeros(3))
        np.testing.assert_array_equal(x.numpy(), np.ones(3))
