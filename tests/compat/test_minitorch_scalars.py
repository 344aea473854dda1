"""MiniTorch's fundamentals and scalar autodiff, row by row."""

from __future__ import annotations

import math
import random

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.strategies import floats, lists

import tinytorch.compat.minitorch as minitorch
from tinytorch.compat.minitorch import (
    Context,
    MathTest,
    MathTestVariable,
    Module,
    Parameter,
    Scalar,
    ScalarFunction,
    operators,
)  # fmt: skip
from tinytorch.compat.minitorch.graph_builder import draw
from tinytorch.compat.minitorch.scalar import Log

small = floats(min_value=-100, max_value=100, allow_nan=False)


def test_M1_sixteen_operators():
    o = operators
    assert (o.mul(2, 3), o.id(5), o.add(2, 3), o.neg(3)) == (6, 5, 5, -3.0)
    assert isinstance(o.neg(3), float)
    assert (o.lt(1, 2), o.lt(2, 1), o.eq(1, 1), o.eq(1, 2)) == (1.0, 0.0, 1.0, 0.0)
    assert (o.max(2, 3), o.is_close(1.0, 1.009), o.is_close(1.0, 1.02)) == (3, 1.0, 0.0)
    assert (o.relu(-2.0), o.relu(2.0), o.inv(4.0)) == (0.0, 2.0, 0.25)
    assert o.sigmoid(-1000.0) == 0.0
    assert o.sigmoid(1000.0) == 1.0
    assert o.log(1.0) == math.log(1.0 + 1e-6)
    assert o.exp(1.0) == math.e
    assert o.log_back(2.0, 1.0) == pytest.approx(0.5, abs=1e-6)
    assert o.inv_back(2.0, 4.0) == -1.0
    assert (o.relu_back(2.0, 5.0), o.relu_back(-2.0, 5.0)) == (5.0, 0.0)


def test_M2_functions_of_functions():
    assert operators.map(operators.neg)([1, 2]) == [-1.0, -2.0]
    assert operators.zipWith(operators.add)([1, 2], [3, 4]) == [4, 6]
    assert operators.reduce(operators.mul, 1)([2, 3, 4]) == 24
    assert operators.negList([1.0, -2.0]) == [-1.0, 2.0]
    assert operators.addLists([1, 2], [3, 4]) == [4, 6]
    assert operators.sum([1, 2, 3]) == 6
    assert operators.prod([2, 3, 4]) == 24


@settings(max_examples=50)
@given(small, small, small)
def test_M3_properties(x, y, z):
    o = operators
    assert 0.0 <= o.sigmoid(x) <= 1.0
    assert 1.0 - o.sigmoid(x) == pytest.approx(o.sigmoid(-x), abs=1e-12)
    assert o.sigmoid(0.0) == 0.5
    assert o.sigmoid(x) <= o.sigmoid(x + 1.0)
    if o.lt(x, y) and o.lt(y, z):
        assert o.lt(x, z)
    assert o.mul(x, y) == o.mul(y, x)
    assert o.mul(z, o.add(x, y)) == pytest.approx(o.add(o.mul(z, x), o.mul(z, y)), abs=1e-6)


@settings(max_examples=30)
@given(lists(small, min_size=5, max_size=5), lists(small, min_size=5, max_size=5))
def test_M3_sums_of_lists(a, b):
    together = operators.sum(operators.addLists(a, b))
    assert together == pytest.approx(operators.sum(a) + operators.sum(b), abs=1e-6)


class Leaf(Module):
    def __init__(self):
        super().__init__()
        self.p1 = Parameter(5)


class Tree(Module):
    def __init__(self, size_a, size_b):
        super().__init__()
        self.p = Parameter(1)
        self.a, self.b = Branch(size_a), Branch(size_b)


class Branch(Module):
    def __init__(self, extra):
        super().__init__()
        self.a, self.b, self.c = Parameter(1), Parameter(2), Parameter(3)
        for i in range(extra):
            self.add_parameter(f"extra_{i}", None)


def test_M4_a_tree_of_modules():
    class A(Module):
        def __init__(self):
            super().__init__()
            self.p2 = Parameter(10)

    class C(Module):
        def __init__(self):
            super().__init__()
            self.p3 = Parameter(15)

    class B(Module):
        def __init__(self):
            super().__init__()
            self.c = C()

    root = Leaf()
    root.a, root.b = A(), B()
    named = {name: p.value for name, p in root.named_parameters()}
    assert named == {"p1": 5, "a.p2": 10, "b.c.p3": 15}
    assert root.p1.value == 5
    root.eval()
    assert not root.b.c.training
    root.train()
    assert root.b.c.training
    assert len(root.modules()) == 2
    assert len(Tree(4, 6).parameters()) == 1 + (4 + 3) + (6 + 3)
    with pytest.raises(TypeError):
        Module()()

    class Called(Module):
        def forward(self, x):
            return x + 1

    assert Called()(1) == Called().forward(1) == 2
    assert repr(root) == "Leaf(\n  (a): A()\n  (b): B(\n    (c): C()\n  )\n)"
    p = Parameter(Scalar(1.0), name="w")
    p.update(Scalar(2.0))
    assert p.value.data == 2.0
    assert p.value.name == "w"
    assert root.missing is None


def test_M5_six_datasets():
    random.seed(0)
    rules = {
        "Simple": lambda a, b: a < 0.5, "Diag": lambda a, b: a + b < 0.5,
        "Split": lambda a, b: a < 0.2 or a > 0.8,
        "Xor": lambda a, b: (a < 0.5 < b) or (b < 0.5 < a),
        "Circle": lambda a, b: (a - 0.5) ** 2 + (b - 0.5) ** 2 > 0.1,
    }  # fmt: skip
    for name, make in minitorch.datasets.items():
        graph = make(50)
        assert graph.N == len(graph.X) == len(graph.y) == 50
        if name in rules:
            assert all(0 <= a <= 1 and 0 <= b <= 1 for a, b in graph.X)
            assert graph.y == [int(rules[name](a, b)) for a, b in graph.X]
        else:
            assert graph.y == [0] * 25 + [1] * 25


def test_M7_the_reference_network_learns_xor():
    """The torch network of ``run_torch.py``, on tinytorch, eager and compiled."""
    import tinytorch as torch

    class Network(torch.nn.Module):
        def __init__(self, hidden):
            super().__init__()
            self.layer1 = self.linear(2, hidden)
            self.layer2 = self.linear(hidden, hidden)
            self.layer3 = self.linear(hidden, 1)

        @staticmethod
        def linear(n_in, n_out):
            layer = torch.nn.Linear(n_in, n_out)
            layer.weight = torch.nn.Parameter(2 * (torch.rand(n_out, n_in) - 0.5))
            layer.bias = torch.nn.Parameter(2 * (torch.rand(n_out) - 0.5))
            return layer

        def forward(self, x):
            h = torch.relu(self.layer2(torch.relu(self.layer1(x))))
            return torch.sigmoid(self.layer3(h)).view(-1)

    random.seed(1)
    data = minitorch.datasets["Xor"](250)
    x, y = torch.tensor(data.X), torch.tensor(data.y, dtype=torch.float32)
    losses = {}
    for compiled in (False, True):
        torch.manual_seed(1)
        model = Network(10)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.5)

        def train(model=model, optimizer=optimizer):
            optimizer.zero_grad()
            out = model(x)
            loss = -torch.log(torch.where(y == 1, out, 1 - out)).mean()
            loss.backward()
            optimizer.step()
            return loss

        run = torch.compile(train) if compiled else train
        losses[compiled] = [run().item() for _ in range(60)]
        assert losses[compiled][-1] < losses[compiled][0]
    assert losses[True] == pytest.approx(losses[False], rel=1e-3)


def test_M8_central_difference():
    d = minitorch.central_difference
    assert d(operators.id, 5, arg=0) == pytest.approx(1.0, abs=1e-6)
    assert d(operators.add, 5, 10, arg=0) == pytest.approx(1.0, abs=1e-6)
    assert d(operators.mul, 5, 10, arg=0) == pytest.approx(10.0, abs=1e-6)
    assert d(operators.mul, 5, 10, arg=1) == pytest.approx(5.0, abs=1e-6)
    assert d(operators.exp, 2, arg=0) == pytest.approx(operators.exp(2.0), rel=1e-6)


def test_M9_history():
    z = Scalar(10) + Scalar(20)
    assert repr(z.history).startswith("ScalarHistory(last_fn=<class ")
    assert repr(z.history).endswith(
        "Add'>, ctx=Context(no_grad=False, saved_values=()), "
        "inputs=[Scalar(10.000000), Scalar(20.000000)])"
    )


def test_M10_what_a_scalar_can_do():
    y = Scalar(30)
    assert repr(y) == "Scalar(30.000000)"
    for made, shown in (
        (y * 2, "60.000000"), (2 * y, "60.000000"), (y / 2, "15.000000"), (60 / y, "2.000000"),
        (y < 50, "1.000000"), (y > 50, "0.000000"), (y == True, "0.000000"),  # noqa: E712
        (y.log(), "3.401197"), (y.exp(), "10686474581524.462891"), (y.sigmoid(), "1.000000"),
        (y.relu(), "30.000000"), (y - 1, "29.000000"), (1 - y, "-29.000000"), (-y, "-30.000000"),
    ):  # fmt: skip
        assert repr(made) == f"Scalar({shown})"
    assert (y is True) is False
    assert y
    assert y.unique_id != Scalar(30).unique_id
    assert y.derivative is None
    assert Scalar(1, name="w").name == "w"


def test_M11_gradients_accumulate_on_leaves():
    x1, x2 = Scalar(10), Scalar(20)
    for _ in range(2):
        (x1 + x2).backward()
    x2.derivative = 1.0
    y = 3 * x1 + x2
    y.backward()
    assert (x1.derivative, x2.derivative) == (5.0, 2.0)
    x1.derivative = x2.derivative = 0
    y.backward()
    assert (x1.derivative, x2.derivative) == (3.0, 1.0)


def test_M12_leaves_alone_have_derivatives():
    z1 = Scalar(50)
    z2 = z1 * 2
    z3 = z2 * 3
    z3.backward()
    assert (z1.derivative, z2.derivative, z3.derivative) == (6.0, None, None)
    assert z2.history.ctx.saved_values == (50.0, 2)
    assert z3.history.ctx.saved_values == (100.0, 3)


def test_M13_functions_and_contexts():
    ctx = Context()
    Log._forward(ctx, 2.0)
    assert ctx.saved_values == ctx.saved_tensors == (2.0,)
    assert Log._backward(ctx, 1.0)[0] == pytest.approx(0.5, abs=1e-6)
    silent = Context(no_grad=True)
    silent.save_for_backward(1.0)
    assert silent.saved_values == ()


class Function1(ScalarFunction):
    @staticmethod
    def forward(ctx, x, y):
        return x + y + 10.0

    @staticmethod
    def backward(ctx, d_output):
        return d_output, d_output


class Function2(ScalarFunction):
    @staticmethod
    def forward(ctx, x, y):
        ctx.save_for_backward(x, y)
        return x * y + x

    @staticmethod
    def backward(ctx, d_output):
        x, y = ctx.saved_values
        return d_output * (y + 1), d_output * x


def test_M14_chain_rule():
    x, y = Scalar(5.0), Scalar(10.0)
    (a, da), (b, db) = Function2.apply(x, y).chain_rule(5.0)
    assert (a is x, b is y, da, db) == (True, True, 55.0, 25.0)
    constant = Scalar(10.0)
    constant.history = None
    found = list(Function2.apply(x, constant).chain_rule(5.0))
    assert [(v.data, d) for v, d in found] == [(5.0, 55.0)]


def test_M15_topological_order_and_backpropagation():
    zero = Scalar(0.0)
    zero.history = None
    var = Scalar(0.0)
    first, second = Function1.apply(zero, var), Function1.apply(zero, var)
    whole = Function1.apply(first, second)
    order = list(minitorch.topological_sort(whole))
    assert order[0] is whole
    assert {v.unique_id for v in order} == {v.unique_id for v in (whole, first, second, var)}
    assert [v.unique_id for v in order].index(var.unique_id) == 3
    minitorch.backpropagate(whole, 5.0)
    assert var.derivative == 10.0
    deep = leaf = Scalar(1.0)
    for _ in range(1500):
        deep = deep + 1.0
    deep.backward()
    assert leaf.derivative == 1.0


def test_M15_any_object_that_knows_its_chain_rule():
    class Square:
        def __init__(self, number, parents=()):
            self.unique_id, self.parents, self.found = number, parents, 0.0

        def is_leaf(self):
            return not self.parents

        def is_constant(self):
            return False

        def chain_rule(self, d):
            return [(p, 2 * d) for p in self.parents]

        def accumulate_derivative(self, d):
            self.found += d

    leaf = Square(1)
    middle = Square(2, [leaf])
    minitorch.backpropagate(Square(3, [middle, leaf]), 3.0)
    assert leaf.found == 3 * (4 + 2)


ONE, TWO, _ = MathTestVariable._comp_testing()


@pytest.mark.parametrize(("name", "base", "fn"), ONE, ids=lambda v: v if isinstance(v, str) else "")
@pytest.mark.parametrize("value", [-4.3, 0.5, 3.0])
def test_M16_derivatives_of_one_argument(name, base, fn, value):
    assert fn(Scalar(value)).data == pytest.approx(base(value), rel=1e-9, abs=1e-9)
    minitorch.derivative_check(fn, Scalar(value))


@pytest.mark.parametrize(("name", "base", "fn"), TWO, ids=lambda v: v if isinstance(v, str) else "")
def test_M16_derivatives_of_two_arguments(name, base, fn):
    assert fn(Scalar(1.5), Scalar(-2.0)).data == pytest.approx(base(1.5, -2.0))
    minitorch.derivative_check(fn, Scalar(1.5), Scalar(-2.0))


def test_M16_a_wrong_derivative_is_named():
    class Wrong(ScalarFunction):
        @staticmethod
        def forward(ctx, x):
            return x * x

        @staticmethod
        def backward(ctx, d):
            return d

    with pytest.raises(AssertionError, match=r"f\(\[3\.0\]\).*argument 0"):
        minitorch.derivative_check(Wrong.apply, Scalar(3.0))


class Network(Module):
    """The network of ``run_scalar.py``."""

    def __init__(self, hidden):
        super().__init__()
        self.layer1, self.layer2 = Linear(2, hidden), Linear(hidden, 1)

    def forward(self, x):
        h = [v.relu() for v in self.layer1.forward(x)]
        return self.layer2.forward(h)[0].sigmoid()


class Linear(Module):
    def __init__(self, n_in, n_out):
        super().__init__()
        self.weights = [
            [self.add_parameter(f"weight_{i}_{j}", Scalar(2 * (random.random() - 0.5)))
             for j in range(n_out)] for i in range(n_in)
        ]  # fmt: skip
        self.bias = [self.add_parameter(f"bias_{j}", Scalar(2 * (random.random() - 0.5)))
                     for j in range(n_out)]  # fmt: skip

    def forward(self, inputs):
        out = [b.value for b in self.bias]
        for i, x in enumerate(inputs):
            out = [o + x * self.weights[i][j].value for j, o in enumerate(out)]
        return out


def test_M17_training_on_scalars():
    random.seed(3)
    data = minitorch.datasets["Simple"](20)
    model = Network(2)
    optimizer = minitorch.SGD(model.parameters(), lr=0.5)
    losses = []
    for _ in range(12):
        total = 0.0
        optimizer.zero_grad()
        for (x1, x2), label in zip(data.X, data.y):
            out = model.forward((Scalar(x1), Scalar(x2)))
            prob = out if label == 1 else 1.0 - out
            loss = -prob.log()
            (loss / data.N).backward()
            total += loss.data
        optimizer.step()
        losses.append(total)
    assert losses[-1] < losses[0]


def test_M18_the_graph_of_a_computation():
    x, y = Scalar(1.0, name="x"), Scalar(1.0, name="y")
    z = (x * x) * y + 10.0 * x
    z.name = "z"
    z.backward()
    assert (z.data, x.derivative, y.derivative) == (11.0, 12.0, 1.0)
    graph = minitorch.GraphBuilder().run(z)
    assert isinstance(graph, nx.MultiDiGraph)
    squares = [n for n, c in graph.nodes(data=True) if c.get("shape") == "square"]
    assert sorted(n.split()[0] for n in squares) == ["Add", "Mul", "Mul", "Mul"]
    inner = next(n for n in squares if graph.number_of_edges("x", n) == 2)
    assert sorted(label for _, _, label in graph.in_edges(inner, keys=True)) == ["0", "1"]
    assert "<svg" in draw(graph).svg()


def test_scalars_from_numpy_floats():
    assert Scalar(np.float64(2.0)).data == 2.0
    assert MathTest.square(3) == 9
