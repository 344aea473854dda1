"""Guards: the part of a replay that checks what its trace relied on, before anything is changed."""

from __future__ import annotations

import functools
from typing import Any

from tinytorch.compiler import Compiled as Built
from tinytorch.tracer.checks import MISSING, UNBOUND, Variable
from tinytorch.tracer.handback import Handback
from tinytorch.tracer.incoming import Incoming
from tinytorch.tracer.mode import mode
from tinytorch.tracer.specialize import Traced
from tinytorch.tracer.storage import LentStorage
from tinytorch.tracer.tensor import Tensor


class Guards(Handback):
    """Writes the lines of a replay that return MISS unless everything is as it was."""

    def __init__(self, traced: Traced, built: Built) -> None:
        super().__init__(traced, built)
        self.table = built.executable.table

    def _guards(self) -> None:
        grad = self.traced.grad
        self.bind("dtype", self.traced.default_dtype)
        self.emit(1, "here = mode.__dict__")
        self._miss(
            f"more or here['trace'] is not None or here['grad'] is not {grad} or "
            f"here['inference'] is not {mode.inference} or "
            "here['default_dtype'] is not dtype or epoch.value != seen.value"
        )
        storages: dict[int, int] = {}
        for position, leaf in enumerate(self.traced.leaves):
            self._leaf_guard(position, leaf, storages)
        self._state_guards()
        self._definitions()
        self._checks()
        kept = {id(owner) for owner, _ in self.traced.grads_kept}
        incoming = {id(owner) for owner in self.traced.gradient_of.values()}
        for number, (tensor, grad_now) in enumerate(self.traced.trace.grads_read.values()):
            owner = self._tensor_text(tensor, f"read_grad{number}")
            if grad_now is None or id(tensor) in kept:
                self._miss(f"{owner}._grad is not {self.bind(f'grad_was{number}', grad_now)}")
            elif id(tensor) not in incoming:  # only whether there was one can have mattered
                self._miss(f"{owner}._grad is None")
        self._numbers()

    def _definitions(self) -> None:
        """Functions and methods that ran, all in one condition."""
        tests = [
            f"{self.bind(f'definer{n}', owner)}.{name} is not {self.bind(f'defined{n}', expected)}"
            for n, (owner, name, expected) in enumerate(self.traced.definitions)
        ]
        if tests:
            self._miss_or_gone([" or ".join(tests)], (AttributeError,))

    def _checks(self) -> None:
        """What the function reaches by name. A variable is read here, without a call."""
        told: set[tuple[int, str]] = set()
        conditions: list[str] = []
        for number, check in enumerate(self.traced.checks):
            if isinstance(check.read, Variable) and check.expected is not MISSING:
                key = (id(check.read.holder), check.read.name)
                if key in told:
                    continue
                told.add(key)
                read = check.read.spelled(self.bind(f"holder{number}", check.read.holder))
            else:
                read = f"{self.bind(f'read{number}', check.read)}()"
            differs = f"{read} is not {self.bind(f'was{number}', check.expected)}"
            if not check.identical:
                differs += f" and not {self.bind(f'holds{number}', check.holds)}()"
            conditions.append(differs)
        if conditions:
            self._miss_or_gone(conditions, UNBOUND)

    def _state_guards(self) -> None:
        """Arguments that share memory with what the function sees by itself, and those that do not.

        A replay for one kind does not fit the other: to it, writes to one are writes to both.
        """
        known = self.traced.argument_of.keys() | self.traced.gradient_of.keys()
        seen = [t for n, (_, t) in enumerate(self.traced.trace.captures) if n not in known]
        seen += [t for t in self.traced.reach.tracked if isinstance(t, Tensor)]
        states = frozenset(id(t._storage) for t in seen)
        self.bind("states", states)
        self.incoming = Incoming(self.table, states)
        self.bind("state_storages", [t._storage for t in seen])  # so that no id is used again
        for position, leaf in enumerate(self.traced.leaves):
            if not isinstance(leaf, Tensor) or not states:
                continue
            if id(leaf._storage) in states:  # where it lies, the fingerprint watches
                self._miss(f"a{position} is not {self.bind(f'argument{position}', leaf)}")
            else:
                self._miss(f"id(a{position}._storage) in states")

    def _miss_or_gone(
        self, conditions: list[str], gone: tuple[type[Exception], ...]
    ) -> None:  # fmt: skip
        """MISS if any condition holds, or if reading one raises because something is gone."""
        self.emit(1, "try:")
        for condition in conditions:
            self.emit(2, f"if {condition}:")
            self.emit(3, "return MISS")
        self.emit(1, f"except ({', '.join(e.__name__ for e in gone)},):")
        self.emit(2, "return MISS")

    def _miss(self, condition: str) -> None:
        self.emit(1, f"if {condition}:")
        self.emit(2, "return MISS")

    def _leaf_guard(self, position: int, leaf: Any, storages: dict[int, int]) -> None:
        a = f"a{position}"
        if isinstance(leaf, Tensor):
            kind = self.bind(f"type{position}", leaf._type)
            strides = self.bind(f"strides{position}", leaf._strides)
            cls = self.bind(f"class{position}", type(leaf))
            hooked = f"bool(getattr({a}, '_hooks', None))"
            hooks = f"not {hooked}"
            if not getattr(leaf, "_hooks", None):
                hooks = f"hooking.value and {hooked}"
            requires = (
                f"not ({a}._requires or {a}.requires_grad) or {hooks}" if leaf.requires_grad else
                f"{a}._requires or {a}._tape is not None or {a}._base is not None and "
                f"{a}.requires_grad"
            )  # fmt: skip
            self._miss(
                f"type({a}) is not {cls} or ({a}._type is not {kind} and {a}._type != {kind}) or "
                f"{a}._strides != {strides} or {a}._array is None or {requires}"
            )
            for other, first in storages.items():
                same = "is not" if other == id(leaf._storage) else "is"
                self._miss(f"{a}._storage {same} a{first}._storage")
            storages.setdefault(id(leaf._storage), position)
            self._place_guards(position, leaf)
        elif type(leaf) in (int, float):
            self._miss(f"type({a}) is not {type(leaf).__name__}")
        elif isinstance(leaf, bool | str | bytes | complex | type(None)):
            was = self.bind(f"constant{position}", leaf)
            self._miss(f"type({a}) is not type({was}) or {a} != {was}")
        else:
            self._miss(f"{a} is not {self.bind(f'constant{position}', leaf)}")

    def _place_guards(self, position: int, leaf: Tensor) -> None:
        """Arguments must touch each other as they did, if one is written or both are one input."""
        traced, capture = self.traced, self.traced.capture_of[position]
        updated, a = self._updated, f"a{position}"
        if capture in updated:
            self._miss(f"not {a}._array.flags.writeable")
        beside = [i for i, c in traced.capture_of.items() if i < position
                  and (c in updated or capture in updated)]  # fmt: skip
        for other, earlier in traced.capture_of.items():
            if other >= position or traced.leaves[other]._storage is not leaf._storage:
                continue
            if earlier == capture:
                self._miss(f"{a} is not a{other} and address({a}) != address(a{other})")
            elif other in beside:
                self._miss(f"touch({a}, a{other})")
        if beside:
            self._miss(f"touch_lent({a}, ({''.join(f'a{i}, ' for i in beside)}))")
        fixed = [t for n, (_, t) in enumerate(traced.trace.captures)
                 if n not in traced.argument_of and (capture in updated or n in updated)
                 and type(t._storage) is LentStorage]  # fmt: skip
        if fixed:
            self._miss(f"type({a}._storage) is Lent and "
                       f"touch_lent({a}, {self.bind(f'fixed{position}', fixed)})")  # fmt: skip

    @functools.cached_property
    def _updated(self) -> set[int]:
        """Positions of the captures that the graph writes to."""
        updates = self.traced.graph.updates
        return {n for n, (node, _) in enumerate(self.traced.trace.captures) if node in updates}

    def _numbers(self) -> None:
        for text, (holder, key) in self.traced.trace.number_holders.items():
            self.emit(1, f"{text} = dict_get({self.bind(f'holder_{text}', holder)}, {key!r})")
        for number, (text, outcome) in enumerate(self.traced.trace.predicates.items()):
            was = self.bind(f"outcome{number}", outcome)
            self._miss(f"({text}) != {was}")
