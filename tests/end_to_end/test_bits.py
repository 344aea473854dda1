"""The same program gives the same bits: on any number of threads, in any process, after reload."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from end_to_end.digits_run import train

import tinytorch as tt

STEPS = 100
PROGRAM = Path(__file__).with_name("digits_run.py")


@pytest.fixture(scope="module")
def expected() -> str:
    return train(STEPS)


def test_on_any_number_of_threads(expected: str) -> None:
    before = tt.get_num_threads()
    try:
        for count in (1, 2, 4):
            tt.set_num_threads(count)
            assert train(STEPS) == expected, count
    finally:
        tt.set_num_threads(before)


def test_after_saving_and_reloading(expected: str) -> None:
    assert train(STEPS, reload_at=17) == expected


@pytest.mark.slow
def test_in_other_processes_with_a_cold_and_a_warm_cache(expected: str, tmp_path: Path) -> None:
    for _ in range(2):
        env = {
            **os.environ, "TINYTORCH_CACHE_DIR": str(tmp_path),
            "PYTHONPATH": str(Path(tt.__file__).parents[1]),
        }  # fmt: skip
        run = subprocess.run(
            [sys.executable, str(PROGRAM), str(STEPS)], env=env, capture_output=True, text=True,
            check=True, timeout=300,
        )  # fmt: skip
        assert run.stdout.strip() == expected
