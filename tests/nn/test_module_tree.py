"""Module: registration, walking, modes, dtypes, state dicts, text."""

import copy
import pickle

import numpy as np
import pytest
from agreement import check

import tinytorch as tt
from tinytorch import nn, optim
from tinytorch.tracer.tracked import epoch


class Block(nn.Module):
    def __init__(self, width=4):
        super().__init__()
        self.inner = nn.Linear(width, width)
        self.scale = nn.Parameter(tt.ones(width))
        self.register_buffer("seen", tt.zeros(1))
        self.register_buffer("scratch", tt.zeros(1), persistent=False)
        self.rate = 0.5
        self.label = "block"

    def forward(self, x):
        return self.inner(x) * self.scale * self.rate


def test_registration_and_walking():
    block = Block()
    assert [n for n, _ in block.named_parameters()] == ["scale", "inner.weight", "inner.bias"]
    assert [n for n, _ in block.named_buffers()] == ["seen", "scratch"]
    assert [n for n, _ in block.named_modules()] == ["", "inner"]
    assert [n for n, _ in block.named_children()] == ["inner"]
    assert block.get_submodule("inner") is block.inner
    assert block.get_parameter("inner.bias") is block.inner.bias
    assert [n for n, _ in block.named_parameters(prefix="p", recurse=False)] == ["p.scale"]
    assert block(tt.ones(2, 4)).shape == (2, 4)
    assert all(p.requires_grad and p.is_leaf for p in block.parameters())


def test_shared_parameters_and_modules_appear_once():
    a = nn.Linear(2, 2)
    twice = nn.Sequential(a, a)
    assert len(list(twice.parameters())) == 2
    assert len(list(twice.children())) == 1
    assert list(twice.state_dict()) == ["0.weight", "0.bias", "1.weight", "1.bias"]


def test_attributes_move_between_kinds():
    block = Block()
    block.inner = nn.Identity()
    assert [n for n, _ in block.named_parameters()] == ["scale"]
    block.extra = 3
    block.extra = nn.Parameter(tt.ones(1))
    assert "extra" in dict(block.named_parameters())
    block.scale = None
    assert block.scale is None
    with pytest.raises(TypeError, match="cannot assign 'int' as parameter 'scale'"):
        block.scale = 3
    with pytest.raises(TypeError, match="as child module 'inner'"):
        block.inner = tt.ones(1)
    block.seen = tt.ones(1)
    assert float(block.state_dict()["seen"]) == 1.0
    del block.seen
    assert not hasattr(block, "seen")
    with pytest.raises(AttributeError, match="'Block' object has no attribute 'nothing'"):
        _ = block.nothing


def test_registration_errors():
    block = Block()
    with pytest.raises(KeyError, match="t contain"):
        block.register_buffer("a.b", tt.ones(1))
    with pytest.raises(KeyError, match="already exists"):
        block.register_parameter("label", None)
    with pytest.raises(TypeError, match="not a Module subclass"):
        block.add_module("x", 3)

    class Late(nn.Module):
        def __init__(self):
            self.w = nn.Parameter(tt.ones(1))

    with pytest.raises(AttributeError, match="before Module.__init__"):
        Late()
    with pytest.raises(NotImplementedError, match="Module \\[Module\\] is missing"):
        nn.Module()(1)


def test_structural_changes_raise_the_epoch_but_numbers_do_not():
    block = Block()
    before = epoch.value
    block.rate = 0.25
    assert block.rate == 0.25
    assert epoch.value == before
    for change in (
        lambda: setattr(block, "inner", nn.Linear(4, 4)),
        lambda: block.eval(),
        lambda: block.register_buffer("more", None),
        lambda: setattr(block, "label", "other"),
        lambda: delattr(block, "scale"),
    ):
        before = epoch.value
        change()
        assert epoch.value > before


def test_train_eval_apply_and_requires_grad():
    model = nn.Sequential(nn.Dropout(), Block())
    assert not any(m.training for m in model.eval().modules())
    assert all(m.training for m in model.train().modules())
    with pytest.raises(ValueError, match="boolean"):
        model.train(1)
    seen = []
    model.apply(lambda m: seen.append(type(m).__name__))
    assert seen == ["Dropout", "Linear", "Block", "Sequential"]
    model.requires_grad_(False)
    assert not any(p.requires_grad for p in model.parameters())


def test_zero_grad():
    layer = nn.Linear(2, 1)
    layer(tt.ones(1, 2)).sum().backward()
    layer.zero_grad(set_to_none=False)
    assert layer.weight.grad.tolist() == [[0.0, 0.0]]
    layer.zero_grad()
    assert layer.weight.grad is None


def test_to_converts_in_place_so_that_optimizers_keep_their_parameters():
    block = Block()
    weight = block.inner.weight
    before = weight.detach().numpy().copy()
    assert block.double() is block
    assert block.inner.weight is weight
    assert weight.dtype is tt.float64
    assert block.seen.dtype is tt.float64
    np.testing.assert_array_equal(weight.detach().numpy(), before)
    assert block.bfloat16().inner.bias.dtype is tt.bfloat16
    assert block.to(tt.ones(1), True).inner.weight.dtype is tt.float32
    with pytest.raises(TypeError, match="floating point"):
        block.to(tt.int64)
    with pytest.raises(RuntimeError, match="not available"):
        block.to("cuda")


def test_paths_lead_to_modules_parameters_and_buffers():
    model = nn.Sequential(Block())
    assert model.get_submodule("") is model
    assert model.get_buffer("0.seen") is model[0].seen
    model.set_submodule("0.inner", nn.Identity())
    assert isinstance(model[0].inner, nn.Identity)
    model.set_submodule("0.new", nn.ReLU())
    assert isinstance(model[0].new, nn.ReLU)
    for call, error, text in (
        (lambda: model.get_submodule("0.x.y"), AttributeError, "Block has no attribute `x`"),
        (lambda: model.get_submodule("0.scale"), AttributeError, "`scale` is not an nn.Module"),
        (lambda: model.get_parameter("0.seen"), AttributeError, "`seen` is not an nn.Parameter"),
        (lambda: model.get_buffer("0.scale"), AttributeError, "`scale` is not a buffer"),
        (lambda: model.set_submodule("", nn.ReLU()), ValueError, "without a target name"),
        (lambda: model.set_submodule("0.a", 3), ValueError, "is not an nn.Module, found"),
        (lambda: model.set_submodule("0.z", nn.ReLU(), strict=True), AttributeError, "`z`"),
    ):
        with pytest.raises(error, match=text):
            call()
    assert "inner" in dir(model[0])
    assert "rate" in dir(model[0])
    assert "0" not in dir(model)


def test_children_that_override_train_are_asked():
    class Frozen(nn.Module):
        def train(self, mode=True):
            return super().train(False)

    model = nn.Sequential(Frozen()).train()
    assert not model[0].training
    assert model.training


def test_modules_are_not_pickled():
    with pytest.raises(TypeError, match=r"save module.state_dict\(\)"):
        pickle.dumps(nn.Linear(1, 1))


def test_shallow_copies_share_parameters():
    block = Block()
    twin = copy.copy(block)
    twin.rate = 7.0
    assert block.rate == 0.5
    assert twin.inner is block.inner


def test_deepcopy_keeps_ties_within_the_copy():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model[1].weight = model[0].weight
    twin = copy.deepcopy(model)
    assert twin[1].weight is twin[0].weight
    assert twin[0].weight is not model[0].weight
    assert len(list(twin.parameters())) == 3


def test_deepcopy_is_independent():
    block = Block()
    twin = copy.deepcopy(block)
    assert isinstance(twin.scale, nn.Parameter)
    assert twin.rate == 0.5
    with tt.no_grad():
        twin.scale.fill_(7.0)
    assert block.scale.tolist() == [1.0] * 4


# ----------------------------------------------------------------- state dicts


def test_state_dict_is_live_and_load_writes_in_place():
    a, b = Block(), Block()
    state = a.state_dict()
    assert list(state) == ["scale", "seen", "inner.weight", "inner.bias"]
    weight = b.inner.weight
    before = epoch.value
    result = b.load_state_dict(state)
    assert epoch.value == before
    assert repr(result) == "<All keys matched successfully>"
    assert b.inner.weight is weight
    np.testing.assert_array_equal(weight.detach().numpy(), a.inner.weight.detach().numpy())
    with tt.no_grad():
        a.scale.fill_(3.0)
    assert state["scale"].tolist() == [3.0] * 4
    assert not state["scale"].requires_grad
    assert a.state_dict(keep_vars=True)["scale"] is a.scale
    assert list(a.inner.state_dict(prefix="x.")) == ["x.weight", "x.bias"]


def test_load_accepts_numpy_arrays(tmp_path):
    a, b = Block(), Block()
    np.savez(tmp_path / "w.npz", **{k: v.numpy() for k, v in a.state_dict().items()})
    with np.load(tmp_path / "w.npz") as stored:
        b.load_state_dict(dict(stored))
    np.testing.assert_array_equal(b.inner.bias.detach().numpy(), a.inner.bias.detach().numpy())


def test_a_bad_state_dict_changes_nothing():
    block = Block()
    before = {k: v.numpy().copy() for k, v in block.state_dict().items()}
    bad = {k: tt.zeros(v.shape) for k, v in before.items()}
    bad["inner.weight"] = tt.zeros(3, 3)
    bad["other"] = tt.zeros(1)
    del bad["seen"]
    with pytest.raises(RuntimeError) as error:
        block.load_state_dict(bad)
    text = str(error.value)
    assert text.startswith("Error(s) in loading state_dict for Block:")
    for part in (
        'Missing key(s) in state_dict: "seen"', 'Unexpected key(s) in state_dict: "other"',
        "size mismatch for inner.weight: copying a param with shape tinytorch.Size([3, 3])",
    ):  # fmt: skip
        assert part in text
    for name, value in block.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), before[name])
    del bad["inner.weight"]
    result = block.load_state_dict(bad, strict=False)
    assert result.missing_keys == ["seen", "inner.weight"]
    assert result.unexpected_keys == ["other"]
    assert block.scale.tolist() == [0.0] * 4
    with pytest.raises(RuntimeError, match="received <class 'list'>"):
        block.load_state_dict({**before, "scale": [1.0]})


# ------------------------------------------------------------------ containers


def test_sequential():
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    assert len(model) == 3
    assert model[-1] is model[2]
    assert [type(m).__name__ for m in model[:2]] == ["Linear", "ReLU"]
    model[1] = nn.Tanh()
    model.append(nn.Sigmoid())
    del model[0]
    assert list(model.state_dict()) == ["1.weight", "1.bias"]
    with pytest.raises(IndexError, match="index 5 is out of range"):
        _ = model[5]
    named = nn.Sequential({"a": nn.Linear(1, 1), "b": nn.ReLU()})
    assert list(dict(named.named_children())) == ["a", "b"]
    del named[0]  # which numbers the rest, as in PyTorch
    assert list(dict(named.named_children())) == ["0"]


def test_module_list_and_dict():
    layers = nn.ModuleList([nn.Linear(1, 1), nn.Linear(1, 2)])
    layers.insert(0, nn.ReLU())
    layers.extend([nn.Tanh()])
    assert [type(m).__name__ for m in layers] == ["ReLU", "Linear", "Linear", "Tanh"]
    del layers[1]
    assert list(layers.state_dict()) == ["1.weight", "1.bias"]
    assert isinstance(layers[1:], nn.ModuleList)
    table = nn.ModuleDict({"a": nn.Linear(1, 1)})
    table["b"] = nn.ReLU()
    assert list(table) == ["a", "b"]
    assert "a" in table
    assert isinstance(table.pop("a"), nn.Linear)
    table.clear()
    assert len(table) == 0


def test_text_form():
    model = nn.Sequential(
        nn.Linear(4, 8, bias=False), nn.ReLU(), nn.LayerNorm(8), nn.Dropout(0.2),
        nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2), nn.GELU()]),
    )  # fmt: skip
    assert repr(model) == (
        "Sequential(\n"
        "  (0): Linear(in_features=4, out_features=8, bias=False)\n"
        "  (1): ReLU()\n"
        "  (2): LayerNorm((8,), eps=1e-05, elementwise_affine=True, bias=True)\n"
        "  (3): Dropout(p=0.2, inplace=False)\n"
        "  (4): ModuleList(\n"
        "    (0-1): 2 x Linear(in_features=2, out_features=2, bias=True)\n"
        "    (2): GELU(approximate='none')\n"
        "  )\n"
        ")"
    )
    assert repr(nn.Parameter(tt.ones(1))).startswith("Parameter containing:\ntensor([1.]")


def test_tied_weights_train_as_one_compiled():
    def scenario(compile):
        tt.manual_seed(0)
        model = nn.Sequential(nn.Embedding(5, 3), nn.Tanh(), nn.Linear(3, 5, bias=False))
        model[2].weight = model[0].weight
        assert len(list(model.parameters())) == 1
        assert list(model.state_dict()) == ["0.weight", "2.weight"]
        opt = optim.SGD(model.parameters(), lr=0.5)

        @compile
        def step(x, y):
            opt.zero_grad()
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            opt.step()
            return loss

        x, y = tt.tensor([0, 1, 2]), tt.tensor([1, 2, 4])
        return [step(x, y) for _ in range(3)] + [model[0].weight.detach()]

    check(scenario, compiles=1)
