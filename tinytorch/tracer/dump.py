"""Dump: every stage of a compile as files."""

from __future__ import annotations

import os
from collections.abc import Mapping

from tinytorch.ir.graph import Graph
from tinytorch.ir.printer import to_dot
from tinytorch.ir.svg import to_svg

_FILES = {
    "graph": "1_graph.txt", "optimized": "2_optimized.txt", "kernels": "3_kernels.txt",
    "program": "4_program.txt", "source": "5_source.py", "replay": "6_replay.py",
    "llvm": "7_llvm.ll", "asm": "8_asm.s",
}  # fmt: skip


def dump(folder: str, name: str, stages: Mapping[str, str], graph: Graph | None = None) -> str:
    """Write the stages of one compile into ``folder/name``; return that folder."""
    place = os.path.join(folder, name)
    os.makedirs(place, exist_ok=True)
    for stage, file in _FILES.items():
        with open(os.path.join(place, file), "w", encoding="utf-8") as out:
            out.write(stages[stage] + "\n")
    if graph is not None:
        with open(os.path.join(place, "graph.dot"), "w", encoding="utf-8") as out:
            out.write(to_dot(graph) + "\n")
        with open(os.path.join(place, "graph.svg"), "w", encoding="utf-8") as out:
            out.write(to_svg(graph) + "\n")
    return place
