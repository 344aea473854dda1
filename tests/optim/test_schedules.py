"""Learning-rate schedules against closed formulas."""

import math

import pytest

import tinytorch as tt
from tinytorch import optim
from tinytorch.optim import lr_scheduler

CASES = {
    "step": (lambda o: lr_scheduler.StepLR(o, 3, 0.5), lambda lr, k: lr * 0.5 ** (k // 3)),
    "exponential": (lambda o: lr_scheduler.ExponentialLR(o, 0.9), lambda lr, k: lr * 0.9**k),
    "cosine": (
        lambda o: lr_scheduler.CosineAnnealingLR(o, 7, 0.01),
        lambda lr, k: 0.01 + (lr - 0.01) * (1 + math.cos(math.pi * k / 7)) / 2,
    ),
    "lambda": (
        lambda o: lr_scheduler.LambdaLR(o, [lambda k: 1 / (k + 1)] * 2),
        lambda lr, k: lr / (k + 1),
    ),
}


def make_optimizer():
    a, b = tt.ones(1, requires_grad=True), tt.ones(1, requires_grad=True)
    return optim.SGD([{"params": [a]}, {"params": [b], "lr": 0.2}], lr=0.1)


@pytest.mark.parametrize("name", CASES)
def test_schedule(name):
    make, formula = CASES[name]
    optimizer = make_optimizer()
    schedule = make(optimizer)
    for epoch in range(20):
        rates = [g["lr"] for g in optimizer.param_groups]
        assert rates == pytest.approx([formula(0.1, epoch), formula(0.2, epoch)], rel=1e-9)
        assert schedule.get_last_lr() == rates
        assert all(type(rate) is float for rate in rates)
        schedule.step()


@pytest.mark.parametrize("name", CASES)
def test_going_on_from_a_state_dict(name):
    make, _ = CASES[name]
    first = make_optimizer()
    schedule = make(first)
    for _ in range(4):
        schedule.step()
    second = make_optimizer()
    resumed = make(second)
    second.load_state_dict(first.state_dict())
    resumed.load_state_dict(schedule.state_dict())
    for _ in range(4):
        schedule.step()
        resumed.step()
        assert resumed.get_last_lr() == schedule.get_last_lr()


def test_resuming_by_epoch():
    optimizer = make_optimizer()
    with pytest.raises(KeyError, match="initial_lr"):
        lr_scheduler.ExponentialLR(optimizer, 0.9, last_epoch=3)
    for group in optimizer.param_groups:
        group["initial_lr"] = group["lr"]
    optimizer.param_groups[0]["lr"] = 0.05
    schedule = lr_scheduler.CosineAnnealingLR(optimizer, 7, 0.01, last_epoch=3)
    assert schedule.last_epoch == 4
    assert schedule.get_last_lr() == [0.05, 0.2]  # what the optimizer's state brought along


def test_errors():
    with pytest.raises(TypeError, match="list is not an Optimizer"):
        lr_scheduler.StepLR([], 1)
    with pytest.raises(ValueError, match="Expected 2 lr_lambdas, but got 1"):
        lr_scheduler.LambdaLR(make_optimizer(), [lambda k: 1.0])
