"""``tinytorch.autograd``: gradients as values instead of ``.grad`` attributes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tinytorch.tracer.mode import mode
from tinytorch.tracer.refusals import seed_for
from tinytorch.tracer.tensor import Tensor, _leaf_value, run_pull_back


def grad(
    outputs: Tensor | Sequence[Tensor], inputs: Tensor | Sequence[Tensor], grad_outputs: Any = None,
    retain_graph: bool | None = None, create_graph: bool = False, allow_unused: bool = False,
) -> tuple[Tensor | None, ...]:  # fmt: skip
    """Return the gradients of outputs with respect to inputs, summed over the outputs.

    With ``create_graph`` the results can be differentiated again. Raises RuntimeError for an input
    that the outputs do not depend on, unless ``allow_unused``.
    """
    roots = [outputs] if isinstance(outputs, Tensor) else list(outputs)
    targets = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    seeds = grad_outputs if isinstance(grad_outputs, list | tuple) else [grad_outputs]
    seeds = list(seeds) + [None] * (len(roots) - len(seeds))
    retain = create_graph if retain_graph is None else retain_graph
    for t in targets:
        if not t.requires_grad:
            raise RuntimeError("One of the differentiated Tensors does not require grad")
    totals: list[Tensor | None] = [None] * len(targets)
    for position, (root, seed) in enumerate(zip(roots, seeds, strict=True)):
        keep = retain or position + 1 < len(roots)
        found = _gradients(root, seed_for(root, seed), targets, keep, create_graph)
        totals = [
            b if a is None else (a if b is None else a + b) for a, b in zip(totals, found)
        ]
    if not allow_unused and any(g is None for g in totals):
        raise RuntimeError(
            "One of the differentiated Tensors appears to not have been used in the graph. Set "
            "allow_unused=True if this is the desired behavior."
        )
    return tuple(totals)


def _gradients(
    root: Tensor, seed: Tensor, targets: list[Tensor], retain: bool, create_graph: bool
) -> list[Tensor | None]:
    if mode.trace is not None:
        return list(mode.trace.gradients(root, seed, targets, retain, create_graph))
    tape: Any = root.tape
    start = tape if tape is not None else _leaf_value(root)
    return [g for _, g in run_pull_back(start, seed, targets, retain, create_graph)]
