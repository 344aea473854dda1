"""Backward hooks of modules: functions that see the gradients of a module's inputs and outputs.

A custom function on the inputs and one on the outputs hand everything on unchanged; their
backwards meet the gradients on the way in and out of the module. Eager alone.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from tinytorch.errors import TraceError
from tinytorch.tracer.autograd.function import Function
from tinytorch.tracer.mode import is_grad_enabled, mode, user_origin
from tinytorch.tracer.tensor import Tensor

Hooks = list[Callable[..., Any]]


class _Gate(Function):
    """The identity on some tensors; in the backward, what ``passing`` makes of their gradients."""

    @staticmethod
    def forward(ctx: Any, passing: Callable[..., Any], *tensors: Tensor) -> tuple[Tensor, ...]:
        """Hand tensors on."""
        ctx.passing = passing
        return tensors

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Any, ...]:
        """Show the gradients, and hand on what comes back."""
        return (None, *ctx.passing(grads))


class BackwardHooks:
    """The hooks of one call of a module."""

    def __init__(self, module: Any, before: Hooks, after: Hooks) -> None:
        if mode.trace is not None:
            raise TraceError(
                f"{user_origin()}: a backward hook of {type(module).__name__} inside a compiled "
                "function: hooks on gradients run in eager code alone; remove the hook, or compute "
                "on the gradient that tinytorch.autograd.grad returns"
            )
        self.module, self.before, self.after = module, before, after
        self.count = 0
        self.watched = False
        self.grad_outputs: Any = None

    def inputs(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """The arguments, watched."""
        self.count = len(args)
        if not self.after:
            return args
        seen, self.watched = _through(self._left, args)
        return seen

    def outputs(self, result: Any) -> Any:
        """The result, watched: tensors in a tuple, or one tensor."""
        if isinstance(result, tuple):
            values, _ = _through(self._entered, result)
            fields = getattr(type(result), "_fields", None)
            return type(result)(*values) if fields else values
        return _through(self._entered, (result,))[0][0]

    def _entered(self, grads: tuple[Any, ...]) -> tuple[Any, ...]:
        for hook in self.before:
            given = hook(self.module, grads)
            if given is not None:
                given = given if isinstance(given, tuple) else (given,)
                if len(given) != len(grads):
                    raise RuntimeError(
                        "Backward pre hook returned an invalid number of grad_output, got "
                        f"{len(given)}, but expected {len(grads)}"
                    )
                grads = given
        self.grad_outputs = grads
        if self.after and not self.watched:
            self._without_inputs()
        return grads

    def _without_inputs(self) -> None:
        warnings.warn(
            "Full backward hook is firing when gradients are computed with respect to module "
            "outputs since no inputs require gradients.",
            stacklevel=2,
        )
        for hook in self.after:
            given = hook(self.module, (None,) * self.count, self.grad_outputs)
            nothing = isinstance(given, tuple) and all(g is None for g in given)
            if given is not None and not nothing:
                raise RuntimeError(
                    "Backward hook for Modules where no input requires gradient should always "
                    "return None or None for all gradients."
                )
        self.grad_outputs = None

    def _left(self, grads: tuple[Any, ...]) -> tuple[Any, ...]:
        if self.grad_outputs is None:  # the gradient did not come through the outputs
            return grads
        for hook in self.after:
            given = hook(self.module, grads, self.grad_outputs)
            if given is not None:
                given = given if isinstance(given, tuple) else (given,)
                if len(given) != len(grads):
                    raise RuntimeError(
                        "Backward hook returned an invalid number of grad_input, got "
                        f"{len(given)}, but expected {len(grads)}"
                    )
                grads = given
        self.grad_outputs = None
        return grads


def _through(
    passing: Callable[..., Any], values: tuple[Any, ...]
) -> tuple[tuple[Any, ...], bool]:
    """Put tensors among some values through a gate; whether there is one that wants a gradient."""
    places = [i for i, v in enumerate(values) if isinstance(v, Tensor)]
    if not is_grad_enabled() or not any(values[i].requires_grad for i in places):
        return values, False

    def shown(grads: tuple[Any, ...]) -> tuple[Any, ...]:
        row: list[Any] = [None] * len(values)
        for place, grad in zip(places, grads, strict=True):
            row[place] = grad if values[place].requires_grad else None
        row = list(passing(tuple(row)))
        return tuple(row[place] for place in places)

    found = list(values)
    for place, tensor in zip(places, _Gate.apply(shown, *(values[i] for i in places)), strict=True):
        found[place] = tensor
    return tuple(found), True
