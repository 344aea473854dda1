"""State of a module by name: reading it, and loading all of it or nothing."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from tinytorch.nn.hook import Hooked
from tinytorch.nn.parameter import Parameter
from tinytorch.tracer.factories import as_tensor
from tinytorch.tracer.mode import no_grad
from tinytorch.tracer.tensor import Tensor

EXTRA = "_extra_state"


class _Keys(NamedTuple):
    missing_keys: list[str]
    unexpected_keys: list[str]


class IncompatibleKeys(_Keys):
    """Names that a state dict lacked, and names it had too many."""

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return f"_IncompatibleKeys({super().__repr__().partition('(')[2]}"


class Loading(list[str]):
    """The errors found while a state dict is checked, with the writes to make if there are none."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[_Write] = []
        self.extra: list[tuple[Any, Any]] = []


class _Write(NamedTuple):
    module: Any
    name: str
    live: Tensor
    value: Tensor
    assign: bool

    def run(self) -> None:
        """Write the value in place, or put it where the live tensor was."""
        if not self.assign:
            with no_grad():
                self.live.copy_(self.value)
            return
        value = self.value
        if isinstance(self.live, Parameter):
            if not isinstance(value, Parameter):
                value = Parameter(value, requires_grad=self.live.requires_grad)
            value.requires_grad_(self.live.requires_grad)
        setattr(self.module, self.name, value)

    def undo(self, before: Tensor) -> None:
        """Put back what was there."""
        if self.assign:
            setattr(self.module, self.name, self.live)
        else:
            with no_grad():
                self.live.copy_(before)


class Stateful(Hooked):
    """A module whose state can be read and loaded."""

    _version: int = 1

    def get_extra_state(self) -> Any:
        """Return state that is no tensor; give it together with ``set_extra_state``."""
        raise RuntimeError(
            "Reached a code path in Module.get_extra_state() that should never be called."
        )

    def set_extra_state(self, state: Any) -> None:
        """Take state that ``get_extra_state`` gave."""
        raise RuntimeError(
            "Reached a code path in Module.set_extra_state() that should never be called."
        )

    def _persistent(self) -> dict[str, Tensor]:
        """Parameters and persistent buffers of this very module, by name."""
        kept = {n: v for n, v in self._buffers.items() if n not in self._transient_buffers}
        return {n: v for n, v in {**self._parameters, **kept}.items() if v is not None}

    def _save_to_state_dict(
        self, destination: dict[str, Any], prefix: str, keep_vars: bool
    ) -> None:
        """Put this very module's state into a dict; subclasses may add to it."""
        for name, value in self._persistent().items():
            destination[prefix + name] = value if keep_vars else value.detach()
        if type(self).get_extra_state is not Stateful.get_extra_state:
            destination[prefix + EXTRA] = self.get_extra_state()

    def state_dict(
        self, *args: Any, destination: Any = None, prefix: str = "", keep_vars: bool = False
    ) -> dict[str, Any]:
        """Return parameters and persistent buffers by dotted name; they share live memory."""
        for name, value in zip(("destination", "prefix", "keep_vars"), args):  # the old order
            destination = value if name == "destination" else destination
            prefix = value if name == "prefix" else prefix
            keep_vars = value if name == "keep_vars" else keep_vars
        if destination is None:
            destination = OrderedDict()
            destination._metadata = OrderedDict()
        local_metadata = {"version": self._version}
        if hasattr(destination, "_metadata"):
            destination._metadata[prefix[:-1]] = local_metadata
        for hook in self._hooks_of("saving"):
            hook.function(self, prefix, keep_vars)
        self._save_to_state_dict(destination, prefix, keep_vars)
        for name, module in self._modules.items():
            if module is not None:
                module.state_dict(
                    destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars
                )
        for hook in self._hooks_of("saved"):
            if hook.function(self, destination, prefix, local_metadata) is not None:
                raise RuntimeError("state_dict post-hook must return None")
        return destination

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, local_metadata: dict[str, Any],
        strict: bool, missing_keys: list[str], unexpected_keys: list[str], error_msgs: list[str],
    ) -> None:  # fmt: skip
        """Check this very module's part of a state dict; it is written once all is checked.

        Subclasses may edit ``state_dict`` before they call this.
        """
        for hook in self._hooks_of("loading"):
            hook.function(
                self, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys,
                error_msgs,
            )  # fmt: skip
        if not isinstance(error_msgs, Loading):
            raise TypeError("_load_from_state_dict is called by load_state_dict alone")
        live = self._persistent()
        assign = local_metadata.get("assign_to_params_buffers", False)
        for name, target in live.items():
            key = prefix + name
            if key in state_dict:
                value, error = _checked(key, target, state_dict[key])
                if error:
                    error_msgs.append(error)
                else:
                    error_msgs.writes.append(_Write(self, name, target, value, assign))
            elif strict:
                missing_keys.append(key)
        takes_extra = type(self).set_extra_state is not Stateful.set_extra_state
        extra = prefix + EXTRA
        if extra in state_dict and takes_extra:
            error_msgs.extra.append((self, state_dict[extra]))
        elif strict and extra in state_dict:
            unexpected_keys.append(extra)
        elif strict and takes_extra:
            missing_keys.append(extra)
        if strict:
            known = {*live, EXTRA}
            unexpected_keys.extend(
                key for key in state_dict
                if key.startswith(prefix) and not self._expects(key[len(prefix) :], known)
            )  # fmt: skip

    def _expects(self, name: str, known: set[str]) -> bool:
        head, dot, _ = name.partition(".")
        return head in self._modules if dot else head in known

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> IncompatibleKeys:
        """Write values by name into the live parameters and buffers, in place.

        Values are tensors or numpy arrays. Everything is checked first: a bad dict raises
        RuntimeError and changes nothing. ``strict`` also refuses missing and unexpected names.
        ``assign`` puts the given tensors in the place of the live ones; a parameter keeps its
        ``requires_grad``.
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict)}.")
        metadata = getattr(state_dict, "_metadata", None) or {}
        keys, loading = IncompatibleKeys([], []), Loading()
        visited: list[Stateful] = []

        def check(module: Stateful, part: dict[str, Any], prefix: str) -> None:
            local = dict(metadata.get(prefix[:-1], {}))
            if assign:
                local["assign_to_params_buffers"] = True
            module._load_from_state_dict(part, prefix, local, True, *keys, loading)
            for name, child in module._modules.items():
                if child is not None:
                    below = f"{prefix}{name}."
                    check(child, {k: v for k, v in part.items() if k.startswith(below)}, below)
            visited.append(module)

        check(self, OrderedDict(state_dict), "")
        listeners = [(m, hook) for m in visited for hook in m._hooks_of("loaded")]
        if loading or (strict and any(keys) and not listeners):
            raise self._refusal(loading, keys, strict)
        before = [w.live.detach().clone() if listeners else w.live for w in loading.writes]
        for write in loading.writes:
            write.run()
        for module, hook in listeners:
            if hook.function(module, keys) is not None:
                raise AssertionError(
                    "Hooks registered with ``register_load_state_dict_post_hook`` are not expected "
                    "to return new values, if incompatible_keys need to be modified, it should be "
                    "done inplace."
                )
        if strict and any(keys):
            for write, old in zip(loading.writes, before):
                write.undo(old)
            raise self._refusal(loading, keys, strict)
        for module, state in loading.extra:
            module.set_extra_state(state)
        return keys

    def _refusal(self, errors: list[str], keys: IncompatibleKeys, strict: bool) -> RuntimeError:
        found = list(errors)
        if strict and keys.unexpected_keys:
            found.insert(0, f"Unexpected key(s) in state_dict: {_quoted(keys.unexpected_keys)}. ")
        if strict and keys.missing_keys:
            found.insert(0, f"Missing key(s) in state_dict: {_quoted(keys.missing_keys)}. ")
        text = "\n\t".join(found)
        return RuntimeError(
            f"Error(s) in loading state_dict for {type(self).__name__}:\n\t{text}"
        )


def _quoted(names: list[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _checked(name: str, target: Tensor, value: Any) -> tuple[Any, str]:
    """Return the value as a tensor, and what is wrong with it."""
    if isinstance(value, np.ndarray | np.generic):
        try:
            value = as_tensor(np.asarray(value))
        except (TypeError, ValueError, RuntimeError) as error:
            return None, f'While copying the parameter named "{name}": {error}'
    if not isinstance(value, Tensor):
        return None, (
            f'While copying the parameter named "{name}", expected tinytorch.Tensor or numpy array '
            f"from checkpoint object but received {type(value)}"
        )
    if target.ndim == 0 and value.shape == (1,):
        value = value.reshape(())
    if value.shape != target.shape:
        return None, (
            f"size mismatch for {name}: copying a param with shape {value.shape} from checkpoint, "
            f"the shape in current model is {target.shape}."
        )
    return value, ""
