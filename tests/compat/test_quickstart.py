"""PyTorch's quickstart, its text unchanged but for the import, eager and compiled."""

from __future__ import annotations

import re

import numpy as np
import pytest

import tinytorch as torch
from tinytorch import nn
from tinytorch.utils.data import DataLoader, TensorDataset

SIZE, BATCH = 320, 32


def datasets():
    rng = np.random.default_rng(0)
    X = torch.tensor(rng.random((SIZE, 1, 8, 8)).astype("float32"))
    y = torch.tensor(X.numpy().reshape(SIZE, 64)[:, :10].argmax(1))
    return TensorDataset(X, y), TensorDataset(X[:100], y[:100])


class NeuralNetwork(nn.Module):
    def __init__(self):
        super().__init__()
        self.flatten = nn.Flatten()
        self.linear_relu_stack = nn.Sequential(
            nn.Linear(8 * 8, 32),
            nn.ReLU(),
            nn.Linear(32, 32),
            nn.ReLU(),
            nn.Linear(32, 10),
        )

    def forward(self, x):
        x = self.flatten(x)
        logits = self.linear_relu_stack(x)
        return logits


device = "cpu"


def train(dataloader, model, loss_fn, optimizer):
    size = len(dataloader.dataset)
    model.train()
    for batch, (X, y) in enumerate(dataloader):
        X, y = X.to(device), y.to(device)

        # Compute prediction error
        pred = model(X)
        loss = loss_fn(pred, y)

        # Backpropagation
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

        if batch % 4 == 0:
            loss, current = loss.item(), (batch + 1) * len(X)
            print(f"loss: {loss:>7f}  [{current:>5d}/{size:>5d}]")


def train_compiled(dataloader, model, loss_fn, optimizer):
    size = len(dataloader.dataset)
    model.train()

    @torch.compile
    def body(X, y):
        pred = model(X)
        loss = loss_fn(pred, y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss

    for batch, (X, y) in enumerate(dataloader):
        X, y = X.to(device), y.to(device)
        loss = body(X, y)
        if batch % 4 == 0:
            loss, current = loss.item(), (batch + 1) * len(X)
            print(f"loss: {loss:>7f}  [{current:>5d}/{size:>5d}]")
    assert body.cache_info().compiles == 1


def test(dataloader, model, loss_fn):
    size = len(dataloader.dataset)
    num_batches = len(dataloader)
    model.eval()
    test_loss, correct = 0, 0
    with torch.no_grad():
        for X, y in dataloader:
            X, y = X.to(device), y.to(device)
            pred = model(X)
            test_loss += loss_fn(pred, y).item()
            correct += (pred.argmax(1) == y).type(torch.float).sum().item()
    test_loss /= num_batches
    correct /= size
    print(f"Test Error: \n Accuracy: {(100*correct):>0.1f}%, Avg loss: {test_loss:>8f} \n")


test.__test__ = False  # the quickstart's name for it


def run(training):
    torch.manual_seed(0)
    train_set, test_set = datasets()
    train_dataloader = DataLoader(train_set, batch_size=BATCH)
    test_dataloader = DataLoader(test_set, batch_size=BATCH)
    model = NeuralNetwork().to(device)
    loss_fn = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-1)
    for t in range(2):
        print(f"Epoch {t+1}\n-------------------------------")
        training(train_dataloader, model, loss_fn, optimizer)
        test(test_dataloader, model, loss_fn)
    print("Done!")


@pytest.mark.parametrize("training", [train, train_compiled])
def test_P1_P2_the_loops_print_what_pytorch_prints(training, capsys):
    run(training)
    printed = capsys.readouterr().out
    lines = re.findall(r"^loss: \d\.\d{6}  \[ *(\d+)/  320\]$", printed, re.MULTILINE)
    assert lines == ["32", "160", "288"] * 2
    tests = re.findall(r" Accuracy: \d+\.\d%, Avg loss: \d\.\d{6} $", printed, re.MULTILINE)
    assert len(tests) == 2
    assert printed.endswith("Done!\n")


def test_P3_the_same_losses_eager_and_compiled(capsys):
    run(train)
    eager = [float(v) for v in re.findall(r"loss: +(\d\.\d+)", capsys.readouterr().out)]
    run(train_compiled)
    compiled = [float(v) for v in re.findall(r"loss: +(\d\.\d+)", capsys.readouterr().out)]
    assert compiled == pytest.approx(eager, abs=2e-5)


def test_P3_the_model_prints_itself():
    assert str(NeuralNetwork()) == (
        "NeuralNetwork(\n"
        "  (flatten): Flatten(start_dim=1, end_dim=-1)\n"
        "  (linear_relu_stack): Sequential(\n"
        "    (0): Linear(in_features=64, out_features=32, bias=True)\n"
        "    (1): ReLU()\n"
        "    (2): Linear(in_features=32, out_features=32, bias=True)\n"
        "    (3): ReLU()\n"
        "    (4): Linear(in_features=32, out_features=10, bias=True)\n"
        "  )\n"
        ")"
    )
