"""Forward mode as transforms of functions: ``jvp``, ``linearize``, ``jacfwd``, ``hessian``.

The function is traced into a graph, whose tangents are nodes beside its values; the new graph is
applied op by op, so its results can be differentiated again.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from tinytorch.ir.graph import Graph
from tinytorch.passes.graph.autodiff import differentiable
from tinytorch.passes.graph.autodiff import jvp as push_forward
from tinytorch.passes.graph.rebuild import inline
from tinytorch.tracer.func.differentiated import (
    Argnums,
    basis,
    check_argnums,
    columns_of,
    replaced,
    tensors_of,
)
from tinytorch.tracer.func.reverse import jacrev
from tinytorch.tracer.func.vmap import vmap
from tinytorch.tracer.subtrace import Closed, apply_graph, close, example_of
from tinytorch.tracer.tensor import Tensor
from tinytorch.tracer.tree import flatten, unflatten


def jvp(
    func: Callable[..., Any], primals: tuple[Any, ...], tangents: tuple[Any, ...], *,
    strict: bool = False, has_aux: bool = False,
) -> Any:  # fmt: skip
    """Return (output, its tangent) of ``func`` at primals, for their tangents.

    Both are tuples, one tree of tensors an argument. With ``has_aux``, ``func`` returns (output,
    aux) and this (output, tangent, aux). With ``strict`` an output that does not depend on the
    primals raises RuntimeError. The function must not branch on values (TraceError).
    """
    for name, value in (("primals", primals), ("tangents", tangents)):
        if not isinstance(value, tuple):
            raise RuntimeError(f"jvp(f, primals, tangents): Expected {name} to be a tuple")
    xs, structure = tensors_of(primals, "jvp")
    ts, given = tensors_of(tangents, "jvp")
    if structure != given:
        raise RuntimeError(
            "jvp(f, primals, tangents): Expected primals and tangents to have the same python "
            "structure"
        )
    if not primals:
        raise RuntimeError("jvp(f, primals, tangents): Expected primals to be non-empty")
    for x, t in zip(xs, ts, strict=True):
        if x._type.shape != t._type.shape or x.dtype is not t.dtype:
            raise RuntimeError(
                f"jvp(f, primals, tangents): a tangent of {t._type} does not fit a primal of "
                f"{x._type}"
            )
    pushed = Linear(func, primals, has_aux, strict)
    return pushed.both(xs, ts)


class Linear:
    """A function's graph beside the graph of its tangents."""

    def __init__(
        self, func: Callable[..., Any], primals: tuple[Any, ...], has_aux: bool, strict: bool
    ) -> None:
        self.has_aux = has_aux
        leaves, structure = tensors_of(primals, "jvp")
        self.closed: Closed = close(
            func, [example_of(x._type, True) for x in leaves], "jvp", structure
        )
        self.flowing = [i for i, x in enumerate(leaves) if x.dtype.is_floating_point]
        self.graph = self._graph(strict)

    def _graph(self, strict: bool) -> Graph:
        """Inputs: those of the function, then tangents; outputs, then tangents of floating ones."""
        sub = self.closed.graph
        new = Graph(sub.name)
        new.default_dtype = sub.default_dtype
        operands = [new.add_input(n.type, sub.names.get(n, "")) for n in sub.inputs]
        seeds = [new.add_input(operands[i].type, f"tangent_{i}") for i in self.flowing]
        outputs = inline(new, sub, operands)
        found = push_forward(new, outputs, [operands[i] for i in self.flowing], seeds)
        tangents = []
        for node, t in zip(outputs, found, strict=True):
            if t is None and strict and differentiable(node.type):
                raise RuntimeError(
                    "jvp(f, primals, tangents): The output of f is independent of the inputs, "
                    "which strict=True does not allow"
                )
            tangents.append(
                new.constant(0, node.type.shape, node.type.dtype) if t is None else t
            )
        new.outputs = [*outputs, *tangents]
        return new.freeze()

    def both(self, xs: Sequence[Tensor], ts: Sequence[Tensor]) -> Any:
        """The function's result and its tangent."""
        closed = self.closed
        operands = [*xs, *closed.operands(), *(ts[i] for i in self.flowing)]
        found = apply_graph(self.graph, operands)
        closed.advance()
        count = len(closed.graph.outputs)
        output, tangent = closed.unflatten(found[:count]), closed.unflatten(found[count:])
        if not self.has_aux:
            return output, tangent
        if not isinstance(output, tuple) or len(output) != 2:
            raise RuntimeError(
                "jvp: output of function f should be a tuple: (output, aux) if has_aux is True"
            )
        return output[0], tangent[0], output[1]


def linearize(func: Callable[..., Any], *primals: Any) -> Any:
    """Return (output, push): from tangents of the primals to that of the output.

    The function is traced once.
    """
    linear = Linear(func, primals, False, False)
    xs, structure = tensors_of(primals, "linearize")

    def push(*tangents: Any) -> Any:
        ts, given = tensors_of(tangents, "linearize")
        if given != structure:
            raise RuntimeError("linearize: tangents must have the structure of the primals")
        return linear.both(xs, ts)[1]

    return linear.closed(*xs), push


def jacfwd(
    func: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False, *,
    randomness: str = "error",
) -> Any:  # fmt: skip
    """Return a function that computes the Jacobian of ``func`` by forward mode.

    Its result has the structure of ``func``'s output, with for each leaf one of ``argnums``'s
    structure: axes of the output, then axes of the argument.
    """

    @functools.wraps(func)
    def jacobian(*args: Any, **kwargs: Any) -> Any:
        numbers = check_argnums(argnums, len(args), "jacfwd")
        chosen = tuple(args[n] for n in numbers)
        leaves, structure = tensors_of(chosen, "jacfwd")

        def call(*values: Any) -> Any:
            return func(*replaced(args, numbers, values), **kwargs)

        def push(*row: Tensor) -> Any:
            return jvp(call, chosen, unflatten(structure, list(row)), has_aux=has_aux)

        rows = basis(leaves)
        dims = (None, 0, None) if has_aux else (None, 0)
        found = vmap(push, out_dims=dims, randomness=randomness)(*rows)
        tangents, out_structure = flatten(found[1])
        parts = [columns_of(t, leaves, True) for t in tangents]
        single = isinstance(argnums, int)
        jacobians = []
        for part in parts:
            tree = unflatten(structure, part)
            jacobians.append(tree[0] if single else tree)
        result = unflatten(out_structure, jacobians)
        return (result, found[2]) if has_aux else result

    return jacobian


def hessian(func: Callable[..., Any], argnums: Argnums = 0) -> Any:
    """Return a function that computes second derivatives: forward over reverse mode."""
    return jacfwd(jacrev(func, argnums), argnums)


__all__ = ["hessian", "jacfwd", "jvp", "linearize"]
