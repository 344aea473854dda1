"""Distribution: what all distributions have, and the checks of their parameters and values."""

from __future__ import annotations

from typing import Any, TypeVar

from tinytorch.tracer import dtypes
from tinytorch.tracer.functions import broadcast_tensors, logical_not
from tinytorch.tracer.functions.creating import scalar_tensor
from tinytorch.tracer.functions.gathering import in_range
from tinytorch.tracer.mode import no_grad
from tinytorch.tracer.tensor import Tensor
from tinytorch.tracer.tracked import Tracked
from tinytorch.tracer.views import Size

T = TypeVar("T", bound="Distribution")


def broadcast_all(*values: Any) -> tuple[Tensor, ...]:
    """Numbers and tensors as tensors of one shape; numbers take the dtype of the first tensor.

    Raises ValueError for what is neither.
    """
    given = [v for v in values if isinstance(v, Tensor)]
    dtype = given[0].dtype if given else None
    found = []
    for value in values:
        if not isinstance(value, Tensor | int | float):
            raise ValueError(
                "Input arguments must all be instances of Number or Tensor, got "
                f"{type(value).__name__}"
            )
        is_tensor = isinstance(value, Tensor)
        found.append(value if is_tensor else scalar_tensor(value, dtype=dtype))
    return tuple(broadcast_tensors(*found))


def checked(good: Tensor, message: str) -> None:
    """Raise ValueError unless all elements are true: at once, or when compiled code runs."""
    in_range(logical_not(good).to(dtypes.int64), 1, "ValueError", message, False)


class Distribution(Tracked):
    """Base of distributions: a batch of independent ones, each over events of one shape.

    ``validate_args`` (true unless set otherwise) checks parameters and values and raises
    ValueError; in compiled code the call raises.
    """

    has_rsample = False
    has_enumerate_support = False
    _validate_args = True

    @staticmethod
    def set_default_validate_args(value: bool) -> None:
        """Let distributions made from now on check, or not check, unless told."""
        if value not in (True, False):
            raise ValueError(f"validate_args must be True or False, got {value}")
        Distribution._validate_args = value

    def __init__(
        self, batch_shape: Any = (), event_shape: Any = (), validate_args: bool | None = None
    ) -> None:
        self._batch = Size(batch_shape)
        self._event = Size(event_shape)
        if validate_args is not None:
            self._validate_args = validate_args
        if self._validate_args:
            self._check_parameters()

    @property
    def batch_shape(self) -> Size:
        """How many distributions there are."""
        return self._batch

    @property
    def event_shape(self) -> Size:
        """The shape of one draw."""
        return self._event

    # --------------------------------------------------- what subclasses give

    def _parameters(self) -> dict[str, Tensor]:
        """Parameters by name, as the text form shows them."""
        return {}

    def _check_parameters(self) -> None:
        """Raise ValueError unless the parameters make a distribution."""

    def _within(self, value: Tensor) -> Tensor | None:
        """Which elements of a value can be drawn; None if all can."""
        return None

    @property
    def mean(self) -> Tensor:
        """The mean."""
        raise NotImplementedError

    @property
    def mode(self) -> Tensor:
        """The most probable value."""
        raise NotImplementedError(f"{type(self).__name__} does not implement mode")

    @property
    def variance(self) -> Tensor:
        """The variance."""
        raise NotImplementedError

    @property
    def stddev(self) -> Tensor:
        """The standard deviation."""
        return self.variance.sqrt()

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """Draw so that gradients flow into the parameters; NotImplementedError if it cannot."""
        raise NotImplementedError

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Draw ``sample_shape`` times, without gradients."""
        with no_grad():
            return self.rsample(sample_shape)

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density, or of the probability, at a value."""
        raise NotImplementedError

    def cdf(self, value: Tensor) -> Tensor:
        """The probability of at most a value."""
        raise NotImplementedError

    def icdf(self, value: Tensor) -> Tensor:
        """The value that a draw is at most with a given probability."""
        raise NotImplementedError

    def entropy(self) -> Tensor:
        """The entropy, in nats."""
        raise NotImplementedError

    def perplexity(self) -> Tensor:
        """The exponential of the entropy."""
        return self.entropy().exp()

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """All values of a discrete distribution, along a new first axis."""
        raise NotImplementedError

    def expand(self, batch_shape: Any) -> Distribution:
        """The same distribution, broadcast to another batch shape."""
        raise NotImplementedError

    # ----------------------------------------------------------------- shared

    def _extended_shape(self, sample_shape: Any = ()) -> tuple[int, ...]:
        return (*Size(sample_shape), *self._batch, *self._event)

    def _refuse_parameter(self, name: str, good: Tensor, constraint: str) -> None:
        value = self._parameters()[name]
        checked(
            good,
            f"Expected parameter {name} (Tensor of shape {tuple(value.shape)}) of distribution "
            f"{type(self).__name__} to satisfy the constraint {constraint}, but found invalid "
            "values",
        )

    def _validate_sample(self, value: Any) -> None:
        if not self._validate_args:
            return
        if not isinstance(value, Tensor):
            raise ValueError("The value argument to log_prob must be a Tensor")
        start = value.ndim - len(self._event)
        if tuple(value.shape[max(start, 0) :]) != tuple(self._event):
            raise ValueError(
                "The right-most size of value must match event_shape: "
                f"{value.shape} vs {self._event}."
            )
        expected = (*self._batch, *self._event)
        for given, wanted in zip(reversed(value.shape), reversed(expected), strict=False):
            if given != 1 and wanted != 1 and given != wanted:
                raise ValueError(
                    f"Value is not broadcastable with batch_shape+event_shape: {value.shape} vs "
                    f"{Size(expected)}."
                )
        good = self._within(value)
        if good is not None:
            checked(
                good,
                f"Expected value argument (Tensor of shape {tuple(value.shape)}) to be within the "
                f"support of the distribution {type(self).__name__}, but found invalid values",
            )

    def __repr__(self) -> str:
        shown = [
            f"{name}: {value.tolist() if value.ndim == 0 else value.shape}"
            for name, value in self._parameters().items()
        ]
        return f"{type(self).__name__}({', '.join(shown)})"
