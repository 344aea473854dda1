"""Outside gradients: a compiled call as one entry of the eager tape.

A call keeps its inputs. The first backward pass through one computes again what it needs beside
them, and makes the replay give these residuals as further results from then on: a function that
nobody differentiates from outside computes and keeps nothing more. Backward passes are compiled
like any other graph. With ``create_graph`` the call is expanded and differentiated op by op.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from tinytorch.errors import SizeError
from tinytorch.ir import ops
from tinytorch.ir.graph import Graph
from tinytorch.passes.graph.autodiff import vjp_graph
from tinytorch.passes.graph.partition import Backward, Partition
from tinytorch.passes.graph.sizes import with_sizes
from tinytorch.tracer.autograd.context import FREED
from tinytorch.tracer.callvalues import CallValues
from tinytorch.tracer.mode import set_grad_enabled
from tinytorch.tracer.specialize import Traced
from tinytorch.tracer.subgraph import run_subgraph
from tinytorch.tracer.subtrace import apply_graph
from tinytorch.tracer.tape import Saved, TapeNode, python_op
from tinytorch.tracer.tensor import Tensor

_OP = python_op("CompiledFunction")
_differentiating = threading.RLock()
Operand = tuple[TapeNode | None, Saved]


class OutsideGradient:
    """Records the calls of one replay on the tape."""

    def __init__(self, traced: Traced, values: CallValues, seen: Any) -> None:
        """``seen`` holds the epoch in which the replay was last known to be right."""
        self.traced = traced
        self.values = values
        self.seen = seen
        self.partition = traced.partition
        self.asked = False
        """Whether a backward pass had to compute again what the replay could have given."""
        count = len(traced.partition.graph.outputs)
        self.types = tuple(n.type for n in traced.graph.outputs[:count])
        self._graphs: dict[Any, tuple[Graph, Any]] = {}

    @property
    def kept(self) -> bool:
        """Whether the replay can give residuals: not if symbolic sizes could not be followed."""
        return self.partition is self.traced.partition

    def before(self, leaves: list[Any]) -> list[Operand]:
        """Values of the inputs as the call sees them; states about to change are copied."""
        found: list[Operand] = []
        for node, tensor, values in self.values.of(leaves):
            if tensor is None:
                found.append((None, Saved(values, None, node.type, None)))
                continue
            changing = node in self.traced.graph.updates
            held = values.copy() if changing else values
            storage = None if changing else tensor._storage
            leaf = tensor if tensor._requires and tensor.tape is None else None
            found.append((tensor.tape, Saved(held, storage, node.type, leaf)))
        return found

    def record(self, operands: list[Operand], arrays: tuple[Any, ...]) -> TapeNode:
        """Return the tape entry of a call that has run; ``arrays`` are all results."""
        count = len(self.types)
        call = _Call(self, operands, arrays[count:])
        attrs = {
            "types": self.types, "pull": call.pull, "release": call.release,
            "flowing": [i for i, t in enumerate(self.types) if t.dtype.is_floating_point],
        }  # fmt: skip
        parents = tuple(parent for parent, _ in operands)
        return TapeNode(_OP, attrs, parents, tuple(s for _, s in operands), arrays[:count])

    # ------------------------------------------------------- graphs, at sizes

    def backward(self, given: tuple[int, ...]) -> tuple[Backward, Graph]:
        """The backward pass from the outputs ``given``; its graph at the sizes of this replay."""
        with _differentiating:
            try:
                found = self.partition.backward(given)
            except SizeError:
                self.partition = Partition(self.traced.graph, self.partition.wrt)
                found = self.partition.backward(given)
            return found, self._at_sizes(found.graph)

    def again(self, places: tuple[int, ...]) -> Graph:
        """What computes residuals from the inputs; the replay is asked to keep them next time."""
        if self.kept:
            self.asked = True
            self.seen.value = -1
        with _differentiating:
            return self._at_sizes(self.partition.recomputed(places))

    def _at_sizes(self, graph: Graph) -> Graph:
        """A graph of the partition, which may have symbolic sizes, at those of this replay."""
        if not self.kept or not self.traced.values:
            return graph
        key = graph.hash()
        if key not in self._graphs:
            self._graphs[key] = with_sizes(graph, self.traced.values)
        return self._graphs[key][0]


class _Call:
    """One call, until a backward pass frees it."""

    def __init__(
        self, owner: OutsideGradient, operands: list[Operand], residuals: tuple[Any, ...]
    ) -> None:
        self.owner = owner
        self.operands: list[Operand] | None = operands
        self.residuals = residuals

    def release(self) -> None:
        """After a backward pass that frees."""
        self.operands, self.residuals = None, ()

    def pull(self, cotangents: list[Any], create_graph: bool) -> list[Any]:
        """Cotangents of the inputs from those of the results."""
        if self.operands is None:
            raise RuntimeError(FREED)
        given = tuple(i for i, g in enumerate(cotangents) if g is not None)
        seeds = [cotangents[i] for i in given]
        result: list[Any] = [None] * len(self.operands)
        if create_graph:
            wrt, found = self._expanded(given, seeds)
        else:
            backward, graph = self.owner.backward(given)
            wrt = backward.wrt
            values = [*self._inputs(backward.inputs), *self._residuals(backward.residuals), *seeds]
            found = run_subgraph(graph, values) if wrt else ()
        for index, g in zip(wrt, found, strict=True):
            result[index] = g
        return result

    def _inputs(self, wanted: Sequence[int]) -> list[Any]:
        """Arrays of inputs; raise RuntimeError for one that was overwritten."""
        assert self.operands is not None
        for i in wanted:
            saved = self.operands[i][1]
            if not saved.intact:
                raise RuntimeError(
                    "one of the variables needed for gradient computation has been modified by an "
                    f"inplace operation: a tensor of {saved.type}, read by the compiled "
                    f"{self.owner.traced.graph.name}, is at version {saved.storage.version}; "
                    f"expected version {saved.version}"
                )
        return [self.operands[i][1].array for i in wanted]

    def _residuals(self, places: tuple[int, ...]) -> list[Any]:
        """What the backward pass reads of the forward one, computed again if it was not kept."""
        assert self.operands is not None
        if self.owner.kept and all(i < len(self.residuals) for i in places):
            return [self.residuals[i] for i in places]
        graph = self.owner.again(places)
        live = graph.live()
        read = [i for i, n in enumerate(graph.inputs) if n in live]
        self._inputs(read)
        return list(run_subgraph(graph, [saved.array for _, saved in self.operands]))

    def _expanded(self, given: Sequence[int], seeds: list[Tensor]) -> tuple[Sequence[int], Any]:
        """The cotangents op by op, with history."""
        assert self.operands is not None
        graph, wrt = vjp_graph(self.owner.traced.graph, given, self.owner.partition.wrt)
        live = graph.live()
        self._inputs([i for i in range(len(self.operands)) if graph.inputs[i] in live])
        with set_grad_enabled(True):
            inputs = [_with_history(parent, saved) for parent, saved in self.operands]
            return wrt, apply_graph(graph, [*inputs, *seeds])


def _with_history(parent: TapeNode | None, saved: Saved) -> Tensor:
    """An input of a call as a tensor, as it was then, from which gradients flow on."""
    if saved.leaf is not None and saved.storage is not None:
        leaf: Tensor = saved.leaf
        return leaf
    made = Tensor.make(saved.type, saved.array, saved.storage)
    made._tape = parent
    if saved.leaf is not None:  # overwritten since, by the call itself
        shape = {"shape": saved.type.shape}
        made._tape = TapeNode(ops.reshape, shape, (None,), (saved,), saved.array)
    return made


def keeping_residuals(traced: Traced) -> Traced:
    """A recorded call whose graph gives the residuals of its partition behind its results."""
    with _differentiating:
        graph, node_of = traced.partition.forward()
    trace = copy.copy(traced.trace)
    trace.graph = graph
    trace.captures = [(node_of[n], tensor) for n, tensor in trace.captures]
    trace.numbers = [(node_of[n], number) for n, number in trace.numbers]
    return replace(traced, graph=graph, trace=trace)


__all__ = ["OutsideGradient", "keeping_residuals"]
