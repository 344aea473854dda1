"""Contractions: what a matrix product reads, and whether a library or a loop nest computes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tinytorch.ir import ops
from tinytorch.ir.extent import Extent, typical
from tinytorch.ir.graph import Node

SMALL = 16_384
"""Below this many multiplications a product is a loop nest: a library call costs more."""


@dataclass(frozen=True)
class Operand:
    """A factor of a product as the library reads it.

    ``base`` is stored; ``transposed`` says that it holds the factor's transpose; ``stride`` counts
    elements from one batch member to the next, 0 where all share one.
    """

    base: Node
    transposed: bool
    stride: Any


def _operand(node: Node) -> Operand:
    rows, cols = node.type.shape[-2:]
    stride = rows * cols
    transposed = False
    while True:
        last = len(node.type.shape) - 1
        swap = (*range(last - 1), last, last - 1)
        if node.op is ops.permute and tuple(node.attrs["order"]) == swap:
            node, transposed = node.inputs[0], not transposed
        elif (
            node.op is ops.broadcast_to and stride and _same_matrix(node)
            and node.inputs[0].type.size == rows * cols
        ):  # fmt: skip
            node, stride = node.inputs[0], 0
        else:
            return Operand(node, transposed, stride)


def _same_matrix(node: Node) -> bool:
    return tuple(node.inputs[0].type.shape[-2:]) == tuple(node.type.shape[-2:])


def product_operands(node: Node) -> tuple[Operand, Operand]:
    """The two factors of a matmul."""
    left, right = (_operand(n) for n in node.inputs)
    return left, right


def by_library(node: Node) -> bool:
    """Whether the BLAS library computes a matmul; a pure function of shape and dtype.

    Symbolic sizes count as what was seen of them; a symbolic number of terms is for the library.
    """
    *batch, m, n = node.type.shape
    k = node.inputs[0].type.shape[-1]
    if node.type.dtype.name not in ("float32", "float64"):
        return False
    return isinstance(k, Extent) or bool(typical(m * n * k) > SMALL)
