"""An optimizer's state as a dict in PyTorch's format, and back: all of it or nothing."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tinytorch.tracer.factories import as_tensor, zeros_like
from tinytorch.tracer.tensor import Tensor

Write = tuple[Tensor, Tensor]


def pack(
    groups: Sequence[Mapping[str, Any]], state: Mapping[Tensor, Mapping[str, Any]]
) -> dict[str, Any]:
    """Return the dict: parameters are numbered through all groups."""
    numbers: dict[Tensor, int] = {}
    packed = []
    for group in groups:
        for param in group["params"]:
            numbers.setdefault(param, len(numbers))
        settings = {name: value for name, value in group.items() if name != "params"}
        packed.append({**settings, "params": [numbers[p] for p in group["params"]]})
    return {
        "state": {numbers[p]: dict(entries) for p, entries in state.items() if entries},
        "param_groups": packed,
    }


def match_groups(
    groups: Sequence[Mapping[str, Any]], saved: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Return each group's saved settings; raise ValueError where groups do not fit."""
    if not isinstance(saved, Mapping) or not {"state", "param_groups"} <= set(saved):
        raise ValueError("an optimizer's state dict has the keys 'state' and 'param_groups'")
    packed = saved["param_groups"]
    if len(packed) != len(groups):
        raise ValueError("loaded state dict has a different number of parameter groups")
    settings = []
    for group, stored in zip(groups, packed, strict=True):
        if len(stored["params"]) != len(group["params"]):
            raise ValueError(
                "loaded state dict contains a parameter group that doesn't match the size of "
                "optimizer's group"
            )
        new = {n: v for n, v in stored.items() if n not in ("params", "param_names")}
        for name, value in new.items():
            if isinstance(value, list) and isinstance(group.get(name), tuple):
                new[name] = tuple(value)  # betas that were stored as JSON
        settings.append(new)
    return settings


def match_state(
    groups: Sequence[Mapping[str, Any]], state: Mapping[Tensor, Mapping[str, Any]],
    fresh: Mapping[Tensor, Mapping[str, Any]], saved: Mapping[str, Any],
) -> list[Write]:  # fmt: skip
    """Return the tensors to write, with their values (those of ``fresh`` where none is saved).

    Raises ValueError where parameters, names or shapes do not fit.
    """
    owners = _owners(groups, saved)
    writes: list[Write] = []
    for number, param in owners.items():
        writes += _entry_writes(
            number, state[param], fresh[param], saved["state"].get(number, {})
        )
    return writes


def _owners(groups: Sequence[Mapping[str, Any]], saved: Mapping[str, Any]) -> dict[Any, Tensor]:
    """Parameters by their saved numbers; raise ValueError for state that belongs to none."""
    owners: dict[Any, Tensor] = {}
    for group, stored in zip(groups, saved["param_groups"], strict=True):
        owners.update(zip(stored["params"], group["params"], strict=True))
    unknown = [number for number in saved["state"] if number not in owners]
    if unknown:
        raise ValueError(f"loaded state dict has state of unknown parameters {unknown}")
    return owners


def adopted(
    groups: Sequence[Mapping[str, Any]], saved: Mapping[str, Any]
) -> dict[Tensor, dict[str, Any]]:
    """Return copies of the saved state by parameter, for groups that match.

    Tensors of fractions take the parameter's dtype, but for the count of steps.
    """
    owners = _owners(groups, saved)
    return {
        owners[number]: {name: _copy(name, value, owners[number]) for name, value in old.items()}
        for number, old in saved["state"].items()
    }


def _copy(name: str, value: Any, param: Tensor) -> Any:
    if isinstance(value, list | tuple):
        return type(value)(_copy(name, item, param) for item in value)
    if isinstance(value, Mapping):
        return {key: _copy(name, item, param) for key, item in value.items()}
    if not isinstance(value, Tensor):
        return copy.deepcopy(value)
    own = value.detach().clone()
    return own.to(param.dtype) if own.dtype.is_floating_point and name != "step" else own


def _entry_writes(
    number: Any, live: Mapping[str, Any], fresh: Mapping[str, Any], stored: Mapping[str, Any]
) -> list[Write]:
    """Writes of one parameter's state."""
    unknown = [name for name in stored if name not in live and stored[name] is not None]
    if unknown:
        raise ValueError(
            f"loaded state dict has entries {unknown} for parameter {number}, which this optimizer "
            f"does not keep (it keeps {list(live)})"
        )
    writes: list[Write] = []
    for name, target in live.items():
        value = stored.get(name)
        if value is None:
            value = fresh.get(name)
        if value is None:
            value = zeros_like(target)
        if isinstance(value, np.ndarray | np.generic | int | float):
            value = as_tensor(np.asarray(value))
        if not isinstance(value, Tensor):
            raise ValueError(
                f"state {name!r} of parameter {number} must be a tensor, number or numpy array, "
                f"got {type(value).__name__}"
            )
        if value.shape != target.shape:
            raise ValueError(
                f"state {name!r} of parameter {number} has shape {list(value.shape)}, expected "
                f"{list(target.shape)}"
            )
        writes.append((target, value))
    return writes
