"""``checkpoint``: run a part of a model without keeping its values, and again in the backward pass.

Eagerly the part is one entry of the tape; its backward runs the function again and goes through
that. Inside a trace it is a ``custom`` op whose backward starts from barriers, so that no pass
finds the repeated computation to be one that was made before, or makes it before the cotangents
are there.

Chen, Xu, Zhang, Guestrin: Training Deep Nets with Sublinear Memory Cost (2016).
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from tinytorch.ir import ops
from tinytorch.ir.graph import Graph
from tinytorch.passes.graph.autodiff import differentiable, vjp
from tinytorch.passes.graph.rebuild import inline
from tinytorch.tracer.autograd.context import FREED
from tinytorch.tracer.backward import TensorEvaluator
from tinytorch.tracer.generator import default_generator
from tinytorch.tracer.mode import enable_grad, mode, no_grad
from tinytorch.tracer.pullback import ArrayEvaluator, pull_back
from tinytorch.tracer.subtrace import apply_graph, close
from tinytorch.tracer.tape import Saved, TapeNode, next_serial, pick, python_op
from tinytorch.tracer.tensor import Tensor, apply_node, leaf_value
from tinytorch.tracer.tree import flatten, unflatten


class CheckpointError(RuntimeError):
    """A function that computes something else when it is run again."""


def checkpoint(
    function: Callable[..., Any], *args: Any, use_reentrant: bool | None = None,
    preserve_rng_state: bool = True, **kwargs: Any,
) -> Any:  # fmt: skip
    """Return ``function(*args, **kwargs)``; its intermediate values are computed again in backward.

    The function must compute the same each time: random numbers are repeated unless
    ``preserve_rng_state`` is off. ``use_reentrant`` is accepted for PyTorch's sake; both mean this.
    Raises RuntimeError where an argument was written in place before the backward pass, and
    CheckpointError where the second run gives other shapes or uses other tensors.
    """
    if mode.trace is not None:
        return _traced(lambda: function(*args, **kwargs))
    if not mode.grad:
        return function(*args, **kwargs)
    segment = _Segment(lambda: function(*args, **kwargs), preserve_rng_state)
    return segment.run(flatten((args, kwargs))[0])


def checkpoint_sequential(
    functions: Any, segments: int, input: Any, use_reentrant: bool | None = None, **kwargs: Any
) -> Any:
    """Run functions (or modules) one after another, all but the last of ``segments`` parts anew.

    Each part but the last is a ``checkpoint``.
    """
    parts = list(functions.children() if hasattr(functions, "children") else functions)
    size = max(1, len(parts) // segments)
    preserve = kwargs.pop("preserve_rng_state", True)
    if kwargs:
        raise ValueError(f"Unexpected keyword arguments: {', '.join(kwargs)}")

    def run(start: int, stop: int, x: Any) -> Any:
        for part in parts[start:stop]:
            x = part(x)
        return x

    start = 0
    for _ in range(segments - 1):
        stop = start + size
        input = checkpoint(
            functools.partial(run, start, stop), input, preserve_rng_state=preserve
        )
        start = stop
    return run(start, len(parts), input)


# ---------------------------------------------------------------------- eager


_CHECKPOINT = python_op("Checkpoint")


class _Segment:
    """One checkpointed call."""

    def __init__(self, function: Callable[[], Any], preserve_rng_state: bool) -> None:
        self.function: Callable[[], Any] | None = function
        self.preserve = preserve_rng_state
        self.random = default_generator.state.array.copy()
        self.positions: list[int] = []
        self.types: tuple[Any, ...] = ()
        self.targets: list[Any] = []
        self.watched: list[Saved] = []

    def run(self, arguments: Sequence[Any]) -> Any:
        """Run the function, and replace the history of its results by one entry."""
        assert self.function is not None
        since = next_serial()
        given = [leaf_value(x) for x in arguments if isinstance(x, Tensor)]
        leaves, structure = flatten(self.function())
        inside = [
            (i, y) for i, y in enumerate(leaves)
            if isinstance(y, Tensor) and y.tape is not None and y.tape.serial >= since
        ]  # fmt: skip
        if not inside:
            return unflatten(structure, leaves)
        self.positions = [i for i, _ in inside]
        self.types = tuple(y._type for _, y in inside)
        boundary = _boundary([y for _, y in inside], since)
        self.targets = [target for target, _ in boundary]
        self.watched = given + [saved for _, saved in boundary]
        self._check_intact("by the checkpointed function itself")
        attrs = {"types": self.types, "pull": self.pull, "release": self.release,
                 "flowing": list(range(len(inside)))}  # fmt: skip
        results = [_own(y) for _, y in inside]
        tape = TapeNode(
            _CHECKPOINT, attrs,
            tuple(t if isinstance(t, TapeNode) else None for t in self.targets),
            tuple(saved for _, saved in boundary), tuple(y.array for y in results),
        )  # fmt: skip
        for index, (position, y) in enumerate(zip(self.positions, results, strict=True)):
            y._tape = pick(tape, index, y.array)
            leaves[position] = y
        return unflatten(structure, leaves)

    def pull(self, values: list[Any], create_graph: bool) -> list[Any]:
        """Run the function again and pull cotangents back to what it read from outside."""
        if self.function is None:
            raise RuntimeError(FREED)
        self._check_intact("after the checkpointed function ran")
        since = next_serial()
        with enable_grad(), self._same_random():
            leaves, _ = flatten(self.function())
        again: list[Any] = [leaves[i] if i < len(leaves) else None for i in self.positions]
        types = tuple(getattr(y, "_type", None) for y in again)
        if types != self.types:
            raise CheckpointError(
                "checkpoint: the function gave results of other types when it was run again: "
                f"{', '.join(map(str, self.types))}, then {', '.join(map(str, types))}"
            )
        known = {id(t) for t in self.targets}
        for target, _ in _boundary([y for y in again if y.tape is not None], since):
            if id(target) not in known:
                raise CheckpointError(
                    "checkpoint: the function used other tensors when it was run again"
                )
        pairs = [(y.tape, (y._type, g)) for y, g in zip(again, values) if g is not None]
        evaluator = TensorEvaluator if create_graph else ArrayEvaluator
        found = pull_back(
            [t for t, _ in pairs], [g for _, g in pairs], self.targets, evaluator, create_graph,
            since,
        )  # fmt: skip
        return [g for _, g in found]

    def release(self) -> None:
        """After a backward pass that frees."""
        self.function, self.targets, self.watched = None, [], []

    def _check_intact(self, when: str) -> None:
        for saved in self.watched:
            if not saved.intact:
                raise RuntimeError(
                    "one of the variables needed for gradient computation has been modified by an "
                    f"inplace operation {when}: a tensor of {saved.type}, read by checkpoint, is "
                    f"at version {saved.storage.version}; expected version {saved.version}"
                )

    @contextlib.contextmanager
    def _same_random(self) -> Iterator[None]:
        """The random numbers of the first run, for a while."""
        state = default_generator.state.array
        kept = state.copy()
        if self.preserve:
            state[:] = self.random
        try:
            yield
        finally:
            if self.preserve:
                state[:] = kept


def _own(y: Tensor) -> Tensor:
    """A result without history; a view becomes a copy, so that writes to it stay its own."""
    return y.detach().clone() if y._base is not None else y.detach()


def _boundary(roots: Sequence[Tensor], since: int) -> list[tuple[Any, Saved]]:
    """What a computation recorded since then read: (tape entry or leaf, its value), each once."""
    found: dict[int, tuple[Any, Saved]] = {}
    stack: list[Any] = [y.tape for y in roots]
    seen: set[int] = set()
    while stack:
        entry = stack.pop()
        if id(entry) in seen:
            continue
        seen.add(id(entry))
        for parent, saved in zip(entry.parents, entry.saved, strict=True):
            if parent is not None and parent.serial >= since:
                stack.append(parent)
            elif parent is not None:
                found.setdefault(id(parent), (parent, saved))
            elif saved.leaf is not None:
                found.setdefault(id(saved.leaf), (saved.leaf, saved))
    return list(found.values())


# --------------------------------------------------------------------- traced


def _traced(function: Callable[[], Any]) -> Any:
    closed = close(function, [], "checkpoint")
    operands = closed.operands()
    primals = [x for x in operands if x.requires_grad]
    if not mode.grad or not primals:
        outputs = apply_graph(closed.graph, operands)
        closed.advance()
        return closed.unflatten(outputs)
    with no_grad():
        payload = apply_graph(closed.graph, operands)
    closed.advance()
    flags = [x.requires_grad for x in operands]
    backward, wrt = _repeated(closed.graph, flags, mode.trace.label())
    attrs = {"results": len(payload), "primals": len(primals), "backward": backward,
             "wrt": wrt, "refusal": ""}  # fmt: skip
    linked = apply_node(ops.custom, [*payload, *primals, *operands], attrs)
    return closed.unflatten([
        y if flows else plain
        for y, plain, flows in zip(linked, payload, closed.flows, strict=True)
    ])  # fmt: skip


def _repeated(sub: Graph, flags: Sequence[bool], label: int) -> tuple[Graph, tuple[int, ...]]:
    """The backward of a ``custom`` op: the graph again, from barriers, and its VJP.

    Also returns which of the flagged inputs it gives cotangents for, counted among them.
    """
    new = Graph(f"{sub.name}_backward")
    new.default_dtype = sub.default_dtype
    for n in sub.outputs:
        new.add_input(n.type, "result")
    flowing = [i for i, n in enumerate(sub.outputs) if differentiable(n.type)]
    seeds = [new.add_input(sub.outputs[i].type, f"cotangent_{i}") for i in flowing]
    rest = [new.add_input(n.type, sub.names.get(n, "")) for n in sub.inputs]
    again = [new.add(ops.barrier, [n, *seeds], label=label) for n in rest]
    outputs = inline(new, sub, again)
    wanted = [n for n, flag in zip(again, flags, strict=True) if flag]
    found = vjp(new, [outputs[i] for i in flowing], seeds, wanted)
    kept = [(i, g) for i, g in enumerate(found) if g is not None]
    new.outputs = [g for _, g in kept]
    return new.freeze(), tuple(i for i, _ in kept)
