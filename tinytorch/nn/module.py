"""Module: a tree of parameters, buffers and other modules with a ``forward``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from typing import Any, TypeVar

from tinytorch.nn.parameter import Parameter
from tinytorch.nn.state import LoadResult, load_into
from tinytorch.tracer.factories import check_device
from tinytorch.tracer.methods import types
from tinytorch.tracer.tensor import Tensor
from tinytorch.tracer.tracked import Tracked, touch

T = TypeVar("T", bound="Module")
_TABLES = ("_parameters", "_buffers", "_modules")


class Module(Tracked):
    """Base of all layers and models. Subclasses call ``super().__init__()`` and give ``forward``.

    Attributes that are parameters, tensors registered as buffers, or modules are found by
    ``parameters()``, ``state_dict()`` and the rest. Plain ints and floats become run-time inputs
    of compiled code; any other change of an attribute makes compiled code look again.
    """

    training: bool
    _parameters: dict[str, Any]
    _buffers: dict[str, Any]
    _modules: dict[str, Any]
    _transient_buffers: set[str]

    def __init__(self) -> None:
        for table in _TABLES:
            object.__setattr__(self, table, {})
        object.__setattr__(self, "_transient_buffers", set())
        self.training = True

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the result; every subclass gives its own."""
        raise NotImplementedError(
            f'Module [{type(self).__name__}] is missing the required "forward" function'
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run ``forward``."""
        return self.forward(*args, **kwargs)

    # ------------------------------------------------------------ attributes

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
        self._check_writable(name)
        self._forget(name, keep=table)
        self.__dict__[table][name] = value
        touch()

    def _table_for(self, name: str, value: Any) -> str | None:
        """The table that an attribute belongs in; None for a plain attribute."""
        tables = self.__dict__
        kinds = {"_parameters": ("parameters", Parameter), "_modules": ("modules", Module)}
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

    def _check_name(self, name: Any, kind: str, table: str) -> None:
        if table not in self.__dict__:
            raise AttributeError(f"cannot assign {kind} before Module.__init__() call")
        if not isinstance(name, str):
            raise TypeError(f"{kind} name should be a string. Got {type(name).__name__}")
        if "." in name:
            raise KeyError(f'{kind} name can\'t contain "."')
        if name == "":
            raise KeyError(f'{kind} name can\'t be empty string ""')
        if hasattr(self, name) and name not in self.__dict__[table]:
            raise KeyError(f"attribute '{name}' already exists")
        self._check_writable(name)

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter; None reserves the name for an absent one (a layer without bias)."""
        self._check_name(name, "parameter", "_parameters")
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(
                f"cannot assign '{type(param).__name__}' object to parameter '{name}' "
                "(tinytorch.nn.Parameter or None required)"
            )
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

    def add_module(self, name: str, module: Module | None) -> None:
        """Add a child module under a name."""
        self._check_name(name, "module", "_modules")
        if module is not None and not isinstance(module, Module):
            raise TypeError(f"{type(module).__name__} is not a Module subclass")
        self._modules[name] = module
        touch()

    register_module = add_module

    # --------------------------------------------------------------- walking

    def named_modules(
        self, memo: set[Module] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """Yield this module and all below it, with dotted names."""
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name, module in self._modules.items():
            if module is not None:
                below = f"{prefix}.{name}" if prefix else name
                yield from module.named_modules(memo, below, remove_duplicate)

    def _named_members(
        self, table: str, prefix: str, recurse: bool, remove_duplicate: bool
    ) -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()
        modules = (
            self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate)
            if recurse
            else [(prefix, self)]
        )
        for path, module in modules:
            for name, value in module.__dict__[table].items():
                if value is None or id(value) in seen:
                    continue
                if remove_duplicate:
                    seen.add(id(value))
                yield (f"{path}.{name}" if path else name), value

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """Yield every parameter once, with its dotted name."""
        return self._named_members("_parameters", prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """Yield every parameter once."""
        return (value for _, value in self.named_parameters(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """Yield every buffer once, with its dotted name."""
        return self._named_members("_buffers", prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """Yield every buffer once."""
        return (value for _, value in self.named_buffers(recurse=recurse))

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """Yield the modules directly below, each once."""
        seen: set[Module] = set()
        for name, module in self._modules.items():
            if module is not None and module not in seen:
                seen.add(module)
                yield name, module

    def children(self) -> Iterator[Module]:
        """Yield the modules directly below, each once."""
        return (module for _, module in self.named_children())

    def modules(self) -> Iterator[Module]:
        """Yield this module and all below it, each once."""
        return (module for _, module in self.named_modules())

    def get_submodule(self, target: str) -> Module:
        """Return the module at a dotted path; raise AttributeError if there is none."""
        module: Module = self
        for part in target.split(".") if target else ():
            found = module.__dict__["_modules"].get(part)
            if found is None:
                raise AttributeError(f"{type(module).__name__} has no attribute `{part}`")
            module = found
        return module

    def get_parameter(self, target: str) -> Parameter:
        """Return the parameter at a dotted path; raise AttributeError if there is none."""
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        found = module.__dict__["_parameters"].get(name)
        if found is None:
            raise AttributeError(f"{type(module).__name__} has no attribute `{name}`")
        return found

    # -------------------------------------------------------------- changing

    def apply(self: T, fn: Callable[[Module], Any]) -> T:
        """Call a function on every module below, then on this one."""
        for child in self.children():
            child.apply(fn)
        fn(self)
        return self

    def train(self: T, mode: bool = True) -> T:
        """Switch between training and evaluation, here and below."""
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        for module in self.modules():
            if module.training is not mode:
                module.training = mode
        return self

    def eval(self: T) -> T:
        """Switch to evaluation."""
        return self.train(False)

    def requires_grad_(self: T, requires_grad: bool = True) -> T:
        """Switch recording of every parameter."""
        for param in self.parameters():
            param.requires_grad_(requires_grad)
        touch()
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget every parameter's gradient, or fill it with zeros."""
        for param in self.parameters():
            if set_to_none:
                param.grad = None  # not read first: compiled code would watch what it reads
            elif param.grad is not None:
                param.grad.detach().zero_()

    def to(self: T, *args: Any, dtype: Any = None, device: Any = None) -> T:
        """Convert floating-point parameters and buffers to a dtype (or that of a tensor)."""
        for arg in args:
            if isinstance(arg, Tensor):
                dtype = arg.dtype
            elif isinstance(arg, types.DType):
                dtype = arg
            else:
                device = arg
        check_device(device)
        if dtype is None:
            return self
        if not dtype.is_floating_point:
            raise TypeError(
                "nn.Module.to only accepts floating point or complex dtypes, but got desired "
                f"dtype={dtype}"
            )
        for module in self.modules():
            module._convert(dtype)
        return self

    def _convert(self, dtype: Any) -> None:
        self._check_writable("dtype")
        for param in self._parameters.values():
            if param is not None and param.dtype.is_floating_point and param.dtype is not dtype:
                param.converted_in_place(dtype)
        for name, buffer in self._buffers.items():
            if buffer is not None and buffer.dtype.is_floating_point:
                self._buffers[name] = buffer.to(dtype)
        touch()

    def float(self: T) -> T:
        """Convert floating-point parameters and buffers to float32."""
        return self.to(types.float32)

    def double(self: T) -> T:
        """Convert floating-point parameters and buffers to float64."""
        return self.to(types.float64)

    def half(self: T) -> T:
        """Convert floating-point parameters and buffers to float16."""
        return self.to(types.float16)

    def cpu(self: T) -> T:
        """Return the module: it lives on the CPU."""
        return self

    # ----------------------------------------------------------------- state

    def state_dict(self, *, prefix: str = "", keep_vars: bool = False) -> dict[str, Tensor]:
        """Return parameters and persistent buffers by dotted name; they share live memory."""
        found: dict[str, Tensor] = {}
        start = prefix.removesuffix(".")
        for path, module in self.named_modules(prefix=start, remove_duplicate=False):
            lead = f"{path}." if path else ""
            kept = {
                name: value for name, value in module._buffers.items()
                if name not in module._transient_buffers
            }  # fmt: skip
            for name, value in chain(module._parameters.items(), kept.items()):
                if value is not None:
                    found[lead + name] = value if keep_vars else value.detach()
        return found

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True) -> LoadResult:
        """Write values by name into the live parameters and buffers, in place.

        Values are tensors or numpy arrays. Everything is checked first: a bad dict raises
        RuntimeError and changes nothing. ``strict`` also refuses missing and unexpected names.
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict)}.")
        live = self.state_dict(keep_vars=True)
        return load_into(type(self).__name__, live, state_dict, strict)

    # ------------------------------------------------------------------ text

    def extra_repr(self) -> str:
        """Return the settings shown in the text form."""
        return ""

    def _get_name(self) -> str:
        return type(self).__name__

    def __repr__(self) -> str:
        extra = self.extra_repr()
        lines = extra.split("\n") if extra else []
        children = [f"({n}): {indented(repr(m))}" for n, m in self._modules.items()]
        if not children and len(lines) <= 1:
            return f"{self._get_name()}({extra})"
        body = "\n  ".join(lines + children)
        return f"{self._get_name()}(\n  {body}\n)"


def indented(text: str) -> str:
    """Indent all lines but the first by two spaces."""
    return text.replace("\n", "\n  ")
