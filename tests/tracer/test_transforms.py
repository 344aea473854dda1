"""tinytorch.func: every transform against the truth, nested, eager and compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from agreement import Compile, assert_same, check, normal

import tinytorch as tt
from tinytorch import Tensor, nn
from tinytorch.autograd import Function
from tinytorch.errors import TraceError
from tinytorch.func import (
    functional_call,
    grad,
    grad_and_value,
    hessian,
    jacfwd,
    jacrev,
    jvp,
    linearize,
    stack_module_state,
    value_and_grad,
    vjp,
    vmap,
)

V = tt.tensor([1.0, 2.0], dtype=tt.float64)
W = tt.tensor([3.0, 4.0], dtype=tt.float64)
A, B, C = (normal(*s, dtype="f8") for s in ((3, 2), (4, 3), (3,)))
ONES = tt.ones(2, dtype=tt.float64)


class Doubled(Function):
    """exp with twice its derivative, so that one sees whose derivative is used."""

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return x.exp()

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        return g * ctx.saved_tensors[0] * 2


def cube(x: Tensor) -> Tensor:
    return (x**3).sum()


def slope_along_ones(x: Tensor) -> Tensor:
    return jvp(cube, (x,), (tt.ones_like(x),))[1]


def confusing(x: Tensor) -> Tensor:
    return x * grad(lambda y: x * y)(x)


# What a transform gives, and the truth as numbers (PyTorch's own, where it has the transform).
CASES: dict[str, tuple[Callable[[], Any], Any]] = {
    "grad": (lambda: grad(cube)(V), [3.0, 12.0]),
    "grad of grad": (lambda: grad(grad(lambda x: x**4))(V[1]), 48.0),
    "no confusion of perturbations": (lambda: grad(confusing)(W[0]), 6.0),
    "argnums": (lambda: grad(lambda a, b, k: (a * b * k).sum(), (0, -2))(V, W, 2),
                [[6.0, 8.0], [2.0, 4.0]]),
    "trees": (lambda: grad(lambda p, x: (p["w"] * x + p["b"]).sum())({"w": V, "b": W}, W)["w"],
              [3.0, 4.0]),
    "aux": (lambda: grad(lambda x: (cube(x), x * 3), has_aux=True)(V),
            [[3.0, 12.0], [3.0, 6.0]]),
    "value": (lambda: value_and_grad(cube)(V), [9.0, [3.0, 12.0]]),
    "value last": (lambda: grad_and_value(cube)(V), [[3.0, 12.0], 9.0]),
    "an unused argument": (lambda: grad(lambda x, y: y.sum())(V, W), [0.0, 0.0]),
    "vjp": (lambda: vjp(lambda a, b: (a * b, a.sum()), V, W)[1]((V, W[0])),
            [[6.0, 11.0], [1.0, 4.0]]),
    "vjp aux": (lambda: vjp(lambda a: (a * a, a + 1), V, has_aux=True)[::2],
                [[1.0, 4.0], [2.0, 3.0]]),
    "vmap of a pullback": (
        lambda: vmap(vjp(lambda a: a * a, V)[1])(tt.eye(2, dtype=tt.float64))[0],
        [[2.0, 0.0], [0.0, 4.0]]),
    "jvp": (lambda: jvp(lambda a, b: a * b, (V, W), (ONES, V)), [[3.0, 8.0], [4.0, 8.0]]),
    "jvp aux": (lambda: jvp(lambda a: (a * a, a + 1), (V,), (W,), has_aux=True),
                [[1.0, 4.0], [6.0, 16.0], [2.0, 3.0]]),
    "jvp of jvp": (lambda: jvp(slope_along_ones, (V,), (ONES,))[1], 18.0),
    "jvp of grad": (lambda: jvp(grad(cube), (V,), (ONES,))[1], [6.0, 12.0]),
    "grad of jvp": (lambda: grad(slope_along_ones)(V), [6.0, 12.0]),
    "linearize": (lambda: linearize(lambda a: a * a, V)[1](W), [6.0, 16.0]),
    "jacrev": (lambda: jacrev(lambda x: x**2 * x.sum())(V), [[7.0, 1.0], [4.0, 16.0]]),
    "jacfwd": (lambda: jacfwd(lambda x: x**2 * x.sum())(V), [[7.0, 1.0], [4.0, 16.0]]),
    "jacrev of two": (lambda: jacrev(lambda a, b: a * b.sum(), (0, 1))(V, W),
                      [[[7.0, 0.0], [0.0, 7.0]], [[1.0, 1.0], [2.0, 2.0]]]),
    "jacfwd of two": (lambda: jacfwd(lambda a, b: a * b.sum(), (0, 1))(V, W),
                      [[[7.0, 0.0], [0.0, 7.0]], [[1.0, 1.0], [2.0, 2.0]]]),
    "jacrev of several outputs": (lambda: jacrev(lambda x: (x * x, x.sum()))(V),
                                  [[[2.0, 0.0], [0.0, 4.0]], [1.0, 1.0]]),
    "jacfwd of several outputs": (lambda: jacfwd(lambda x: (x * x, x.sum()))(V),
                                  [[[2.0, 0.0], [0.0, 4.0]], [1.0, 1.0]]),
    "jacrev aux": (lambda: jacrev(lambda x: (x * x, x.sum()), has_aux=True)(V),
                   [[[2.0, 0.0], [0.0, 4.0]], 3.0]),
    "jacfwd aux": (lambda: jacfwd(lambda x: (x * x, x.sum()), has_aux=True)(V),
                   [[[2.0, 0.0], [0.0, 4.0]], 3.0]),
    "a constant's Jacobian": (lambda: jacfwd(lambda x: ONES * 2)(V), [[0.0, 0.0], [0.0, 0.0]]),
    "hessian": (lambda: hessian(lambda x: cube(x) * x[0])(V), [[12.0, 12.0], [12.0, 12.0]]),
    "hessian of two": (lambda: hessian(lambda x, y: (x * y).sum() ** 2, (0, 1))(V, W)[0][1],
                       [[28.0, 12.0], [8.0, 38.0]]),
    "forward over forward": (lambda: jacfwd(jacfwd(cube))(V), [[6.0, 0.0], [0.0, 12.0]]),
    "reverse over reverse": (lambda: jacrev(jacrev(cube))(V), [[6.0, 0.0], [0.0, 12.0]]),
    "reverse over forward": (lambda: jacrev(jacfwd(cube))(V), [[6.0, 0.0], [0.0, 12.0]]),
    "three deep": (lambda: grad(lambda x: vmap(slope_along_ones)(x).sum())(tt.stack([V, W])),
                   [[6.0, 12.0], [18.0, 24.0]]),
    "vmap of grad": (lambda: vmap(grad(cube))(tt.stack([V, W])), [[3.0, 12.0], [27.0, 48.0]]),
    "grad of vmap": (lambda: grad(lambda w: vmap(lambda x: (x * w).sum())(A).sum())(V),
                     A.sum(0).tolist()),
    "a Function in grad": (lambda: grad(lambda x: Doubled.apply(x * 0).sum())(V), [0.0, 0.0]),
    "a Function in jvp": (lambda: jvp(Doubled.apply, (V * 0,), (W,))[1], [6.0, 8.0]),
    "a Function in vmap": (lambda: vmap(Doubled.apply)(tt.stack([V * 0, V * 0])),
                           [[1.0, 1.0], [1.0, 1.0]]),
    "a Function in a Hessian": (
        lambda: hessian(lambda x: Doubled.apply(x).sum())(V * 0), [[4.0, 0.0], [0.0, 4.0]]),
    "a Function in vmap of grad": (
        lambda: vmap(grad(lambda x: Doubled.apply(x).sum()))(tt.stack([V * 0])), [[2.0, 2.0]]),
}  # fmt: skip


def numbers(tree: Any) -> Any:
    if isinstance(tree, tuple | list):
        return [numbers(x) for x in tree]
    return tree.tolist() if isinstance(tree, Tensor) else tree


@pytest.mark.parametrize("name", CASES)
def test_eager_and_compiled(name: str) -> None:
    make, want = CASES[name]
    got = make()
    assert numbers(got) == want
    assert_same(got, tt.compile(make)(), rtol=1e-12)


def test_reverse_mode_runs_plain_python_eagerly() -> None:
    def branching(x: Tensor) -> Tensor:
        return (x * 2 if x.sum() > 0 else x * 3).sum()

    assert grad(branching)(V).tolist() == [2.0, 2.0]
    assert grad(branching)(-V).tolist() == [3.0, 3.0]
    assert jacrev(branching)(-V).tolist() == [3.0, 3.0]
    assert vjp(branching, -V)[1](V[0])[0].tolist() == [3.0, 3.0]
    for run in (
        lambda: jvp(branching, (V,), (V,)),
        lambda: vmap(branching)(A),
        lambda: tt.compile(grad(branching))(V),
    ):
        with pytest.raises(TraceError, match=r"tinytorch\.where"):
            run()


def test_results_carry_history_only_where_something_else_requires_gradients() -> None:
    def scenario(compile: Compile) -> Any:
        w = tt.tensor([3.0, 1.0], dtype=tt.float64, requires_grad=True)

        @compile
        def plain(x: Tensor) -> Any:
            found = [grad(cube)(x), jacrev(lambda x: x * x)(x), jvp(cube, (x,), (x,))[1],
                     value_and_grad(cube)(x)[0], vjp(cube, x)[0]]  # fmt: skip
            return [y.requires_grad for y in found]

        @compile
        def captured(x: Tensor) -> Any:
            g = grad(lambda x: (w * x * x).sum())(x)
            g.sum().backward()
            return g, g.requires_grad

        @compile
        def argument(x: Tensor) -> Any:
            g = grad(cube)(x)
            return g, g.requires_grad, tt.autograd.grad(g.sum(), x)[0]

        with tt.no_grad():
            silent = grad(lambda x: (w * x * x).sum())(V).requires_grad
        return plain(V), captured(V), w.grad, argument(V.clone().requires_grad_()), silent

    got = check(scenario, rtol=1e-12)
    assert got[:5] == [False] * 5
    assert got[6]
    assert got[7].tolist() == [2.0, 4.0]
    assert not got[-1]


def test_no_grad_inside_is_respected() -> None:
    def f(x: Tensor) -> Tensor:
        with tt.no_grad():
            c = x * x
        return (x * x - c).sum()

    assert grad(f)(V).tolist() == [2.0, 4.0]


# ------------------------------------------------------------------------ vmap


def loop(f: Callable[..., Tensor], *columns: Tensor) -> np.ndarray:
    rows = [f(*row).detach().numpy() for row in zip(*columns)]
    return np.stack(rows)


def _written(x: Tensor) -> Tensor:
    y = x.clone()
    y[0] = 5.0
    y[1:].mul_(2)
    return y


BATCHED: dict[str, tuple[Callable[..., Tensor], tuple[Tensor, ...]]] = {
    "softmax": (lambda x: x.softmax(-1), (B,)),
    "an index that differs": (lambda x, i: x[i], (B, tt.tensor([[0, 1], [1, 2], [2, 2], [0, 0]]))),
    "a shared table": (lambda i: A[i], (tt.tensor([[0, 1], [1, 2], [2, 2]]),)),
    "writes": (_written, (B,)),
    "a matrix product": (lambda x: x @ A, (B,)),
    "where": (lambda x: tt.where(x > 0, x, x * 2), (B,)),
    "cat": (lambda x: tt.cat([x, C, x]), (B,)),
    "std": (lambda x: x.std(), (B,)),
}  # fmt: skip


@pytest.mark.parametrize("name", BATCHED)
def test_vmap_is_a_loop(name: str) -> None:
    f, columns = BATCHED[name]
    want = loop(f, *columns)
    np.testing.assert_allclose(vmap(f)(*columns).numpy(), want, rtol=1e-12)
    np.testing.assert_allclose(tt.compile(vmap(f))(*columns).numpy(), want, rtol=1e-12)
    np.testing.assert_allclose(vmap(f, chunk_size=2)(*columns).numpy(), want, rtol=1e-12)


def test_axes_in_and_out() -> None:
    x = normal(2, 3, 4, dtype="f8")
    assert vmap(lambda v: v.sum(0), in_dims=-1, out_dims=-1)(x).shape == (3, 4)
    assert vmap(lambda v: (v, v.sum()), in_dims=1, out_dims=(2, 0))(x)[0].shape == (2, 4, 3)
    got = vmap(lambda p, k: p["a"] * k + p["b"], in_dims=({"a": 0, "b": None}, None))(
        {"a": A, "b": V}, 2.0
    )
    np.testing.assert_array_equal(got.numpy(), A.numpy() * 2 + V.numpy())
    outer = vmap(vmap(lambda a, b: a * b, in_dims=(None, 0)), in_dims=(0, None))(C, V)
    np.testing.assert_array_equal(outer.numpy(), np.outer(C.numpy(), V.numpy()))
    assert vmap(lambda v: W, out_dims=None)(A) is not None
    assert vmap(lambda v: W)(A).tolist() == [[3.0, 4.0]] * 3
    assert vmap(lambda v, scale: v * scale)(A, scale=2.0).shape == (3, 2)
    assert vmap(lambda v: v * 2)(tt.zeros(0, 3)).shape == (0, 3)


REFUSED: dict[str, tuple[Callable[[], Any], type[Exception]]] = {
    "same size": (lambda: vmap(lambda x, y: x)(A, B), ValueError),
    "int or a": (lambda: vmap(lambda x: x, in_dims=None)(A), ValueError),
    "needs to be mapped": (lambda: vmap(lambda x: x, in_dims=(None,))(A), ValueError),
    "non-Tensor arguments": (lambda: vmap(lambda x, y: x)(A, 3), ValueError),
    "dimensionality 2": (lambda: vmap(lambda x: x, in_dims=3)(A), ValueError),
    "not compatible": (lambda: vmap(lambda x: x, in_dims=(0, 0))(A), ValueError),
    "only return Tensors": (lambda: vmap(lambda x: 3)(A), ValueError),
    "out_dim is None": (lambda: vmap(lambda x: x, out_dims=None)(A), ValueError),
    "no inputs": (lambda: vmap(lambda: V)(), ValueError),
    "out_dims is not": (lambda: vmap(lambda x: x, out_dims=(0, 0))(A), ValueError),
    "chunk_size": (lambda: vmap(lambda x: x, chunk_size=0), ValueError),
    "randomness error mode": (lambda: vmap(lambda x: x + tt.rand(2))(A), RuntimeError),
    "Only allowed values": (lambda: vmap(lambda x: x, randomness="some"), RuntimeError),
    "scalar tensor": (lambda: grad(lambda x: x * 2)(V), RuntimeError),
    "floating point": (lambda: grad(lambda x: x.sum())(tt.tensor([1, 2])), RuntimeError),
    "to be Tensors": (lambda: grad(lambda x: V.sum())(3.0), RuntimeError),
    "only 1 positional": (lambda: grad(cube, 1)(V), RuntimeError),
    "to be a tuple": (lambda: jvp(cube, V, V), RuntimeError),
    "same python structure": (lambda: jvp(cube, (V,), (V, V)), RuntimeError),
    "does not fit": (lambda: jvp(cube, (V,), (C,)), RuntimeError),
    "independent": (lambda: jvp(lambda x: W * 1, (V,), (V,), strict=True), RuntimeError),
    "of its shape": (lambda: vjp(cube, V)[1](V), RuntimeError),
    "pytree structure": (lambda: vjp(cube, V)[1]((V, V)), RuntimeError),
}  # fmt: skip


@pytest.mark.parametrize("message", REFUSED)
def test_refusals(message: str) -> None:
    run, kind = REFUSED[message]
    with pytest.raises(kind, match=message):
        run()
    with pytest.raises(kind, match=message):
        tt.compile(run)()


def test_random_numbers_under_vmap() -> None:
    def scenario(compile: Compile) -> Any:
        def noisy(x: Tensor) -> Tensor:
            return x + tt.rand(2) * tt.rand(())

        @compile
        def f(x: Tensor) -> Any:
            before = tt.rand(2)
            different = vmap(noisy, randomness="different")(x)
            same = vmap(lambda x: tt.rand(2), randomness="same")(x)
            return before, different, same, tt.rand(2)

        x = tt.zeros(3, 2)
        return f(x), f(x)

    got = check(scenario)
    tt.manual_seed(1)
    np.testing.assert_array_equal(got[0], tt.rand(2).numpy())
    rows = [(tt.rand(2) * tt.rand(())).numpy() for _ in range(3)]
    np.testing.assert_allclose(got[1], np.stack(rows), rtol=1e-6)
    drawn = tt.rand(2).numpy()
    np.testing.assert_array_equal(got[2], np.stack([drawn] * 3))
    np.testing.assert_array_equal(got[3], tt.rand(2).numpy())


def test_the_gradient_flows_through_vmap_to_what_is_captured() -> None:
    w = V.clone().requires_grad_()
    vmap(lambda x: x * w)(A).sum().backward()
    np.testing.assert_allclose(w.grad.numpy(), A.numpy().sum(0))


# --------------------------------------------------------------------- modules


def test_functional_call_and_per_sample_gradients() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    params = {n: p.detach() for n, p in model.named_parameters()}
    x, y = normal(5, 3), normal(5, 1, seed=1)

    def loss(params: Any, x: Tensor, y: Tensor) -> Tensor:
        return ((functional_call(model, params, (x,)) - y) ** 2).sum()

    per_sample = vmap(grad(loss), in_dims=(None, 0, 0))
    for found in (per_sample(params, x, y), tt.compile(per_sample)(params, x, y)):
        for i in range(5):
            model.zero_grad()
            loss(dict(model.named_parameters()), x[i], y[i]).backward()
            for name, p in model.named_parameters():
                np.testing.assert_allclose(found[name][i].numpy(), p.grad.numpy(), rtol=1e-4,
                                           atol=1e-6)  # fmt: skip


def test_an_ensemble_in_one_batch() -> None:
    models = [nn.Linear(3, 2) for _ in range(4)]
    params, buffers = stack_module_state(models)
    assert buffers == {}
    assert params["weight"].requires_grad
    x = normal(5, 3)
    got = vmap(lambda p, x: functional_call(models[0], p, (x,)), in_dims=(0, None))(params, x)
    want = np.stack([m(x).detach().numpy() for m in models])
    np.testing.assert_allclose(got.detach().numpy(), want, rtol=1e-5, atol=1e-6)
    with pytest.raises(RuntimeError, match="same class"):
        stack_module_state([nn.Linear(3, 2), nn.Tanh()])


def test_functional_call_names_and_ties() -> None:
    model = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
    model[1].weight = model[0].weight
    kept = model[0].weight
    eye = tt.eye(2)
    x = normal(1, 2)
    both = functional_call(model, {"0.weight": eye * 2}, x)
    np.testing.assert_allclose(both.numpy(), x.numpy() * 4, rtol=1e-6)
    assert model[0].weight is kept
    with pytest.raises(KeyError, match="Unexpected key"):
        functional_call(model, {"2.weight": eye}, x)
    with pytest.raises(RuntimeError, match="Missing key"):
        functional_call(model, {"0.weight": eye}, x, tie_weights=False, strict=True)
    with pytest.raises(ValueError, match="multiple dictionaries"):
        functional_call(model, ({"0.weight": eye}, {"0.weight": eye}), x)
    with pytest.raises(ZeroDivisionError):
        functional_call(nn.Sequential(), {}, (1 / 0,))
