"""Reach: everything outside a function that it can see, as checks that nothing has changed.

Operator overloading sees tensors, not reads of globals, closures and attributes. So before a
trace everything reachable by name from the function is listed; what belongs to code that ran
becomes a check made before every later call, and what changed during the trace is a side effect
that a replay would lose.

An attribute counts as reachable if some reachable code names it: a trainer's history of losses,
which only a report reads, does not trace a step again.
"""

from __future__ import annotations

import array
import builtins
import functools
import random
import types
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinytorch.tracer.checks import (
    CONTAINERS,
    MISSING,
    PRIMITIVE,
    Check,
    Codes,
    Snapshot,
    Variable,
    attributes_of,
    items_of,
    same_items,
)
from tinytorch.tracer.definitions import function_in
from tinytorch.tracer.tensor import Tensor
from tinytorch.tracer.tracked import OWN_TABLES, Tracked, TrackedDict, TrackedList
from tinytorch.tracer.usercode import (
    globals_in,
    is_own,
    is_reflective,
    is_user_class,
    is_user_file,
    is_user_module,
    names_in,
    strings_in,
)

CAP = 2000
"""Most items of one container, and most values in all, that are looked at."""

_FROZEN = "its content would be frozen at the first call: pass it (as a tensor) as an argument"


@dataclass
class Suspect:
    """A captured value that cannot be watched; an error if code that sees it runs."""

    text: str
    what: str
    codes: Codes

    def concerns(self, ran: set[types.CodeType]) -> bool:
        """Whether code that ran can see this."""
        return self.codes is None or not self.codes.isdisjoint(ran)


@dataclass
class Reach:
    """What a function can see."""

    checks: list[Check] = field(default_factory=list)
    snapshots: list[Snapshot] = field(default_factory=list)
    tracked: list[Any] = field(default_factory=list)
    """Tracked objects and tensors: a change of what they are moves the epoch."""
    suspects: list[Suspect] = field(default_factory=list)
    generators: list[Any] = field(default_factory=list)
    codes: set[types.CodeType] = field(default_factory=set)
    _seen: dict[int, Any] = field(default_factory=dict)
    _named: dict[str, set[types.CodeType]] = field(default_factory=dict)
    _strings: dict[str, set[types.CodeType]] = field(default_factory=dict)
    _reflective: set[types.CodeType] = field(default_factory=set)
    _owners: list[tuple[str, Any]] = field(default_factory=list)
    _placed: set[tuple[int, str]] = field(default_factory=set)

    @property
    def seen(self) -> list[Any]:
        """Every value that was looked at."""
        return list(self._seen.values())

    @property
    def mutable_ids(self) -> set[int]:
        """Ids of the mutable objects that were there before the trace."""
        return {id(s.target) for s in self.snapshots}

    def restore(self) -> None:
        """Put back whatever Python state was changed since the reach was listed."""
        for snapshot in self.snapshots:
            if snapshot.changed():
                snapshot.restore()
        for check in self.checks:
            if check.write is not None and not check.holds():
                check.restore()

    # ------------------------------------------------------------ functions

    def function(self, f: types.FunctionType, text: str) -> None:
        """Look at a user function's closure, defaults and the globals it names."""
        code = f.__code__
        if not is_user_file(code.co_filename):
            return
        self._seen[id(f)] = f
        self.codes.add(code)
        seers = {code}
        for name in names_in(code):
            self._named.setdefault(name, set()).add(code)
        if is_reflective(code):
            self._reflective.add(code)
            for name in strings_in(code):
                self._strings.setdefault(name, set()).add(code)
        for name, cell in zip(code.co_freevars, f.__closure__ or (), strict=True):
            shown = f"{name} (closure of {f.__name__})"
            variable = Variable(cell)
            self._place(shown, variable, seers, variable.write, absent=True)
        for number, default in enumerate(f.__defaults__ or ()):
            self.value(default, f"default {number} of {f.__name__}", seers)
        if f.__kwdefaults__:
            self._container(f.__kwdefaults__, f"keyword defaults of {f.__name__}", seers)
        for name in globals_in(code):
            variable = Variable(f.__globals__, name)
            self._place(name, variable, seers, variable.write, absent=not hasattr(builtins, name))
        if f.__dict__:
            self._owners.append((f.__name__, f))

    def _place(
        self, text: str, read: Callable[[], Any], codes: Codes,
        write: Callable[[Any], None] | None = None, absent: bool = False,
    ) -> None:  # fmt: skip
        """A named place: its value must stay, or stay the same object, or stay away."""
        value = read()
        if value is MISSING and not absent:
            return
        identical = not isinstance(value, PRIMITIVE)
        self.checks.append(Check(text, read, value, identical, codes, write))
        if value is not MISSING:
            self.value(value, text, codes)

    # --------------------------------------------------------------- values

    def value(self, value: Any, text: str, codes: Codes) -> None:
        """Look at a value and what can be reached from it."""
        if isinstance(value, PRIMITIVE) or id(value) in self._seen:
            return
        if len(self._seen) > CAP:
            self.suspects.append(Suspect(
                text, f"one of more than {CAP} values that can be reached from the compiled "
                "function; pass what it needs as arguments", codes,
            ))  # fmt: skip
            return
        self._seen[id(value)] = value
        if isinstance(value, Tensor):
            self.tracked.append(value)
        elif isinstance(value, Tracked):
            self._tracked(value, text, codes)
        elif isinstance(value, types.FunctionType):
            self.function(value, text)
        elif isinstance(value, types.MethodType):
            self.value(value.__func__, text, codes)
            self.value(value.__self__, text, codes)
        elif isinstance(value, types.BuiltinMethodType):
            if not isinstance(value.__self__, types.ModuleType | type):
                self.value(value.__self__, text, codes)
        elif isinstance(value, functools.partial):
            self._container(value.keywords, f"{text}.keywords", codes)
            for part in (value.func, *value.args):
                self.value(part, text, codes)
        elif isinstance(value, types.ModuleType):
            if is_user_module(value):
                self._owners.append((text, value))
        elif isinstance(value, type):
            self._class(value, text)
        else:
            self._object(value, text, codes)

    def _tracked(self, value: Tracked, text: str, codes: Codes) -> None:
        """Attributes of modules and optimizers move the epoch; those of their class do not."""
        self.tracked.append(value)
        for name, item in list(value.__dict__.items()):
            if isinstance(item, dict | list | tuple):
                for part in item.values() if isinstance(item, dict) else item:
                    if isinstance(part, Tracked | Tensor):
                        self.value(part, f"{text}.{name}", codes)
        for hook in value.__dict__.get("_hooks", {}).values():
            self.value(hook, f"a hook of {text}", None)
        self._class(type(value), text)
        self._owners.append((text, value))

    def _class(self, kind: type, text: str) -> None:
        """Look at a user's class and the user's classes under it."""
        for base in kind.__mro__:
            if is_user_class(base) and (id(base), "") not in self._placed:
                self._placed.add((id(base), ""))
                self._owners.append((base.__name__, base))
                for item in list(vars(base).values()):
                    inner = function_in(item)
                    if isinstance(inner, types.FunctionType):
                        self.value(inner, f"{text}.{inner.__name__}", None)

    def _object(self, value: Any, text: str, codes: Codes) -> None:
        if isinstance(value, tuple | frozenset | TrackedList):
            for number, item in enumerate(value):  # edits of a TrackedList move the epoch
                self.value(item, f"{text}[{number}]", codes)
        elif isinstance(value, TrackedDict):
            for item in items_of(value):
                self.value(item, text, codes)
        elif isinstance(value, CONTAINERS):
            self._container(value, text, codes)
        elif isinstance(value, np.ndarray | bytearray | memoryview | array.array):
            self.suspects.append(Suspect(text, f"a {_kind(value)} captured by the compiled "
                                         f"function; {_FROZEN}", codes))  # fmt: skip
        elif isinstance(value, random.Random | np.random.RandomState | np.random.Generator):
            self.generators.append(value)
        elif hasattr(type(value), "__next__"):
            self.suspects.append(Suspect(text, "an iterator captured by the compiled function; "
                                         f"{_FROZEN}", codes))  # fmt: skip
        elif hasattr(value, "__wrapped__"):
            self.value(value.__wrapped__, text, codes)
        elif not is_own(type(value)):
            self._plain(value, text)

    def _plain(self, value: Any, text: str) -> None:
        """An object with attributes, of any class but tinytorch's."""
        if is_user_class(type(value)):
            self._class(type(value), text)
        if attributes_of(value) or hasattr(value, "__dict__"):
            self.snapshots.append(Snapshot.of(text, value))
            self._owners.append((text, value))

    def _container(self, value: Any, text: str, codes: Codes) -> None:
        if len(value) > CAP:
            self.suspects.append(Suspect(text, f"a container of {len(value)} items captured by "
                                         "the compiled function; pass what it needs as an argument",
                                         codes))  # fmt: skip
            return
        self.snapshots.append(Snapshot.of(text, value))
        if isinstance(value, dict):
            read = functools.partial(items_of, value)
        elif isinstance(value, set):
            read = functools.partial(sorted, value, key=id)
        else:
            read = functools.partial(list, value)
        expected = read()
        self.checks.append(
            Check(text, functools.partial(same_items, read, expected), True, True, codes)
        )
        for number, item in enumerate(expected):
            self.value(item, f"{text}[{number}]", codes)

    # ----------------------------------------------------------- attributes

    def settle(self) -> None:
        """Follow attributes by the names that reachable code reads, until nothing is new."""
        done = (-1, -1)
        while done != (len(self._owners), len(self.codes)):
            done = (len(self._owners), len(self.codes))
            for text, owner in list(self._owners):
                self._attributes(owner, text)
        if self._reflective:
            for _, name in self._placed:
                self._named.setdefault(name, set()).update(self._reflective)

    def _attributes(self, owner: Any, text: str) -> None:
        held = _held(owner)
        plain = not isinstance(owner, type | types.ModuleType | Tracked)
        if plain:
            held = {**_class_data(type(owner)), **held}
        everything = bool(self._reflective) and plain
        for name in [n for n in held if everything or n in self._named]:
            if (id(owner), name) not in self._placed and not name.startswith("__"):
                self._placed.add((id(owner), name))
                self._attribute(owner, name, held[name], text)
        if not isinstance(owner, type | Tracked):
            for name, codes in list(self._strings.items()):
                if name not in held and (id(owner), name) not in self._placed:
                    self._absent(owner, name, text, codes)

    def _attribute(self, owner: Any, name: str, item: Any, text: str) -> None:
        codes = self._named.setdefault(name, set())
        text = f"{text}.{name}"
        if isinstance(owner, Tracked):
            if name not in OWN_TABLES and not isinstance(item, Tensor):
                self.value(item, text, codes)
        elif isinstance(owner, type):
            if not isinstance(item, types.MemberDescriptorType | types.GetSetDescriptorType):
                self._place(text, functools.partial(vars(owner).get, name, MISSING), codes)
                self.value(function_in(item), text, codes)
        else:
            self._place(text, functools.partial(getattr, owner, name, MISSING), codes)

    def _absent(self, owner: Any, name: str, text: str, codes: set[types.CodeType]) -> None:
        """A name that reflection may ask for, and that is not there."""
        self._placed.add((id(owner), name))
        lacks = functools.partial(_lacks, owner, name)
        self.checks.append(Check(f"{text}.{name}", lacks, True, True, codes))


def _held(owner: Any) -> dict[str, Any]:
    if isinstance(owner, type | types.ModuleType):
        return dict(owner.__dict__)
    return attributes_of(owner)


def _class_data(kind: type) -> dict[str, Any]:
    """Plain values on a user's class: an instance may come to hold its own instead."""
    found: dict[str, Any] = {}
    for base in reversed(kind.__mro__):
        if is_user_class(base):
            found.update(
                (n, v) for n, v in vars(base).items()
                if not callable(function_in(v)) and not hasattr(type(v), "__get__")
            )  # fmt: skip
    return found


def _lacks(owner: Any, name: str) -> bool:
    return name not in _held(owner)


def _kind(value: Any) -> str:
    return "numpy array" if isinstance(value, np.ndarray) else type(value).__name__
