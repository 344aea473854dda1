"""Recurrence: one step of each recurrent cell, and steps along time."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from tinytorch.nn.functional import linear
from tinytorch.tracer.functions import relu, scan, sigmoid, tanh
from tinytorch.tracer.shapes import cat
from tinytorch.tracer.tensor import Tensor

Weights = tuple[Any, ...]
"""Hidden weight, hidden bias or None and, for a projected LSTM, the projection or None."""
Step = Callable[[Any, Tensor, Weights], Any]
"""Takes a state, the input already multiplied by its weight, and the other weights."""


def _parts(gates: Tensor, count: int) -> list[Tensor]:
    width = gates.shape[-1] // count
    return [gates[..., i * width : (i + 1) * width] for i in range(count)]


def tanh_step(h: Tensor, driven: Tensor, weights: Weights) -> Tensor:
    """tanh(W x + b + U h + c). Source: Elman, "Finding structure in time", 1990."""
    return tanh(driven + linear(h, weights[0], weights[1]))


def relu_step(h: Tensor, driven: Tensor, weights: Weights) -> Tensor:
    """relu(W x + b + U h + c)."""
    return relu(driven + linear(h, weights[0], weights[1]))


def lstm_step(state: tuple[Tensor, Tensor], driven: Tensor, weights: Weights) -> Any:
    """Gates in the order input, forget, cell, output; the hidden state may be projected.

    Source: Hochreiter and Schmidhuber, "Long short-term memory", 1997; the projection from Sak,
    Senior and Beaufays, 2014.
    """
    h, c = state
    taken, kept, candidate, shown = _parts(driven + linear(h, weights[0], weights[1]), 4)
    c = sigmoid(kept) * c + sigmoid(taken) * tanh(candidate)
    h = sigmoid(shown) * tanh(c)
    return (h if weights[2] is None else linear(h, weights[2])), c


def gru_step(h: Tensor, driven: Tensor, weights: Weights) -> Tensor:
    """Gates in the order reset, update, candidate. Source: Cho et al., 2014.

    The reset gate multiplies the candidate's product with the hidden weight, not the state.
    """
    reset, update, candidate = _parts(driven, 3)
    h_reset, h_update, h_candidate = _parts(linear(h, weights[0], weights[1]), 3)
    fresh = tanh(candidate + sigmoid(reset + h_reset) * h_candidate)
    share = sigmoid(update + h_update)
    return (h - fresh) * share + fresh


def along_packed_time(
    step: Step, state: Any, driven: Tensor, weights: Weights, reverse: bool, sizes: list[int]
) -> tuple[Any, Tensor]:
    """``along_time`` over packed rows: at time t the first ``sizes[t]`` sequences take part.

    The others keep their state: it is their last one, or, reversed, their first.
    """
    ends = list(itertools.accumulate(sizes))
    outputs: list[Any] = [None] * len(sizes)
    order = range(len(sizes))
    for t in reversed(order) if reverse else order:
        count = sizes[t]
        rows = driven[ends[t] - count : ends[t]]
        if isinstance(state, tuple):
            moved = step(tuple(s[:count] for s in state), rows, weights)
            state = tuple(cat([m, s[count:]], 0) for m, s in zip(moved, state, strict=True))
        else:
            moved = step(state[:count], rows, weights)
            state = cat([moved, state[count:]], 0)
        outputs[t] = moved[0] if isinstance(moved, tuple) else moved
    return state, cat(outputs, 0)


def along_time(
    step: Step, state: Any, driven: Tensor, weights: Weights, reverse: bool
) -> tuple[Any, Tensor]:
    """Run a step along the first axis; return the last state and all hidden states, stacked.

    Reversed, time runs from the end; hidden states stay in the order of the input. It is a scan,
    so compiling takes the same time for every length.
    """

    def move(carry: Any, row: Tensor) -> tuple[Any, Tensor]:
        carry = step(carry, row, weights)
        return carry, carry[0] if isinstance(carry, tuple) else carry

    return scan(move, state, driven, reverse=reverse)
