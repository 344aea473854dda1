"""Distributions of choices: yes or no, or one of several."""

from __future__ import annotations

from typing import Any

from tinytorch.distributions.distribution import Distribution, broadcast_all
from tinytorch.nn.functional import binary_cross_entropy_with_logits, one_hot
from tinytorch.tracer.factories import arange
from tinytorch.tracer.functions import (
    bernoulli,
    broadcast_tensors,
    log1p,
    logsumexp,
    multinomial,
    sigmoid,
    softmax,
)  # fmt: skip
from tinytorch.tracer.limits import finfo
from tinytorch.tracer.mode import no_grad
from tinytorch.tracer.tensor import Tensor


def _one_of(probs: Any, logits: Any) -> None:
    if (probs is None) == (logits is None):
        raise ValueError("Either `probs` or `logits` must be specified, but not both.")


def _inside(probs: Tensor) -> Tensor:
    """Probabilities moved off 0 and 1 by the least that their logarithms stay finite."""
    tiny = finfo(probs.dtype).eps
    return probs.clamp(tiny, 1 - tiny)


class Bernoulli(Distribution):
    """1 with probability ``probs`` (or the sigmoid of ``logits``), else 0."""

    has_enumerate_support = True

    def __init__(
        self, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        _one_of(probs, logits)
        self._by_probs = probs is not None
        (self._given,) = broadcast_all(probs if self._by_probs else logits)
        super().__init__(self._given.shape, (), validate_args)

    def _parameters(self) -> dict[str, Tensor]:
        return {"probs" if self._by_probs else "logits": self._given}

    def _check_parameters(self) -> None:
        if self._by_probs:
            good = (self._given >= 0).logical_and(self._given <= 1)
            self._refuse_parameter("probs", good, "Interval(lower_bound=0.0, upper_bound=1.0)")
        else:
            self._refuse_parameter("logits", self._given == self._given, "Real()")

    def _within(self, value: Tensor) -> Tensor | None:
        return (value == 0).logical_or(value == 1)

    def expand(self, batch_shape: Any) -> Bernoulli:
        """The same distribution, broadcast to another batch shape."""
        given = self._given.expand(batch_shape)
        return Bernoulli(**{"probs" if self._by_probs else "logits": given}, validate_args=False)

    @property
    def probs(self) -> Tensor:
        """The probability of 1."""
        return self._given if self._by_probs else sigmoid(self._given)

    @property
    def logits(self) -> Tensor:
        """The logarithm of the odds of 1."""
        if not self._by_probs:
            return self._given
        inside = _inside(self._given)
        return inside.log() - log1p(-inside)

    @property
    def mean(self) -> Tensor:
        """``probs``."""
        return self.probs

    @property
    def mode(self) -> Tensor:
        """The more probable value; NaN where both are equally probable."""
        return (self.probs >= 0.5).to(self._given.dtype).masked_fill(
            self.probs == 0.5, float("nan")
        )

    @property
    def variance(self) -> Tensor:
        """The variance."""
        return self.probs * (1 - self.probs)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Draw zeros and ones, of the parameter's dtype."""
        with no_grad():
            return bernoulli(self.probs.expand(self._extended_shape(sample_shape)))

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the probability of a value."""
        self._validate_sample(value)
        logits, value = broadcast_tensors(self.logits, value)
        return -binary_cross_entropy_with_logits(
            logits, value.to(logits.dtype), reduction="none"
        )

    def entropy(self) -> Tensor:
        """The entropy, in nats."""
        return binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none")

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """0 and 1, along a new first axis."""
        values = arange(2, dtype=self._given.dtype).view(-1, *(1,) * len(self._batch))
        return values.expand(2, *self._batch) if expand else values


class Categorical(Distribution):
    """Positions 0, 1, ..., each with its probability: ``probs``, or the softmax of ``logits``.

    The last axis is that of the positions; ``probs`` need not add up to 1.
    """

    has_enumerate_support = True

    def __init__(
        self, probs: Tensor | None = None, logits: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:  # fmt: skip
        _one_of(probs, logits)
        self._by_probs = probs is not None
        given: Any = probs if probs is not None else logits
        name = "probs" if self._by_probs else "logits"
        if given.ndim < 1:
            raise ValueError(f"`{name}` parameter must be at least one-dimensional.")
        self._given = (
            given / given.sum(-1, keepdim=True) if self._by_probs
            else given - logsumexp(given, dim=-1, keepdim=True)
        )  # fmt: skip
        self._setup(validate_args)

    def _setup(self, validate_args: bool | None) -> None:
        Distribution.__init__(self, self._given.shape[:-1], (), validate_args)

    def _parameters(self) -> dict[str, Tensor]:
        return {"probs" if self._by_probs else "logits": self._given}

    def _check_parameters(self) -> None:
        if self._by_probs:
            near = (self._given.sum(-1) - 1).abs() < 1e-6
            good = (self._given >= 0).all(-1).logical_and(near)
            self._refuse_parameter("probs", good, "Simplex()")
        else:
            self._refuse_parameter("logits", self._given == self._given, "IndependentConstraint()")

    def _within(self, value: Tensor) -> Tensor | None:
        whole = value == value.trunc() if value.dtype.is_floating_point else value == value
        return (value >= 0).logical_and(value < self._given.shape[-1]).logical_and(whole)

    def expand(self, batch_shape: Any) -> Any:
        """The same distribution, broadcast to another batch shape."""
        given = self._given.expand(*batch_shape, self._given.shape[-1])
        name = "probs" if self._by_probs else "logits"
        return type(self)(**{name: given}, validate_args=False)

    @property
    def param_shape(self) -> Any:
        """The shape of ``probs``."""
        return self._given.shape

    @property
    def probs(self) -> Tensor:
        """The probabilities."""
        return self._given if self._by_probs else softmax(self._given, dim=-1)

    @property
    def logits(self) -> Tensor:
        """The logarithms of the probabilities."""
        return _inside(self._given).log() if self._by_probs else self._given

    @property
    def mean(self) -> Tensor:
        """NaN: positions have no mean."""
        return self._given.sum(-1) * float("nan")

    @property
    def mode(self) -> Tensor:
        """The most probable position."""
        return self.probs.argmax(-1)

    @property
    def variance(self) -> Tensor:
        """NaN: positions have no variance."""
        return self.mean

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Draw positions, int64."""
        with no_grad():
            count = 1
            for size in sample_shape:
                count = count * size
            rows = self.probs.reshape(-1, self._given.shape[-1])
            drawn = multinomial(rows, count, True).t()
            return drawn.reshape(*sample_shape, *self._given.shape[:-1])

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the probability of positions."""
        self._validate_sample(value)
        at, logits = broadcast_tensors(value.long().unsqueeze(-1), self.logits)
        return logits.gather(-1, at[..., :1]).squeeze(-1)

    def entropy(self) -> Tensor:
        """The entropy, in nats; what has no probability adds nothing."""
        least = finfo(self._given.dtype).min
        return -(self.logits.clamp(min=least) * self.probs).sum(-1)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """All positions, along a new first axis."""
        batch = self._given.shape[:-1]
        values = arange(self._given.shape[-1]).view(-1, *(1,) * len(batch))
        return values.expand(-1, *batch) if expand else values


class OneHotCategorical(Categorical):
    """As ``Categorical``, with positions as vectors of zeros and a one."""

    def _setup(self, validate_args: bool | None) -> None:
        shape = self._given.shape
        Distribution.__init__(self, shape[:-1], shape[-1:], validate_args)

    def _within(self, value: Tensor) -> Tensor | None:
        either = (value == 0).logical_or(value == 1).all(-1)
        return either.logical_and(value.sum(-1) == 1)

    @property
    def mean(self) -> Tensor:
        """The probabilities."""
        return self.probs

    @property
    def mode(self) -> Tensor:
        """The most probable position, as a vector."""
        return one_hot(self.probs.argmax(-1), self._given.shape[-1]).to(self._given.dtype)

    @property
    def variance(self) -> Tensor:
        """The variance of each element."""
        return self.probs * (1 - self.probs)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Draw vectors, of the parameter's dtype."""
        drawn = super().sample(sample_shape)
        return one_hot(drawn, self._given.shape[-1]).to(self._given.dtype)

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the probability of vectors."""
        self._validate_sample(value)
        at, logits = broadcast_tensors(value, self.logits)
        return logits.gather(-1, at.argmax(-1).unsqueeze(-1)).squeeze(-1)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """All vectors, along a new first axis."""
        return one_hot(super().enumerate_support(expand), self._given.shape[-1]).to(
            self._given.dtype
        )

__all__ = ["Bernoulli", "Categorical", "OneHotCategorical"]
