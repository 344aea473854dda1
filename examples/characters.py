"""A character-level transformer that learns to write Python, from Python's own standard library.

Run it with ``python examples/characters.py``; it prints a sample at the end.
"""

from __future__ import annotations

import sysconfig
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from training import command_line, fit, made, prepared

import tinytorch as tt
import tinytorch.nn.functional as F
from tinytorch import nn, optim

FILES = ("argparse.py", "ast.py", "dataclasses.py", "inspect.py", "pathlib.py", "textwrap.py")


class Block(nn.Module):
    """Attention to what stands before, then a small network, each with a shortcut."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.network = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, x: Any) -> Any:
        """Map (batch, time, width) to the same shape."""
        batch, time, width = x.shape
        split = self.qkv(self.norm1(x)).reshape(batch, time, 3, self.heads, width // self.heads)
        q, k, v = split.permute(2, 0, 3, 1, 4).unbind(0)
        seen = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(seen.transpose(1, 2).reshape(batch, time, width))
        return x + self.network(self.norm2(x))


class Writer(nn.Module):
    """Numbers of characters (batch, time) in, scores of the next ones out."""

    def __init__(self, characters: int, width: int, heads: int, layers: int, time: int) -> None:
        super().__init__()
        self.characters = nn.Embedding(characters, width)
        self.places = nn.Embedding(time, width)
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(layers)))
        self.head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, characters))

    def forward(self, x: Any) -> Any:
        """Score each next character."""
        return self.head(self.blocks(self.characters(x) + self.places(tt.arange(x.shape[1]))))


def source() -> str:
    """Text of some modules of the standard library."""
    folder = Path(sysconfig.get_paths()["stdlib"])
    found = [folder / name for name in FILES if (folder / name).exists()]
    return "\n".join(path.read_text(encoding="utf-8") for path in found)


def windows(text: Any, batch: int, time: int, steps: int) -> Iterator[tuple[Any, Any]]:
    """Pieces of the text, and the same one character on."""
    for _ in range(steps):
        starts = tt.randint(0, len(text) - time - 1, (batch, 1))
        places = starts + tt.arange(time)
        yield text[places], text[places + 1]


def written(model: Writer, start: Any, count: int) -> list[int]:
    """Go on with a text, character by character."""
    time = model.places.weight.shape[0]
    numbers = start.tolist()
    with tt.no_grad():
        for _ in range(count):
            scores = model(tt.tensor([numbers[-time:]]))[0, -1]
            numbers.append(int(tt.multinomial(F.softmax(scores, -1), 1).item()))
    return numbers


def main(arguments: Sequence[str] | None = None) -> list[float]:
    """Train, print a sample, return the losses."""
    parser = command_line("A transformer that writes Python")
    parser.add_argument("--steps", type=int, default=2000)
    options = prepared(parser, arguments)
    text = source()
    alphabet = sorted(set(text))
    number = {c: i for i, c in enumerate(alphabet)}
    numbers = tt.tensor([number[c] for c in text])
    width, layers, time, batch = (16, 1, 8, 4) if options.quick else (128, 4, 64, 16)
    model = Writer(len(alphabet), width, 4, layers, time)
    optimizer = optim.AdamW(model.parameters(), lr=1e-3)

    def train(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x).flatten(0, 1), y.flatten())
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss

    steps = 4 if options.quick else options.steps
    losses = fit(made(train, options), windows(numbers, batch, time, steps), 100)
    sample = written(model, numbers[:8], 20 if options.quick else 400)
    print("".join(alphabet[i] for i in sample))
    return losses


if __name__ == "__main__":
    main()
