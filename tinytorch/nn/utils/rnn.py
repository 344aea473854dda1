"""Sequences of different lengths in one tensor."""

from __future__ import annotations

from collections.abc import Iterable

from tinytorch.tracer.factories import full
from tinytorch.tracer.shapes import cat, stack
from tinytorch.tracer.tensor import Tensor


def pad_sequence(
    sequences: Iterable[Tensor], batch_first: bool = False, padding_value: float = 0.0,
    padding_side: str = "right",
) -> Tensor:  # fmt: skip
    """Stack sequences (length, ...), padded to the longest: (longest, count, ...).

    (count, longest, ...) with ``batch_first``. Gradients flow through. Raises RuntimeError for no
    sequences, for an unknown side, and for sequences whose other axes differ.
    """
    if not isinstance(sequences, Iterable):
        raise RuntimeError(
            "pad_sequence: Expected iterable for input sequences, but got arg of type: "
            f"{type(sequences)}"
        )
    found = list(sequences)
    if not found:
        raise RuntimeError("received an empty list of sequences")
    if padding_side not in ("left", "right"):
        raise RuntimeError(
            f"Expected padding_side to be one of left or right, but got {padding_side}"
        )
    rest, dtype = tuple(found[0].shape[1:]), found[0].dtype
    longest = max(len(x) for x in found)
    padded = []
    for x in found:
        if tuple(x.shape[1:]) != rest:
            raise RuntimeError(
                f"pad_sequence: sequences of shapes {list(found[0].shape)} and {list(x.shape)} "
                "differ in more than the first axis"
            )
        parts = [x.to(dtype)]
        if len(x) < longest:
            filling = full((longest - len(x), *rest), padding_value, dtype=dtype)
            parts.insert(1 if padding_side == "right" else 0, filling)
        padded.append(cat(parts, 0))
    return stack(padded, 0 if batch_first else 1)


def unpad_sequence(
    padded_sequences: Tensor, lengths: Tensor, batch_first: bool = False
) -> list[Tensor]:
    """The sequences of a padded tensor, without their padding. Needs the lengths' values."""
    rows = padded_sequences if batch_first else padded_sequences.transpose(0, 1)
    return [row[: int(length)] for row, length in zip(rows, lengths, strict=True)]
