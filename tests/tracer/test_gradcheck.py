"""gradcheck, gradgradcheck and numerical_diff find wrong derivatives and pass right ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from agreement import normal

import tinytorch as tt
from tinytorch import Tensor
from tinytorch.autograd import (
    Function,
    GradcheckError,
    gradcheck,
    gradgradcheck,
    numerical_diff,
)


class Wrong(Function):
    """A square whose derivative is wrong by a factor, or by an offset."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, factor: float, offset: float = 0.0) -> Tensor:
        ctx.save_for_backward(x)
        ctx.factor, ctx.offset = factor, offset
        return x * x

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        return g * x * ctx.factor + ctx.offset, None, None


def x(*shape: int, seed: int = 0) -> Tensor:
    return normal(*shape, seed=seed, dtype="f8", requires_grad=True)


def test_right_derivatives_pass() -> None:
    assert gradcheck(lambda a, b: a.exp() @ b, (x(2, 3), x(3, 2, seed=1)))
    assert gradcheck(lambda a: (a.sum(0), a.tanh(), a.argmax()), x(2, 3))
    assert gradgradcheck(lambda a, b: (a * b).sin(), (x(3), x(3, seed=1)))
    assert gradgradcheck(lambda a: a * 2, (x(3),))
    assert gradcheck(lambda a: a * a, (x(0),))
    assert gradcheck(lambda a: a.exp(), (x(),))
    assert gradcheck(lambda a, k: a * k, (x(2), 3.0), check_grad_dtypes=True)


def test_wrong_derivatives_are_found() -> None:
    assert gradcheck(lambda a: Wrong.apply(a, 2.0), (x(3),))
    with pytest.raises(GradcheckError, match="Jacobian mismatch for output 0"):
        gradcheck(lambda a: Wrong.apply(a, 2.1), (x(3),))
    assert not gradcheck(lambda a: Wrong.apply(a, 2.1), (x(3),), raise_exception=False)
    assert not gradcheck(lambda a: Wrong.apply(a, 2.0, 1e-7), (x(3),), raise_exception=False)
    with pytest.raises(GradcheckError, match="not multiplied by grad_output"):
        gradcheck(lambda a: Wrong.apply(a, 2.0, 1e-7), (x(3),))


def test_inputs_must_require_gradients() -> None:
    with pytest.raises(ValueError, match="require gradient"):
        gradcheck(lambda a: a, (tt.ones(2),))
    with pytest.raises(GradcheckError, match="overlapping memory"):
        gradcheck(lambda a: a, (tt.ones(1, requires_grad=True).expand(3),))


def test_compiled_functions_can_be_checked() -> None:
    f = tt.compile(lambda a: (a.tanh() * a).sum())
    assert gradcheck(f, (x(3),))


def test_numerical_diff() -> None:
    two = tt.tensor(2.0, dtype=tt.float64)
    assert numerical_diff(lambda a: a**2, two).item() == pytest.approx(4.0, abs=1e-8)
    half = numerical_diff(lambda a: ((a**2).exp()) ** 2, tt.tensor(0.5, dtype=tt.float64))
    assert half.item() == pytest.approx(3.2974426293330694, rel=1e-12)
    assert numerical_diff(lambda a: a * a, 3.0, eps=1e-3) == pytest.approx(6.0)
    values = x(3)
    found = numerical_diff(tt.sin, values)
    assert not found.requires_grad
    np.testing.assert_allclose(found.numpy(), np.cos(values.detach().numpy()), atol=1e-8)
