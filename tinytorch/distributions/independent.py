"""Independent: the last axes of a batch of distributions as one event."""

from __future__ import annotations

from typing import Any

from tinytorch.distributions.distribution import Distribution
from tinytorch.tracer.tensor import Tensor


def summed_right(value: Tensor, count: int) -> Tensor:
    """Sum over the last ``count`` axes."""
    return value.sum(tuple(range(-count, 0))) if count else value


class Independent(Distribution):
    """A distribution whose last ``reinterpreted_batch_ndims`` batch axes belong to the event."""

    def __init__(
        self, base_distribution: Distribution, reinterpreted_batch_ndims: int,
        validate_args: bool | None = None,
    ) -> None:  # fmt: skip
        batch = base_distribution.batch_shape
        if reinterpreted_batch_ndims > len(batch):
            raise ValueError(
                "Expected reinterpreted_batch_ndims <= len(base_distribution.batch_shape), "
                f"actual {reinterpreted_batch_ndims} vs {len(batch)}"
            )
        self.base_dist = base_distribution
        self.reinterpreted_batch_ndims = reinterpreted_batch_ndims
        at = len(batch) - reinterpreted_batch_ndims
        event = (*batch[at:], *base_distribution.event_shape)
        super().__init__(batch[:at], event, validate_args)

    @property
    def has_rsample(self) -> bool:  # type: ignore[override]
        """Whether gradients flow through draws."""
        return self.base_dist.has_rsample

    @property
    def mean(self) -> Tensor:
        """The mean."""
        return self.base_dist.mean

    @property
    def mode(self) -> Tensor:
        """The most probable value."""
        return self.base_dist.mode

    @property
    def variance(self) -> Tensor:
        """The variance of each element."""
        return self.base_dist.variance

    def expand(self, batch_shape: Any) -> Independent:
        """The same distribution, broadcast to another batch shape."""
        inner = self.event_shape[: int(self.reinterpreted_batch_ndims)]
        base = self.base_dist.expand((*batch_shape, *inner))
        return Independent(base, self.reinterpreted_batch_ndims, False)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Draw, without gradients."""
        return self.base_dist.sample(sample_shape)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """Draw so that gradients flow into the parameters."""
        return self.base_dist.rsample(sample_shape)

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density of events."""
        return summed_right(self.base_dist.log_prob(value), int(self.reinterpreted_batch_ndims))

    def entropy(self) -> Tensor:
        """The entropy, in nats."""
        return summed_right(self.base_dist.entropy(), int(self.reinterpreted_batch_ndims))

    def __repr__(self) -> str:
        return f"Independent({self.base_dist}, {self.reinterpreted_batch_ndims})"
