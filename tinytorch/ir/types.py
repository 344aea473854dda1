"""Types of values: dtypes with PyTorch's promotion, sizes that may be symbolic, tensors, tuples."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from tinytorch.errors import TypeRuleError
from tinytorch.ir.extent import Size


@dataclass(frozen=True, slots=True)
class DType:
    """An element type.

    ``storage`` is how elements lie in memory, ``compute`` the dtype in which kernels do
    arithmetic on them; the two differ for half precision.
    """

    name: str
    short: str
    kind: str  # b(ool), i(nteger), f(loat)
    bits: int
    storage: str
    compute: str
    signed: bool = True

    @property
    def numpy(self) -> np.dtype:
        """The numpy dtype of a stored element; two opaque bytes for bfloat16."""
        return _OPAQUE if self.name == "bfloat16" else np.dtype(self.storage)

    @property
    def is_half(self) -> bool:
        """Whether elements are halves: computed in float32, rounded when stored."""
        return self.storage != self.compute

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return max(1, self.bits // 8)

    @property
    def is_floating_point(self) -> bool:
        """Whether the dtype holds fractions (and so can carry gradients)."""
        return self.kind == "f"

    def __repr__(self) -> str:
        return f"tinytorch.{self.name}"


_OPAQUE = np.dtype("V2")

bool_ = DType("bool", "bool", "b", 8, "bool", "bool", signed=False)
uint8 = DType("uint8", "u8", "i", 8, "uint8", "uint8", signed=False)
int8 = DType("int8", "i8", "i", 8, "int8", "int8")
int16 = DType("int16", "i16", "i", 16, "int16", "int16")
int32 = DType("int32", "i32", "i", 32, "int32", "int32")
int64 = DType("int64", "i64", "i", 64, "int64", "int64")
float16 = DType("float16", "f16", "f", 16, "float16", "float32")
bfloat16 = DType("bfloat16", "bf16", "f", 16, "uint16", "float32")
float32 = DType("float32", "f32", "f", 32, "float32", "float32")
float64 = DType("float64", "f64", "f", 64, "float64", "float64")

DTYPES = (bool_, uint8, int8, int16, int32, int64, float16, bfloat16, float32, float64)
BY_NAME = {d.name: d for d in DTYPES}
BY_SHORT = {d.short: d for d in DTYPES}
_BY_NUMPY = {d.numpy: d for d in DTYPES}
_CATEGORY = {"b": 0, "i": 1, "f": 2}


def from_numpy_dtype(dtype: np.dtype) -> DType:
    """Return the DType of a numpy dtype; raise TypeRuleError for one without a counterpart."""
    dtype = np.dtype(dtype)
    if dtype.name == "bfloat16":  # as extensions of numpy spell it
        return bfloat16
    found = _BY_NUMPY.get(dtype.newbyteorder("="))
    if found is None:
        raise TypeRuleError(f"no tinytorch dtype for numpy dtype {dtype}")
    return found


def promote(a: DType, b: DType) -> DType:
    """Return the dtype that holds both, by PyTorch's table for tensors of one class."""
    if a is b:
        return a
    if _CATEGORY[a.kind] != _CATEGORY[b.kind]:
        return a if _CATEGORY[a.kind] > _CATEGORY[b.kind] else b
    if a.kind == "i" and a.signed != b.signed:
        signed, unsigned = (a, b) if a.signed else (b, a)
        return int16 if signed.bits == unsigned.bits else signed
    if a.bits == b.bits:
        return float32  # the two halves: neither holds the other
    return a if a.bits > b.bits else b


Shape: TypeAlias = tuple[Size, ...]


def count(shape: Iterable[Any]) -> int:
    """Number of elements of a shape; an Extent, which acts as an int, where it is symbolic."""
    return math.prod(shape)


@dataclass(frozen=True, slots=True)
class TensorType:
    """dtype and shape of a tensor value; ``weak`` marks a Python number (see ``result_type``)."""

    dtype: DType
    shape: Shape = ()
    weak: bool = False

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TensorType):
            return NotImplemented
        # Ranks first: tuples of different lengths would compare their first sizes, and a symbolic
        # size would have to be guarded for that.
        return (
            self.dtype is other.dtype and len(self.shape) == len(other.shape)
            and self.shape == other.shape and self.weak == other.weak
        )

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return count(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of a contiguous buffer."""
        return self.size * self.dtype.itemsize

    def __str__(self) -> str:
        inner = ",".join(str(s) for s in self.shape)
        return f"{self.dtype.short}[{inner}]{'~' if self.weak else ''}"


@dataclass(frozen=True, slots=True)
class TupleType:
    """Several values as one; ``get`` takes one out."""

    items: tuple[ValueType, ...]

    def __str__(self) -> str:
        return f"({', '.join(str(t) for t in self.items)})"


ValueType: TypeAlias = TensorType | TupleType


def result_type(types: Iterable[TensorType], default: DType = float32) -> DType:
    """Return the dtype of an arithmetic result, by PyTorch's rules.

    Operands fall in three classes: tensors with axes, 0-d tensors, Python numbers (weak). A class
    decides only if its category (bool < int < float) is higher than that of the classes before
    it. A weak float that decides gives ``default``.
    """
    classes: list[list[DType]] = [[], [], []]
    for t in types:
        classes[2 if t.weak else (0 if t.shape else 1)].append(t.dtype)
    result: DType | None = None
    for rank, members in enumerate(classes):
        if not members:
            continue
        best = members[0]
        for other in members[1:]:
            best = promote(best, other)
        if rank == 2 and best.kind == "f":
            best = default
        if result is None or _CATEGORY[best.kind] > _CATEGORY[result.kind]:
            result = best
    if result is None:
        raise TypeRuleError("result_type needs at least one operand")
    return result


def broadcast_shapes(*shapes: Shape) -> Shape:
    """Return the shape that all shapes broadcast to; raise TypeRuleError if there is none."""
    ndim = max((len(s) for s in shapes), default=0)
    out: list[Size] = [1] * ndim
    for shape in shapes:
        for axis, size in enumerate(shape, ndim - len(shape)):
            if size == 1 or size == out[axis]:
                continue
            if out[axis] != 1:
                raise TypeRuleError(
                    f"shapes {' and '.join(format_shape(s) for s in shapes)} cannot be broadcast: "
                    f"axis {axis} has sizes {out[axis]} and {size}"
                )
            out[axis] = size
    return tuple(out)


def format_shape(shape: Shape) -> str:
    """Return a shape as PyTorch writes it, e.g. ``[2, 3]``."""
    return "[" + ", ".join(str(s) for s in shape) + "]"
