"""Mixed precision: scaling works, casting is switched off where PyTorch would, else refused."""

from __future__ import annotations

import pytest

import tinytorch as tt
from tinytorch.cuda.amp import GradScaler as OldScaler
from tinytorch.cuda.amp import autocast as old_autocast


def trained(scaler, compile=lambda f: f):
    weight = tt.tensor([1.0, 2.0], requires_grad=True)
    optimizer = tt.optim.SGD([weight], lr=0.1)

    @compile
    def step(factor):
        optimizer.zero_grad()
        loss = (weight * weight).sum() * factor
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()

    seen = []
    for factor in (1.0, 1.0, float("inf"), 1.0):
        step(tt.tensor(factor))
        seen.append((weight.tolist(), scaler.get_scale()))
    return seen


def test_scaling_steps_as_pytorch_does():
    scaler = tt.amp.GradScaler("cpu", init_scale=8.0, growth_interval=2)
    seen = trained(scaler)
    expected = [  # of PyTorch 2.13
        ([0.8, 1.6], 8.0), ([0.64, 1.28], 16.0), ([0.64, 1.28], 8.0), ([0.512, 1.024], 8.0),
    ]  # fmt: skip
    for (weight, scale), (right, right_scale) in zip(seen, expected, strict=True):
        assert weight == pytest.approx(right)
        assert scale == right_scale
    assert scaler.state_dict() == {
        "scale": 8.0, "growth_factor": 2.0, "backoff_factor": 0.5, "growth_interval": 2,
        "_growth_tracker": 1,
    }  # fmt: skip
    other = tt.amp.GradScaler("cpu")
    other.load_state_dict(scaler.state_dict())
    assert other.state_dict() == scaler.state_dict()


def test_misuse_is_refused():
    weight = tt.ones(1, requires_grad=True)
    optimizer = tt.optim.SGD([weight], lr=0.1)
    scaler = tt.amp.GradScaler("cpu")
    with pytest.raises(AssertionError, match="No inf checks"):
        scaler.update()
    scaler.scale(weight.sum()).backward()
    scaler.unscale_(optimizer)
    assert weight.grad.item() == 1
    with pytest.raises(RuntimeError, match="already been called"):
        scaler.unscale_(optimizer)
    scaler.step(optimizer)
    with pytest.raises(RuntimeError, match="already been called"):
        scaler.step(optimizer)
    with pytest.raises(RuntimeError, match="empty"):
        scaler.load_state_dict({})
    with pytest.raises(tt.errors.TraceError, match="test_amp"):
        trained(tt.amp.GradScaler("cpu"), tt.compile)


@pytest.mark.parametrize("make", [tt.amp.GradScaler, OldScaler, lambda: OldScaler(enabled=True)])
def test_without_a_device_it_is_off(make):
    with pytest.warns(UserWarning, match="CUDA is not available"):
        scaler = make()
    assert not scaler.is_enabled()
    assert scaler.state_dict() == {}
    plain, compiled = trained(scaler), trained(scaler, tt.compile)
    assert compiled[0][0] == pytest.approx(plain[0][0])


def test_autocast():
    with pytest.warns(UserWarning, match="Disabling autocast"), tt.autocast("cuda", tt.float16):
        assert (tt.ones(2, 2) @ tt.ones(2, 2)).dtype is tt.float32
    with pytest.warns(UserWarning, match="Disabling autocast"), old_autocast():
        pass
    with tt.autocast(device_type="cpu", dtype=tt.bfloat16, enabled=False):
        pass
    with pytest.raises(NotImplementedError, match="bfloat16"):
        tt.autocast("cpu", dtype=tt.bfloat16)
    with pytest.raises(RuntimeError, match="unsupported"):
        tt.autocast("gpu")
