"""The eager tensor: views, writes in place, promotion, indexing and reading, as PyTorch does."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import tinytorch as tt
from tinytorch import Tensor


def ramp(*shape: int, dtype: Any = "f4") -> tuple[Tensor, np.ndarray]:
    array = np.arange(int(np.prod(shape)), dtype=dtype).reshape(shape)
    return tt.tensor(array), array.copy()


VIEWS = {
    "reshape": (lambda t: t.reshape(4, 6), lambda a: a.reshape(4, 6)),
    "view": (lambda t: t.view(-1), lambda a: a.reshape(-1)),
    "permute": (lambda t: t.permute(2, 0, 1), lambda a: a.transpose(2, 0, 1)),
    "transpose": (lambda t: t.transpose(0, -1), lambda a: a.swapaxes(0, -1)),
    "T": (lambda t: t[0].T, lambda a: a[0].T),
    "mT": (lambda t: t.mT, lambda a: a.swapaxes(-1, -2)),
    "squeeze": (lambda t: t[:1].squeeze(0), lambda a: a[0]),
    "unsqueeze": (lambda t: t.unsqueeze(1), lambda a: a[:, None]),
    "flatten": (lambda t: t.flatten(1), lambda a: a.reshape(2, -1)),
    "int": (lambda t: t[1], lambda a: a[1]),
    "negative int": (lambda t: t[-1, -2], lambda a: a[-1, -2]),
    "slice": (lambda t: t[:, 1:], lambda a: a[:, 1:]),
    "step": (lambda t: t[:, ::2, 1::3], lambda a: a[:, ::2, 1::3]),
    "None": (lambda t: t[None, :, None, 0], lambda a: a[None, :, None, 0]),
    "ellipsis": (lambda t: t[..., 2], lambda a: a[..., 2]),
    "view of a view": (lambda t: t[1].T[2:, 1], lambda a: a[1].T[2:, 1]),
    "empty slice": (lambda t: t[:, 2:1], lambda a: a[:, 2:1]),
    "expand": (lambda t: t[:, :1].expand(2, 3, 4), lambda a: np.broadcast_to(a[:, :1], (2, 3, 4))),
    "view_as": (lambda t: t.view_as(tt.zeros(6, 4)), lambda a: a.reshape(6, 4)),
    "detach": (lambda t: t.detach(), lambda a: a),
}


@pytest.mark.parametrize("name", VIEWS)
def test_views_share_memory_and_versions(name: str) -> None:
    make, expected = VIEWS[name]
    t, a = ramp(2, 3, 4)
    view, want = make(t), expected(a)
    np.testing.assert_array_equal(view.numpy(), want)
    assert view.stride() == tuple(s // 4 for s in view.numpy().strides)
    assert view.is_contiguous() == (want.flags.c_contiguous or want.size == 0 or name == "expand"
                                    and view.is_contiguous())  # fmt: skip
    t.add_(1)
    np.testing.assert_array_equal(view.numpy(), expected(a + 1))
    if name != "expand":
        a += 1
        view.mul_(2)
        expected(a)[...] *= 2
        np.testing.assert_array_equal(t.numpy(), a)


def test_reshape_copies_only_where_it_must() -> None:
    t, _ = ramp(2, 3)
    assert np.shares_memory(t.reshape(6).numpy(), t.numpy())
    assert not np.shares_memory(t.T.reshape(6).numpy(), t.numpy())
    assert np.shares_memory(t.contiguous().numpy(), t.numpy())
    assert not np.shares_memory(t.clone().numpy(), t.numpy())
    with pytest.raises(RuntimeError, match="view"):
        t.T.view(6)


def test_expanded_memory_cannot_be_written() -> None:
    t, _ = ramp(3, 1)
    with pytest.raises(RuntimeError, match="single memory location"):
        t.expand(3, 4).add_(1)


WRITES = {
    "int": (1, 5.0), "slice": (np.s_[:, 1:], -1.0), "step": (np.s_[::2, ::2], 2.5),
    "row": (0, np.array([1.0, 2.0, 3.0], "f4")), "scalar": (np.s_[2, 1], 9.0),
    "broadcast": (np.s_[:2], np.ones((1, 3), "f4")), "all": (np.s_[...], 0.0),
}  # fmt: skip


@pytest.mark.parametrize("name", WRITES)
def test_item_assignment(name: str) -> None:
    index, value = WRITES[name]
    t, a = ramp(4, 3)
    t[index] = tt.tensor(value) if isinstance(value, np.ndarray) else value
    a[index] = value
    np.testing.assert_array_equal(t.numpy(), a)


def test_assignment_by_a_mask() -> None:
    t, a = ramp(4, 3)
    t[t > 5] = -1.0
    a[a > 5] = -1
    np.testing.assert_array_equal(t.numpy(), a)


@pytest.mark.parametrize("symbol", ["+=", "-=", "*=", "/=", "**=", "//=", "%="])
def test_augmented_assignment_is_in_place(symbol: str) -> None:
    t, a = ramp(3)
    same = t
    scope = {"t": t, "a": a}
    exec(f"t {symbol} 2\na {symbol} np.float32(2)", {"np": np}, scope)
    assert scope["t"] is same
    np.testing.assert_allclose(t.numpy(), scope["a"])


def test_rebinding_a_name_leaves_the_old_tensor() -> None:
    t, a = ramp(3)
    old = t
    t = t + 1
    np.testing.assert_array_equal(old.numpy(), a)


DTYPES = ["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64"]
TORCH_PROMOTION = {  # results that differ from numpy's
    ("uint8", "int8"): "int16", ("int64", "float32"): "float32", ("int32", "float32"): "float32",
    ("int16", "float16"): "float16", ("int32", "float16"): "float16",
    ("int64", "float16"): "float16", ("uint8", "float16"): "float16",
    ("int8", "float16"): "float16",
}  # fmt: skip


@pytest.mark.parametrize("first", DTYPES)
@pytest.mark.parametrize("second", DTYPES)
def test_promotion(first: str, second: str) -> None:
    a = tt.ones(2, dtype=getattr(tt, first))
    b = tt.ones(2, dtype=getattr(tt, second))
    want = TORCH_PROMOTION.get((first, second)) or TORCH_PROMOTION.get((second, first))
    want = want or np.promote_types(first, second).name
    assert (a * b).dtype.name == want
    zero_d = b.sum() if second not in ("bool",) else tt.tensor(True)
    kinds = {"bool": 0, "float": 2}
    kind = [kinds.get(n.strip("0123456789u"), 1) for n in (first, zero_d.dtype.name)]
    if kind[0] >= kind[1]:  # a 0-d tensor of no higher kind does not widen
        assert (a * zero_d).dtype.name == first


@pytest.mark.parametrize(
    ("dtype", "number", "want"),
    [("int64", 2, "int64"), ("int64", 2.0, "float32"), ("uint8", 2, "uint8"),
     ("float64", 2.0, "float64"), ("float16", 2.0, "float16"), ("bool", 2, "int64"),
     ("bool", 1.5, "float32"), ("bool", True, "bool"), ("float32", True, "float32")],
)  # fmt: skip
def test_python_numbers_do_not_widen(dtype: str, number: Any, want: str) -> None:
    t = tt.ones(2, dtype=getattr(tt, dtype))
    assert (t * number).dtype.name == want
    assert (number * t).dtype.name == want


def test_division_and_comparisons_choose_their_dtype() -> None:
    i = tt.tensor([7, -7])
    assert (i / 2).dtype is tt.float32
    assert (i // 2).tolist() == [3, -4]
    assert (i % 3).tolist() == [1, 2]
    assert (i == 7).dtype is tt.bool
    assert tt.div(i, 2, rounding_mode="trunc").tolist() == [3, -3]
    assert i.sum().dtype is tt.int64
    assert tt.ones(3, dtype=tt.bool).sum().dtype is tt.int64
    with pytest.raises((RuntimeError, ZeroDivisionError)):
        i // 0


def test_in_place_keeps_the_dtype() -> None:
    t = tt.ones(2, dtype=tt.float16)
    t += tt.ones(2, dtype=tt.float64)
    assert t.dtype is tt.float16
    with pytest.raises(RuntimeError, match="can't be cast"):
        tt.ones(2, dtype=tt.int64).mul_(0.5)
    with pytest.raises(RuntimeError, match="output with shape"):
        tt.ones(1).add_(tt.ones(3))


def test_integer_indexing_copies() -> None:
    t, a = ramp(4, 3)
    index = tt.tensor([[0, -1], [2, 2]])
    picked = t[index]
    np.testing.assert_array_equal(picked.numpy(), a[index.numpy()])
    np.testing.assert_array_equal(t[:, tt.tensor([2, 0])].numpy(), a[:, [2, 0]])
    np.testing.assert_array_equal(t[[3, 1]].numpy(), a[[3, 1]])
    np.testing.assert_array_equal(t[tt.tensor(2)].numpy(), a[2])
    picked.zero_()
    np.testing.assert_array_equal(t.numpy(), a)
    assert [r.tolist() for r in t] == a.tolist()


def test_reading() -> None:
    t = tt.tensor([[1.5]])
    assert (t.item(), float(t), int(t), bool(t)) == (1.5, 1.5, 1, True)
    assert tt.tensor([1, 2]).tolist() == [1, 2]
    assert type(tt.tensor(3).item()) is int
    assert [1, 2, 3][tt.tensor(1)] == 2
    assert f"{tt.tensor(1.25):.1f}" == "1.2"
    assert len(tt.zeros(3, 2)) == 3
    assert tt.zeros(3, 2).shape == (3, 2)
    assert tt.zeros(3, 2).size(-1) == 2
    assert tt.zeros(3, 2).numel() == tt.zeros(3, 2).shape.numel() == 6
    assert 2.0 in tt.tensor([1.0, 2.0])
    for bad in (lambda: tt.ones(2).item(), lambda: bool(tt.ones(2)), lambda: bool(tt.zeros(0))):
        with pytest.raises(RuntimeError):
            bad()
    for bad in (lambda: len(tt.tensor(1)), lambda: list(tt.tensor(1)), lambda: [1][tt.tensor(0.0)]):
        with pytest.raises(TypeError):
            bad()


def test_printing() -> None:
    assert repr(tt.tensor([1.0, 2.0])) == "tensor([1., 2.])"
    assert "dtype=tinytorch.float64" in repr(tt.tensor([1.0], dtype=tt.float64))
    assert "requires_grad=True" in repr(tt.ones(1, requires_grad=True))
    assert "grad_fn=<MulBackward0>" in repr(tt.ones(1, requires_grad=True) * 2)


def test_numpy_exchange_shares_memory() -> None:
    a = np.zeros(3, "f4")
    t = tt.from_numpy(a)
    t.add_(1)
    a[0] = 5
    assert t.tolist() == [5.0, 1.0, 1.0]
    assert np.shares_memory(t.numpy(), a)
    np.testing.assert_array_equal(np.asarray(t), a)
    copied = tt.tensor(a)
    copied.zero_()
    assert a[0] == 5
    with pytest.raises(RuntimeError, match="requires grad"):
        tt.ones(1, requires_grad=True).numpy()


def test_conversions() -> None:
    t, _ = ramp(3)
    assert t.to(tt.float32) is t
    assert t.double().dtype is tt.float64
    assert t.to(tt.zeros(1, dtype=tt.int64)).dtype is tt.int64
    assert t.type_as(tt.ones(1, dtype=tt.float16)).dtype is tt.float16
    assert tt.tensor([1.7, -1.7]).long().tolist() == [1, -1]
    assert t.cpu() is t


def test_deepcopy_is_independent() -> None:
    t = tt.ones(2, requires_grad=True)
    t.sum().backward()
    twin = copy.deepcopy({"a": t, "b": t})
    assert twin["a"] is twin["b"]
    assert twin["a"].requires_grad
    twin["a"].grad.zero_()
    assert t.grad.tolist() == [1.0, 1.0]


def test_zero_d_and_empty_tensors() -> None:
    assert tt.tensor(2.0).shape == ()
    assert (tt.tensor(2.0) + tt.ones(2)).tolist() == [3.0, 3.0]
    assert tt.zeros(0, 3).sum().item() == 0.0
    assert tt.zeros(0, 3).sum(0).tolist() == [0.0, 0.0, 0.0]
    assert tt.cat([tt.zeros(0, 3), tt.ones(1, 3)]).shape == (1, 3)
    with pytest.raises((RuntimeError, IndexError, ValueError)):
        tt.zeros(0).amax()


def test_random_numbers_repeat_and_move_on() -> None:
    tt.manual_seed(3)
    a, b = tt.rand(4), tt.rand(4)
    tt.manual_seed(3)
    assert tt.rand(4).tolist() == a.tolist() != b.tolist()
    draws = tt.rand(10_000)
    assert draws.amin().item() >= 0
    assert draws.amax().item() < 1
    normal = tt.randn(10_000)
    assert abs(normal.mean().item()) < 0.05
    assert abs(normal.std().item() - 1) < 0.05
    assert sorted(tt.randperm(50).tolist()) == list(range(50))
    whole = tt.randint(-2, 3, (5000,))
    assert set(whole.tolist()) == {-2, -1, 0, 1, 2}


def test_the_array_interface_shares_memory() -> None:
    x = tt.arange(6).reshape(2, 3).float()
    interface = x.T.__array_interface__
    assert (interface["shape"], interface["typestr"]) == ((3, 2), "<f4")
    seen = np.asarray(x.T)
    x[0, 1] = 7.0
    assert seen[1, 0] == 7.0
    with pytest.raises(RuntimeError, match="requires grad"):
        x.clone().requires_grad_().__array_interface__  # noqa: B018
