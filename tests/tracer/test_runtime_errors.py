"""Errors that only the data can cause: eager's class, the user's line, and nothing written."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinytorch as tt
import tinytorch.nn.functional as F
from tinytorch import Tensor, nn, optim

TABLE = tt.ones(4, 3)
SCORES = tt.zeros(2, 5)


def embedded(i: Tensor) -> Tensor:
    return F.embedding(i, TABLE)


def classified(i: Tensor) -> Tensor:
    return F.cross_entropy(SCORES, i)


def taken(i: Tensor) -> Tensor:
    return TABLE[i]


def gathered(i: Tensor) -> Tensor:
    return TABLE.gather(0, i.reshape(2, 1))


def selected(i: Tensor) -> Tensor:
    return TABLE.index_select(0, i)


def divided(i: Tensor) -> Tensor:
    return tt.tensor([6, 7]) // i


def remaindered(i: Tensor) -> Tensor:
    return tt.tensor([6, 7]) % i


def encoded(i: Tensor) -> Tensor:
    return F.one_hot(i, 4)


CASES: list[tuple[Callable[[Tensor], Tensor], list[int], list[int]]] = [
    (embedded, [0, 3], [0, 4]), (embedded, [0, 3], [-1, 0]), (classified, [0, 4], [0, 5]),
    (classified, [0, 4], [-2, 0]), (taken, [0, -4], [0, 4]), (taken, [0, -4], [-5, 0]),
    (gathered, [0, 3], [4, 0]), (selected, [0, 3], [0, 4]), (divided, [2, 3], [1, 0]),
    (remaindered, [2, 3], [1, 0]), (encoded, [0, 3], [0, 4]),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c[0].__name__}{c[2]}")
def test_compiled_raises_what_eager_raises(case: Any) -> None:
    function, good, bad = case
    step = tt.compile(function)
    for _ in range(2):
        np.testing.assert_array_equal(
            step(tt.tensor(good)).numpy(), function(tt.tensor(good)).numpy()
        )
        with pytest.raises(Exception) as eager:  # noqa: PT011 - whichever class eager raises
            function(tt.tensor(bad))
        with pytest.raises(type(eager.value)) as compiled:
            step(tt.tensor(bad))
        assert type(compiled.value) is type(eager.value)
        assert not isinstance(eager.value, AssertionError)
        reason = str(eager.value).split(" [in ")[0]
        assert str(compiled.value).startswith(reason)  # the offending value included
    line = inspect.getsourcelines(function)[1] + 1
    assert f"test_runtime_errors.py:{line}" in str(compiled.value)
    assert step.cache_info().compiles == 1


def test_a_bad_batch_leaves_the_whole_training_state_unchanged() -> None:
    model = nn.Sequential(nn.Embedding(4, 3), nn.Flatten(), nn.Dropout(0.25), nn.Linear(6, 5))
    optimizer = optim.Adam(model.parameters(), lr=0.1)
    seen = tt.zeros(1)

    @tt.compile
    def step(x: Tensor, y: Tensor) -> Tensor:
        seen.add_(1)
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    def everything() -> list[np.ndarray]:
        state = [t for p in model.parameters() for t in optimizer.state[p].values()]
        generator = tt.tracer.generator.default_generator.state
        return [t.detach().numpy().copy() for t in (*model.parameters(), *state, seen, generator)]

    x, y = tt.tensor([[0, 1], [2, 3]]), tt.tensor([0, 4])
    step(x, y)
    before = everything()
    for bad in ((tt.tensor([[0, 1], [2, 9]]), y), (x, tt.tensor([0, 5]))):
        with pytest.raises(IndexError, match="out of"):
            step(*bad)
        for a, b in zip(before, everything(), strict=True):
            np.testing.assert_array_equal(a, b)
    step(x, y)
    assert float(seen.numpy()[0]) == 2
    assert any((a != b).any() for a, b in zip(before, everything(), strict=True))
    assert step.cache_info().compiles == 1


def test_a_failed_call_leaves_no_garbage_in_grads() -> None:
    model = nn.Sequential(nn.Embedding(4, 3), nn.Flatten(), nn.Dropout(0.25), nn.Linear(6, 5))

    @tt.compile
    def step(x: Tensor, y: Tensor) -> None:
        model.zero_grad()
        F.cross_entropy(model(x), y).backward()

    x = tt.tensor([[0, 1], [2, 3]])
    step(x, tt.tensor([0, 4]))
    step(x, tt.tensor([0, 4]))
    kept = [p.grad.numpy().copy() for p in model.parameters()]
    for bad in ((tt.tensor([[0, 1], [2, 9]]), tt.tensor([0, 4])), (x, tt.tensor([0, 5]))):
        with pytest.raises(IndexError):
            step(*bad)
        for p, g in zip(model.parameters(), kept, strict=True):
            assert p.grad is None or (p.grad.numpy() == g).all()
