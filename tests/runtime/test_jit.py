"""The compiler, many sources at once, and texts that use the prelude."""

from __future__ import annotations

import os
import threading

import numpy as np
import pytest
from handmade import HEAD, JIT, Builder, call, elementwise, kernel, source
from test_team import python

from tinytorch.errors import CompileError
from tinytorch.ir import types as T
from tinytorch.ir.program import Row
from tinytorch.runtime import forked, jit, load, loader
from tinytorch.runtime.objectcode import ObjectCode


def sources(count: int, tag: str):
    return [elementwise(f"{tag}{i}", f"v0 * np.float32({i})")[1] for i in range(count)]


def test_many_at_once_agree_with_one_by_one(monkeypatch):
    monkeypatch.setattr(forked.device, "available_cores", lambda: 3)
    made = sources(12, "forked")
    codes = forked.compile_all(made, jit.compile_source)
    for one, code in zip(made, codes, strict=True):
        assert f"{one.name}.call".encode() in code.image
    assert forked.compile_all([], jit.compile_source) == []


def test_failing_copies_are_made_up_for(monkeypatch):
    monkeypatch.setattr(forked.device, "available_cores", lambda: 3)
    parent = os.getpid()

    def fragile(one):
        if os.getpid() != parent:
            os.abort() if one.name.endswith("3") else os._exit(1)
        return ObjectCode(one.name.encode(), ())

    made = sources(12, "fragile")
    assert [c.image.decode() for c in forked.compile_all(made, fragile)] == [s.name for s in made]


def test_the_source_at_fault_is_named_from_a_copy_too(monkeypatch):
    monkeypatch.setattr(forked.device, "available_cores", lambda: 2)
    made = sources(9, "fine")
    made[4] = elementwise("faulty", "v0 + nonsense")[1]
    with pytest.raises(CompileError, match="faulty"):
        forked.compile_all(made, jit.compile_source)


def test_no_fork_beside_other_threads():
    release = threading.Event()
    other = threading.Thread(target=release.wait)
    other.start()
    try:
        assert not forked._may_fork()
    finally:
        release.set()
        other.join()


def test_undefined_symbols_are_refused():
    text = (
        f"from numba.core import types\n{HEAD}"
        "gone = types.ExternalFunction('no_such_symbol', types.float32(types.float32))\n"
        f"{JIT}def lost(x, out, lo, hi, chunk):\n    out[0] = gone(x[0])\n"
    )
    with pytest.raises(CompileError, match="no_such_symbol"):
        jit.compile_source(source("lost", text, [T.float32, T.float32]))


def test_symbols_of_the_maths_library_are_found():
    text = (
        f"import math\n{HEAD}{JIT}def sines(x, out, lo, hi, chunk):\n"
        "    for i in range(lo, hi):\n        out[i] = math.sin(x[i])\n"
    )
    code = jit.compile_source(source("sines", text, [T.float64, T.float64]))
    assert "sin" in code.symbols
    assert ObjectCode.from_bytes(code.to_bytes()) == code
    loader.LoadedCode([code])


def test_the_prelude_in_a_text():
    text = (
        f"{HEAD}from tinytorch.runtime.intrinsics import exp\n"
        f"{JIT}def exponents(x, out, lo, hi, chunk):\n"
        "    for i in range(lo, hi):\n        out[i] = exp(x[i])\n"
    )
    made = source("exponents", text, [T.float32, T.float32])
    b = Builder()
    x, out = b.external(T.float32, 100), b.external(T.float32, 100)
    b.launch((kernel("exponents", [(T.float32, "in"), (T.float32, "out")]), made),
             Row((x, out), 100, 40))  # fmt: skip
    data = np.linspace(-80, 80, 100, dtype=np.float32)
    for launcher in ("pool", "python"):
        executable = load(b.program(), b.sources, launcher)
        result = np.zeros(100, np.float32)
        assert call(executable, {x: data, out: result}) == 0
        np.testing.assert_allclose(result, np.exp(data.astype(np.float64)), rtol=1e-6)
    assert "<8 x float>" in executable.llvm or "<4 x float>" in executable.llvm


def test_without_jit_the_texts_run_as_python():
    code = """
        import numpy as np
        from test_team import sum_program, run_sum
        assert run_sum(sum_program(2000), np.ones(2000, np.float32)) == np.float32(2000).tobytes()
        print("fine")
    """
    done = python(code, NUMBA_DISABLE_JIT="1")
    assert (done.returncode, done.stdout) == (0, "fine\n"), done.stderr


def test_a_run_function_keeps_what_it_needs():
    b = Builder()
    x, y = b.arena(T.float32, 100_000), b.arena(T.float32, 100_000)
    b.launch(elementwise("kept", "v0 + c0"), Row((x, y), 100_000, 1000))
    executable = load(b.program(), b.sources)
    run = executable.run
    del executable
    assert [run() for _ in range(10)] == [0] * 10
