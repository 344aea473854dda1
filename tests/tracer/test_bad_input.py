"""Bad input gives an error that names the user's line, the op and the shapes."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinytorch as tt
import tinytorch.nn.functional as F
from tinytorch import Tensor, nn

A, B, I = tt.ones(2, 3), tt.ones(4, 5), tt.tensor([0, 1])
LAYER = nn.Linear(4, 2)

CASES: dict[str, tuple[Callable[[Tensor], Any], type[Exception], str]] = {
    "add": (lambda a: a + B, RuntimeError, r"(?s)add.*2.*3.*4.*5|size of tensor|broadcast"),
    "matmul": (lambda a: a @ B, RuntimeError, r"2.*3.*4.*5"),
    "matmul of ints": (lambda a: a @ tt.ones(3, 2, dtype=tt.int64), RuntimeError, r"dtype"),
    "cat": (lambda a: tt.cat([a, B]), RuntimeError, r"\d"),
    "stack": (lambda a: tt.stack([a, B]), RuntimeError, r"equal size|stack"),
    "reshape": (lambda a: a.reshape(4, 2), RuntimeError, r"shape '\[4, 2\]' is invalid.*6"),
    "view": (lambda a: a.T.view(6), RuntimeError, r"view"),
    "two unknown sizes": (lambda a: a.reshape(-1, -1), RuntimeError, r"one dimension"),
    "axis": (lambda a: a.sum(2), IndexError, r"\[-2, 1\].*2"),
    "axis twice": (lambda a: a.sum((0, 0)), RuntimeError, r"multiple times"),
    "float axis": (lambda a: a.sum(1.0), TypeError, r"int"),
    "transpose": (lambda a: a.transpose(0, 5), IndexError, r"5"),
    "permute": (lambda a: a.permute(0, 0), RuntimeError, r"permut|repeat|dims"),
    "squeeze text": (lambda a: a.squeeze("x"), TypeError, r"int"),
    "expand": (lambda a: a.expand(3, 3), RuntimeError, r"3"),
    "index past the end": (lambda a: a[5], IndexError, r"index 5 is out of bounds.*size 2"),
    "too many indices": (lambda a: a[0, 0, 0], IndexError, r"too many indices"),
    "float index": (lambda a: a[1.0], IndexError, r"float"),
    "text index": (lambda a: a["x"], IndexError, r"str"),
    "float tensor index": (lambda a: a[tt.ones(2)], IndexError, r"int|long"),
    "two ellipses": (lambda a: a[..., ...], IndexError, r"ellipsis"),
    "negative step": (lambda a: a[::-1], ValueError, r"step"),
    "text operand": (lambda a: a + "x", TypeError, r"str"),
    "None operand": (lambda a: a * None, TypeError, r"NoneType"),
    "array operand": (lambda a: tt.add(a, [1, 2]), TypeError, r"list"),
    "object operand": (lambda a: tt.exp(object()), TypeError, r"object"),
    "float size": (lambda a: tt.zeros(2.0), TypeError, r"float"),
    "negative size": (lambda a: tt.zeros(-1), RuntimeError, r"negative"),
    "device": (lambda a: a.to("cuda"), RuntimeError, r"cuda"),
    "device of a factory": (lambda a: tt.zeros(2, device="mps"), RuntimeError, r"mps"),
    "linear": (lambda a: F.linear(a, B), RuntimeError, r"\d"),
    "embedding of floats": (lambda a: F.embedding(a, B), RuntimeError, r"Long, Int"),
    "cross entropy": (
        lambda a: F.cross_entropy(a, tt.tensor([0, 1, 2])), (RuntimeError, ValueError), r"2.*3"),
    "in-place shape": (lambda a: a.clone()[0].add_(B), RuntimeError, r"shape"),
    "in-place dtype": (lambda a: tt.tensor([1, 2]).add_(0.5), RuntimeError, r"can't be cast"),
    "copy": (lambda a: a.clone().copy_(B), RuntimeError, r"size"),
    "where": (lambda a: tt.where(a, a, a), RuntimeError, r"bool"),
    "requires_grad of ints": (
        lambda a: tt.tensor([1]).requires_grad_(), RuntimeError, r"floating"),
    "backward without history": (lambda a: a.sum().backward(), RuntimeError, r"does not require"),
    "mean of ints": (lambda a: tt.tensor([1, 2]).mean(), RuntimeError, r"floating"),
    "bitwise of floats": (lambda a: a & a, RuntimeError, r"bitwise_and.*float32"),
    "no such attribute": (lambda a: a.nothing, AttributeError, r"nothing"),
    "softmax axis": (lambda a: a.softmax(7), IndexError, r"7"),
    "one_hot of floats": (lambda a: F.one_hot(a, 3), (RuntimeError, IndexError), r"int|index"),
    "grad of another shape": (lambda a: setattr(A.clone(), "grad", B), RuntimeError, r"size"),
    "module without forward": (lambda a: nn.Module()(a), NotImplementedError, r"forward"),
    "module of another width": (lambda a: nn.Linear(4, 2)(a), RuntimeError, r"3.*4|4.*3"),
}  # fmt: skip


@pytest.mark.parametrize("way", ["eager", "compiled"])
@pytest.mark.parametrize("name", CASES)
def test_the_error_says_what_and_where(name: str, way: str) -> None:
    function, kind, message = CASES[name]
    if way == "compiled" and name in ("module of another width",):
        pytest.skip("makes parameters, which a compiled function may not")
    with pytest.raises(kind, match=message) as caught:
        (function if way == "eager" else tt.compile(function))(A)
    lines = [f.lineno for f in traceback.extract_tb(caught.tb) if f.filename == __file__]
    assert function.__code__.co_firstlineno in lines


@pytest.mark.parametrize("value", [np.ones(3), {"a": np.ones(3)}, [np.ones(2)]])
def test_numpy_arguments_are_refused_with_a_remedy(value: Any) -> None:
    with pytest.raises(RuntimeError, match="from_numpy"):
        tt.compile(lambda v: tt.ones(3))(value)


def test_what_cannot_be_compiled() -> None:
    for thing in (3, "text", tt.ones(2)):
        with pytest.raises(TypeError, match="callable"):
            tt.compile(thing)  # type: ignore[arg-type]


def test_wrong_arguments_of_the_users_own_function() -> None:
    f = tt.compile(lambda x, y: x + y)
    with pytest.raises(TypeError, match="argument"):
        f(A)
    with pytest.raises(TypeError, match="argument"):
        f(A, A, z=1)
    np.testing.assert_array_equal(f(A, A).numpy(), 2 * np.ones((2, 3)))


@pytest.mark.parametrize("data", [object(), "text", [[1], [2, 3]], [None], {"a": 1}])
def test_tensor_of_bad_data(data: Any) -> None:
    with pytest.raises((TypeError, ValueError, RuntimeError)):
        tt.tensor(data)


def test_nothing_to_inspect_before_the_first_call() -> None:
    with pytest.raises(RuntimeError, match="not been called"):
        tt.compile(lambda x: x).stages  # noqa: B018 - the access is what must fail


@pytest.mark.parametrize("junk", [None, "x", 2, [1.0], object()], ids=lambda v: type(v).__name__)
def test_what_is_no_tensor_is_named(junk):
    a = tt.ones(3, 3)
    for call in (
        lambda: tt.mv(a, junk), lambda: tt.cross(a, junk), lambda: tt.kron(a, junk),
        lambda: tt.inner(a, junk), lambda: a.expand_as(junk), lambda: tt.addr(a, a[0], junk),
    ):  # fmt: skip
        with pytest.raises(TypeError, match=r"argument '\w+'.* must be Tensor, not"):
            call()


REFUSED: dict[str, tuple[Callable[[Tensor], Any], str]] = {
    "function": (lambda a: tt.cat([a, B]), "cat([f32[2,3], f32[4,5]])"),
    "method": (lambda a: a.reshape(4, 2), "reshape(f32[2,3], 4, 2)"),
    "operator": (lambda a: a + B, "add(f32[2,3], f32[4,5])"),
    "index": (lambda a: a[5, 1:], "getitem(f32[2,3], (5, 1:))"),
    "layer function": (lambda a: F.linear(a, B), "linear(f32[2,3], f32[4,5])"),
    "keyword": (lambda a: a.sum(dim=2), "sum(f32[2,3], dim=2)"),
    "write": (lambda a: a.clone().add_(B), "add_(f32[2,3], f32[4,5])"),
    "inside a branch": (lambda a: tt.cond(a.sum() > 0, lambda x: x + B, lambda x: x, (a,)),
                        "add(f32[2,3], f32[4,5])"),
    "of a layer": (LAYER, "linear(f32[2,3], f32[2,4], f32[2])"),
}  # fmt: skip


@pytest.mark.parametrize("way", ["eager", "compiled"])
@pytest.mark.parametrize("name", REFUSED)
def test_the_message_names_the_call_and_the_line(name: str, way: str) -> None:
    function, call = REFUSED[name]

    def run(a: Tensor) -> Any:
        return function(a)

    with pytest.raises((RuntimeError, IndexError)) as caught:
        (run if way == "eager" else tt.compile(run))(A)
    assert f"[in {call}]" in str(caught.value)
    if way == "compiled":
        code = getattr(function, "__code__", run.__code__)
        lines = range(code.co_firstlineno, code.co_firstlineno + 2)
        assert any(f"(at test_bad_input.py:{line})" in str(caught.value) for line in lines)


@pytest.mark.parametrize("way", ["eager", "compiled"])
def test_an_error_of_the_users_own_stays_as_it_is(way: str) -> None:
    own = ValueError("mine")

    def fails(x: Tensor) -> Tensor:
        raise own

    def run(a: Tensor) -> Any:
        return tt.cond(a.sum() > 0, fails, fails, (a,))

    with pytest.raises(ValueError, match=r"^mine$") as caught:
        (run if way == "eager" else tt.compile(run))(A)
    assert caught.value is own


BAD_KINDS: dict[str, Callable[[], Any]] = {
    "dim is a bool": lambda: A.transpose(True, 0),
    "keepdim is an int": lambda: A.sum(0, 1),
    "descending is text": lambda: tt.sort(A, descending="yes"),
    "k is a float": lambda: A.topk(1.0),
    "dtype is text": lambda: tt.zeros(2, dtype="float32"),
    "dtype is an int": lambda: tt.cumsum(A, 0, dtype=3),
}


@pytest.mark.parametrize("name", BAD_KINDS)
def test_arguments_are_parsed_as_strictly_as_in_pytorch(name: str) -> None:
    with pytest.raises(TypeError, match=r"\(\): argument '\w+'.* must be .*\[in "):
        BAD_KINDS[name]()


def test_an_int_may_be_a_tensor_of_one() -> None:
    assert A.topk(tt.tensor(2), dim=np.int64(1)).values.shape == (2, 2)
    assert tt.compile(lambda a, n: a.narrow(1, 0, n))(A, 2).shape == (2, 2)


def test_classes_are_those_that_pytorch_raises_in_one_place_or_another() -> None:
    with pytest.raises(AttributeError, match="must be Tensor, not list"):
        F.relu([1.0])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="wants a Tensor, not int"):
        tt.atleast_1d([A, 1])  # type: ignore[arg-type]
    for kind in (ValueError, RuntimeError, OverflowError):
        with pytest.raises(kind, match="int64"):
            A.sum(2**70)
    with pytest.raises(RuntimeError, match=r"memory.*\[in ones\("):
        tt.ones(10**7, 10**7)
