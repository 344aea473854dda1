"""Definitions: the user's functions and methods that ran must be the ones that would run again.

A method may be replaced on its class, or shadowed by an instance; a function may be given other
code or defaults. Each is one comparison before a call.
"""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Iterable, Iterator
from typing import Any

from tinytorch.tracer.checks import MISSING, Check
from tinytorch.tracer.tracked import Tracked
from tinytorch.tracer.usercode import is_own, is_user_class

Definition = tuple[Any, str, Any]
"""An object, the name of an attribute, and the very object that the attribute must be."""

_OWN_METHODS = ("__call__", "forward", "step", "zero_grad", "backward")
"""Methods of tinytorch's own classes that somebody may replace."""


def function_in(item: Any) -> Any:
    """The function behind a method, class method, static method or property."""
    return getattr(item, "__func__", getattr(item, "fget", item))


def found_in(
    seen: Iterable[Any], ran: set[types.CodeType]
) -> tuple[list[Definition], list[Check]]:  # fmt: skip
    """What must stay as it is of the values that a function can see, by what ran."""
    definitions: list[Definition] = []
    checks: list[Check] = []
    kinds: dict[type, None] = {}
    for value in seen:
        if isinstance(value, types.FunctionType):
            definitions += _of_function(value, ran)
            continue
        kind = value if isinstance(value, type) else type(value)
        if issubclass(kind, Tracked) or is_user_class(kind):
            kinds[kind] = None
            checks += _shadowed(value, ran)
    for kind in kinds:
        for item in _of_class(kind, ran):
            (checks if isinstance(item, Check) else definitions).append(item)  # type: ignore[arg-type]
    return definitions, checks


def holds(definition: Definition) -> bool:
    """Whether an attribute still is what it was."""
    owner, name, expected = definition
    return getattr(owner, name, MISSING) is expected


def _of_function(f: types.FunctionType, ran: set[types.CodeType]) -> Iterator[Definition]:
    """Its code, and the defaults it has: given some later, it would still be called without."""
    if f.__code__ not in ran or is_own(f):  # the methods of our dataclasses
        return
    yield f, "__code__", f.__code__
    for name in ("__defaults__", "__kwdefaults__"):
        if getattr(f, name) is not None:
            yield f, name, getattr(f, name)


def _of_class(kind: type, ran: set[types.CodeType]) -> Iterator[Definition | Check]:
    """The methods of a class, its own or inherited, that ran."""
    for name in _methods(kind, ran):
        found = getattr(kind, name, MISSING)
        if found is getattr(kind, name, MISSING) and name.isidentifier():
            yield kind, name, found
        else:  # a class method is bound anew each time
            base = next(b for b in kind.__mro__ if name in vars(b))
            read = functools.partial(vars(base).get, name, MISSING)
            yield Check(f"{base.__name__}.{name}", read, vars(base)[name], True)


def _methods(kind: type, ran: set[types.CodeType]) -> list[str]:
    found: dict[str, None] = {}
    for base in kind.__mro__:
        if not is_user_class(base):
            continue
        for name, item in vars(base).items():
            function = function_in(item)
            if isinstance(function, types.FunctionType):
                codes = {function.__code__, inspect.unwrap(function).__code__}
                if not codes.isdisjoint(ran):
                    found[name] = None
    if issubclass(kind, Tracked):
        held = {name for base in kind.__mro__ for name in vars(base)}
        found.update((name, None) for name in _OWN_METHODS if name in held)
    return list(found)


def _shadowed(value: Any, ran: set[types.CodeType]) -> Iterator[Check]:
    """Checks that an object does not come to hold what its class gave: a method that ran."""
    held = getattr(value, "__dict__", None)
    if held is None or isinstance(value, Tracked | type | types.ModuleType):
        return
    for name in _methods(type(value), ran):
        if name not in held and not name.startswith("__"):
            lacks = functools.partial(held.__contains__, name)
            yield Check(f"{type(value).__name__}.{name}", lacks, False, True)
