"""A Function's call inside a trace: a ``custom`` op of its results and its backward's graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tinytorch.ir import ops
from tinytorch.tracer.autograd.context import FunctionCtx
from tinytorch.tracer.differentiation import with_history_of
from tinytorch.tracer.mode import enable_grad, mode
from tinytorch.tracer.subtrace import close, example_of
from tinytorch.tracer.tensor import TRACED, Tensor, apply_node

ONCE = "trying to differentiate twice a function that was marked with @once_differentiable"


def record_custom(
    name: str, ctx: FunctionCtx, args: tuple[Any, ...], outputs: Sequence[Any],
    backward: Callable[[Sequence[Any]], list[Tensor | None]], once: bool,
) -> list[Any]:  # fmt: skip
    """Trace the backward and link the outputs to the inputs by it; return the outputs."""
    shown = [i for i, y in enumerate(outputs) if isinstance(y, Tensor)]
    payload = [outputs[i] for i in shown]
    inputs = [i for i, x in enumerate(args) if isinstance(x, Tensor) and x.requires_grad]
    saved = ctx._to_save
    is_output = [next((j for j, y in enumerate(payload) if y is x), -1) for x in saved]
    kept = [x for x, j in zip(saved, is_output, strict=True) if j < 0 and x is not None]
    flowing = [j for j, y in enumerate(payload) if y.dtype.is_floating_point]
    wrt: list[int] = []

    def run(*given: Tensor) -> list[Tensor]:
        results = given[: len(payload)]
        seeds = iter(given[len(payload) : len(payload) + len(flowing)])
        rest = iter(given[len(payload) + len(flowing) :])
        ctx._saved = _Unpacked(tuple(
            None if x is None else results[j] if j >= 0 else next(rest)
            for x, j in zip(saved, is_output, strict=True)
        ))  # fmt: skip
        cotangents: list[Any] = [None] * len(outputs)
        for j in flowing:
            cotangents[shown[j]] = next(seeds)
        with enable_grad():
            found = backward(cotangents)
        wrt[:] = [n for n, i in enumerate(inputs) if found[i] is not None]
        gradients = [g for g in (found[inputs[n]] for n in wrt) if g is not None]
        return [_once(g) for g in gradients] if once else gradients

    examples = [*payload, *(payload[j] for j in flowing), *kept]
    closed = close(run, [example_of(x._type, True) for x in examples], f"{name}_backward")
    constant = {j for j, y in enumerate(payload) if any(y is x for x in ctx._constant)}
    operands = [*payload, *(args[i] for i in inputs), *kept, *closed.operands()]
    attrs = {"results": len(payload), "primals": len(inputs), "backward": closed.graph,
             "wrt": tuple(wrt), "refusal": ""}  # fmt: skip
    closed.advance()
    linked = apply_node(ops.custom, operands, attrs)
    results = list(outputs)
    for j, position in enumerate(shown):
        cut = j in constant or j not in flowing
        results[position] = linked[j].detach() if cut else linked[j]
    return results


def _once(g: Tensor) -> Tensor:
    """The value, with a derivative that is an error."""
    trace = mode.trace
    node = trace.node_of(g)
    out: Tensor = trace.tensor(with_history_of(trace.graph, node, node, ONCE))
    out._tape = TRACED
    return out


class _Unpacked:
    """Saved tensors as values of the trace under way."""

    def __init__(self, tensors: tuple[Any, ...]) -> None:
        self.tensors = tensors

    def unpack(self) -> tuple[Any, ...]:
        """The tensors."""
        return self.tensors
