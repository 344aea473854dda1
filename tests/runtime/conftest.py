from __future__ import annotations

from dataclasses import replace

import pytest

from tinytorch import config as settings
from tinytorch.runtime import cache, get_num_threads, set_num_threads


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory):
    """One cache folder for the whole run, so that a kernel is compiled once."""
    folder = tmp_path_factory.mktemp("cache")
    folder.chmod(0o700)
    return folder


@pytest.fixture(autouse=True)
def _isolated(shared_cache, monkeypatch):
    monkeypatch.setattr(settings, "config", replace(settings.config, cache_dir=str(shared_cache)))
    threads = get_num_threads()
    yield
    if get_num_threads() != threads:
        set_num_threads(threads)


@pytest.fixture
def fresh_cache(tmp_path, monkeypatch):
    """An empty cache folder of its own, and nothing held in memory."""
    folder = tmp_path / "cache"
    monkeypatch.setattr(settings, "config", replace(settings.config, cache_dir=str(folder)))
    cache.clear_memory()
    yield folder
    cache.clear_memory()
