"""The pass manager: one hook between passes serves verifying, dumping, timing and bisecting."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Observer = Callable[[Any, str, Any, float], None]
"""Called as ``observer(before, pass_name, after, seconds)``."""


@dataclass
class PassManager:
    """Runs passes in order and shows every step to its observers.

    A pass is a pure function: valid in, valid out, its input unchanged. ``stop_after`` ends a
    phase early (for bisecting): later passes of that phase hand their input on.
    """

    observers: list[Observer] = field(default_factory=list)
    stop_after: int | None = None
    ran: list[str] = field(default_factory=list)

    def run(self, name: str, function: Callable[..., Any], unit: Any, *rest: Any) -> Any:
        """Run one pass."""
        if self.stop_after is not None and len(self.ran) >= self.stop_after:
            return unit
        started = time.perf_counter()
        result = function(unit, *rest)
        self.ran.append(name)
        for observer in self.observers:
            observer(unit, name, result, time.perf_counter() - started)
        return result
