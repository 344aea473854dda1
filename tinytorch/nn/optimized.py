"""OptimizedModule: what ``compile(module)`` returns, a module that runs another one compiled."""

from __future__ import annotations

from typing import Any

from tinytorch.nn.module import Module
from tinytorch.tracer.compiled import Compiled, register_form

_OWN = frozenset({"_orig_mod", "_compiled"})
_TOLD = frozenset(
    {"cache_info", "calls", "clear", "compiles", "explain", "function", "graph", "kernels",
     "program", "retraces", "stages"}
)  # fmt: skip


class OptimizedModule(Module):
    """A module that stands for ``_orig_mod``, whose parameters it has, and runs it compiled.

    Attributes are those of the original, read and set. What a compiled function tells
    (``cache_info()``, ``stages``) it tells too, where the original has no such name.
    """

    def __init__(self, module: Module) -> None:
        super().__init__()
        self._orig_mod = module
        object.__setattr__(self, "_compiled", Compiled(module))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the compiled module."""
        if self._hooks:
            return self._run_hooked(self.forward, args, kwargs)
        return self.__dict__["_compiled"](*args, **kwargs)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Run the compiled module."""
        return self.__dict__["_compiled"](*args, **kwargs)

    @property
    def training(self) -> bool:
        """Whether the original is in training mode."""
        found: bool = self._orig_mod.training
        return found

    @training.setter
    def training(self, mode: bool) -> None:
        if "_orig_mod" in self.__dict__["_modules"]:  # else it is being made
            self._orig_mod.training = mode

    def __getattr__(self, name: str) -> Any:
        modules = self.__dict__.get("_modules", {})
        if name in _OWN or "_orig_mod" not in modules:
            return super().__getattr__(name)
        module = modules["_orig_mod"]
        if name in _TOLD and not hasattr(module, name):
            return getattr(self.__dict__["_compiled"], name)
        return getattr(module, name)

    def __setattr__(self, name: str, value: Any) -> None:
        own = name in _OWN or "_orig_mod" not in self.__dict__.get("_modules", {})
        if own or name == "training":
            super().__setattr__(name, value)
        else:
            setattr(self._orig_mod, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self._orig_mod, name)

    def __getitem__(self, index: Any) -> Any:
        module: Any = self._orig_mod
        return module[index]

    def __iter__(self) -> Any:
        module: Any = self._orig_mod
        return iter(module)


register_form(Module, lambda m: m if isinstance(m, OptimizedModule) else OptimizedModule(m))
