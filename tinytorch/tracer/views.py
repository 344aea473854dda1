"""Shapes and views: sizes as tuples, chains of movement ops, and writes through them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tinytorch.ir import ops
from tinytorch.ir.op import Op


class Size(tuple[Any, ...]):
    """Sizes of a tensor's axes: a tuple with ``numel``."""

    __slots__ = ()

    def numel(self) -> int:
        """Number of elements."""
        total: Any = 1
        for size in self:
            total *= size
        return total

    def __eq__(self, other: object) -> bool:
        # Lengths first: Python compares the first items even of tuples of different lengths.
        return isinstance(other, tuple) and len(self) == len(other) and tuple.__eq__(self, other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = tuple.__hash__

    def __repr__(self) -> str:
        return f"tinytorch.Size({list(self)})"


def apply_chain(value: Any, chain: Sequence[tuple[Op, Any]]) -> Any:
    """Apply movement ops in order."""
    for op, attrs in chain:
        value = op(value, **attrs)
    return value


def write_back(value: Any, chain: Sequence[tuple[Op, Any]], new: Any) -> Any:
    """Return ``value`` with the part seen through a chain of views replaced by ``new``.

    Works on any handle: the functional meaning of a write through a view.
    """
    levels = [value]
    for op, attrs in chain:
        levels.append(op(levels[-1], **attrs))
    for (op, attrs), outer in zip(reversed(chain), reversed(levels[:-1]), strict=True):
        if op is ops.reshape:
            new = ops.reshape(new, shape=outer.aval.shape)
        elif op is ops.permute:
            new = ops.permute(new, order=ops.inverse(attrs["order"]))
        elif op is ops.flip:
            new = ops.flip(new, axes=attrs["axes"])
        elif op is ops.slice_:
            new = ops.update_slice(outer, new, starts=attrs["starts"], steps=attrs["steps"])
        elif op is ops.strided and not ops.overlaps(outer.aval.shape, attrs):
            new = ops.update_strided(outer, new, attrs)
        else:
            raise RuntimeError(
                "unsupported operation: more than one element of the written-to tensor refers to "
                "a single memory location. Please clone() the tensor before performing the "
                "operation."
            )
    return new

__all__ = ["Size"]


def base_of(x: Any) -> Any:
    """The tensor whose memory a view shows; None for one that is no view.

    A base whose own shape was changed in place became a view of what it was, the base from then on.
    Inside a trace, the base of a view of a tensor from outside is that tensor, view or not.
    """
    base = x._base
    if base is not None and base._base is not None and (x._array is None) is (base._array is None):
        x._base = base = base._base
    return base


def root_of(x: Any) -> Any:
    """The base of a view, or the tensor itself."""
    base = base_of(x)
    return x if base is None else base
