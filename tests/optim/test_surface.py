"""What PyTorch's users find around a step: names, hooks, own optimizers, settings, saved state."""

import copy

import numpy as np
import pytest
from trajectories import CASES, FIRST, START, golden

import tinytorch as tt
from tinytorch import nn, optim
from tinytorch.errors import TraceError
from tinytorch.optim.optimizer import Optimizer, required


def one():
    p = tt.ones(2, requires_grad=True)
    p.grad = tt.ones(2)
    return p


@pytest.mark.parametrize("case", FIRST.values(), ids=lambda c: CASES[c][0])
def test_pytorchs_state_loads(case):
    name, settings = CASES[case]
    _, state = golden(case)
    params = [tt.tensor(p).requires_grad_() for p in START]
    optimizer = getattr(optim, name)(params, **settings)
    groups = optimizer.state_dict()["param_groups"]
    before = {k: v.detach().clone() for k, v in optimizer.state[params[1]].items()}
    saved = {k: tt.tensor(v) for k, v in state.items()}
    optimizer.load_state_dict({"state": {0: saved} if saved else {}, "param_groups": groups})
    for key, value in state.items():
        np.testing.assert_array_equal(optimizer.state[params[0]][key].numpy(), value)
    for key, value in before.items():  # what is not in the dict starts anew
        np.testing.assert_array_equal(optimizer.state[params[1]][key].numpy(), value.numpy())


def test_parameters_with_names():
    model = nn.Linear(2, 1)
    optimizer = optim.SGD(model.named_parameters(), lr=0.1)
    assert optimizer.param_groups[0]["param_names"] == ["weight", "bias"]
    assert optimizer.param_groups[0]["params"][1] is model.bias
    saved = optimizer.state_dict()
    assert saved["param_groups"][0]["param_names"] == ["weight", "bias"]
    optim.SGD(model.parameters(), lr=0.1).load_state_dict(saved)
    with pytest.raises(ValueError, match="without names to the optimizer"):
        optimizer.add_param_group({"params": [one()]})
    with pytest.raises(ValueError, match="Some param names are missing"):
        optim.SGD([("a", one()), one()])


def test_hooks():
    seen = []
    p = one()
    optimizer = optim.SGD([p], lr=0.5)
    before = optimizer.register_step_pre_hook(lambda o, args, kwargs: seen.append(("pre", args)))
    optimizer.register_step_post_hook(lambda o, args, kwargs: seen.append(("post", o is optimizer)))
    optimizer.step()
    assert seen == [("pre", ()), ("post", True)]
    before.remove()
    optimizer.step()
    assert len(seen) == 3
    given = optimizer.register_step_pre_hook(lambda o, args, kwargs: ((lambda: 7,), {}))
    assert optimizer.step() == 7
    given.remove()
    optimizer.register_step_pre_hook(lambda o, args, kwargs: 3)
    with pytest.raises(RuntimeError, match="must return None or a tuple"):
        optimizer.step()


def test_hooks_inside_a_compiled_function_are_compiled_with_it():
    p = one()
    optimizer = optim.SGD([p], lr=0.5)
    run = tt.compile(optimizer.step)
    run()

    def halve(o, args, kwargs):
        for q in o.param_groups[0]["params"]:
            q.grad = q.grad * 0.5

    optimizer.register_step_pre_hook(halve)
    run()
    assert p.tolist() == [0.25, 0.25]


class Descent(Optimizer):
    """An optimizer as PyTorch's users write them."""

    def __init__(self, params, lr=required):
        super().__init__(params, {"lr": lr})

    @tt.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if len(state) == 0:
                    state["step"] = tt.tensor(0.0)
                    state["sum"] = tt.zeros_like(p)
                state["step"] += 1
                state["sum"].add_(p.grad)
                p.add_(state["sum"], alpha=-group["lr"])


def test_an_optimizer_of_ones_own():
    p = one()
    optimizer = Descent([p], lr=0.5)
    seen = []
    optimizer.register_step_post_hook(lambda *_: seen.append(1))
    optimizer.step()
    optimizer.step()
    assert p.tolist() == [-0.5, -0.5]
    assert seen == [1, 1]
    q = one()
    second = Descent([q], lr=0.1)
    second.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    second.step()
    assert second.state[q]["sum"].tolist() == [3.0, 3.0]
    assert q.tolist() == [-0.5, -0.5]
    assert optimizer.state[p]["step"].item() == 2
    with pytest.raises(ValueError, match="didn't specify a value of required .* lr"):
        Descent([p])
    with pytest.raises(TraceError):
        tt.compile(Descent([q], lr=0.1).step)()


def test_ways_of_computing_a_step():
    p = one()
    for make in (optim.SGD, optim.Adam, optim.AdamW, optim.Adagrad):
        make([p], foreach=True)
        make([p], fused=True)
        with pytest.raises(RuntimeError, match="cannot be `True` together"):
            make([p], fused=True, foreach=True)
        with pytest.raises(RuntimeError, match="does not support `differentiable`"):
            make([p], fused=True, differentiable=True)
    for make in (optim.RMSprop, optim.NAdam, optim.Rprop, optim.ASGD, optim.Lion):
        make([p], capturable=True, foreach=False)
        with pytest.raises(RuntimeError, match="differentiable=True is not supported"):
            make([p], differentiable=True)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("RMSprop", {"alpha": -1}, "Invalid alpha value: -1"),
        ("RMSprop", {"momentum": -1}, "Invalid momentum value: -1"),
        ("Adagrad", {"lr_decay": -1}, "Invalid lr_decay value: -1"),
        ("Adagrad", {"initial_accumulator_value": -1}, "Invalid initial_accumulator_value value"),
        ("Adadelta", {"rho": 2}, "Invalid rho value: 2"),
        ("Adamax", {"betas": (1.0, 0.9)}, "Invalid beta parameter at index 0: 1.0"),
        ("NAdam", {"momentum_decay": -1}, "Invalid momentum_decay value: -1"),
        ("RAdam", {"eps": -1}, "Invalid epsilon value: -1"),
        ("ASGD", {"weight_decay": -1}, "Invalid weight_decay value: -1"),
        ("Rprop", {"etas": (1.5, 1.2)}, "Invalid eta values: 1.5, 1.2"),
        ("Lion", {"lr": float("nan")}, "Invalid learning rate: nan"),
        ("LBFGS", {"lr": -1}, "Invalid learning rate: -1"),
    ],
)
def test_setting_errors(name, settings, message):
    with pytest.raises(ValueError, match=message):
        getattr(optim, name)([one()], **settings)
