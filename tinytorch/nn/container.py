"""Containers of modules: in a row, in a list, by name."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

from tinytorch.nn.module import Module, indented

L = TypeVar("L", bound="ModuleList")


class Sequential(Module):
    """Modules run one after another. Takes modules, or one dict of named modules."""

    def __init__(self, *args: Any) -> None:
        super().__init__()
        if len(args) == 1 and isinstance(args[0], Mapping):
            for name, module in args[0].items():
                self.add_module(name, module)
        else:
            for position, module in enumerate(args):
                self.add_module(str(position), module)

    def forward(self, input: Any) -> Any:
        """Give the input to the first module, each result to the next."""
        for module in self._modules.values():
            input = module(input)
        return input

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Module]:
        return iter(self._modules.values())

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return type(self)(dict(list(self._modules.items())[index]))
        return self._modules[_name_at(self._modules, index)]

    def __setitem__(self, index: int, module: Module) -> None:
        setattr(self, _name_at(self._modules, index), module)

    def __delitem__(self, index: int | slice) -> None:
        _delete_at(self, index)

    def append(self, module: Module) -> Sequential:
        """Add a module at the end."""
        self.add_module(str(len(self)), module)
        return self


class ModuleList(Module):
    """Modules in a list; it has no ``forward``."""

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        self.extend(modules or ())

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Module]:
        return iter(self._modules.values())

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return type(self)(list(self._modules.values())[index])
        return self._modules[_name_at(self._modules, index)]

    def __setitem__(self, index: int, module: Module) -> None:
        setattr(self, _name_at(self._modules, index), module)

    def __delitem__(self, index: int | slice) -> None:
        _delete_at(self, index)

    def append(self: L, module: Module) -> L:
        """Add a module at the end."""
        self.add_module(str(len(self)), module)
        return self

    def extend(self: L, modules: Iterable[Module]) -> L:
        """Add several modules at the end."""
        for module in modules:
            self.append(module)
        return self

    def insert(self, index: int, module: Module) -> None:
        """Insert a module before a position."""
        order = list(self._modules.values())
        order.insert(index, module)
        for position, entry in enumerate(order):
            setattr(self, str(position), entry)

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
    """Modules by name; it has no ``forward``."""

    def __init__(self, modules: Mapping[str, Module] | None = None) -> None:
        super().__init__()
        self.update(modules or {})

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, key: str) -> bool:
        return key in self._modules

    def __getitem__(self, key: str) -> Module:
        module: Module = self._modules[key]
        return module

    def __setitem__(self, key: str, module: Module) -> None:
        self.add_module(key, module)

    def __delitem__(self, key: str) -> None:
        delattr(self, key)

    def keys(self) -> Iterable[str]:
        """Names."""
        return self._modules.keys()

    def values(self) -> Iterable[Module]:
        """Modules."""
        return self._modules.values()

    def items(self) -> Iterable[tuple[str, Module]]:
        """Names with their modules."""
        return self._modules.items()

    def pop(self, key: str) -> Module:
        """Remove and return a module."""
        module = self[key]
        del self[key]
        return module

    def clear(self) -> None:
        """Remove all modules."""
        for key in list(self._modules):
            del self[key]

    def update(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]]) -> None:
        """Add several modules."""
        for key, module in dict(modules).items():
            self[key] = module


def _name_at(modules: Mapping[str, Any], index: Any) -> str:
    """The name at a position; raises IndexError if there is none."""
    at = operator.index(index)
    if not -len(modules) <= at < len(modules):
        raise IndexError(f"index {at} is out of range")
    return list(modules)[at]


def _delete_at(container: Any, index: int | slice) -> None:
    """Delete modules by position and number the rest again; names given by the user stay."""
    names = list(container._modules)
    numbered = names == [str(i) for i in range(len(names))]
    doomed = names[index] if isinstance(index, slice) else [_name_at(container._modules, index)]
    kept = [module for name, module in container._modules.items() if name not in doomed]
    for name in names if numbered else doomed:
        delattr(container, name)
    if numbered:
        for position, module in enumerate(kept):
            container.add_module(str(position), module)
