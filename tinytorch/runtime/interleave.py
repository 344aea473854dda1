"""Interleaving: a loop's wish to compute several vectors side by side, handed on to LLVM.

A text says ``interleave(4)`` inside a loop, or ``interleave(1)`` where a short loop is to be
vectorised itself rather than unrolled for the loop around it. Lowered, that is a comment in the
block at hand, which anyone else's compiler passes over; here the module's text is rewritten so that
the loop's back edge carries LLVM's own hint. LLVM alone would decide by the loop's size and leave
long bodies as they are, though it is those whose latency nothing else hides.

``in_order()`` goes further: LLVM's last scheduling pass would save registers in a very long body by
computing its vectors one after the other, so it is left out for a module with that mark.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

import llvmlite.binding as llvm
import networkx as nx

MARK = "tinytorch.interleave"
ORDER_MARK = "tinytorch.in_order"

_HINTS = ('!"llvm.loop.unroll.disable"', '!"llvm.loop.interleave.count", i32 {}')
"""For a loop that is to stay one, and for one with several vectors side by side."""
_MARKED = re.compile(rf"; {MARK} (\d+)")
_LABEL = re.compile(r'^("[^"]+"|[\w.$-]+):')
_TARGET = re.compile(r"label %(\"[^\"]+\"|[\w.$-]+)")
_METADATA = re.compile(r"^!(\d+) =", re.MULTILINE)


_SCHEDULERS = range(15, 23)
"""Versions of LLVM known to have the switch: of an unknown one, LLVM ends the process."""


@contextlib.contextmanager
def scheduling(in_order: bool) -> Iterator[None]:
    """Generate machine code meanwhile with instructions in their order, if that is asked for.

    The switch is the process's; the caller holds numba's lock on compiling.
    """
    if not in_order or llvm.llvm_version_info[0] not in _SCHEDULERS:
        yield
        return
    llvm.set_option("tinytorch", "-enable-misched=false")
    try:
        yield
    finally:
        llvm.set_option("tinytorch", "-enable-misched=true")


def hinted(text: str) -> str:
    """Return the text of an LLVM module in which every marked loop has its hint."""
    if MARK not in text:
        return text
    lines = text.split("\n")
    number = 1 + max((int(n) for n in _METADATA.findall(text)), default=-1)
    nodes: list[str] = []
    start = 0
    for end, line in enumerate(lines):
        if line.startswith("define"):
            start = end
        elif line == "}":
            for latch, count in _latches(lines, start, end):
                lines[latch] += f", !llvm.loop !{number}"
                nodes += [
                    f"!{number} = distinct !{{!{number}, !{number + 1}}}",
                    f"!{number + 1} = !{{{_HINTS[count > 1].format(count)}}}",
                ]
                number += 2
    return "\n".join([*lines, *nodes, ""])


def _latches(lines: list[str], start: int, end: int) -> list[tuple[int, int]]:
    """Line of the back edge of each marked loop between two lines, with the count asked for."""
    flow: nx.DiGraph = nx.DiGraph()
    marked: dict[str, int] = {}
    jumps: dict[str, int] = {}
    block = entry = ""
    for number in range(start + 1, end):
        line = lines[number]
        if label := _LABEL.match(line):
            block = label[1].strip('"')
            entry = entry or block
            flow.add_node(block)
        elif found := _MARKED.search(line):
            marked[block] = int(found[1])
        elif targets := _TARGET.findall(line):
            jumps[block] = number
            flow.add_edges_from((block, target.strip('"')) for target in targets)
    found_latches: dict[int, int] = {}
    for block, count in marked.items():
        if latch := _latch_of(flow, entry, block):
            found_latches[jumps[latch]] = count
    return list(found_latches.items())


def _latch_of(flow: nx.DiGraph, entry: str, block: str) -> str | None:
    """The block that jumps back in the innermost loop around a block."""
    dominator = nx.immediate_dominators(flow, entry)
    best: tuple[int, str] | None = None
    for source, target in flow.edges:
        if source not in dominator or not _dominates(dominator, target, source):
            continue
        body = {target, source} | nx.ancestors(flow.subgraph(set(flow) - {target}), source)
        if block in body and (best is None or len(body) < best[0]):
            best = (len(body), source)
    return best[1] if best else None


def _dominates(dominator: dict[str, str], above: str, block: str) -> bool:
    while block != above:
        following = dominator.get(block)
        if following is None or following == block:
            return False
        block = following
    return True
