"""Types: PyTorch's promotion, spelled out, and shapes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from tinytorch.errors import TypeRuleError
from tinytorch.ir import types as T
from tinytorch.ir.dim import Dim
from tinytorch.ir.extent import Extent
from tinytorch.ir.types import TensorType, broadcast_shapes, promote, result_type

# torch.promote_types, row by column.
ORDER = ("bool", "u8", "i8", "i16", "i32", "i64", "f16", "bf16", "f32", "f64")
PROMOTION = """
bool u8   i8   i16  i32  i64  f16  bf16 f32 f64
u8   u8   i16  i16  i32  i64  f16  bf16 f32 f64
i8   i16  i8   i16  i32  i64  f16  bf16 f32 f64
i16  i16  i16  i16  i32  i64  f16  bf16 f32 f64
i32  i32  i32  i32  i32  i64  f16  bf16 f32 f64
i64  i64  i64  i64  i64  i64  f16  bf16 f32 f64
f16  f16  f16  f16  f16  f16  f16  f32  f32 f64
bf16 bf16 bf16 bf16 bf16 bf16 f32  bf16 f32 f64
f32  f32  f32  f32  f32  f32  f32  f32  f32 f64
f64  f64  f64  f64  f64  f64  f64  f64  f64 f64
"""
TABLE = [row.split() for row in PROMOTION.strip().split("\n")]


@pytest.mark.parametrize(("i", "j"), list(itertools.product(range(10), repeat=2)))
def test_promotion_table(i, j):
    a, b = T.BY_SHORT[ORDER[i]], T.BY_SHORT[ORDER[j]]
    assert promote(a, b).short == TABLE[i][j]


def test_table_covers_every_dtype():
    assert set(ORDER) == set(T.BY_SHORT)


def one(short: str) -> TensorType:
    """``f32`` with axes, ``f32.`` without, ``f64~`` a Python number."""
    dtype = T.BY_SHORT[short.rstrip(".~")]
    return TensorType(dtype, () if short[-1] in ".~" else (2,), short.endswith("~"))


@pytest.mark.parametrize(
    ("operands", "result"),
    [
        ("f32 f64.", "f32"), ("f32. f64.", "f64"), ("f16 f64~", "f16"), ("i32 i64~", "i32"),
        ("i32 i64.", "i32"), ("u8 i64~", "u8"), ("i64 f64~", "f32"), ("i64 f64.", "f64"),
        ("i64 f16.", "f16"), ("bool i64~", "i64"), ("bool f64~", "f32"), ("bool bool~", "bool"),
        ("i32. i64~", "i32"), ("i32. f64~", "f32"), ("f32 i64", "f32"), ("bool i32.", "i32"),
        ("f16 f32", "f32"), ("f64 f32. i64~", "f64"), ("i8 u8", "i16"), ("f64~ i64~", "f32"),
    ],
)  # fmt: skip
def test_classes_of_operands(operands, result):
    found = result_type([one(o) for o in operands.split()])
    assert found.short == result


def test_weak_float_takes_the_default():
    assert result_type([one("i64"), one("f64~")], T.float64) is T.float64


def test_broadcasting_is_numpys():
    shapes = [(), (1,), (3,), (2, 3), (2, 1), (1, 3), (4, 1, 3), (0, 3), (1, 0)]
    for a, b in itertools.product(shapes, repeat=2):
        try:
            expected = np.broadcast_shapes(a, b)
        except ValueError:
            with pytest.raises(TypeRuleError, match="broadcast"):
                broadcast_shapes(a, b)
        else:
            assert broadcast_shapes(a, b) == expected


@pytest.mark.parametrize("dtype", T.DTYPES, ids=str)
def test_numpy_dtypes_come_back(dtype):
    assert T.from_numpy_dtype(dtype.numpy) is dtype
    assert dtype.itemsize == dtype.numpy.itemsize


def test_unknown_numpy_dtype_is_an_error():
    with pytest.raises(TypeRuleError, match="complex"):
        T.from_numpy_dtype(np.dtype("complex64"))


def test_types_as_text():
    assert str(TensorType(T.float32, (2, Extent.of(Dim("n", 8))))) == "f32[2,n<=8]"
    assert str(TensorType(T.int64, (), True)) == "i64[]~"
    assert str(TensorType(T.int64, (2, Extent.of(Dim("n")))).nbytes) == "16*n"
