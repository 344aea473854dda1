"""``tinytorch.special``: functions of analysis under the names that SciPy gives them."""

import math
from typing import Any

from tinytorch.ir.types import DType, float64
from tinytorch.tracer.arguments import cover as _cover
from tinytorch.tracer.functions import log_softmax as _log_softmax
from tinytorch.tracer.functions import softmax as _softmax
from tinytorch.tracer.functions.choice import where
from tinytorch.tracer.functions.covers import promoted
from tinytorch.tracer.functions.gamma import digamma, i0, i0e, i1, i1e, polygamma
from tinytorch.tracer.functions.gamma import lgamma as gammaln
from tinytorch.tracer.functions.gamma import mvlgamma as multigammaln
from tinytorch.tracer.functions.maths import (
    erf,
    erfc,
    erfinv,
    exp2,
    expm1,
    log,
    log1p,
    logit,
    sinc,
    xlogy,
)
from tinytorch.tracer.functions.maths import sigmoid as expit
from tinytorch.tracer.functions.rounding import round  # noqa: A004
from tinytorch.tracer.functions.softmaxes import logsumexp
from tinytorch.tracer.mode import mode
from tinytorch.tracer.tensor import Tensor

psi = digamma


def softmax(input: Tensor, dim: int, *, dtype: DType | None = None) -> Tensor:
    """Exponentials along an axis, divided by their sum."""
    return _softmax(input, dim, dtype=dtype)


def log_softmax(input: Tensor, dim: int, *, dtype: DType | None = None) -> Tensor:
    """Logarithms of ``softmax``."""
    return _log_softmax(input, dim, dtype=dtype)


def xlog1py(input: Any, other: Any) -> Tensor:
    """``input * log1p(other)``; 0 where the input is 0, unless ``other`` is NaN."""
    x, y = promoted(input, other)
    return where((x == 0) & (y == y), 0.0, x * log1p(y))  # noqa: PLR0124 - not NaN


def entr(input: Tensor) -> Tensor:
    """``-x log(x)``: 0 at 0, -inf below."""
    inside = where(input > 0, input, 1.0)
    out = -inside * log(inside)
    out = where(input < 0, float("-inf"), out)
    return where(input != input, input, out)  # noqa: PLR0124 - NaN


def ndtr(input: Tensor) -> Tensor:
    """The area under the normal density up to x; computed in float64."""
    kind = input.dtype if input.dtype.is_floating_point else mode.default_dtype
    return (erfc(input.to(float64) * -math.sqrt(0.5)) * 0.5).to(kind)


__all__ = [
    "digamma", "entr", "erf", "erfc", "erfinv", "exp2", "expit", "expm1", "gammaln", "i0", "i0e",
    "i1", "i1e", "log1p", "log_softmax", "logit", "logsumexp", "multigammaln", "ndtr",
    "polygamma", "psi", "round", "sinc", "softmax", "xlog1py", "xlogy",
]  # fmt: skip

_cover(globals(), __all__)
