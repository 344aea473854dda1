"""Number: a Python number inside a trace that stays a run-time input.

Arguments, learning rates and attributes that are plain ints or floats become Numbers while a
function is traced. Arithmetic records weak scalar nodes, so the compiled step takes any value.
A comparison guards its outcome; anything that needs the value itself (``int(n)``, a shape, an
f-string, ``math.sqrt``) guards the value, so another value traces again.

A Number is no subclass of float: C code would read a subclass's value with no hook. It answers
``isinstance`` through ``__class__`` instead, and is asked through ``__float__``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from tinytorch.errors import TraceError
from tinytorch.ir import ops
from tinytorch.ir.extent import Extent, equal, sure_divmod
from tinytorch.ir.op import Op
from tinytorch.ir.operators import Operators, weak_type
from tinytorch.ir.types import TensorType
from tinytorch.tracer.mode import mode, user_origin

_PYTHON = {
    "add": "({0} + {1})", "sub": "({0} - {1})", "mul": "({0} * {1})", "div": "({0} / {1})",
    "pow": "({0} ** {1})", "neg": "(-{0})", "abs": "abs({0})",
    "floor_divide": "({0} // {1})", "remainder": "({0} % {1})",
}  # fmt: skip


class Number(Operators):
    """An int or float whose value may differ from call to call.

    ``text`` is a Python expression over the call's numbers that gives the value, ``value`` what it
    is during this trace. ``size`` is the Extent that it is, if it can serve as a size.
    """

    __slots__ = ("node", "size", "text", "trace", "value")

    def __init__(self, trace: Any, node: Any, text: str, value: Any, size: Any = None) -> None:
        self.trace = trace
        self.node = node
        self.text = text
        self.value = value
        self.size = size

    @property
    def __class__(self) -> Any:
        return type(self.value)

    @__class__.setter
    def __class__(self, value: Any) -> None:
        raise TypeError("the class of a traced number cannot be changed")

    @property
    def aval(self) -> TensorType:  # type: ignore[override]
        """A weak scalar type."""
        return weak_type(self.value)

    def apply_op(self, op: Op, operands: Sequence[Any], attrs: Any) -> Any:
        """Record arithmetic: on numbers alone as a Number, with a tensor as a tensor."""
        self.check_trace()
        for x in operands:
            if not _is_number(x):
                if hasattr(x, "apply_op"):
                    return x.apply_op(op, operands, attrs)
                raise TypeError(f"unsupported operand for {op.name}: {type(x).__name__}")
        if op.name not in _PYTHON:
            return self.trace.number_as_tensor(self).apply_op(op, operands, attrs)
        size = _size_of(op.name, operands)
        if size is not None:
            return mode.trace.size_number(size) if isinstance(size, Extent) else size
        _guard_domain(op.name, operands)
        text = _PYTHON[op.name].format(*(text_of(x) for x in operands))
        values = [value_of(x) for x in operands]
        value = eval(_PYTHON[op.name].format(*(f"_{i}" for i in range(len(values)))),
                     {f"_{i}": v for i, v in enumerate(values)})  # fmt: skip
        if isinstance(value, complex) or (isinstance(value, int) and abs(value) >= 1 << 63):
            return _apply_known(op, operands)
        if isinstance(value, int) and op.name in ("mul", "pow"):
            self.trace.guard_predicate(f"(abs({text}) < {1 << 62})", abs(value) < 1 << 62)
        return self.trace.number(op, operands, text, value)

    def check_trace(self) -> None:
        """Raise TraceError unless the trace that this number belongs to is under way."""
        if mode.trace is None or not mode.trace.sees(self.trace):
            raise TraceError(
                f"{user_origin()}: this number ({self.value!r}) was read while another call was "
                "traced; return it from the compiled function instead of keeping it elsewhere"
            )

    def constant(self, value: Any, shape: Any = None, dtype: Any = None, weak: bool = False) -> Any:
        """Return a number as a traced constant."""
        self.check_trace()
        trace = self.trace if weak else mode.trace
        return trace.weak_constant(value, tuple(shape or ()), dtype or self.aval.dtype, weak)

    def converted(self, dtype: Any, weak: bool = False) -> Any:
        """Return this number in another dtype."""
        self.check_trace()
        return self.trace.convert_number(self, dtype, weak)

    def known(self) -> Any:
        """Return the value itself, guarding that it stays the same."""
        self.check_trace()
        if self.size is not None:
            return mode.sizes.settle(self.size)
        if mode.sizes is not None:
            mode.sizes.settle_behind(self.text)
        self.trace.guard_number(self)
        return self.value

    def _compare(self, symbol: str, other: Any) -> Any:
        if hasattr(other, "apply_op") and not _is_number(other):
            return NotImplemented
        self.check_trace()
        if not _is_number(other):
            return {"==": False, "!=": True}.get(symbol, NotImplemented)
        mine, its = as_size(self), as_size(other)
        if mine is not None and its is not None:
            if symbol in ("==", "!="):
                return equal(mine, its) == (symbol == "==")
            return eval(f"a {symbol} b", {"a": mine, "b": its})
        text = f"({self.text} {symbol} {text_of(other)})"
        return self.trace.guard_predicate(
            text, eval(f"a {symbol} b", {"a": self.value, "b": value_of(other)})
        )

    def __eq__(self, other: object) -> Any:
        return self._compare("==", other)

    def __ne__(self, other: object) -> Any:
        return self._compare("!=", other)

    def __lt__(self, other: Any) -> Any:
        return self._compare("<", other)

    def __le__(self, other: Any) -> Any:
        return self._compare("<=", other)

    def __gt__(self, other: Any) -> Any:
        return self._compare(">", other)

    def __ge__(self, other: Any) -> Any:
        return self._compare(">=", other)

    def __floordiv__(self, other: Any) -> Any:
        return ops.floor_divide(self, other)

    def __rfloordiv__(self, other: Any) -> Any:
        return ops.floor_divide(other, self)

    def __mod__(self, other: Any) -> Any:
        return ops.remainder(self, other)

    def __rmod__(self, other: Any) -> Any:
        return ops.remainder(other, self)

    def __divmod__(self, other: Any) -> Any:
        return self // other, self % other

    def __rdivmod__(self, other: Any) -> Any:
        return other // self, other % self

    def __getattr__(self, name: str) -> Any:
        """Whatever else an int or float has (``bit_length``, ``hex``), for the value itself."""
        if name in Number.__slots__ or not hasattr(type(self.value), name):
            raise AttributeError(f"'{type(self.value).__name__}' object has no attribute {name!r}")
        return getattr(self.known(), name)

    def __bool__(self) -> bool:
        self.check_trace()
        if self.size is not None:
            return not equal(self.size, 0)
        return bool(self.trace.guard_predicate(f"bool({self.text})", bool(self.value)))

    def __float__(self) -> float:
        return float(self.known())

    def __int__(self) -> int:
        return int(self.known())

    def __index__(self) -> int:
        if not isinstance(self.value, int):
            raise TypeError("'float' object cannot be interpreted as an integer")
        return int(self.known())

    def __round__(self, digits: int | None = None) -> Any:
        return round(self.known(), digits) if digits is not None else round(self.known())

    def __trunc__(self) -> int:
        return math.trunc(self.known())

    def __floor__(self) -> int:
        return math.floor(self.known())

    def __ceil__(self) -> int:
        return math.ceil(self.known())

    def __pos__(self) -> Any:
        return self

    def __hash__(self) -> int:
        return hash(self.known())

    def __repr__(self) -> str:
        live = mode.trace is not None and mode.trace.sees(self.trace)
        return repr(self.known()) if live else f"<traced {self.value!r}>"

    def __str__(self) -> str:
        return str(self.known())

    def __format__(self, spec: str) -> str:
        return format(self.known(), spec)

    def is_integer(self) -> bool:
        """Whether the value is a whole number."""
        return float(self.known()).is_integer()


def _on_bits(name: str) -> Any:
    """An operator on bits: it has no 64-bit form, so it takes the value itself."""

    def method(self: Number, *others: Any) -> Any:
        known = [x.known() if type(x) is Number else x for x in others]
        return getattr(self.known(), name)(*known)

    method.__name__ = name
    return method


for _name in ("and", "or", "xor", "lshift", "rshift"):
    setattr(Number, f"__{_name}__", _on_bits(f"__{_name}__"))
    setattr(Number, f"__r{_name}__", _on_bits(f"__r{_name}__"))
setattr(Number, "__invert__", _on_bits("__invert__"))  # noqa: B010 - beside its kin


def _is_number(x: Any) -> bool:
    return type(x) is Number or isinstance(x, bool | int | float | Extent)


def text_of(x: Any) -> str:
    """Python expression of a Number or a plain number, safe inside a larger one."""
    if type(x) is Number:
        return str(x.text)
    if isinstance(x, Extent):
        return f"({x.code})"
    if isinstance(x, float) and not math.isfinite(x):
        return f"float({str(x)!r})"
    return f"({x!r})"


def value_of(x: Any) -> Any:
    """Value of a Number or a plain number, without a guard."""
    if isinstance(x, Extent):
        return x.at(mode.sizes.values)
    return x.value if type(x) is Number else x


def as_size(x: Any) -> Any:
    """An int, or the Extent that a size is; None for other numbers."""
    if type(x) is Number:
        return x.size
    if isinstance(x, Extent) or type(x) is int:
        return x
    return int(x) if type(x) is float and x.is_integer() else None


def _size_of(name: str, operands: Sequence[Any]) -> Any:
    """What arithmetic on sizes gives as a size; None if it is none for all sizes alike."""
    if any(type(x) is float for x in operands):
        return None
    sizes = [as_size(x) for x in operands]
    if name not in _ON_SIZES or any(s is None for s in sizes):
        return None
    if name in ("floor_divide", "remainder"):
        sure = sure_divmod(*sizes) if sizes[1] != 0 else None
        return None if sure is None else sure[name == "remainder"]
    if name == "pow" and not (type(sizes[1]) is int and sizes[1] >= 0):
        return None
    return eval(_PYTHON[name].format(*(f"_{i}" for i in range(len(sizes)))),
                {f"_{i}": s for i, s in enumerate(sizes)})  # fmt: skip


_ON_SIZES = frozenset({"add", "sub", "mul", "neg", "pow", "floor_divide", "remainder"})


def plain(value: Any) -> Any:
    """Sizes as graphs hold them: numbers that are sizes as Extents, others specialised."""
    if type(value) is Number:
        return value.known() if value.size is None else value.size
    if isinstance(value, tuple | list):
        return tuple(plain(v) for v in value)
    return value


def plain_attrs(attrs: Any) -> Any:
    """Attributes of an op, sizes among them as graphs hold them."""
    return attrs if mode.sizes is None else {key: plain(v) for key, v in attrs.items()}


def _guard_domain(name: str, operands: Sequence[Any]) -> None:
    """Guard what decides whether Python raises, or gives another kind, where a kernel would not.

    Division by zero raises in Python; a power of an int to a negative one is a float, and that of
    a negative number to a fraction is complex.
    """
    if name in ("div", "floor_divide", "remainder") and type(operands[1]) is Number:
        _ = operands[1] != 0
    elif name == "pow":
        base, power = operands
        if type(power) is Number:
            if isinstance(power.value, int) and isinstance(value_of(base), int):
                _ = power >= 0
            else:
                if not base > 0:
                    power.known()
        if type(base) is Number and (not isinstance(value_of(power), int) or power < 0):
            _ = base > 0
            _ = base == 0


def _apply_known(op: Op, operands: Sequence[Any]) -> Any:
    """Fall back to the values themselves where a result has no 64-bit form."""
    values = [x.known() if type(x) is Number else value_of(x) for x in operands]
    return eval(_PYTHON[op.name].format(*(f"_{i}" for i in range(len(values)))),
                {f"_{i}": v for i, v in enumerate(values)})  # fmt: skip


__all__ = ["Number", "mode", "text_of", "value_of"]
