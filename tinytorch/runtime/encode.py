"""A Program as the words that the native runner reads (see ``layout``)."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence

from tinytorch.errors import CompileError
from tinytorch.ir.program import Branch, Copy, Launch, Loop, Product, Program, Step
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
        self.uses_blas = False
        body = self._records(program.steps)
        self.table = array("q", bytes(at.WORD * (self.slots + len(self._constants))))
        self.table[self.slots :] = array("q", self._constants)
        for slot in program.slots:
            if slot.offset is not None:
                self.table[slot.id] = arena + slot.offset
        for slot_id, words in program.constants:
            self.table[slot_id] = self._keep(list(words))
        status = -1 if program.status is None else program.status
        header = [0, _address(self.table), status, int(self.uses_blas), 0]
        self._words = self._keep_array([*header, *body])
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

    def _records(self, steps: Sequence[Step]) -> list[int]:
        return [*(word for step in steps for word in self._step(step)), at.END, 0]

    def _branch(self, step: Branch) -> list[int]:
        true, false = self._records(step.true), self._records(step.false)
        otherwise = at.BRANCH_BYTES + at.WORD * len(true)
        length = otherwise + at.WORD * len(false)
        return [at.BRANCH, length, 0, 0, 0, step.predicate, otherwise, *true, *false]

    def _loop(self, step: Loop) -> list[int]:
        test, body = self._records(step.test), self._records(step.body)
        first = at.LOOP_BYTES + at.WORD * len(test)
        carries = [w for c in step.carries for w in (c.first, c.second, c.now, c.next)]
        slices = [w for s in step.slices for w in (s.view, s.whole, s.stride)]
        condition = -1 if step.condition is None else step.condition
        fields = (
            at.LOOP, first + at.WORD * len(body), 0, 0, 0, step.count, condition, first,
            len(step.carries), self._keep(carries), len(step.slices), self._keep(slices),
            int(step.reverse),
        )  # fmt: skip
        return [*fields, *test, *body]

    def _step(self, step: Step) -> list[int]:
        if isinstance(step, Branch):
            return self._branch(step)
        if isinstance(step, Loop):
            return self._loop(step)
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
        self.uses_blas = True
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
