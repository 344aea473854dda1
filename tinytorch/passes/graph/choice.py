"""The VJP of a choice: the same choice between VJPs, on what the branch chosen keeps for it."""

from __future__ import annotations

from collections.abc import Sequence

from tinytorch.ir import ops
from tinytorch.ir.graph import Graph, Node, needed
from tinytorch.ir.types import TensorType
from tinytorch.passes.graph.cotangents import Vjp, items, started, zeros
from tinytorch.passes.graph.rebuild import copy_nodes
from tinytorch.passes.graph.residuals import Residuals


class _Branch:
    """A branch of a choice with its VJP: a graph that keeps residuals and one that takes them."""

    def __init__(
        self, sub: Graph, given: Sequence[int], wanted: Sequence[int], vjp: Vjp
    ) -> None:
        self.sub = sub
        self.joint, self.inputs, self.outputs = started(sub, "joint")
        self.forward = set(self.joint)
        self.seeds = [
            self.joint.add_input(self.outputs[i].type, f"cotangent_{i}") for i in given
        ]
        self.wanted = [self.inputs[i] for i in wanted]
        self.found = vjp(self.joint, [self.outputs[i] for i in given], self.seeds, self.wanted)
        present = [n for n in self.found if n is not None]
        self.saved = Residuals(self.joint, self.forward, self.seeds, (), present).saved

    def _new(self, name: str) -> tuple[Graph, dict[Node, Node]]:
        new = Graph(f"{self.sub.name}_{name}")
        new.default_dtype = self.joint.default_dtype
        return new, {n: new.add_input(n.type, self.joint.names.get(n, "")) for n in self.inputs}

    def saving(self, places: dict[int, Node], types: Sequence[TensorType]) -> Graph:
        """The branch with a further result of each type: a residual, or zeros."""
        effects = [n for n in self.joint.effects if n in self.forward]
        new, known = self._new("saving")
        copy_nodes(new, self.joint, known, needed([*self.outputs, *self.saved, *effects], known))
        new.outputs = [known[n] for n in self.outputs]
        for i, type in enumerate(types):
            new.outputs.append(known[places[i]] if i in places else zeros(new, type))
        return new.freeze()

    def backward(
        self, places: dict[int, Node], types: Sequence[TensorType], kept: Sequence[int]
    ) -> Graph:
        """Takes operands, residuals of each type, cotangents; gives cotangents ``kept``."""
        new, known = self._new("backward")
        for i, type in enumerate(types):
            slot = new.add_input(type, "saved")
            if i in places:
                known[places[i]] = slot
        for n in self.seeds:
            known[n] = new.add_input(n.type, self.joint.names[n])
        found = [self.found[i] for i in kept]
        copy_nodes(new, self.joint, known, needed([n for n in found if n is not None], known))
        new.outputs = [
            zeros(new, self.wanted[i].type) if n is None else known[n]
            for i, n in zip(kept, found, strict=True)
        ]
        return new.freeze()


def _shared_places(branches: Sequence[_Branch]) -> tuple[list[TensorType], list[dict[int, Node]]]:
    """Types of residuals, used by both branches where they can be, and which is which."""
    types: list[TensorType] = []
    found: list[dict[int, Node]] = []
    for branch in branches:
        places: dict[int, Node] = {}
        for n in branch.saved:
            kind = TensorType(n.type.dtype, n.type.shape)
            free = (i for i, t in enumerate(types) if t == kind and i not in places)
            place = next(free, len(types))
            types += [kind] if place == len(types) else []
            places[place] = n
        found.append(places)
    return types, found


def pull_cond(
    graph: Graph, node: Node, g: dict[int, Node], wanted: list[int], vjp: Vjp
) -> dict[int, Node]:
    """The same choice between the branches' VJPs, on what the branch chosen keeps for it.

    That is given by the same choice with more results, which ``control`` merges with the original.
    """
    given, inner = sorted(g), [i - 1 for i in wanted]
    branches = [_Branch(node.attrs[b], given, inner, vjp) for b in ("true", "false")]
    kept = [i for i in range(len(inner)) if any(b.found[i] is not None for b in branches)]
    if not kept:
        return {}
    types, places = _shared_places(branches)
    residuals: list[Node] = []
    if types:
        true, false = (b.saving(p, types) for b, p in zip(branches, places, strict=True))
        saving = graph.add(ops.cond, node.inputs, true=true, false=false)
        residuals = items(graph, saving, len(node.type.items))
    operands = [*node.inputs, *residuals, *(g[i] for i in given)]
    true, false = (b.backward(p, types, kept) for b, p in zip(branches, places, strict=True))
    chosen = graph.add(ops.cond, operands, true=true, false=false)
    return dict(zip([wanted[i] for i in kept], items(graph, chosen), strict=True))
