"""Loading values by name into live tensors: all of them or none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from tinytorch.tracer.factories import as_tensor
from tinytorch.tracer.mode import no_grad
from tinytorch.tracer.tensor import Tensor


class _Keys(NamedTuple):
    missing_keys: list[str]
    unexpected_keys: list[str]


class LoadResult(_Keys):
    """Names that a state dict lacked, and names it had too many."""

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return super().__repr__()


def load_into(
    owner: str, live: Mapping[str, Tensor], values: Mapping[str, Any], strict: bool
) -> LoadResult:
    """Copy values into live tensors of the same name; raise RuntimeError before any write."""
    missing = [name for name in live if name not in values]
    unexpected = [name for name in values if name not in live]
    errors = []
    if strict and unexpected:
        errors.append(f"Unexpected key(s) in state_dict: {_quoted(unexpected)}. ")
    if strict and missing:
        errors.append(f"Missing key(s) in state_dict: {_quoted(missing)}. ")
    pairs = []
    for name, target in live.items():
        if name in values:
            value, error = _checked(name, target, values[name])
            if error:
                errors.append(error)
            pairs.append((target, value))
    if errors:
        raise RuntimeError(f"Error(s) in loading state_dict for {owner}:\n\t" + "\n\t".join(errors))
    with no_grad():
        for target, value in pairs:
            target.copy_(value)
    return LoadResult(missing, unexpected)


def _quoted(names: list[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _checked(name: str, target: Tensor, value: Any) -> tuple[Any, str]:
    """Return the value as a tensor, and what is wrong with it."""
    if isinstance(value, np.ndarray | np.generic):
        value = as_tensor(np.asarray(value))
    if not isinstance(value, Tensor):
        return None, (
            f'While copying the parameter named "{name}", expected tinytorch.Tensor or numpy array '
            f"from checkpoint object but received {type(value).__name__}"
        )
    if value.shape != target.shape:
        return None, (
            f"size mismatch for {name}: copying a param with shape {value.shape} from checkpoint, "
            f"the shape in current model is {target.shape}."
        )
    return value, ""
