"""Activations as modules; see ``tinytorch.nn.functional`` for what they compute."""

from __future__ import annotations

from typing import Any

from tinytorch.nn import functional as F
from tinytorch.nn import init
from tinytorch.nn.module import Module
from tinytorch.nn.parameter import Parameter
from tinytorch.tracer.device import check_device
from tinytorch.tracer.factories import empty
from tinytorch.tracer.tensor import Tensor


class _InPlace(Module):
    """An activation that may write into its input."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def _shown(self) -> list[str]:
        return []

    def extra_repr(self) -> str:
        return ", ".join([*self._shown(), *(["inplace=True"] if self.inplace else [])])


class ReLU(_InPlace):
    """x where positive, else 0."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply elementwise."""
        return F.relu(input, self.inplace)


class SiLU(_InPlace):
    """Product of x and its sigmoid."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply elementwise."""
        return F.silu(input, self.inplace)


class Mish(_InPlace):
    """x tanh(softplus(x))."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply elementwise."""
        return F.mish(input, self.inplace)


class SELU(_InPlace):
    """ELU scaled so that activations keep mean 0 and variance 1."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply elementwise."""
        return F.selu(input, self.inplace)


class Hardsigmoid(_InPlace):
    """x / 6 + 1 / 2, limited to [0, 1]."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply elementwise."""
        return F.hardsigmoid(input, self.inplace)

    def extra_repr(self) -> str:
        """Show nothing, as PyTorch."""
        return ""


class Hardswish(_InPlace):
    """x times its hard sigmoid."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply elementwise."""
        return F.hardswish(input, self.inplace)

    def extra_repr(self) -> str:
        """Show nothing, as PyTorch."""
        return ""


class Tanh(Module):
    """Hyperbolic tangent."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply elementwise."""
        return F.tanh(input)


class Sigmoid(Module):
    """1 / (1 + exp(-x))."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply elementwise."""
        return F.sigmoid(input)


class LogSigmoid(Module):
    """log(1 / (1 + exp(-x)))."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply elementwise."""
        return F.logsigmoid(input)


class Softsign(Module):
    """x / (1 + abs(x))."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply elementwise."""
        return F.softsign(input)


class Tanhshrink(Module):
    """x - tanh(x)."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply elementwise."""
        return F.tanhshrink(input)


class GELU(Module):
    """x times the normal distribution function of x."""

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximate

    def forward(self, input: Tensor) -> Tensor:
        """Apply elementwise."""
        return F.gelu(input, self.approximate)

    def extra_repr(self) -> str:
        """Return the settings."""
        return f"approximate={self.approximate!r}"


class LeakyReLU(_InPlace):
    """x where positive, else x times the slope."""

    def __init__(self, negative_slope: float = 1e-2, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.negative_slope = negative_slope

    def forward(self, input: Tensor) -> Tensor:
        """Apply elementwise."""
        return F.leaky_relu(input, self.negative_slope, self.inplace)

    def _shown(self) -> list[str]:
        return [f"negative_slope={self.negative_slope}"]


class RReLU(_InPlace):
    """x where positive, else x times a slope: random while training, else in the middle."""

    def __init__(
        self, lower: float = 1.0 / 8, upper: float = 1.0 / 3, inplace: bool = False
    ) -> None:
        super().__init__(inplace)
        self.lower = lower
        self.upper = upper

    def forward(self, input: Tensor) -> Tensor:
        """Apply elementwise."""
        return F.rrelu(input, self.lower, self.upper, self.training, self.inplace)

    def _shown(self) -> list[str]:
        return [f"lower={self.lower}, upper={self.upper}"]


class PReLU(Module):
    """x where positive, else x times a learned slope, one or one a channel (axis 1)."""

    def __init__(
        self, num_parameters: int = 1, init: float = 0.25, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        check_device(device)
        self.num_parameters = num_parameters
        self.init = init
        self.weight = Parameter(empty(num_parameters, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set every slope to the first one."""
        init.constant_(self.weight, self.init)

    def forward(self, input: Tensor) -> Tensor:
        """Apply elementwise."""
        return F.prelu(input, self.weight)

    def extra_repr(self) -> str:
        """Return the number of slopes."""
        return f"num_parameters={self.num_parameters}"


class _WithAlpha(_InPlace):
    """An activation with a factor alpha."""

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.alpha = alpha

    def _shown(self) -> list[str]:
        return [f"alpha={self.alpha}"]


class ELU(_WithAlpha):
    """x where positive, else alpha times expm1(x)."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply elementwise."""
        return F.elu(input, self.alpha, self.inplace)


class CELU(_WithAlpha):
    """x where positive, else alpha times expm1(x / alpha)."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply elementwise."""
        return F.celu(input, self.alpha, self.inplace)


class Hardtanh(_InPlace):
    """x, limited to [min_val, max_val]."""

    def __init__(
        self, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False
    ) -> None:
        super().__init__(inplace)
        if max_val <= min_val:
            raise AssertionError(
                f"max_val ({max_val}) must be greater than min_val ({min_val})"
            )
        self.min_val = min_val
        self.max_val = max_val

    def forward(self, input: Tensor) -> Tensor:
        """Apply elementwise."""
        return F.hardtanh(input, self.min_val, self.max_val, self.inplace)

    def _shown(self) -> list[str]:
        return [f"min_val={self.min_val}, max_val={self.max_val}"]


class ReLU6(Hardtanh):
    """x, limited to [0, 6]."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__(0.0, 6.0, inplace)

    def _shown(self) -> list[str]:
        return []


class Threshold(_InPlace):
    """x where above a threshold, else a value."""

    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.threshold = threshold
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        """Apply elementwise."""
        return F.threshold(input, self.threshold, self.value, self.inplace)

    def _shown(self) -> list[str]:
        return [f"threshold={self.threshold}, value={self.value}"]


class _Shrink(Module):
    """An activation that is 0 within lambd of 0."""

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def extra_repr(self) -> str:
        return str(self.lambd)


class Hardshrink(_Shrink):
    """x where further from 0 than lambd, else 0."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply elementwise."""
        return F.hardshrink(input, self.lambd)


class Softshrink(_Shrink):
    """x moved towards 0 by lambd, at most to 0."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply elementwise."""
        return F.softshrink(input, self.lambd)


class Softplus(Module):
    """log(1 + exp(beta * x)) / beta."""

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta = beta
        self.threshold = threshold

    def forward(self, input: Tensor) -> Tensor:
        """Apply elementwise."""
        return F.softplus(input, self.beta, self.threshold)

    def extra_repr(self) -> str:
        """Return the settings."""
        return f"beta={self.beta}, threshold={self.threshold}"


class GLU(Module):
    """One half of an axis times the sigmoid of the other."""

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        """Halve the axis."""
        return F.glu(input, self.dim)

    def extra_repr(self) -> str:
        """Return the axis."""
        return f"dim={self.dim}"


class _AlongAxis(Module):
    """An activation along one axis; left out, PyTorch's choice is taken, with a warning."""

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Softmax(_AlongAxis):
    """exp(x) / sum(exp(x)) along an axis."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply; the shape stays."""
        return F.softmax(input, self.dim, _stacklevel=5)


class Softmin(_AlongAxis):
    """Softmax of -x along an axis."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply; the shape stays."""
        return F.softmin(input, self.dim, _stacklevel=5)


class LogSoftmax(_AlongAxis):
    """log(softmax(x)) along an axis."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply; the shape stays."""
        return F.log_softmax(input, self.dim, _stacklevel=5)


class Softmax2d(Module):
    """Softmax over channels, at every place of an image (N, C, H, W) or (C, H, W)."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply; the shape stays."""
        if input.ndim not in (3, 4):
            raise ValueError(
                f"Softmax2d: expected input to be 3D or 4D, got {input.ndim}D instead"
            )
        return F.softmax(input, -3)
