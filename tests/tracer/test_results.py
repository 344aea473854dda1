"""What compiled functions may return: every call its own values, or the trace is refused."""

import enum
import types
from collections import OrderedDict, deque

import pytest

import tinytorch as tt


class Part(enum.Enum):
    LOSS = 1


class Odd:
    """A key whose text reads as another value."""

    def __repr__(self) -> str:
        return "1"


ODD = Odd()


@pytest.mark.parametrize("key", [Part.LOSS, ODD, float("inf"), tt.float32, (1, "a"), None, True])
def test_keys_of_returned_dicts_are_themselves(key: object) -> None:
    compiled = tt.compile(lambda x: {key: x + 1})
    for value in (1.0, 5.0):
        result = compiled(tt.full((2,), value))
        assert [k is key or k == key for k in result] == [True]
        assert type(next(iter(result))) is type(key)
        assert result[key].tolist() == [value + 1, value + 1]


def test_ordered_dicts_are_arguments_and_results() -> None:
    compiled = tt.compile(lambda d: OrderedDict(z=d["a"] + 1, a=d["z"]))
    for value in (1.0, 5.0):
        result = compiled(OrderedDict(z=tt.zeros(2), a=tt.full((2,), value)))
        assert type(result) is OrderedDict
        assert list(result) == ["z", "a"]
        assert result["z"].tolist() == [value + 1, value + 1]


@pytest.mark.parametrize(
    "wrap",
    [
        lambda y: types.SimpleNamespace(y=y), lambda y: deque([y]), lambda y: {y},
        lambda y: iter([y]), lambda y: (z for z in [y]), lambda y: (lambda: y), lambda y: y.sum,
        lambda y: {y: 1},
    ],
)  # fmt: skip
def test_objects_that_hold_tensors_are_refused(wrap: object) -> None:
    for function in (lambda x: wrap(x + 1), lambda x: wrap(x)):
        with pytest.raises(tt.errors.TraceError, match="a compiled function returns a"):
            tt.compile(function)(tt.ones(2))


def test_constants_and_modules_are_returned_as_they_are() -> None:
    model = tt.nn.Linear(2, 2)
    compiled = tt.compile(lambda x: (x + 1, Part.LOSS, tt.float32, len, model, 10**30))
    for _ in range(2):
        y, *rest = compiled(tt.ones(2))
        assert y.tolist() == [2.0, 2.0]
        assert rest == [Part.LOSS, tt.float32, len, model, 10**30]


@pytest.mark.parametrize(
    "change",
    [
        lambda box, x: box["list"].append(x), lambda box, x: box.update(y=x),
        lambda box, x: box.pop("list"), lambda box, x: box.update(x=x + 1),
    ],
)  # fmt: skip
def test_changing_a_container_among_the_arguments_is_refused(change: object) -> None:
    @tt.compile
    def step(box: dict[str, object]) -> tt.Tensor:
        change(box, box["x"])
        return tt.zeros(2)

    box = {"x": tt.ones(2), "list": []}
    for _ in range(2):
        with pytest.raises(tt.errors.TraceError, match="changes a list, dict or object"):
            step(box)
    assert list(box) == ["x", "list"]
    assert box["list"] == []
