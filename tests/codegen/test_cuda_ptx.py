"""Emitted text becomes PTX without a GPU, and keeps float32 arithmetic in float32."""

import importlib.util
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from cuda_cases import CASES
from cuda_rows import NAMES as ROWS
from cuda_rows import elementwise, one_sample

from tinytorch.codegen.cuda import emit, emit_product
from tinytorch.ir.op import TABLE
from tinytorch.ir.program import Launch, Product, Program
from tinytorch.ir.source import Source
from tinytorch.ir.types import float32
from tinytorch.runtime.cuda import define

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("numba_cuda") is None, reason="numba-cuda is not installed"
    ),
    pytest.mark.filterwarnings("default"),
]

NAMES = (
    "softmax_with_ends", "positions", "scatter_elements", "half_precision", "brain_floats",
    "floats_to_integers", "every_function_of_analysis", "random_words", "bools",
    "every_integer_function", "library_products",
)  # fmt: skip


def assembled(source: Source, numbers: int, cc: tuple[int, int], patch: Any) -> str:
    """PTX of every kernel in a source."""
    numba_cuda = pytest.importorskip("numba.cuda")
    if numba_cuda.dispatcher.__name__.startswith("numba.cuda.simulator"):
        pytest.skip("the simulator is on")
    # Device functions ask the current device what to compile for; there may be none.
    device = SimpleNamespace(compute_capability=cc)
    patch.setattr("numba.cuda.dispatcher.get_current_device", lambda: device)
    types = numba_cuda.types
    dtypes = [np.dtype(d.storage) for d in (*source.buffers, *(d for d, _ in source.scratch))]
    kinds = [types.boolean if d.kind == "b" else getattr(types, d.name) for d in dtypes]
    signature = tuple(k[::1] for k in kinds) + (types.int64,) * numbers
    names = define(source.text)
    kernels = [names[entry].py_func for entry in (source.entry, source.finish) if entry]
    return "\n".join(numba_cuda.compile_ptx(k, signature, cc=cc)[0] for k in kernels)


def sources(name: str) -> list[tuple[Source, int]]:
    return printed(CASES[name]().program)


def printed(program: Program) -> list[tuple[Source, int]]:
    """Every text of a program once, with how many numbers its kernel takes behind its buffers."""
    steps = program.steps
    found = [(emit(s.kernel), 2) for s in steps if isinstance(s, Launch)]
    found += [(emit_product(s), 6) for s in steps if isinstance(s, Product)]
    return list({source.name: (source, numbers) for source, numbers in found}.values())


@pytest.mark.parametrize("name", NAMES)
def test_compiles(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for source, numbers in sources(name):
        text = assembled(source, numbers, (9, 0), monkeypatch)
        assert ".target sm_90" in text
        # The device's own tangent reduces large arguments in float64.
        if set(source.buffers) == {float32} and name != "every_function_of_analysis":
            assert ".f64" not in text


def test_compiles_for_older_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    for source, numbers in sources("softmax_narrow"):
        assert ".target sm_80" in assembled(source, numbers, (8, 0), monkeypatch)


def test_float32_stays_float32_in_functions(monkeypatch: pytest.MonkeyPatch) -> None:
    (source, numbers), *_ = sources("softmax_wide")
    text = assembled(source, numbers, (9, 0), monkeypatch)
    assert "bar.sync" in text
    assert "ex2.approx" in text
    assert source.buffers[0].numpy == np.float32


@pytest.mark.parametrize(
    "dtype", ["float32", "float64", "float16", "bfloat16", "int64", "int32", "bool"]
)
def test_elementwise_rows_compile(dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for source, numbers in printed(elementwise(dtype).program):
        assert ".target sm_90" in assembled(source, numbers, (9, 0), monkeypatch)


@pytest.mark.parametrize("name", [n for n in ROWS if TABLE[n].family != "elementwise"])
def test_row_compiles(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for source, numbers in printed(one_sample(name).program):
        assert ".target sm_90" in assembled(source, numbers, (9, 0), monkeypatch)
