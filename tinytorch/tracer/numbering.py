"""Numbering: the part of a trace that keeps Python numbers as run-time inputs.

Their arithmetic is recorded beside that of tensors; what Python decides about one is a predicate
that must come out the same at every call.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tinytorch.errors import TraceError
from tinytorch.ir import ops
from tinytorch.ir.extent import Extent
from tinytorch.ir.graph import Graph, Node
from tinytorch.ir.op import Op
from tinytorch.ir.operators import matched, needs_matching, weak_type
from tinytorch.ir.types import DType
from tinytorch.tracer.differentiation import Differentiation
from tinytorch.tracer.mode import mode, user_origin
from tinytorch.tracer.number import Number, text_of, value_of
from tinytorch.tracer.tensor import Tensor


class Numbering(Differentiation):
    """The numbers of a trace, and what was decided about them."""

    def __init__(self, graph: Graph) -> None:
        super().__init__(graph)
        self.numbers: list[tuple[Node, Number]] = []
        self.number_holders: dict[str, tuple[Any, str]] = {}
        self.number_writes: dict[tuple[int, str], tuple[Any, str, Any]] = {}
        """Numbers of tracked objects that the function assigns: holder, key and new value."""
        self.predicates: dict[str, Any] = {}
        self._number_sources: dict[tuple[int, str], Number] = {}
        self._sizes: dict[Extent, Number] = {}

    def constant(self, value: Any, shape: Any, dtype: DType) -> Any:
        """Return a constant of the graph as a handle."""
        raise NotImplementedError

    def add_number(self, value: Any, name: str, text: str) -> Number:
        """Add a run-time number as an input of the graph."""
        number = Number(self, None, text, value)
        number.node = self.graph.add_input(weak_type(value), name)
        self.numbers.append((number.node, number))
        return number

    def size_number(self, size: Extent) -> Number:
        """A size as a number: of use in arithmetic, and as a size again."""
        if size not in self._sizes:
            node = self.graph.add(ops.extent, (), size=size)
            value = size.at(mode.sizes.values)
            self._sizes[size] = Number(self, node, f"({size.code})", value, size)
        return self._sizes[size]

    def keep_number(self, holder: Any, key: str, value: Any) -> bool:
        """Note that a tracked object's number gets a value at every call; say if that can be.

        It can for a number that is there and keeps its kind: ``self.steps += 1``.
        """
        old = dict.get(holder, key)
        if type(old) not in (int, float) or type(value) not in (int, float, Number):
            return False
        if type(old) is not type(value_of(value)):
            return False
        self.number_writes[id(holder), key] = (holder, key, value)
        return True

    def number_of(self, holder: Any, key: str, name: str) -> Any:
        """A number kept in a tracked object's dict, read again at every call."""
        source = (id(holder), key)
        if source in self.number_writes:
            return self.number_writes[source][2]
        if source not in self._number_sources:
            value = dict.__getitem__(holder, key)
            number = self.add_number(value, name, f"n{len(self.numbers)}")
            self._number_sources[source] = number
            self.number_holders[number.text] = (holder, key)
        return self._number_sources[source]

    def number(self, op: Op, operands: Sequence[Any], text: str, value: Any) -> Any:
        """Record arithmetic on numbers."""
        handles = matched(op, operands, mode.default_dtype) if needs_matching(op) else operands
        node = self.graph.add(op, [x.node for x in handles])
        if (node.type.dtype.kind == "f") != isinstance(value, float):
            return type(value)(eval_known(operands, op, value))
        return Number(self, node, text, value)

    def weak_constant(self, value: Any, shape: Any, dtype: DType, weak: bool) -> Any:
        """Return a constant beside a Number: weak among numbers, a tensor beside tensors."""
        if not weak:
            return self.constant(value, shape, dtype)
        node = self.graph.constant(value, (), dtype, weak=True)
        return Number(self, node, text_of(value), dtype.numpy.type(value).item())

    def convert_number(self, number: Number, dtype: DType, weak: bool) -> Any:
        """Cast a Number."""
        if not weak:
            return ops.cast(self.number_as_tensor(number), dtype=dtype)
        node = self.graph.add(ops.cast, [number.node], dtype=dtype, weak=True)
        kind = {"b": bool, "i": int, "f": float}[dtype.kind]
        return Number(self, node, f"{kind.__name__}({number.text})", kind(number.value))

    def number_as_tensor(self, number: Number) -> Tensor:
        """Return a Number as a 0-d tensor that still promotes like a Python number."""
        if number.trace is not self:
            raise TraceError(f"{user_origin()}: a number from another trace")
        out = self.tensor(number.node)
        out._type = number.node.type
        return out

    def guard_predicate(self, text: str, outcome: Any) -> Any:
        """Note that a comparison must come out the same."""
        self.predicates[text] = outcome
        return outcome

    def guard_number(self, number: Number) -> None:
        """Note that a number must keep its value; NaN equals nothing, so it is asked otherwise."""
        if number.value != number.value:  # noqa: PLR0124
            self.predicates[f"({number.text} != {number.text})"] = True
        else:
            self.predicates[number.text] = number.value


def eval_known(operands: Sequence[Any], op: Op, value: Any) -> Any:
    """Guard the operands of arithmetic whose result's kind depends on their values."""
    for x in operands:
        if type(x) is Number:
            x.known()
    return value
