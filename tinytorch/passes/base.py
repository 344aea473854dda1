"""The pass manager: one hook between passes serves verifying, dumping, timing and bisecting."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

_LOWERING = ("fuse", "plan_steps", "order", "plan_memory")
Observer = Callable[[Any, str, Any, float], None]
"""Called as ``observer(before, pass_name, after, seconds)``; see ``passes.observe``."""


@dataclass
class PassManager:
    """Runs passes in order and shows every step to its observers.

    A pass is a pure function: valid in, valid out, its input unchanged. ``most`` limits how many
    optional passes run: raise it one by one to find the pass at fault (see ``bisect``).
    """

    observers: list[Observer] = field(default_factory=list)
    most: int | None = None
    ran: list[str] = field(default_factory=list)
    optional_ran: int = 0

    def run(self, name: str, function: Callable[..., Any], unit: Any, *rest: Any) -> Any:
        """Run one pass."""
        started = time.perf_counter()
        result = function(unit, *rest)
        seconds = time.perf_counter() - started
        self.ran.append(name)
        for observer in self.observers:
            observer(unit, name, result, seconds)
        return result

    def optional(self, name: str, function: Callable[..., Any], unit: Any, *rest: Any) -> Any:
        """Run a pass that may be left out; with the limit reached, hand the unit on."""
        if self.most is not None and self.optional_ran >= self.most:
            return unit
        self.optional_ran += 1
        return self.run(name, function, unit, *rest)


def bisect(is_good: Callable[[PassManager], bool]) -> str | None:
    """Return the first optional pass with which ``is_good`` fails, or None if none does.

    ``is_good`` compiles and checks a program with the manager it is given.
    """
    most = 0
    while True:
        manager = PassManager(most=most)
        if not is_good(manager):
            names = [n for n in manager.ran if n not in _LOWERING]
            return names[most - 1] if most and len(names) >= most else "lowering"
        if manager.optional_ran < most:
            return None
        most += 1
