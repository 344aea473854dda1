"""The pages show what their code prints now."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted(DOCS.glob("*.md"))


@pytest.fixture(scope="module")
def build():
    spec = importlib.util.spec_from_file_location("build_docs", DOCS / "build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_page_is_as_it_would_be_written(page, build):
    text = page.read_text()
    assert build.same(text, build.built(text, page.name)), "run python docs/build.py"


def test_a_page_that_lies_is_noticed(build):
    page = "```python\nprint(1 + 1)\n```\n\n```text\n3\n```\n"
    fresh = build.built(page, "page.md")
    assert fresh == page.replace("\n3\n", "\n2\n")
    assert not build.same(page, fresh)
    assert build.same("sum_0123abcd: x", "sum_ffffffff: x")
