"""Optimizer: parameter groups, per-parameter state, and both as dicts in PyTorch's format.

All state exists from construction on, so that a compiled step sees it at its first trace. What a
step changes is tensors only: what a parameter counts (steps, a product of decay rates) is no
Python number but an entry of one of the group's *counts*, float64 vectors with an entry a
parameter, so that all bias corrections of a group are one small vector computation.
"""

from __future__ import annotations

import copy
import functools
import itertools
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tinytorch.errors import TraceError
from tinytorch.optim.checkpoint import adopted, match_groups, match_state, pack
from tinytorch.optim.settings import check_ways
from tinytorch.tracer import dtypes as types
from tinytorch.tracer.factories import full, zeros_like
from tinytorch.tracer.hooks import RemovableHandle
from tinytorch.tracer.mode import enable_grad, mode, no_grad, user_origin
from tinytorch.tracer.tensor import Tensor
from tinytorch.tracer.tracked import Tracked, TrackedDict, TrackedList, touch

Counts = Mapping[str, Tensor]
"""Vectors of a group, float64, with an entry a parameter."""

required: Any = type("_Required", (), {"__repr__": lambda self: "<required parameter>"})()
"""Default of a setting that every group must give."""
_numbers = itertools.count()


def _hooked(step: Callable[..., Any]) -> Callable[..., Any]:
    """Call a class's ``step`` between the hooks of the instance."""

    @functools.wraps(step)
    def between_hooks(self: Any, *args: Any, **kwargs: Any) -> Any:
        hooks = self._hooks if type(self).step is between_hooks else {}  # super().step() has none
        for moment, hook in list(hooks.values()):
            if moment == "before" and (changed := hook(self, args, kwargs)) is not None:
                if not isinstance(changed, tuple) or len(changed) != 2:
                    raise RuntimeError(
                        f"{step} must return None or a tuple of (new_args, new_kwargs), but got "
                        f"{changed}."
                    )
                args, kwargs = changed
        result = step(self, *args, **kwargs)
        for moment, hook in list(hooks.values()):
            if moment == "after":
                hook(self, args, kwargs)
        return result

    return between_hooks


class Optimizer(Tracked):
    """Base of optimizers. Subclasses give ``new_state``, ``first_counts`` and ``update``.

    A subclass written for PyTorch, with a ``step`` of its own that makes state as it goes, runs
    eagerly; inside a compiled function it needs one eager step first.

    ``params`` is an iterable of leaf tensors, of pairs of name and leaf tensor, or of dicts with
    ``"params"`` and settings of their own. Raises TypeError for anything else, ValueError for an
    empty list, a tensor that is no leaf, or a tensor in two groups.
    """

    def __init__(self, params: Any, defaults: dict[str, Any]) -> None:
        if isinstance(params, Tensor):
            raise TypeError(
                "params argument given to the optimizer should be an iterable of Tensors or dicts, "
                f"but got {type(params).__name__}"
            )
        self.defaults = TrackedDict(defaults)
        self.state: Any = TrackedDict()
        self.param_groups = TrackedList()
        self._counts: Any = TrackedList()
        self._hooks: dict[int, Any] = {}
        groups = list(params)
        if not groups:
            raise ValueError("optimizer got an empty parameter list")
        for group in groups if isinstance(groups[0], dict) else [{"params": groups}]:
            self.add_param_group(group)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "step" in cls.__dict__:
            cls.step = _hooked(cls.__dict__["step"])  # type: ignore[method-assign]

    # ---------------------------------------------------------------- groups

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group; settings it lacks are the defaults."""
        if mode.trace is not None:
            raise TraceError(
                f"{user_origin()}: add_param_group inside a compiled function; call it outside"
            )
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        given, names = _split_names(param_group["params"])
        params = self._checked_params(given)
        group = TrackedDict()
        for name, value in {**param_group, "params": TrackedList(params)}.items():
            group[name] = value
        if names:
            group["param_names"] = names
        for other in self.param_groups:
            if ("param_names" in other) != ("param_names" in group):
                raise ValueError(
                    "all optimizer param groups should be with/without names. cannot add param "
                    f"group {'with' if names else 'without'} names to the optimizer"
                )
        for name, value in self.defaults.items():
            if value is required and name not in group:
                raise ValueError(
                    "parameter group didn't specify a value of required optimization parameter "
                    f"{name}"
                )
            group.setdefault(name, value)
        check_ways(group)
        self.check_settings(group)
        counts = TrackedDict()
        for name, first in self.first_counts(group).items():
            counts[name] = full((len(params),), float(first), dtype=types.float64)
        self._counts.append(counts)
        self.param_groups.append(group)
        for param in params:
            self.state[param] = TrackedDict(self.new_state(param, group))
        self._link_counts()

    def _checked_params(self, params: list[Any]) -> list[Tensor]:
        for param in params:
            if not isinstance(param, Tensor):
                raise TypeError(
                    "optimizer can only optimize Tensors, but one of the params is "
                    f"{type(param).__name__}"
                )
            if not param.is_leaf:
                raise ValueError("can't optimize a non-leaf Tensor")
            if not param.dtype.is_floating_point:
                raise ValueError(f"can't optimize a Tensor of dtype {param.dtype}")
        if len({id(p) for p in params}) != len(params):
            warnings.warn(
                "optimizer contains a parameter group with duplicate parameters; in future, this "
                "will cause an error",
                stacklevel=4,
            )
        if any(p in self.state for p in params):
            raise ValueError("some parameters appear in more than one parameter group")
        return params

    def check_settings(self, group: Mapping[str, Any]) -> None:
        """Raise ValueError for settings that make no sense."""

    def new_state(self, param: Tensor, group: Mapping[str, Any]) -> dict[str, Any]:
        """Return the state of a parameter before its first step, but for what it counts."""
        return {}

    def first_counts(self, group: Mapping[str, Any]) -> dict[str, Any]:
        """Return what each parameter of a group counts, with its value before the first step.

        Each is an entry of ``state[param]``, but for a name that starts with an underscore.
        """
        return {}

    def entry(self, param: Tensor, name: str) -> Any:
        """A tensor of a parameter's state, made now if a setting switched on later needs it."""
        state = self.state[param]
        if name not in state:
            if mode.trace is not None:
                raise TraceError(
                    f"{user_origin()}: {type(self).__name__} needs {name!r} by a setting changed "
                    "since it was made, and cannot make it inside a compiled function; call its "
                    "complete_state() first"
                )
            state[name] = zeros_like(param)
            touch()
        return state[name]

    def complete_state(self) -> None:
        """Make state that settings ask for which changed since their group was added."""
        for group in self.param_groups:
            for param in group["params"]:
                for name, value in self.new_state(param, group).items():
                    self.state[param].setdefault(name, value)

    def _link_counts(self) -> None:
        """Show each entry of the counts in ``state[param]`` as a 0-d view."""
        for group, counts in zip(self.param_groups, self._counts, strict=True):
            shown = {name: c for name, c in counts.items() if not name.startswith("_")}
            for position, param in enumerate(group["params"]) if shown else ():
                entries = {name: vector[position] for name, vector in shown.items()}
                self.state[param] = TrackedDict({**entries, **self.state[param], **entries})
        touch()

    def __deepcopy__(self, memo: dict[int, Any]) -> Optimizer:
        twin: Optimizer = type(self).__new__(type(self))
        memo[id(self)] = twin
        for name, value in self.__dict__.items():
            object.__setattr__(twin, name, copy.deepcopy(value, memo))
        twin._link_counts()
        return twin

    # ------------------------------------------------------------------ step

    def register_step_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(optimizer, args, kwargs)`` before each step.

        What it returns, unless None, are the arguments to go on with.
        """
        return self._add_hook("before", hook)

    def register_step_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(optimizer, args, kwargs)`` after each step."""
        return self._add_hook("after", hook)

    def _add_hook(self, moment: str, hook: Callable[..., Any]) -> RemovableHandle:
        self._check_writable("hooks")
        number = next(_numbers)
        self._hooks[number] = (moment, hook)
        touch()
        return RemovableHandle(self._hooks, number)

    @_hooked
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient; return what the closure returned.

        ``closure`` computes the loss anew, with gradients, before the update.
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        with no_grad():
            for group, counts in zip(self.param_groups, self._counts, strict=True):
                active = [i for i, p in enumerate(group["params"]) if p.grad is not None]
                if active:
                    self.update(group, active, counts)
        return loss

    def update(self, group: TrackedDict, active: list[int], counts: Counts) -> None:
        """Step the parameters of a group at these positions, all of which have gradients."""
        raise NotImplementedError

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget every parameter's gradient, or fill it with zeros."""
        for group in self.param_groups:
            for param in group["params"]:
                if set_to_none:
                    param.grad = None  # not read first: compiled code would watch what it reads
                elif param.grad is not None:
                    param.grad.detach().zero_()

    # ----------------------------------------------------------------- state

    def state_dict(self) -> dict[str, Any]:
        """Return ``{"state": {position: {...}}, "param_groups": [...]}``; tensors stay live."""
        return pack(self.param_groups, self.state)

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Write a state dict into this optimizer: tensors in place, settings into the groups.

        State that the dict lacks starts anew. Everything is checked first: a bad dict raises
        ValueError and changes nothing.
        """
        settings = match_groups(self.param_groups, state_dict)
        if type(self).update is Optimizer.update:
            self._adopt(settings, state_dict)
            return
        wanted: dict[Tensor, dict[str, Any]] = {}
        fresh: dict[Tensor, dict[str, Any]] = {}
        for group, new in zip(self.param_groups, settings, strict=True):
            merged = {**group, **new}
            check_ways(merged)
            self.check_settings(merged)
            first = {n: v for n, v in self.first_counts(merged).items() if not n.startswith("_")}
            for param in group["params"]:
                made = self.new_state(param, merged)  # settings may ask for state not kept so far
                wanted[param] = {**self.state[param], **made, **self.state[param]}
                fresh[param] = {**first, **made}
        writes = match_state(self.param_groups, wanted, fresh, state_dict)
        with no_grad():
            for target, value in writes:
                target.copy_(value)
        for group, new in zip(self.param_groups, settings, strict=True):
            group.update(new)
        for param, entries in wanted.items():
            for name in entries.keys() - self.state[param].keys():
                self.state[param][name] = entries[name]

    def _adopt(self, settings: list[dict[str, Any]], state_dict: Mapping[str, Any]) -> None:
        """Take over state as it is: an optimizer with a ``step`` of its own keeps what it likes."""
        state = adopted(self.param_groups, state_dict)
        for group, new in zip(self.param_groups, settings, strict=True):
            group.update(new)
        for param, entries in state.items():
            self.state[param] = TrackedDict(entries)
        touch()

    def __repr__(self) -> str:
        text = f"{type(self).__name__} ("
        for number, group in enumerate(self.param_groups):
            text += f"\nParameter Group {number}\n"
            for key in sorted(group):
                if key != "params":
                    text += f"    {key}: {group[key]}\n"
        return text + ")"


def advance(vector: Tensor, active: list[int], new: Tensor | None = None) -> None:
    """Write the entries of ``new`` at some positions (ascending), by runs of neighbours.

    Without ``new``, count one further step.
    """
    for first, last in _runs(active):
        whole = last - first == vector.numel()
        part = vector if whole else vector[first:last]
        if new is None:
            part.copy_(part + 1.0)
        else:
            part.copy_(new if whole else new[first:last])


def _runs(positions: list[int]) -> Iterator[tuple[int, int]]:
    """Split ascending positions into half-open runs."""
    start = 0
    for at in range(1, len(positions) + 1):
        if at == len(positions) or positions[at] != positions[at - 1] + 1:
            yield positions[start], positions[at - 1] + 1
            start = at


def gradient_of(param: Tensor, group: TrackedDict, decay: Any) -> Any:
    """The gradient to descend: negated to maximise, plus weight decay as a gradient."""
    grad: Any = param.grad
    grad = -grad if group["maximize"] else grad
    return grad if decay == 0 else grad + param * decay


def averaged(mean: Any, value: Any, decay: Any) -> Any:
    """Move a running mean, in place, to ``decay * mean + (1 - decay) * value``; return it."""
    mean.copy_(mean + (value - mean) * (1.0 - decay))
    return mean


def averaged_square(mean: Any, value: Any, decay: Any) -> Any:
    """Move a running mean of squares in place; return it."""
    mean.copy_(mean * decay + value * value * (1.0 - decay))
    return mean


def _split_names(given: Any) -> tuple[list[Any], list[str]]:
    """Parameters and their names, if they come with names; raise for sets and for a mixture."""
    if isinstance(given, set | frozenset):
        raise TypeError(
            "optimizer parameters need to be organized in ordered collections, but the "
            "ordering of tensors in sets will change between runs. Please use a list instead."
        )
    items = [given] if isinstance(given, Tensor) else list(given)
    names = [item[0] for item in items if isinstance(item, tuple)]
    if names and len(names) != len(items):
        raise ValueError(
            "all optimizer params should be with/without names. Some param names are missing"
        )
    return [item[1] if isinstance(item, tuple) else item for item in items], names
