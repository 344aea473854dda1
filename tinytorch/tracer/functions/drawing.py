"""Random draws by shape and parameters. Counter-based: the same numbers eager and compiled."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinytorch.ir import ops
from tinytorch.ir.types import DType, broadcast_shapes, int64
from tinytorch.tracer.device import check_device
from tinytorch.tracer.functions.masking import known
from tinytorch.tracer.generator import Generator
from tinytorch.tracer.mode import no_grad
from tinytorch.tracer.noise import rand, randint, randn
from tinytorch.tracer.shapes import check_tensor, expand, sizes_of
from tinytorch.tracer.tensor import Tensor


def bernoulli(input: Tensor, p: float | None = None, *, generator: Generator | None = None
              ) -> Tensor:  # fmt: skip
    """1 with the probability that stands in ``input`` (or ``p``), else 0; raises outside [0, 1]."""
    if not check_tensor(input, "bernoulli").dtype.is_floating_point and p is None:
        raise NotImplementedError(
            f"\"bernoulli_tensor_cpu_p_\" not implemented for '{input.dtype.name}'"
        )
    draw = rand(tuple(input.shape), dtype=_float_of(input), generator=generator)
    if p is not None:
        if not 0 <= p <= 1:
            raise RuntimeError(f"bernoulli_ expects p to be in [0, 1], but got p={p}")
        return (draw < p).to(input.dtype)
    chance = input.detach()
    outside = (chance >= 0).logical_and(chance <= 1).logical_not().to(int64)
    checked = ops.require_range(
        outside, low=0, high=1, error="RuntimeError", message="Expected p_in >= 0 && p_in <= 1"
    )
    return (draw < chance + checked.to(chance.dtype)).to(input.dtype)


def _float_of(x: Tensor) -> DType | None:
    return x.dtype if x.dtype.is_floating_point else None


def poisson(input: Tensor, generator: Generator | None = None) -> Tensor:
    """Counts drawn from Poisson distributions of given rates. Runs eagerly alone.

    numpy draws them, from a seed that comes from the generator; raises RuntimeError below 0.
    """
    if not check_tensor(input, "poisson").dtype.is_floating_point:
        raise NotImplementedError(f"\"poisson_cpu\" not implemented for '{input.dtype.name}'")
    rates = known(input.detach(), "the rates of poisson", "draw outside the compiled function")
    if (rates < 0).any():
        raise RuntimeError("invalid Poisson rate, expected rate to be non-negative")
    if not np.isfinite(rates).all():
        raise RuntimeError("invalid Poisson rate, expected rate to be finite")
    seed = known(randint(0, 1 << 32, (4,), generator=generator), "a seed", "").tolist()
    drawn = np.random.Generator(np.random.Philox(np.random.SeedSequence(seed))).poisson(rates)
    return Tensor.wrap(np.array(drawn, np.float64)).to(input.dtype)


def multinomial(input: Tensor, num_samples: int, replacement: bool = False, *,
                generator: Generator | None = None) -> Tensor:  # fmt: skip
    """Positions drawn by weight from vectors of weights, as int64.

    With replacement by searching the running sums; without, the weights race: the largest
    log(u) / w win (Efraimidis and Spirakis, Weighted random sampling with a reservoir, 2006).
    """
    if not check_tensor(input, "multinomial").dtype.is_floating_point:
        raise RuntimeError("multinomial only supports floating-point dtypes for input, got: "
                           f"{input.dtype.name}")  # fmt: skip
    if input.ndim not in (1, 2):
        raise RuntimeError("prob_dist must be 1 or 2 dim")
    size = input.shape[-1]
    if num_samples <= 0:
        raise RuntimeError("cannot sample n_sample <= 0 samples")
    if not replacement and num_samples > size:
        raise RuntimeError(
            "cannot sample n_sample > prob_dist.size(-1) samples without replacement"
        )
    weights = input.detach()
    axis = input.ndim - 1
    bad = (weights >= 0).logical_and(weights - weights == 0).logical_not().to(int64)
    bad = ops.require_range(
        bad, low=0, high=1, error="RuntimeError",
        message="probability tensor contains either `inf`, `nan` or element < 0",
    )  # fmt: skip
    weights = weights + bad.to(weights.dtype)
    total = ops.sum_(weights, axes=(axis,))
    empty = ops.require_range(
        (total <= 0).to(int64), low=0, high=1, error="RuntimeError",
        message="invalid multinomial distribution (sum of probabilities <= 0)",
    )  # fmt: skip
    weights = weights + empty.to(weights.dtype)
    if replacement:
        shape = (*input.shape[:-1], num_samples)
        point = rand(shape, dtype=weights.dtype, generator=generator) * total
        ends = ops.cumsum(weights, axis=axis, reverse=False)
        # Every end that a point has reached is one position further on.
        reached = ends.unsqueeze(-2) <= point.unsqueeze(-1)
        at = reached.to(int64).sum(-1)
        return ops.where(at < size, at, size - 1)
    u = rand(tuple(input.shape), dtype=weights.dtype, generator=generator)
    key = ops.where(weights > 0, ops.log(1 - u) / weights, float("-inf"))
    order = ops.argsort(key, axis=axis, descending=True)
    return order.narrow(axis, 0, num_samples).contiguous()


def normal(mean: Any, std: Any = 1.0, size: Any = None, *, generator: Generator | None = None,
           dtype: DType | None = None, requires_grad: bool = False,
           device: Any = None) -> Tensor:  # fmt: skip
    """Normal numbers of given means and deviations: tensors, or numbers with a ``size``."""
    check_device(device)
    if not isinstance(mean, Tensor) and not isinstance(std, Tensor):
        if size is None:
            raise TypeError("normal() of two numbers needs size")
        draw = randn(sizes_of((size,), "normal"), dtype=dtype, generator=generator) * std + mean
        return draw.requires_grad_() if requires_grad else draw
    if not isinstance(std, Tensor) and std < 0:
        raise RuntimeError(f"normal expects std >= 0.0, but found std {std}")
    given = [x for x in (mean, std) if isinstance(x, Tensor)]
    shape = broadcast_shapes(*(x._type.shape for x in given))
    draw = randn(tuple(shape), dtype=given[0].dtype, generator=generator)
    return draw * std + mean


def randint_like(input: Tensor, low: int, high: int | None = None, *,
                 dtype: DType | None = None, requires_grad: bool = False, device: Any = None,
                 memory_format: Any = None) -> Tensor:  # fmt: skip
    """Integers in [low, high), in another tensor's shape and dtype."""
    return randint(low, high, tuple(input.shape), dtype=dtype or input.dtype,
                   requires_grad=requires_grad, device=device)  # fmt: skip


# ----------------------------------------------------------------- filling in place


def _filled(self: Tensor, values: Tensor) -> Tensor:
    with no_grad():
        return self.assign(expand(values.to(self.dtype), *self.shape))


def uniform_(self: Tensor, from_: float = 0, to: float = 1, *,
             generator: Generator | None = None) -> Tensor:  # fmt: skip
    """Fill with uniform numbers in [from, to)."""
    if from_ > to:
        raise RuntimeError(f"uniform_ expects to return a [from, to) range, but found from={from_} "
                           f"> to={to}")  # fmt: skip
    draw = rand(tuple(self.shape), dtype=self.dtype, generator=generator)
    return _filled(self, draw * (to - from_) + from_)


def normal_(self: Tensor, mean: float = 0, std: float = 1, *,
            generator: Generator | None = None) -> Tensor:  # fmt: skip
    """Fill with normal numbers."""
    if std < 0:
        raise RuntimeError(f"normal_ expects std >= 0.0, but found std {std}")
    draw = randn(tuple(self.shape), dtype=self.dtype, generator=generator)
    return _filled(self, draw * std + mean)


def bernoulli_(self: Tensor, p: Any = 0.5, *, generator: Generator | None = None) -> Tensor:
    """Fill with ones, of the probability ``p`` (a number or a tensor), and zeros."""
    if isinstance(p, Tensor):
        return _filled(self, bernoulli(expand(p, *self.shape), generator=generator))
    return _filled(self, bernoulli(self.detach(), p, generator=generator))


def exponential_(self: Tensor, lambd: float = 1, *, generator: Generator | None = None) -> Tensor:
    """Fill with exponentially distributed numbers of rate ``lambd``."""
    if lambd <= 0:
        raise RuntimeError(f"exponential_ expects lambda > 0.0, but found lambda={lambd}")
    draw = rand(tuple(self.shape), dtype=self.dtype, generator=generator)
    return _filled(self, -ops.log1p(-draw) / lambd)


def random_(self: Tensor, from_: int = 0, to: int | None = None, *,
            generator: Generator | None = None) -> Tensor:  # fmt: skip
    """Fill with integers in [from, to), by default all that the dtype holds exactly.

    At most 2**32 different ones: that is what a draw has bits for.
    """
    if to is None:
        bits = {"float16": 11, "bfloat16": 8, "float32": 24, "bool": 1, "int8": 7, "uint8": 8,
                "int16": 15, "int32": 31}.get(self.dtype.name, 32)  # fmt: skip
        from_, to = (0, from_) if from_ else (0, 1 << bits)
    return _filled(self, randint(from_, to, tuple(self.shape), generator=generator))


__all__ = ["bernoulli", "multinomial", "normal", "poisson", "randint_like"]
METHODS = [
    "bernoulli", "bernoulli_", "exponential_", "multinomial", "normal_", "random_", "uniform_",
]  # fmt: skip
