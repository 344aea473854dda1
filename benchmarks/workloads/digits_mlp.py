"""Train a 64-128-64-10 network on batches of 64 with Adam: the size of the digits data set.

The data are made up in the shape of the digits, so that nothing is downloaded, and one label in
five is wrong, so that the loss never reaches zero however many steps are timed.
"""

from __future__ import annotations

from itertools import chain, cycle
from typing import Any

import numpy as np

from benchmarks.case import Array, Arrays, Case, Workload
from benchmarks.torchlike import Framework, family, mlp, to_numpy

WIDTHS = (64, 128, 64, 10)
LAYERS = len(WIDTHS) - 1
SAMPLES, BATCH, STEPS = 1792, 64, 10
LR, BETA1, BETA2, EPSILON = 1e-3, 0.9, 0.999, 1e-8
NAMES = tuple(chain.from_iterable((f"w{i}", f"b{i}") for i in range(LAYERS)))


def data() -> Arrays:
    """Return ``x`` (1792, 64) in steps of 1/16, int64 ``y`` and the initial parameters."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 17, (SAMPLES, WIDTHS[0])) / 16
    y = ((x - 0.5) @ rng.standard_normal((WIDTHS[0], WIDTHS[-1]))).argmax(axis=1)
    y = np.where(rng.random(SAMPLES) < 0.2, rng.integers(0, WIDTHS[-1], SAMPLES), y)
    arrays = {"x": x.astype(np.float32), "y": y.astype(np.int64)}
    for i, (rows, columns) in enumerate(zip(WIDTHS, WIDTHS[1:])):
        bound = 1 / np.sqrt(rows)
        arrays[f"w{i}"] = rng.uniform(-bound, bound, (rows, columns)).astype(np.float32)
        arrays[f"b{i}"] = rng.uniform(-bound, bound, columns).astype(np.float32)
    return arrays


def batches(data: Arrays) -> list[tuple[Array, Array]]:
    """Cut the samples into batches; every peer goes round them in this order."""
    starts = range(0, SAMPLES, BATCH)
    return [(data["x"][i : i + BATCH], data["y"][i : i + BATCH]) for i in starts]


def _gradients(p: Arrays, x: Array, y: Array) -> tuple[Array, Arrays]:
    """Return the cross entropy and its gradients, in float64."""
    activations = [x]
    for i in range(LAYERS):
        z = activations[-1] @ p[f"w{i}"] + p[f"b{i}"]
        activations.append(np.maximum(z, 0) if i < LAYERS - 1 else z)
    scores = activations.pop()
    scores = scores - scores.max(axis=1, keepdims=True)
    log_p = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    rows = np.arange(len(y))
    g = np.exp(log_p)
    g[rows, y] -= 1
    g /= len(y)
    gradients = {}
    for i in reversed(range(LAYERS)):
        below = activations[i]
        gradients[f"w{i}"], gradients[f"b{i}"] = below.T @ g, g.sum(axis=0)
        g = (g @ p[f"w{i}"].T) * (below > 0)
    return -log_p[rows, y].mean(), gradients


def reference(data: Arrays) -> Arrays:
    p = {name: data[name].astype(np.float64) for name in NAMES}
    m, v = ({name: np.zeros_like(p[name]) for name in NAMES} for _ in range(2))
    loss = np.zeros(())
    for count, (x, y) in enumerate(batches(data)[:STEPS], start=1):
        loss, gradients = _gradients(p, x.astype(np.float64), y)
        for name, g in gradients.items():
            m[name] = BETA1 * m[name] + (1 - BETA1) * g
            v[name] = BETA2 * v[name] + (1 - BETA2) * g * g
            denominator = np.sqrt(v[name] / (1 - BETA2**count)) + EPSILON
            p[name] = p[name] - LR * m[name] / (1 - BETA1**count) / denominator
    return {"loss": loss}


def build_torchlike(framework: Framework, data: Arrays) -> Case:
    model = mlp(framework, data, LAYERS)
    optimizer = framework.optim.Adam(model.parameters(), lr=LR, **framework.options)
    cross_entropy = framework.functional.cross_entropy

    def train(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    train = framework.maybe_compile(train)
    rounds = cycle([tuple(map(framework.tensor, batch)) for batch in batches(data)])
    return Case(lambda: train(*next(rounds)), lambda loss: {"loss": to_numpy(loss)})


def build_jax(data: Arrays) -> Case:
    import jax
    import jax.numpy as jnp

    def loss_of(parameters: Any, x: Any, y: Any) -> Any:
        for weight, bias in zip(parameters[0:-2:2], parameters[1:-2:2]):
            x = jax.nn.relu(x @ weight + bias)
        log_p = jax.nn.log_softmax(x @ parameters[-2] + parameters[-1])
        return -jnp.take_along_axis(log_p, y[:, None], axis=1).mean()

    def train(state: Any, x: Any, y: Any) -> Any:
        count, parameters, ms, vs = state
        loss, gradients = jax.value_and_grad(loss_of)(parameters, x, y)
        count = count + 1
        ms = [BETA1 * m + (1 - BETA1) * g for m, g in zip(ms, gradients)]
        vs = [BETA2 * v + (1 - BETA2) * g * g for v, g in zip(vs, gradients)]
        rate = LR / (1 - BETA1**count)
        correction = 1 - BETA2**count
        parameters = [
            p - rate * m / (jnp.sqrt(v / correction) + EPSILON)
            for p, m, v in zip(parameters, ms, vs)
        ]
        return (count, parameters, ms, vs), loss

    compiled = jax.jit(train, donate_argnums=0)
    parameters = [jnp.array(data[name], copy=True) for name in NAMES]
    zeros = [[jnp.zeros_like(p) for p in parameters] for _ in range(2)]
    state: list[Any] = [(jnp.float32(0), parameters, *zeros)]
    rounds = cycle([(jnp.asarray(x), jnp.asarray(y)) for x, y in batches(data)])

    def step() -> Any:
        state[0], loss = compiled(state[0], *next(rounds))
        return loss

    return Case(
        step,
        lambda loss: {"loss": np.asarray(loss)},
        finish=lambda: jax.block_until_ready(state[0]) and None,
    )


def build_pytensor(data: Arrays) -> Case:
    import pytensor
    import pytensor.tensor as pt

    x, y = pt.matrix("x", dtype="float32"), pt.vector("y", dtype="int64")
    parameters = [pytensor.shared(data[name].copy(), name=name) for name in NAMES]
    hidden = x
    for weight, bias in zip(parameters[0:-2:2], parameters[1:-2:2]):
        hidden = pt.maximum(hidden @ weight + bias, 0)
    log_p = pt.special.log_softmax(hidden @ parameters[-2] + parameters[-1], axis=-1)
    loss = -log_p[pt.arange(y.shape[0]), y].mean()
    count = pytensor.shared(np.array(0, np.float32))
    updates = [(count, count + 1)]
    rate = LR / (1 - pt.pow(np.float32(BETA1), count + 1))
    correction = 1 - pt.pow(np.float32(BETA2), count + 1)
    for p, g in zip(parameters, pytensor.grad(loss, parameters)):
        m, v = (pytensor.shared(np.zeros_like(p.get_value())) for _ in range(2))
        new_m = BETA1 * m + (1 - BETA1) * g
        new_v = BETA2 * v + (1 - BETA2) * g * g
        new_p = p - rate * new_m / (pt.sqrt(new_v / correction) + EPSILON)
        updates += [(p, new_p), (m, new_m), (v, new_v)]
    f = pytensor.function(
        [x, y], pytensor.Out(loss, borrow=True), updates=updates, trust_input=True
    )
    rounds = cycle(batches(data))
    return Case(lambda: f(*next(rounds)), lambda loss: {"loss": np.asarray(loss)})


WORKLOADS = (
    Workload(
        "digits_mlp",
        "64-128-64-10 network on batches of 64: forward, backward, Adam",
        data,
        reference,
        family(build_torchlike, fused=True) | {"jax": build_jax, "pytensor": build_pytensor},
        steps=STEPS,
    ),
)
