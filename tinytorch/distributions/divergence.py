"""The Kullback-Leibler divergence of one distribution from another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from tinytorch.distributions.continuous import Exponential, Laplace, LogNormal, Normal, Uniform
from tinytorch.distributions.discrete import Bernoulli, Categorical
from tinytorch.distributions.distribution import Distribution
from tinytorch.distributions.independent import Independent, summed_right
from tinytorch.nn.functional import softplus
from tinytorch.tracer.functions import where
from tinytorch.tracer.tensor import Tensor

F = TypeVar("F", bound=Callable[[Any, Any], Tensor])
_RULES: dict[tuple[type, type], Callable[[Any, Any], Tensor]] = {}


def register_kl(type_p: type, type_q: type) -> Callable[[F], F]:
    """Make a function of two distributions the rule for these classes and those derived."""
    if not (issubclass(type_p, Distribution) and issubclass(type_q, Distribution)):
        raise TypeError(f"Expected two subclasses of Distribution, got {type_p} and {type_q}")

    def register(function: F) -> F:
        _RULES[type_p, type_q] = function
        return function

    return register


def kl_divergence(p: Distribution, q: Distribution) -> Tensor:
    """KL(p || q), for each of the batch; raises NotImplementedError where no rule is known.

    Of several rules the one for the classes nearest to those of ``p``, then of ``q``, holds.
    """
    for left in type(p).__mro__:
        for right in type(q).__mro__:
            if (left, right) in _RULES:
                return _RULES[left, right](p, q)
    raise NotImplementedError(
        f"No KL(p || q) is implemented for p type {type(p).__name__} and q type "
        f"{type(q).__name__}"
    )


@register_kl(Normal, Normal)
def _normal(p: Normal, q: Normal) -> Tensor:
    ratio = (p.scale / q.scale).pow(2)
    distance = ((p.loc - q.loc) / q.scale).pow(2)
    return 0.5 * (ratio + distance - 1 - ratio.log())


@register_kl(LogNormal, LogNormal)
def _log_normal(p: LogNormal, q: LogNormal) -> Tensor:
    return _normal(p._base(), q._base())


@register_kl(Laplace, Laplace)
def _laplace(p: Laplace, q: Laplace) -> Tensor:
    ratio = p.scale / q.scale
    away = (p.loc - q.loc).abs()
    return -ratio.log() + away / q.scale + ratio * (-away / p.scale).exp() - 1


@register_kl(Exponential, Exponential)
def _exponential(p: Exponential, q: Exponential) -> Tensor:
    ratio = q.rate / p.rate
    return ratio - ratio.log() - 1


@register_kl(Uniform, Uniform)
def _uniform(p: Uniform, q: Uniform) -> Tensor:
    found = ((q.high - q.low) / (p.high - p.low)).log()
    return where((q.low > p.low).logical_or(q.high < p.high), float("inf"), found)


@register_kl(Uniform, Normal)
def _uniform_normal(p: Uniform, q: Normal) -> Tensor:
    width = p.high - p.low
    constant = (6.283185307179586**0.5 * q.scale / width).log()
    return constant + (width**2 / 12 + ((p.high + p.low - 2 * q.loc) / 2) ** 2) / (2 * q.scale**2)


@register_kl(Bernoulli, Bernoulli)
def _bernoulli(p: Bernoulli, q: Bernoulli) -> Tensor:
    one = p.probs * (softplus(-q.logits) - softplus(-p.logits))
    none = (1 - p.probs) * (softplus(q.logits) - softplus(p.logits))
    one = where(q.probs == 0, float("inf"), one)
    none = where(q.probs == 1, float("inf"), none)
    return where(p.probs == 0, 0.0, one) + where(p.probs == 1, 0.0, none)


@register_kl(Categorical, Categorical)
def _categorical(p: Categorical, q: Categorical) -> Tensor:
    terms = p.probs * (p.logits - q.logits)
    terms = where(q.probs == 0, float("inf"), terms)
    return where(p.probs == 0, 0.0, terms).sum(-1)


@register_kl(Independent, Independent)
def _independent(p: Independent, q: Independent) -> Tensor:
    if p.reinterpreted_batch_ndims != q.reinterpreted_batch_ndims:
        raise NotImplementedError("the two treat different numbers of axes as one event")
    return summed_right(kl_divergence(p.base_dist, q.base_dist), int(p.reinterpreted_batch_ndims))

__all__ = ["kl_divergence", "register_kl"]
