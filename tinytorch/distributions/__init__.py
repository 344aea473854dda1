"""``tinytorch.distributions``: random draws whose densities are known, with PyTorch's names."""

from tinytorch.distributions.continuous import Exponential, Laplace, LogNormal, Normal, Uniform
from tinytorch.distributions.discrete import Bernoulli, Categorical, OneHotCategorical
from tinytorch.distributions.distribution import Distribution
from tinytorch.distributions.divergence import kl_divergence, register_kl
from tinytorch.distributions.independent import Independent

__all__ = [
    "Bernoulli", "Categorical", "Distribution", "Exponential", "Independent", "Laplace",
    "LogNormal", "Normal", "OneHotCategorical", "Uniform", "kl_divergence", "register_kl",
]  # fmt: skip
