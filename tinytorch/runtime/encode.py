"""A Program as the words that the native runner reads (see ``layout``)."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence

from tinytorch.errors import CompileError
from tinytorch.ir.program import Copy, Launch, Product, Program
from tinytorch.runtime import layout as at
from tinytorch.runtime.kernels import LoadedKernel
from tinytorch.runtime.library import SIZES, Blas


class Encoded:
    """The words of one program and of its table, at fixed addresses.

    ``table[slot]`` is the address of a slot; slots of the arena and the program's own constants
    are filled in, external ones are the caller's to write. ``address`` is where the program
    begins. The arrays are never resized, so their memory does not move.
    """

    def __init__(
        self,
        program: Program,
        kernels: Mapping[str, LoadedKernel],
        portable: Mapping[str, LoadedKernel],
        blas: Blas,
        arena: int,
    ) -> None:
        self.kernels = (*kernels.values(), *portable.values())  # keeps machine code alive
        self.slots = max((s.id for s in program.slots), default=-1) + 1
        self._by_name = kernels
        self._portable = portable
        self._blas = blas
        self._constants: list[int] = []  # addresses for slots behind the program's own
        self._kept: list[array[int]] = []
        self.scratch_bytes = 0
        records = [self._step(step) for step in program.steps]
        self.uses_blas = any(r[:1] == [at.PRODUCT] for r in records)
        self.table = array("q", bytes(at.WORD * (self.slots + len(self._constants))))
        self.table[self.slots :] = array("q", self._constants)
        for slot in program.slots:
            if slot.offset is not None:
                self.table[slot.id] = arena + slot.offset
        for slot_id, words in program.constants:
            self.table[slot_id] = self._keep(list(words))
        status = -1 if program.status is None else program.status
        header = [0, _address(self.table), status, int(self.uses_blas), 0]
        body = [word for record in records for word in record]
        self._words = self._keep_array([*header, *body, at.END, 0])
        self.address = _address(self._words)

    def attach(self, team: int, scratch: int) -> None:
        """Write the addresses of the team and of the calling thread's scratch memory."""
        self._words[at.TEAM // at.WORD] = team
        self._words[at.SCRATCH // at.WORD] = scratch

    def _keep_array(self, words: list[int]) -> array[int]:
        kept = array("q", words)
        self._kept.append(kept)
        return kept

    def _keep(self, words: list[int]) -> int:
        return _address(self._keep_array(words)) if words else 0

    def _step(self, step: Launch | Product | Copy) -> list[int]:
        if isinstance(step, Launch):
            rows = [(row.slots, row.extent, row.chunk) for row in step.rows]
            return self._launch(
                self._by_name[step.kernel.name], rows, step.parallel, step.kernel.checks
            )
        if isinstance(step, Copy):
            return [at.COPY, at.COPY_BYTES, 0, 0, 0, step.source, step.target, step.nbytes]
        if step.batch * step.m * step.n == 0:
            return []
        gemm = self._blas.gemm(step.dtype)
        return self._product(step, gemm) if gemm else self._portable_product(step)

    def _launch(
        self,
        kernel: LoadedKernel,
        rows: Sequence[tuple[tuple[int, ...], int, int]],
        parallel: bool,
        checks: bool,
    ) -> list[int]:
        """``rows``: slot ids of the arguments, extent, chunk."""
        if len({len(slots) for slots, _, _ in rows}) > 1:
            raise CompileError("rows of one launch differ in their number of arguments")
        slots = [slot for row, _, _ in rows for slot in row]
        arguments = self._keep([0] * len(slots))
        tasks: list[int] = []
        finish: list[int] = []
        place = arguments
        for row, extent, chunk in rows:
            chunks = max(1, -(-extent // chunk))
            for index in range(chunks):
                lo = index * chunk
                tasks += (place, lo, min(lo + chunk, extent), index)
            finish += (place, 0, chunks, 0)
            place += at.WORD * len(row)
        self.scratch_bytes = max(self.scratch_bytes, kernel.scratch_bytes)
        fields = (
            at.LAUNCH, at.LAUNCH_BYTES, len(tasks) * at.WORD // at.TASK_BYTES, int(parallel),
            kernel.scratch_bytes, kernel.entry, kernel.finish, int(checks), self._keep(tasks),
            arguments, self._keep(slots), len(slots), self._keep(finish), len(rows),
        )  # fmt: skip
        return list(fields)

    def _product(self, step: Product, gemm: int) -> list[int]:
        fields = (
            at.PRODUCT, at.PRODUCT_BYTES, step.panels, int(step.parallel), 0,
            step.left, step.right, step.out, step.dtype.itemsize, step.m, step.n, step.k,
            int(step.transpose_left), int(step.transpose_right), step.left_stride,
            step.right_stride, step.panel_rows, -(-step.m // step.panel_rows), gemm,
            self._blas.integer_bits,
        )  # fmt: skip
        return list(fields)

    def _portable_product(self, step: Product) -> list[int]:
        """The same as a launch of the portable kernel: one row a batch member."""
        rows = []
        for member in range(step.batch):
            sizes = {
                "n": step.n,
                "k": step.k,
                "left": member * step.left_stride,
                "left_row": 1 if step.transpose_left else step.k,
                "left_step": step.m if step.transpose_left else 1,
                "right": member * step.right_stride,
                "right_row": 1 if step.transpose_right else step.n,
                "right_step": step.k if step.transpose_right else 1,
                "out": member * step.m * step.n,
            }
            constant = self.slots + len(self._constants)
            self._constants.append(self._keep([sizes[name] for name in SIZES]))
            rows.append(((step.left, step.right, step.out, constant), step.m, step.panel_rows))
        return self._launch(self._portable[step.dtype.name], rows, step.parallel, False)


def _address(words: array[int]) -> int:
    return words.buffer_info()[0]
