"""Hooks: functions that a module calls around ``forward``, ``state_dict`` and loading.

Inside a compiled function forward hooks are traced like any other code: what they compute is
compiled, and a side effect of Python's is refused.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from tinytorch.nn.backward_hook import BackwardHooks
from tinytorch.nn.tree import Tree
from tinytorch.tracer.hooks import RemovableHandle
from tinytorch.tracer.tracked import touch

_numbers = itertools.count()


class Hook(NamedTuple):
    """A function with the moment at which it is called."""

    kind: str
    function: Callable[..., Any]
    with_kwargs: bool = False
    always_call: bool = False


class Hooked(Tree):
    """A module that calls hooks."""

    def _hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        if "_hooks" not in self.__dict__:
            raise AttributeError("cannot register a hook before Module.__init__() call")
        self._check_writable("hooks")
        number = next(_numbers)
        later = dict(self._hooks) if prepend else {}
        for other in later:
            del self._hooks[other]
        self._hooks.update({number: hook, **later})
        touch()
        return RemovableHandle(self._hooks, number)

    def _hooks_of(self, kind: str) -> Iterator[Hook]:
        """Hooks of a kind, in order; they may remove themselves while they run."""
        return (hook for hook in list(self._hooks.values()) if hook.kind == kind)

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, args)`` before ``forward``; what it returns replaces the arguments.

        With ``with_kwargs`` it is called as ``hook(module, args, kwargs)`` and returns None or a
        pair of both.
        """
        return self._hook(Hook("before", hook, with_kwargs), prepend)

    def register_forward_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False,
        always_call: bool = False,
    ) -> RemovableHandle:  # fmt: skip
        """Call ``hook(module, args, result)`` after ``forward``; what it returns is the result.

        With ``with_kwargs`` it is called as ``hook(module, args, kwargs, result)``; with
        ``always_call`` also when ``forward`` raises, with the result None.
        """
        return self._hook(Hook("after", hook, with_kwargs, always_call), prepend)

    def register_full_backward_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, grad_output)`` before a backward pass enters this module.

        What it returns, unless None, takes the gradients' place. Eager alone.
        """
        return self._hook(Hook("entering", hook), prepend)

    def register_full_backward_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, grad_input, grad_output)`` once both gradients are known.

        ``grad_input`` has an entry for each positional argument, None for those without gradient;
        what the hook returns, unless None, takes its place. Eager alone.
        """
        return self._hook(Hook("leaving", hook), prepend)

    def register_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(module, prefix, keep_vars)`` before this module's part of state_dict."""
        return self._hook(Hook("saving", hook))

    def register_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(module, state_dict, prefix, local_metadata)`` after state_dict."""
        return self._hook(Hook("saved", hook))

    def register_load_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call a hook before this module's part of ``load_state_dict``; it may edit the dict.

        Arguments: module, state_dict, prefix, local_metadata, strict, missing_keys,
        unexpected_keys, error_msgs.
        """
        return self._hook(Hook("loading", hook))

    def register_load_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(module, incompatible_keys)`` after loading; it may edit the lists of keys."""
        return self._hook(Hook("loaded", hook))

    def _backward_hooks(self) -> BackwardHooks | None:
        before = [hook.function for hook in self._hooks_of("entering")]
        after = [hook.function for hook in self._hooks_of("leaving")]
        return BackwardHooks(self, before, after) if before or after else None

    def _run_hooked(self, forward: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Run ``forward`` with its hooks around it."""
        done: list[Hook] = []
        result: Any = None
        try:
            for hook in self._hooks_of("before"):
                args, kwargs = _replaced(hook, self, args, kwargs)
            gates = self._backward_hooks()
            args = args if gates is None else gates.inputs(args)
            result = forward(*args, **kwargs)
            for hook in self._hooks_of("after"):
                done.append(hook)
                given = hook.function(self, *_shown(hook, args, kwargs), result)
                result = result if given is None else given
            return result if gates is None else gates.outputs(result)
        except Exception:
            for hook in self._hooks_of("after"):
                if hook.always_call and not any(hook is d for d in done):
                    self._run_anyway(hook, args, kwargs, result)
            raise

    def _run_anyway(self, hook: Hook, args: Any, kwargs: Any, result: Any) -> None:
        try:
            hook.function(self, *_shown(hook, args, kwargs), result)
        except Exception as error:
            warnings.warn(
                "module forward hook with ``always_call=True`` raised an exception that was "
                f"silenced as another error was raised in forward: {error}",
                stacklevel=3,
            )


def _shown(hook: Hook, args: Any, kwargs: Any) -> tuple[Any, ...]:
    return (args, kwargs) if hook.with_kwargs else (args,)


def _replaced(hook: Hook, module: Any, args: Any, kwargs: Any) -> tuple[Any, Any]:
    """Arguments after a hook that runs before ``forward``."""
    given = hook.function(module, *_shown(hook, args, kwargs))
    if given is None:
        return args, kwargs
    if not hook.with_kwargs:
        return given if isinstance(given, tuple) else (given,), kwargs
    if not (isinstance(given, tuple) and len(given) == 2):
        raise RuntimeError(
            "forward pre-hook must return None or a tuple of (new_args, new_kwargs), but got "
            f"{given}."
        )
    return given
