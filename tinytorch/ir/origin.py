"""Origin: the user's line a node came from, and the phase of the step it belongs to."""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Origin:
    """File and line of user code; ``phase`` is forward, backward or update."""

    file: str
    line: int
    phase: str = "forward"

    def __str__(self) -> str:
        text = f"{os.path.basename(self.file)}:{self.line}"
        return text if self.phase == "forward" else f"{text} ({self.phase})"
