"""layer_norm(softmax(x)) on 8192 rows of 1024, forward and backward from a given gradient."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.case import Arrays, Case, Workload
from benchmarks.torchlike import Framework, family, to_numpy

ROWS, COLUMNS = 8192, 1024
EPSILON = 1e-5
NAMES = ("y", "dx", "dweight", "dbias")


def data() -> Arrays:
    rng = np.random.default_rng(0)
    return {
        "x": rng.standard_normal((ROWS, COLUMNS), dtype=np.float32),
        "weight": rng.uniform(0.5, 1.5, COLUMNS).astype(np.float32),
        "bias": rng.standard_normal(COLUMNS, dtype=np.float32),
        "upstream": rng.standard_normal((ROWS, COLUMNS), dtype=np.float32),
    }


def reference(data: Arrays) -> Arrays:
    x, weight, bias, upstream = (
        data[name].astype(np.float64) for name in ("x", "weight", "bias", "upstream")
    )
    e = np.exp(x - x.max(axis=1, keepdims=True))
    s = e / e.sum(axis=1, keepdims=True)
    scale = 1 / np.sqrt(s.var(axis=1, keepdims=True) + EPSILON)
    normal = (s - s.mean(axis=1, keepdims=True)) * scale
    g = upstream * weight
    along = (g * normal).mean(axis=1, keepdims=True)
    ds = scale * (g - g.mean(axis=1, keepdims=True) - normal * along)
    return {
        "y": normal * weight + bias,
        "dx": s * (ds - (ds * s).sum(axis=1, keepdims=True)),
        "dweight": (upstream * normal).sum(axis=0),
        "dbias": upstream.sum(axis=0),
    }


def build_torchlike(framework: Framework, data: Arrays) -> Case:
    functional, gradient = framework.functional, framework.tt.autograd.grad

    def forward_backward(x: Any, weight: Any, bias: Any, upstream: Any) -> Any:
        s = functional.softmax(x, dim=-1)
        y = functional.layer_norm(s, (COLUMNS,), weight, bias, EPSILON)
        return (y.detach(), *gradient(y, [x, weight, bias], upstream))

    f = framework.maybe_compile(forward_backward)
    x, weight, bias = (
        framework.tensor(data[name]).requires_grad_() for name in ("x", "weight", "bias")
    )
    upstream = framework.tensor(data["upstream"])
    return Case(
        lambda: f(x, weight, bias, upstream),
        lambda out: dict(zip(NAMES, map(to_numpy, out))),
    )


def build_jax(data: Arrays) -> Case:
    import jax
    import jax.numpy as jnp

    def forward(x: Any, weight: Any, bias: Any) -> Any:
        s = jax.nn.softmax(x, axis=-1)
        mean = s.mean(axis=-1, keepdims=True)
        centred = s - mean
        variance = jnp.square(centred).mean(axis=-1, keepdims=True)
        return centred * jax.lax.rsqrt(variance + EPSILON) * weight + bias

    @jax.jit
    def forward_backward(x: Any, weight: Any, bias: Any, upstream: Any) -> Any:
        y, pull = jax.vjp(forward, x, weight, bias)
        return (y, *pull(upstream))

    operands = tuple(jnp.asarray(data[name]) for name in ("x", "weight", "bias", "upstream"))
    return Case(
        lambda: jax.block_until_ready(forward_backward(*operands)),
        lambda out: dict(zip(NAMES, map(np.asarray, out))),
    )


def build_pytensor(data: Arrays) -> Case:
    import pytensor
    import pytensor.tensor as pt

    x, upstream = (pt.matrix(name, dtype="float32") for name in ("x", "upstream"))
    weight, bias = (pt.vector(name, dtype="float32") for name in ("weight", "bias"))
    s = pt.special.softmax(x, axis=-1)
    centred = s - s.mean(axis=-1, keepdims=True)
    variance = pt.sqr(centred).mean(axis=-1, keepdims=True)
    y = centred / pt.sqrt(variance + np.float32(EPSILON)) * weight + bias
    gradients = pytensor.grad(None, [x, weight, bias], known_grads={y: upstream})
    operands = [x, weight, bias, upstream]
    f = pytensor.function(operands, [y, *gradients], trust_input=True)
    values = [data[operand.name] for operand in operands]
    return Case(lambda: f(*values), lambda out: dict(zip(NAMES, out)))


WORKLOADS = (
    Workload(
        "softmax_layernorm",
        "layer_norm(softmax(x)) on 8192 x 1024 float32, forward and all gradients",
        data,
        reference,
        family(build_torchlike) | {"jax": build_jax, "pytensor": build_pytensor},
        atol=1e-3,  # dweight and dbias are sums of 8192 terms of size 1
        large=True,
    ),
)
