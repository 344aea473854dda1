"""``autograd.functional``: Jacobians, Hessians and products with them, of plain functions.

All ride on the tape, so the functions may branch on values where they run eagerly. Inputs and
results are a tensor or a tuple of tensors; ``create_graph`` keeps the results' history;
``strict`` refuses results that do not depend on an input instead of giving zeros.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tinytorch.tracer.autograd.gradients import as_list, grad
from tinytorch.tracer.mode import enable_grad
from tinytorch.tracer.shapes import clone, stack
from tinytorch.tracer.tensor import Tensor

Tensors = Tensor | tuple[Tensor, ...]


def _inputs(inputs: Any, what: str = "inputs") -> list[Tensor]:
    """Aliases of the inputs to differentiate for, connected to what they were computed from."""
    found = []
    for position, x in enumerate(as_list(inputs)):
        if not isinstance(x, Tensor):
            raise TypeError(
                f"The {what} given to autograd.functional must be either a Tensor or a tuple of "
                f"Tensors but the value at index {position} has type {type(x)}."
            )
        found.append(clone(x) if x.requires_grad else x.detach().requires_grad_())
    return found


def _outputs(outputs: Any) -> list[Tensor]:
    found = as_list(outputs)
    for position, y in enumerate(found):
        if not isinstance(y, Tensor):
            raise TypeError(
                "The outputs of the user-provided function must be either a Tensor or a tuple of "
                f"Tensors but the value at index {position} has type {type(y)}."
            )
    return found


def _vectors(v: Any, like: Sequence[Tensor], name: str) -> list[Tensor]:
    if v is None:
        if len(like) != 1 or like[0].numel() != 1:
            raise RuntimeError(
                f"The vector v can only be None if the user-provided function {name} a single "
                "Tensor with a single element."
            )
        return [like[0].detach().constant(1)]
    given = as_list(v)
    if len(given) != len(like):
        raise RuntimeError(f"v has {len(given)} tensors, expected {len(like)}")
    for x, y in zip(given, like, strict=True):
        if x.shape != y.shape:
            raise RuntimeError(f"v has size {list(x.shape)}, expected {list(y.shape)}")
    return given


def _gradients(
    outputs: Sequence[Tensor], inputs: Sequence[Tensor], seeds: Sequence[Tensor],
    create_graph: bool, strict: bool,
) -> list[Tensor]:  # fmt: skip
    """Gradients of outputs, zeros where there is no dependence (refused if ``strict``)."""
    pairs = [(y, g) for y, g in zip(outputs, seeds, strict=True) if y.requires_grad]
    if strict and len(pairs) < len(outputs):
        raise RuntimeError(
            "The output of the user-provided function is independent of the input. This is not "
            "allowed in strict mode."
        )
    found: Sequence[Tensor | None] = [None] * len(inputs)
    if pairs:
        found = grad(
            [y for y, _ in pairs], list(inputs), [g for _, g in pairs], retain_graph=True,
            create_graph=create_graph, allow_unused=True,
        )  # fmt: skip
    if strict and any(g is None for g in found):
        raise RuntimeError(
            "An output of the user-provided function is independent of an input. This is not "
            "allowed in strict mode."
        )
    return [
        x.detach().constant(0) if g is None else g for x, g in zip(inputs, found, strict=True)
    ]


def _finish(found: Sequence[Tensor], create_graph: bool, like: Any) -> Any:
    results = list(found) if create_graph else [g.detach() for g in found]
    return tuple(results) if isinstance(like, tuple | list) else results[0]


def _called(func: Callable[..., Any], xs: Sequence[Tensor]) -> tuple[Any, list[Tensor]]:
    result = func(*xs)
    return result, _outputs(result)


def vjp(
    func: Callable[..., Any], inputs: Tensors, v: Any = None, create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:  # fmt: skip
    """Return (outputs, vector-Jacobian product with ``v``, of the outputs' shapes)."""
    with enable_grad():
        xs = _inputs(inputs)
        result, ys = _called(func, xs)
        found = _gradients(ys, xs, _vectors(v, ys, "returns"), create_graph, strict)
    return _finish(ys, create_graph, result), _finish(found, create_graph, inputs)


def jvp(
    func: Callable[..., Any], inputs: Tensors, v: Any = None, create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:  # fmt: skip
    """Return (outputs, Jacobian-vector product with ``v``, of the inputs' shapes).

    Two reverse passes: the first is linear in its seed, whose derivative is the product.
    """
    with enable_grad():
        xs = _inputs(inputs)
        vectors = _vectors(v, xs, "has")
        result, ys = _called(func, xs)
        seeds = [(y.detach() * 0).requires_grad_() for y in ys]
        pulled = _gradients(ys, xs, seeds, True, strict)
        found = _gradients(pulled, seeds, vectors, create_graph, False)
    return _finish(ys, create_graph, result), _finish(found, create_graph, result)


def jacobian(
    func: Callable[..., Any], inputs: Tensors, create_graph: bool = False, strict: bool = False,
    vectorize: bool = False, strategy: str = "reverse-mode",
) -> Any:  # fmt: skip
    """Return the Jacobian of ``func``: axes of an output, then of an input.

    Tuples of inputs and of outputs nest, outputs outside. One backward pass a row; ``vectorize``
    and ``strategy`` are accepted for PyTorch's sake (see ``tinytorch.func`` for both).
    """
    with enable_grad():
        xs = _inputs(inputs)
        result, ys = _called(func, xs)
        blocks = [_jacobian_rows(y, xs, create_graph, strict) for y in ys]
    by_output = [_finish(row, create_graph, inputs) for row in blocks]
    return tuple(by_output) if isinstance(result, tuple | list) else by_output[0]


def _jacobian_rows(
    y: Tensor, xs: Sequence[Tensor], create_graph: bool, strict: bool
) -> list[Tensor]:
    flat = y.reshape(-1)
    rows = [
        _gradients([flat[i]], xs, [flat[i].detach().constant(1)], create_graph, strict)
        for i in range(y.numel())
    ]
    if not rows:
        return [x.detach().constant(0, shape=(*y.shape, *x.shape)) for x in xs]
    return [
        stack(list(column)).reshape((*y.shape, *x.shape))
        for x, column in zip(xs, zip(*rows, strict=True), strict=True)
    ]


def _number(func: Callable[..., Any]) -> Callable[..., Tensor]:
    """The function, whose result must be one number."""

    def run(*xs: Tensor) -> Tensor:
        y = func(*xs)
        if not isinstance(y, Tensor) or y.numel() != 1:
            raise RuntimeError(
                "The Tensor returned by the function given to hessian should contain a single "
                "element"
            )
        return y.reshape(())

    return run


def hessian(
    func: Callable[..., Any], inputs: Tensors, create_graph: bool = False, strict: bool = False,
    vectorize: bool = False, outer_jacobian_strategy: str = "reverse-mode",
) -> Any:  # fmt: skip
    """Return the second derivatives of a function that gives one number."""
    several = isinstance(inputs, tuple | list)

    def slope(*xs: Tensor) -> tuple[Tensor, ...]:
        found = jacobian(_number(func), tuple(xs), create_graph=True, strict=strict)
        return tuple(found)

    found = jacobian(slope, tuple(as_list(inputs)), create_graph=create_graph, strict=strict)
    return found if several else found[0][0]


def vhp(
    func: Callable[..., Any], inputs: Tensors, v: Any = None, create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:  # fmt: skip
    """Return (value, vector-Hessian product) of a function that gives one number."""
    with enable_grad():
        xs = _inputs(inputs)
        vectors = _vectors(v, xs, "has")
        y = _number(func)(*xs)
        slopes = _gradients([y], xs, [y.detach().constant(1)], True, strict)
        found = _gradients(slopes, xs, vectors, create_graph, strict)
    return _finish([y], create_graph, None), _finish(found, create_graph, inputs)


def hvp(
    func: Callable[..., Any], inputs: Tensors, v: Any = None, create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:  # fmt: skip
    """Return (value, Hessian-vector product); the Hessian is symmetric, so it is ``vhp``."""
    return vhp(func, inputs, v, create_graph, strict)


__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]
