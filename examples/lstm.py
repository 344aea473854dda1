"""An LSTM that goes on with a wave: each value from those before.

Run it with ``python examples/lstm.py``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from training import command_line, fit, made, prepared

import tinytorch as tt
import tinytorch.nn.functional as F
from tinytorch import nn, optim


class Forecast(nn.Module):
    """A wave (batch, time, 1) in, each next value out."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(1, hidden, batch_first=True)
        self.linear = nn.Linear(hidden, 1)

    def forward(self, x: Any) -> Any:
        """Forecast one step ahead, everywhere."""
        seen, _ = self.lstm(x)
        return self.linear(seen)


def waves(batch: int, time: int, steps: int) -> Iterator[tuple[Any]]:
    """Sums of two sines with random frequencies and phases."""
    at = tt.arange(time + 1).float()
    for _ in range(steps):
        fast, slow = 0.2 + 0.3 * tt.rand(batch, 1), 0.05 + 0.1 * tt.rand(batch, 1)
        phase = 6.28 * tt.rand(batch, 1)
        yield ((tt.sin(fast * at + phase) + 0.5 * tt.sin(slow * at)).unsqueeze(2),)


def main(arguments: Sequence[str] | None = None) -> list[float]:
    """Train; return the losses."""
    options = prepared(command_line("An LSTM that continues a wave"), arguments)
    hidden, batch, time, steps = (8, 4, 10, 4) if options.quick else (64, 32, 60, 2000)
    model = Forecast(hidden)
    optimizer = optim.Adam(model.parameters(), lr=2e-3)

    def train(wave: Any) -> Any:
        optimizer.zero_grad()
        loss = F.mse_loss(model(wave[:, :-1]), wave[:, 1:])
        loss.backward()
        optimizer.step()
        return loss

    return fit(made(train, options), waves(batch, time, steps), 100)


if __name__ == "__main__":
    main()
