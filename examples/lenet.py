"""A LeNet on scikit-learn's handwritten digits: convolutions, pooling, dropout.

Run it with ``python examples/lenet.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sklearn.datasets import load_digits
from training import command_line, fit, made, prepared, repeated

import tinytorch as tt
import tinytorch.nn.functional as F
from tinytorch import nn, optim
from tinytorch.data import DataLoader, TensorDataset, random_split


def network() -> nn.Module:
    """1x8x8 pixels in, 10 scores out."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(),
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Dropout(0.25), nn.Linear(32 * 16, 64), nn.ReLU(), nn.Linear(64, 10),
    )  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> list[float]:
    """Train; print the accuracy on images never seen; return the losses."""
    options = prepared(command_line("LeNet on handwritten digits"), arguments)
    digits = load_digits()
    images = tt.tensor(digits.images[:, None].astype("float32") / 16)
    labels = tt.tensor(digits.target.astype("int64"))
    train_set, test_set = random_split(TensorDataset(images, labels), [0.8, 0.2])
    model = network()
    optimizer = optim.AdamW(model.parameters(), lr=2e-3)

    def train(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    batch, steps = (16, 5) if options.quick else (32, 1200)
    loader = DataLoader(train_set, batch_size=batch, shuffle=True, drop_last=True)
    losses = fit(made(train, options), repeated(loader, steps), 100)
    model.eval()
    x, y = next(iter(DataLoader(test_set, batch_size=64 if options.quick else len(test_set))))
    with tt.no_grad():
        right = (model(x).argmax(1) == y).float().mean().item()
    print(f"{right:.1%} of the test images right")
    return losses


if __name__ == "__main__":
    main()
