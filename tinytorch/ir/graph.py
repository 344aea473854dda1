"""Graph: a pure dataflow program on networkx, and Proxy: a handle to build one.

A graph owns one private ``networkx.DiGraph`` whose keys are Nodes. Edges carry nothing and are a
function of ``Node.inputs`` (a DiGraph keeps one edge for ``x * x``, so operand order must live in
the node); networkx is the index of users and the engine of ancestors, drawing and cycle tests.
Insertion order is always a topological order.

State is pure: ``graph.updates`` maps an input to the value it has after the call. No op mutates.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import networkx as nx
import numpy as np

from tinytorch.ir import ops
from tinytorch.ir.extent import Extent
from tinytorch.ir.op import Attrs, Op
from tinytorch.ir.operators import Operators, beside_a_number, matched, needs_matching
from tinytorch.ir.origin import Origin
from tinytorch.ir.storage import run_rule
from tinytorch.ir.types import DType, ValueType, float32


@dataclass(frozen=True, eq=False, slots=True)
class Node:
    """One value: an op on inputs. Compared by identity; equal nodes of a graph are one node."""

    op: Op
    inputs: tuple[Node, ...]
    attrs: Attrs
    type: Any  # ValueType; TensorType nearly everywhere, and read as such

    def __repr__(self) -> str:
        return f"<{self.op.name} {self.type}>"


def encode(value: Any) -> str:
    """Return a canonical text of an attribute.

    Python's equality merges 0.0 and -0.0, 1 and True, and never matches NaN; the text, with type
    tags and hexadecimal floats, tells all of them apart.
    """
    if isinstance(value, bool):
        return f"b{int(value)}"
    if isinstance(value, int):
        return f"i{value}"
    if isinstance(value, float):
        return f"f{value.hex()}"
    if isinstance(value, str):
        return f"s{len(value)}:{value}"
    if isinstance(value, tuple | list):
        return "(" + ",".join(encode(v) for v in value) + ")"
    if isinstance(value, DType):
        return f"d{value.short}"
    if isinstance(value, Graph):
        return f"g{value.hash()}"
    if value is None:
        return "n"
    return f"{type(value).__name__}<{value}>"


class Graph:
    """A static program: inputs, nodes, outputs, and updates of state inputs."""

    def __init__(self, name: str = "graph") -> None:
        self.name = name
        self.inputs: list[Node] = []
        self.outputs: list[Node] = []
        self.updates: dict[Node, Node] = {}
        self.names: dict[Node, str] = {}
        self.origins: dict[Node, tuple[Origin, ...]] = {}
        self.origin: Origin | None = None
        self.default_dtype: DType = float32
        self.template: tuple[Graph, dict[str, int]] | None = None
        """The graph of symbolic sizes that this one was made of, and the sizes."""
        self.runner: Callable[[Graph, Sequence[Any]], tuple[Any, ...]] | None = None
        self._nodes: dict[Node, None] = {}
        self._dag: nx.DiGraph = nx.DiGraph()
        self._interned: dict[tuple[Any, ...], Node] = {}
        self._frozen = False
        self._hash: str | None = None

    # ------------------------------------------------------------- building

    def add(self, op: Op, inputs: Sequence[Node] = (), **attrs: Any) -> Node:
        """Add a node, or return the equal one that is there; raise TypeRuleError if ill-typed."""
        key = (op.name, tuple(map(id, inputs)), *[(k, encode(v)) for k, v in sorted(attrs.items())])
        node = self._interned.get(key)
        if node is None:
            node = self._interned[key] = self._entered(op, inputs, attrs)
        return self._noted(node)

    def add_distinct(self, op: Op, inputs: Sequence[Node] = (), **attrs: Any) -> Node:
        """Add a node that no equal one is merged with, now or later.

        A value that a derivative is asked for must be told apart from equal ones. Passes merge
        equal nodes when they rebuild the graph.
        """
        return self._noted(self._entered(op, inputs, attrs))

    def _entered(self, op: Op, inputs: Sequence[Node], attrs: Any) -> Node:
        if self._frozen:
            raise ValueError(f"graph {self.name!r} is frozen: a pass builds a new graph")
        inferred = op.infer(tuple(n.type for n in inputs), attrs)
        node = Node(op, tuple(inputs), attrs, inferred)
        self._nodes[node] = None
        return node

    def _noted(self, node: Node) -> Node:
        if self.origin is not None:
            known = self.origins.get(node, ())
            if self.origin not in known and len(known) < 4:
                self.origins[node] = (*known, self.origin)
        return node

    def add_input(self, type: ValueType, name: str) -> Node:
        """Add the next input. Inputs are told apart by position."""
        node = self.add(ops.input_, index=len(self.inputs), type=type)
        self.inputs.append(node)
        self.names[node] = name
        return node

    def constant(
        self, value: Any, shape: Sequence[Any] = (), dtype: DType = float32, weak: bool = False
    ) -> Node:
        """Add a node that is one number everywhere."""
        if isinstance(value, Extent):
            return self._size_constant(value, tuple(shape), dtype, weak)
        value = value.item() if isinstance(value, np.generic) else value
        number = {"b": bool, "i": int, "f": float}[dtype.kind](value)
        attrs: dict[str, Any] = {"value": number, "shape": tuple(shape), "dtype": dtype}
        if weak:
            attrs["weak"] = True
        return self.add(ops.full, **attrs)

    def _size_constant(
        self, size: Extent, shape: tuple[Any, ...], dtype: DType, weak: bool
    ) -> Node:
        node = self.add(ops.extent, (), size=size)
        attrs = {"dtype": dtype, "weak": True} if weak else {"dtype": dtype}
        node = self.add(ops.cast, [node], **attrs)
        return self.add(ops.broadcast_to, [node], shape=shape) if shape else node

    def freeze(self) -> Graph:
        """Forbid further changes; return the graph."""
        self._frozen = True
        return self

    # -------------------------------------------------------------- reading

    @property
    def nodes(self) -> list[Node]:
        """All nodes, each after its inputs."""
        return list(self._nodes)

    def __iter__(self) -> Iterator[Node]:
        return iter(self._nodes)

    def __len__(self) -> int:
        return len(self._nodes)

    def __contains__(self, node: object) -> bool:
        return node in self._nodes

    def users(self, node: Node) -> list[Node]:
        """Nodes that take this one as an operand, each once."""
        return list(self._linked().successors(node))

    @property
    def roots(self) -> list[Node]:
        """Outputs, updated values and nodes with an effect: what must be computed."""
        return [*self.outputs, *self.updates.values(), *self.effects]

    @property
    def effects(self) -> list[Node]:
        """Nodes that can fail at run time, those whose sub-graphs can among them."""
        return [n for n in self._nodes if n.op.effect or any(g.effects for g in sub_graphs(n))]

    def live(self) -> set[Node]:
        """Nodes that roots depend on, without recursion."""
        found: set[Node] = set()
        stack = list(self.roots)
        while stack:
            node = stack.pop()
            if node not in found:
                found.add(node)
                stack.extend(node.inputs)
        return found

    @property
    def networkx(self) -> nx.DiGraph:
        """A read-only networkx view of the nodes and edges."""
        return nx.freeze(self._linked().copy(as_view=True))

    def _linked(self) -> nx.DiGraph:
        """The edges of all nodes so far. They follow from ``inputs``, and few ask for them."""
        for node in itertools.islice(self._nodes, len(self._dag), None):
            self._dag.add_node(node)
            self._dag.add_edges_from((source, node) for source in node.inputs)
        return self._dag

    def origin_of(self, node: Node) -> str:
        """The user's lines behind a node, or an empty text."""
        return ", ".join(str(o) for o in self.origins.get(node, ()))

    # -------------------------------------------------------------- hashing

    def hash(self) -> str:
        """Return the Merkle SHA-256 of everything that decides values; names and lines stay out."""
        if self._hash is not None and self._frozen:
            return self._hash
        live = self.live() | set(self.inputs)
        digest: dict[Node, bytes] = {}
        for node in self._nodes:
            if node in live:
                parts = [node.op.name, str(node.op.version), str(node.type)]
                parts += [f"{k}={encode(v)}" for k, v in sorted(node.attrs.items())]
                inner = hashlib.sha256("\x00".join(parts).encode())
                for source in node.inputs:
                    inner.update(digest[source])
                digest[node] = inner.digest()
        whole = hashlib.sha256()
        for node in (*self.inputs, *self.outputs):
            whole.update(digest[node])
        for node, value in self.updates.items():
            whole.update(b"update" + digest[node] + digest[value])
        whole.update(f"{len(self.inputs)},{len(self.outputs)}".encode())
        self._hash = whole.hexdigest()
        return self._hash

    # -------------------------------------------------------------- running

    def run(self, values: Sequence[Any]) -> tuple[Any, ...]:
        """Evaluate the outputs, with ``runner`` if one is set, else with each op's numpy rule."""
        if self.runner is not None:
            return self.runner(self, values)
        wanted = [*self.outputs, *self.effects]
        known = evaluate(self, dict(zip(self.inputs, values, strict=True)), wanted)
        return tuple(known[n] for n in self.outputs)

    def __repr__(self) -> str:
        return f"<Graph {self.name}: {len(self.inputs)} inputs, {len(self)} nodes>"


def sub_graphs(node: Node) -> list[Graph]:
    """The graphs that a node holds as attributes."""
    if node.op.family != "structure":
        return []
    return [value for value in node.attrs.values() if isinstance(value, Graph)]


def dependents(graph: Graph, sources: Iterable[Node]) -> set[Node]:
    """Nodes that depend on a source, sources included."""
    found = set(sources)
    for node in graph:
        if not found.isdisjoint(node.inputs):
            found.add(node)
    return found


def needed(wanted: Iterable[Node], known: Container[Node]) -> list[Node]:
    """Nodes to compute for wanted ones, each after its inputs, from known ones; no recursion."""
    order: list[Node] = []
    seen: set[Node] = set()
    stack: list[tuple[Node, bool]] = [(n, False) for n in wanted]
    while stack:
        node, ready = stack.pop()
        if ready:
            order.append(node)
        elif node not in seen and node not in known:
            seen.add(node)
            stack.append((node, True))
            stack.extend((n, False) for n in node.inputs)
    return order


def evaluate(
    graph: Graph, known: dict[Node, Any], wanted: Iterable[Node]
) -> dict[Node, Any]:
    """Compute wanted nodes with numpy rules; ``known`` holds values to start from, and grows."""
    order = needed(wanted, known)
    for node in order:
        operands = [known[n] for n in node.inputs]
        known[node] = run_rule(node.op, operands, node.attrs, node.type)
    return known


class Proxy(Operators):
    """A handle on a node of a graph under construction: operators add nodes."""

    __slots__ = ("graph", "node")

    def __init__(self, graph: Graph, node: Node) -> None:
        self.graph = graph
        self.node = node

    @property
    def aval(self) -> Any:  # type: ignore[override]
        """Type of the value (the *abstract value*)."""
        return self.node.type

    def apply_op(self, op: Op, operands: Sequence[Any], attrs: Any) -> Proxy:
        """Add a node for the op; elementwise operands broadcast and promote."""
        if needs_matching(op):
            wide = beside_a_number(op, operands)
            if wide is not None:
                return wide
            operands = matched(op, operands, self.graph.default_dtype)
        return Proxy(self.graph, self.graph.add(op, [x.node for x in operands], **attrs))

    def constant(
        self, value: Any, shape: Any = None, dtype: Any = None, weak: bool = False
    ) -> Proxy:
        """Return a number as a node, by default of this handle's shape and dtype."""
        return Proxy(
            self.graph,
            self.graph.constant(
                value,
                self.aval.shape if shape is None else shape,
                dtype or self.aval.dtype,
                weak,
            ),
        )

    def __repr__(self) -> str:
        return f"Proxy({self.node!r})"
