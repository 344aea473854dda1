"""``Scalar``: a float that remembers how it was computed, and the functions on it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, Union

import numpy as np

from tinytorch.compat.minitorch import operators
from tinytorch.compat.minitorch.autodiff import (
    Context,
    backpropagate,
    central_difference,
    wrap_tuple,
)  # fmt: skip

_numbers = itertools.count(1)
ScalarLike: TypeAlias = Union[float, int, "Scalar"]


@dataclass
class ScalarHistory:
    """How a scalar was computed: the function, what it kept, its operands."""

    last_fn: type[ScalarFunction] | None = None
    ctx: Context | None = None
    inputs: Sequence[Scalar] = ()


class Scalar:
    """A float with a history. One without a function in it is a leaf; ``None`` makes a constant."""

    def __init__(
        self, v: float, back: ScalarHistory | None = None, name: str | None = None
    ) -> None:
        self.unique_id = next(_numbers)
        self.data = float(v)
        self.history: ScalarHistory | None = ScalarHistory() if back is None else back
        self.derivative: float | None = None
        self.name = str(self.unique_id) if name is None else name

    # ------------------------------------------------------------ arithmetic

    def __add__(self, b: Any) -> Scalar:
        return Add.apply(self, b)

    def __radd__(self, b: Any) -> Scalar:
        return self + b

    def __mul__(self, b: Any) -> Scalar:
        return Mul.apply(self, b)

    def __rmul__(self, b: Any) -> Scalar:
        return self * b

    def __truediv__(self, b: Any) -> Scalar:
        return Mul.apply(self, Inv.apply(b))

    def __rtruediv__(self, b: Any) -> Scalar:
        return Mul.apply(b, Inv.apply(self))

    def __sub__(self, b: Any) -> Scalar:
        return Add.apply(self, Neg.apply(b))

    def __rsub__(self, b: Any) -> Scalar:
        return Add.apply(b, Neg.apply(self))

    def __neg__(self) -> Scalar:
        return Neg.apply(self)

    def __lt__(self, b: Any) -> Scalar:
        return LT.apply(self, b)

    def __gt__(self, b: Any) -> Scalar:
        return LT.apply(b, self)

    def __eq__(self, b: object) -> Scalar:  # type: ignore[override]
        return EQ.apply(self, b)

    def __hash__(self) -> int:
        return self.unique_id

    def __bool__(self) -> bool:
        return bool(self.data)

    def __float__(self) -> float:
        return self.data

    def log(self) -> Scalar:
        """Natural logarithm of the value + 1e-6."""
        return Log.apply(self)

    def exp(self) -> Scalar:
        """e to the power of the value."""
        return Exp.apply(self)

    def sigmoid(self) -> Scalar:
        """1 / (1 + exp(-x))."""
        return Sigmoid.apply(self)

    def relu(self) -> Scalar:
        """0 where negative."""
        return ReLU.apply(self)

    def __repr__(self) -> str:
        return f"Scalar({self.data:f})"

    # -------------------------------------------------------------- variable

    def requires_grad_(self, flag: bool = True) -> None:
        """Make this scalar a leaf."""
        if flag:
            self.history = ScalarHistory()

    def accumulate_derivative(self, x: float) -> None:
        """Add to the derivative; raises AssertionError for any but a leaf."""
        assert self.is_leaf(), "Only leaf variables can have derivatives."
        self.derivative = (self.derivative or 0.0) + x

    def is_leaf(self) -> bool:
        """Whether the user made this scalar."""
        return self.history is not None and self.history.last_fn is None

    def is_constant(self) -> bool:
        """Whether this scalar has no derivative."""
        return self.history is None

    @property
    def parents(self) -> Iterable[Scalar]:
        """What this scalar was computed from."""
        assert self.history is not None
        return self.history.inputs

    def chain_rule(self, d_output: float) -> Iterable[tuple[Scalar, float]]:
        """Derivatives of the operands that are not constant, given that of this scalar."""
        history = self.history
        assert history is not None
        assert history.last_fn is not None
        assert history.ctx is not None
        found = history.last_fn._backward(history.ctx, d_output)
        pairs = zip(history.inputs, found, strict=True)
        return [(scalar, d) for scalar, d in pairs if not scalar.is_constant()]

    def backward(self, d_output: float | None = None) -> None:
        """Accumulate derivatives into the leaves behind this scalar."""
        backpropagate(self, 1.0 if d_output is None else d_output)


def derivative_check(f: Callable[..., Scalar], *scalars: Scalar) -> None:
    """Compare derivatives with central differences; raises AssertionError if they differ."""
    f(*scalars).backward()
    values = [s.data for s in scalars]

    def on_floats(*xs: float) -> float:
        return f(*map(Scalar, xs)).data

    for position, scalar in enumerate(scalars):
        check = central_difference(on_floats, *values, arg=position)
        assert scalar.derivative is not None
        np.testing.assert_allclose(
            scalar.derivative, check, 1e-2, 1e-2,
            err_msg=f"\nDerivative check at arguments f({values}) and received derivative "
            f"f'={scalar.derivative} for argument {position}, but was expecting derivative "
            f"f'={check} from central difference.",
        )  # fmt: skip


class ScalarFunction:
    """A function on floats with its derivative; subclasses define ``forward`` and ``backward``."""

    forward: Callable[..., float]
    backward: Callable[..., Any]

    @classmethod
    def _backward(cls, ctx: Context, d_out: float) -> tuple[float, ...]:
        return wrap_tuple(cls.backward(ctx, d_out))

    @classmethod
    def _forward(cls, ctx: Context, *inps: float) -> float:
        return cls.forward(ctx, *inps)

    @classmethod
    def apply(cls, *vals: Any) -> Scalar:
        """Apply to scalars and numbers."""
        scalars = [v if isinstance(v, Scalar) else Scalar(v) for v in vals]
        raw = [v.data if isinstance(v, Scalar) else v for v in vals]
        ctx = Context(False)
        c = cls._forward(ctx, *raw)
        assert isinstance(c, float), f"Expected return type float got {type(c)}"
        return Scalar(c, ScalarHistory(cls, ctx, scalars))


class Add(ScalarFunction):
    """Sum."""

    @staticmethod
    def forward(ctx: Context, a: float, b: float) -> float:
        return float(a + b)

    @staticmethod
    def backward(ctx: Context, d_output: float) -> tuple[float, float]:
        return d_output, d_output


class Mul(ScalarFunction):
    """Product."""

    @staticmethod
    def forward(ctx: Context, a: float, b: float) -> float:
        ctx.save_for_backward(a, b)
        return float(operators.mul(a, b))

    @staticmethod
    def backward(ctx: Context, d_output: float) -> tuple[float, float]:
        a, b = ctx.saved_values
        return d_output * b, d_output * a


class Log(ScalarFunction):
    """Natural logarithm."""

    @staticmethod
    def forward(ctx: Context, a: float) -> float:
        ctx.save_for_backward(a)
        return operators.log(a)

    @staticmethod
    def backward(ctx: Context, d_output: float) -> float:
        return operators.log_back(ctx.saved_values[0], d_output)


class Inv(ScalarFunction):
    """1 / x."""

    @staticmethod
    def forward(ctx: Context, a: float) -> float:
        ctx.save_for_backward(a)
        return operators.inv(a)

    @staticmethod
    def backward(ctx: Context, d_output: float) -> float:
        return operators.inv_back(ctx.saved_values[0], d_output)


class Neg(ScalarFunction):
    """Negative."""

    @staticmethod
    def forward(ctx: Context, a: float) -> float:
        return operators.neg(a)

    @staticmethod
    def backward(ctx: Context, d_output: float) -> float:
        return -d_output


class Sigmoid(ScalarFunction):
    """1 / (1 + exp(-x))."""

    @staticmethod
    def forward(ctx: Context, a: float) -> float:
        out = operators.sigmoid(a)
        ctx.save_for_backward(out)
        return out

    @staticmethod
    def backward(ctx: Context, d_output: float) -> float:
        (s,) = ctx.saved_values
        return float(d_output * s * (1 - s))


class ReLU(ScalarFunction):
    """0 where negative."""

    @staticmethod
    def forward(ctx: Context, a: float) -> float:
        ctx.save_for_backward(a)
        return operators.relu(a)

    @staticmethod
    def backward(ctx: Context, d_output: float) -> float:
        return operators.relu_back(ctx.saved_values[0], d_output)


class Exp(ScalarFunction):
    """e to the power x."""

    @staticmethod
    def forward(ctx: Context, a: float) -> float:
        out = operators.exp(a)
        ctx.save_for_backward(out)
        return out

    @staticmethod
    def backward(ctx: Context, d_output: float) -> float:
        return float(d_output * ctx.saved_values[0])


class LT(ScalarFunction):
    """1.0 where less."""

    @staticmethod
    def forward(ctx: Context, a: float, b: float) -> float:
        return operators.lt(a, b)

    @staticmethod
    def backward(ctx: Context, d_output: float) -> tuple[float, float]:
        return 0.0, 0.0


class EQ(ScalarFunction):
    """1.0 where equal."""

    @staticmethod
    def forward(ctx: Context, a: float, b: float) -> float:
        return operators.eq(a, b)

    @staticmethod
    def backward(ctx: Context, d_output: float) -> tuple[float, float]:
        return 0.0, 0.0
