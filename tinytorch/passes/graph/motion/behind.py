"""Behind a loop: products that no later step reads, and those that an accumulator adds up."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tinytorch.ir import ops
from tinytorch.ir.extent import typical
from tinytorch.ir.graph import Graph, Node, needed
from tinytorch.ir.types import float32, float64
from tinytorch.passes.graph.motion.loop import (
    MOST_ROWS,
    Loop,
    all_steps,
    copied_step,
    is_plain,
    turned,
)
from tinytorch.passes.graph.motion.sums import Sum
from tinytorch.passes.graph.rebuild import copy_nodes, inline


class Behind:
    """Takes out what no later step reads."""

    def __init__(self, loop: Loop) -> None:
        self.loop = loop
        outputs = loop.body.outputs
        self.count = loop.attrs["carries"]
        self.sums = {
            i: Sum(loop.body, outputs[i], loop.carry[i], loop.varying)
            for i in range(self.count) if self._accumulates(i)
        }  # fmt: skip
        kept = [outputs[i] for i in range(self.count) if i not in self.sums]
        core = set(needed([*kept, *loop.body.effects], ()))
        free = [n for n in loop.nodes if n in loop.varying and n not in core]
        later = self._closure(
            [n for n in free if loop.by_constant(n)], {s.total for s in self.sums.values()}
        )
        self.later = later if is_plain(later) else set()
        self.taken: dict[int, Sum] = {}
        """Accumulators of which a part at least is added up behind the loop."""
        self.products: list[Node] = []
        for i, s in self.sums.items():
            products = [n for n in s.leaves if self._sums_up(n)]
            if products or not self.later.isdisjoint(s.leaves):
                self.taken[i] = s
                self.products += [n for n in products if n not in self.products]
        self.stacked: list[Node] = []

    def _accumulates(self, i: int) -> bool:
        """Whether a carry is only added to."""
        outputs, users = self.loop.body.outputs, self.loop.users
        total, node = outputs[i], self.loop.carry[i]
        if total.type.dtype not in (float32, float64) or outputs.count(total) > 1:
            return False
        while node is not total:  # through sums that nothing else reads
            if node in outputs or len(users[node]) != 1:
                return False
            (user,) = users[node]
            taken_off = user.op is ops.sub and user.inputs[0] is node
            if not (user.op is ops.add or taken_off) or user.inputs.count(node) > 1:
                return False
            node = user
        return total is not self.loop.carry[i] and not users[total]

    def _closure(self, sources: Sequence[Node], without: set[Node]) -> set[Node]:
        found: set[Node] = set()
        stack = list(sources)
        while stack:
            node = stack.pop()
            if node not in found and node not in without:
                found.add(node)
                stack.extend(self.loop.users[node])
        return found

    def _sums_up(self, node: Node) -> bool:
        """Whether a node is a product of thin factors, both different at each step."""
        if node.op is not ops.matmul or node.type.ndim != 2:
            return False
        left, right = node.inputs
        thin = typical(left.type.shape[1]) <= MOST_ROWS
        varying = left in self.loop.varying and right in self.loop.varying
        return thin and varying and self.loop.small(left) and self.loop.small(right)

    def run(self, target: Graph) -> dict[int, Node] | None:
        """Add the loop and what stands behind it; return the results by index."""
        loop = self.loop
        if not self.later and not self.taken:
            return None
        late = [n for n in loop.body.outputs[self.count :] if n in self.later]
        self._stack([*late, *(n for p in self.products for n in p.inputs)])
        for i, s in self.sums.items():
            if any(map(self._is_at_hand, s.leaves)):
                self.taken[i] = s
        leaves = list(dict.fromkeys(
            n for s in self.taken.values() for n in s.leaves
            if n not in self.products and (n in self.later or self._is_at_hand(n))
        ))  # fmt: skip
        self._stack(leaves)
        scan, places = self._smaller(target, {*leaves, *self.products})
        values = iter(self._after(target, scan, late, leaves))
        result = {i: target.add(ops.get, [scan], index=at) for i, at in places.items()}
        done = {n: next(values) for n in late}
        for i, n in enumerate(loop.body.outputs):
            if i >= self.count and n in done:
                result[i] = done[n]
        known = {p: _product(target, next(values), next(values)) for p in self.products}
        for n in leaves:
            known[n] = _summed(target, next(values))
        outer = dict(zip(loop.body.inputs, loop.operands, strict=True))
        for i, s in self.taken.items():
            result[i] = s.onto(target, result.get(i, loop.operands[i]), known, outer)
        return result

    # ------------------------------------------------- what the loop hands over

    def _descends(self, node: Node) -> bool:
        """Whether a value is computed behind the loop from what it is made of."""
        if node in self.later or node not in self.loop.varying:
            return True
        if node.op in (ops.permute, ops.reshape):
            return True
        cheap = node.op.family in ("elementwise", "movement") and not node.op.effect
        return cheap and node not in self.loop.bound

    def _reads(self, wanted: Iterable[Node]) -> list[Node]:
        """Values of the loop, carries among them, that have to be known at every step."""
        found: dict[Node, None] = {}
        stack, seen = list(wanted), set()
        while stack:
            node = stack.pop()
            if node in seen or node in self.loop.xs or node in self.loop.constants:
                continue
            seen.add(node)
            if node.inputs and self._descends(node):
                stack.extend(node.inputs)
            elif node in self.loop.varying:
                found[node] = None
        return list(found)

    def _stack(self, wanted: Iterable[Node]) -> None:
        self.stacked += [n for n in self._reads(wanted) if n not in self.stacked]

    def _is_at_hand(self, node: Node) -> bool:
        """Whether a sum over all steps can be taken of what is stacked anyway."""
        if node in self.products or node not in self.loop.varying:
            return False
        return all(n in self.stacked for n in self._reads([node]))

    def _smaller(self, target: Graph, gone: set[Node]) -> tuple[Node, dict[int, int]]:
        """The loop without what is moved; where the old results are among its results."""
        loop = self.loop
        body = Graph(loop.body.name)
        body.default_dtype = loop.body.default_dtype
        rests = {i: [n for n in s.leaves if n not in gone] for i, s in self.taken.items()}
        dropped = {i for i, rest in rests.items() if not rest}
        operands, known = [], {}
        for i, (n, value) in enumerate(zip(loop.body.inputs, loop.operands, strict=True)):
            if i not in dropped:
                known[n] = body.add_input(n.type, loop.body.names.get(n, ""))
                operands.append(value)
        carries = [i for i in range(self.count) if i not in dropped]
        ys = [i for i, n in enumerate(loop.body.outputs) if i >= self.count and n not in self.later]
        stays = [loop.body.outputs[i] for i in (*carries, *ys) if i not in self.taken]
        inside = [n for i in carries if i in rests for n in rests[i]]
        roots = [*stays, *inside, *self.stacked, *loop.body.effects]
        copy_nodes(body, loop.body, known, needed(roots, known))
        for i in carries:
            if i in self.taken:
                here = {n: known[n] for n in rests[i]}
                known[loop.body.outputs[i]] = self.taken[i].onto(
                    body, known[loop.carry[i]], here, known
                )
        stacked = list(dict.fromkeys(known[n] for n in (
            *(loop.body.outputs[i] for i in ys), *self.stacked)))  # fmt: skip
        body.outputs = [*(known[loop.body.outputs[i]] for i in carries), *stacked]
        attrs = {**loop.attrs, "body": body.freeze(), "carries": len(carries)}
        first = len(carries)
        self.place = {n: first + stacked.index(known[n]) for n in self.stacked}
        places = {i: at for at, i in enumerate(carries)}
        places |= {i: first + stacked.index(known[loop.body.outputs[i]]) for i in ys}
        return target.add(ops.scan_, operands, **attrs), places

    def _after(
        self, target: Graph, scan: Node, late: list[Node], leaves: list[Node]
    ) -> list[Node]:
        """At all steps: late results, the factors of products (left ones turned), other terms."""
        loop = self.loop
        step = Graph(f"{loop.body.name}_behind")
        step.default_dtype = loop.body.default_dtype
        known: dict[Node, Node] = {}
        given, moving = [], []
        outer = dict(zip(loop.body.inputs, loop.operands, strict=True))
        for n in dict.fromkeys((*self.stacked, *loop.xs, *loop.constants)):
            known[n] = step.add_input(n.type, loop.body.names.get(n, "stacked"))
            at = self.place.get(n)
            given.append(outer[n] if at is None else target.add(ops.get, [scan], index=at))
            moving += [known[n]] if n in loop.varying else []
        factors = [n for p in self.products for n in p.inputs]
        copied_step(step, loop, known, [*late, *factors, *leaves])
        step.outputs = [known[n] for n in late]
        for p in self.products:
            left, right = (known[n] for n in p.inputs)
            step.outputs += [turned(step, left), right]
        step.outputs += [known[n] for n in leaves]
        return inline(target, all_steps(step.freeze(), moving, loop), given)


def _product(target: Graph, left: Node, right: Node) -> Node:
    """The sum of products of factors at all steps, of which the left ones lie transposed."""
    rows = left.type.shape[0] * left.type.shape[1]
    flat = [target.add(ops.reshape, [n], shape=(rows, n.type.shape[2])) for n in (left, right)]
    return target.add(ops.matmul, [target.add(ops.permute, [flat[0]], order=(1, 0)), flat[1]])


def _summed(target: Graph, value: Node) -> Node:
    total = target.add(ops.sum_, [value], axes=(0,))
    return target.add(ops.reshape, [total], shape=tuple(value.type.shape[1:]))


# ----------------------------------------------------------------------- terms
