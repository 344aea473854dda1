"""Modules as functions of their parameters: what transforms of functions differentiate."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

from tinytorch.nn.module import Module
from tinytorch.tracer.shapes import stack
from tinytorch.tracer.tensor import Tensor


def functional_call(
    module: Module, parameter_and_buffer_dicts: Any, args: Any = None, kwargs: Any = None, *,
    tie_weights: bool = True, strict: bool = False,
) -> Any:  # fmt: skip
    """Call a module with other tensors in place of its parameters and buffers.

    ``parameter_and_buffer_dicts`` maps dotted names to tensors, or is a sequence of such dicts;
    those not named stay, and with ``strict`` none may be left out. With ``tie_weights`` a tensor
    that the module holds under several names is replaced under all. The module is as before
    afterwards. Raises KeyError for a name that the module has not.
    """
    values = _merged(parameter_and_buffer_dicts)
    arguments = () if args is None else args if isinstance(args, tuple) else (args,)
    with _replaced(module, values, tie_weights, strict):
        return module(*arguments, **(kwargs or {}))


def _merged(dicts: Any) -> dict[str, Tensor]:
    if isinstance(dicts, dict):
        return dict(dicts)
    if not isinstance(dicts, list | tuple) or not all(isinstance(d, dict) for d in dicts):
        raise ValueError(
            "Expected parameter_and_buffer_dicts to be a dict, or a list/tuple of dicts, but got "
            f"{type(dicts)}"
        )
    merged: dict[str, Tensor] = {}
    for d in dicts:
        repeated = sorted(merged.keys() & d.keys())
        if repeated:
            raise ValueError(f"{repeated} appeared in multiple dictionaries; behavior is ambiguous")
        merged.update(d)
    return merged


def _places(module: Module) -> dict[str, tuple[dict[str, Any], str]]:
    """Where each parameter and buffer is kept, by dotted name."""
    found: dict[str, tuple[dict[str, Any], str]] = {}
    for path, part in module.named_modules(remove_duplicate=False):
        for table in (part._parameters, part._buffers):
            for name, value in table.items():
                if value is not None:
                    found[f"{path}.{name}" if path else name] = (table, name)
    return found


@contextlib.contextmanager
def _replaced(
    module: Module, values: dict[str, Tensor], tie_weights: bool, strict: bool
) -> Iterator[None]:
    """Other tensors in a module's tables for a while. No change of structure: nothing is seen."""
    places = _places(module)
    unexpected = sorted(values.keys() - places.keys())
    if unexpected:
        raise KeyError(f"Unexpected key(s): {', '.join(unexpected)}: the module has no such tensor")
    wanted = dict(values)
    if tie_weights:
        by_identity = {id(places[n][0][places[n][1]]): v for n, v in values.items()}
        for name, (table, key) in places.items():
            if id(table[key]) in by_identity:
                wanted.setdefault(name, by_identity[id(table[key])])
    missing = sorted(places.keys() - wanted.keys())
    if strict and missing:
        raise RuntimeError(f"Missing key(s): {', '.join(missing)}")
    before = [(*places[name], places[name][0][places[name][1]]) for name in wanted]
    try:
        for name, value in wanted.items():
            table, key = places[name]
            table[key] = value
        yield
    finally:
        for table, key, old in before:
            table[key] = old


def stack_module_state(models: Sequence[Module]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Stack the parameters, and the buffers, of modules of one class along a new first axis.

    The results are dicts for ``vmap`` over ``functional_call``; stacked parameters are leaves that
    require gradients. Raises RuntimeError for no models, for several classes or training modes.
    """
    if not models:
        raise RuntimeError("stack_module_state: Expected at least one model, got 0.")
    if any(m.training != models[0].training for m in models):
        raise RuntimeError(
            "stack_module_state: Expected all models to have the same training/eval mode."
        )
    if any(type(m) is not type(models[0]) for m in models):
        raise RuntimeError("stack_module_state: Expected all models to be of the same class.")
    named = [dict(m.named_parameters()) for m in models]
    params = {
        name: stack([p[name].detach() for p in named]).requires_grad_(named[0][name].requires_grad)
        for name in named[0]
    }
    held = [dict(m.named_buffers()) for m in models]
    buffers = {name: stack([b[name] for b in held]) for name in held[0]}
    return params, buffers
