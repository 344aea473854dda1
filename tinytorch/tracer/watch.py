"""Watch: what user code runs while a function is traced, and side effects it must not have."""

from __future__ import annotations

import builtins
import datetime
import dis
import gc
import pickle
import random
import sys
import types
from typing import Any

import numpy as np

from tinytorch.errors import TraceError
from tinytorch.tracer.reach import Reach
from tinytorch.tracer.usercode import is_generated_here, is_user_file, nested_codes

_MUTATORS = frozenset(
    {"append", "extend", "insert", "pop", "remove", "clear", "sort", "reverse", "update",
     "setdefault", "popitem", "add", "discard", "appendleft", "popleft"}
)  # fmt: skip
_RANDOM_STATE = (random.Random, np.random.RandomState, np.random.Generator)
_CLOCKS = frozenset({"time", "time_ns", "perf_counter", "perf_counter_ns", "monotonic",
                     "monotonic_ns", "process_time", "sleep", "localtime", "gmtime", "ctime",
                     "strftime"})  # fmt: skip
_DATES = (datetime.datetime, datetime.date)


class Watch:
    """A profiler hook for the time of one trace."""

    def __init__(self, reach: Reach) -> None:
        self.reach = reach
        self.ran: set[types.CodeType] = set()
        self._mutable = reach.mutable_ids
        self._previous: Any = None
        self._refused: TraceError | None = None
        self._generators = [_Drawn(g) for g in (*_shared_generators(), *reach.generators)]

    def __enter__(self) -> Watch:
        self._previous = sys.getprofile()
        sys.setprofile(self._event)
        return self

    def __exit__(self, *exc: object) -> None:
        if self._previous is None or callable(self._previous):
            sys.setprofile(self._previous)
        else:  # a profiler written in C, which cannot be set this way
            sys.setprofile(None)
            self._previous.enable()
        drawn = [g for g in self._generators if g.put_back()]
        if drawn and self._refused is None:
            self._refused = TraceError(
                f"a random number was drawn from {drawn[0].name} inside a compiled function: that "
                "would happen only once, while it is traced; use tinytorch.rand and its relatives, "
                "or pass the number as an argument"
            )

    def _event(self, frame: types.FrameType, event: str, arg: Any) -> None:
        if event == "call":
            code = frame.f_code
            if is_user_file(code.co_filename):
                self.ran.add(code)
            elif code.co_filename.endswith("logging/__init__.py"):
                self._refuse(frame, "logging", "log the returned values outside")
        elif event == "c_call":
            self._builtin(frame, arg)

    def _builtin(self, frame: types.FrameType, function: Any) -> None:
        owner = getattr(function, "__self__", None)
        if isinstance(owner, _RANDOM_STATE):
            self._refuse(
                frame, f"a random number ({function.__name__})",
                "use tinytorch.rand and its relatives, or pass the number as an argument",
            )  # fmt: skip
        name = getattr(function, "__name__", "")
        if name == "urandom":
            self._refuse(frame, "a random number of the system", "pass it as an argument")
        if not is_user_file(frame.f_code.co_filename):
            return
        if function is builtins.print or function is builtins.input or function is builtins.open:
            self._refuse(frame, f"{name}()", "return the values and use them outside")
        if owner in _DATES and name in ("now", "today", "utcnow"):
            self._refuse(frame, f"{owner.__name__}.{name}()", "pass the date as an argument")
        if name in _CLOCKS and getattr(function, "__module__", "") == "time":
            self._refuse(frame, f"time.{name}()", "measure around the call instead")
        if name in _MUTATORS and id(owner) in self._mutable:
            self._refuse(
                frame, f"changing a {type(owner).__name__} from outside ({name})",
                "return the values and collect them outside",
            )  # fmt: skip

    def _refuse(self, frame: types.FrameType, what: str, remedy: str) -> None:
        """Raise; and remember, in case the user's code catches the error."""
        while frame.f_back is not None and not is_user_file(frame.f_code.co_filename):
            frame = frame.f_back
        self._refused = TraceError(
            f"{frame.f_code.co_filename}:{frame.f_lineno}: {what} inside a compiled function would "
            f"happen only once, while it is traced; {remedy}"
        )
        raise self._refused

    # -------------------------------------------------------------- afterwards

    def find_unlisted(self) -> None:
        """List what ran but could not be reached by name (callbacks kept in odd places).

        Functions made during the trace are left out: nothing outside can change what they see.
        """
        made = {inner for code in self.ran for inner in nested_codes(code)[1:]}
        for code in self.ran - self.reach.codes - made:
            for owner in gc.get_referrers(code):
                if (
                    isinstance(owner, types.FunctionType) and owner.__code__ is code
                    and not is_generated_here(owner)
                ):  # fmt: skip
                    self.reach.value(owner, owner.__name__, None)
        self.reach.settle()

    def check_side_effects(self) -> None:
        """Raise TraceError if user code changed Python state; put that state back first."""
        assigned = [c.text for c in self.reach.checks if c.concerns(self.ran) and not c.holds()]
        changed = [s.text for s in self.reach.snapshots if s.changed()]
        self.reach.restore()
        if self._refused is not None:
            raise self._refused
        if assigned or changed:
            text = (assigned or changed)[0]
            raise TraceError(
                f"{self._line_of(text)}{text} was {'assigned' if assigned else 'changed'} inside a "
                "compiled function: that would happen only once, while it is traced; return the "
                "value, or keep it in a tensor written in place"
            )
        for code in self.ran:
            for instruction in dis.get_instructions(code):
                if instruction.opname in ("STORE_GLOBAL", "DELETE_GLOBAL"):
                    raise TraceError(
                        f"{self._line_of(instruction.argval)}{code.co_name} assigns the global "
                        f"{instruction.argval!r} inside a compiled function; return the value"
                    )
        for suspect in self.reach.suspects:
            if suspect.concerns(self.ran):
                raise TraceError(f"{suspect.text} is {suspect.what}")

    def _line_of(self, text: str) -> str:
        """Where code that ran assigns a name, as ``file:line: ``; empty if nowhere by name."""
        name = text.split(" ")[0].split(".")[-1]
        for code in self.ran:
            line = code.co_firstlineno
            for instruction in dis.get_instructions(code):
                if instruction.positions is not None:
                    line = instruction.positions.lineno or line
                if instruction.argval == name and instruction.opname.startswith(
                    ("STORE_", "DELETE_")
                ):
                    return f"{code.co_filename}:{line}: "
        return ""


class _Drawn:
    """The state of a random generator before a trace. numpy's draws raise no call events."""

    def __init__(self, generator: Any) -> None:
        self.generator = generator
        self.name = type(generator).__name__
        self.state = self._read()

    def _read(self) -> Any:
        if isinstance(self.generator, random.Random):
            return self.generator.getstate()
        if isinstance(self.generator, np.random.RandomState):
            return self.generator.get_state(legacy=False)
        return self.generator.bit_generator.state

    def put_back(self) -> bool:
        """Undo the draws since; return whether there were any."""
        if pickle.dumps(self._read()) == pickle.dumps(self.state):
            return False
        if isinstance(self.generator, random.Random):
            self.generator.setstate(self.state)
        elif isinstance(self.generator, np.random.RandomState):
            self.generator.set_state(self.state)
        else:
            self.generator.bit_generator.state = self.state
        return True


def _shared_generators() -> list[Any]:
    """The generators behind ``random.random()`` and ``numpy.random.rand()``."""
    return [random._inst, np.random.mtrand._rand]
