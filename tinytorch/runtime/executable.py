"""Executable: a Program with its machine code and memory, run by one native call."""

from __future__ import annotations

import os
import weakref
from array import array
from collections.abc import Callable, Mapping

from tinytorch import config as settings
from tinytorch.errors import CompileError
from tinytorch.ir.program import Program
from tinytorch.ir.source import Source
from tinytorch.runtime import kernels
from tinytorch.runtime.buffer import Arena
from tinytorch.runtime.encode import Encoded
from tinytorch.runtime.library import NO_BLAS, blas, portable_gemm
from tinytorch.runtime.objectcode import aligned
from tinytorch.runtime.reference import reference_runner
from tinytorch.runtime.team import team
from tinytorch.runtime.turn import Turn


class Executable:
    """A program ready to run.

    A call is: take the ``turn``, write the addresses of external slots into ``table`` (indexed by
    slot id), ``run()``, read results, release. ``run`` returns 0, the code of the check that
    failed (see ``Program.messages``), or -1 if memory ran out.

    Memory of external slots is contiguous, and aligned at least to its elements.
    """

    program: Program
    sources: Mapping[str, Source]
    table: array[int]
    run: Callable[[], int]
    turn: Turn
    arena: Arena
    compiled: int  # kernels that had to be compiled rather than loaded from the cache

    def __init__(self, program: Program, sources: Mapping[str, Source], launcher: str) -> None:
        needed = {k.name for k in program.kernels}
        if lacking := sorted(needed - sources.keys()):
            raise CompileError(f"no source for kernels: {', '.join(lacking)}")
        self.program = program
        self.sources = {name: sources[name] for name in sources if name in needed}
        self.turn = Turn()
        self.arena = Arena(aligned(program.arena_bytes))
        self.compiled = 0
        if launcher == "python":
            self.table, self.run = reference_runner(program, self.sources, self.arena.address)
        else:
            self._load_native()
        _live.add(self)

    def _load_native(self) -> None:
        _check_arity(self.program, self.sources)
        products = self.program.products
        library = blas() if products else NO_BLAS
        portable = {p.dtype.name: portable_gemm(p.dtype) for p in products
                    if not library.gemm(p.dtype)}  # fmt: skip
        loaded, self.compiled = kernels.load_kernels(self.sources)
        routines, _ = kernels.load_kernels(portable)
        encoded = Encoded(self.program, loaded, routines, library, self.arena.address)
        scratch = Arena(aligned(encoded.scratch_bytes))
        encoded.attach(team().address, scratch.address)
        self.table = encoded.table
        self.run = team().bind(encoded.address, (encoded, scratch, self.arena))

    @property
    def llvm(self) -> str:
        """Optimised LLVM text of every kernel, compiled anew for display."""
        return "\n".join(kernels.jit().llvm_text(s) for s in self.sources.values())

    @property
    def asm(self) -> str:
        """Assembly text of every kernel, compiled anew for display."""
        return "\n".join(kernels.jit().assembly_text(s) for s in self.sources.values())


def load(
    program: Program, sources: Mapping[str, Source], launcher: str | None = None
) -> Executable:
    """Make a program executable. ``sources`` holds the text of each kernel by its name.

    ``launcher`` is ``pool`` (machine code) or ``python`` (the texts as plain Python on numpy
    arrays: slow, for comparing); left out, the setting decides. Raises CompileError.
    """
    chosen = launcher or settings.config.launcher
    if os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0"):
        chosen = "python"
    return Executable(program, sources, chosen)


def _check_arity(program: Program, sources: Mapping[str, Source]) -> None:
    """Compare what launches pass with what texts take: native code cannot notice."""
    dtypes = {slot.id: slot.dtype for slot in program.slots}
    for launch in program.launches:
        expected = sources[launch.kernel.name].buffers
        for row in launch.rows:
            given = tuple(dtypes[slot] for slot in row.slots)
            if given != expected:
                raise CompileError(
                    f"kernel {launch.kernel.name} takes buffers of {expected}, a launch passes "
                    f"{given}"
                )


# A fork copies a turn as it is, taken by a thread that the child does not have.
_live: weakref.WeakSet[Executable] = weakref.WeakSet()


def _renew_turns() -> None:
    for executable in list(_live):
        executable.turn.renew()


os.register_at_fork(after_in_child=_renew_turns)
