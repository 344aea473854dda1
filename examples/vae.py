"""A variational autoencoder of handwritten digits (Kingma and Welling, 2014).

Run it with ``python examples/vae.py``; it prints some digits that never were.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sklearn.datasets import load_digits
from training import command_line, fit, made, prepared, repeated

import tinytorch as tt
import tinytorch.nn.functional as F
from tinytorch import nn, optim
from tinytorch.data import DataLoader, TensorDataset

HIDDEN = 8


class Autoencoder(nn.Module):
    """64 pixels to a normal distribution of 8 numbers, and a draw from it back to 64 pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 2 * HIDDEN))
        self.decoder = nn.Sequential(nn.Linear(HIDDEN, 128), nn.ReLU(), nn.Linear(128, 64))

    def forward(self, x: Any) -> tuple[Any, Any, Any]:
        """Return pixel logits, and the mean and log variance of the distribution."""
        mean, log_variance = self.encoder(x).chunk(2, 1)
        drawn = mean + tt.randn_like(mean) * tt.exp(0.5 * log_variance)
        return self.decoder(drawn), mean, log_variance


def main(arguments: Sequence[str] | None = None) -> list[float]:
    """Train, print samples, return the losses."""
    options = prepared(command_line("A variational autoencoder"), arguments)
    images = tt.tensor(load_digits().data.astype("float32") / 16)
    model = Autoencoder()
    optimizer = optim.Adam(model.parameters(), lr=1e-3)

    def train(x: Any) -> Any:
        optimizer.zero_grad()
        logits, mean, log_variance = model(x)
        seen = F.binary_cross_entropy_with_logits(logits, x, reduction="sum")
        prior = -0.5 * (1 + log_variance - mean * mean - log_variance.exp()).sum()
        loss = (seen + prior) / len(x)
        loss.backward()
        optimizer.step()
        return loss

    loader = DataLoader(TensorDataset(images), batch_size=64, shuffle=True, drop_last=True)
    losses = fit(made(train, options), repeated(loader, 5 if options.quick else 5000), 500)
    with tt.no_grad():
        samples = tt.sigmoid(model.decoder(tt.randn(4, HIDDEN))).reshape(4, 8, 8).tolist()
    for row in range(8):
        print("   ".join("".join(" .:*#"[int(v * 4.99)] for v in image[row]) for image in samples))
    return losses


if __name__ == "__main__":
    main()
