"""Distributions of real numbers."""

from __future__ import annotations

import math
from typing import Any

from tinytorch.distributions.distribution import Distribution, broadcast_all
from tinytorch.tracer.functions import erf, erfinv, log1p
from tinytorch.tracer.mode import no_grad
from tinytorch.tracer.noise import rand, randn
from tinytorch.tracer.tensor import Tensor


class _LocationScale(Distribution):
    """A distribution that is another, moved by ``loc`` and stretched by ``scale``."""

    has_rsample = True
    loc: Tensor
    scale: Tensor

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        self.loc, self.scale = broadcast_all(loc, scale)
        super().__init__(self.loc.shape, (), validate_args)

    @property
    def mean(self) -> Tensor:
        """``loc``."""
        return self.loc

    @property
    def mode(self) -> Tensor:
        """``loc``."""
        return self.loc

    def _parameters(self) -> dict[str, Tensor]:
        return {"loc": self.loc, "scale": self.scale}

    def _check_parameters(self) -> None:
        self._refuse_parameter("loc", self.loc == self.loc, "Real()")
        self._refuse_parameter("scale", self.scale > 0, "GreaterThan(lower_bound=0.0)")

    def _within(self, value: Tensor) -> Tensor | None:
        return value == value

    def expand(self, batch_shape: Any) -> Any:
        """The same distribution, broadcast to another batch shape."""
        return type(self)(self.loc.expand(batch_shape), self.scale.expand(batch_shape), False)


class Normal(_LocationScale):
    """Normal numbers of mean ``loc`` and standard deviation ``scale``."""

    @property
    def stddev(self) -> Tensor:
        """``scale``."""
        return self.scale

    @property
    def variance(self) -> Tensor:
        """The square of ``scale``."""
        return self.scale**2

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """Draw; gradients flow into ``loc`` and ``scale``."""
        noise = randn(self._extended_shape(sample_shape), dtype=self.loc.dtype)
        return self.loc + noise * self.scale

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density."""
        self._validate_sample(value)
        distance = (value - self.loc) ** 2 / (2 * self.scale**2)
        return -distance - self.scale.log() - 0.5 * math.log(2 * math.pi)

    def cdf(self, value: Tensor) -> Tensor:
        """The probability of at most a value."""
        self._validate_sample(value)
        return 0.5 * (1 + erf((value - self.loc) / (self.scale * math.sqrt(2))))

    def icdf(self, value: Tensor) -> Tensor:
        """The value that a draw is at most with a given probability."""
        return self.loc + self.scale * erfinv(2 * value - 1) * math.sqrt(2)

    def entropy(self) -> Tensor:
        """The entropy, in nats."""
        return 0.5 + 0.5 * math.log(2 * math.pi) + self.scale.log()


class LogNormal(_LocationScale):
    """Numbers whose logarithms are normal, of mean ``loc`` and standard deviation ``scale``."""

    def _base(self) -> Normal:
        return Normal(self.loc, self.scale, False)

    def _within(self, value: Tensor) -> Tensor | None:
        return value > 0

    @property
    def mean(self) -> Tensor:
        """The mean."""
        return (self.loc + self.scale**2 / 2).exp()

    @property
    def mode(self) -> Tensor:
        """The most probable value."""
        return (self.loc - self.scale**2).exp()

    @property
    def variance(self) -> Tensor:
        """The variance."""
        square = self.scale**2
        return square.expm1() * (2 * self.loc + square).exp()

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """Draw; gradients flow into ``loc`` and ``scale``."""
        return self._base().rsample(sample_shape).exp()

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density."""
        self._validate_sample(value)
        logarithm = value.log()
        return self._base().log_prob(logarithm) - logarithm

    def cdf(self, value: Tensor) -> Tensor:
        """The probability of at most a value."""
        self._validate_sample(value)
        return self._base().cdf(value.log())

    def icdf(self, value: Tensor) -> Tensor:
        """The value that a draw is at most with a given probability."""
        return self._base().icdf(value).exp()

    def entropy(self) -> Tensor:
        """The entropy, in nats."""
        return self._base().entropy() + self.loc


class Laplace(_LocationScale):
    """Two exponential distributions of mean ``scale``, back to back at ``loc``."""

    @property
    def variance(self) -> Tensor:
        """The variance."""
        return 2 * self.scale**2

    @property
    def stddev(self) -> Tensor:
        """The standard deviation."""
        return self.scale * math.sqrt(2)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """Draw; gradients flow into ``loc`` and ``scale``."""
        draw = rand(self._extended_shape(sample_shape), dtype=self.loc.dtype) - 0.5
        return self.loc - self.scale * draw.sign() * log1p(-2 * draw.abs())

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density."""
        self._validate_sample(value)
        return -(2 * self.scale).log() - (value - self.loc).abs() / self.scale

    def cdf(self, value: Tensor) -> Tensor:
        """The probability of at most a value."""
        self._validate_sample(value)
        away = value - self.loc
        return 0.5 - 0.5 * away.sign() * (-away.abs() / self.scale).expm1()

    def icdf(self, value: Tensor) -> Tensor:
        """The value that a draw is at most with a given probability."""
        term = value - 0.5
        return self.loc - self.scale * term.sign() * log1p(-2 * term.abs())

    def entropy(self) -> Tensor:
        """The entropy, in nats."""
        return 1 + (2 * self.scale).log()


class Uniform(Distribution):
    """Uniform numbers in [``low``, ``high``)."""

    has_rsample = True

    def __init__(self, low: Any, high: Any, validate_args: bool | None = None) -> None:
        self.low, self.high = broadcast_all(low, high)
        super().__init__(self.low.shape, (), validate_args)

    def _parameters(self) -> dict[str, Tensor]:
        return {"low": self.low, "high": self.high}

    def _check_parameters(self) -> None:
        self._refuse_parameter("low", self.low < self.high, "LessThan(high)")

    def _within(self, value: Tensor) -> Tensor | None:
        return (value >= self.low).logical_and(value <= self.high)

    def expand(self, batch_shape: Any) -> Uniform:
        """The same distribution, broadcast to another batch shape."""
        return Uniform(self.low.expand(batch_shape), self.high.expand(batch_shape), False)

    @property
    def mean(self) -> Tensor:
        """The mean."""
        return (self.high + self.low) / 2

    @property
    def mode(self) -> Tensor:
        """NaN: no value is more probable than the others."""
        return float("nan") * self.high

    @property
    def variance(self) -> Tensor:
        """The variance."""
        return (self.high - self.low) ** 2 / 12

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """Draw; gradients flow into ``low`` and ``high``."""
        draw = rand(self._extended_shape(sample_shape), dtype=self.low.dtype)
        return self.low + draw * (self.high - self.low)

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density: of 0 at ``high`` and outside."""
        self._validate_sample(value)
        inside = (self.low <= value).logical_and(self.high > value)
        return inside.to(self.low.dtype).log() - (self.high - self.low).log()

    def cdf(self, value: Tensor) -> Tensor:
        """The probability of at most a value."""
        self._validate_sample(value)
        return ((value - self.low) / (self.high - self.low)).clamp(0, 1)

    def icdf(self, value: Tensor) -> Tensor:
        """The value that a draw is at most with a given probability."""
        return value * (self.high - self.low) + self.low

    def entropy(self) -> Tensor:
        """The entropy, in nats."""
        return (self.high - self.low).log()


class Exponential(Distribution):
    """Exponentially distributed numbers of a ``rate``."""

    has_rsample = True

    def __init__(self, rate: Any, validate_args: bool | None = None) -> None:
        (self.rate,) = broadcast_all(rate)
        super().__init__(self.rate.shape, (), validate_args)

    def _parameters(self) -> dict[str, Tensor]:
        return {"rate": self.rate}

    def _check_parameters(self) -> None:
        self._refuse_parameter("rate", self.rate > 0, "GreaterThan(lower_bound=0.0)")

    def _within(self, value: Tensor) -> Tensor | None:
        return value >= 0

    def expand(self, batch_shape: Any) -> Exponential:
        """The same distribution, broadcast to another batch shape."""
        return Exponential(self.rate.expand(batch_shape), False)

    @property
    def mean(self) -> Tensor:
        """The mean."""
        return self.rate.reciprocal()

    @property
    def mode(self) -> Tensor:
        """The most probable value, 0."""
        return self.rate * 0

    @property
    def stddev(self) -> Tensor:
        """The standard deviation."""
        return self.rate.reciprocal()

    @property
    def variance(self) -> Tensor:
        """The variance."""
        return self.rate.pow(-2)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """Draw; gradients flow into ``rate``."""
        with no_grad():
            draw = -log1p(-rand(self._extended_shape(sample_shape), dtype=self.rate.dtype))
        return draw / self.rate

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density."""
        self._validate_sample(value)
        return self.rate.log() - self.rate * value

    def cdf(self, value: Tensor) -> Tensor:
        """The probability of at most a value."""
        self._validate_sample(value)
        return 1 - (-self.rate * value).exp()

    def icdf(self, value: Tensor) -> Tensor:
        """The value that a draw is at most with a given probability."""
        return -log1p(-value) / self.rate

    def entropy(self) -> Tensor:
        """The entropy, in nats."""
        return 1.0 - self.rate.log()

__all__ = ["Exponential", "Laplace", "LogNormal", "Normal", "Uniform"]
