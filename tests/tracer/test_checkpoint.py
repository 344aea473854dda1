"""checkpoint: the same numbers, less memory, work done again; eager and compiled."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest
from agreement import Compile, check, normal

import tinytorch as tt
from tinytorch import Tensor, nn
from tinytorch.autograd import CheckpointError, checkpoint_sequential, grad
from tinytorch.func import hessian, jvp, vmap
from tinytorch.utils.checkpoint import checkpoint


def leaf(*values: float) -> Tensor:
    return tt.tensor(values, dtype=tt.float64, requires_grad=True)


@pytest.mark.parametrize("inside", [True, False], ids=["inside", "outside"])
def test_gradients_are_those_of_plain_code(inside: bool) -> None:
    def scenario(compile: Compile, run: Any = checkpoint) -> Any:
        layers = [nn.Linear(4, 4) for _ in range(3)]
        for number, layer in enumerate(layers):
            layer.weight.data = normal(4, 4, seed=number)
            layer.bias.data = normal(4, seed=number)
        scale = tt.tensor(2.0, requires_grad=True)

        def loss(x: Tensor) -> Tensor:
            h = x
            for layer in layers:
                h, k = run(lambda h, layer=layer: (layer(h).tanh() * scale, 3), h)
            return (h * k).sum()

        def step(x: Tensor) -> Tensor:
            value = loss(x)
            value.backward()
            return value

        x = normal(5, 4).requires_grad_()
        if inside:
            value = compile(step)(x)
        else:
            value = compile(loss)(x)
            value.backward()
        return value, x.grad, scale.grad, [p.grad for m in layers for p in m.parameters()]

    plain = scenario(lambda f: f, lambda f, *xs: f(*xs))
    got = check(scenario, rtol=1e-4, atol=1e-4)
    flat = [*plain[:3], *plain[3]]
    for a, b in zip(flat, got, strict=True):
        np.testing.assert_allclose(b, a.detach().numpy(), rtol=1e-4, atol=1e-4)


def test_the_function_runs_again_and_keeps_nothing() -> None:
    runs, kept = [], []

    def part(x: Tensor) -> Tensor:
        h = x.exp()
        runs.append(1)
        kept.append(weakref.ref(h))
        return h.sin()

    x = leaf(0.5)
    y = checkpoint(part, x, use_reentrant=False)
    gc.collect()
    assert kept[0]() is None
    assert y.grad_fn.name() == "CheckpointBackward"
    y.sum().backward()
    assert len(runs) == 2
    assert x.grad.item() == pytest.approx(np.cos(np.exp(0.5)) * np.exp(0.5))
    with pytest.raises(RuntimeError, match="second time"):
        y.sum().backward()
    with tt.no_grad():
        assert not checkpoint(part, x).requires_grad
    assert not checkpoint(part, x.detach()).requires_grad


def test_compiled_code_computes_again() -> None:
    x = leaf(0.5, 1.0)
    counts = {}
    for name, run in (("plain", lambda f, x: f(x)), ("checkpoint", checkpoint)):

        @tt.compile
        def step(x: Tensor, run: Any = run) -> Any:
            y = run(lambda a: a.exp().sin(), x)
            return y, grad(y.sum(), x)

        step(x)
        counts[name] = step.stages["optimized"].count(" exp(")
    assert counts == {"plain": 1, "checkpoint": 2}


def test_random_numbers_are_repeated() -> None:
    def scenario(compile: Compile) -> Any:
        @compile
        def step(x: Tensor) -> Any:
            y = checkpoint(lambda a: a * tt.rand(3, dtype=tt.float64), x)
            return y, grad(y.sum(), x), tt.rand(2)

        x = leaf(1.0, 1.0, 1.0)
        return step(x), step(x)

    got = check(scenario, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(got[0], got[1])
    assert (got[0] != got[3]).any()
    x = leaf(1.0)
    y = checkpoint(lambda a: a * tt.rand(1, dtype=tt.float64), x, preserve_rng_state=False)
    assert grad(y.sum(), x)[0].item() != y.item()


def test_higher_derivatives_and_transforms() -> None:
    def scenario(compile: Compile) -> Any:
        def f(x: Tensor) -> Tensor:
            return checkpoint(lambda a: (a**3).sum() * a[0], x)

        @compile
        def derivatives(x: Tensor) -> Any:
            (g,) = grad(f(x), x, create_graph=True)
            (h,) = grad(g.sum(), x)
            plain = x.detach()
            rows = tt.stack([plain, plain * 2])
            pushed = jvp(f, (plain,), (tt.ones_like(plain),))[1]
            return g, h, hessian(f)(plain), pushed, vmap(f)(rows)

        return derivatives(leaf(1.0, 2.0))

    g, h, second, pushed, rows = check(scenario, rtol=1e-12)
    np.testing.assert_allclose(g, [12.0, 12.0])
    np.testing.assert_allclose(h, [24.0, 24.0])
    np.testing.assert_allclose(second, [[12.0, 12.0], [12.0, 12.0]])
    assert pushed == 24.0
    np.testing.assert_allclose(rows, [9.0, 144.0])


def test_nested_and_sequential() -> None:
    x = leaf(0.3, 0.4)
    inner = lambda a: checkpoint(lambda b: b.exp(), a).sin()  # noqa: E731
    (got,) = grad(checkpoint(inner, x).sum(), x)
    (want,) = grad(x.exp().sin().sum(), x)
    np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-14)
    parts = [tt.exp, tt.sin, tt.tanh, tt.cos]
    (got,) = grad(checkpoint_sequential(parts, 2, x).sum(), x)
    (want,) = grad(x.exp().sin().tanh().cos().sum(), x)
    np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-14)


def test_several_results_and_keyword_arguments() -> None:
    x, w = leaf(1.0, 2.0), leaf(3.0, 4.0)
    out = checkpoint(lambda a, scale: {"y": a * w * scale, "n": a.argmax(), "x": a}, x, scale=2.0)
    assert out["x"] is x
    assert out["n"].item() == 1
    (out["y"] + out["x"]).sum().backward()
    assert (x.grad.tolist(), w.grad.tolist()) == ([7.0, 9.0], [2.0, 4.0])


def test_hooks_of_what_it_reads_run_once() -> None:
    x, seen = leaf(2.0), []
    x.register_hook(lambda g: seen.append(g.item()))
    b = x * 1
    b.register_hook(lambda g: seen.append(g.item()))
    checkpoint(lambda a: a * a * x, b).sum().backward()
    assert seen == [8.0, 12.0]


def test_refusals() -> None:
    x = leaf(1.0)
    b = x * 1
    y = checkpoint(lambda a: a * a, b)
    b.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()
    with pytest.raises(RuntimeError, match="by the checkpointed function itself"):
        checkpoint(lambda a: a.mul_(2) * a, x * 1)
    other, first = leaf(1.0), [True]

    def fickle(a: Tensor) -> Tensor:
        again = not first
        first.clear()
        return a * other if again else a * a

    with pytest.raises(CheckpointError, match="other tensors"):
        checkpoint(fickle, x).sum().backward()
    sizes = [2, 3]
    with pytest.raises(CheckpointError, match="other types"):
        checkpoint(lambda a: a.expand(sizes.pop()), x).sum().backward()


def test_memory_of_a_deep_network_is_that_of_one_part() -> None:
    """What is computed again waits for the backward pass, and its memory is used in turn."""
    found = {}
    for name, run in (("plain", lambda f, x: f(x)), ("checkpoint", checkpoint)):
        tt.manual_seed(0)
        parts = [
            nn.Sequential(nn.Linear(8, 64), nn.GELU(), nn.Linear(64, 64), nn.GELU(),
                          nn.Linear(64, 8))
            for _ in range(6)
        ]  # fmt: skip
        weights = [p for part in parts for p in part.parameters()]

        @tt.compile
        def step(x: Tensor, run: Any = run, parts: Any = parts) -> Any:
            for part in parts:
                x = x + run(part, x)
            return x.detach(), grad(x.square().sum(), weights)  # noqa: B023

        x, found_grads = step(tt.ones(32, 8))
        found[name] = (step.program.arena_bytes, [x, *found_grads])
    for a, b in zip(found["plain"][1], found["checkpoint"][1], strict=True):
        np.testing.assert_allclose(b.numpy(), a.numpy(), rtol=1e-4, atol=1e-5)
    part_bytes = 4 * 32 * 64 * 4  # values of its hidden layers
    assert found["plain"][0] > 6 * part_bytes
    assert found["checkpoint"][0] < 3 * part_bytes
