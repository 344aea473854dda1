"""Hooks around forward, state dicts and loading, eager and compiled."""

import gc

import pytest

import tinytorch as tt
from tinytorch import nn
from tinytorch.errors import TraceError


def double(module, args, result):
    return result * 2


def shift(module, args):
    return args[0] + 1


def line(value=2.0):
    layer = nn.Linear(1, 1, bias=False)
    with tt.no_grad():
        layer.weight.fill_(value)
    return layer


def test_forward_hooks_replace_arguments_and_results_in_order():
    layer = line()
    x = tt.tensor([[1.0]])
    before = layer.register_forward_pre_hook(shift)
    after = layer.register_forward_hook(double)
    layer.register_forward_hook(lambda m, a, r: r + 100, prepend=True)
    assert float(layer(x)) == ((1 + 1) * 2 + 100) * 2
    before.remove()
    before.remove()
    after.remove()
    assert float(layer(x)) == 102
    with layer.register_forward_hook(double):
        assert float(layer(x)) == 204
    assert float(layer(x)) == 102


def test_hooks_with_keywords_and_their_errors():
    class Scaled(nn.Module):
        def forward(self, x, scale=1.0):
            return x * scale

    module = Scaled()
    handle = module.register_forward_pre_hook(
        lambda m, args, kwargs: (args, {"scale": kwargs["scale"] + 1}), with_kwargs=True
    )
    assert float(module(tt.tensor(3.0), scale=2.0)) == 9
    handle.remove()
    seen = []
    module.register_forward_hook(
        lambda m, args, kwargs, result: seen.append(kwargs), with_kwargs=True
    )
    module(tt.tensor(1.0), scale=3.0)
    assert seen == [{"scale": 3.0}]
    module.register_forward_pre_hook(lambda m, a, k: a, with_kwargs=True)
    with pytest.raises(RuntimeError, match="None or a tuple of"):
        module(tt.tensor(1.0))


def test_a_hook_that_is_always_called():
    class Failing(nn.Module):
        def forward(self, x):
            raise ValueError("no")

    seen = []
    module = Failing()
    module.register_forward_hook(lambda m, a, r: seen.append(r), always_call=True)
    module.register_forward_hook(lambda m, a, r: seen.append("never"))
    with pytest.raises(ValueError, match="no"):
        module(1)
    assert seen == [None]


def test_compiled_code_runs_hooks_and_sees_that_they_change():
    model = nn.Sequential(line(), nn.ReLU())
    step = tt.compile(lambda x: model(x))
    x = tt.tensor([[3.0]])
    assert float(step(x)) == 6
    handle = model[0].register_forward_hook(double)
    assert float(step(x)) == 12
    assert float(step(x)) == 12
    assert step.cache_info().compiles == 2
    handle.remove()
    assert float(step(x)) == 6
    assert step.cache_info().compiles == 2
    kept = []
    model.register_forward_hook(lambda m, a, r: kept.append(r))
    with pytest.raises(TraceError, match="append"):
        step(x)
    assert kept == []


def test_a_hook_may_not_be_registered_while_tracing():
    layer = line()

    def registering(x):
        layer.register_forward_hook(double)
        return layer(x)

    with pytest.raises(TraceError, match="hooks"):
        tt.compile(registering)(tt.ones(1, 1))
    assert float(layer(tt.ones(1, 1))) == 2


def test_compile_method_compiles_the_call():
    model = nn.Sequential(line(), nn.Tanh())
    x = tt.tensor([[0.3]])
    expected = model(x)
    model.compile()
    assert float(model(x)) == pytest.approx(float(expected))
    assert model.__dict__["_compiled_call"].cache_info().compiles == 1
    model(x).sum().backward()
    assert model[0].weight.grad is not None
    outer = tt.compile(lambda x: model(x) * 2)
    assert float(outer(x)) == pytest.approx(2 * float(expected))


def test_state_dict_hooks():
    layer = line()
    layer.register_state_dict_pre_hook(lambda m, prefix, keep: m.register_buffer("at", tt.ones(1)))
    layer.register_state_dict_post_hook(
        lambda m, state, prefix, meta: state.pop(f"{prefix}weight") and None
    )
    model = nn.Sequential(layer)
    assert list(model.state_dict()) == ["0.at"]
    other = line()

    def rename(module, state, prefix, *rest):
        state[f"{prefix}weight"] = state.pop(f"{prefix}kernel")

    other.register_load_state_dict_pre_hook(rename)
    seen = []
    other.register_load_state_dict_post_hook(lambda m, keys: seen.append(float(m.weight)))
    nn.Sequential(other).load_state_dict({"0.kernel": tt.tensor([[5.0]])})
    assert seen == [5.0]


def test_a_post_hook_may_forgive_keys_but_a_failed_load_is_undone():
    layer = line(2.0)
    handle = layer.register_load_state_dict_post_hook(
        lambda m, keys: keys.unexpected_keys.remove("old")
    )
    layer.load_state_dict({"weight": tt.tensor([[3.0]]), "old": tt.ones(1)})
    assert float(layer.weight) == 3
    handle.remove()
    layer.register_load_state_dict_post_hook(lambda m, keys: None)
    with pytest.raises(RuntimeError, match="Unexpected"):
        layer.load_state_dict({"weight": tt.tensor([[4.0]]), "old": tt.ones(1)})
    assert float(layer.weight) == 3


def test_extra_state_and_overridden_loading():
    class Counting(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(tt.ones(1))
            self.label = "a"

        def get_extra_state(self):
            return {"label": self.label}

        def set_extra_state(self, state):
            self.label = state["label"]

        def _load_from_state_dict(self, state_dict, prefix, *args):
            if f"{prefix}w" in state_dict:
                state_dict[f"{prefix}weight"] = state_dict.pop(f"{prefix}w")
            super()._load_from_state_dict(state_dict, prefix, *args)

    a, b = Counting(), Counting()
    a.label = "other"
    state = nn.Sequential(a).state_dict()
    assert list(state) == ["0.weight", "0._extra_state"]
    state["0.w"] = state.pop("0.weight") + 1
    nn.Sequential(b).load_state_dict(state)
    assert (b.label, b.weight.tolist()) == ("other", [2.0])
    with pytest.raises(RuntimeError, match='Missing.*"_extra_state"'):
        b.load_state_dict({"weight": tt.ones(1)})


def test_loading_by_assignment():
    layer = nn.Linear(2, 2)
    layer.bias.requires_grad_(False)
    given = {"weight": tt.zeros(2, 2, dtype=tt.float64), "bias": nn.Parameter(tt.zeros(2))}
    layer.load_state_dict(given, assign=True)
    assert layer.weight.dtype is tt.float64
    assert layer.weight.requires_grad
    assert layer.bias is given["bias"]
    assert not layer.bias.requires_grad


def test_a_handle_keeps_no_module_alive():
    layer = line()
    handle = layer.register_forward_hook(double)
    del layer
    gc.collect()
    handle.remove()


def test_backward_hooks_see_and_replace_gradients():
    layer = line(3.0)
    seen = []
    layer.register_full_backward_hook(lambda m, gi, go: seen.append((float(gi[0]), float(go[0]))))
    x = tt.tensor([[2.0]], requires_grad=True)
    (layer(x) * 5).sum().backward()
    assert seen == [(15.0, 5.0)]
    assert x.grad.tolist() == [[15.0]]
    before = layer.register_full_backward_pre_hook(lambda m, go: (go[0] * 10,))
    layer.register_full_backward_hook(lambda m, gi, go: (gi[0] + 1,))
    x.grad = None
    layer.zero_grad()
    layer(x).sum().backward()
    assert seen[-1] == (30.0, 10.0)
    assert x.grad.tolist() == [[31.0]]
    assert layer.weight.grad.tolist() == [[20.0]]
    before.remove()
    layer.register_full_backward_hook(lambda m, gi, go: (None, None))
    with pytest.raises(RuntimeError, match="invalid number of grad_input, got 2, but expected 1"):
        layer(x).sum().backward()


def test_backward_hooks_of_modules_with_several_values():
    class Two(nn.Module):
        def forward(self, a, number, b):
            return a * number, b * 2

    module = Two()
    seen = []
    module.register_full_backward_hook(lambda m, gi, go: seen.append((gi, go)))
    a, b = tt.tensor(1.0, requires_grad=True), tt.tensor(1.0, requires_grad=True)
    one, two = module(a, 3.0, b)
    (one + two * 7).backward()
    gi, go = seen[0]
    assert [g if g is None else float(g) for g in gi] == [3.0, None, 14.0]
    assert [float(g) for g in go] == [1.0, 7.0]
    with tt.no_grad():
        module(a, 3.0, b)


def test_backward_hooks_without_gradients_of_inputs():
    layer = line()
    seen = []
    layer.register_full_backward_hook(lambda m, gi, go: seen.append((gi, float(go[0]))))
    with pytest.warns(UserWarning, match="no inputs require gradients"):
        layer(tt.ones(1, 1)).sum().backward()
    assert seen == [((None,), 1.0)]
    with pytest.raises(TraceError, match="backward hook of Linear"):
        tt.compile(lambda x: layer(x))(tt.ones(1, 1))
