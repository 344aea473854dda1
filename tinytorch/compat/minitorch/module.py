"""Modules: a tree of parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class Module:
    """Holds parameters and further modules, each under the name it was assigned to."""

    _modules: dict[str, Module]
    _parameters: dict[str, Parameter]
    training: bool

    def __init__(self) -> None:
        self._modules = {}
        self._parameters = {}
        self.training = True

    def modules(self) -> Sequence[Module]:
        """The modules one level below."""
        return list(self._modules.values())

    def train(self) -> None:
        """Set this module and all below to training mode."""
        self._set_mode(True)

    def eval(self) -> None:  # noqa: A003
        """Set this module and all below to evaluation mode."""
        self._set_mode(False)

    def _set_mode(self, training: bool) -> None:
        self.training = training
        for module in self._modules.values():
            module._set_mode(training)

    def named_parameters(self) -> Sequence[tuple[str, Parameter]]:
        """All parameters with their dotted names."""
        found = list(self._parameters.items())
        for name, module in self._modules.items():
            found += [(f"{name}.{inner}", p) for inner, p in module.named_parameters()]
        return found

    def parameters(self) -> Sequence[Parameter]:
        """All parameters."""
        return [p for _, p in self.named_parameters()]

    def add_parameter(self, k: str, v: Any) -> Parameter:
        """Add a value as a parameter under a name; return it."""
        self._parameters[k] = Parameter(v, k)
        return self._parameters[k]

    def __setattr__(self, key: str, val: Any) -> None:
        if isinstance(val, Parameter):
            self.__dict__["_parameters"][key] = val
        elif isinstance(val, Module):
            self.__dict__["_modules"][key] = val
        else:
            super().__setattr__(key, val)

    def __getattr__(self, key: str) -> Any:
        for table in ("_parameters", "_modules"):
            if key in self.__dict__.get(table, {}):
                return self.__dict__[table][key]
        if key.startswith("__"):  # asked for by Python's protocols
            raise AttributeError(f"{type(self).__name__} has no attribute {key!r}")
        return None  # as in MiniTorch, whose projects ask for attributes that nobody set

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call ``forward``, which subclasses define."""
        return self.forward(*args, **kwargs)

    def __repr__(self) -> str:
        lines = [
            f"({name}): " + repr(module).replace("\n", "\n  ")
            for name, module in self._modules.items()
        ]
        inner = "\n  " + "\n  ".join(lines) + "\n" if lines else ""
        return f"{type(self).__name__}({inner})"


class Parameter:
    """A value to train: a scalar, a tensor, or anything else."""

    def __init__(self, x: Any, name: str | None = None) -> None:
        self.name = name
        self.update(x)

    def update(self, x: Any) -> None:
        """Replace the value."""
        self.value = x
        if hasattr(x, "requires_grad_"):
            x.requires_grad_(True)
            if self.name:
                x.name = self.name

    def __repr__(self) -> str:
        return repr(self.value)

    __str__ = __repr__
