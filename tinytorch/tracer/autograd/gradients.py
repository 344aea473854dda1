"""``grad`` and ``backward`` of several outputs at once."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from tinytorch.tracer.backward import run_backward, tape_gradients
from tinytorch.tracer.mode import mode
from tinytorch.tracer.refusals import seed_for
from tinytorch.tracer.shapes import stack
from tinytorch.tracer.tensor import Tensor

Tensors = Tensor | Sequence[Tensor]


def as_list(tensors: Any) -> list[Any]:
    """One tensor (or None), or several, as a list."""
    return list(tensors) if isinstance(tensors, list | tuple) else [tensors]


def _seeds(given: Any, count: int) -> list[Any]:
    seeds = [None] * count if given is None else as_list(given)
    if len(seeds) != count:
        raise RuntimeError(f"got {count} tensors and {len(seeds)} gradients")
    return seeds


def grad(
    outputs: Tensors, inputs: Tensors, grad_outputs: Any = None, retain_graph: bool | None = None,
    create_graph: bool = False, only_inputs: bool = True, allow_unused: bool | None = None,
    is_grads_batched: bool = False, materialize_grads: bool = False,
) -> tuple[Tensor | None, ...]:  # fmt: skip
    """Return the gradients of outputs with respect to inputs, summed over the outputs.

    ``grad_outputs`` are the cotangents of the outputs, None standing for 1; with
    ``is_grads_batched`` each has a leading axis, and so have the results. With ``create_graph`` the
    results can be differentiated again. An input that the outputs do not depend on raises
    RuntimeError, or gives None with ``allow_unused``, zeros with ``materialize_grads``.
    ``only_inputs`` is PyTorch's deprecated argument: gradients of other leaves are never touched.
    """
    if not only_inputs:
        warnings.warn(
            "only_inputs argument is deprecated and is ignored now (defaults to True). To "
            "accumulate gradient for other parts of the graph, please use autograd.backward.",
            FutureWarning, stacklevel=2,
        )  # fmt: skip
    if materialize_grads and allow_unused is False:
        raise ValueError(
            "Expected allow_unused to be True or not passed when materialize_grads=True, but got: "
            "allow_unused=False."
        )
    allowed = materialize_grads if allow_unused is None else allow_unused
    roots, targets = as_list(outputs), as_list(inputs)
    for t in targets:
        if not isinstance(t, Tensor):
            raise TypeError(f"grad(): inputs must be Tensors, got {type(t).__name__}")
        if not t.requires_grad:
            raise RuntimeError("One of the differentiated Tensors does not require grad")
    given = _seeds(grad_outputs, len(roots))
    retain = create_graph if retain_graph is None else retain_graph
    if is_grads_batched:
        found = _batched(roots, targets, given, retain, create_graph)
    else:
        seeds = [seed_for(x, g) for x, g in zip(roots, given, strict=True)]
        found = gradients(roots, seeds, targets, retain, create_graph)
    if materialize_grads:
        lead = (int(given[0].shape[0]),) if is_grads_batched else ()
        found = [
            t.constant(0, shape=(*lead, *t.shape)) if g is None else g
            for t, g in zip(targets, found, strict=True)
        ]
    if not allowed and any(g is None for g in found):
        raise RuntimeError(
            "One of the differentiated Tensors appears to not have been used in the graph. Set "
            "allow_unused=True if this is the desired behavior."
        )
    return tuple(found)


def gradients(
    roots: Sequence[Tensor], seeds: Sequence[Tensor], targets: Sequence[Tensor], retain: bool,
    create_graph: bool,
) -> list[Tensor | None]:  # fmt: skip
    """Cotangents of targets; None where no root depends on one."""
    if mode.trace is not None:
        return list(mode.trace.gradients(roots, seeds, targets, retain, create_graph))
    return [g for _, g in tape_gradients(roots, seeds, targets, retain, create_graph)]


def _batched(
    roots: list[Tensor], targets: list[Tensor], given: list[Any], retain: bool, create_graph: bool
) -> list[Tensor | None]:
    """One pass for each row of the cotangents."""
    if any(g is None for g in given):
        raise RuntimeError("is_grads_batched=True needs grad_outputs for every output")
    count = int(given[0].shape[0])
    rows: list[list[Tensor | None]] = []
    for i in range(count):
        seeds = [seed_for(x, g[i]) for x, g in zip(roots, given, strict=True)]
        rows.append(gradients(roots, seeds, targets, retain or i + 1 < count, create_graph))
    columns = [list(column) for column in zip(*rows, strict=True)]
    return [
        None if any(g is None for g in column) else stack([g for g in column if g is not None])
        for column in columns
    ]


def backward(
    tensors: Tensors, grad_tensors: Any = None, retain_graph: bool | None = None,
    create_graph: bool = False, grad_variables: Any = None, inputs: Any = None,
) -> None:  # fmt: skip
    """Accumulate the sum of the tensors' gradients into ``grad`` of the leaves they depend on.

    ``grad_tensors`` are the cotangents, None standing for 1. With ``inputs`` only they receive
    gradients.
    """
    roots = as_list(tensors)
    given = grad_tensors if grad_tensors is not None else grad_variables
    chosen = None if inputs is None else as_list(inputs)
    run_backward(roots, _seeds(given, len(roots)), retain_graph, create_graph, chosen)
