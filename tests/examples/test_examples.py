"""Every example runs, and trains the same eager and compiled."""

from __future__ import annotations

import importlib
import random
import struct
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sklearn")
EXAMPLES = Path(__file__).parents[2] / "examples"


def write_idx(path, array):
    array = np.ascontiguousarray(array, np.uint8)
    sizes = struct.pack(f">{array.ndim}I", *array.shape)
    path.write_bytes(bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes())


@pytest.fixture
def files(tmp_path):
    """Arguments of the examples that read files."""
    rng = np.random.default_rng(0)
    for part, count in (("train", 48), ("t10k", 10)):
        write_idx(tmp_path / f"{part}-images-idx3-ubyte", rng.integers(0, 256, (count, 28, 28)))
        write_idx(tmp_path / f"{part}-labels-idx1-ubyte", rng.integers(0, 10, count))
    words = ["the", "film", "was", "good", "bad", "long", "fine", "dull", "bright", "slow"]
    lines = [f"{i % 2}\t{' '.join(random.choices(words, k=6 + i % 4))}" for i in range(40)]
    (tmp_path / "sentences.txt").write_text("\n".join(lines))
    return {"mnist": [str(tmp_path)], "sentences": [str(tmp_path / "sentences.txt")]}


@pytest.fixture
def load(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)
    yield importlib.import_module
    for name in NAMES:
        sys.modules.pop(name, None)


NAMES = ["moons", "six_sets", "lenet", "mnist", "sentences", "characters", "vae", "pinn", "lstm"]
EXTRA = {"six_sets": ["--set", "Xor"]}


@pytest.mark.parametrize("name", NAMES)
def test_eager_and_compiled_train_alike(name, load, files):
    arguments = ["--quick", *EXTRA.get(name, []), *files.get(name, [])]
    main = load(name).main
    compiled = main(arguments)
    eager = main([*arguments, "--eager"])
    assert len(compiled) == len(eager) >= 3
    assert compiled == pytest.approx(eager, rel=2e-3)
    assert np.isfinite(compiled).all()


def test_a_sentence_without_a_label_is_refused(load, tmp_path):
    (tmp_path / "bad.txt").write_text("1\tfine\nno label here\n")
    with pytest.raises(ValueError, match=r"bad.txt:2: expected '0' or '1'"):
        load("sentences").main(["--quick", str(tmp_path / "bad.txt")])
