"""LeNet on MNIST, from the four IDX files in a folder of one's own (plain or gzipped).

Run it with ``python examples/mnist.py FOLDER``. The network and its training are those of the
MiniTorch course: two 3x3 convolutions, a 4x4 pooling, two linear layers, batches of 16.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from training import command_line, made, prepared

import tinytorch as tt
import tinytorch.nn.functional as F
from tinytorch import data, nn, optim
from tinytorch.data import DataLoader, Subset

BATCH = 16


class LeNet(nn.Module):
    """1x28x28 pixels in, log probabilities of 10 digits out."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 4, 3, padding=1)
        self.conv2 = nn.Conv2d(4, 8, 3, padding=1)
        self.linear1, self.linear2 = nn.Linear(392, 64), nn.Linear(64, 10)

    def forward(self, x: Any) -> Any:
        """Classify images."""
        x = F.relu(self.conv2(F.relu(self.conv1(x))))
        x = F.max_pool2d(x, 4).flatten(1)
        x = F.dropout(F.relu(self.linear1(x)), 0.25, self.training)
        return F.log_softmax(self.linear2(x), 1)


def main(arguments: Sequence[str] | None = None) -> list[float]:
    """Train, printing how many of each batch are right; return the losses."""
    parser = command_line("LeNet on MNIST")
    parser.add_argument("folder", help="where the IDX files lie")
    parser.add_argument("--epochs", type=int, default=3)
    options = prepared(parser, arguments)
    train_set: Any = data.mnist(options.folder, train=True)
    test_set: Any = data.mnist(options.folder, train=False)
    train_set = Subset(train_set, range(min(5000, len(train_set))))
    test_set = Subset(test_set, range(min(500, len(test_set))))
    model = LeNet()
    optimizer = optim.SGD(model.parameters(), lr=0.01)

    def train(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        scores = model(x)
        loss = F.nll_loss(scores, y)
        loss.backward()
        optimizer.step()
        return loss, (scores.argmax(1) == y).sum()

    step, losses = made(train, options), []
    for epoch in range(1 if options.quick else options.epochs):
        loader = DataLoader(train_set, batch_size=BATCH, shuffle=True, drop_last=True)
        for number, (x, y) in enumerate(loader):
            loss, right = step(x, y)
            losses.append(loss.item())
            if number % 50 == 0:
                print(f"epoch {epoch} loss {losses[-1]:.4f} correct {int(right)}/{BATCH}")
    model.eval()
    found = 0
    with tt.no_grad():
        for x, y in DataLoader(test_set, batch_size=100):
            found += int((model(x).argmax(1) == y).sum())
    print(f"{found} of {len(test_set)} right")
    return losses


if __name__ == "__main__":
    main()
