"""autograd.functional against numbers that PyTorch gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from agreement import assert_same

import tinytorch as tt
from tinytorch import Tensor
from tinytorch.autograd.functional import hessian, hvp, jacobian, jvp, vhp, vjp

V = tt.tensor([1.0, 2.0], dtype=tt.float64)
W = tt.tensor([3.0, 4.0], dtype=tt.float64)


def cube(x: Tensor) -> Tensor:
    return (x**3).sum()


def mixed(x: Tensor, y: Tensor) -> Tensor:
    return (x * y).sum() ** 2


CASES: dict[str, tuple[Callable[[], Any], Any]] = {
    "jacobian": (lambda: jacobian(lambda x: x * x, V), [[2.0, 0.0], [0.0, 4.0]]),
    "of two inputs": (lambda: jacobian(lambda x, y: x * y, (V, W)),
                      [[[3.0, 0.0], [0.0, 4.0]], [[1.0, 0.0], [0.0, 2.0]]]),
    "of two outputs": (lambda: jacobian(lambda x: (x.sum(), x[0] * x[1]), V),
                       [[1.0, 1.0], [2.0, 1.0]]),
    "of nothing": (lambda: jacobian(lambda x: W * 1, V), [[0.0, 0.0], [0.0, 0.0]]),
    "hessian": (lambda: hessian(cube, V), [[6.0, 0.0], [0.0, 12.0]]),
    "hessian of two": (lambda: hessian(mixed, (V, W)),
                       [[[[18.0, 24.0], [24.0, 32.0]], [[28.0, 12.0], [8.0, 38.0]]],
                        [[[28.0, 8.0], [12.0, 38.0]], [[2.0, 4.0], [4.0, 8.0]]]]),
    "vjp": (lambda: vjp(lambda x: x * x, V, W), [[1.0, 4.0], [6.0, 16.0]]),
    "jvp": (lambda: jvp(lambda x: x * x, V, W), [[1.0, 4.0], [6.0, 16.0]]),
    "jvp of two": (lambda: jvp(lambda x, y: x * y, (V, W), (W, V)), [[3.0, 8.0], [10.0, 20.0]]),
    "vhp": (lambda: vhp(cube, V, W), [9.0, [18.0, 48.0]]),
    "hvp": (lambda: hvp(cube, V, W), [9.0, [18.0, 48.0]]),
}  # fmt: skip


def numbers(tree: Any) -> Any:
    return [numbers(x) for x in tree] if isinstance(tree, tuple | list) else tree.tolist()


@pytest.mark.parametrize("name", CASES)
def test_eager_and_compiled(name: str) -> None:
    make, want = CASES[name]
    got = make()
    assert numbers(got) == want
    assert_same(got, tt.compile(make)(), rtol=1e-12)


def test_create_graph_keeps_history() -> None:
    x = V.clone().requires_grad_()
    jacobian(lambda a: a**3, x, create_graph=True).sum().backward()
    assert x.grad.tolist() == [6.0, 12.0]
    assert not jacobian(lambda a: a**3, x).requires_grad


def test_refusals() -> None:
    with pytest.raises(RuntimeError, match="strict mode"):
        jacobian(lambda x: W * 1, V, strict=True)
    with pytest.raises(RuntimeError, match="single element"):
        hessian(lambda x: x * x, V)
    with pytest.raises(RuntimeError, match="can only be None"):
        vjp(lambda x: x * x, V)
    with pytest.raises(RuntimeError, match="v has size"):
        jvp(lambda x: x * x, V, tt.ones(3))
    with pytest.raises(TypeError, match="index 0"):
        jacobian(lambda x: 3, V)
