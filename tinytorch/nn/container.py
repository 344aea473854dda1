"""Containers of modules: in a row, in a list, by name."""

from __future__ import annotations

import operator
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any, TypeVar

from tinytorch.nn.module import Module, indented

S = TypeVar("S", bound="Sequential")
L = TypeVar("L", bound="ModuleList")
R = TypeVar("R", bound="_Row")


class _Row(Module):
    """Modules under the names "0", "1", ... (or, in a Sequential, names of the user's)."""

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._modules.values())

    def __setitem__(self, index: int, module: Module) -> None:
        setattr(self, _name_at(self._modules, index), module)

    def __delitem__(self, index: int | slice) -> None:
        kept = list(self._modules)
        if isinstance(index, slice):
            del kept[index]
        else:
            kept.remove(_name_at(self._modules, index))
        self._renumbered([self._modules[name] for name in kept])

    def _renumbered(self, modules: Iterable[Any]) -> None:
        self._renamed("_modules", {str(i): module for i, module in enumerate(modules)})

    def append(self: R, module: Module) -> R:
        """Add a module at the end."""
        self.add_module(str(len(self)), module)
        return self

    def extend(self: R, modules: Iterable[Module]) -> R:
        """Add several modules at the end."""
        if not isinstance(modules, Iterable):
            raise TypeError(
                f"{type(self).__name__}.extend should be called with an iterable, but got "
                f"{type(modules).__name__}"
            )
        for module in list(modules):
            self.append(module)
        return self

    def _insert(self, index: int, module: Module) -> None:
        order = list(self._modules.values())
        order.insert(index, module)
        self._renumbered(order)

    def pop(self, key: int | slice) -> Any:
        """Remove and return a module, or a slice of them."""
        module = self[key]  # type: ignore[index]
        del self[key]
        return module


class Sequential(_Row):
    """Modules run one after another. Takes modules, or one dict of named modules."""

    def __init__(self, *args: Any) -> None:
        super().__init__()
        named = len(args) == 1 and isinstance(args[0], Mapping)
        entries = args[0].items() if named else enumerate(args)
        for name, module in entries:
            self.add_module(str(name), module)

    def forward(self, input: Any) -> Any:
        """Give the input to the first module, each result to the next."""
        for module in self._modules.values():
            input = module(input)
        return input

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return type(self)(OrderedDict(list(self._modules.items())[index]))
        return self._modules[_name_at(self._modules, index)]

    def insert(self: S, index: int, module: Module) -> S:
        """Insert a module before a position."""
        if not isinstance(module, Module):
            raise AssertionError(f"module should be of type: {Module}")
        if not -len(self) <= index <= len(self):
            raise IndexError(f"Index out of range: {index}")
        self._insert(index, module)
        return self

    def __add__(self, other: Any) -> Sequential:
        return Sequential(*self, *_sequential(other))

    def __iadd__(self: S, other: Any) -> S:
        return self.extend(_sequential(other))

    def __mul__(self, other: int) -> Sequential:
        return Sequential(*(list(self) * _factor(self, other)))

    __rmul__ = __mul__

    def __imul__(self: S, other: int) -> S:
        return self.extend(list(self) * (_factor(self, other) - 1))


def _sequential(other: Any) -> Any:
    if not isinstance(other, Sequential):
        raise ValueError(
            "add operator supports only objects of Sequential class, but "
            f"{type(other)} is given."
        )
    return other


def _factor(row: Any, other: Any) -> int:
    if not isinstance(other, int):
        raise TypeError(f"unsupported operand type(s) for *: {type(row)} and {type(other)}")
    if other <= 0:
        raise ValueError(f"Non-positive multiplication factor {other} for {type(row)}")
    return other


class ModuleList(_Row):
    """Modules in a list; it has no ``forward``."""

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        self.extend(() if modules is None else modules)

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return type(self)(list(self._modules.values())[index])
        return self._modules[_name_at(self._modules, index)]

    def insert(self, index: int, module: Module) -> None:
        """Insert a module before a position."""
        self._insert(index, module)

    def __add__(self, other: Iterable[Module]) -> ModuleList:
        return ModuleList(chain(self, other))

    def __iadd__(self: L, other: Iterable[Module]) -> L:
        return self.extend(other)

    def __repr__(self) -> str:
        if not self._modules:
            return f"{self._get_name()}()"
        texts = [repr(module) for module in self]
        runs: list[list[int]] = []
        for position, text in enumerate(texts):
            if runs and texts[runs[-1][0]] == text:
                runs[-1][1] = position
            else:
                runs.append([position, position])
        lines = [
            f"({a}): {indented(texts[a])}" if a == b
            else f"({a}-{b}): {b - a + 1} x {indented(texts[a])}"
            for a, b in runs
        ]  # fmt: skip
        body = "\n  ".join(lines)
        return f"{self._get_name()}(\n  {body}\n)"


class ModuleDict(Module):
    """Modules by name, in the order of insertion; it has no ``forward``."""

    def __init__(self, modules: Any = None) -> None:
        super().__init__()
        self.update({} if modules is None else modules)

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, key: str) -> bool:
        return key in self._modules

    def __getitem__(self, key: str) -> Any:
        return self._modules[key]

    def __setitem__(self, key: str, module: Module) -> None:
        self.add_module(key, module)

    def __delitem__(self, key: str) -> None:
        if key not in self._modules:
            raise KeyError(key)
        delattr(self, key)

    def keys(self) -> Any:
        """Names."""
        return self._modules.keys()

    def values(self) -> Any:
        """Modules."""
        return self._modules.values()

    def items(self) -> Any:
        """Names with their modules."""
        return self._modules.items()

    def pop(self, key: str) -> Any:
        """Remove and return a module."""
        module = self[key]
        del self[key]
        return module

    def clear(self) -> None:
        """Remove all modules."""
        self._renamed("_modules", {})

    def update(self, modules: Any) -> None:
        """Add the modules of a mapping, or of an iterable of pairs."""
        for key, module in pairs_of(modules, "ModuleDict"):
            self[key] = module


def pairs_of(entries: Any, owner: str) -> list[tuple[Any, Any]]:
    """Names with values, from a mapping or an iterable of pairs; raises TypeError, ValueError."""
    if not isinstance(entries, Iterable):
        raise TypeError(
            f"{owner}.update should be called with an iterable of key/value pairs, but got "
            f"{type(entries).__name__}"
        )
    if hasattr(entries, "items"):
        return list(entries.items())
    found = []
    for position, entry in enumerate(entries):
        if not isinstance(entry, Iterable):
            raise TypeError(
                f"{owner} update sequence element #{position} should be Iterable; is "
                f"{type(entry).__name__}"
            )
        pair = tuple(entry)
        if len(pair) != 2:
            raise ValueError(
                f"{owner} update sequence element #{position} has length {len(pair)}; 2 is required"
            )
        found.append((pair[0], pair[1]))
    return found


def _name_at(modules: Mapping[str, Any], index: Any) -> str:
    """The name at a position; raises IndexError if there is none."""
    return list(modules)[position_of(index, len(modules))]


def position_of(index: Any, length: int) -> int:
    """A position counted from the start; raises IndexError if there is none."""
    at = operator.index(index)
    if not -length <= at < length:
        raise IndexError(f"index {at} is out of range")
    return at % length
