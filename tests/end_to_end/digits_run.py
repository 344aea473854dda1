"""A run of training on made-up digits, as a program: prints a hash of everything it ends with."""

from __future__ import annotations

import hashlib
import sys

import numpy as np

import tinytorch as tt
import tinytorch.nn.functional as F
from tinytorch import nn, optim


def batches() -> tuple[tt.Tensor, tt.Tensor]:
    """A thousand images of 8 x 8 and their classes."""
    rng = np.random.default_rng(0)
    return tt.from_numpy(rng.random((1000, 64), "f4")), tt.from_numpy(rng.integers(0, 10, 1000))


def train(steps: int, reload_at: int = -1) -> str:
    """Train on slices; at one step move everything into a new model and optimizer."""
    tt.manual_seed(0)
    x, y = batches()

    def build() -> tuple[nn.Module, optim.AdamW]:
        model = nn.Sequential(
            nn.Linear(64, 128), nn.ReLU(), nn.Dropout(0.1), nn.Linear(128, 64), nn.LayerNorm(64),
            nn.GELU(), nn.Linear(64, 10),
        )  # fmt: skip
        return model, optim.AdamW(model.parameters(), lr=1e-3)

    model, optimizer = build()
    seed = 7

    def make_step() -> object:
        @tt.compile
        def step(images: tt.Tensor, classes: tt.Tensor) -> tt.Tensor:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(images), classes)
            loss.backward()
            optimizer.step()
            return loss

        return step

    step = make_step()
    tt.manual_seed(seed)
    for k in range(steps):
        if k == reload_at:
            weights, state = model.state_dict(), optimizer.state_dict()
            drawn = tt.tracer.generator.default_generator.state.clone()
            model, optimizer = build()
            model.load_state_dict(weights)
            optimizer.load_state_dict(state)
            tt.tracer.generator.default_generator.state.copy_(drawn)
            step = make_step()
        at = (k * 256) % 744
        step(x[at : at + 256], y[at : at + 256])  # type: ignore[operator]
    digest = hashlib.sha256()
    for p in model.parameters():
        digest.update(p.detach().numpy().tobytes())
        for t in optimizer.state[p].values():
            digest.update(t.numpy().tobytes())
    return digest.hexdigest()


if __name__ == "__main__":
    print(train(int(sys.argv[1])))
