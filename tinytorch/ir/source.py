"""Source: emitted text with its entry points; the last representation before machine code."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from tinytorch.ir.types import DType


@dataclass(frozen=True)
class Source:
    """The text of one kernel for one target.

    The text is valid Python on arrays: pasted into a file it runs as it stands. It holds no
    line of the user's program, so that it stays the same when that program is edited around it;
    ``origins`` maps its line numbers to the user's lines and is joined only for display.

    ``entry`` and ``finish`` are names of functions in the text. Both take the buffers, then the
    scratch buffers, then ``lo``, ``hi``, ``chunk``.
    """

    name: str
    target: str
    text: str
    entry: str
    buffers: tuple[DType, ...]
    scratch: tuple[tuple[DType, int], ...] = ()
    finish: str | None = None
    origins: tuple[tuple[int, str], ...] = field(default=(), compare=False)

    @property
    def key(self) -> str:
        """Content hash of everything that decides the machine code."""
        parts = (self.target, self.entry, self.finish, self.text, str(self.buffers),
                 str(self.scratch))
        return hashlib.sha256("\x00".join(str(p) for p in parts).encode()).hexdigest()

    def annotated(self) -> str:
        """The text with the user's line behind each line that came from one."""
        where = dict(self.origins)
        lines = self.text.split("\n")
        return "\n".join(
            f"{line:<60}  # {where[i]}" if i in where else line for i, line in enumerate(lines, 1)
        )
