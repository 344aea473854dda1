"""gelu(x * a + b) * sigmoid(c * x) + tanh(x) on ten million numbers, and its gradient.

gelu is the exact one (through erf) for every peer.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from benchmarks.case import Array, Arrays, Case, Workload
from benchmarks.torchlike import Framework, family, to_numpy

SIZE = 10_000_000
A, B, C = 1.5, 0.25, 0.75


def data() -> Arrays:
    return {"x": np.random.default_rng(0).standard_normal(SIZE, dtype=np.float32)}


def _erf(x: Array) -> Array:
    """erf in float64 by the standard library, so that the reference needs no further package."""
    return np.frompyfunc(math.erf, 1, 1)(x).astype(np.float64)


def _terms(x: Array) -> tuple[Array, Array, Array, Array]:
    """Return the normal distribution function at u = A x + B, u, the sigmoid and the tanh."""
    u = A * x + B
    return 0.5 * (1 + _erf(u / math.sqrt(2))), u, 1 / (1 + np.exp(-C * x)), np.tanh(x)


def reference(data: Arrays) -> Arrays:
    phi, u, s, t = _terms(data["x"].astype(np.float64))
    return {"y": u * phi * s + t}


def reference_gradient(data: Arrays) -> Arrays:
    phi, u, s, t = _terms(data["x"].astype(np.float64))
    density = np.exp(-0.5 * u * u) / math.sqrt(2 * math.pi)
    dx = A * (phi + u * density) * s + u * phi * C * s * (1 - s) + 1 - t * t
    return {"loss": np.sum(u * phi * s + t), "dx": dx}


def build_torchlike(framework: Framework, data: Arrays) -> Case:
    gelu, tt = framework.functional.gelu, framework.tt
    f = framework.maybe_compile(lambda x: gelu(x * A + B) * tt.sigmoid(C * x) + tt.tanh(x))
    x = framework.tensor(data["x"])
    return Case(lambda: f(x), lambda y: {"y": to_numpy(y)})


def build_torchlike_gradient(framework: Framework, data: Arrays) -> Case:
    gelu, tt = framework.functional.gelu, framework.tt

    def loss_and_gradient(x: Any) -> Any:
        loss = (gelu(x * A + B) * tt.sigmoid(C * x) + tt.tanh(x)).sum()
        (dx,) = tt.autograd.grad(loss, [x])
        return loss.detach(), dx

    f = framework.maybe_compile(loss_and_gradient)
    x = framework.tensor(data["x"]).requires_grad_()
    return Case(lambda: f(x), lambda out: {"loss": to_numpy(out[0]), "dx": to_numpy(out[1])})


def _in_jax(x: Any) -> Any:
    import jax

    return jax.nn.gelu(x * A + B, approximate=False) * jax.nn.sigmoid(C * x) + jax.numpy.tanh(x)


def build_jax(data: Arrays) -> Case:
    import jax

    f = jax.jit(_in_jax)
    x = jax.numpy.asarray(data["x"])
    return Case(lambda: f(x).block_until_ready(), lambda y: {"y": np.asarray(y)})


def build_jax_gradient(data: Arrays) -> Case:
    import jax

    f = jax.jit(jax.value_and_grad(lambda x: _in_jax(x).sum()))
    x = jax.numpy.asarray(data["x"])
    return Case(
        lambda: jax.block_until_ready(f(x)),
        lambda out: {"loss": np.asarray(out[0]), "dx": np.asarray(out[1])},
    )


def _in_pytensor(x: Any) -> Any:
    import pytensor.tensor as pt

    u = x * A + B
    gelu = 0.5 * u * (1 + pt.erf(u * math.sqrt(0.5)))
    return gelu * pt.sigmoid(C * x) + pt.tanh(x)


def build_pytensor(data: Arrays) -> Case:
    import pytensor

    x = pytensor.tensor.vector("x", dtype="float32")
    f = pytensor.function([x], _in_pytensor(x), trust_input=True)
    value = data["x"]
    return Case(lambda: f(value), lambda y: {"y": y})


def build_pytensor_gradient(data: Arrays) -> Case:
    import pytensor

    x = pytensor.tensor.vector("x", dtype="float32")
    loss = _in_pytensor(x).sum()
    f = pytensor.function([x], [loss, pytensor.grad(loss, x)], trust_input=True)
    value = data["x"]
    return Case(lambda: f(value), lambda out: {"loss": out[0], "dx": out[1]})


WORKLOADS = (
    Workload(
        "elementwise",
        "gelu(x*a+b) * sigmoid(c*x) + tanh(x) on 10M float32",
        data,
        reference,
        family(build_torchlike) | {"jax": build_jax, "pytensor": build_pytensor},
        large=True,
    ),
    Workload(
        "elementwise_grad",
        "the same with a sum, forward and gradient",
        data,
        reference_gradient,
        family(build_torchlike_gradient)
        | {"jax": build_jax_gradient, "pytensor": build_pytensor_gradient},
        large=True,
    ),
)
