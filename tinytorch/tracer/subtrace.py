"""Sub-traces: a Python function as a graph of its own, closed over what it reads from outside.

``close`` runs a function once on symbolic tensors. Tensors from outside that it reads (of the
trace around it, or eager ones) and run-time numbers become inputs behind the function's own: the
captures. An op that takes (inputs, captures) as operands therefore computes and differentiates
what the function does. What a graph cannot carry is refused: writes to tensors from outside,
assignments to their ``.grad``, ``backward`` into them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import networkx as nx

from tinytorch.errors import TraceError
from tinytorch.ir import ops
from tinytorch.ir.graph import Graph, Node
from tinytorch.ir.op import Op
from tinytorch.ir.types import TensorType
from tinytorch.tracer.mode import mode, user_origin
from tinytorch.tracer.number import Number
from tinytorch.tracer.refusals import foreign
from tinytorch.tracer.storage import Storage
from tinytorch.tracer.tape import TapeNode
from tinytorch.tracer.tensor import TRACED, Tensor, apply_node
from tinytorch.tracer.trace import Trace, region
from tinytorch.tracer.tree import flatten, unflatten
from tinytorch.tracer.views import root_of


@dataclass(frozen=True)
class Closed:
    """A function as a graph.

    ``graph`` takes the function's own inputs (``count`` of them), then ``captures``. Leaf i of the
    function's result is output ``results[i]``, or the Python value ``results[i][0]`` if that is a
    tuple. ``flows[j]`` says whether output j carries gradients. ``draws`` counts the random
    numbers drawn from ``random_state``, which is then among the captures; -1 says that control flow
    inside draws as many as the data say.
    """

    graph: Graph
    count: int
    captures: tuple[Tensor, ...]
    structure: Any
    results: tuple[int | tuple[Any], ...]
    flows: tuple[bool, ...]
    draws: int = 0
    random_state: Tensor | None = None
    written: tuple[Tensor, ...] = ()
    """Tensors from outside that were written in place."""

    def unflatten(self, outputs: Sequence[Any]) -> Any:
        """Build the function's result of the graph's outputs."""
        leaves = [r[0] if isinstance(r, tuple) else outputs[r] for r in self.results]
        return unflatten(self.structure, leaves)

    def operands(self) -> list[Tensor]:
        """The captures as operands of one run; draws follow those made before it."""
        if self.draws < 0:
            raise TraceError(
                f"{user_origin()}: {self.graph.name} draws random numbers inside control flow, "
                "which a transform cannot follow; draw them before and pass them in"
            )
        return [
            moved_state(t, 0) if t is self.random_state and self.draws else t
            for t in self.captures
        ]

    def advance(self) -> None:
        """Count the draws of one run, so that later ones differ."""
        if self.random_state is None or not self.draws:
            return
        if mode.trace is not None:
            mode.trace.random_state = self.random_state
            mode.trace.random_offset += self.draws
        else:
            self.random_state.array[1] += self.draws
            self.random_state._storage.version += 1

    def __call__(self, *inputs: Tensor) -> Any:
        """Run once, op by op: eagerly, or recorded in the trace under way."""
        operands = self.operands()
        outputs = apply_graph(self.graph, [*inputs, *operands])
        self.advance()
        return self.unflatten(outputs)


def close(
    function: Callable[..., Any], examples: Sequence[Tensor | TensorType], name: str,
    structure: Any = None, flows: Sequence[bool] | None = None, writes: bool = False,
) -> Closed:  # fmt: skip
    """Trace ``function`` on fresh tensors like the examples (tensors, or their types).

    With a ``structure`` (of a tuple of arguments, see ``tree``) it is called on that tree of them,
    else on them one by one. A tensor carries gradients inside if its example requires them, or as
    ``flows`` says. With ``writes`` tensors from outside that need no gradient may be written in
    place; the result lists them. Works eagerly and inside a trace, nested to any depth. Raises
    TraceError for other side effects.
    """
    trace = SubTrace(name, mode.trace, writes)
    carry = [isinstance(x, Tensor) and x.requires_grad for x in examples]
    inputs = [trace.give(x, f) for x, f in zip(examples, flows or carry, strict=True)]
    arguments = inputs if structure is None else unflatten(structure, inputs)
    previous, mode.trace = mode.trace, trace
    try:
        return trace.closed(function(*arguments), len(inputs))
    finally:
        mode.trace = previous


def example_of(type: TensorType, flows: bool) -> Tensor:
    """An example of a type for ``close``; ``flows`` says whether gradients flow through it."""
    out = Tensor.make(type, None, Storage(None))
    out._requires = flows and type.dtype.is_floating_point
    return out


def apply_graph(graph: Graph, operands: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Evaluate a graph op by op on tensors: eagerly with a tape, or in the trace under way.

    ``operands[i]`` has the type of input i. Returns the outputs.
    """
    values: dict[Node, Any] = dict(zip(graph.inputs, operands, strict=True))
    live = graph.live()
    for node in graph:
        if node in live and node not in values:
            values[node] = apply_node(node.op, [values[n] for n in node.inputs], node.attrs)
    return tuple(values[n] for n in graph.outputs)


def moved_state(state: Tensor, draws: int) -> Tensor:
    """A generator's state after all draws made so far and ``draws`` more, as a value."""
    trace = mode.trace
    if trace is not None:
        same = trace.random_state is state
        draws += trace.random_offset if same else 0
        step = apply_node(ops.iota, (), {"shape": (2,), "axis": 0})
        return trace.tensor(trace.node_of(state)) + step * draws
    moved = Tensor.wrap(state.array.copy())
    moved.array[1] += draws
    return moved


class SubTrace(Trace):
    """The recording of a function inside another trace, or inside eager code."""

    def __init__(self, name: str, parent: Trace | None, writes: bool = False) -> None:
        super().__init__(name, mode.default_dtype)
        self.writes = writes
        self.written: dict[int, Tensor] = {}
        self.parent = parent
        self._given: dict[int, tuple[Node, bool]] = {}
        self._outside: dict[int, Node] = {}
        self._views: dict[int, Tensor] = {}  # made here, perhaps of tensors from outside

    def give(self, example: Tensor | TensorType, flows: bool) -> Tensor:
        """Add an input of the function's own; return the tensor that stands for it."""
        type = example._type if isinstance(example, Tensor) else example
        node = self.graph.add_input(type, f"x{len(self._given)}")
        out = self.tensor(node)
        out._type = type
        if flows:
            out._tape = TRACED
        self._given[id(out._storage)] = (node, flows)
        return out

    def closed(self, result: Any, count: int) -> Closed:
        """Finish: the leaves of the result become outputs."""
        self.graph.origin = None
        leaves, structure = flatten(result)
        results: list[int | tuple[Any]] = []
        flows: list[bool] = []
        for leaf in leaves:
            if type(leaf) is Number:
                leaf = self.number_as_tensor(leaf)
            if not isinstance(leaf, Tensor):
                results.append((leaf,))
                continue
            results.append(len(self.graph.outputs))
            self.graph.outputs.append(self.node_of(leaf))
            flows.append(leaf.requires_grad and leaf.dtype.is_floating_point)
        captures = tuple(tensor for _, tensor in self.captures)
        return Closed(
            self.graph.freeze(), count, captures, structure, tuple(results), tuple(flows),
            self._draws(), self.random_state, tuple(self.written.values()),
        )  # fmt: skip

    def _draws(self) -> Any:
        """How many random numbers were drawn; -1 if control flow decides."""
        if self.random_state is None:
            return 0
        key = region(self.random_state)
        return self.random_offset if self._values[key] is self._inputs.get(key) else -1

    def forget_random_state(self) -> None:
        """Leave the generator to the function, which takes and returns its state itself."""
        self.random_state, self.random_offset = None, 0

    # ---------------------------------------------------------------- values

    def owns(self, x: Tensor) -> bool:
        """Whether a tensor without memory was made here or further out."""
        return super().owns(x) or (self.parent is not None and self.parent.owns(x))

    def sees(self, trace: Any) -> bool:
        """Whether a trace is this one or around it."""
        return trace is self or (self.parent is not None and self.parent.sees(trace))

    def capture_traced(self, x: Tensor) -> Node:
        """Make a tensor of a trace further out an input."""
        node = self._outside.get(id(x._storage))
        if node is None:
            if self.parent is None or not self.parent.owns(x):
                raise foreign(x)
            kind = self.parent.node_of(x).type
            node = self.graph.add_input(kind, f"t{len(self.captures)}")
            self._outside[id(x._storage)] = node
            self.captures.append((node, x))  # also keeps the storage, and so its id, alive
        return node

    def view(
        self, x: Tensor, op: Op, attrs: Any, type: TensorType, strides: tuple[int, ...]
    ) -> Tensor:
        """Return a traced view, and remember that it was made here."""
        out = super().view(x, op, attrs, type, strides)
        return self._views.setdefault(id(out), out)

    def detach(self, x: Tensor) -> Tensor:
        """Return a value without history, and remember that it was made here."""
        out = super().detach(x)
        return self._views.setdefault(id(out), out)

    def keep_number(self, holder: Any, key: str, value: Any) -> bool:
        """Refuse: the function may run any number of times."""
        return False

    def number_of(self, holder: Any, key: str, name: str) -> Any:
        """A number of a tracked object: run-time inside a compiled function, else its value."""
        if self.parent is None:
            return dict.__getitem__(holder, key)
        return self.parent.number_of(holder, key, name)

    def number_as_tensor(self, number: Number) -> Tensor:
        """A run-time number of the compiled function around this: a tensor from outside."""
        if number.trace is self or self.parent is None:
            return super().number_as_tensor(number)
        return self.parent.number_as_tensor(number)

    # --------------------------------------------------------------- writing

    def _is_own(self, x: Tensor) -> bool:
        """Whether a tensor is made here, so that changing it shows nowhere else."""
        root = root_of(x) if x._array is None else x
        key = id(root._storage)
        return root._array is None and key in self._owned and key not in self._given

    def _check_own(self, x: Tensor, what: str, remedy: str) -> None:
        if not self._is_own(x):
            raise TraceError(
                f"{user_origin()}: {what} a tensor of {x._type} from outside the function that "
                f"becomes {self.graph.name}; {remedy}"
            )

    def write(self, x: Tensor, value: Tensor) -> None:
        """Write to a tensor made here; refuse others, the function's inputs among them.

        Where ``writes`` allows it, note a write to a tensor from outside that needs no gradient.
        """
        root = root_of(x) if x._array is None else x
        if self.writes and root._array is not None and not root.requires_grad:
            self.written[id(root)] = root
        else:
            self._check_own(x, "a write to", "return the new value instead, or clone() it first")
        super().write(x, value)

    def hold(self, x: Tensor, value: Tensor) -> None:
        """Let a tensor from outside have a value that was given, as if it had been written."""
        self._values[region(x)] = self.node_of(value)

    def set_data(self, x: Tensor, value: Tensor) -> None:
        """Let a tensor made here show other memory; refuse others."""
        self._check_own(x, "assigning .data of", "return the new value instead")
        super().set_data(x, value)

    def set_requires_grad(self, x: Tensor, value: bool) -> None:
        """Make a tensor made here a leaf; refuse to change others."""
        if x._requires != value and id(x) not in self._views:
            self._check_own(x, "requires_grad_() on", "detach() it first")
        super().set_requires_grad(x, value)

    def get_grad(self, x: Tensor) -> Tensor | None:
        """``x.grad`` as seen from here."""
        if self._is_own(x) or self.parent is None:
            return x._grad
        return self.parent.get_grad(x)

    def set_grad(self, x: Tensor, value: Tensor | None) -> None:
        """Assign ``x.grad`` of a tensor made here."""
        self._check_own(x, "assigning .grad of", "use tinytorch.autograd.grad and return it")
        x._grad = value

    # -------------------------------------------------------------- autograd

    def _inward(self) -> list[Node]:
        """Inputs through which gradients flow in from outside."""
        given = [node for node, flows in self._given.values() if flows]
        return given + super()._inward()

    def backward(
        self, roots: Sequence[Tensor], seeds: Sequence[Tensor], retain: bool, create_graph: bool,
        inputs: Sequence[Tensor] | None = None,
    ) -> None:  # fmt: skip
        """Differentiate for leaves made here; refuse a gradient that would flow outside."""
        if inputs is not None:
            for x in inputs:
                self._check_own(x, "backward() into", "use tinytorch.autograd.grad")
        elif any(g is not None for g in self._vjp(roots, seeds, self._inward(), True)):
            raise TraceError(
                f"{user_origin()}: backward() would accumulate into tensors from outside the "
                f"function that becomes {self.graph.name}; use tinytorch.autograd.grad and return "
                "the result"
            )
        super().backward(roots, seeds, retain, create_graph, inputs)

    def gradients(
        self, roots: Sequence[Tensor], seeds: Sequence[Tensor], targets: Sequence[Tensor],
        retain: bool, create_graph: bool,
    ) -> list[Tensor | None]:  # fmt: skip
        """``autograd.grad`` inside the graph, for tensors made here, inputs and captures."""
        outer = [t for t in targets if not super(SubTrace, self).owns(t)]
        through = [
            node for node, tensor in self.captures
            if any(tensor is not t and self._leads(t, tensor) for t in outer)
        ]  # fmt: skip
        found = self._vjp(roots, seeds, through, True) if through else []
        if any(g is not None for g in found):
            raise TraceError(
                f"{user_origin()}: the gradient would have to flow through computations made "
                f"outside the function that becomes {self.graph.name}; compute them inside it"
            )
        return super().gradients(roots, seeds, targets, retain, create_graph)

    def _leads(self, source: Tensor, result: Tensor) -> bool:
        """Whether a tensor from outside was computed from another."""
        if not result.requires_grad:
            return False
        if self.parent is not None:
            start, end = self.parent.node_of(source), self.parent.node_of(result)
            if start is not end and nx.has_path(self.parent.graph.networkx, start, end):
                return True
        return _reaches(result.tape, source)


def _reaches(tape: TapeNode | None, source: Tensor) -> bool:
    """Whether eager history leads to a tensor."""
    stack, seen = [tape], set()
    while stack:
        entry = stack.pop()
        if entry is None or id(entry) in seen:
            continue
        seen.add(id(entry))
        if entry is source.tape or any(s.leaf is source for s in entry.saved):
            return True
        stack.extend(entry.parents)
    return False


__all__ = ["Closed", "SubTrace", "apply_graph", "close", "example_of", "moved_state"]
