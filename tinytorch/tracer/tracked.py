"""Tracked objects: modules, optimizers and schedulers, whose changes compiled code can see.

Every structural change (an attribute set or deleted, a container edited) raises one global epoch.
A compiled function compares the epoch in one step, and looks closer only when it moved. Plain
ints and floats are kept apart, because inside a trace they are read as run-time numbers: changing
one neither moves the epoch nor traces again.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from typing import Any

from tinytorch.errors import TraceError
from tinytorch.tracer.mode import mode, user_origin

OWN_TABLES = frozenset(
    {"_numbers", "_born", "_parameters", "_buffers", "_modules", "_transient_buffers", "_hooks"}
)
"""Attributes of tracked objects that are tinytorch's own: every edit of them moves the epoch."""


class _Counter:
    """A count that many replays compare with the one they saw last."""

    value = 0


epoch = _Counter()
"""Structural changes to any tracked object."""
lending = _Counter()
"""Times that any tensor's ``.grad`` was read or set: somebody may now hold it."""
hooking = _Counter()
"""Leaves that were ever given a hook: as long as there is none, no call looks for one."""


replacing = _Counter()
"""Times that a name of one of tinytorch's own modules was given another value."""


class WatchedModule(types.ModuleType):
    """A module of tinytorch's own, in which somebody may replace a function that a trace used."""

    def __setattr__(self, name: str, value: Any) -> None:
        replaced = name in self.__dict__ and self.__dict__[name] is not value
        super().__setattr__(name, value)
        if replaced:
            replacing.value += 1
            touch()


def watch_modules(package: str) -> None:
    """Let the modules of a package say when a name in them is given another value."""
    for name, module in list(sys.modules.items()):
        if (name == package or name.startswith(package + ".")) and type(module) is types.ModuleType:
            module.__class__ = WatchedModule


def touch() -> None:
    """Say that a tracked object changed in a way that compiled code may depend on."""
    epoch.value += 1


def _refuse(what: str) -> TraceError:
    return TraceError(
        f"{user_origin()}: {what} inside a compiled function would happen only once, while it is "
        "traced; do it outside, or keep the value in a tensor buffer and write it in place"
    )


class Tracked:
    """Base of modules and optimizers. Numbers live in ``_numbers``, everything else as usual."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """Prepare what ``__setattr__`` needs, before any ``__init__``."""
        self = super().__new__(cls)
        object.__setattr__(self, "_numbers", {})
        token = None if mode.trace is None else mode.trace.token
        object.__setattr__(self, "_born", token)
        return self

    def _check_writable(self, name: str) -> None:
        """Raise TraceError for a write that a compiled function would lose."""
        if mode.trace is not None and self._born is not mode.trace.token:
            raise _refuse(f"setting attribute {name!r} of {type(self).__name__}")

    def __setattr__(self, name: str, value: Any) -> None:
        numbers = self.__dict__["_numbers"]
        outside = mode.trace is not None and self._born is not mode.trace.token
        if outside and mode.trace.keep_number(numbers, name, value):
            return
        self._check_writable(name)
        if type(value) in (int, float):
            if type(numbers.get(name)) is not type(value):
                self.__dict__.pop(name, None)
                touch()
            numbers[name] = value
            return
        if name in numbers:
            del numbers[name]
        object.__setattr__(self, name, value)
        touch()

    def __getattr__(self, name: str) -> Any:
        numbers = self.__dict__.get("_numbers", {})
        if name in numbers:
            if mode.trace is not None:
                return mode.trace.number_of(numbers, name, f"{type(self).__name__}.{name}")
            return numbers[name]
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def __delattr__(self, name: str) -> None:
        self._check_writable(name)
        if name in self.__dict__["_numbers"]:
            del self.__dict__["_numbers"][name]
        else:
            object.__delattr__(self, name)
        touch()


def kinds_of_numbers(value: Any) -> Any:
    """The type of a plain number, the types in a tuple of them, or None for anything else."""
    if type(value) in (int, float):
        return type(value)
    if type(value) is tuple and value and all(type(x) in (int, float) for x in value):
        return tuple(type(x) for x in value)
    return None


class TrackedDict(dict[str, Any]):
    """A dict of settings (an optimizer's parameter group) whose numbers are run-time inputs.

    So are the numbers in a tuple of numbers (``betas``): a copy of each lies in ``parts``, where a
    compiled call finds it.
    """

    parts: dict[str, Any]

    def __getitem__(self, key: str) -> Any:
        value = dict.__getitem__(self, key)
        if mode.trace is None or (kinds := kinds_of_numbers(value)) is None:
            return value
        if isinstance(kinds, type):
            return mode.trace.number_of(self, key, key)
        names = self._split(key, value)
        return tuple(mode.trace.number_of(self.parts, name, name) for name in names)

    def _split(self, key: str, value: tuple[Any, ...]) -> list[str]:
        """Copy the numbers of a tuple into ``parts``; return their names there."""
        parts = self.__dict__.setdefault("parts", {})
        names = [f"{key}[{position}]" for position in range(len(value))]
        parts.update(zip(names, value, strict=True))
        return names

    def get(self, key: str, default: Any = None) -> Any:
        """Item, or default."""
        if key not in self:  # not dict.get, which would read past __getitem__
            return default
        return self[key]

    def __setitem__(self, key: str, value: Any) -> None:
        if mode.trace is not None:
            if mode.trace.keep_number(self, key, value):
                return
            raise _refuse(f"setting {key!r} of a parameter group")
        old = kinds_of_numbers(dict.get(self, key))
        new = kinds_of_numbers(value)
        dict.__setitem__(self, key, value)
        if isinstance(new, tuple):
            self._split(key, value)
        if new is None or old != new:
            touch()

    def __delitem__(self, key: str) -> None:
        if mode.trace is not None:
            raise _refuse(f"deleting {key!r} of a parameter group")
        dict.__delitem__(self, key)
        touch()

    def __iter__(self) -> Iterator[str]:
        # A dict with an iterator of its own is copied item by item: ``{**group}`` reads Numbers.
        return dict.__iter__(self)

    def items(self) -> Any:
        """Pairs of key and item."""
        if mode.trace is None:
            return dict.items(self)
        return [(key, self[key]) for key in self]

    def values(self) -> Any:
        """Items."""
        return dict.values(self) if mode.trace is None else [self[key] for key in self]

    def __ior__(self, other: Any) -> Any:  # type: ignore[misc]
        self.update(other)
        return self

    def clear(self) -> None:
        """Remove all items."""
        for key in list(self):
            del self[key]

    def popitem(self) -> tuple[str, Any]:
        """Remove and return the last item."""
        key = list(self)[-1]
        return key, self.pop(key)

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Set several items."""
        for key, value in dict(*args, **kwargs).items():
            self[key] = value

    def setdefault(self, key: str, default: Any = None) -> Any:
        """Item, set to default if absent."""
        if key not in self:
            self[key] = default
        return self[key]

    def pop(self, key: str, *default: Any) -> Any:
        """Remove an item."""
        if mode.trace is not None:
            raise _refuse(f"removing {key!r} of a parameter group")
        touch()
        return dict.pop(self, key, *default)


class TrackedList(list[Any]):
    """A list that raises the epoch when it is edited."""

    def _edit(self) -> None:
        if mode.trace is not None:
            raise _refuse("editing a module's or optimizer's list")
        touch()

    def append(self, item: Any) -> None:
        """Add an item."""
        self._edit()
        list.append(self, item)

    def __setitem__(self, index: Any, value: Any) -> None:
        self._edit()
        list.__setitem__(self, index, value)

    def __delitem__(self, index: Any) -> None:
        self._edit()
        list.__delitem__(self, index)

    def insert(self, index: Any, item: Any) -> None:
        """Insert an item."""
        self._edit()
        list.insert(self, index, item)

    def extend(self, items: Any) -> None:
        """Add several items."""
        self._edit()
        list.extend(self, items)

    def pop(self, index: Any = -1) -> Any:
        """Remove and return an item."""
        self._edit()
        return list.pop(self, index)

    def clear(self) -> None:
        """Remove all items."""
        self._edit()
        list.clear(self)
