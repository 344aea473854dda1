"""Tensors as text, the way PyTorch prints them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass
class _Options:
    precision: int = 4
    threshold: float = 1000
    edgeitems: int = 3
    linewidth: int = 80
    sci_mode: bool | None = None


_options = _Options()
_PROFILES = {
    "default": (4, 1000, 3, 80), "short": (2, 1000, 2, 80), "full": (4, math.inf, 3, 80),
}  # fmt: skip


def set_printoptions(
    precision: int | None = None, threshold: float | None = None, edgeitems: int | None = None,
    linewidth: int | None = None, profile: str | None = None, sci_mode: bool | None = None,
) -> None:  # fmt: skip
    """Set how tensors are printed: digits, how many elements before a summary, and so on."""
    if profile is not None:
        (_options.precision, _options.threshold, _options.edgeitems,
         _options.linewidth) = _PROFILES[profile]  # fmt: skip
    given = {"precision": precision, "threshold": threshold, "edgeitems": edgeitems,
             "linewidth": linewidth}  # fmt: skip
    for name, value in given.items():
        if value is not None:
            setattr(_options, name, value)
    _options.sci_mode = sci_mode


class _Formatter:
    """One width and one style for all elements shown, as in torch/_tensor_str.py."""

    def __init__(self, shown: np.ndarray) -> None:
        self.floating = shown.dtype.kind == "f"
        self.whole = self.scientific = False
        self.width = 1
        flat = shown.reshape(-1)
        if not self.floating:
            self.width = max((len(self._plain(v)) for v in flat), default=1)
            return
        counted = flat[np.isfinite(flat) & (flat != 0)]
        kept = np.abs(counted).astype(np.float64)
        if not kept.size:
            self.whole = True
        else:
            low, high = float(kept.min()), float(kept.max())
            wide = high / low > 1000.0 or high > 1.0e8
            self.whole = bool((kept == np.ceil(kept)).all())
            self.scientific = wide if self.whole else wide or low < 1.0e-4
        if _options.sci_mode is not None:
            self.scientific = _options.sci_mode
        self.width = max((len(self._plain(v)) for v in counted), default=1)

    def _plain(self, value: Any) -> str:
        if not self.floating:
            return str(value)
        value = float(value)
        if self.scientific:
            return f"{value:.{_options.precision}e}"
        if self.whole:
            return f"{value:.0f}." if math.isfinite(value) else f"{value:.0f}"
        return f"{value:.{_options.precision}f}"

    def text(self, value: Any) -> str:
        """One element, padded."""
        return self._plain(value).rjust(self.width)


def _shown(array: np.ndarray, summary: bool) -> np.ndarray:
    """The elements that a summary shows."""
    edge = _options.edgeitems
    if not summary:
        return array
    for axis in range(array.ndim):
        if array.shape[axis] > 2 * edge:
            ends = [*range(edge), *range(array.shape[axis] - edge, array.shape[axis])]
            array = np.take(array, ends, axis)
    return array


def _line(row: np.ndarray, indent: int, summary: bool, formatter: _Formatter) -> str:
    width = formatter.width + 2
    each = max(1, math.floor((_options.linewidth - indent) / width))
    edge = _options.edgeitems
    if summary and len(row) > 2 * edge:
        items = [formatter.text(v) for v in row[:edge]] + [" ..."]
        items += [formatter.text(v) for v in row[-edge:]]
    else:
        items = [formatter.text(v) for v in row]
    lines = [", ".join(items[i : i + each]) for i in range(0, len(items), each)]
    return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"


def _nested(array: np.ndarray, indent: int, summary: bool, formatter: _Formatter) -> str:
    if array.ndim == 0:
        return formatter.text(array[()])
    if array.ndim == 1:
        return _line(array, indent, summary, formatter)
    edge = _options.edgeitems
    if summary and len(array) > 2 * edge:
        parts = [_nested(a, indent + 1, summary, formatter) for a in array[:edge]] + ["..."]
        parts += [_nested(a, indent + 1, summary, formatter) for a in array[-edge:]]
    else:
        parts = [_nested(a, indent + 1, summary, formatter) for a in array]
    gap = "," + "\n" * (array.ndim - 1) + " " * (indent + 1)
    return "[" + gap.join(parts) + "]"


def format_values(array: np.ndarray, indent: int) -> str:
    """The elements as nested lists; long tensors are summarised."""
    if array.size == 0 and array.ndim:
        return "[]"
    summary = array.size > _options.threshold
    formatter = _Formatter(_shown(array, summary))
    return _nested(array, indent, summary, formatter)


__all__ = ["set_printoptions"]
