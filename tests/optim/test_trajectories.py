"""Fifty steps end where PyTorch's end, eager and compiled; numbers in settings may change."""

import numpy as np
import pytest
from trajectories import CASES, FIRST, GOAL, START, STEPS, golden, gradient, is_idle

import tinytorch as tt
from tinytorch import optim

GOALS = [tt.tensor(g) for g in GOAL]


def made(name, settings):
    params = [tt.tensor(p).requires_grad_() for p in START]
    return params, getattr(optim, name)(params, **settings)


def assert_golden(case, params, optimizer):
    values, state = golden(case)
    for found, expected in zip(params, values, strict=True):
        np.testing.assert_allclose(found.detach().numpy(), expected, rtol=1e-10, atol=1e-13)
    entries = optimizer.state[params[0]]
    assert set(entries) == set(state)
    for key, expected in state.items():
        np.testing.assert_allclose(entries[key].numpy(), expected, rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize("case", range(len(CASES)), ids=lambda c: f"{CASES[c][0]}{c}")
def test_fifty_steps(case):
    params, optimizer = made(*CASES[case])
    for step in range(STEPS):
        optimizer.zero_grad()
        for i, p in enumerate(params):
            if not is_idle(i, step):
                p.grad = gradient(i, p.detach(), GOALS[i])
        optimizer.step()
    assert_golden(case, params, optimizer)


COMPILED = [*FIRST.values(), 11, 14, 21]


@pytest.mark.parametrize("case", COMPILED, ids=lambda c: f"{CASES[c][0]}{c}")
def test_fifty_steps_compiled(case):
    params, optimizer = made(*CASES[case])

    def step(idle):
        optimizer.zero_grad()
        for i, p in enumerate(params):
            if i != 1 or not idle:
                p.grad = gradient(i, p.detach(), GOALS[i])
        optimizer.step()

    compiled = tt.compile(step)
    for number in range(STEPS):
        compiled(is_idle(1, number))
    assert_golden(case, params, optimizer)
    assert compiled.cache_info().compiles == 2


NUMBERS = {
    "SGD": {"lr": 0.01, "momentum": 0.5, "weight_decay": 0.2},
    "AdamW": {"lr": 0.01, "betas": (0.7, 0.8), "eps": 1e-3, "weight_decay": 0.3},
    "NAdam": {"betas": (0.7, 0.8), "momentum_decay": 0.1},
    "Rprop": {"etas": (0.3, 1.3), "step_sizes": (1e-3, 1)},
    "Lion": {"lr": 0.01, "betas": (0.7, 0.8)},
}


@pytest.mark.parametrize("name", NUMBERS)
def test_other_numbers_in_the_settings_do_not_compile_again(name):
    before = {"momentum": 0.9, "weight_decay": 0.1} if name == "SGD" else {}

    def run(wrap):
        params, optimizer = made(name, {"lr": 0.02, **before})

        def step():
            for i, p in enumerate(params):
                p.grad = gradient(i, p.detach(), GOALS[i])
            optimizer.step()

        run = wrap(step)
        run()
        optimizer.param_groups[0].update(NUMBERS[name])
        run()
        run()
        return params, run

    expected, _ = run(lambda f: f)
    found, compiled = run(tt.compile)
    assert compiled.cache_info().compiles == 1, compiled.explain()
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-11)


def test_lion():
    values, momenta = [p.copy() for p in START], [np.zeros_like(p) for p in START]
    params, optimizer = made("Lion", {"lr": 0.01, "weight_decay": 0.1})
    for _ in range(STEPS):
        for i, p in enumerate(params):
            p.grad = gradient(i, p.detach(), GOALS[i])
            g = gradient(i, values[i], GOAL[i])
            sign = np.sign(0.9 * momenta[i] + (1 - 0.9) * g)
            values[i] = values[i] * (1 - 0.01 * 0.1) - 0.01 * sign
            momenta[i] = 0.99 * momenta[i] + (1 - 0.99) * g
        optimizer.step()
    for found, expected in zip(params, values, strict=True):
        np.testing.assert_allclose(found.detach().numpy(), expected, rtol=1e-11)


@pytest.mark.parametrize("name", [n for n in optim.__all__ if n not in ("Optimizer", "LBFGS")
                                  and n[0].isupper()])  # fmt: skip
def test_many_tensors_take_few_launches(name):
    many = 50 if name == "AdamW" else 12
    most = 4 if name == "ASGD" else 2  # three vectors, then all parameters
    params = [tt.ones(2 + i, 1 + i % 3).requires_grad_() for i in range(many)]
    optimizer = getattr(optim, name)(params)
    for p in params:
        p.grad = tt.ones_like(p)

    @tt.compile
    def step():
        optimizer.step()

    step()
    steps = [line for line in step.stages["program"].splitlines() if ": launch " in line]
    assert len(steps) <= most, step.stages["program"]


def test_settings_read_all_at_once_are_run_time_numbers_too():
    _, optimizer = made("AdamW", {"lr": 0.5})
    group = optimizer.param_groups[0]
    ways = (
        lambda g: {**g}, dict, lambda g: dict(g.items()), lambda g: dict(zip(g, g.values())),
        lambda g: g | {},
    )  # fmt: skip
    for way in ways:

        @tt.compile
        def run(x, way=way):
            settings = way(group)
            return x * settings["lr"] + settings["betas"][0]

        group.update({"lr": 0.5, "betas": (0.25, 0.5)})
        assert run(tt.ones(1)).item() == 0.75
        group.__ior__({"lr": 0.25, "betas": (0.125, 0.5)})
        assert run(tt.ones(1)).item() == 0.375
        assert run.cache_info().compiles == 1
