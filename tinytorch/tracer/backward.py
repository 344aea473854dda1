"""Backward passes over the eager tape, and what they leave in ``.grad``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinytorch.ir.graph import Node, needed
from tinytorch.tracer.mode import mode, no_grad, set_grad_enabled
from tinytorch.tracer.pullback import ArrayEvaluator, pull_back
from tinytorch.tracer.refusals import seed_for
from tinytorch.tracer.tape import Recording, TapeNode, pick
from tinytorch.tracer.tensor import Tensor, apply_node, leaf_value


class TensorEvaluator:
    """Evaluates nodes by tensor ops, so that the results can be differentiated again."""

    create_graph = True

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.handles: dict[Node, Any] = {}

    def __call__(self, wanted: list[Node]) -> list[Any]:
        """Values of nodes, as tensors with history."""
        handles = self.handles
        with set_grad_enabled(True):
            for node in needed(wanted, _Either(self.recording.known, handles)):
                operands = [self._known(n) for n in node.inputs]
                handles[node] = apply_node(node.op, operands, node.attrs)
        return [self._known(n) for n in wanted]

    def _known(self, node: Node) -> Any:
        if node not in self.handles:
            recording = self.recording
            value = recording.known[node]
            tape = recording.tape_of.get(node) or recording.history_of.get(node)
            saved = recording.saved.get(node)
            if isinstance(value, Tensor):
                self.handles[node] = value
            elif isinstance(value, tuple):
                self.handles[node] = _known_items(node.type, value, tape)
            elif saved is not None and saved.leaf is not None:
                self.handles[node] = saved.leaf
            else:
                made = Tensor.make(node.type, value, saved.storage if saved else None)
                made._tape = tape
                self.handles[node] = made
        return self.handles[node]


class _Either:
    """Membership in one of two dicts."""

    def __init__(self, first: dict[Node, Any], second: dict[Node, Any]) -> None:
        self.first, self.second = first, second

    def __contains__(self, node: object) -> bool:
        return node in self.first or node in self.second


def _known_items(types: Any, arrays: Any, tape: TapeNode | None) -> tuple[Tensor, ...]:
    """The results of a recorded op with several, as tensors with their history."""
    items = []
    for index, (array, type) in enumerate(zip(arrays, types.items, strict=True)):
        items.append(Tensor.make(type, array))
        if tape is not None and type.dtype.is_floating_point:
            items[-1]._tape = pick(tape, index, array)
    return tuple(items)


def tape_gradients(
    roots: Sequence[Tensor], seeds: Sequence[Tensor], targets: Sequence[Any] | None, retain: bool,
    create_graph: bool, since: int = 0,
) -> list[tuple[Any, Tensor | None]]:  # fmt: skip
    """Run one backward pass over the tape; return (target, gradient) pairs.

    ``targets`` are tensors, or tape nodes; None means every leaf. Gradients have history with
    ``create_graph``. Hooks of leaves have run on them.
    """
    starts: list[Any] = [leaf_value(x) if x.tape is None else x.tape for x in roots]
    evaluator: Any = TensorEvaluator if create_graph else ArrayEvaluator
    given = [(g._type, g if create_graph else g.array) for g in seeds]
    found = []
    for target, value in pull_back(starts, given, targets, evaluator, retain, since):
        g = value
        if value is not None and not create_graph:
            g = Tensor.wrap(np.array(value, order="C"))
        hooks = getattr(target, "_hooks", None)
        if hooks and g is not None and target.tape is None:
            g = hooks.run(g, create_graph)
        found.append((target, g))
    return found


def run_backward(
    roots: Sequence[Tensor], gradients: Sequence[Tensor | None], retain_graph: bool | None,
    create_graph: bool, inputs: Sequence[Tensor] | None,
) -> None:  # fmt: skip
    """Accumulate gradients of roots into leaves, or into ``inputs``."""
    seeds = [seed_for(x, g) for x, g in zip(roots, gradients, strict=True)]
    retain = create_graph if retain_graph is None else retain_graph
    if inputs is not None:
        if not inputs:
            raise RuntimeError("`inputs` argument to `backward()` cannot be empty.")
        for x in inputs:
            if not x.requires_grad:
                raise RuntimeError("One of the differentiated Tensors does not require grad")
    if mode.trace is not None:
        mode.trace.backward(roots, seeds, retain, create_graph, inputs)
        return
    for leaf, g in tape_gradients(roots, seeds, inputs, retain, create_graph):
        if g is None:
            continue
        accumulate(leaf, g, create_graph)
        hooks = getattr(leaf, "_hooks", None)
        if hooks:
            hooks.run_after(leaf)


def backward(
    self: Tensor, gradient: Tensor | None = None, retain_graph: bool | None = None,
    create_graph: bool = False, inputs: Any = None,
) -> None:  # fmt: skip
    """Accumulate the gradient of this tensor into ``grad`` of every leaf it depends on.

    ``gradient`` is the cotangent, of this tensor's shape; it may be left out for one element. With
    ``inputs`` only they receive gradients. Raises RuntimeError for a tensor without history, for a
    non-scalar without a seed, and for a second pass over a graph that was freed.
    """
    chosen = [inputs] if isinstance(inputs, Tensor) else inputs
    run_backward([self], [gradient], retain_graph, create_graph, chosen)


def accumulate(leaf: Tensor, g: Tensor, create_graph: bool) -> None:
    """Add a gradient into ``leaf.grad``, in place where one is there, as PyTorch does."""
    current = leaf.grad
    if current is None:
        leaf.grad = g
    elif create_graph:
        leaf.grad = current + g
    else:
        with no_grad():
            current.assign(current + g)


METHODS = ("backward",)
