"""The disk cache: every fault costs a warning and a recompile, never a wrong number."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from handmade import Builder, call, elementwise

from tinytorch.errors import CacheWarning
from tinytorch.ir import types as T
from tinytorch.ir.program import Row
from tinytorch.runtime import cache, kernels, load

HERE = Path(__file__).parent


def forget() -> None:
    """As in a new process: nothing in memory, nothing loaded, nobody warned."""
    cache.clear_memory()
    kernels._loaded.clear()


def answer(name: str = "cached") -> tuple[np.ndarray, int]:
    """Load and run a kernel; return its result and how many kernels were compiled."""
    b = Builder()
    x, out = b.external(T.float32, 8), b.external(T.float32, 8)
    b.launch(elementwise(name, "v0 * v0 + c0"), Row((x, out), 8, 8))
    executable = load(b.program(), b.sources)
    result = np.zeros(8, np.float32)
    assert call(executable, {x: np.arange(8, dtype=np.float32), out: result}) == 0
    return result, executable.compiled


def answers(*names: str) -> list[np.ndarray]:
    return [answer(name)[0] for name in names]


WANT = np.arange(8, dtype=np.float32) ** 2 + np.float32(0.5)


def entries(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.cache"))


def kernel_entry(folder: Path) -> Path:
    return next(p for p in entries(folder) if b"kernel " in p.read_bytes()[:300])


def check_recovers(folder: Path) -> None:
    """One warning at most a cause, the right numbers, and a good entry afterwards."""
    forget()
    with pytest.warns(CacheWarning) as caught:
        result, compiled = answer()
    np.testing.assert_array_equal(result, WANT)
    assert compiled == 1
    assert len(caught) == 1
    forget()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result, compiled = answer()
    np.testing.assert_array_equal(result, WANT)
    assert compiled == 0


def test_hits_in_memory_and_on_disk(fresh_cache):
    forget()
    assert answer()[1] == 1
    assert answer()[1] == 0
    forget()
    result, compiled = answer()
    assert compiled == 0
    np.testing.assert_array_equal(result, WANT)
    assert fresh_cache.stat().st_mode & 0o777 == 0o700
    assert all(p.stat().st_mode & 0o777 == 0o600 for p in fresh_cache.iterdir())


def test_round_trip_of_any_bytes(fresh_cache):
    for payload in (b"", b"x", os.urandom(100_000)):
        for key in ("", "k", "line\n" * 100, "\u00fc"):
            cache.put(key, payload)
            cache.clear_memory()
            assert cache.get(key) == payload
    assert cache.get("another") is None


@pytest.mark.parametrize("size", [0, 1, 10, 56, 200, -1])
def test_truncated(fresh_cache, size):
    forget()
    answer()
    entry = kernel_entry(fresh_cache)
    entry.write_bytes(entry.read_bytes()[:size])
    check_recovers(fresh_cache)


def test_every_flipped_bit_is_noticed(fresh_cache):
    cache.put("key", b"payload of the entry")
    (entry,) = entries(fresh_cache)
    good = entry.read_bytes()
    for position in range(len(good) * 8):
        bad = bytearray(good)
        bad[position // 8] ^= 1 << position % 8
        entry.write_bytes(bad)
        cache.clear_memory()
        with pytest.warns(CacheWarning, match="damaged"):
            assert cache.get("key") is None
    entry.write_bytes(good)
    cache.clear_memory()
    assert cache.get("key") == b"payload of the entry"


def test_flipped_bits_of_code(fresh_cache):
    forget()
    answer()
    entry = kernel_entry(fresh_cache)
    good = entry.read_bytes()
    for position in np.linspace(0, len(good) - 1, 5, dtype=int):
        bad = bytearray(good)
        bad[position] ^= 0x10
        entry.write_bytes(bad)
        check_recovers(fresh_cache)


def test_trailing_bytes_and_foreign_entries(fresh_cache):
    forget()
    answer()
    entry = kernel_entry(fresh_cache)
    good = entry.read_bytes()
    entry.write_bytes(good + b"\x00")
    check_recovers(fresh_cache)
    cache.put("some other key", b"bytes")
    other = fresh_cache / cache._name("some other key")
    entry.write_bytes(other.read_bytes())  # a valid entry under a wrong name
    check_recovers(fresh_cache)


class _Trap:
    def __reduce__(self):
        return (os.mkdir, ("trap-was-sprung",))


def test_planted_pickle_does_not_run(fresh_cache, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    forget()
    answer()
    kernel_entry(fresh_cache).write_bytes(pickle.dumps(_Trap()))
    check_recovers(fresh_cache)
    assert not (tmp_path / "trap-was-sprung").exists()


def test_valid_entry_that_is_no_object_code(fresh_cache, monkeypatch):
    forget()
    key = []
    original = cache.put
    monkeypatch.setattr(cache, "put", lambda k, v: (key.append(k), original(k, v)))
    answer()
    cache.put(key[0], b"certainly not object code")
    kernels._loaded.clear()
    result, compiled = answer()
    np.testing.assert_array_equal(result, WANT)
    assert compiled == 1


def test_entry_that_is_a_link_a_folder_or_a_pipe(fresh_cache, tmp_path):
    forget()
    answer()
    entry = kernel_entry(fresh_cache)
    moved = tmp_path / "moved"
    entry.rename(moved)
    entry.symlink_to(moved)
    check_recovers(fresh_cache)
    entry.unlink()
    os.mkfifo(entry)
    check_recovers(fresh_cache)


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702])
def test_folder_that_others_may_write(fresh_cache, mode):
    forget()
    answer()
    fresh_cache.chmod(mode)
    forget()
    with pytest.warns(CacheWarning, match="others may write") as caught:
        result, compiled = answer()
    assert (compiled, len(caught)) == (1, 1)
    np.testing.assert_array_equal(result, WANT)


def test_entry_that_others_may_write(fresh_cache):
    forget()
    answer()
    kernel_entry(fresh_cache).chmod(0o666)
    check_recovers(fresh_cache)


def test_folder_of_another_user(fresh_cache):
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder away")
    forget()
    answer()
    os.chown(fresh_cache, 12345, -1)
    forget()
    with pytest.warns(CacheWarning, match="another user"):
        result, compiled = answer()
    assert compiled == 1
    np.testing.assert_array_equal(result, WANT)


def test_folder_that_is_a_link(fresh_cache, tmp_path):
    (tmp_path / "real").mkdir(mode=0o700)
    fresh_cache.symlink_to(tmp_path / "real")
    forget()
    with pytest.warns(CacheWarning, match="link") as caught:
        result, _ = answer()
    assert len(caught) == 1
    np.testing.assert_array_equal(result, WANT)
    assert not list((tmp_path / "real").iterdir())


def test_folder_that_is_a_file(fresh_cache):
    fresh_cache.write_text("in the way")
    forget()
    with pytest.warns(CacheWarning, match="not a folder"):
        np.testing.assert_array_equal(answer()[0], WANT)


def test_folder_that_cannot_be_made(tmp_path, monkeypatch, fresh_cache):
    from tinytorch import config as settings

    (tmp_path / "file").write_text("")
    blocked = str(tmp_path / "file" / "cache")
    monkeypatch.setattr(settings, "config", type(settings.config)(cache_dir=blocked))
    forget()
    with pytest.warns(CacheWarning) as caught:
        np.testing.assert_array_equal(answer()[0], WANT)
    assert len(caught) == 2  # once for reading, once for writing
    assert answer()[1] == 0, "held in memory all the same"


def test_read_only_folder(fresh_cache):
    if os.geteuid() == 0:
        pytest.skip("root writes anywhere")
    forget()
    answer()
    fresh_cache.chmod(0o500)
    forget()
    assert answer()[1] == 0
    with pytest.warns(CacheWarning) as caught:
        answers("another_kernel", "a_third_kernel")
    assert len(caught) == 1


def test_failing_writes_warn_once(fresh_cache, monkeypatch):
    def full(*args: object, **options: object) -> None:
        raise OSError(28, "No space left on device")

    forget()
    monkeypatch.setattr(os, "replace", full)
    with pytest.warns(CacheWarning, match="No space left") as caught:
        results = answers("cached", "another_kernel")
    np.testing.assert_array_equal(results[0], WANT)
    assert len(caught) == 1
    assert not list(fresh_cache.iterdir()), "no temporary files stay"


def test_removed_folder_comes_back(fresh_cache):
    import shutil

    forget()
    answer()
    shutil.rmtree(fresh_cache)
    forget()
    assert answer()[1] == 1
    forget()
    assert answer()[1] == 0


def test_pruning(fresh_cache, monkeypatch):
    monkeypatch.setattr(cache, "DISK_BYTES", 5000)
    old = fresh_cache / "1-2-3.tmp"
    for i in range(10):
        cache.put(f"key {i}", bytes(1000))
        os.utime(fresh_cache / cache._name(f"key {i}"), (1000 + i, 1000 + i))
    old.write_bytes(b"left behind")
    os.utime(old, (1, 1))
    with cache._directory() as directory:
        cache._prune(directory)
    assert not old.exists()
    assert len(entries(fresh_cache)) == 4
    cache.clear_memory()
    assert cache.get("key 9") is not None
    assert cache.get("key 0") is None


def spawn(code: str, folder: Path) -> subprocess.Popen[str]:
    environ = {**os.environ, "TINYTORCH_CACHE_DIR": str(folder)}
    environ["PYTHONPATH"] = os.pathsep.join([str(HERE), str(HERE.parents[1])])
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code], env=environ, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


@pytest.mark.slow
def test_eight_processes_at_once(fresh_cache):
    code = """
from test_cache import answer, WANT
for i in range(3):
    result, compiled = answer(f"k{i}")
    assert (result == WANT).all()
print("fine")
"""
    processes = [spawn(code, fresh_cache) for _ in range(8)]
    for process in processes:
        out, err = process.communicate(timeout=120)
        assert (process.returncode, out, err) == (0, "fine\n", "")
    assert not list(fresh_cache.glob("*.tmp"))


def test_killed_while_writing(fresh_cache):
    code = """
import os
from tinytorch.runtime import cache
print("go", flush=True)
payload = os.urandom(1 << 20)
i = 0
while True:
    cache.put(f"key {i % 3}", payload)
    i += 1
"""
    for delay in (0.0, 0.003, 0.02):
        process = spawn(code, fresh_cache)
        assert process.stdout is not None
        assert process.stdout.readline() == "go\n"
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    cache.clear_memory()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for i in range(3):
            found = cache.get(f"key {i}")
            assert found is None or len(found) == 1 << 20
