"""Reach: everything outside a function that it can see, as checks that nothing has changed.

Operator overloading sees tensors, not reads of globals, closures and attributes. So before a
trace everything reachable by name from the function is listed; what belongs to code that ran
becomes a check made before every later call, and what changed during the trace is a side effect
that a replay would lose.
"""

from __future__ import annotations

import dis
import functools
import os
import site
import sys
import sysconfig
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinytorch.errors import TraceError
from tinytorch.tracer.mode import is_own_file
from tinytorch.tracer.tensor import Tensor
from tinytorch.tracer.tracked import Tracked, TrackedDict, TrackedList

CAP = 2000
"""Most values that are looked at behind one compiled function."""

_PRIMITIVE = (bool, int, float, complex, str, bytes, type(None), type(Ellipsis), range, slice)
MISSING = object()


def _library_folders() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    found = [paths[k] for k in ("stdlib", "platstdlib", "purelib", "platlib") if k in paths]
    try:
        found += [*site.getsitepackages(), site.getusersitepackages()]
    except AttributeError:  # an old virtualenv without these
        pass
    return tuple({os.path.realpath(p) + os.sep for p in found} | {p + os.sep for p in found})


_LIBRARIES = _library_folders()


@functools.lru_cache(maxsize=4096)
def is_user_file(file: str) -> bool:
    """Whether code belongs to the user, as opposed to tinytorch, Python or an installed package."""
    return not (is_own_file(file) or file.startswith(_LIBRARIES) or file.startswith("<frozen"))


@dataclass
class Check:
    """One thing that must stay as it is: ``read()`` must give ``expected``.

    ``same`` compares; ``code`` is the code object that can see it, None if any can.
    """

    text: str
    read: Callable[[], Any]
    expected: Any
    identical: bool
    code: types.CodeType | None = None

    def holds(self) -> bool:
        """Whether nothing changed."""
        value = self.read()
        if value is self.expected:
            return True
        return not self.identical and type(value) is type(self.expected) and _same_number(
            value, self.expected
        )


def _same_number(a: Any, b: Any) -> bool:
    return bool(a == b) and repr(a) == repr(b)


@dataclass
class Snapshot:
    """Shallow content of a mutable object before the trace, to compare and to restore."""

    text: str
    target: Any
    content: Any

    def current(self) -> Any:
        """Content now."""
        return _content(self.target)

    def changed(self) -> bool:
        """Whether the object was changed in place."""
        now = self.current()
        if len(now) != len(self.content):
            return True
        pairs = zip(_flat(now), _flat(self.content), strict=False)
        return any(a is not b for a, b in pairs)

    def restore(self) -> None:
        """Put the content back."""
        if isinstance(self.target, list):
            self.target[:] = self.content
        elif isinstance(self.target, dict | set):
            self.target.clear()
            self.target.update(self.content)
        else:
            self.target.__dict__.clear()
            self.target.__dict__.update(self.content)


def _content(target: Any) -> Any:
    if isinstance(target, list):
        return list(target)
    if isinstance(target, dict):
        return dict(target)
    if isinstance(target, set):
        return set(target)
    return dict(target.__dict__)


def _flat(content: Any) -> Iterator[Any]:
    if isinstance(content, dict):
        for key, value in content.items():
            yield key
            yield value
    else:
        yield from content


@dataclass
class Reach:
    """What a function can see."""

    checks: list[Check] = field(default_factory=list)
    snapshots: list[Snapshot] = field(default_factory=list)
    tracked: list[Tracked] = field(default_factory=list)
    tensors: list[Tensor] = field(default_factory=list)
    suspects: list[tuple[str, Any, types.CodeType | None]] = field(default_factory=list)
    functions: dict[types.CodeType, types.FunctionType] = field(default_factory=dict)
    _seen: dict[int, Any] = field(default_factory=dict)
    _names: set[str] = field(default_factory=set)

    @property
    def mutable_ids(self) -> set[int]:
        """Ids of the mutable objects that were there before the trace."""
        return {id(s.target) for s in self.snapshots}

    # ------------------------------------------------------------ functions

    def function(self, f: types.FunctionType, text: str) -> None:
        """Look at a user function's closure, defaults and the globals it names."""
        code = f.__code__
        if code in self.functions or not is_user_file(code.co_filename):
            return
        self.functions[code] = f
        for name, cell in zip(code.co_freevars, f.__closure__ or (), strict=True):
            self._place(f"{name} (closure of {f.__name__})", _cell_reader(cell), code)
        for number, default in enumerate(f.__defaults__ or ()):
            self.value(default, f"default {number} of {f.__name__}", code)
        for name, default in (f.__kwdefaults__ or {}).items():
            self.value(default, f"default {name} of {f.__name__}", code)
        names = set(names_in(code))
        self._names |= names
        for name in globals_in(code):
            if name in f.__globals__:
                self._place(name, functools.partial(f.__globals__.get, name, MISSING), code)

    def _place(self, text: str, read: Callable[[], Any], code: types.CodeType | None) -> None:
        """A named place: its value must stay, or stay the same object."""
        value = read()
        if value is MISSING:
            return
        self.checks.append(
            Check(text, read, value, identical=not isinstance(value, _PRIMITIVE), code=code)
        )
        self.value(value, text, code)

    # --------------------------------------------------------------- values

    def value(self, value: Any, text: str, code: types.CodeType | None) -> None:
        """Look at a value and what can be reached from it."""
        if isinstance(value, _PRIMITIVE) or id(value) in self._seen:
            return
        if len(self._seen) > CAP:
            raise TraceError(
                f"{text}: more than {CAP} values can be reached from the compiled function; pass "
                "what it needs as arguments"
            )
        self._seen[id(value)] = value
        if isinstance(value, Tensor):
            self.tensors.append(value)
        elif isinstance(value, Tracked):
            self._tracked(value, text, code)
        elif isinstance(value, types.FunctionType):
            self.function(value, text)
        elif isinstance(value, types.MethodType):
            self.value(value.__func__, text, code)
            self.value(value.__self__, text, code)
        elif isinstance(value, functools.partial):
            for part in (value.func, *value.args, *value.keywords.values()):
                self.value(part, text, code)
        elif isinstance(value, types.ModuleType):
            self._module(value, text, code)
        elif isinstance(value, type):
            self._class(value, text, code)
        else:
            self._object(value, text, code)

    def _tracked(self, value: Tracked, text: str, code: types.CodeType | None) -> None:
        self.tracked.append(value)
        self._methods(type(value), text)
        for name, item in list(value.__dict__.items()):
            if isinstance(item, dict | list | tuple):
                for part in item.values() if isinstance(item, dict) else item:
                    if isinstance(part, Tracked | Tensor):
                        self.value(part, f"{text}.{name}", code)
            if name not in _OWN_TABLES and not isinstance(item, Tensor):
                self.value(item, f"{text}.{name}", None)

    def _methods(self, kind: type, text: str) -> None:
        for base in kind.__mro__:
            for item in list(vars(base).values()):
                inner = getattr(item, "__func__", getattr(item, "fget", item))
                if isinstance(inner, types.FunctionType):
                    self.function(inner, f"{text}.{inner.__name__}")

    def _module(self, module: types.ModuleType, text: str, code: types.CodeType | None) -> None:
        file = getattr(module, "__file__", None)
        if file is None or not is_user_file(file):
            return
        for name in sorted(set(names_in(code)) if code else set()):
            if name in module.__dict__:
                read = functools.partial(module.__dict__.get, name, MISSING)
                self._place(f"{text}.{name}", read, code)

    def _class(self, kind: type, text: str, code: types.CodeType | None) -> None:
        if not is_user_class(kind):
            return
        self._methods(kind, text)
        for name, item in list(vars(kind).items()):
            if not name.startswith("__") and isinstance(item, (*_PRIMITIVE, list, dict, Tensor)):
                read = functools.partial(getattr, kind, name, MISSING)
                self._place(f"{text}.{name}", read, None)

    def _object(self, value: Any, text: str, code: types.CodeType | None) -> None:
        if isinstance(value, tuple | frozenset | TrackedList):
            for number, item in enumerate(value):  # edits of a TrackedList move the epoch
                self.value(item, f"{text}[{number}]", code)
        elif isinstance(value, TrackedDict):
            for item in _items(value):
                self.value(item, text, code)
        elif isinstance(value, list):
            self._container(value, text, code, functools.partial(list, value))
        elif isinstance(value, dict):
            self._container(value, text, code, functools.partial(_items, value))
        elif isinstance(value, set):
            self._container(value, text, code, functools.partial(sorted, value, key=id))
        elif isinstance(value, np.ndarray) or _is_iterator(value):
            self.suspects.append((text, value, code))
        elif hasattr(value, "__dict__") and is_user_class(type(value)):
            self.snapshots.append(Snapshot(text, value, _content(value)))
            self._class(type(value), text, code)
            for name, item in list(value.__dict__.items()):
                if name in self._names or isinstance(item, Tensor | Tracked | list | dict):
                    read = functools.partial(value.__dict__.get, name, MISSING)
                    self._place(f"{text}.{name}", read, None)

    def _container(
        self, value: Any, text: str, code: types.CodeType | None, read: Callable[[], list[Any]]
    ) -> None:
        self.snapshots.append(Snapshot(text, value, _content(value)))
        expected = read()
        if len(expected) > CAP:
            raise TraceError(
                f"{text}: a container of {len(expected)} items is reachable from the compiled "
                "function; pass what it needs as an argument"
            )
        self.checks.append(
            Check(text, functools.partial(_same_items, read, expected), True, True, code)
        )
        for number, item in enumerate(expected):
            self.value(item, f"{text}[{number}]", code)


_OWN_TABLES = frozenset(
    {"_numbers", "_born", "_parameters", "_buffers", "_modules", "_transient_buffers"}
)


def _same_items(read: Callable[[], list[Any]], expected: list[Any]) -> bool:
    now = read()
    return len(now) == len(expected) and all(
        a is b or (isinstance(a, _PRIMITIVE) and type(a) is type(b) and _same_number(a, b))
        for a, b in zip(now, expected, strict=True)
    )


def _items(value: dict[Any, Any]) -> list[Any]:
    return [part for item in value.items() for part in item]


def _is_iterator(value: Any) -> bool:
    return hasattr(type(value), "__next__")


def _cell_reader(cell: Any) -> Callable[[], Any]:
    def read() -> Any:
        try:
            return cell.cell_contents
        except ValueError:  # the variable is not assigned yet
            return MISSING

    return read


def is_user_class(kind: type) -> bool:
    """Whether a class is written by the user."""
    if kind.__module__ == "__main__":
        return True
    file = getattr(sys.modules.get(kind.__module__), "__file__", None)
    return file is not None and is_user_file(file)


@functools.lru_cache(maxsize=4096)
def globals_in(code: types.CodeType) -> tuple[str, ...]:
    """Every global name that a code object, or one nested in it, reads."""
    found = [
        i.argval for i in dis.get_instructions(code) if i.opname in ("LOAD_GLOBAL", "LOAD_NAME")
    ]
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            found.extend(globals_in(constant))
    return tuple(dict.fromkeys(found))


@functools.lru_cache(maxsize=4096)
def names_in(code: types.CodeType) -> tuple[str, ...]:
    """Every global and attribute name in a code object and those nested in it."""
    found = list(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            found.extend(names_in(constant))
    return tuple(dict.fromkeys(found))
