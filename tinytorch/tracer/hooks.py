"""Hooks: Python functions that see gradients on their way, and ``retain_grad``. Eager alone."""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable
from typing import Any

from tinytorch.errors import TraceError
from tinytorch.tracer.mode import mode, set_grad_enabled, user_origin
from tinytorch.tracer.tape import RETAIN
from tinytorch.tracer.tensor import Tensor
from tinytorch.tracer.tracked import hooking, touch

_numbers = itertools.count()


class RemovableHandle:
    """Takes a hook away again: ``remove()``, or leaving its ``with`` block."""

    def __init__(self, hooks: dict[int, Any], number: int) -> None:
        self._hooks = hooks
        self.id = number

    def remove(self) -> None:
        """Take the hook away; once more does nothing."""
        if self._hooks.pop(self.id, None) is not None:
            touch()

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exc: object) -> None:
        self.remove()


class LeafHooks:
    """The hooks of one leaf: on its gradient, and after the gradient was accumulated."""

    def __init__(self) -> None:
        self.on_gradient: dict[int, Any] = {}
        self.after: dict[int, Any] = {}

    def __bool__(self) -> bool:
        return bool(self.on_gradient or self.after)

    def run(self, g: Tensor, create_graph: bool) -> Tensor:
        """Hand a gradient from hook to hook."""
        for hook in list(self.on_gradient.values()):
            g = _hooked(hook, g, create_graph)
        return g

    def run_after(self, leaf: Tensor) -> None:
        """Call the hooks that come after accumulation."""
        for hook in list(self.after.values()):
            hook(leaf)


def _hooked(hook: Callable[[Tensor], Any], g: Tensor, create_graph: bool) -> Tensor:
    with set_grad_enabled(create_graph):
        new = hook(g)
    if new is None:
        return g
    if not isinstance(new, Tensor):
        raise TypeError(f"expected Tensor, but hook returned '{type(new).__name__}'")
    if new._type != g._type:
        raise RuntimeError(
            f"hook '{getattr(hook, '__name__', hook)}' has changed the size or type of value: a "
            f"gradient of {g._type} became {new._type}"
        )
    return new


def _check(x: Tensor, what: str) -> None:
    if mode.trace is not None or x._array is None:
        raise TraceError(
            f"{user_origin()}: {what} inside a compiled function: hooks run in eager code alone; "
            "compute on the gradient that tinytorch.autograd.grad returns"
        )


def _leaf_hooks(x: Tensor) -> LeafHooks:
    found = getattr(x, "_hooks", None)
    if found is None:
        found = x._hooks = LeafHooks()
        hooking.value += 1
    touch()
    return found


def _on_node(hook: Callable[[Tensor], Any]) -> Callable[[Any, bool], Any]:
    """A hook as the tape calls it: on an array, or on a tensor with history."""

    def run(value: Any, create_graph: bool) -> Any:
        if create_graph:
            return _hooked(hook, value, True)
        return _hooked(hook, Tensor.wrap(value), False).array

    return run


def register_hook(self: Tensor, hook: Callable[[Tensor], Any]) -> RemovableHandle:
    """Call ``hook(grad)`` in every backward pass, with this tensor's whole gradient.

    What it returns, unless None, takes the gradient's place. Raises RuntimeError for a tensor that
    requires no gradient, TraceError inside a compiled function.
    """
    _check(self, "register_hook()")
    if not self.requires_grad:
        raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
    number = next(_numbers)
    tape = self.tape
    if tape is None:
        hooks = _leaf_hooks(self).on_gradient
        hooks[number] = hook
    else:
        hooks = tape.hooks = {} if tape.hooks is None else tape.hooks
        hooks[number] = _on_node(hook)
    return RemovableHandle(hooks, number)


def register_post_accumulate_grad_hook(
    self: Tensor, hook: Callable[[Tensor], None]
) -> RemovableHandle:
    """Call ``hook(leaf)`` after every time that a backward pass added to ``leaf.grad``."""
    _check(self, "register_post_accumulate_grad_hook()")
    if not self.requires_grad:
        raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
    if self.tape is not None:
        raise RuntimeError("post accumulate grad hooks cannot be registered on non-leaf tensors")
    hooks = _leaf_hooks(self).after
    number = next(_numbers)
    hooks[number] = hook
    return RemovableHandle(hooks, number)


def retain_grad(self: Tensor) -> None:
    """Let backward passes keep this tensor's gradient in ``grad`` though it is no leaf."""
    if not self.requires_grad:
        raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
    if mode.trace is not None:
        mode.trace.retain_grad(self)
        return
    tape = self.tape
    if tape is None or RETAIN in (tape.hooks or {}):
        return
    kept = weakref.ref(self)

    def keep(value: Any, create_graph: bool) -> Any:
        tensor = kept()
        if tensor is not None:
            g = value if create_graph else Tensor.wrap(value.copy())
            tensor._grad = g if tensor._grad is None else tensor._grad + g
        return value

    tape.hooks = {} if tape.hooks is None else tape.hooks
    tape.hooks[RETAIN] = keep


def _retains_grad(self: Tensor) -> bool:
    """Whether ``retain_grad`` was called on this tensor, which is no leaf."""
    if mode.trace is not None:
        return mode.trace.retains_grad(self)
    tape = self.tape
    return tape is not None and RETAIN in (tape.hooks or {})


def has_hooks(x: Tensor) -> bool:
    """Whether a hook is registered on a leaf."""
    return bool(getattr(x, "_hooks", None))


METHODS = ("register_hook", "register_post_accumulate_grad_hook", "retain_grad")
PROPERTIES = {"retains_grad": property(_retains_grad)}
