"""Reverse mode as transforms of functions: ``grad``, ``vjp``, ``jacrev``.

They ride on the tape (or the trace under way), so the function is plain Python, branches on values
included where it runs eagerly. A pullback that is called inside another transform than the one it
was made in (``vmap`` of it, say) is taken from the function's graph instead.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from tinytorch.passes.graph.autodiff import vjp_graph
from tinytorch.tracer.autograd.gradients import gradients
from tinytorch.tracer.func.differentiated import (
    Argnums,
    basis,
    check_argnums,
    freed,
    fresh_trees,
    map_tensors,
    reaches_other,
    replaced,
    tensors_of,
)
from tinytorch.tracer.func.vmap import vmap
from tinytorch.tracer.mode import enable_grad, mode, set_grad_enabled
from tinytorch.tracer.shapes import stack
from tinytorch.tracer.subtrace import Closed, apply_graph, close, example_of
from tinytorch.tracer.tensor import Tensor
from tinytorch.tracer.tree import flatten, unflatten


def grad(func: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False) -> Any:
    """Return a function that computes the gradient of ``func``, whose result is one number.

    ``argnums`` says which positional arguments (trees of tensors) to differentiate for; a tuple of
    them gives a tuple of gradients. With ``has_aux``, ``func`` returns (number, aux) and the new
    function (gradient, aux). Raises RuntimeError for a result of another shape.
    """

    @functools.wraps(func)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        found = _grad_and_value("grad", func, argnums, has_aux, args, kwargs)
        return (found[0], found[1][1]) if has_aux else found[0]

    return gradient


def grad_and_value(func: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False) -> Any:
    """Like ``grad``; the new function returns (gradient, value), the value (number, aux)."""

    @functools.wraps(func)
    def both(*args: Any, **kwargs: Any) -> Any:
        return _grad_and_value("grad_and_value", func, argnums, has_aux, args, kwargs)

    return both


def value_and_grad(func: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False) -> Any:
    """Like ``grad_and_value``, the other way round: (value, gradient)."""

    @functools.wraps(func)
    def both(*args: Any, **kwargs: Any) -> Any:
        slope, value = _grad_and_value("value_and_grad", func, argnums, has_aux, args, kwargs)
        return value, slope

    return both


def _grad_and_value(
    name: str, func: Callable[..., Any], argnums: Argnums, has_aux: bool, args: Any, kwargs: Any
) -> tuple[Any, Any]:
    numbers = check_argnums(argnums, len(args), name)
    with enable_grad():
        trees, aliases = fresh_trees([args[n] for n in numbers], name)
        result = func(*replaced(args, numbers, trees), **kwargs)
        value, aux = _with_aux(name, result) if has_aux else (result, None)
        if not isinstance(value, Tensor):
            raise RuntimeError(
                f"{name}: Expected f(*args) to return a tensor, got {type(value).__name__}"
            )
        if value.ndim:
            raise RuntimeError(
                f"{name}: Expected f(*args) to return a scalar tensor, got tensor with "
                f"{value.ndim} dims. Did you forget to call .sum()?"
            )
        if not value.dtype.is_floating_point:
            raise RuntimeError(f"{name}: the result must be floating point, got {value.dtype}")
    found = _pulled([value], [value.detach().constant(1)], aliases)
    slopes = iter(freed(g, aliases) for g in found)
    results = [map_tensors(lambda _: next(slopes), tree) for tree in trees]
    value = freed(value, aliases)
    whole = (value, map_tensors(lambda x: freed(x, aliases), aux)) if has_aux else value
    return (results[0] if isinstance(argnums, int) else tuple(results)), whole


def _with_aux(name: str, result: Any) -> Any:
    if not isinstance(result, tuple) or len(result) != 2:
        raise RuntimeError(
            f"{name}: output of function f should be a tuple: (output, aux) if has_aux is True"
        )
    return result


def _pulled(
    roots: Sequence[Tensor], seeds: Sequence[Tensor], aliases: Sequence[Tensor]
) -> list[Tensor]:
    """Cotangents of fresh aliases, zeros where nothing flows; history only where needed."""
    pairs = [(x, g) for x, g in zip(roots, seeds, strict=True) if x.requires_grad]
    create = mode.grad and any(
        g.requires_grad or reaches_other(x, aliases) for x, g in pairs
    )
    with set_grad_enabled(create):
        found: list[Tensor | None] = [None] * len(aliases)
        if pairs:
            found = gradients(
                [x for x, _ in pairs], [g for _, g in pairs], aliases, True, create
            )
    return [
        x.detach().constant(0) if g is None else g for x, g in zip(aliases, found, strict=True)
    ]


# ------------------------------------------------------------------------ vjp


def vjp(func: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """Return (output, pullback): cotangents of the output to a tuple of those of the primals.

    Primals and output are trees of tensors. With ``has_aux``, ``func`` returns (output, aux) and
    this (output, pullback, aux). The pullback may be called often, and inside other transforms.
    """
    with enable_grad():
        trees, aliases = fresh_trees(primals, "vjp")
        result = func(*trees)
    output, aux = _with_aux("vjp", result) if has_aux else (result, None)
    roots, structure = _outputs("vjp", output)
    home = mode.trace
    pullback = _Pullback(func, primals, has_aux, roots, structure, aliases, home)
    shown = unflatten(structure, [freed(x, aliases) for x in roots])
    if has_aux:
        return shown, pullback, map_tensors(lambda x: freed(x, aliases), aux)
    return shown, pullback


def _outputs(name: str, output: Any) -> tuple[list[Tensor], Any]:
    leaves, structure = flatten(output)
    for x in leaves:
        if not isinstance(x, Tensor):
            raise RuntimeError(
                f"{name}: Expected f to return only tensors, got unsupported type "
                f"{type(x).__name__}"
            )
    return leaves, structure


class _Pullback:
    """The second result of ``vjp``."""

    def __init__(
        self, func: Callable[..., Any], primals: tuple[Any, ...], has_aux: bool,
        roots: list[Tensor], structure: Any, aliases: list[Tensor], home: Any,
    ) -> None:  # fmt: skip
        self.func = func
        self.primals = primals
        self.has_aux = has_aux
        self.roots = roots
        self.structure = structure
        self.aliases = aliases
        self.home = home
        self.closed: Closed | None = None

    def __call__(self, cotangents: Any) -> tuple[Any, ...]:
        """Cotangents of the primals, from those of the output, of its structure and shapes."""
        seeds, structure = flatten(cotangents)
        if structure != self.structure:
            raise RuntimeError(
                "Expected pytree structure of cotangents to be the same as pytree structure of "
                "outputs to the function"
            )
        for x, g in zip(self.roots, seeds, strict=True):
            if not isinstance(g, Tensor) or g._type.shape != x._type.shape:
                raise RuntimeError(
                    f"the cotangent of an output of {x._type} must be a tensor of its shape, got "
                    f"{getattr(g, '_type', type(g).__name__)}"
                )
        found = iter(self._by_tape(seeds) if mode.trace is self.home else self._by_graph(seeds))
        return tuple(map_tensors(lambda _: next(found), tree) for tree in self.primals)

    def _by_tape(self, seeds: list[Tensor]) -> list[Tensor]:
        found = _pulled(self.roots, seeds, self.aliases)
        return [freed(g, self.aliases) for g in found]

    def _by_graph(self, seeds: list[Tensor]) -> list[Tensor]:
        """From the function's graph, closed over its primals: seeds belong to another trace."""
        leaves, structure = flatten(self.primals)
        closed = close(
            lambda *args: _outputs("vjp", self.func(*args)[0] if self.has_aux else
                                   self.func(*args))[0],
            [example_of(x._type, True) for x in leaves], "vjp", structure,
        )  # fmt: skip
        given = [i for i, x in enumerate(self.roots) if x.dtype.is_floating_point]
        graph, wrt = vjp_graph(closed.graph, given)
        operands = [*leaves, *closed.operands(), *(seeds[i] for i in given)]
        found = dict(zip(wrt, apply_graph(graph, operands), strict=True))
        closed.advance()
        return [found[i] if i in found else x.constant(0) for i, x in enumerate(leaves)]


# --------------------------------------------------------------------- jacrev


def jacrev(
    func: Callable[..., Any], argnums: Argnums = 0, *, has_aux: bool = False,
    chunk_size: int | None = None,
) -> Any:  # fmt: skip
    """Return a function that computes the Jacobian of ``func`` by reverse mode.

    Its result has the structure of ``func``'s output, with for each leaf one of ``argnums``'s
    structure: axes of the output, then axes of the argument. Eagerly there is one backward pass a
    row; inside a trace the rows are one batch, or batches of ``chunk_size``.
    """

    @functools.wraps(func)
    def jacobian(*args: Any, **kwargs: Any) -> Any:
        numbers = check_argnums(argnums, len(args), "jacrev")

        def chosen(*values: Any) -> Any:
            return func(*replaced(args, numbers, values), **kwargs)

        output, pullback, *aux = vjp(chosen, *(args[n] for n in numbers), has_aux=has_aux)
        outputs, structure = _outputs("jacrev", output)
        rows = basis(outputs)
        found = _rows_of(pullback, rows, structure, chunk_size)
        jacobians, start = [], 0
        for y in outputs:
            parts = [
                _blocks(args[n], leaves, start, y) for n, leaves in zip(numbers, found, strict=True)
            ]
            jacobians.append(parts[0] if isinstance(argnums, int) else tuple(parts))
            start += y._type.size
        result = unflatten(structure, jacobians)
        return (result, aux[0]) if has_aux else result

    return jacobian


def _blocks(tree: Any, rows: Sequence[Tensor], start: int, y: Tensor) -> Any:
    """The rows that belong to one output, by leaf of an argument, in its shape."""
    leaves, structure = flatten(tree)
    stop = start + y._type.size
    blocks = [
        r[start:stop].reshape((*y.shape, *x.shape)) for r, x in zip(rows, leaves, strict=True)
    ]
    return unflatten(structure, blocks)


def _rows_of(
    pullback: Any, rows: list[Tensor], structure: Any, chunk_size: int | None
) -> list[list[Tensor]]:
    """The pullback of every row of a basis: for each primal its leaves, rows in front."""
    if mode.trace is not None:
        pulled = vmap(
            lambda *seeds: pullback(unflatten(structure, list(seeds))), chunk_size=chunk_size
        )(*rows)
        return [flatten(tree)[0] for tree in pulled]
    each = [
        [tensors_of(tree, "jacrev")[0] for tree in pullback(unflatten(structure, [
            row[i] for row in rows]))]
        for i in range(int(rows[0].shape[0]))
    ]  # fmt: skip
    if not each:  # an output without elements
        shown = [flatten(tree)[0] for tree in pullback.primals]
        return [[x.detach().constant(0, shape=(0, *x.shape)) for x in leaves] for leaves in shown]
    return [
        [stack(list(column)) for column in zip(*by_primal, strict=True)]
        for by_primal in zip(*each, strict=True)
    ]


__all__ = ["grad", "grad_and_value", "jacrev", "value_and_grad", "vjp"]
