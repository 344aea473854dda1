"""Index algebra agrees with Python's integers."""

from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from tinytorch.ir.index import Index, Symbol, constant, delinearize, linearize, symbol

EXTENTS = {"a": 2, "b": 3, "c": 5}
POINTS = [
    dict(zip(EXTENTS, point)) for point in itertools.product(*(range(e) for e in EXTENTS.values()))
]
symbols = st.sampled_from([symbol(n, e) for n, e in EXTENTS.items()])


@st.composite
def indices(draw, least: int = -20):
    index = constant(draw(st.integers(least, 20)))
    for _ in range(draw(st.integers(0, 3))):
        index = index + draw(symbols) * draw(st.integers(-12 if least < 0 else 0, 12))
    if draw(st.booleans()) and index.bounds()[0] >= 0:
        index = index.split(draw(st.integers(1, 7)))[draw(st.integers(0, 1))]
    return index


@given(indices(), indices(), st.integers(-5, 5))
def test_sum_and_product(a, b, factor):
    for point in POINTS:
        assert (a + b).evaluate(point) == a.evaluate(point) + b.evaluate(point)
        assert (a * factor).evaluate(point) == a.evaluate(point) * factor
        assert (a + factor).evaluate(point) == a.evaluate(point) + factor


@settings(max_examples=300)
@given(indices(), st.integers(1, 13))
def test_split_is_divmod(index, divisor):
    quotient, remainder = index.split(divisor)
    for point in POINTS:
        assert divmod(index.evaluate(point), divisor) == (
            quotient.evaluate(point), remainder.evaluate(point),
        )  # fmt: skip


@given(indices())
def test_bounds_hold(index):
    low, high = index.bounds()
    assert all(low <= index.evaluate(point) <= high for point in POINTS)


@given(indices(), indices())
def test_same_means_equal_everywhere(a, b):
    if a.same(b):
        assert all(a.evaluate(point) == b.evaluate(point) for point in POINTS)
    assert a.same(a + b + b * -1)


@settings(max_examples=200)
@given(st.data(), st.lists(st.integers(1, 4), min_size=1, max_size=4))
def test_delinearize_inverts_linearize(data, shape):
    axes = [Symbol(f"i{n}", s) for n, s in enumerate(shape)]
    start = [Index(((axis, 1),)) for axis in axes]
    flat = linearize(start, shape)
    again = delinearize(flat, tuple(shape))
    point = {a.name: data.draw(st.integers(0, a.extent - 1)) for a in axes}
    assert [i.evaluate(point) for i in again] == [point[a.name] for a in axes]


def test_exact_divisions_leave_no_quotient():
    i, j = symbol("i", 8), symbol("j", 6)
    quotient, remainder = (i * 6 + j).split(6)
    assert quotient.same(i)
    assert remainder.same(j)
    assert (i * 12 + j * 2 + 1).split(12)[1].same(j * 2 + 1)


def test_coefficient_is_the_stride_or_unknown():
    i, j = symbol("i", 8), symbol("j", 6)
    assert (i * 6 + j).coefficient(Symbol("i", 8)) == 6
    assert (i * 6).coefficient(Symbol("j", 6)) == 0
    assert (i + j).split(3)[0].coefficient(Symbol("i", 8)) is None
