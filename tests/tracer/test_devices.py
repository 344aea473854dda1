"""Devices: programs that ask for one get the CPU, or hear why not."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from agreement import check, normal

import tinytorch as tt


def test_a_device_is_its_name():
    assert repr(tt.device("cpu")) == "device(type='cpu')"
    assert repr(tt.device("cuda:1")) == "device(type='cuda', index=1)"
    assert (str(tt.device("cuda", 1)), str(tt.device("cpu"))) == ("cuda:1", "cpu")
    assert tt.device("cuda:1") is tt.device("cuda", 1)
    assert tt.device("cpu") is tt.device(tt.device("cpu"))
    assert tt.device("cpu") != tt.device("cpu", 0)
    assert (tt.device("cuda:0").type, tt.device("cuda:0").index) == ("cuda", 0)
    for same in (copy.deepcopy(tt.device("cpu")), pickle.loads(pickle.dumps(tt.device("cpu")))):
        assert same is tt.device("cpu")


@pytest.mark.parametrize(
    ("name", "error"),
    [("gpu", RuntimeError), ("cpu:x", RuntimeError), ("", RuntimeError), (1.5, TypeError),
     (None, TypeError)],
)  # fmt: skip
def test_what_names_no_device_is_refused(name, error):
    with pytest.raises(error):
        tt.device(name)


def test_an_index_is_given_once():
    with pytest.raises(RuntimeError, match="must not include an index"):
        tt.device("cuda:0", 1)


def test_the_usual_opening_lines():
    device = tt.device("cuda" if tt.cuda.is_available() else "cpu")
    assert device.type == "cpu"
    assert tt.accelerator.current_accelerator() is None
    assert not tt.backends.mps.is_available()
    tt.backends.cudnn.benchmark = True
    tt.backends.cuda.matmul.allow_tf32 = True
    tt.cuda.manual_seed_all(0)
    model = tt.nn.Linear(2, 2).to(device)
    x = tt.ones(1, 2).to(device, non_blocking=True)
    assert model(x).device == device == next(model.parameters()).device
    assert x.get_device() == -1
    assert not x.is_cuda


MAKERS = [
    lambda d: tt.tensor([1.0], device=d), lambda d: tt.as_tensor([1.0], device=d),
    lambda d: tt.zeros(2, device=d), lambda d: tt.ones(2, device=d),
    lambda d: tt.empty(2, device=d), lambda d: tt.full((2,), 1.0, device=d),
    lambda d: tt.arange(3, device=d), lambda d: tt.eye(2, device=d),
    lambda d: tt.linspace(0, 1, 3, device=d), lambda d: tt.rand(2, device=d),
    lambda d: tt.randn(2, device=d), lambda d: tt.randint(3, (2,), device=d),
    lambda d: tt.randperm(3, device=d), lambda d: tt.normal(0.0, 1.0, (2,), device=d),
    lambda d: tt.zeros_like(tt.ones(2), device=d), lambda d: tt.ones_like(tt.ones(2), device=d),
    lambda d: tt.full_like(tt.ones(2), 3, device=d), lambda d: tt.rand_like(tt.ones(2), device=d),
    lambda d: tt.randn_like(tt.ones(2), device=d), lambda d: tt.empty_like(tt.ones(2), device=d),
    lambda d: tt.randint_like(tt.ones(2), 3, device=d), lambda d: tt.ones(2).to(d),
    lambda d: tt.ones(2).to(d, tt.float64), lambda d: tt.ones(2).new_zeros(2, device=d),
    lambda d: tt.Tensor(2, device=d), lambda d: tt.asarray([1.0], device=d),
]  # fmt: skip


@pytest.mark.parametrize("make", MAKERS)
def test_factories_take_the_cpu_and_refuse_the_rest(make):
    for good in ("cpu", tt.device("cpu"), tt.device("cpu", 0)):
        assert make(good).device is tt.device("cpu")
    for bad in ("cuda", tt.device("mps")):
        with pytest.raises(RuntimeError, match="not available: tensors live on 'cpu'"):
            make(bad)
    with pytest.raises((RuntimeError, TypeError)):
        make(3.5)


def test_asking_for_a_gpu_raises():
    for call in (tt.ones(2).cuda, tt.nn.Linear(1, 1).cuda, tt.cuda.synchronize,
                 tt.cuda.current_device, tt.ones(2).pin_memory, tt.accelerator.synchronize,
                 lambda: tt.set_default_device("cuda")):  # fmt: skip
        with pytest.raises(RuntimeError, match="available"):
            call()


def test_a_device_is_a_context():
    with tt.device("cpu"):
        assert tt.ones(1).device == tt.get_default_device()
    with pytest.raises(RuntimeError, match="not available"), tt.device("cuda"):
        pass

    @tt.device("cpu")
    def made():
        return tt.zeros(3)

    assert made().shape == (3,)


def test_copy_asks_for_another_tensor():
    x = tt.ones(2)
    assert x.to("cpu") is x
    for other in (x.to("cpu", copy=True), x.to(tt.float32, False, True)):
        other[0] = 5
        assert x.tolist() == [1, 1]


def test_devices_in_compiled_code():
    device = tt.device("cpu")

    def scenario(compile):
        @compile
        def step(x, where):
            noise = tt.zeros_like(x, device=x.device) + tt.arange(3, device=where)
            return x.to(device) + noise * (2 if x.device.type == "cpu" else 3)

        return [step(normal(2, 3), d) for d in (device, tt.device("cpu"))]

    check(scenario, compiles=1)


def test_sizes_by_name_and_gradients_of_what_is_made():
    for make in (tt.zeros, tt.ones, tt.empty, tt.rand, tt.randn):
        assert make(size=(2, 3)).shape == make((2, 3)).shape == make(2, 3).shape == (2, 3)
        with pytest.raises(TypeError, match="multiple values"):
            make(2, size=(2,))
    for made in (tt.arange(3.0, requires_grad=True), tt.rand_like(tt.ones(2), requires_grad=True),
                 tt.normal(0.0, 1.0, (2,), requires_grad=True),
                 tt.full_like(tt.ones(2), 1, requires_grad=True)):  # fmt: skip
        made.sum().backward()
        np.testing.assert_array_equal(made.grad.numpy(), np.ones(made.shape))
    assert tt.randperm(3, dtype=tt.int32).dtype is tt.int32
