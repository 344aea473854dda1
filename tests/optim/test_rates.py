"""Every schedule sets what PyTorch's sets, goes on from its state, and never compiles a step."""

import io
import json
from types import SimpleNamespace

import pytest
from rates import CASES, GOLDEN, STEPS, advance, seen

import tinytorch as tt
from tinytorch import optim
from tinytorch.optim import lr_scheduler, swa_utils

EXPECTED = json.loads(GOLDEN.read_text())
SCHEDULES = SimpleNamespace(
    **{name: getattr(lr_scheduler, name) for name in lr_scheduler.__all__}, SWALR=swa_utils.SWALR
)


def made(name):
    kind, make = CASES[name]
    a, b = tt.ones(1, requires_grad=True), tt.ones(1, requires_grad=True)
    optimizer = getattr(optim, kind)([{"params": [a]}, {"params": [b], "lr": 0.2}], lr=0.1)
    return optimizer, make(SCHEDULES, optimizer)


def flat(rows):
    return [x for group in rows for entry in group for x in
            (entry if isinstance(entry, list | tuple) else [entry])]  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_schedule(name):
    optimizer, schedule = made(name)
    for step, expected in enumerate(EXPECTED[name]):
        if step:
            advance(schedule, step - 1)
        assert flat(seen(optimizer)) == pytest.approx(flat(expected), rel=1e-12, abs=1e-15), step
        assert schedule.get_last_lr() == [g["lr"] for g in optimizer.param_groups]


@pytest.mark.parametrize("name", CASES)
def test_going_on_from_a_state_dict(name):
    optimizer, schedule = made(name)
    for step in range(STEPS // 2):
        advance(schedule, step)
    second, resumed = made(name)
    file = io.BytesIO()
    tt.save([optimizer.state_dict(), schedule.state_dict()], file)
    file.seek(0)
    of_optimizer, of_schedule = tt.load(file)
    second.load_state_dict(of_optimizer)
    resumed.load_state_dict(of_schedule)
    assert getattr(resumed, "last_epoch", 0) == getattr(schedule, "last_epoch", 0)
    for step in range(STEPS // 2, STEPS):
        advance(schedule, step)
        advance(resumed, step)
        assert seen(second) == seen(optimizer)


@pytest.mark.parametrize("name", ["onecycle", "onecycle2", "cyclic2", "plateau", "sequential"])
def test_a_compiled_step_follows_without_a_further_compile(name):
    optimizer, schedule = made(name)
    params = [p for group in optimizer.param_groups for p in group["params"]]

    @tt.compile
    def step():
        for p in params:
            p.grad = tt.ones_like(p)
        optimizer.step()

    for number in range(6):
        step()
        advance(schedule, number)
        if number == 1:
            assert all("momentum_buffer" in optimizer.state[p] for p in params) == (
                "momentum_buffer" in optimizer.new_state(params[0], optimizer.param_groups[0])
            )
    assert step.cache_info().compiles == 1, step.explain()


def test_a_learning_rate_may_be_a_tensor():
    p = tt.ones(1, requires_grad=True)
    rate = tt.tensor(0.5)
    optimizer = optim.SGD([p], lr=rate)
    schedule = lr_scheduler.StepLR(optimizer, 1, 0.5)
    p.grad = tt.ones(1)
    optimizer.step()
    schedule.step()
    assert rate.item() == 0.25
    optimizer.step()
    assert p.item() == 0.25
    with pytest.raises(ValueError, match="must be 1-element"):
        optim.SGD([p], lr=tt.ones(2))


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda o: lr_scheduler.ConstantLR(o, 1.5), ValueError, "between 0 and 1"),
        (lambda o: lr_scheduler.LinearLR(o, 0.0), ValueError, "greater than 0"),
        (lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 0), ValueError, "positive integer"),
        (lambda o: lr_scheduler.OneCycleLR(o, 0.1), ValueError, "You must define either"),
        (lambda o: lr_scheduler.OneCycleLR(o, 0.1, -1), ValueError, "positive integer total_steps"),
        (lambda o: lr_scheduler.OneCycleLR(o, [0.1], 5), ValueError, "same length"),
        (lambda o: lr_scheduler.CyclicLR(o, 0.1, 1.0, mode="x"), ValueError, "mode is invalid"),
        (lambda o: lr_scheduler.ReduceLROnPlateau(o, "x"), ValueError, "mode x is unknown"),
        (lambda o: lr_scheduler.ReduceLROnPlateau(o, factor=1.0), ValueError, "Factor should"),
        (lambda o: lr_scheduler.SequentialLR(o, [], []), ValueError, "at least one scheduler"),
        (lambda o: lr_scheduler.SequentialLR(o, [lr_scheduler.StepLR(o, 1)], [1]), ValueError,
         "one more than"),
        (lambda o: lr_scheduler.ChainedScheduler([lr_scheduler.ReduceLROnPlateau(o)]), ValueError,
         "does not support"),
        (lambda o: swa_utils.SWALR(o, 0.1, anneal_strategy="x"), ValueError, "must be one of"),
        (lambda o: lr_scheduler.MultiplicativeLR(o, [1.0, 2.0]), TypeError, "should be a function"),
    ],
)  # fmt: skip
def test_errors(make, kind, message):
    a, b = tt.ones(1, requires_grad=True), tt.ones(1, requires_grad=True)
    optimizer = optim.SGD([{"params": [a]}, {"params": [b]}], lr=0.1)
    with pytest.raises(kind, match=message):
        make(optimizer)


def test_momentum_cycles_only_where_there_is_momentum():
    optimizer = optim.Adagrad([tt.ones(1, requires_grad=True)])
    with pytest.raises(ValueError, match="must support momentum"):
        lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=5)
    schedule = lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=2, cycle_momentum=False)
    schedule.step()
    schedule.step()
    with pytest.raises(ValueError, match="Tried to step 3 times"):
        schedule.step()
