"""Train a network on real handwritten digits, the whole training step as one native call.

Run it with ``python examples/digits.py``. It trains on scikit-learn's digits (1797 images of 8x8
pixels, part of the scikit-learn package), prints the test accuracy, eager and compiled time per
step and the time of a cold and a warm start, writes every stage of the compile to
``tinytorch_dump/`` and a plot of the loss to ``digits_loss.png``.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

DUMP = os.environ.setdefault("TINYTORCH_DUMP", "tinytorch_dump")

import matplotlib  # noqa: E402 - the setting above must stand before tinytorch is imported
from sklearn.datasets import load_digits  # noqa: E402
from tqdm import tqdm  # noqa: E402

import tinytorch as tt  # noqa: E402
import tinytorch.nn.functional as F  # noqa: E402
from tinytorch import nn, optim  # noqa: E402
from tinytorch.data import DataLoader, TensorDataset, random_split  # noqa: E402

BATCH = 64
PLOT = "digits_loss.png"


def make_model() -> nn.Module:
    """The network: 64 pixels in, 10 scores out."""
    return nn.Sequential(
        nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10)
    )


def make_step(model: nn.Module) -> Callable[[Any, Any], Any]:
    """One whole training step as an ordinary function: forward, backward, update."""
    optimizer = optim.Adam(model.parameters(), lr=1e-3)

    def train_step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return train_step


def load() -> tuple[Any, Any]:
    """The digits, pixels scaled to 0..1, split into 80% to train on and 20% to test on."""
    digits = load_digits()
    images = tt.tensor(digits.data.astype("float32") / 16.0)
    labels = tt.tensor(digits.target.astype("int64"))
    return tuple(random_split(TensorDataset(images, labels), [0.8, 0.2]))


def train(step: Callable[[Any, Any], Any], train_set: Any, epochs: int) -> list[float]:
    """Run all epochs; return the loss of every step.

    The last, smaller batch of an epoch is left out (the order changes every epoch, so every image
    still has its turn): a batch of another size would be another shape, and compile again.
    """
    loader = DataLoader(train_set, batch_size=BATCH, shuffle=True, drop_last=True)
    losses: list[float] = []
    with tqdm(total=epochs * len(loader), unit="step", desc="training") as bar:
        for _ in range(epochs):
            for x, y in loader:
                losses.append(step(x, y).item())
                bar.update()
            bar.set_postfix(loss=f"{losses[-1]:.4f}")
    return losses


def accuracy(model: nn.Module, test_set: Any) -> float:
    """The part of the test images that get the right label."""
    x, y = next(iter(DataLoader(test_set, batch_size=len(test_set))))
    with tt.no_grad():
        return float((model(x).argmax(1) == y).to(tt.float32).mean().item())


def microseconds(step: Callable[[Any, Any], Any], train_set: Any, calls: int) -> float:
    """Median time of one step on one batch, after a few calls to warm up."""
    x, y = next(iter(DataLoader(train_set, batch_size=BATCH)))
    times = []
    for number in range(calls + 5):
        started = time.perf_counter()
        step(x, y)
        if number >= 5:
            times.append(time.perf_counter() - started)
    return statistics.median(times) * 1e6


def start_times() -> tuple[float, float]:
    """Seconds from starting a Python process to the end of its first compiled step.

    Cold: with an empty disk cache, so that all kernels are compiled. Warm: again, with the cache
    that the cold start left behind.
    """
    with tempfile.TemporaryDirectory() as cache:
        environment = os.environ | {"TINYTORCH_CACHE_DIR": cache}
        del environment["TINYTORCH_DUMP"]
        times = []
        for _ in ("cold", "warm"):
            started = time.perf_counter()
            subprocess.run(
                [sys.executable, "-c", _FIRST_STEP], env=environment, check=True,
                cwd=Path(__file__).parent.parent,
            )  # fmt: skip
            times.append(time.perf_counter() - started)
    return times[0], times[1]


_FIRST_STEP = """
import tinytorch as tt, tinytorch.nn.functional as F
from tinytorch import nn, optim
model = nn.Sequential(
    nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10)
)
optimizer = optim.Adam(model.parameters(), lr=1e-3)
@tt.compile
def train_step(x, y):
    optimizer.zero_grad()
    loss = F.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
    return loss
train_step(tt.rand(64, 64), tt.zeros(64, dtype=tt.int64)).item()
"""


def plot(losses: list[float]) -> None:
    """Save the loss of every step, and its running mean, as a picture."""
    matplotlib.use("Agg")
    from matplotlib import pyplot

    width = min(20, len(losses))
    means = [statistics.fmean(losses[max(0, i - width + 1) : i + 1]) for i in range(len(losses))]
    figure, axes = pyplot.subplots(figsize=(7, 4))
    axes.plot(losses, linewidth=0.6, alpha=0.5, label="each step")
    axes.plot(means, label=f"mean of {width} steps")
    axes.set(xlabel="step", ylabel="cross entropy", yscale="log", title="Digits, training loss")
    axes.legend()
    figure.tight_layout()
    figure.savefig(PLOT, dpi=120)


def main() -> None:
    """Train, measure, report."""
    parser = argparse.ArgumentParser(description="Train on handwritten digits, compiled.")
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    tt.manual_seed(options.seed)
    train_set, test_set = load()
    model = make_model()
    step = tt.compile(make_step(model))
    losses = train(step, train_set, options.epochs)
    score = accuracy(model, test_set)
    plot(losses)

    # Timed on networks of their own: a step changes what it runs on.
    eager = microseconds(make_step(make_model()), train_set, 50)
    compiled = microseconds(tt.compile(make_step(make_model())), train_set, 500)
    cold, warm = start_times()
    program = step.program
    times, launches = eager / compiled, len(program.launches)
    print(f"""
test accuracy      {score:.2%} on {len(test_set)} images the network never saw
step, eager        {eager:8.1f} us
step, compiled     {compiled:8.1f} us   ({times:.1f} times faster, {tt.get_num_threads()} threads)
one step is        1 native call: {launches} kernel launches and {_products(program)} products
compiles           {step.cache_info().compiles} for {len(losses)} steps
first step, cold   {cold:8.2f} s    (new process, empty cache: import, trace, compile, run)
first step, warm   {warm:8.2f} s    (new process, kernels from the disk cache)
every stage        {DUMP}{os.sep}train_step_1{os.sep}
loss plot          {PLOT}""")


def _products(program: Any) -> int:
    return len([s for s in program.steps if type(s).__name__ == "Product"])


if __name__ == "__main__":
    main()
