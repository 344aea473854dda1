"""Hand-written kernels and programs, as an emitter would make them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tinytorch.ir import types as T
from tinytorch.ir.kernel import Buffer, Kernel
from tinytorch.ir.program import Copy, Launch, Product, Program, Row, Slot
from tinytorch.ir.source import Source
from tinytorch.runtime.executable import Executable

HEAD = "import numpy as np\nfrom numba import njit\n"
JIT = '\n@njit(nogil=True, error_model="numpy", fastmath={"contract"})\n'


def source(
    name: str,
    text: str,
    buffers: Sequence[T.DType],
    scratch: Sequence[tuple[T.DType, int]] = (),
    finish: str | None = None,
) -> Source:
    return Source(name, "cpu", text, name, tuple(buffers), tuple(scratch), finish)


def kernel(name: str, buffers: Sequence[tuple[T.DType, str]]) -> Kernel:
    return Kernel(name, tuple(Buffer(f"b{i}", d, 0, r) for i, (d, r) in enumerate(buffers)), ())


def elementwise(name: str, expr: str, dtype: T.DType = T.float32, inputs: int = 1):
    """out[i] = expr over x0[i], x1[i], ..."""
    names = [f"x{i}" for i in range(inputs)]
    loads = "".join(f"        v{i} = {n}[i]\n" for i, n in enumerate(names))
    text = (
        f"{HEAD}\nc0 = np.{dtype.compute}(0.5)\n{JIT}"
        f"def {name}({', '.join(names)}, out, lo, hi, chunk):\n"
        f"    for i in range(lo, hi):\n{loads}        out[i] = {expr}\n"
    )
    made = kernel(name, [(dtype, "in")] * inputs + [(dtype, "out")])
    return made, source(name, text, [dtype] * (inputs + 1))


def row_sum(width: int):
    """out[r] = sum of x[r, :], one value a row."""
    name = f"row_sum_{width}"
    text = (
        f"{HEAD}{JIT}def {name}(x, out, lo, hi, chunk):\n"
        f"    for r in range(lo, hi):\n        total = np.float64(0)\n"
        f"        for j in range({width}):\n            total += x[r * {width} + j]\n"
        f"        out[r] = np.float32(total)\n"
    )
    made = kernel(name, [(T.float32, "in"), (T.float32, "out")])
    return made, source(name, text, [T.float32, T.float32])


def total(name: str = "total"):
    """out[0] = sum of x: a partial sum a chunk, then a finish; through scratch memory."""
    text = (
        f"{HEAD}{JIT}def {name}(x, partial, out, line, lo, hi, chunk):\n"
        "    for i in range(lo, hi):\n        line[i - lo] = x[i]\n"
        "    s = np.float32(0)\n"
        "    for i in range(hi - lo):\n        s += line[i]\n"
        "    partial[chunk] = s\n"
        f"{JIT}def {name}_finish(x, partial, out, line, lo, hi, chunk):\n"
        "    s = np.float32(0)\n"
        "    for i in range(lo, hi):\n        s += partial[i]\n"
        "    out[0] = s\n"
    )
    f = T.float32
    made = kernel(name, [(f, "in"), (f, "partial"), (f, "out")])
    return made, source(name, text, [f, f, f], [(f, 4096)], f"{name}_finish")


def checked():
    """out[i] = table[index[i]], failing with code 7 on an index outside [0, 10)."""
    text = (
        f"{HEAD}{JIT}def gather(table, index, out, status, lo, hi, chunk):\n"
        "    for i in range(lo, hi):\n        at = index[i]\n"
        "        if at < 0 or at >= 10:\n            status[0] = 7\n"
        "        else:\n            out[i] = table[at]\n"
    )
    f, i = T.float32, T.int64
    made = kernel("gather", [(f, "in"), (i, "in"), (f, "out"), (i, "status")])
    return made, source("gather", text, [f, i, f, i])


class Builder:
    """Collects slots, steps and sources of a program."""

    def __init__(self) -> None:
        self.slots: list[Slot] = []
        self.steps: list[Any] = []
        self.sources: dict[str, Source] = {}
        self.offset = 0

    def external(self, dtype: T.DType, size: int) -> int:
        self.slots.append(Slot(len(self.slots), dtype, size))
        return len(self.slots) - 1

    def arena(self, dtype: T.DType, size: int) -> int:
        self.slots.append(Slot(len(self.slots), dtype, size, self.offset))
        self.offset += -(-size * dtype.itemsize // 64) * 64
        return len(self.slots) - 1

    def launch(self, pair: tuple[Kernel, Source], *rows: Row, parallel: bool = True) -> None:
        self.sources[pair[0].name] = pair[1]
        self.steps.append(Launch(pair[0], rows, parallel))

    def product(self, left, right, out, dtype, m, n, k, tl=False, tr=False, batch=1, **more):
        options = {"left_stride": m * k, "right_stride": k * n, "panel_rows": max(1, m),
                   "parallel": True, **more}  # fmt: skip
        self.steps.append(
            Product(left, right, out, dtype, m, n, k, tl, tr, batch, **options)
        )

    def copy(self, source: int, target: int, nbytes: int) -> None:
        self.steps.append(Copy(source, target, nbytes))

    def program(self, status: int | None = None) -> Program:
        return Program("test", tuple(self.slots), tuple(self.steps), (), (), (), self.offset,
                       status)  # fmt: skip


def call(executable: Executable, arrays: Mapping[int, np.ndarray]) -> int:
    """One call with external slots bound to arrays."""
    with executable.turn:
        for slot, array in arrays.items():
            assert array.flags.c_contiguous
            executable.table[slot] = array.ctypes.data
        return executable.run()
