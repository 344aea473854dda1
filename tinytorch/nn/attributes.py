"""Attributes of a module: which of them are parameters, buffers or modules, and how they change."""

from __future__ import annotations

import copy
from typing import Any, NoReturn, TypeVar

from tinytorch.nn.parameter import Parameter
from tinytorch.tracer.tensor import Tensor
from tinytorch.tracer.tracked import Tracked, touch

A = TypeVar("A", bound="Attributes")
_TABLES = ("_parameters", "_buffers", "_modules")


class Attributes(Tracked):
    """An object whose parameters, buffers and modules are kept apart from its other attributes.

    Plain ints and floats become run-time inputs of compiled code; any other change of an
    attribute makes compiled code look again.
    """

    _parameters: dict[str, Any]
    _buffers: dict[str, Any]
    _modules: dict[str, Any]
    _transient_buffers: set[str]
    _hooks: dict[int, Any]

    def __init__(self) -> None:
        for table in _TABLES:
            object.__setattr__(self, table, {})
        object.__setattr__(self, "_transient_buffers", set())
        object.__setattr__(self, "_hooks", {})

    def __getattr__(self, name: str) -> Any:
        attributes = self.__dict__
        for table in _TABLES:
            entries = attributes.get(table)
            if entries is not None and name in entries:
                return entries[name]
        return super().__getattr__(name)

    def __setattr__(self, name: str, value: Any) -> None:
        table = self._table_for(name, value)
        if table is None:
            super().__setattr__(name, value)
            return
        if value is not None and self.__dict__[table].get(name) is value:
            return  # what `self.count += 1` does after it wrote the buffer in place
        self._check_writable(name)
        if table == "_parameters":
            self._check_parameter(name, value)
        self._forget(name, keep=table)
        self.__dict__[table][name] = value
        touch()

    def _table_for(self, name: str, value: Any) -> str | None:
        """The table that an attribute belongs in; None for a plain attribute."""
        tables = self.__dict__
        kinds = {"_parameters": ("parameters", Parameter), "_modules": ("module", Attributes)}
        for table, (word, kind) in kinds.items():
            if isinstance(value, kind):
                if table not in tables:
                    raise AttributeError(f"cannot assign {word} before Module.__init__() call")
                return table
        for table, word, expected in (
            ("_parameters", "parameter", "tinytorch.nn.Parameter"),
            ("_modules", "child module", "tinytorch.nn.Module"),
            ("_buffers", "buffer", "tinytorch.Tensor"),
        ):
            if name in tables.get(table, ()):
                if value is None or (table == "_buffers" and isinstance(value, Tensor)):
                    return table
                raise TypeError(
                    f"cannot assign '{type(value).__name__}' as {word} '{name}' "
                    f"({expected} or None expected)"
                )
        return None

    def _forget(self, name: str, keep: str = "") -> None:
        """Remove a name from every place but one."""
        self.__dict__.pop(name, None)
        self.__dict__["_numbers"].pop(name, None)
        for table in _TABLES:
            if table != keep:
                self.__dict__[table].pop(name, None)
        if keep != "_buffers":
            self.__dict__["_transient_buffers"].discard(name)

    def __delattr__(self, name: str) -> None:
        if any(name in self.__dict__.get(table, ()) for table in _TABLES):
            self._check_writable(name)
            self._forget(name)
            touch()
        else:
            super().__delattr__(name)

    def __dir__(self) -> list[str]:
        held = self.__dict__
        tables = [*_TABLES, "_numbers"]
        names = {*dir(type(self)), *held, *(n for t in tables for n in held.get(t, ()))}
        return sorted(name for name in names if not name[0].isdigit())

    # ----------------------------------------------------------- registration

    def _check_name(self, name: Any, kind: str, table: str) -> None:
        if table not in self.__dict__:
            raise AttributeError(f"cannot assign {kind} before Module.__init__() call")
        if not isinstance(name, str):
            raise TypeError(f"{kind} name should be a string. Got {type(name).__name__}")
        if "." in name:
            got = f", got: {name}" if kind == "module" else ""
            raise KeyError(f'{kind} name can\'t contain "."{got}')
        if name == "":
            raise KeyError(f'{kind} name can\'t be empty string ""')
        if hasattr(self, name) and name not in self.__dict__[table]:
            raise KeyError(f"attribute '{name}' already exists")
        self._check_writable(name)

    @staticmethod
    def _check_parameter(name: str, param: Any) -> None:
        if param is None:
            return
        if not isinstance(param, Parameter):
            raise TypeError(
                f"cannot assign '{type(param).__name__}' object to parameter '{name}' "
                "(tinytorch.nn.Parameter or None required)"
            )
        if not param.is_leaf:
            raise ValueError(
                f"Cannot assign non-leaf Tensor to parameter '{name}'. Model parameters must be "
                f"created explicitly. To express '{name}' as a function of another Tensor, "
                "compute the value in the forward() method."
            )

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter; None reserves the name for an absent one (a layer without bias)."""
        self._check_name(name, "parameter", "_parameters")
        self._check_parameter(name, param)
        self._parameters[name] = param
        touch()

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Add a tensor that is state but no parameter; ``persistent`` puts it in state_dict."""
        self._check_name(name, "buffer", "_buffers")
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(
                f"cannot assign '{type(tensor).__name__}' object to buffer '{name}' "
                "(tinytorch.Tensor or None required)"
            )
        self._buffers[name] = tensor
        if persistent:
            self._transient_buffers.discard(name)
        else:
            self._transient_buffers.add(name)
        touch()

    def add_module(self, name: str, module: Any) -> None:
        """Add a child module under a name; None reserves the name."""
        if module is not None and not isinstance(module, Attributes):
            raise TypeError(f"{type(module).__name__} is not a Module subclass")
        self._check_name(name, "module", "_modules")
        self._modules[name] = module
        touch()

    def register_module(self, name: str, module: Any) -> None:
        """``add_module``."""
        self.add_module(name, module)

    def _renamed(self, table: str, entries: dict[str, Any]) -> None:
        """Replace all entries of a table: what containers do when positions move."""
        self._check_writable(table)
        object.__setattr__(self, table, entries)
        touch()

    # ---------------------------------------------------------------- copying

    def _twin(self: A, attributes: dict[str, Any]) -> A:
        """An object of this class with given attributes, made without ``__init__``."""
        twin: A = type(self).__new__(type(self))
        born = twin.__dict__["_born"]
        twin.__dict__.update(attributes)
        twin.__dict__["_born"] = born
        return twin

    def __deepcopy__(self: A, memo: dict[int, Any]) -> A:
        twin = self._twin({})
        memo[id(self)] = twin
        for name, value in self.__dict__.items():
            if name not in ("_born", "_compiled_call"):  # code compiled for this very object
                twin.__dict__[name] = copy.deepcopy(value, memo)
        return twin

    def __copy__(self: A) -> A:
        kept = {n: v for n, v in self.__dict__.items() if n != "_compiled_call"}
        return self._twin({**kept, "_numbers": dict(kept["_numbers"])})

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError(
            f"a module ({type(self).__name__}) is not pickled: save module.state_dict() and load "
            "it with load_state_dict into a module built by the same code"
        )
