"""Kim's convolutional network for sentences, on a text file of one's own.

Each line of the file is a label (0 or 1), a tab, and a sentence, for instance of a review. Run it
with ``python examples/sentences.py FILE``. The network is that of Kim, Convolutional Neural
Networks for Sentence Classification (2014): convolutions over 3, 4 and 5 words, the largest value
over time, dropout, one linear layer. Words are embedded by vectors that are learnt along.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from training import command_line, fit, made, prepared, repeated

import tinytorch as tt
import tinytorch.nn.functional as F
from tinytorch import nn, optim
from tinytorch.data import DataLoader, TensorDataset, random_split

SHORTEST = 5  # the widest convolution needs so many words


class SentenceNetwork(nn.Module):
    """Word numbers (batch, words) in, one logit each out."""

    def __init__(self, words: int, embedded: int = 50, features: int = 100) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words, embedded, padding_idx=0)
        self.convolutions = nn.ModuleList(nn.Conv1d(embedded, features, k) for k in (3, 4, 5))
        self.dropout = nn.Dropout(0.5)
        self.linear = nn.Linear(3 * features, 1)

    def forward(self, words: Any) -> Any:
        """Score sentences."""
        x = self.embedding(words).transpose(1, 2)
        found = [F.relu(conv(x)).amax(2) for conv in self.convolutions]
        return self.linear(self.dropout(tt.cat(found, 1))).squeeze(1)


def read(path: str) -> tuple[Any, Any, int]:
    """Read a file; return word numbers (0 fills up), labels, and how many words there are.

    Raises ValueError for a line that is not a label, a tab and a sentence.
    """
    labels, sentences = [], []
    for number, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), 1):
        label, tab, sentence = line.partition("\t")
        if label not in ("0", "1") or not tab or not sentence.strip():
            raise ValueError(f"{path}:{number}: expected '0' or '1', a tab and a sentence")
        labels.append(int(label))
        sentences.append(sentence.lower().split())
    counts = Counter(word for sentence in sentences for word in sentence)
    numbers = {word: i for i, (word, _) in enumerate(counts.most_common(), 1)}
    length = max(SHORTEST, max(map(len, sentences)))
    rows = [[numbers[w] for w in s] + [0] * (length - len(s)) for s in sentences]
    return tt.tensor(rows), tt.tensor(labels, dtype=tt.float32), len(numbers) + 1


def main(arguments: Sequence[str] | None = None) -> list[float]:
    """Train; print the accuracy on sentences never seen; return the losses."""
    parser = command_line("Sentences by a convolutional network")
    parser.add_argument("file", help="lines of label, tab, sentence")
    options = prepared(parser, arguments)
    words, labels, vocabulary = read(options.file)
    train_set, test_set = random_split(TensorDataset(words, labels), [0.8, 0.2])
    model = SentenceNetwork(vocabulary, *((8, 6) if options.quick else (50, 100)))
    optimizer = optim.Adam(model.parameters(), lr=1e-3)

    def train(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = F.binary_cross_entropy_with_logits(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    batch = min(10, len(train_set))
    loader = DataLoader(train_set, batch_size=batch, shuffle=True, drop_last=True)
    losses = fit(made(train, options), repeated(loader, 5 if options.quick else 2000), 200)
    model.eval()
    x, y = next(iter(DataLoader(test_set, batch_size=len(test_set))))
    with tt.no_grad():
        right = ((model(x) > 0) == (y > 0.5)).float().mean().item()
    print(f"{right:.1%} of {len(test_set)} sentences right")
    return losses


if __name__ == "__main__":
    main()
