"""dtypes of elementwise results, against tables that PyTorch 2.13 gave.

Letters: b(ool) u(int8) c(har: int8) s(hort) i(nt32) l(ong) h(alf) g (bfloat16) f(loat32) d(ouble);
``!`` where PyTorch refuses. Rows are dtypes of the first operand, columns of the second.
"""

from __future__ import annotations

from typing import Any

import pytest

import tinytorch as tt

LETTERS = dict(
    zip(
        "bucsilhgfd",
        ("bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32",
         "float64"), strict=True,
    )
)  # fmt: skip
NUMBERS = (True, 2, 2.5)

# Two tensors with axes; a tensor with axes and one without; any tensor and True, 2, 2.5.
_PAIRS = ("bucsilhgfd uussilhgfd cscsilhgfd ssssilhgfd iiiiilhgfd llllllhgfd hhhhhhhffd ggggggfgfd "
          "fffffffffd dddddddddd")  # fmt: skip
_SCALARS = ("bucsilhgfd uuuuuuhgfd cccccchgfd sssssshgfd iiiiiihgfd llllllhgfd hhhhhhhhhh "
            "gggggggggg ffffffffff dddddddddd")  # fmt: skip
_NUMBERS = "bucsilhgfd lucsilhgfd ffffffhgfd"


def floating(table: str) -> str:
    """Integers become the default dtype."""
    return table.translate(str.maketrans("bucsil", "ffffff"))


def without_bools(table: str) -> str:
    """Two bools are refused."""
    return "!" + table[1:]


def integers_alone(table: str) -> str:
    """Floats are refused."""
    return table.translate(str.maketrans("hgfd", "!!!!"))


def refused(table: str) -> str:
    return "".join(" " if c == " " else "!" for c in table)


def always(letter: str) -> tuple[str, str, str]:
    return tuple(
        "".join(" " if c == " " else letter for c in t) for t in (_PAIRS, _SCALARS, _NUMBERS)
    )  # type: ignore[return-value]


def _sub(table: str) -> str:
    rows = table.split()
    return " ".join(["!" * 10, *("!" + r[1:] for r in rows[1:])])


_SUB = (_sub(_PAIRS), _sub(_SCALARS), "!!!!!!!!!! !ucsilhgfd !fffffhgfd")
_ARITHMETIC = (_PAIRS, _SCALARS, _NUMBERS)
_WHOLE = tuple(without_bools(t) for t in _ARITHMETIC)
_FLOATING = tuple(floating(t) for t in _ARITHMETIC)
_BITS = tuple(integers_alone(t) for t in _ARITHMETIC)
_BITS = (_BITS[0], _BITS[1], "bucsil!!!! lucsil!!!! !!!!!!!!!!")
_TENSORS = (_PAIRS, _SCALARS, refused(_NUMBERS))
TABLES: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("add", "mul"), _ARITHMETIC),
    "sub": _SUB,
    **dict.fromkeys(("div", "copysign", "xlogy"), _FLOATING),
    **dict.fromkeys(("floor_divide", "remainder", "fmod"), _WHOLE),
    "pow": (*_WHOLE[:2], "!ucsilhgfd lucsilhgfd ffffffhgfd"),
    "float_power": always("d"),
    "atan2": (*_FLOATING[:2], refused(_NUMBERS)),
    **dict.fromkeys(("maximum", "minimum", "fmax", "fmin"), _TENSORS),
    **dict.fromkeys(("eq", "ne", "lt", "le", "gt", "ge"), always("b")),
    **dict.fromkeys(("bitwise_and", "bitwise_or", "bitwise_xor"), _BITS),
    **dict.fromkeys(
        ("bitwise_left_shift", "bitwise_right_shift"), tuple(without_bools(t) for t in _BITS)
    ),
    **dict.fromkeys(("clamp_min", "clamp_max"), _ARITHMETIC),
}




def result(function: Any, *operands: Any) -> str:
    try:
        name = function(*operands).dtype.name
    except (RuntimeError, TypeError):
        return "!"
    return next(letter for letter, dtype in LETTERS.items() if dtype == name)


def ones(letter: str, *shape: int) -> tt.Tensor:
    return tt.ones(*shape, dtype=getattr(tt, LETTERS[letter])) if shape else tt.ones(
        (), dtype=getattr(tt, LETTERS[letter]))  # fmt: skip


@pytest.mark.parametrize("name", sorted(TABLES))
def test_two_tensors(name: str) -> None:
    function = getattr(tt, name)
    for shape, table in (((2,), TABLES[name][0]), ((), TABLES[name][1])):
        for first, row in zip(LETTERS, table.split(), strict=True):
            found = "".join(result(function, ones(first, 2), ones(b, *shape)) for b in LETTERS)
            assert found == row, (name, first, shape)


@pytest.mark.parametrize("name", sorted(TABLES))
@pytest.mark.parametrize("shape", [(2,), ()])
def test_a_tensor_and_a_number(name: str, shape: tuple[int, ...]) -> None:
    function = getattr(tt, name)
    for number, row in zip(NUMBERS, TABLES[name][2].split(), strict=True):
        found = "".join(result(function, ones(a, *shape), number) for a in LETTERS)
        if name.startswith("clamp") and number is True:
            found, row = found[1:], row[1:]  # bools between bools: a matter of taste
        assert found == row, (name, number)


UNARY = {
    "!ucsilhgfd": ("abs", "neg", "floor", "ceil", "trunc", "round", "positive", "relu"),
    "bucsilhgfd": ("sign", "nan_to_num", "clone"),
    "ffffffhgfd": (
        "sqrt", "exp", "sin", "reciprocal", "sigmoid", "erfinv", "deg2rad", "sinc", "logit",
        "rsqrt", "erfc", "log10", "acosh",
    ),
    "bbbbbbbbbb": ("isnan", "signbit", "logical_not", "isfinite", "isinf", "isreal"),
    "lucsilhgfd": ("square",),
    "!!!!!!hgfd": ("frac",),
    "bucsil!!!!": ("bitwise_not",),
}  # fmt: skip


@pytest.mark.parametrize(("row", "names"), UNARY.items())
def test_one_tensor(row: str, names: tuple[str, ...]) -> None:
    for name in names:
        assert "".join(result(getattr(tt, name), ones(a, 2)) for a in LETTERS) == row, name


def test_where_and_its_numbers() -> None:
    c, i, f = tt.tensor([True, False]), tt.tensor([1, 2]), tt.tensor([1.0, 2.0]).double()
    assert tt.where(c, i, f).dtype is tt.float64
    assert tt.where(c, i, 2.5).dtype is tt.float32
    assert tt.where(c, 1, 2).dtype is tt.int64
    assert tt.where(c, 1.0, 2).dtype is tt.float32
    assert tt.where(c, True, False).dtype is tt.bool


def test_questions_about_dtypes() -> None:
    assert tt.promote_types(tt.float16, tt.bfloat16) is tt.float32
    assert tt.result_type(tt.ones(2, dtype=tt.int8), 2.5) is tt.float32
    assert tt.result_type(tt.ones(2, dtype=tt.int8), tt.tensor(2)) is tt.int8
    assert tt.can_cast(tt.int64, tt.float16)
    assert not tt.can_cast(tt.float32, tt.int64)
    assert not tt.can_cast(tt.uint8, tt.bool)
    assert tt.finfo(tt.bfloat16).max == 3.3895313892515355e38
    assert tt.finfo(tt.bfloat16).eps == 0.0078125
    assert (tt.finfo(tt.float16).max, tt.finfo(tt.float16).tiny) == (65504.0, 6.103515625e-05)
    assert (tt.finfo().eps, tt.finfo(tt.float64).bits) == (1.1920928955078125e-07, 64)
    assert (tt.iinfo(tt.uint8).min, tt.iinfo(tt.int16).max) == (0, 32767)
    with pytest.raises(TypeError, match="iinfo"):
        tt.finfo(tt.int32)
    with pytest.raises(TypeError, match="finfo"):
        tt.iinfo(tt.float32)
