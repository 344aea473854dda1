"""Containers: the arithmetic of rows, lists and dicts of modules and parameters."""

from collections import OrderedDict

import pytest

import tinytorch as tt
from tinytorch import nn


def names(row):
    return [type(m).__name__ for m in row]


def test_rows_insert_extend_pop_and_add():
    row = nn.Sequential(nn.ReLU(), nn.Tanh())
    assert row.insert(-1, nn.GELU()) is row
    assert names(row) == ["ReLU", "GELU", "Tanh"]
    row.extend([nn.Sigmoid()])
    assert type(row.pop(0)) is nn.ReLU
    assert names(row + nn.Sequential(nn.ReLU())) == ["GELU", "Tanh", "Sigmoid", "ReLU"]
    assert names(row * 2) == ["GELU", "Tanh", "Sigmoid"] * 2
    row += nn.Sequential(nn.ELU())
    row *= 2
    assert list(row._modules) == [str(i) for i in range(8)]
    del row[1:7]
    assert names(row) == ["GELU", "ELU"]
    with pytest.raises(ValueError, match="only objects of Sequential"):
        row + [nn.ReLU()]
    with pytest.raises(ValueError, match="Non-positive"):
        row * 0
    with pytest.raises(IndexError, match="Index out of range: 5"):
        row.insert(5, nn.ReLU())
    with pytest.raises(AssertionError, match="should be of type"):
        row.insert(0, 3)


def test_module_lists_extend_in_place_and_with_themselves():
    row = nn.ModuleList([nn.ReLU()])
    row += row
    assert len(row) == 2
    assert names(row + [nn.Tanh()]) == ["ReLU", "ReLU", "Tanh"]
    assert names(row.pop(slice(0, 1))) == ["ReLU"]
    with pytest.raises(TypeError, match="ModuleList.extend should be called with an iterable"):
        row.extend(3)
    with pytest.raises(NotImplementedError, match="forward"):
        row(1)


def test_module_dict_pairs_and_errors():
    table = nn.ModuleDict([("b", nn.ReLU()), ("a", nn.Tanh())])
    assert list(table.keys()) == ["b", "a"]
    with pytest.raises(KeyError):
        del table["c"]
    with pytest.raises(ValueError, match="length 1; 2 is required"):
        table.update([("a",)])
    with pytest.raises(KeyError, match="already exists"):
        table["keys"] = nn.ReLU()


def test_parameter_list():
    params = nn.ParameterList([tt.ones(2, 3), nn.Parameter(tt.ones(1))])
    params.append(3)
    assert all(isinstance(p, nn.Parameter) for p in params[:2])
    assert [n for n, _ in params.named_parameters()] == ["0", "1"]
    params[-3] = tt.zeros(2)
    assert params[0].tolist() == [0.0, 0.0]
    assert len(params) == 3
    assert repr(params) == (
        "ParameterList(\n"
        "    (0): Parameter containing: [tinytorch.float32 of size 2]\n"
        "    (1): Parameter containing: [tinytorch.float32 of size 1]\n"
        "    (2): Object of type: int\n"
        ")"
    )
    with pytest.raises(TypeError, match=r"ParameterList.extend.*Tensor"):
        params.extend(tt.ones(2))
    with pytest.raises(RuntimeError, match="should not be called"):
        params(1)
    with pytest.raises(IndexError):
        _ = params[3]


def test_parameter_dict():
    params = nn.ParameterDict({"b": tt.ones(1), "a": tt.ones(2)})
    assert list(params) == ["a", "b"]
    params = nn.ParameterDict(OrderedDict([("b", tt.ones(1)), ("a", tt.ones(2))]))
    assert list(params.state_dict()) == ["b", "a"]
    assert params.get("z") is None
    assert params.setdefault("c", tt.zeros(1)) is params["c"]
    assert params.popitem()[0] == "c"
    joined = params | nn.ParameterDict({"z": tt.ones(3)})
    assert list(joined.keys()) == ["b", "a", "z"]
    assert joined["a"] is params["a"]
    params.clear()
    assert not list(params.parameters())
    with pytest.raises(AttributeError, match="no attribute 'a'"):
        _ = params["a"]
    with pytest.raises(KeyError, match="already exists"):
        params["update"] = tt.ones(1)


def test_parameter_collections_compile():
    params = nn.ParameterList([tt.ones(2), tt.ones(2) * 2])

    @tt.compile
    def total():
        loss = sum((p * p).sum() for p in params)
        loss.backward()
        return loss

    assert float(total()) == 10
    assert params[1].grad.tolist() == [4.0, 4.0]
    params.append(tt.ones(2) * 3)
    assert float(total()) == 28
