"""Train a 2-16-16-1 network on two moons: 100 points, hinge loss, full-batch SGD."""

from __future__ import annotations

import ctypes
import os
import subprocess
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.case import Array, Arrays, Case, Workload
from benchmarks.torchlike import Framework, family, mlp, to_numpy

WIDTHS = (2, 16, 16, 1)
LAYERS = len(WIDTHS) - 1
POINTS, LR, STEPS = 100, 0.05, 10
NAMES = tuple(chain.from_iterable((f"w{i}", f"b{i}") for i in range(LAYERS)))
"""The parameters in the order of the forward pass; weights are (in, out)."""


def data() -> Arrays:
    """Return two half circles with noise, labels -1 and 1, and the initial parameters."""
    rng = np.random.default_rng(0)
    angle = np.pi * rng.random(POINTS)
    sign = np.where(np.arange(POINTS) % 2 == 0, 1.0, -1.0)
    x = np.stack([np.cos(angle) * sign, np.sin(angle) * sign], axis=1)
    x += np.where(sign[:, None] > 0, 0.0, [1.0, 0.5]) + 0.1 * rng.standard_normal((POINTS, 2))
    arrays: dict[str, Array] = {"x": x, "y": sign[:, None]}
    for i, (rows, columns) in enumerate(zip(WIDTHS, WIDTHS[1:])):
        bound = 1 / np.sqrt(rows)
        arrays[f"w{i}"] = rng.uniform(-bound, bound, (rows, columns))
        arrays[f"b{i}"] = rng.uniform(-bound, bound, columns)
    return {name: np.ascontiguousarray(array, np.float32) for name, array in arrays.items()}


def reference(data: Arrays) -> Arrays:
    p = {name: data[name].astype(np.float64) for name in NAMES}
    x, y = data["x"].astype(np.float64), data["y"].astype(np.float64)
    loss = np.zeros(())
    for _ in range(STEPS):
        activations = [x]
        for i in range(LAYERS):
            z = activations[-1] @ p[f"w{i}"] + p[f"b{i}"]
            activations.append(np.maximum(z, 0) if i < LAYERS - 1 else z)
        margin = 1 - y * activations.pop()
        loss = np.maximum(margin, 0).mean()
        g = np.where(margin > 0, -y, 0) / POINTS
        for i in reversed(range(LAYERS)):
            below = activations[i]
            dw, db = below.T @ g, g.sum(axis=0)
            g = (g @ p[f"w{i}"].T) * (below > 0)
            p[f"w{i}"] = p[f"w{i}"] - LR * dw
            p[f"b{i}"] = p[f"b{i}"] - LR * db
    return {"loss": loss} | p


def build_torchlike(framework: Framework, data: Arrays) -> Case:
    model = mlp(framework, data, LAYERS)
    optimizer = framework.optim.SGD(model.parameters(), lr=LR, **framework.options)
    relu = framework.functional.relu

    def train(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = relu(1 - y * model(x)).mean()
        loss.backward()
        optimizer.step()
        return loss

    train = framework.maybe_compile(train)
    x, y = framework.tensor(data["x"]), framework.tensor(data["y"])

    def outputs(loss: Any) -> Arrays:
        values = dict(zip(NAMES, map(to_numpy, model.parameters())))
        return {"loss": to_numpy(loss)} | {
            name: value.T if name.startswith("w") else value for name, value in values.items()
        }

    return Case(lambda: train(x, y), outputs)


def build_jax(data: Arrays) -> Case:
    import jax
    import jax.numpy as jnp

    def loss_of(parameters: Any, x: Any, y: Any) -> Any:
        for weight, bias in zip(parameters[0:-2:2], parameters[1:-2:2]):
            x = jax.nn.relu(x @ weight + bias)
        return jax.nn.relu(1 - y * (x @ parameters[-2] + parameters[-1])).mean()

    def train(parameters: Any, x: Any, y: Any) -> Any:
        loss, gradients = jax.value_and_grad(loss_of)(parameters, x, y)
        return [p - LR * g for p, g in zip(parameters, gradients)], loss

    compiled = jax.jit(train, donate_argnums=0)
    x, y = jnp.asarray(data["x"]), jnp.asarray(data["y"])
    state = [[jnp.array(data[name], copy=True) for name in NAMES]]

    def step() -> Any:
        state[0], loss = compiled(state[0], x, y)
        return loss

    return Case(
        step,
        lambda loss: {"loss": np.asarray(loss)} | dict(zip(NAMES, map(np.asarray, state[0]))),
        finish=lambda: jax.block_until_ready(state[0]) and None,
    )


def build_pytensor(data: Arrays) -> Case:
    import pytensor
    import pytensor.tensor as pt

    x, y = pt.matrix("x", dtype="float32"), pt.matrix("y", dtype="float32")
    parameters = [pytensor.shared(data[name].copy(), name=name) for name in NAMES]
    hidden = x
    for weight, bias in zip(parameters[0:-2:2], parameters[1:-2:2]):
        hidden = pt.maximum(hidden @ weight + bias, 0)
    score = hidden @ parameters[-2] + parameters[-1]
    loss = pt.maximum(1 - y * score, 0).mean()
    gradients = pytensor.grad(loss, parameters)
    updates = [(p, p - np.float32(LR) * g) for p, g in zip(parameters, gradients)]
    f = pytensor.function(
        [x, y], pytensor.Out(loss, borrow=True), updates=updates, trust_input=True
    )

    def outputs(loss: Any) -> Arrays:
        return {"loss": loss} | {p.name: p.get_value() for p in parameters}

    return Case(lambda: f(data["x"], data["y"]), outputs)


def build_c(data: Arrays) -> Case:
    """Compile tiny_mlp.c into the cache folder and train with it: a floor, not a peer."""
    library = Path(os.environ["XDG_CACHE_HOME"]) / "tiny_mlp.so"
    if not library.exists():
        flags = ["-O3", "-march=native", "-ffast-math", "-shared", "-fPIC"]
        source = Path(__file__).with_suffix(".c")
        subprocess.run(["gcc", *flags, str(source), "-o", str(library), "-lm"], check=True)
    train = ctypes.CDLL(str(library)).train
    train.restype = ctypes.c_float
    pointer = ctypes.POINTER(ctypes.c_float)
    arrays = [data[name] for name in ("x", "y", *NAMES)]
    pointers = [array.ctypes.data_as(pointer) for array in arrays]

    def outputs(loss: float) -> Arrays:
        return {"loss": np.float32(loss).reshape(())} | {name: data[name] for name in NAMES}

    return Case(lambda: train(1, *pointers), outputs, repeat=lambda n: train(n, *pointers))


WORKLOADS = (
    Workload(
        "tiny_mlp",
        "2-16-16-1 network on 100 points: forward, backward, SGD",
        data,
        reference,
        family(build_torchlike, fused=True)
        | {"jax": build_jax, "pytensor": build_pytensor, "c": build_c},
        steps=STEPS,
    ),
)
