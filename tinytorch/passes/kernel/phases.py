"""Phases: in which loop over a row each member of a kernel is computed, and what is kept."""

from __future__ import annotations

from tinytorch.ir.graph import Node
from tinytorch.passes.kernel.access import bases

_COSTLY = 2


class Phases:
    """The loop of each member.

    A full value runs in the first loop in which all row values it needs are known; a row reduction
    is known after the loop of its operand. ``saved`` are full values kept in scratch because a
    later loop needs them and they cost too much to compute again.
    """

    def __init__(
        self, members: list[Node], levels: dict[Node, str], stored: set[Node],
        required: set[Node], full_size: int,
    ) -> None:  # fmt: skip
        self.members = members
        self.levels = levels
        self.stored = stored
        self.required = required
        self.full_size = full_size
        self.phase: dict[Node, int] = {}
        self.known_after: dict[Node, int] = {}
        for node in members:
            self._place(node)
        used = [self.phase[n] for n in members if n in self.phase]
        self.count = max(used, default=0) + 1
        self.saved: set[Node] = set()
        for phase in range(self.count - 1, -1, -1):
            self._save_for(phase)

    def _place(self, node: Node) -> None:
        level = self.levels[node]
        operands = [b for b in bases(node, self.required) if b in self.levels and b is not node]
        ready = max(
            (self.phase[b] if self.levels[b] == "full" else self.known_after.get(b, 0)
             for b in operands), default=0,
        )  # fmt: skip
        sums_rows = level == "total" and node.inputs[0].type.size != self.full_size
        if level == "row" and node.op.family == "reduction":
            self.phase[node] = ready
            self.known_after[node] = ready + 1
        elif level == "row" or sums_rows:
            self.known_after[node] = ready
        elif level in ("full", "column", "total"):
            self.phase[node] = ready

    def targets(self, phase: int) -> list[Node]:
        """Members that loop ``phase`` must produce, in order."""
        return [
            n for n in self.members
            if self.phase.get(n) == phase
            and (self.levels[n] != "full" or n in self.stored or n in self.saved or n.op.effect)
        ]  # fmt: skip

    def row_targets(self) -> list[Node]:
        """Row values to store or check and totals of row values, after the last loop."""
        return [
            n for n in self.members
            if (self.levels[n] == "row" and (n in self.stored or n.op.effect))
            or (self.levels[n] == "total" and n not in self.phase)
        ]  # fmt: skip

    def _save_for(self, phase: int) -> None:
        """Mark what loop ``phase`` needs of earlier loops."""
        stack = [b for n in self.targets(phase) for b in bases(n, self.required)]
        seen: set[Node] = set()
        while stack:
            node = stack.pop()
            if node in seen or self.levels.get(node) != "full":
                continue
            seen.add(node)
            if self.phase[node] < phase:
                if node in self.stored:
                    continue
                if node.op.costly > _COSTLY:
                    self.saved.add(node)
                    continue
            stack.extend(b for b in bases(node, self.required) if b is not node)
