"""TinyPytorch, row by row: the numbers that its steps print."""

from __future__ import annotations

import gc
import unittest

import numpy as np
import pytest

import tinytorch as tt
from tinytorch.compat import tinypytorch as tp
from tinytorch.compat.tinypytorch import Exp, Function, Square, Variable, exp, square

STEP = 3.297442541400256


def chained(x):
    return square(exp(square(x)))


def test_T1_a_variable_is_a_box():
    x = Variable(np.array(1.0))
    assert x.data == 1.0
    x.data = np.array(2.0)
    assert x.data == 2.0


def test_T2_a_function_maps_variables_to_variables():
    with pytest.raises(NotImplementedError):
        Function()(Variable(np.array(1.0)))
    with pytest.raises(NotImplementedError):
        Function().backward(1.0)
    assert isinstance(Square()(Variable(np.array(3.0))), Variable)


def test_T3_calls_chain():
    assert chained(Variable(np.array(0.5))).data == 1.648721270700128

    def body(x):
        return (x**2).exp() ** 2

    x = tt.tensor(0.5, dtype=tt.float64)
    assert body(x).item() == pytest.approx(1.648721270700128, rel=1e-15)
    assert tt.compile(body)(x).item() == pytest.approx(1.648721270700128, rel=1e-15)


def test_T4_numerical_derivative():
    assert tp.numerical_diff(square, Variable(np.array(2.0))) == pytest.approx(4, abs=1e-11)
    found = tp.numerical_diff(chained, Variable(np.array(0.5)))
    assert found == pytest.approx(3.2974426293330694, rel=1e-11)


def test_T5_manual_backward():
    A, B, C = Square(), Exp(), Square()
    x = Variable(np.array(0.5))
    a = A(x)
    b = B(a)
    y = C(b)
    assert y.grad is None
    y.grad = 1.0
    b.grad = C.backward(y.grad)
    a.grad = B.backward(b.grad)
    x.grad = A.backward(a.grad)
    assert b.grad == 2.568050833375483
    assert a.grad == x.grad == STEP


def test_T6_links_between_variables_and_functions():
    C = Square()
    b = Variable(np.array(2.0))
    y = C(b)
    assert y.creator is C
    assert C.input is b
    assert C.output is y
    assert b.creator is None


def test_T7_backward_is_automatic_and_does_not_recurse():
    x = Variable(np.array(0.5))
    a = square(x)
    b = exp(a)
    y = square(b)
    y.backward(retain_grad=True)
    assert (b.grad, a.grad, x.grad) == (2.568050833375483, STEP, STEP)
    start = deep = Variable(np.array(1.0))
    for _ in range(10_000):
        deep = deep + 1.0
    deep.backward()
    assert start.grad == 1.0


def test_T8_the_first_gradient_is_ones():
    x = Variable(np.array([1.0, 2.0]))
    square(x).backward()
    np.testing.assert_array_equal(x.grad, [2.0, 4.0])


def test_T9_only_arrays_are_boxed():
    with pytest.raises(TypeError, match="<class 'float'> is not supported"):
        Variable(1.0)
    assert Variable(None).data is None


class SquareTest(unittest.TestCase):
    """T10, as the book writes it."""

    def test_T10_forward(self):
        self.assertEqual(square(Variable(np.array(2.0))).data, np.array(4.0))  # noqa: PT009

    def test_T10_backward(self):
        x = Variable(np.array(3.0))
        square(x).backward()
        self.assertEqual(x.grad, np.array(6.0))  # noqa: PT009


def test_T11_gradient_check():
    x = Variable(np.random.default_rng(0).random(1))
    square(x).backward()
    assert np.allclose(x.grad, tp.numerical_diff(square, x))


def test_T12_backward_may_use_the_output():
    class Tanh(Function):
        def forward(self, x):
            return np.tanh(x)

        def backward(self, gy):
            y = self.output.data
            return gy * (1 - y * y)

    x = Variable(np.array(0.3))
    y = Tanh()(x)
    y.backward()
    assert x.grad == pytest.approx(1 - np.tanh(0.3) ** 2, rel=1e-15)


def test_T13_branches_add_up():
    x = Variable(np.array(0.7))
    (square(x) + exp(x)).backward()
    assert x.grad == pytest.approx(1.4 + np.exp(0.7), rel=1e-15)
    x = Variable(np.array(3.0))
    tp.add(x, x).backward()
    assert x.grad == 2.0


def test_T14_second_chapter():
    x = Variable(np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]), name="x")
    assert (x.name, x.shape, x.ndim, x.size, x.dtype, len(x)) == ("x", (2, 3), 2, 6, np.float64, 2)
    assert repr(x) == "variable([[1. 2. 3.]\n          [4. 5. 6.]])"
    assert repr(Variable(None)) == "variable(None)"
    a, b = Variable(np.array(3.0)), Variable(np.array(2.0))
    t = a * b
    y = t + 1
    assert (a.generation, t.generation, y.generation) == (0, 1, 2)
    y.backward()
    assert (a.grad, b.grad) == (2.0, 3.0)
    assert t.grad is None
    assert y.grad is None
    a.cleargrad()
    assert a.grad is None
    for made, truth in (
        (2.0 + a, 5.0), (2.0 * a, 6.0), (2.0 - a, -1.0), (a - 2.0, 1.0), (6.0 / a, 2.0),
        (a / 2.0, 1.5), (a**3, 27.0), (-a, -3.0), (np.array(2.0) * a, 6.0),
    ):  # fmt: skip
        assert isinstance(made, Variable)
        assert made.data == truth
    with tp.no_grad():
        assert square(a).creator is None
    with tp.using_config("enable_backprop", False):
        assert square(a).creator is None
    assert square(a).creator is not None
    assert tp.as_variable(a) is a
    result = square(a)
    function = result.creator
    del result
    gc.collect()
    assert function.output is None  # functions hold their results weakly


def test_T15_circles_are_variables_and_boxes_functions(tmp_path):
    x = Variable(np.array(0.5), name="x")
    y = exp(square(x))
    picture = tp.get_dot_graph(y, verbose=False)
    assert picture.source.count("shape=circle") == 3
    assert picture.source.count("shape=box") == 2
    assert picture.source.count("->") == 4
    assert "Square" in picture.svg()
    path = tp.plot_dot_graph(y, to_file=str(tmp_path / "y.svg"))
    assert "Exp" in (tmp_path / "y.svg").read_text()
    assert path == str(tmp_path / "y.svg")


def test_a_graph_can_be_gone_back_through_twice():
    x = Variable(np.array(3.0))
    y = square(x)
    y.backward()
    y.backward()
    assert x.grad == 12.0
