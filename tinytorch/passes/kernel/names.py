"""Names: the variables and buffers of one kernel, and what its parameters stand for."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from tinytorch.ir.extent import Extent
from tinytorch.ir.graph import Node
from tinytorch.ir.index import Index, Symbol
from tinytorch.ir.kernel import Buffer, Constant, Var
from tinytorch.ir.types import DType
from tinytorch.passes.kernel.access import storage_of
from tinytorch.passes.kernel.loops import Loops


@dataclass(frozen=True)
class Element:
    """One element of a stored value, as what a parameter stands for."""

    node: Node
    position: int


class Names:
    """Gives out names. Asked twice for a node's buffer in one role, it gives the same."""

    def __init__(self, loops: Loops, chunks: int) -> None:
        self.loops = loops
        self.chunk = Symbol("chunk", chunks or 1)
        self.chunks = chunks
        self.buffers: dict[str, Buffer] = {}
        self.nodes: dict[str, Node | Element] = {}
        self.variables: dict[str, Node] = {}
        self._names: dict[tuple[Node, str], str] = {}
        self._count = 0

    def fresh(self, stem: str, dtype: DType, node: Node | None = None) -> Var:
        """A new variable."""
        self._count += 1
        var = Var(f"{stem}_{self._count}", dtype)
        if node is not None:
            self.variables[var.name] = node
        return var

    def _buffer(self, node: Node, role: str, prefix: str, size: Any, dtype: DType) -> str:
        key = (node, role)
        if key not in self._names:
            kind = role.split()[0]
            name = f"{prefix}{sum(1 for b in self.buffers.values() if b.role == kind)}"
            self._names[key] = name
            self.buffers[name] = Buffer(name, dtype, size, kind)
            if role in ("in", "out"):
                self.nodes[name] = storage_of(node)
                self.variables[name] = node
        return self._names[key]

    def input(self, node: Node) -> str:
        """Name of the buffer of a stored value computed elsewhere."""
        return self._buffer(storage_of(node), "in", "x", node.type.size, node.type.dtype)

    def element(self, node: Node, position: Any) -> str:
        """Name of a parameter that is one element of a stored value."""
        name = self._buffer(node, f"in {position}", "x", 1, node.type.dtype)
        self.buffers[name] = Buffer(name, node.type.dtype, 1, "in")
        self.nodes[name] = Element(storage_of(node), position)
        self.variables[name] = node
        return name

    def output(self, node: Node) -> str:
        """Name of the buffer that receives a member."""
        return self._buffer(node, "out", "y", node.type.size, node.type.dtype)

    def scratch(self, node: Node) -> tuple[str, Index]:
        """The row that keeps a member for later loops, and where in it the element at hand is.

        A row whose size is symbolic is one of the program's memory, a row a chunk.
        """
        cols, at = self.loops.cols, self.loops.col_index()
        if not isinstance(cols, Extent):
            return self._buffer(node, "scratch", "row", cols, node.type.dtype), at
        size = cols * (self.chunks or 1)
        name = self._buffer(node, "partial row", "part", size, node.type.dtype)
        return name, Index(((self.chunk, cols),)) + at

    def partial(self, node: Node, size: Any) -> str:
        """Name of the buffer with one partial result a chunk."""
        return self._buffer(node, "partial", "part", size * (self.chunks or 1), node.type.dtype)

    @staticmethod
    def identity(kind: str, dtype: DType) -> Constant:
        """The value that a reduction starts from."""
        if kind == "sum":
            return Constant({"f": 0.0, "i": 0, "b": False}[dtype.kind], dtype)
        sign = -1 if kind == "max" else 1
        if dtype.kind == "f":
            return Constant(sign * math.inf, dtype)
        if dtype.kind == "b":
            return Constant(kind == "min", dtype)
        high = (1 << (dtype.bits - (1 if dtype.signed else 0))) - 1
        low = -high - 1 if dtype.signed else 0
        return Constant(low if kind == "max" else high, dtype)
