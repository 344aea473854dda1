"""``@tinytorch.compile``: a function whose every call is one native call.

The first call of a kind (argument structure, types, strides, aliasing, grad mode) traces and
compiles; later ones replay. Sizes of arguments that turn out to differ become symbolic at the next
compile, which then serves every size (``dynamic.py``). A replay checks what the trace relied on; if
something changed, the next fitting replay is tried, else the function is traced again. Never a
stale result: a change is seen, or was refused when the function was traced.
"""

from __future__ import annotations

import copy
import functools
import threading
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from tinytorch import compiler
from tinytorch.config import config
from tinytorch.ir.graph import Graph
from tinytorch.tracer import pullback
from tinytorch.tracer.binding import MISS, Binding
from tinytorch.tracer.definitions import holds
from tinytorch.tracer.dump import dump
from tinytorch.tracer.dynamic import SizeHistory
from tinytorch.tracer.fingerprint import Fingerprint
from tinytorch.tracer.inspection import CacheInfo, KernelView, Stages
from tinytorch.tracer.mode import mode
from tinytorch.tracer.outside import keeping_residuals
from tinytorch.tracer.specialize import Traced, trace_call
from tinytorch.tracer.subgraph import run_subgraph
from tinytorch.tracer.template import Replay, Template
from tinytorch.tracer.tracked import epoch
from tinytorch.tracer.tree import flatten

MAX_REPLAYS = 64
_TRIES = 8
_WARN_AT = 8


def _never(*args: Any) -> Any:
    """The replay of a function without one for plain positional arguments."""
    return MISS


class Compiled:
    """A function compiled at its first call, and again for every new kind of call."""

    __slots__ = (
        "__dict__", "__weakref__", "_bound", "_direct", "_last", "_lock", "_replays",
        "_sizes", "_templates", "calls", "compiles", "function", "name", "retraces",
    )  # fmt: skip

    def __init__(self, function: Callable[..., Any]) -> None:
        functools.update_wrapper(self, function, updated=())
        self.function = function
        self.name = getattr(function, "__name__", type(function).__name__)
        self._replays: list[Replay] = []
        self._templates: list[Template] = []
        self._last: Replay | None = None
        self._sizes = SizeHistory()
        self._direct: Callable[..., Any] = _never
        self._lock = threading.RLock()
        self._bound: dict[int, Any] = {}
        self.calls = 0
        self.compiles = 0
        self.retraces = 0

    def __getattr__(self, name: str) -> Any:
        """What the function itself has: attributes of its own."""
        if name.startswith("__") or "function" not in self.__dict__:
            raise AttributeError(f"'{type(self).__name__}' object has no attribute {name!r}")
        return getattr(self.function, name)

    def __deepcopy__(self, memo: dict[int, Any]) -> Compiled:
        return Compiled(copy.deepcopy(self.function, memo))

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        """As a method: one compiled function an instance."""
        if instance is None:
            return self
        found = self._bound.get(id(instance))
        if found is None or found[0] is not instance:
            found = (instance, Compiled(self.function.__get__(instance, owner)))
            self._bound[id(instance)] = found
        return found[1]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the function: replay if a compiled kind fits, else trace and compile it."""
        self.calls += 1
        if not kwargs:
            result = self._direct(*args)
            if result is not MISS:
                return result
        return self._slow(args, kwargs)

    def _slow(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if mode.trace is not None:
            self.calls -= 1
            return self.function(*args, **kwargs)
        leaves, structure = flatten((args, kwargs))
        with self._lock:
            for replay in list(self._replays):
                if replay.structure != structure:
                    continue
                if replay.binding.seen.value != epoch.value and not replay.revalidate():
                    continue
                result = replay.run(*leaves)
                if result is not MISS:
                    self._prefer(replay, args, kwargs)
                    return result
            for template in list(self._templates):
                found = template.fitting(structure, leaves)
                if found is None:
                    continue
                if found.binding.seen.value != epoch.value and not found.revalidate():
                    continue
                result = found.run(*leaves)
                if result is not MISS:
                    self._prefer(found, args, kwargs)
                    return result
            for _ in range(_TRIES):
                replay = self._compile(args, kwargs, structure, leaves)
                result = replay.run(*leaves)
                if result is not MISS:
                    break
        if result is MISS:
            raise RuntimeError(
                f"{self.name}: a fresh trace does not fit: something that the function sees (a "
                "gradient, a module, a global) changes while it is traced, as another thread may do"
            )
        self._prefer(replay, args, kwargs)
        return result

    def _prefer(self, replay: Replay, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Try this replay first next time."""
        self._last = replay
        if replay in self._replays:
            self._replays.remove(replay)
            self._replays.insert(0, replay)
        leaves, _ = flatten(args)
        flat = not kwargs and len(leaves) == len(args)
        self._direct = replay.run if flat else _never

    def _compile(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], structure: Any, leaves: list[Any]
    ) -> Replay:
        replay = self._compile_for_any_size(args, kwargs, structure, leaves)
        if replay is None:
            replay = self._compile_for_these_sizes(args, kwargs, structure)
        self._last = replay
        self._sizes.note(structure, leaves)
        self.compiles += 1
        if self.compiles > 1:
            self.retraces += 1
            if self.retraces == _WARN_AT:
                warnings.warn(
                    f"{self.name} was traced {self.compiles} times; see {self.name}.explain()",
                    stacklevel=4,
                )
        if config.dump:
            dump(config.dump, f"{self.name}_{self.compiles}", self.stages, replay.built.graph)
        return replay

    def _compile_for_these_sizes(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], structure: Any
    ) -> Replay:
        traced = trace_call(self.function, args, kwargs, self.name)
        built = compiler.build(traced.graph)
        binding = Binding(traced, built)
        run = binding.build()
        reason = self._why(structure, traced)
        replay = Replay(
            structure, run, binding, built, traced, Fingerprint(traced.reach.tracked), reason,
            functools.partial(_with_residuals, traced),
        )  # fmt: skip
        self._replays.insert(0, replay)
        del self._replays[MAX_REPLAYS:]
        return replay

    def _compile_for_any_size(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], structure: Any, leaves: list[Any]
    ) -> Replay | None:
        """Compile with symbolic sizes, if sizes were seen to differ; None if that cannot be."""
        dims = self._sizes.dims(structure, leaves)
        if not dims:
            return None
        found = self._sizes.trace(
            structure, dims, lambda sizes: trace_call(self.function, args, kwargs, self.name, sizes)
        )
        if found is None:
            if any(getattr(leaf, "_dynamic", ()) for leaf in leaves):
                warnings.warn(
                    f"{self.name}: an axis marked dynamic was specialised; see explain()",
                    stacklevel=5,
                )
            return None
        traced, built = found
        template = Template(
            structure, built, traced, Fingerprint(traced.reach.tracked),
            self._why(structure, traced), epoch.value,
        )  # fmt: skip
        replay = self._sizes.checked(lambda: template.fitting(structure, leaves))
        if replay is None:
            return None
        self._templates.insert(0, template)
        del self._templates[MAX_REPLAYS:]
        return replay

    def _why(self, structure: Any, traced: Traced) -> str:
        """Say why no replay fitted."""
        last = self._last
        if last is None:
            return "first call"
        if last.structure != structure:
            return "the arguments have another structure"
        from_last = difference(last, traced)
        return from_last or "grad mode or the default dtype changed"

    # ------------------------------------------------------------ inspection

    @property
    def _current(self) -> Replay:
        if self._last is None:
            raise RuntimeError(f"{self.name} has not been called yet, so there is nothing to show")
        return self._last

    @property
    def stages(self) -> Stages:
        """Every representation of the last call's kind, as text, by name."""
        return Stages(self._current.built, self._current.binding.text)

    @property
    def kernels(self) -> Sequence[KernelView]:
        """The kernels of the last call's kind, in order."""
        built = self._current.built
        return [KernelView(k, built.sources[k.name]) for k in built.program.kernels]

    @property
    def graph(self) -> Graph:
        """The traced graph of the last call's kind."""
        return self._current.built.graph

    @property
    def program(self) -> Any:
        """The launches and memory plan of the last call's kind."""
        return self._current.built.program

    def cache_info(self) -> CacheInfo:
        """Counts of compiles, hits (calls that were replayed at once), retraces, kinds kept."""
        built = sum(r.built.executable.compiled for r in self._replays)
        built += sum(t.compiled for t in self._templates)
        hits = self.calls - self.compiles
        kinds = len(self._replays) + len(self._templates)
        return CacheInfo(self.compiles, hits, self.retraces, kinds, built)

    def explain(self) -> str:
        """Why each kind of call was traced, and what its replay checks."""
        lines = [f"{self.name}: {self.compiles} compiles, {self.retraces} retraces"]
        kinds: list[Replay | Template] = [*reversed(self._replays), *reversed(self._templates)]
        for number, kind in enumerate(kinds, 1):
            lines.append(f"{number}. {kind.reason}")
            lines += [f"     {line}" for line in _checks(kind)]
        lines += [f"sizes: {note}" for note in self._sizes.notes]
        return "\n".join(lines)

    def clear(self) -> None:
        """Forget everything compiled."""
        with self._lock:
            self._replays.clear()
            self._templates.clear()
            self._last = None
            self._sizes = SizeHistory()
            self._direct = _never

    def __repr__(self) -> str:
        return f"<compiled {self.name}: {len(self._replays) + len(self._templates)} kinds>"


def _with_residuals(traced: Traced) -> tuple[Traced, compiler.Compiled]:
    """A call of known sizes with the residuals that backward passes from outside ask for."""
    keeping = keeping_residuals(traced)
    return keeping, compiler.build(keeping.graph)


def _checks(kind: Replay | Template) -> list[str]:
    """What a kind of call is for, and what is checked before it is replayed."""
    traced, lines = kind.traced, []
    for position, leaf in enumerate(traced.leaves):
        shown = getattr(leaf, "_type", type(leaf).__name__)
        lines.append(f"argument {position}: {shown}")
    if isinstance(kind, Template) and traced.sizes is not None:
        lines += traced.sizes.explain()
        ran = ", ".join("x".join(map(str, key)) for key in kind.replays)
        lines.append(f"compiled for any size; ready for {ran}")
    lines += [f"checks {check.text}" for check in traced.checks]
    lines += [f"checks {t} == {outcome!r}" for t, outcome in traced.trace.predicates.items()]
    return lines


def difference(last: Replay, traced: Traced) -> str:
    """The first thing that differs between a replay and a new trace of the same structure."""
    for position, (a, b) in enumerate(zip(last.traced.leaves, traced.leaves, strict=True)):
        x, y = getattr(a, "_type", a), getattr(b, "_type", b)
        if type(a) is not type(b) or (x != y and not isinstance(a, int | float)):
            return f"argument {position} changed from {_shown(x)} to {_shown(y)}"
        if hasattr(a, "_type") and a._strides != b._strides:
            return f"argument {position} changed strides from {a._strides} to {b._strides}"
        if hasattr(a, "_type") and a.requires_grad != b.requires_grad:
            return f"argument {position} changed requires_grad"
    for check in last.traced.checks:
        if not check.holds():
            return f"{check.text} changed"
    for definition in last.traced.definitions:
        if not holds(definition):
            return f"{definition[0].__name__}.{definition[1]} was replaced"
    for text, outcome in last.traced.trace.predicates.items():
        now = traced.trace.predicates.get(text, outcome)
        if now != outcome:
            return f"{text} changed from {outcome!r} to {now!r}"
    if Fingerprint(last.traced.reach.tracked).key != last.fingerprint.key:
        return "a module or optimizer changed (train/eval, a submodule, requires_grad, a setting)"
    if last.traced.trace.grads_read:
        return "an incoming .grad changed"
    return ""


def _shown(value: Any) -> str:
    return str(value) if not isinstance(value, str) else repr(value)


def compile(function: Callable[..., Any] | None = None) -> Any:  # noqa: A001
    """Compile a function or module: ``@tinytorch.compile``.

    The function may hold a whole training step. Raises TraceError at a call for what cannot be
    compiled soundly (see the message for what to write instead).
    """
    if function is None:
        return compile
    if not callable(function):
        raise TypeError(f"compile expects a callable, got {type(function).__name__}")
    for kind, form in _forms:
        if isinstance(function, kind):
            return form(function)
    return Compiled(function)


_forms: list[tuple[type, Callable[[Any], Any]]] = []


def register_form(kind: type, form: Callable[[Any], Any]) -> None:
    """Say what ``compile`` returns for objects of a kind: something that behaves as they do."""
    _forms.append((kind, form))


pullback.set_call_runner(run_subgraph)

__all__ = ["compile"]
