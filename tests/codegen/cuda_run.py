"""Runs the cases' programs through numba-cuda and compares them with the reference.

As a script (``python cuda_run.py THREADS CASE...``) it prints one line of JSON a case, with the
error or null; the simulator can be chosen only before numba is imported.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import traceback
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from cuda_cases import CASES, Case
from cuda_functions import FUNCTIONS
from cuda_rows import ROWS

from tinytorch.codegen.cuda import emit_program
from tinytorch.ir.interpret import interpret
from tinytorch.ir.program import Program
from tinytorch.ir.storage import numbers
from tinytorch.ir.types import bfloat16
from tinytorch.runtime import cuda

HERE = Path(__file__).resolve()
TESTS = HERE.parent.parent


def launch(program: Program, arrays: list[np.ndarray], threads: int | None) -> dict[int, Any]:
    """Run a program in memory full of garbage; return the caller's buffers by slot."""
    return cuda.launch(cuda.define(emit_program(program, threads)), program, arrays, fill=77)


def check(case: Case, threads: int | None) -> None:
    """Raise AssertionError if a program gives anything but what its graph means."""
    program = case.program
    found = launch(program, case.arrays, threads)
    if program.status is not None:
        assert (found[program.status][0] != 0) == case.fails, "status"
    if case.fails:
        return
    outputs, updates = interpret(case.graph, [a.copy() for a in case.arrays])
    assert outputs or updates, "nothing to compare"
    pairs = list(zip(program.outputs, outputs, strict=True))
    pairs += [(slot, new) for (_, slot), new in zip(program.updates, updates, strict=True)]
    for number, (slot, expected) in enumerate(pairs):
        got, wanted = found[slot], np.asarray(expected).reshape(-1)
        if wanted.dtype == bfloat16.numpy:
            got, wanted = numbers(got.view(wanted.dtype)), numbers(wanted)
        assert got.dtype == wanted.dtype, f"value {number}: {got.dtype}"
        if wanted.dtype.kind == "f":
            np.testing.assert_allclose(
                got.astype(np.float64), wanted.astype(np.float64), rtol=case.tolerance,
                atol=case.tolerance, err_msg=f"value {number}",
            )  # fmt: skip
        else:
            np.testing.assert_array_equal(got, wanted, err_msg=f"value {number}")


def simulate(threads: int, *names: str) -> dict[str, str | None]:
    """Run cases in a process whose numba simulates a device; return the error of each, or None."""
    given = os.environ.get("PYTHONPATH", "")
    path = os.pathsep.join([*map(str, (TESTS.parent, TESTS, TESTS / "nn")), given])
    done = subprocess.run(
        [sys.executable, str(HERE), str(threads), *names],
        env=os.environ | {"NUMBA_ENABLE_CUDASIM": "1", "PYTHONPATH": path},
        capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip
    found = dict(json.loads(line) for line in done.stdout.splitlines())
    assert done.returncode == 0, done.stderr[-2000:]
    return found


def main() -> None:
    threads = int(sys.argv[1]) or None
    warnings.simplefilter("ignore")
    cases = CASES | ROWS | FUNCTIONS
    for name in sys.argv[2:]:
        error = None
        try:
            check(cases[name](), threads)
        except Exception:
            error = traceback.format_exc(limit=-6)
        print(json.dumps([name, error]), flush=True)


if __name__ == "__main__":
    main()
