# ruff: noqa: PT018
"""The algebra of symbolic sizes agrees with Python's integers at every size."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinytorch.errors import ParseError, SizeError
from tinytorch.ir.dim import Dim, deciding
from tinytorch.ir.extent import Extent, divided, equal, surely_less, typical, value_at
from tinytorch.ir.parser import parse_size

N, M = Extent.of(Dim("n", 9)), Extent.of(Dim("m", min=3))
POINTS = [{"n": n, "m": m} for n, m in itertools.product((2, 3, 5, 9), (3, 4, 7, 50))]


@st.composite
def sizes(draw, terms: int = 3):
    total = draw(st.integers(-6, 6))
    for _ in range(draw(st.integers(0, terms))):
        factors = draw(st.lists(st.sampled_from([N, M]), max_size=2))
        total = total + math.prod(factors) * draw(st.integers(-6, 6))
    return total


@given(sizes(), sizes())
def test_arithmetic(a, b):
    for point in POINTS:
        x, y = value_at(a, point), value_at(b, point)
        assert value_at(a + b, point) == x + y
        assert value_at(a - b, point) == x - y
        assert value_at(a * b, point) == x * y
        assert value_at(-a, point) == -x


@given(sizes(), sizes())
def test_exact_quotients(a, b):
    product = a * b
    if isinstance(b, int) and b == 0:
        return
    quotient, rest = divided(product, b)
    assert quotient == a and isinstance(rest, int) and rest == 0
    assert product // b == a and product % b == 0


@given(sizes(), sizes())
def test_division_with_a_rest(a, b):
    if isinstance(b, int) and b == 0:
        return
    quotient, rest = divided(a, b)
    for point in POINTS:
        assert value_at(quotient, point) * value_at(b, point) + value_at(
            rest, point) == value_at(a, point)  # fmt: skip


@settings(max_examples=300)
@given(sizes(), sizes())
def test_what_is_decided_holds_everywhere(a, b):
    pairs = [(value_at(a, p), value_at(b, p)) for p in POINTS]
    if surely_less(a, b):
        assert all(x < y for x, y in pairs)
    for name, relation in (("<", lambda x, y: x < y), ("<=", lambda x, y: x <= y)):
        try:
            answer = relation(a, b)
        except SizeError:
            continue
        assert {relation(x, y) for x, y in pairs} == {answer}, name
    if a == b:
        assert all(x == y for x, y in pairs)


@given(sizes())
def test_text_comes_back(size):
    back = parse_size(str(size))
    assert back == size and str(back) == str(size)


def test_bounds_are_part_of_the_text():
    assert str(2 * N * M + N - 1) == "2*3<=m*n<=9+n<=9-1"
    assert (N * 3 - 1).code == "3 * size_n - 1"
    for bad in ("", "2*", "n+", "3n", "n 2"):
        with pytest.raises(ParseError):
            parse_size(bad)


def test_a_constant_is_an_int():
    assert type(N - N + 3) is int and type(N // N) is int


def test_bounds_decide():
    assert N > 1 and N <= 9 and not N > 9 and N != 10 and M >= 3 and 4 * M != 6
    assert typical(N * 2) == 18 and typical(Extent.of(Dim("k", hint=5))) == 5
    with pytest.raises(SizeError):
        _ = M > 10
    with pytest.raises(SizeError):
        range(M)
    assert M != 10  # equal for every size: no


def test_a_decider_is_asked_for_the_rest():
    asked = []

    class Example:
        def decide(self, difference, relation):
            asked.append((str(difference), relation))
            value = difference.at({"n": 4, "m": 10})
            return value == 0 if relation == "==" else value < 0

        def settle(self, extent):
            asked.append((str(extent), "settle"))
            return extent.at({"n": 4, "m": 10})

        def number(self, extent):
            return float(extent.at({"n": 4, "m": 10}))

    with deciding(Example()):
        assert equal(M, 10) and M != 10 and not M < 10 and list(range(N)) == [0, 1, 2, 3]
        assert M / 4 == 2.5 and 1 / N == 0.25 and M // 4 == 2
    assert asked[0] == ("3<=m-10", "==") and ("n<=9", "settle") in asked
