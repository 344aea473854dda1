"""Functions on tensors with their derivatives, and ways to make tensors.

A ``Function`` is written as in MiniTorch, ``forward`` and ``backward`` on its tensors; each call
becomes one ``autograd.Function`` of tinytorch.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import tinytorch as tt
from tinytorch.compat.minitorch.autodiff import Context, wrap_tuple
from tinytorch.compat.minitorch.tensor_ops import SimpleBackend, TensorBackend

Tensor: Any = None
"""The class; its module sets it, because its methods are the functions below."""


@dataclass
class History:
    """How a tensor was computed: the function, what it kept, its operands."""

    last_fn: type[Function] | None = None
    ctx: Context | None = None
    inputs: Sequence[Any] = ()


class _Recorded(tt.autograd.Function):
    """One call of a MiniTorch function as a node of tinytorch's graph."""

    @staticmethod
    def forward(ctx: Any, function: Any, kept: Context, operands: list[Any], *_: Any) -> Any:
        result = function._forward(kept, *(t.detach() for t in operands))
        ctx.function, ctx.kept, ctx.operands, ctx.result = function, kept, operands, result
        return result._value

    @staticmethod
    def backward(ctx: Any, grad_output: Any) -> Any:
        found = ctx.function._backward(ctx.kept, ctx.result._new(grad_output))
        return None, None, None, *(
            x.expand(x._ensure_tensor(d))._value for x, d in zip(ctx.operands, found, strict=True)
        )


class Function:
    """A function of tensors; subclasses define ``forward`` and ``backward`` with a context."""

    forward: Callable[..., Any]
    backward: Callable[..., Any]
    views = False
    """Whether the result shows the operand's memory, as tinytorch's own views do."""

    @classmethod
    def _backward(cls, ctx: Context, grad_out: Any) -> tuple[Any, ...]:
        return wrap_tuple(cls.backward(ctx, grad_out))

    @classmethod
    def _forward(cls, ctx: Context, *inps: Any) -> Any:
        return cls.forward(ctx, *inps)

    @classmethod
    def apply(cls, *vals: Any) -> Any:
        """Apply to tensors."""
        wanted = any(v.requires_grad() for v in vals)
        ctx = Context(not wanted)
        if cls.views:
            value = cls._forward(ctx, *vals)._value
        else:
            value = _Recorded.apply(cls, ctx, list(vals), *(v._value for v in vals))
        history = History(cls, ctx, list(vals)) if wanted else None
        return Tensor(value, history, backend=vals[0].backend)


class Neg(Function):
    """Negative."""

    @staticmethod
    def forward(ctx: Context, t1: Any) -> Any:
        return t1.f.neg_map(t1)

    @staticmethod
    def backward(ctx: Context, grad_output: Any) -> Any:
        return grad_output.f.neg_map(grad_output)


class Inv(Function):
    """1 / x."""

    @staticmethod
    def forward(ctx: Context, t1: Any) -> Any:
        ctx.save_for_backward(t1)
        return t1.f.inv_map(t1)

    @staticmethod
    def backward(ctx: Context, grad_output: Any) -> Any:
        (t1,) = ctx.saved_values
        return grad_output.f.inv_back_zip(t1, grad_output)


class Add(Function):
    """Sum."""

    @staticmethod
    def forward(ctx: Context, t1: Any, t2: Any) -> Any:
        return t1.f.add_zip(t1, t2)

    @staticmethod
    def backward(ctx: Context, grad_output: Any) -> Any:
        return grad_output, grad_output


class Mul(Function):
    """Product."""

    @staticmethod
    def forward(ctx: Context, a: Any, b: Any) -> Any:
        ctx.save_for_backward(a, b)
        return a.f.mul_zip(a, b)

    @staticmethod
    def backward(ctx: Context, grad_output: Any) -> Any:
        a, b = ctx.saved_values
        f = grad_output.f
        return f.mul_zip(b, grad_output), f.mul_zip(a, grad_output)


class _Flat(Function):
    """A function of two operands that has no slope in either."""

    @staticmethod
    def backward(ctx: Context, grad_output: Any) -> Any:
        return 0.0, 0.0


class All(_Flat):
    """1.0 if all elements along an axis are not 0."""

    @staticmethod
    def forward(ctx: Context, a: Any, dim: Any) -> Any:
        return a.f.mul_reduce(a, int(dim.item()))


class Sigmoid(Function):
    """1 / (1 + exp(-x))."""

    @staticmethod
    def forward(ctx: Context, t1: Any) -> Any:
        out = t1.f.sigmoid_map(t1)
        ctx.save_for_backward(out)
        return out

    @staticmethod
    def backward(ctx: Context, grad_output: Any) -> Any:
        (s,) = ctx.saved_values
        return s * (-s + 1.0) * grad_output


class ReLU(Function):
    """0 where negative."""

    @staticmethod
    def forward(ctx: Context, t1: Any) -> Any:
        ctx.save_for_backward(t1)
        return t1.f.relu_map(t1)

    @staticmethod
    def backward(ctx: Context, grad_output: Any) -> Any:
        (a,) = ctx.saved_values
        return grad_output.f.relu_back_zip(a, grad_output)


class Log(Function):
    """Natural logarithm of x + 1e-6."""

    @staticmethod
    def forward(ctx: Context, t1: Any) -> Any:
        ctx.save_for_backward(t1)
        return t1.f.log_map(t1)

    @staticmethod
    def backward(ctx: Context, grad_output: Any) -> Any:
        (a,) = ctx.saved_values
        return grad_output.f.log_back_zip(a, grad_output)


class Exp(Function):
    """e to the power x."""

    @staticmethod
    def forward(ctx: Context, t1: Any) -> Any:
        out = t1.f.exp_map(t1)
        ctx.save_for_backward(out)
        return out

    @staticmethod
    def backward(ctx: Context, grad_output: Any) -> Any:
        (out,) = ctx.saved_values
        return grad_output.f.mul_zip(out, grad_output)


class Sum(Function):
    """Sum along an axis, which stays with size 1."""

    @staticmethod
    def forward(ctx: Context, a: Any, dim: Any) -> Any:
        return a.f.add_reduce(a, int(dim.item()))

    @staticmethod
    def backward(ctx: Context, grad_output: Any) -> Any:
        return grad_output, 0.0


class LT(_Flat):
    """1.0 where less."""

    @staticmethod
    def forward(ctx: Context, a: Any, b: Any) -> Any:
        return a.f.lt_zip(a, b)


class EQ(_Flat):
    """1.0 where equal."""

    @staticmethod
    def forward(ctx: Context, a: Any, b: Any) -> Any:
        return a.f.eq_zip(a, b)


class IsClose(_Flat):
    """1.0 where less than 0.01 apart."""

    @staticmethod
    def forward(ctx: Context, a: Any, b: Any) -> Any:
        return a.f.is_close_zip(a, b)


class Permute(Function):
    """A view with the axes in another order."""

    views = True

    @staticmethod
    def forward(ctx: Context, a: Any, order: Any) -> Any:
        axes = [int(i) for i in order.to_numpy()]
        ctx.save_for_backward(axes)
        return a._new(a._value.permute(*axes))

    @staticmethod
    def backward(ctx: Context, grad_output: Any) -> Any:
        (axes,) = ctx.saved_values
        inverse = sorted(range(len(axes)), key=axes.__getitem__)
        return grad_output._new(grad_output._value.permute(*inverse)), 0.0


class View(Function):
    """The same elements in another shape."""

    views = True

    @staticmethod
    def forward(ctx: Context, a: Any, shape: Any) -> Any:
        ctx.save_for_backward(a.shape)
        assert a._value.is_contiguous(), "Must be contiguous to view"
        return a._new(a._value.view(*(int(s) for s in shape.to_numpy())))

    @staticmethod
    def backward(ctx: Context, grad_output: Any) -> Any:
        (original,) = ctx.saved_values
        return grad_output._new(grad_output._value.reshape(original)), 0.0


class Copy(Function):
    """A copy whose elements lie in row-major order."""

    @staticmethod
    def forward(ctx: Context, a: Any) -> Any:
        return a.f.id_map(a)

    @staticmethod
    def backward(ctx: Context, grad_output: Any) -> Any:
        return grad_output


class MatMul(Function):
    """Matrix product over the last two axes."""

    @staticmethod
    def forward(ctx: Context, t1: Any, t2: Any) -> Any:
        ctx.save_for_backward(t1, t2)
        return t1.f.matrix_multiply(t1, t2)

    @staticmethod
    def backward(ctx: Context, grad_output: Any) -> Any:
        t1, t2 = ctx.saved_values

        def swapped(a: Any) -> Any:
            return a._new(a._value.transpose(-1, -2))

        f = grad_output.f
        return f.matrix_multiply(grad_output, swapped(t2)), f.matrix_multiply(
            swapped(t1), grad_output
        )


# -------------------------------------------------------------- making tensors


def _leaf(value: Any, backend: TensorBackend) -> Any:
    out = Tensor(value, backend=backend)
    out.requires_grad_(True)
    return out


def tensor(ls: Any, backend: TensorBackend = SimpleBackend, requires_grad: bool = False) -> Any:
    """A tensor of nested lists of numbers; a number gives shape (1,).

    As in MiniTorch it collects a gradient whatever ``requires_grad``; ``detach`` gives one that
    does not.
    """
    array = np.array(ls, np.float64)
    return _leaf(tt.from_numpy(array.reshape(array.shape or (1,))), backend)


def zeros(shape: Sequence[int], backend: TensorBackend = SimpleBackend) -> Any:
    """Zeros."""
    return Tensor(tt.zeros(tuple(shape), dtype=tt.float64), backend=backend)


def ones(shape: Sequence[int], backend: TensorBackend = SimpleBackend) -> Any:
    """Ones."""
    return Tensor(tt.ones(tuple(shape), dtype=tt.float64), backend=backend)


def rand(
    shape: Sequence[int], backend: TensorBackend = SimpleBackend, requires_grad: bool = False
) -> Any:
    """Numbers from ``random.random()``, in row-major order; a leaf as ``tensor`` makes one."""
    count = int(np.prod(shape))
    array = np.array([random.random() for _ in range(count)]).reshape(tuple(shape))
    return _leaf(tt.from_numpy(array), backend)


# -------------------------------------------------------------------- checking


def grad_central_difference(
    f: Any, *vals: Any, arg: int = 0, epsilon: float = 1e-6, ind: Sequence[int]
) -> float:
    """Central difference of the sum of a function's result in one element of an argument."""
    moved = zeros(vals[arg].shape)
    moved[tuple(ind)] = epsilon
    above = [x if j != arg else x.detach() + moved for j, x in enumerate(vals)]
    below = [x if j != arg else x.detach() - moved for j, x in enumerate(vals)]
    return float((f(*above).sum() - f(*below).sum())[0] / (2.0 * epsilon))


def grad_check(f: Any, *vals: Any) -> None:
    """Compare gradients with central differences at a random index of each argument.

    Raises AssertionError if they differ by more than 1e-2, relative and absolute.
    """
    for x in vals:
        x.requires_grad_(True)
        x.grad = None
    f(*vals).sum().backward()
    for position, x in enumerate(vals):
        ind = x._tensor.sample()
        check = grad_central_difference(f, *vals, arg=position, ind=ind)
        assert x.grad is not None
        np.testing.assert_allclose(
            x.grad[ind], check, 1e-2, 1e-2,
            err_msg=f"\nGradient check error for function {f}: input {position}, index {ind}",
        )  # fmt: skip
