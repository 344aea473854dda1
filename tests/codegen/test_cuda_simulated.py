"""Every case, as emitted CUDA text, in numba-cuda's simulator.

The simulator is chosen by an environment variable before numba is imported, so all cases run in
one process of their own.
"""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cuda_cases import CASES

HERE = Path(__file__).parent
pytestmark = [
    pytest.mark.cudasim,
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("numba_cuda") is None, reason="numba-cuda is not installed"
    ),
]


def simulate(threads: int, *names: str) -> dict[str, str | None]:
    path = os.pathsep.join([str(HERE.parent.parent), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, str(HERE / "cuda_run.py"), str(threads), *names],
        env=os.environ | {"NUMBA_ENABLE_CUDASIM": "1", "PYTHONPATH": path},
        capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip
    found = dict(json.loads(line) for line in done.stdout.splitlines())
    assert done.returncode == 0, done.stderr[-2000:]
    return found


@pytest.fixture(scope="module")
def results() -> dict[str, str | None]:
    return simulate(32)


@pytest.mark.parametrize("name", CASES)
def test_case_matches_the_reference(name: str, results: dict[str, str | None]) -> None:
    assert results[name] is None, results[name]


def test_other_block_sizes() -> None:
    names = ("softmax_with_ends", "positions_with_nan", "scatter_elements")
    assert simulate(64, *names) == dict.fromkeys(names)
    assert simulate(16, *names) == dict.fromkeys(names)
