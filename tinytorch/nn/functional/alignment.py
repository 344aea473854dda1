"""Connectionist temporal classification: the likelihood of labels over all their alignments.

A. Graves, S. Fernández, F. Gomez and J. Schmidhuber, Connectionist temporal classification (2006).
"""

from __future__ import annotations

from typing import Any

from tinytorch.nn.functional.reductions import check_reduction
from tinytorch.tracer import dtypes as types
from tinytorch.tracer.factories import arange, tensor
from tinytorch.tracer.functions.control import scan
from tinytorch.tracer.functions.elementwise import where
from tinytorch.tracer.functions.extremes import amax
from tinytorch.tracer.functions.gathering import gather
from tinytorch.tracer.functions.maths import exp, log
from tinytorch.tracer.functions.windows import taken
from tinytorch.tracer.shapes import cat, check_tensor, stack
from tinytorch.tracer.tensor import Tensor

_NEVER = -1e30
"""The logarithm of a probability of zero: finite, so that no gradient is inf - inf."""


def ctc_loss(
    log_probs: Tensor, targets: Tensor, input_lengths: Any, target_lengths: Any, blank: int = 0,
    reduction: str = "mean", zero_infinity: bool = False,
) -> Tensor:  # fmt: skip
    """-log of the probability of label sequences under ``log_probs`` (T, N, C), or (T, C) of one.

    ``targets`` is (N, S), or all sequences one after another; lengths are (N,) tensors or tuples.
    "mean" divides each loss by its target's length first. ``zero_infinity`` counts targets that no
    alignment fits, whose loss is inf, as 0. Gradients are those of the loss as a function of
    ``log_probs``; behind a log_softmax they are PyTorch's.
    """
    check_tensor(log_probs, "ctc_loss", "log_probs")
    check_tensor(targets, "ctc_loss", "targets")
    check_reduction(reduction)
    single = log_probs.ndim == 2
    frames = log_probs.unsqueeze(1) if single else log_probs
    if frames.ndim != 3:
        raise RuntimeError("ctc_loss: log_probs must be (T, N, C) or (T, C)")
    steps, batch, classes = frames.shape
    if targets.dtype.kind != "i":
        raise RuntimeError("ctc_loss: targets must be integral")
    if not 0 <= blank < classes:
        raise RuntimeError("blank must be in label range")
    heard = _lengths(input_lengths, batch, steps, "input_lengths")
    said = _lengths(target_lengths, batch, None, "target_lengths")
    rows = _rows(targets, said, batch, target_lengths)
    losses = _losses(frames, rows, heard, said, blank)
    if zero_infinity:
        losses = where(losses == float("inf"), 0.0, losses)
    if reduction == "mean":
        return (losses / where(said > 1, said, 1).to(losses.dtype)).mean()
    if reduction == "sum":
        return losses.sum()
    return losses.reshape(()) if single else losses


def _lengths(given: Any, batch: Any, limit: Any, name: str) -> Tensor:
    """Lengths as an int64 vector; raises RuntimeError for ones that do not fit."""
    lengths = given if isinstance(given, Tensor) else tensor(given, dtype=types.int64)
    if lengths.dtype.kind != "i":
        raise RuntimeError(f"{name} must be integral")
    lengths = lengths.reshape(-1).to(types.int64)
    if lengths.shape[0] != batch:
        raise RuntimeError(f"{name} must be of size batch_size")
    known = [given] if isinstance(given, int) else given
    if isinstance(known, list | tuple) and limit is not None and max(known, default=0) > limit:
        raise RuntimeError(
            f"Expected {name} to have value at most {limit}, but got value {max(known)}"
        )
    return lengths


def _rows(targets: Tensor, said: Tensor, batch: Any, given: Any) -> Tensor:
    """The targets as (N, S)."""
    if targets.ndim == 2:
        return targets.to(types.int64)
    if targets.ndim != 1:
        raise RuntimeError("ctc_loss: targets must be (N, S), or one axis of all sequences")
    if isinstance(given, Tensor):
        longest = int(targets.shape[0])  # no sequence is longer than all of them
    else:
        longest = max(given, default=0) if isinstance(given, list | tuple) else given
    if longest == 0 or targets.shape[0] == 0:
        return targets.new_zeros(batch, 1, dtype=types.int64)
    at = (said.cumsum(0) - said).unsqueeze(-1) + arange(longest)
    last = targets.shape[0] - 1
    return taken(targets.to(types.int64), 0, where(at > last, last, at))


def _losses(frames: Tensor, rows: Tensor, heard: Tensor, said: Tensor, blank: int) -> Tensor:
    """Forward variables of the labels with blanks between them, frame by frame."""
    steps, batch, _ = frames.shape
    longest = rows.shape[1]
    real = arange(longest) < said.unsqueeze(-1)
    labels = where(real, rows, blank)
    blanks = labels * 0 + blank
    states = cat([stack([blanks, labels], -1).reshape(batch, -1), blanks[:, :1]], 1)
    count = states.shape[1]
    emitted = gather(frames, 2, states.unsqueeze(0).expand(steps, batch, count))
    before = cat([blanks[:, :1] - 1, blanks[:, :1] - 1, states[:, :-2]], 1)
    jumps = (states != blank) & (states != before)
    never = frames.new_full((batch, 2), _NEVER)
    place = arange(count)
    alpha = where((place == 0) | ((place == 1) & (said > 0).unsqueeze(-1)), emitted[0], _NEVER)

    def step(carry: Any, frame: Any) -> Any:
        alpha, now = carry
        once = cat([never[:, :1], alpha[:, :-1]], 1)
        twice = where(jumps, cat([never, alpha[:, :-2]], 1), _NEVER)
        ways = stack([alpha, once, twice], -1)
        top = amax(ways.detach(), -1, keepdim=True)
        following = log(exp(ways - top).sum(-1)) + top.squeeze(-1) + frame
        following = where(following < _NEVER, _NEVER, following)
        return (where((now < heard).unsqueeze(-1), following, alpha), now + 1), None

    if steps > 1:
        (alpha, _), _ = scan(step, (alpha, arange(1) + 1), emitted[1:])
    ends = stack([said * 2, where(said > 0, said * 2 - 1, 0)], -1)
    last = gather(alpha, 1, ends)
    first, second = last[:, 0], where(said > 0, last[:, 1], _NEVER)
    top = where(first > second, first, second).detach()
    likelihood = log(exp(first - top) + exp(second - top)) + top
    silent = (heard == 0) & (said == 0)
    likelihood = where(silent, 0.0, where(heard == 0, _NEVER, likelihood))
    return where(likelihood < _NEVER / 2, float("inf"), -likelihood)


__all__ = ["ctc_loss"]
