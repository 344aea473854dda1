"""Checks of derivatives against differences, and the differences themselves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinytorch.tracer.autograd.gradients import as_list, grad
from tinytorch.tracer.mode import no_grad
from tinytorch.tracer.noise import randn
from tinytorch.tracer.tensor import Tensor


class GradcheckError(RuntimeError):
    """A derivative that differs from what differences give."""


def numerical_diff(f: Callable[[Any], Any], x: Any, eps: float = 1e-4) -> Any:
    """Return (f(x + eps) - f(x - eps)) / (2 eps), by central differences.

    All elements of ``x`` (a tensor or a number) move together, so for an elementwise ``f`` this is
    its derivative at each of them. Returns what ``f`` returns, detached.
    """
    with no_grad():
        return (f(x + eps) - f(x - eps)) / (2 * eps)


def gradcheck(
    func: Callable[..., Any], inputs: Any, *, eps: float = 1e-6, atol: float = 1e-5,
    rtol: float = 1e-3, raise_exception: bool = True, nondet_tol: float = 0.0,
    check_undefined_grad: bool = True, check_grad_dtypes: bool = False,
) -> bool:  # fmt: skip
    """Compare the gradients of ``func`` with central differences of step ``eps``.

    Every input tensor that requires gradients (float64, or the step drowns in rounding) is checked
    against every floating output, element by element, to ``atol + rtol * |numerical|``; the
    backward pass must give equal results twice up to ``nondet_tol``, and zero for a zero
    cotangent. Returns True; else raises GradcheckError, or returns False without
    ``raise_exception``. Raises ValueError if no input requires gradients.
    """
    arguments = as_list(inputs)
    checked = [x for x in arguments if isinstance(x, Tensor) and x.requires_grad]
    if not checked:
        raise ValueError(
            "gradcheck expects at least one input tensor to require gradient, but none of the "
            "inputs have requires_grad=True"
        )
    try:
        for x in checked:
            if 0 in x._strides and x.numel() > 1:
                raise GradcheckError(
                    "an input has overlapping memory (an expanded view): its elements cannot be "
                    "moved one at a time; clone() it"
                )
        _compare(func, arguments, checked, eps, atol, rtol, nondet_tol)
        if check_undefined_grad:
            _zero_cotangents(func, arguments, checked)
        if check_grad_dtypes:
            _same_dtypes(func, arguments, checked)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def gradgradcheck(
    func: Callable[..., Any], inputs: Any, grad_outputs: Any = None, *, eps: float = 1e-6,
    atol: float = 1e-5, rtol: float = 1e-3, gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True, nondet_tol: float = 0.0, check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
) -> bool:  # fmt: skip
    """``gradcheck`` of the gradients of ``func``, as functions of inputs and cotangents.

    ``grad_outputs`` are the cotangents, random ones if left out; see ``gradcheck`` for the rest.
    """
    arguments = as_list(inputs)
    outputs = _floating(func(*arguments))
    if grad_outputs is None:
        seeds = [randn(tuple(y.shape), dtype=y.dtype).requires_grad_() for y in outputs]
    else:
        seeds = as_list(grad_outputs)
    count = len(arguments)
    checked = [i for i, x in enumerate(arguments) if isinstance(x, Tensor) and x.requires_grad]

    def gradients(*values: Any) -> tuple[Tensor, ...]:
        given, cotangents = values[:count], values[count:]
        found = grad(
            _floating(func(*given)), [given[i] for i in checked], list(cotangents),
            create_graph=True, allow_unused=True, materialize_grads=True,
        )  # fmt: skip
        return tuple(g for g in found if g is not None and g.requires_grad)

    if not gradients(*arguments, *seeds):
        return True  # linear in nothing that could be differentiated
    return gradcheck(
        gradients, (*arguments, *seeds), eps=eps, atol=atol, rtol=rtol,
        raise_exception=raise_exception, nondet_tol=nondet_tol,
        check_undefined_grad=check_undefined_grad, check_grad_dtypes=check_grad_dtypes,
    )  # fmt: skip


def _floating(outputs: Any) -> list[Tensor]:
    """The outputs that carry gradients."""
    return [
        y for y in as_list(outputs)
        if isinstance(y, Tensor) and y.dtype.is_floating_point and y.requires_grad
    ]  # fmt: skip


def _compare(
    func: Callable[..., Any], arguments: list[Any], checked: list[Tensor], eps: float,
    atol: float, rtol: float, nondet_tol: float,
) -> None:  # fmt: skip
    outputs = _floating(func(*arguments))
    numeric = [_numerical(func, arguments, x, eps, len(outputs)) for x in checked]
    for j, y in enumerate(outputs):
        analytic = _analytical(y, checked)
        again = _analytical(y, checked)
        for i in range(len(checked)):
            if np.abs(analytic[i] - again[i]).max(initial=0.0) > nondet_tol:
                raise GradcheckError(
                    f"Backward is not reentrant: two passes from output {j} to input {i} differ "
                    f"by more than {nondet_tol}"
                )
            want = numeric[i][j]
            if not np.allclose(analytic[i], want, rtol, atol, equal_nan=False):
                raise GradcheckError(
                    f"Jacobian mismatch for output {j} with respect to input {i},\n"
                    f"numerical:{want}\nanalytical:{analytic[i]}\n"
                )


def _numerical(
    func: Callable[..., Any], arguments: list[Any], x: Tensor, eps: float, count: int
) -> list[np.ndarray]:
    """Jacobians of the outputs with respect to x, (elements of x, elements of an output)."""
    array = x.detach().array

    def at(index: tuple[int, ...], value: Any) -> list[np.ndarray]:
        kept = array[index]
        array[index] = value
        try:
            with_history = _floating(func(*arguments))
        finally:
            array[index] = kept
        return [y.detach().array.astype(np.float64).reshape(-1).copy() for y in with_history]

    rows: list[list[np.ndarray]] = [[] for _ in range(count)]
    for index in np.ndindex(array.shape):
        high, low = at(index, array[index] + eps), at(index, array[index] - eps)
        for row, a, b in zip(rows, high, low, strict=True):
            row.append((a - b) / (2 * eps))
    outputs = _floating(func(*arguments))
    return [
        np.array(row).reshape(array.size, y.numel())
        for row, y in zip(rows, outputs, strict=True)
    ]


def _analytical(y: Tensor, checked: list[Tensor]) -> list[np.ndarray]:
    """The same Jacobians by backward passes from each element of an output."""
    found = [np.zeros((x.numel(), y.numel())) for x in checked]
    for position in range(y.numel()):
        seed = np.zeros(y.numel(), y.dtype.numpy)
        seed[position] = 1
        cotangent = Tensor.wrap(seed.reshape(tuple(y.shape)))
        columns = grad(y, checked, cotangent, retain_graph=True, allow_unused=True)
        for i, g in enumerate(columns):
            if g is not None:
                if g.shape != checked[i].shape:
                    raise GradcheckError(
                        f"backward gave a gradient of shape {list(g.shape)} for an input of shape "
                        f"{list(checked[i].shape)}"
                    )
                found[i][:, position] = g.detach().array.reshape(-1)
    return found


def _zero_cotangents(
    func: Callable[..., Any], arguments: list[Any], checked: Sequence[Tensor]
) -> None:
    outputs = _floating(func(*arguments))
    if not outputs:
        return
    zeros = [y.detach() * 0 for y in outputs]
    found = grad(outputs, list(checked), zeros, allow_unused=True)
    for g in found:
        if g is not None and bool((g.detach().array != 0).any()):
            raise GradcheckError("backward not multiplied by grad_output")


def _same_dtypes(
    func: Callable[..., Any], arguments: list[Any], checked: Sequence[Tensor]
) -> None:
    for y in _floating(func(*arguments)):
        for x, g in zip(
            checked, grad(y, list(checked), y.detach() * 0, retain_graph=True, allow_unused=True),
            strict=True,
        ):  # fmt: skip
            if g is not None and g.dtype is not x.dtype:
                raise GradcheckError(f"Gradient has dtype {g.dtype}, its input {x.dtype}")

