"""200 small elementwise ops in a row on 64 numbers, with the gradient of their sum.

The chain is 50 times ``square, + 0.01, sqrt, * 0.999``: cheap arithmetic, so that the cost of an
op is what shows, with derivatives that neither vanish nor explode. Each op reads one varying value
once, because two peers cannot compile the alternatives within ten minutes: PyTensor's algebraic
rewrites do not end on a chain of ``x - x * x``, and Inductor inlines both operands of ``x * x``,
which doubles its work at every link.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.case import Arrays, Case, Workload
from benchmarks.torchlike import Framework, family, to_numpy

LINKS = 50


def chain(x: Any, square: Callable[[Any], Any], sqrt: Callable[[Any], Any]) -> Any:
    """Apply the 200 ops to a value of any peer, given that peer's two functions."""
    for _ in range(LINKS):
        x = square(x)
        x = x + 0.01
        x = sqrt(x)
        x = x * 0.999
    return x


def data() -> Arrays:
    return {"x": np.random.default_rng(0).uniform(0.1, 0.9, 64).astype(np.float32)}


def reference(data: Arrays) -> Arrays:
    x = data["x"].astype(np.float64)
    gradient = np.ones_like(x)
    for _ in range(LINKS):
        root = np.sqrt(x * x + 0.01)
        gradient = gradient * 0.999 * x / root
        x = root * 0.999
    return {"loss": x.sum(), "dx": gradient}


def build_torchlike(framework: Framework, data: Arrays) -> Case:
    gradient = framework.tt.autograd.grad

    def loss_and_gradient(x: Any) -> Any:
        loss = chain(x, framework.tt.square, framework.tt.sqrt).sum()
        (dx,) = gradient(loss, [x])
        return loss.detach(), dx

    f = framework.maybe_compile(loss_and_gradient)
    x = framework.tensor(data["x"]).requires_grad_()
    return Case(lambda: f(x), lambda out: {"loss": to_numpy(out[0]), "dx": to_numpy(out[1])})


def build_jax(data: Arrays) -> Case:
    import jax

    f = jax.jit(jax.value_and_grad(lambda x: chain(x, jax.numpy.square, jax.numpy.sqrt).sum()))
    x = jax.numpy.asarray(data["x"])
    return Case(
        lambda: jax.block_until_ready(f(x)),
        lambda out: {"loss": np.asarray(out[0]), "dx": np.asarray(out[1])},
    )


def build_pytensor(data: Arrays) -> Case:
    import pytensor
    import pytensor.tensor as pt

    x = pt.vector("x", dtype="float32")
    loss = chain(x, pt.sqr, pt.sqrt).sum()
    f = pytensor.function([x], [loss, pytensor.grad(loss, x)], trust_input=True)
    value = data["x"]
    return Case(lambda: f(value), lambda out: {"loss": out[0], "dx": out[1]})


WORKLOADS = (
    Workload(
        "chain200",
        "200 elementwise ops on 64 float32, forward and gradient of the sum",
        data,
        reference,
        family(build_torchlike) | {"jax": build_jax, "pytensor": build_pytensor},
    ),
)
