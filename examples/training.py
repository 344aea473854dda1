"""What the examples share: their command line, and the loop that runs a step over batches."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import tinytorch as tt

Step = Callable[..., Any]


def command_line(description: str) -> argparse.ArgumentParser:
    """The options of every example; add further ones to the result."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--eager", action="store_true", help="run on numpy, without compiling")
    parser.add_argument("--quick", action="store_true", help="a few seconds: shows that it runs")
    parser.add_argument("--seed", type=int, default=0)
    return parser


def prepared(parser: argparse.ArgumentParser, arguments: Sequence[str] | None) -> Any:
    """Read the command line and seed the random numbers."""
    options = parser.parse_args(arguments)
    tt.manual_seed(options.seed)
    return options


def made(step: Step, options: Any) -> Step:
    """The step as asked for: compiled, or as it stands."""
    return step if options.eager else tt.compile(step)


def fit(step: Step, batches: Iterable[Sequence[Any]], every: int = 100) -> list[float]:
    """Run a step on each batch, printing the mean loss now and then; return all losses."""
    losses: list[float] = []
    started = time.perf_counter()
    for number, batch in enumerate(batches, 1):
        losses.append(float(step(*batch).item()))
        if number % every == 0:
            spent = (time.perf_counter() - started) / number
            mean = sum(losses[-every:]) / every
            print(f"step {number:6d}   loss {mean:8.4f}   {spent * 1e3:8.3f} ms a step")
    return losses


def repeated(batches: Iterable[Sequence[Any]], steps: int) -> Iterable[Sequence[Any]]:
    """Go through batches again and again, for a number of steps."""
    taken = 0
    while taken < steps:
        for batch in batches:
            if taken == steps:
                return
            yield batch
            taken += 1
