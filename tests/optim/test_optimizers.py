"""Trajectories against PyTorch's formulas in numpy float64, and the handling of state."""

import copy

import numpy as np
import pytest

import tinytorch as tt
from tinytorch import optim
from tinytorch.tracer.tracked import epoch

RNG = np.random.default_rng(0)
START = [RNG.standard_normal(s) for s in ((3, 4), (4,), (2, 2))]
GOAL = [RNG.standard_normal(p.shape) for p in START]


def gradient(position, values):
    """What every step descends along: linear and cubic in the distance from the goal."""
    d = values - GOAL[position]
    return d * (position + 1) / 5 + d**3 / 2


def is_idle(position, step):
    """The second parameter has no gradient at every third step."""
    return position == 1 and step % 3 == 0


def reference_sgd(values, grads, state, lr, momentum=0, dampening=0, weight_decay=0,
                  nesterov=False, maximize=False):  # fmt: skip
    g = (-grads if maximize else grads) + weight_decay * values
    if momentum:
        first = "buffer" not in state
        state["buffer"] = g if first else momentum * state["buffer"] + (1 - dampening) * g
        g = g + momentum * state["buffer"] if nesterov else state["buffer"]
    return values - lr * g


def reference_adam(values, grads, state, lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0,
                   amsgrad=False, maximize=False, decoupled=False):  # fmt: skip
    g = -grads if maximize else grads
    if decoupled:
        values = values * (1 - lr * weight_decay)
    else:
        g = g + weight_decay * values
    t = state["t"] = state.get("t", 0) + 1
    m = state["m"] = betas[0] * state.get("m", 0) + (1 - betas[0]) * g
    v = state["v"] = betas[1] * state.get("v", 0) + (1 - betas[1]) * g * g
    if amsgrad:
        v = state["top"] = np.maximum(state.get("top", 0), v)
    denominator = np.sqrt(v) / np.sqrt(1 - betas[1] ** t) + eps
    return values - lr / (1 - betas[0] ** t) * m / denominator


def run_reference(rule, steps, **settings):
    values, states = [p.copy() for p in START], [{} for _ in START]
    for step in range(steps):
        for i, state in enumerate(states):
            if not is_idle(i, step):
                values[i] = rule(values[i], gradient(i, values[i]), state, **settings)
    return values


def parameters(dtype=tt.float32):
    return [tt.tensor(p).to(dtype).clone().requires_grad_() for p in START]


def run_ours(params, optimizer, steps, first=0):
    for step in range(first, first + steps):
        optimizer.zero_grad()
        for i, p in enumerate(params):
            if not is_idle(i, step):
                d = p.detach() - tt.tensor(GOAL[i]).to(p.dtype)
                p.grad = d * ((i + 1) / 5) + d * d * d * 0.5
        optimizer.step()
    return [p.detach().numpy() for p in params]


SGD_CASES = [
    {},
    {"momentum": 0.9},
    {"momentum": 0.9, "dampening": 0.4},
    {"momentum": 0.8, "nesterov": True},
    {"momentum": 0.5, "weight_decay": 0.1},
    {"lr": 1e-4, "maximize": True},
]
ADAM_CASES = [
    {},
    {"betas": (0.5, 0.9), "eps": 1e-3},
    {"weight_decay": 0.1},
    {"amsgrad": True, "weight_decay": 0.05},
    {"maximize": True},
    {"betas": (0.0, 0.99)},
]
CASES = [
    *((optim.SGD, reference_sgd, {"lr": 0.02, **c}, {}) for c in SGD_CASES),
    *((optim.Adam, reference_adam, {"lr": 0.01, **c}, {}) for c in ADAM_CASES),
    *(
        (optim.AdamW, reference_adam, {"lr": 0.01, "weight_decay": 0.01, **c}, {"decoupled": True})
        for c in ADAM_CASES
    ),
]


@pytest.mark.parametrize(("make", "rule", "settings", "extra"), CASES)
def test_fifty_steps(make, rule, settings, extra):
    for dtype, steps, tolerance in ((tt.float64, 20, 1e-11), (tt.float32, 50, 2e-5)):
        expected = run_reference(rule, steps, **settings, **extra)
        params = parameters(dtype)
        found = run_ours(params, make(params, **settings), steps)
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def test_adamw_equals_pytorch():
    torch = pytest.importorskip("torch")
    ours, theirs = tt.ones(5, requires_grad=True), torch.ones(5, requires_grad=True)
    pair = ((ours, optim.AdamW([ours], lr=0.1)), (theirs, torch.optim.AdamW([theirs], lr=0.1)))
    for p, optimizer in pair:
        for _ in range(50):
            optimizer.zero_grad()
            (p * p).sum().backward()
            optimizer.step()
    np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), atol=2e-6)


def test_state_exists_from_the_start_and_counts_steps_per_parameter():
    params = parameters()
    optimizer = optim.AdamW(params)
    assert list(optimizer.state[params[0]]) == ["step", "exp_avg", "exp_avg_sq"]
    before = epoch.value
    run_ours(params, optimizer, 6)
    assert epoch.value == before
    assert [optimizer.state[p]["step"].item() for p in params] == [6.0, 4.0, 6.0]


def test_gradients_without_parameters_in_the_graph_are_left_alone():
    params = parameters()
    optimizer = optim.SGD(params, lr=0.1)
    optimizer.step()
    np.testing.assert_array_equal(params[0].detach().numpy(), START[0].astype(np.float32))


def test_zero_grad():
    p = tt.ones(2, requires_grad=True)
    optimizer = optim.SGD([p], lr=0.1)
    p.sum().backward()
    optimizer.zero_grad(set_to_none=False)
    assert p.grad.tolist() == [0.0, 0.0]
    optimizer.zero_grad()
    assert p.grad is None


def test_closure_runs_with_gradients():
    p = tt.ones(2, requires_grad=True)
    optimizer = optim.SGD([p], lr=0.5)

    def closure():
        optimizer.zero_grad()
        loss = (p * p).sum()
        loss.backward()
        return loss

    with tt.no_grad():
        assert float(optimizer.step(closure)) == 2.0
    assert p.tolist() == [0.0, 0.0]


def test_groups_have_their_own_settings():
    a, b = tt.ones(1, requires_grad=True), tt.ones(1, requires_grad=True)
    optimizer = optim.SGD([{"params": [a]}, {"params": b, "lr": 1.0}], lr=0.1)
    c = tt.ones(1, requires_grad=True)
    optimizer.add_param_group({"params": [c], "lr": 0.0})
    for p in (a, b, c):
        p.sum().backward()
    optimizer.step()
    np.testing.assert_allclose([a.item(), b.item(), c.item()], [0.9, 0.0, 1.0], rtol=1e-6)
    before = epoch.value
    optimizer.param_groups[0]["lr"] = 0.3
    assert epoch.value == before
    optimizer.param_groups[0]["nesterov"] = False
    assert epoch.value > before


def test_settings_switched_on_later():
    p = tt.ones(3, requires_grad=True)
    sgd, adam = optim.SGD([p], lr=0.1), optim.Adam([p])
    sgd.param_groups[0]["momentum"] = 0.9
    adam.param_groups[0]["amsgrad"] = True
    p.sum().backward()
    sgd.step()
    adam.step()
    assert sgd.state[p]["momentum_buffer"].tolist() == [1.0, 1.0, 1.0]
    assert "max_exp_avg_sq" in adam.state[p]


# ----------------------------------------------------------------------- state


@pytest.mark.parametrize(
    "make",
    [
        lambda ps: optim.SGD(ps, lr=0.02, momentum=0.9, dampening=0.3),
        lambda ps: optim.AdamW([{"params": ps[:1]}, {"params": ps[1:], "lr": 0.5}], amsgrad=True),
    ],
)
def test_going_on_from_a_state_dict(make):
    params = parameters()
    optimizer = make(params)
    run_ours(params, optimizer, 5)
    values = [p.detach().clone() for p in params]
    saved = copy.deepcopy(optimizer.state_dict())
    expected = [v.copy() for v in run_ours(params, optimizer, 5, first=5)]

    fresh = [v.requires_grad_() for v in values]
    resumed = make(fresh)
    for group in resumed.param_groups:
        group["lr"] = 9.0
    buffers = [t for s in resumed.state.values() for t in s.values()]
    resumed.load_state_dict(saved)
    kept = [t for s in resumed.state.values() for t in s.values()]
    assert all(a is b for a, b in zip(buffers, kept, strict=True))
    for a, b in zip(run_ours(fresh, resumed, 5, first=5), expected, strict=True):
        np.testing.assert_array_equal(a, b)


def test_state_dict_has_pytorchs_format():
    params = parameters()
    optimizer = optim.Adam([{"params": params[:2]}, {"params": params[2:], "lr": 0.5}], lr=0.1)
    saved = optimizer.state_dict()
    assert [g["params"] for g in saved["param_groups"]] == [[0, 1], [2]]
    assert [g["lr"] for g in saved["param_groups"]] == [0.1, 0.5]
    assert list(saved["state"]) == [0, 1, 2]
    assert saved["state"][0]["exp_avg"].shape == (3, 4)
    empty = {"state": {}, "param_groups": saved["param_groups"]}
    run_ours(params, optimizer, 2)
    optimizer.load_state_dict(empty)
    assert optimizer.state[params[0]]["step"].item() == 0.0
    arrays = {0: {"step": 3, "exp_avg": np.ones((3, 4)), "exp_avg_sq": np.ones((3, 4))}}
    optimizer.load_state_dict({"state": arrays, "param_groups": saved["param_groups"]})
    assert optimizer.state[params[0]]["step"].item() == 3.0


def test_loading_momentum_into_an_optimizer_without():
    a, b = parameters(), parameters()
    source, target = optim.SGD(a, lr=0.1, momentum=0.9), optim.SGD(b, lr=0.1)
    run_ours(a, source, 1)
    target.load_state_dict(source.state_dict())
    np.testing.assert_array_equal(
        target.state[b[0]]["momentum_buffer"].numpy(), source.state[a[0]]["momentum_buffer"].numpy()
    )


def test_a_bad_state_dict_changes_nothing():
    params = parameters()
    optimizer = optim.Adam(params)
    run_ours(params, optimizer, 2)
    good = copy.deepcopy(optimizer.state_dict())
    wrong_shape = copy.deepcopy(good)
    wrong_shape["state"][2]["exp_avg"] = tt.zeros(3)
    wrong_shape["state"][0]["step"] = tt.tensor(99.0)
    other_entry = copy.deepcopy(good)
    other_entry["state"][0]["momentum_buffer"] = tt.zeros(3, 4)
    bad_setting = copy.deepcopy(good)
    bad_setting["param_groups"][0]["lr"] = -1.0
    for bad, message in (
        (wrong_shape, r"'exp_avg' of parameter 2 has shape \[3\], expected \[2, 2\]"),
        (other_entry, "does not keep"),
        (bad_setting, "Invalid learning rate"),
        ({**good, "param_groups": []}, "different number of parameter groups"),
        ({**good, "param_groups": [{"params": [0]}]}, "size of optimizer's group"),
        ({**good, "state": {7: {}}}, "unknown parameters"),
        ({}, "has the keys"),
    ):
        with pytest.raises(ValueError, match=message):
            optimizer.load_state_dict(bad)
        assert optimizer.state[params[0]]["step"].item() == 2.0
        assert optimizer.param_groups[0]["lr"] == 1e-3


def test_deepcopy_keeps_parameters_and_clocks_together():
    params = parameters()
    optimizer = optim.AdamW(params)
    run_ours(params, optimizer, 2)
    twin_params, twin = copy.deepcopy((params, optimizer))
    run_ours(twin_params, twin, 1)
    assert twin.state[twin_params[0]]["step"].item() == 3.0
    assert optimizer.state[params[0]]["step"].item() == 2.0


# ---------------------------------------------------------------------- errors


def test_construction_errors():
    p = tt.ones(1, requires_grad=True)
    for bad, kind, message in (
        ([], ValueError, "empty parameter list"),
        (p, TypeError, "iterable of Tensors or dicts, but got Tensor"),
        ([1.0], TypeError, "one of the params is float"),
        ([p * 2], ValueError, "non-leaf"),
        ([tt.ones(1, dtype=tt.int64)], ValueError, "int64"),
        ([{"params": [p]}, {"params": [p]}], ValueError, "more than one parameter group"),
        ([{"params": {p}}], TypeError, "ordered collections"),
    ):
        with pytest.raises(kind, match=message):
            optim.SGD(bad, lr=0.1)
    with pytest.warns(UserWarning, match="duplicate parameters"):
        optim.SGD([p, p], lr=0.1)


@pytest.mark.parametrize(
    ("make", "settings", "message"),
    [
        (optim.SGD, {"lr": -1.0}, "Invalid learning rate: -1.0"),
        (optim.SGD, {"momentum": -0.1}, "Invalid momentum value"),
        (optim.SGD, {"nesterov": True}, "Nesterov momentum requires"),
        (optim.Adam, {"eps": -1.0}, "Invalid epsilon value"),
        (optim.Adam, {"betas": (0.9, 1.0)}, "Invalid beta parameter at index 1: 1.0"),
        (optim.AdamW, {"weight_decay": -1.0}, "Invalid weight_decay value"),
    ],
)
def test_setting_errors(make, settings, message):
    with pytest.raises(ValueError, match=message):
        make([tt.ones(1, requires_grad=True)], **settings)


def test_text_form():
    text = repr(optim.SGD([tt.ones(1, requires_grad=True)], lr=0.1))
    assert text == (
        "SGD (\nParameter Group 0\n    dampening: 0\n    differentiable: False\n    foreach: None\n"
        "    fused: None\n    lr: 0.1\n    maximize: False\n    momentum: 0\n    nesterov: False\n"
        "    weight_decay: 0\n)"
    )
