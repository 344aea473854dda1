"""The op table: importing this package fills ``op.TABLE``, one row an op."""

from tinytorch.ir.op import TABLE
from tinytorch.ir.ops.contraction import matmul
from tinytorch.ir.ops.control import cond, scan_, scan_parts, while_
from tinytorch.ir.ops.elementwise import (
    abs_,
    add,
    bitwise_and,
    bitwise_not,
    bitwise_or,
    bitwise_xor,
    ceil,
    cos,
    div,
    eq,
    erf,
    exp,
    expm1,
    floor,
    floor_divide,
    fmod,
    ge,
    gt,
    isnan,
    le,
    log,
    log1p,
    logical_not,
    lt,
    maximum,
    minimum,
    mul,
    ne,
    neg,
    pow_,
    relu,
    remainder,
    round_,
    rsqrt,
    shift_left,
    shift_right,
    sigmoid,
    sign,
    sin,
    sqrt,
    sub,
    tanh,
    trunc,
)  # fmt: skip
from tinytorch.ir.ops.indexing import (
    gather,
    put_add,
    scatter_add,
    scatter_max,
    scatter_min,
    scatter_prod,
    take,
)  # fmt: skip
from tinytorch.ir.ops.movement import (
    barrier,
    broadcast_to,
    cat,
    flip,
    inverse,
    pad,
    permute,
    reshape,
    slice_,
    update_slice,
)  # fmt: skip
from tinytorch.ir.ops.ordering import argsort
from tinytorch.ir.ops.random import random_bits
from tinytorch.ir.ops.reduction import argmax, argmin, max_, min_, sum_
from tinytorch.ir.ops.scan import cumargmax, cumargmin, cumsum, logcumsumexp, recurrence
from tinytorch.ir.ops.selection import cast, detach, require_nonzero, require_range, where
from tinytorch.ir.ops.source import extent, full, input_, iota
from tinytorch.ir.ops.strided import overlaps, strided, update_strided
from tinytorch.ir.ops.structure import call, custom, get, tuple_
from tinytorch.ir.ops.transcendental import (
    acos,
    acosh,
    asin,
    asinh,
    atan,
    atan2,
    atanh,
    copysign,
    cosh,
    erfc,
    erfinv,
    exp2,
    hypot,
    log2,
    log10,
    sinh,
    tan,
)  # fmt: skip
from tinytorch.ir.ops.window import unwindow, window

__all__ = [
    "TABLE", "abs_", "acos", "acosh", "add", "argmax", "argmin", "argsort", "asin", "asinh",
    "atan", "atan2", "atanh", "barrier", "bitwise_and", "bitwise_not", "bitwise_or",
    "bitwise_xor", "broadcast_to", "call", "cast", "cat", "ceil", "cond", "copysign", "cos",
    "cosh", "cumargmax", "cumargmin", "cumsum", "custom", "detach", "div", "eq", "erf", "erfc",
    "erfinv", "exp", "exp2", "expm1", "extent", "flip", "floor", "floor_divide", "fmod", "full",
    "gather", "ge", "get", "gt", "hypot", "input_", "inverse", "iota", "isnan", "le", "log",
    "log10", "log1p", "log2", "logcumsumexp", "logical_not", "lt", "matmul", "max_", "maximum",
    "min_", "minimum", "mul", "ne", "neg", "overlaps", "pad", "permute", "pow_", "put_add",
    "random_bits", "recurrence", "relu", "remainder", "require_nonzero", "require_range",
    "reshape", "round_", "rsqrt", "scan_", "scan_parts", "scatter_add", "scatter_max",
    "scatter_min", "scatter_prod", "shift_left", "shift_right", "sigmoid", "sign", "sin",
    "sinh", "slice_", "sqrt", "strided", "sub", "sum_", "take", "tan", "tanh", "trunc",
    "tuple_", "unwindow", "update_slice", "update_strided", "where", "while_", "window",
]  # fmt: skip
