"""``x.data = value`` inside a trace: the tensor shows another memory from then on.

A tensor from outside keeps its memory, since later calls find it there: the value is written into
it. That cannot be told apart as long as nobody else holds the old memory or goes on to share the
new one; where somebody does, the assignment is refused.
"""

from __future__ import annotations

from typing import Any

from tinytorch.errors import TraceError
from tinytorch.ir import ops
from tinytorch.tracer.mode import user_origin
from tinytorch.tracer.tensor import Tensor
from tinytorch.tracer.views import root_of


def set_data(trace: Any, x: Tensor, value: Tensor) -> None:
    """Let ``x`` show a value's memory, or refuse."""
    if x._array is None:
        _show(trace, x, value)
    else:
        _write(trace, x, value)


def _show(trace: Any, x: Tensor, value: Tensor) -> None:
    """A tensor made by the trace becomes a view of the value."""
    if x.requires_grad:
        raise _refused(
            f"assigning .data of a tensor of {x._type} that carries gradients",
            "write in place under no_grad, or give the new value a name of its own",
        )
    if x._base is None and trace.has_views(x):
        raise _shares(value)
    shown = trace.detach(value)
    x._type, x._strides, x._storage = shown._type, shown._strides, shown._storage
    x._base, x._chain, x._memo = shown._base, shown._chain, shown._memo


def _write(trace: Any, x: Tensor, value: Tensor) -> None:
    """A tensor from outside receives the value; a fresh one shares its memory from then on."""
    if value._type != x._type:
        raise _refused(
            f"assigning .data of another shape or dtype ({value._type} to a tensor of {x._type})",
            "do it outside",
        )
    root = root_of(value) if value._array is None else value
    if root is x:  # as ``x.data *= 2`` ends: x shows what it shows
        if any(op is not ops.detach for op, _ in value._chain):
            raise _shares(value)
        return
    if root._array is not None or trace.has_views(x):
        raise _shares(value)
    if not x.array.flags.writeable:
        raise RuntimeError("cannot write to a tensor on read-only memory")
    trace.node_of(x)  # an input, if it was none so far
    node = trace.graph.add(ops.detach, [trace.node_of(value)], label=trace.label())
    trace.rewrite(x, node)
    if value is root and not value.requires_grad:
        value._base, value._chain = x, ((ops.detach, {"label": 0}),)
        value._storage, value._memo = x._storage, None


def _shares(value: Tensor) -> TraceError:
    return _refused(
        f"assigning .data while another tensor shares the old memory or the new ({value._type})",
        "copy the values with x.data.copy_(value), from clone()s if tensors are swapped",
    )


def _refused(what: str, remedy: str) -> TraceError:
    return TraceError(f"{user_origin()}: {what} inside a compiled function; {remedy}")
