"""x * 2 + 1 on 16 numbers: the price of one call."""

from __future__ import annotations

import numpy as np

from benchmarks.case import Arrays, Case, Workload
from benchmarks.torchlike import Framework, family, to_numpy


def data() -> Arrays:
    return {"x": np.random.default_rng(0).standard_normal(16, dtype=np.float32)}


def reference(data: Arrays) -> Arrays:
    return {"y": data["x"].astype(np.float64) * 2 + 1}


def build_torchlike(framework: Framework, data: Arrays) -> Case:
    f = framework.maybe_compile(lambda x: x * 2 + 1)
    x = framework.tensor(data["x"])
    return Case(lambda: f(x), lambda y: {"y": to_numpy(y)})


def build_jax(data: Arrays) -> Case:
    import jax

    f = jax.jit(lambda x: x * 2 + 1)
    x = jax.numpy.asarray(data["x"])
    return Case(lambda: f(x).block_until_ready(), lambda y: {"y": np.asarray(y)})


def build_pytensor(data: Arrays) -> Case:
    import pytensor

    x = pytensor.tensor.vector("x", dtype="float32")
    f = pytensor.function([x], x * 2 + 1, trust_input=True)
    value = data["x"]
    return Case(lambda: f(value), lambda y: {"y": y})


WORKLOADS = (
    Workload(
        "affine",
        "x * 2 + 1 on 16 float32: the price of a call",
        data,
        reference,
        family(build_torchlike) | {"jax": build_jax, "pytensor": build_pytensor},
    ),
)
