"""Checks and snapshots: what must stay as it was, before a call and during a trace."""

from __future__ import annotations

import collections
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

Codes = set[types.CodeType] | None
"""The code objects that can see something; None if any can."""

PRIMITIVE = (bool, int, float, complex, str, bytes, type(None), type(Ellipsis), range, slice)
MISSING = object()
"""Stands for a name that is bound to nothing."""


UNBOUND = (KeyError, ValueError)
"""What reading a variable that is bound to nothing raises, of a namespace and of a closure."""


@dataclass(frozen=True, eq=False)
class Variable:
    """A variable of a namespace (``holder`` is its dict) or, without a name, of a closure."""

    holder: Any
    name: str = ""

    def spelled(self, holder: str) -> str:
        """The expression that reads it, given the name of its holder; it may raise UNBOUND."""
        return f"{holder}[{self.name!r}]" if self.name else f"{holder}.cell_contents"

    def __call__(self) -> Any:
        """Read it; MISSING if it is bound to nothing."""
        try:
            return self.holder[self.name] if self.name else self.holder.cell_contents
        except UNBOUND:
            return MISSING

    def write(self, value: Any) -> None:
        """Bind it, or unbind it if the value is MISSING."""
        if self.name:
            if value is MISSING:
                self.holder.pop(self.name, None)
            else:
                self.holder[self.name] = value
        elif value is MISSING:
            del self.holder.cell_contents
        else:
            self.holder.cell_contents = value


@dataclass
class Check:
    """One thing that must stay as it is: ``read()`` must give ``expected``.

    ``identical`` compares by ``is`` alone. ``write`` puts a value back, where that is possible.
    """

    text: str
    read: Callable[[], Any]
    expected: Any
    identical: bool
    codes: Codes = None
    write: Callable[[Any], None] | None = None

    def holds(self) -> bool:
        """Whether nothing changed."""
        value = self.read()
        if value is self.expected:
            return True
        return (
            not self.identical and type(value) is type(self.expected)
            and same_number(value, self.expected)
        )  # fmt: skip

    def restore(self) -> None:
        """Put the value back."""
        if self.write is not None:
            self.write(self.expected)

    def concerns(self, ran: set[types.CodeType]) -> bool:
        """Whether code that ran can see this."""
        return self.codes is None or not self.codes.isdisjoint(ran)


def same_number(a: Any, b: Any) -> bool:
    """Whether two values of one type are the same, signs of zero included."""
    return bool(a == b) and repr(a) == repr(b)


def same_items(read: Callable[[], list[Any]], expected: list[Any]) -> bool:
    """Whether a container still has the very same items (or equal plain values)."""
    now = read()
    return len(now) == len(expected) and all(
        a is b or (isinstance(a, PRIMITIVE) and type(a) is type(b) and same_number(a, b))
        for a, b in zip(now, expected, strict=True)
    )


def items_of(value: dict[Any, Any]) -> list[Any]:
    """Keys and values of a dict, in turn."""
    return [part for item in value.items() for part in item]


def attributes_of(value: Any) -> dict[str, Any]:
    """What an object holds itself: its ``__dict__`` and its slots.

    A slot that a subclass hides behind something else of its name (``pathlib`` does) is not one.
    """
    found: dict[str, Any] = {}
    named: set[str] = set()
    for kind in type(value).__mro__:
        for name, item in vars(kind).items():
            if isinstance(item, types.MemberDescriptorType) and not name.startswith("__"):
                slot = MISSING if name in named else getattr(value, name, MISSING)
                if slot is not MISSING:
                    found[name] = slot
        named.update(vars(kind))
    found.update(getattr(value, "__dict__", {}))
    return found


CONTAINERS = (list, dict, set, collections.deque)


@dataclass
class Snapshot:
    """Shallow content of a mutable object before the trace, to compare and to restore."""

    text: str
    target: Any
    content: Any

    @staticmethod
    def of(text: str, target: Any) -> Snapshot:
        """Take one."""
        return Snapshot(text, target, _content(target))

    def changed(self) -> bool:
        """Whether the object was changed in place."""
        now = _content(self.target)
        if len(now) != len(self.content):
            return True
        pairs = zip(_flat(now), _flat(self.content), strict=False)
        return any(a is not b for a, b in pairs)

    def restore(self) -> None:
        """Put the content back."""
        target = self.target
        if isinstance(target, list):
            target[:] = self.content
        elif isinstance(target, dict | set):
            target.clear()
            target.update(self.content)
        elif isinstance(target, collections.deque):
            target.clear()
            target.extend(self.content)
        else:
            for name in attributes_of(target).keys() - self.content.keys():
                object.__delattr__(target, name)
            for name, value in self.content.items():
                object.__setattr__(target, name, value)


def _content(target: Any) -> Any:
    if isinstance(target, list | collections.deque):
        return list(target)
    if isinstance(target, dict):
        return dict(target)
    if isinstance(target, set):
        return set(target)
    return attributes_of(target)


def _flat(content: Any) -> Iterator[Any]:
    yield from items_of(content) if isinstance(content, dict) else content
