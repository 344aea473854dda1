"""Specialize: trace one call and work out what its replay must bind, check and hand back."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.lib.array_utils import byte_bounds

from tinytorch.errors import TraceError, latest
from tinytorch.ir import ops
from tinytorch.ir.dim import deciding
from tinytorch.ir.extent import Extent
from tinytorch.ir.graph import Graph, Node
from tinytorch.ir.op import Op
from tinytorch.ir.types import DType, float32
from tinytorch.passes.graph.partition import Partition
from tinytorch.tracer.checks import Check
from tinytorch.tracer.constants import check_constant
from tinytorch.tracer.definitions import Definition, found_in
from tinytorch.tracer.incoming import apart
from tinytorch.tracer.messages import add_line
from tinytorch.tracer.mode import mode
from tinytorch.tracer.number import Number
from tinytorch.tracer.reach import Reach
from tinytorch.tracer.sizes import SymbolicSizes, symbolic_length
from tinytorch.tracer.tensor import Tensor
from tinytorch.tracer.trace import Trace
from tinytorch.tracer.tree import flatten, unflatten
from tinytorch.tracer.usercode import claim
from tinytorch.tracer.views import root_of
from tinytorch.tracer.watch import Watch


@dataclass
class Result:
    """Where a leaf of the result comes from.

    ``kind``: ``output`` (graph output ``index``, seen through ``chain``), ``same`` (the very tensor
    ``value`` that went in), ``argument`` (argument leaf ``index``), ``gradient`` (what ``.grad`` of
    ``value`` was before the call), ``view`` (``chain`` on the tensor ``value``, on argument
    ``index``, or on the gradient that ``owner`` had), ``number`` (output ``index`` as a Python
    number) or ``constant``.
    """

    kind: str
    index: int = -1
    value: Any = None
    chain: tuple[tuple[Op, Any], ...] = ()
    requires_grad: bool = False
    freed: bool = False
    owner: Tensor | None = None


@dataclass
class Traced:
    """One recorded call: the graph, what feeds it, what comes out, what must stay true."""

    graph: Graph
    trace: Trace
    structure: Any
    leaves: list[Any]
    results: list[Result]
    result_structure: Any
    grads: list[tuple[Tensor, Result]]
    checks: list[Check]
    definitions: list[Definition]
    reach: Reach
    partition: Partition
    """What outside gradients are computed by; of the graph with symbolic sizes, if it has any."""
    argument_of: dict[int, int] = field(default_factory=dict)
    """Index of the leaf that a captured input stands for, by position among captures."""
    capture_of: dict[int, int] = field(default_factory=dict)
    """Position among captures of the memory of each argument that is a tensor, by its index."""
    gradient_of: dict[int, Tensor] = field(default_factory=dict)
    """Owner of the ``.grad`` that a captured input is, by position among captures."""
    grads_kept: list[tuple[Tensor, Tensor]] = field(default_factory=list)
    """Owners of gradients that must be the very same at every call."""
    sizes: SymbolicSizes | None = None
    grad: bool = True
    default_dtype: DType = float32
    values: dict[str, int] = field(default_factory=dict)
    """Sizes that the graph was made for out of one with symbolic sizes, by name."""


def trace_call(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], name: str,
    sizes: SymbolicSizes | None = None,
) -> Traced:  # fmt: skip
    """Run a function once under a trace. The user's objects are left as they were.

    If an installed package turns out to call tinytorch, it is listed as user code, and the function
    is run once more with that code watched. With ``sizes``, the axes of arguments that they name
    are symbolic; ``Restart`` is raised if they cannot be quite as they are.
    """
    while True:
        with deciding(sizes):
            mode.sizes = sizes
            try:
                with contextlib.nullcontext() if sizes is None else symbolic_length:
                    traced = _trace_once(function, args, kwargs, name, sizes)
            finally:
                mode.sizes = None
        if sizes is not None and sizes.restart is not None:  # caught by user code
            raise sizes.restart
        callers = {o.file for group in traced.graph.origins.values() for o in group}
        if not [file for file in callers if claim(file)]:
            return traced


def _trace_once(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], name: str,
    sizes: SymbolicSizes | None,
) -> Traced:  # fmt: skip
    leaves, structure = flatten((args, kwargs))
    reach = Reach()
    target = getattr(function, "__func__", function)
    owner = getattr(function, "__self__", None)
    if owner is not None:
        reach.value(owner, "self", None)
    reach.value(target, name, None)
    for number, leaf in enumerate(leaves):
        if not isinstance(leaf, Tensor):
            reach.value(leaf, f"argument {number}", None)
    reach.settle()
    trace = Trace(name, mode.default_dtype)
    if sizes is not None:
        leaves = _stand_ins(sizes, leaves, reach)
    inside, argument_of, capture_of = _arguments(trace, leaves)
    watch = Watch(reach)
    latest.error = None
    mode.trace = trace
    try:
        with watch:
            call_args, call_kwargs = unflatten(structure, inside)
            before = flatten((call_args, call_kwargs))
            result = function(*call_args, **call_kwargs)
        _check_containers(name, before, flatten((call_args, call_kwargs)))
    except BaseException as error:
        mode.trace = None
        reach.restore()
        add_line(error)
        raise
    finally:
        mode.trace = None
    watch.find_unlisted()
    watch.check_side_effects()
    refused, latest.error = latest.error, None
    if refused is not None:  # caught by user code, which would go another way than eagerly
        raise refused
    return _Finish(trace, reach, watch, structure, leaves, argument_of, capture_of).run(result)


def _check_containers(name: str, before: Any, after: Any) -> None:
    """Raise TraceError if the function changed a list, dict or object that it was given.

    It was given copies of them, which hold traced tensors, and no later call would change any.
    """
    same = len(before[0]) == len(after[0]) and before[1] == after[1]
    if not same or any(x is not y for x, y in zip(before[0], after[0], strict=True)):
        raise TraceError(
            f"{name}() changes a list, dict or object among its arguments, which would happen only "
            "once, while it is traced; return the new values, or write into tensors in place"
        )


def _stand_ins(sizes: SymbolicSizes, leaves: list[Any], reach: Reach) -> list[Any]:
    """The leaves, with symbolic sizes where they are asked for."""
    stands: dict[int, Tensor] = {}
    found: list[Any] = []
    for position, leaf in enumerate(leaves):
        if isinstance(leaf, Tensor):
            leaf = stands.setdefault(id(leaf), sizes.stand_in(position, leaf))
        found.append(leaf)
    for tensor in reach.tracked:
        if isinstance(tensor, Tensor):
            sizes.check_capture(tensor)
    return found


def _arguments(
    trace: Trace, leaves: list[Any]
) -> tuple[list[Any], dict[int, int], dict[int, int]]:
    """Replace numbers by run-time Numbers; make tensors inputs."""
    inside: list[Any] = []
    argument_of: dict[int, int] = {}
    capture_of: dict[int, int] = {}
    numbers: dict[Node, int] = {}
    for position, leaf in enumerate(leaves):
        if isinstance(leaf, Tensor):
            before = len(trace.captures)
            node = trace.capture(leaf, f"arg{position}")
            if len(trace.captures) > before:
                argument_of[before] = position
            capture_of[position] = numbers.setdefault(node, before)
            inside.append(leaf)
        elif type(leaf) in (int, float):
            inside.append(trace.add_number(leaf, f"arg{position}", f"a{position}"))
        elif isinstance(leaf, np.ndarray):
            raise TraceError(
                f"argument {position} is a numpy array of shape {list(leaf.shape)}; pass "
                "tinytorch.from_numpy(array)"
            )
        else:
            inside.append(leaf)
    return inside, argument_of, capture_of


class _Finish:
    """Turns the state of a trace at its end into outputs and updates of the graph."""

    def __init__(
        self, trace: Trace, reach: Reach, watch: Watch, structure: Any, leaves: list[Any],
        argument_of: dict[int, int], capture_of: dict[int, int],
    ) -> None:  # fmt: skip
        self.trace = trace
        self.graph = trace.graph
        self.reach = reach
        self.watch = watch
        self.structure = structure
        self.leaves = leaves
        self.argument_of = argument_of
        self.capture_of = capture_of
        self.output_of: dict[int, int] = {}
        self.owners = self._owners()

    def run(self, result: Any) -> Traced:
        """Collect results, grads and updates."""
        self.graph.origin = None
        result_leaves, result_structure = flatten(result)
        results = [self._result(leaf) for leaf in result_leaves]
        grads = [
            (tensor, Result("constant") if value is None else self._result(value))
            for tensor, value in self.trace.grads.values()
        ]
        self._updates()
        self._check_overlap()
        self.graph.freeze()
        checks = [c for c in self.reach.checks if c.concerns(self.watch.ran)]
        definitions, further = found_in(self.reach.seen, self.watch.ran)
        gradient_of = {
            number: self.owners[id(tensor)]
            for number, (_, tensor) in enumerate(self.trace.captures) if id(tensor) in self.owners
        }  # fmt: skip
        kept = self._kept([*results, *(r for _, r in grads)])
        self._track(gradient_of, [grad for _, grad in kept])
        return Traced(
            self.graph, self.trace, self.structure, self.leaves, results, result_structure, grads,
            checks + further, definitions, self.reach, self._partition(), self.argument_of,
            self.capture_of, gradient_of, kept, mode.sizes, mode.grad, mode.default_dtype,
        )  # fmt: skip

    def _partition(self) -> Partition:
        place = {n: i for i, n in enumerate(self.graph.inputs)}
        wrt = [place[n] for n, tensor in self.trace.captures if tensor.requires_grad]
        return Partition(self.graph, wrt)

    def _owners(self) -> dict[int, Tensor]:
        """Owners of the gradients that every call reads anew, by the id of the gradient."""
        passed = {id(x) for x in self.leaves}
        read = [pair for pair in self.trace.grads_read.values() if id(pair[0]) not in passed]
        captured = [tensor for _, tensor in self.trace.captures]
        return apart(read, captured, [*self.reach.tracked, *self.leaves])

    def _kept(self, results: list[Result]) -> list[tuple[Tensor, Tensor]]:
        """Gradients that were used and are not looked up at every call, with their owners."""
        handed = {id(r.value) for r in results}
        return [
            (owner, grad) for owner, grad in self.trace.grads_read.values()
            if grad is not None and id(grad) not in self.owners
            and (id(grad) in handed or self.trace.captured(grad))
        ]  # fmt: skip

    def _track(self, gradient_of: dict[int, Tensor], kept: list[Tensor]) -> None:
        """Let a change of where a tensor lies show in the fingerprint."""
        tracked = {id(t): t for t in self.reach.tracked}
        found = [t for n, (_, t) in enumerate(self.trace.captures)
                 if n not in self.argument_of and n not in gradient_of]  # fmt: skip
        states = {id(t._storage) for t in (*found, *tracked.values()) if isinstance(t, Tensor)}
        found += [x for x in self.leaves if isinstance(x, Tensor) and id(x._storage) in states]
        self.reach.tracked += [t for t in (*found, *kept) if id(t) not in tracked]

    def _result(self, leaf: Any) -> Result:
        if isinstance(leaf, Extent):
            leaf = self.trace.size_number(leaf)
        if type(leaf) is Number:
            return Result("number", self._output(-1, leaf.node), type(leaf.value))
        if not isinstance(leaf, Tensor):
            return Result("constant", value=check_constant(leaf))
        if leaf._array is not None:
            index = self._argument_index(leaf)
            if index >= 0:
                return Result("argument", index)
            owner = self.owners.get(id(leaf))
            return Result("same", value=leaf) if owner is None else Result("gradient", value=owner)
        if leaf._grad is not None:
            raise TraceError(
                f"the compiled function returns a tensor of {leaf._type} that received a .grad "
                "inside; return the .grad as a value of its own, and the tensor detached"
            )
        base = root_of(leaf)
        chain = () if base is leaf else leaf._chain
        if base._array is not None:
            index = self._argument_index(base)
            if id(base) in self.trace.rebound:
                raise TraceError(
                    f"the compiled function returns a view of a tensor of {base._type} whose .data "
                    "it assigns: the next call would change it; return a clone() of it"
                )
            owner = self.owners.get(id(base))
            value = None if index >= 0 or owner is not None else base
            return Result("view", index, value, chain, owner=owner)
        chain = tuple(step for step in chain if step[0] is not ops.detach)
        node = self.trace.node_of(base)
        number = self._output(id(base._storage), node)
        freed = self.trace.node_of(leaf) in self.trace.freed or node in self.trace.freed
        return Result("output", number, leaf, chain, leaf.requires_grad, freed)

    def _argument_index(self, tensor: Tensor) -> int:
        for position, leaf in enumerate(self.leaves):
            if leaf is tensor:
                return position
        return -1

    def _output(self, storage: int, node: Node) -> int:
        """Index of the graph output for a storage; tensors that share one share an output."""
        if storage in self.output_of:
            return self.output_of[storage]
        self.graph.outputs.append(node)
        if storage >= 0:
            self.output_of[storage] = len(self.graph.outputs) - 1
        return len(self.graph.outputs) - 1

    def _updates(self) -> None:
        trace = self.trace
        if trace.random_offset and trace.random_state is not None:
            node = trace.node_of(trace.random_state)
            step = self.graph.add(ops.iota, shape=(2,), axis=0)
            count = self.graph.constant(trace.random_offset, (2,), node.type.dtype)
            moved = self.graph.add(ops.add, [node, self.graph.add(ops.mul, [step, count])])
            source = next(n for n, t in trace.captures if t is trace.random_state)
            self.graph.updates[source] = moved
            trace.set_random_state(trace.random_state, trace.tensor(moved))
        for node, tensor in trace.captures:
            value = trace.value_of_capture(tensor)
            if value is not node:
                self.graph.updates[node] = value

    def _check_overlap(self) -> None:
        """Refuse a write to memory that another input also shows: the replay could not see it."""
        updates = self.graph.updates
        placed = sorted(
            ((*byte_bounds(tensor.array), node, tensor) for node, tensor in self.trace.captures),
            key=lambda entry: entry[:2],
        )
        open_until: list[tuple[int, Node, Tensor]] = []
        for low, high, node, tensor in placed:
            open_until = [entry for entry in open_until if entry[0] > low]
            for _, other, shown in open_until:
                if (node in updates or other in updates) and np.shares_memory(
                    tensor.array, shown.array
                ):
                    where = self.graph.origin_of(updates[node if node in updates else other])
                    raise TraceError(
                        f"{where}: the compiled function writes to a tensor of {tensor._type} "
                        f"whose memory another of its tensors ({shown._type}) shares; pass a "
                        "clone() of one, or take the view inside the function"
                    )
            open_until.append((high, node, tensor))
