"""One AdamW update of ten million parameters in 50 tensors, their gradients given."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.case import Arrays, Case, Workload
from benchmarks.torchlike import Framework, family, to_numpy

TENSORS, SIZE = 50, 200_000
STEPS = 5
LR, BETA1, BETA2, EPSILON, DECAY = 1e-3, 0.9, 0.999, 1e-8, 1e-2


def data() -> Arrays:
    rng = np.random.default_rng(0)
    return {
        "parameters": rng.standard_normal((TENSORS, SIZE), dtype=np.float32),
        "gradients": rng.standard_normal((TENSORS, SIZE), dtype=np.float32),
    }


def reference(data: Arrays) -> Arrays:
    p, g = (data[name].astype(np.float64) for name in ("parameters", "gradients"))
    m, v = np.zeros_like(g), np.zeros_like(g)
    for step in range(1, STEPS + 1):
        p *= 1 - LR * DECAY
        m = BETA1 * m + (1 - BETA1) * g
        v = BETA2 * v + (1 - BETA2) * g * g
        denominator = np.sqrt(v / (1 - BETA2**step)) + EPSILON
        p -= LR * m / (1 - BETA1**step) / denominator
    return {f"p{i}": p[i] for i in range(TENSORS)}


def build_torchlike(framework: Framework, data: Arrays) -> Case:
    tensor = framework.tensor
    parameters = [framework.nn.Parameter(tensor(p)) for p in data["parameters"]]
    for parameter, g in zip(parameters, data["gradients"]):
        parameter.grad = tensor(g)
    optimizer = framework.optim.AdamW(
        parameters,
        lr=LR,
        betas=(BETA1, BETA2),
        eps=EPSILON,
        weight_decay=DECAY,
        **framework.options,
    )
    update = framework.maybe_compile(lambda: optimizer.step())
    return Case(update, lambda _: {f"p{i}": to_numpy(p) for i, p in enumerate(parameters)})


def build_jax(data: Arrays) -> Case:
    import jax
    import jax.numpy as jnp

    def update_one(p: Any, m: Any, v: Any, g: Any, count: Any) -> Any:
        m = BETA1 * m + (1 - BETA1) * g
        v = BETA2 * v + (1 - BETA2) * g * g
        denominator = jnp.sqrt(v / (1 - BETA2**count)) + EPSILON
        p = p * (1 - LR * DECAY) - LR * m / (1 - BETA1**count) / denominator
        return p, m, v

    def update(state: Any, gradients: Any) -> Any:
        count, slots = state
        count = count + 1
        return count, [update_one(*slot, g, count) for slot, g in zip(slots, gradients)]

    compiled = jax.jit(update, donate_argnums=0)
    gradients = [jnp.asarray(g) for g in data["gradients"]]
    slots = [
        # A copy, because a donated buffer must not be memory that numpy owns.
        (jnp.array(p, copy=True), jnp.zeros(SIZE), jnp.zeros(SIZE))
        for p in data["parameters"]
    ]
    state: list[Any] = [(jnp.float32(0), slots)]

    def step() -> None:
        state[0] = compiled(state[0], gradients)

    return Case(
        step,
        lambda _: {f"p{i}": np.asarray(slot[0]) for i, slot in enumerate(state[0][1])},
        finish=lambda: jax.block_until_ready(state[0]) and None,
    )


def build_pytensor(data: Arrays) -> Case:
    import pytensor
    import pytensor.tensor as pt

    def shared(value: Any) -> Any:
        return pytensor.shared(np.array(value, dtype=np.float32))

    count = shared(0)
    parameters, updates = [], [(count, count + 1)]
    one_minus = [1 - pt.pow(np.float32(beta), count + 1) for beta in (BETA1, BETA2)]
    for value, gradient in zip(data["parameters"], data["gradients"]):
        g = pytensor.shared(gradient, borrow=True)
        p, m, v = shared(value), shared(np.zeros(SIZE)), shared(np.zeros(SIZE))
        new_m = BETA1 * m + (1 - BETA1) * g
        new_v = BETA2 * v + (1 - BETA2) * g * g
        new_p = p * (1 - LR * DECAY) - LR * new_m / one_minus[0] / (
            pt.sqrt(new_v / one_minus[1]) + EPSILON
        )
        parameters.append(p)
        updates += [(p, new_p), (m, new_m), (v, new_v)]
    f = pytensor.function([], [], updates=updates)
    return Case(f, lambda _: {f"p{i}": p.get_value(borrow=True) for i, p in enumerate(parameters)})


WORKLOADS = (
    Workload(
        "adamw",
        "AdamW on 10M float32 parameters in 50 tensors, gradients given",
        data,
        reference,
        family(build_torchlike, fused=True) | {"jax": build_jax, "pytensor": build_pytensor},
        steps=STEPS,
        atol=1e-6,  # five steps of weight decay move a parameter of size 1 by 5e-5
        rtol=1e-6,
        large=True,
    ),
)
