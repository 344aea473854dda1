from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

# Kernels compiled by one run are loaded by the next. Set before tinytorch reads its settings.
os.environ.setdefault(
    "TINYTORCH_CACHE_DIR", str(Path(tempfile.gettempdir()) / f"tinytorch-tests-{os.getuid()}")
)

from hypothesis import HealthCheck, settings  # noqa: E402

GOLDEN = Path(__file__).parent / "golden"

settings.register_profile(
    "default", derandomize=True, deadline=None, database=None,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
settings.load_profile("default")


def pytest_addoption(parser):
    parser.addoption(
        "--update-golden", action="store_true", help="write what golden tests see as expected"
    )


@pytest.fixture
def golden(request):
    """Compare a text with a file under tests/golden, or write the file with --update-golden."""

    def compare(name: str, text: str) -> None:
        path = GOLDEN / name
        if request.config.getoption("--update-golden"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        assert path.exists(), f"no golden file {name}: run pytest --update-golden"
        assert text == path.read_text(), f"{name} differs: run pytest --update-golden if meant"

    return compare
