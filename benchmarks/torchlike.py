"""The peers that speak PyTorch's API share their source: one builder serves four rows."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from benchmarks.case import Array, Arrays, Builder, Case


@dataclass(frozen=True)
class Framework:
    """torch or tinytorch, and how this row uses it."""

    tt: ModuleType
    compiled: bool
    fused: bool
    """Ask the optimizer for its fused form; only PyTorch has the option."""

    @property
    def nn(self) -> ModuleType:
        """The module of layers."""
        return importlib.import_module(f"{self.tt.__name__}.nn")

    @property
    def functional(self) -> ModuleType:
        """The module of functions of layers."""
        return importlib.import_module(f"{self.tt.__name__}.nn.functional")

    @property
    def optim(self) -> ModuleType:
        """The module of optimizers, with its default options."""
        return importlib.import_module(f"{self.tt.__name__}.optim")

    @property
    def options(self) -> dict[str, bool]:
        """Extra options of an optimizer in this row."""
        return {"fused": True} if self.fused else {}

    def maybe_compile(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Compile the function with the framework's own default mode, if this row compiles."""
        return self.tt.compile(function) if self.compiled else function

    def tensor(self, array: Array) -> Any:
        """Hand an array over without copying it."""
        return self.tt.from_numpy(array)


TorchBuilder = Callable[[Framework, Arrays], Case]


def family(build: TorchBuilder, *, fused: bool = False) -> dict[str, Builder]:
    """Return the builders of the rows that share ``build``; ``fused`` adds torch-fused."""

    def row(module: str, compiled: bool, fused: bool = False) -> Builder:
        def builder(data: Arrays) -> Case:
            return build(Framework(importlib.import_module(module), compiled, fused), data)

        return builder

    builders = {
        "tinytorch": row("tinytorch", True),
        "torch": row("torch", False),
        "torch.compile": row("torch", True),
    }
    if fused:
        builders["torch-fused"] = row("torch", False, fused=True)
    return builders


def to_numpy(tensor: Any) -> Array:
    """View a tensor of either framework as an array."""
    return np.asarray(tensor.detach().numpy())


def mlp(framework: Framework, data: Arrays, layers: int) -> Any:
    """Return Linear-ReLU-...-Linear with weights ``w<i>`` (in, out) and biases ``b<i>``."""
    nn = framework.nn
    modules: list[Any] = []
    for layer in range(layers):
        weight = data[f"w{layer}"]
        linear = nn.Linear(*weight.shape)
        with framework.tt.no_grad():
            linear.weight.copy_(framework.tensor(np.ascontiguousarray(weight.T)))
            linear.bias.copy_(framework.tensor(data[f"b{layer}"]))
        modules += [linear, nn.ReLU()]
    return nn.Sequential(*modules[:-1])
