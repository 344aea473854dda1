"""The compiler of native code: each form of its language against Python itself."""

from __future__ import annotations

import ctypes
import itertools

import pytest

from tinytorch.errors import CompileError
from tinytorch.runtime import loader
from tinytorch.runtime.native.machine import (
    atomic_add,
    atomic_load,
    atomic_store,
    call,
    compare_and_swap,
    copy_bytes,
    load,
    pause,
    store,
)
from tinytorch.runtime.native.words import Foreign, compile_words
from tinytorch.runtime.objectcode import call_symbol

THREE = 3
labs = Foreign("labs")


def arithmetic(a: int, b: int) -> int:
    total = a + b * THREE - (a & b) + (a | 5) + (~a)
    total += -b
    total -= a >> 1
    total = total + (b << 2) if a < b else total - 7
    return total


def division(a: int, b: int) -> int:
    return (a + 20) // (b + 10) * 1000 + (a + 20) % (b + 10) + min(a, b) * 100000 + max(a, b)


def choices(a: int, b: int) -> int:
    both = a > 0 and b > 0
    if both and not (a == b and a > 0):
        result = 1
    elif a < 0 or b < 0 or a == b:
        result = 2 if a <= b else 3
    else:
        return 4 + (a != b)
    return result * 10 + (not both)


def loops(a: int, b: int) -> int:
    total = 0
    for i in range(a + 6):
        if i == 3:
            continue
        for j in range(2, b + 8, 2):
            if j > 6:
                break
            total += i * j
    while total > 50:
        total -= 17
    return total


def helper(a: int) -> int:
    """Called by another."""
    return a * a


def calls(a: int, b: int) -> int:
    return helper(helper(a)) + labs(b)


def python_calls(a: int, b: int) -> int:
    return a**4 + abs(b)


def nothing(a: int, b: int) -> None:
    pass


def memory(place: int, amount: int) -> int:
    store(place, 40)
    before = atomic_add(place, amount)
    if compare_and_swap(place, 40 + amount, 7) and not compare_and_swap(place, 8, 9):
        atomic_store(place + 8, load(place) + 1)
    pause()
    copy_bytes(place + 16, place, 16)
    return before + atomic_load(place + 24)


def through_address(function: int, value: int) -> int:
    return call(function, value)


@pytest.fixture(scope="module")
def compiled():
    exports = {f.__name__: f for f in (arithmetic, division, choices, loops, calls, nothing,
                                       memory, through_address)}  # fmt: skip
    code = loader.LoadedCode([compile_words("test", exports)])
    word = ctypes.c_int64
    kind = ctypes.CFUNCTYPE(word, word, word)
    found = {name: kind(code.address(call_symbol(name))) for name in exports}
    found["code"] = code
    return found


@pytest.mark.parametrize("function", [arithmetic, division, choices, loops])
def test_agrees_with_python(compiled, function):
    for a, b in itertools.product(range(-5, 9), repeat=2):
        assert compiled[function.__name__](a, b) == int(function(a, b))


def test_calls(compiled):
    for a, b in itertools.product(range(-3, 4), repeat=2):
        assert compiled["calls"](a, b) == python_calls(a, b)
    assert compiled["nothing"](1, 2) == 0


def test_memory(compiled):
    words = (ctypes.c_int64 * 4)()
    assert compiled["memory"](ctypes.addressof(words), 2) == 48
    assert list(words) == [7, 8, 7, 8]


def test_call_through_an_address(compiled):
    word = ctypes.c_int64
    back = ctypes.CFUNCTYPE(word, word)(lambda value: value * 10)
    address = ctypes.cast(back, ctypes.c_void_p).value
    assert compiled["through_address"](address, 12) == 120


def test_what_is_not_in_the_language_is_named():
    def text(a: int) -> int:
        return a + "b"  # type: ignore[operator]

    def power(a: int) -> int:
        return a**2

    def unknown(a: int) -> int:
        return missing(a)  # type: ignore[name-defined]  # noqa: F821

    for function in (text, power, unknown):
        with pytest.raises(CompileError, match=f"{function.__name__}, line 2"):
            compile_words("test", {"f": function})


absent = Foreign("no_such_function_anywhere")


def lost(a: int) -> int:
    return absent(a)


def test_missing_symbols_are_found_before_loading():
    with pytest.raises(CompileError, match="no_such_function_anywhere"):
        compile_words("test", {"lost": lost})
