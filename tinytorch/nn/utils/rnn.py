"""Sequences of different lengths in one tensor."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from tinytorch.tracer.factories import full, tensor
from tinytorch.tracer.shapes import cat, stack
from tinytorch.tracer.tensor import Tensor


class PackedSequence(NamedTuple):
    """Sequences of different lengths, longest first, as rows in the order of time.

    ``data`` (rows, ...) holds the first step of all sequences, then the second of those that have
    one, and so on; ``batch_sizes`` says how many take part at each step. ``sorted_indices`` brings
    the user's order into this one, ``unsorted_indices`` back; None if it is the same.
    """

    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None = None
    unsorted_indices: Tensor | None = None


def pack_padded_sequence(
    input: Tensor, lengths: Any, batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Pack padded sequences (time, batch, ...) of given lengths; gradients flow through.

    ``lengths`` (a tensor or a list) must fall unless ``enforce_sorted`` is False. Raises
    RuntimeError for lengths that do not fit. Needs the lengths' values, so it runs eagerly.
    """
    counts = [int(n) for n in (lengths.tolist() if isinstance(lengths, Tensor) else lengths)]
    rows = input.transpose(0, 1) if batch_first else input
    if len(counts) != rows.shape[1]:
        raise RuntimeError(
            f"Expected `len(lengths)` to be equal to batch_size, but got {len(counts)} "
            f"(batch_size={rows.shape[1]})"
        )
    if not counts or min(counts) <= 0:
        raise RuntimeError(
            "Length of all samples has to be greater than 0, but found an element in 'lengths' "
            "that is <= 0"
        )
    order = sorted(range(len(counts)), key=lambda i: -counts[i])
    sorted_indices = unsorted_indices = None
    if not enforce_sorted:
        sorted_indices = tensor(order)
        unsorted_indices = tensor(sorted(range(len(order)), key=lambda i: order[i]))
        rows = rows.index_select(1, sorted_indices)
    elif counts != sorted(counts, reverse=True):
        raise RuntimeError(
            "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. You "
            "can pass `enforce_sorted=False` to pack_padded_sequence and/or pack_sequence to "
            "sidestep this requirement."
        )
    if max(counts) > rows.shape[0]:
        raise RuntimeError(
            f"pack_padded_sequence: a length of {max(counts)} exceeds the {rows.shape[0]} steps "
            "of the input"
        )
    sizes = [sum(n > t for n in counts) for t in range(max(counts))]
    data = cat([rows[t, :size] for t, size in enumerate(sizes)], 0)
    return PackedSequence(data, tensor(sizes), sorted_indices, unsorted_indices)


def pad_packed_sequence(
    sequence: PackedSequence, batch_first: bool = False, padding_value: float = 0.0,
    total_length: int | None = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Undo ``pack_padded_sequence``: padded sequences in the user's order, and their lengths."""
    sizes = sequence.batch_sizes.tolist()
    if total_length is not None and total_length < len(sizes):
        raise ValueError(
            "Expected total_length to be at least the length of the longest sequence in input, but "
            f"got total_length={total_length} and max sequence length being {len(sizes)}"
        )
    longest = len(sizes) if total_length is None else total_length
    steps = sequence.data.split(sizes)
    rows = [_lengthened(step, sizes[0], padding_value, "right") for step in steps]
    padded = _lengthened(stack(rows, 0), longest, padding_value, "right")
    lengths = tensor([sum(size > i for size in sizes) for i in range(sizes[0])])
    if sequence.unsorted_indices is not None:
        padded = padded.index_select(1, sequence.unsorted_indices)
        lengths = lengths.index_select(0, sequence.unsorted_indices)
    return (padded.transpose(0, 1) if batch_first else padded), lengths


def pack_sequence(sequences: Iterable[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Pack sequences (length, ...)."""
    found = list(sequences)
    return pack_padded_sequence(
        pad_sequence(found), [len(x) for x in found], enforce_sorted=enforce_sorted
    )


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """Undo ``pack_sequence``."""
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)


def _lengthened(x: Tensor, length: int, value: float, side: str) -> Tensor:
    """A tensor padded along its first axis."""
    if len(x) == length:
        return x
    filling = full((length - len(x), *x.shape[1:]), value, dtype=x.dtype)
    return cat([x, filling] if side == "right" else [filling, x], 0)


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
        padded.append(_lengthened(x.to(dtype), longest, padding_value, padding_side))
    return stack(padded, 0 if batch_first else 1)


def unpad_sequence(
    padded_sequences: Tensor, lengths: Tensor, batch_first: bool = False
) -> list[Tensor]:
    """The sequences of a padded tensor, without their padding. Needs the lengths' values."""
    rows = padded_sequences if batch_first else padded_sequences.transpose(0, 1)
    return [row[: int(length)] for row, length in zip(rows, lengths, strict=True)]
