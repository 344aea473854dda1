"""Trees: nested tuples, lists, dicts and dataclasses of leaves, taken apart and put together."""

from __future__ import annotations

import dataclasses
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from tinytorch.tracer.views import Size

LEAF = ("leaf",)
_DICTS = (dict, OrderedDict)


def flatten(tree: Any) -> tuple[list[Any], Any]:
    """Return the leaves in order, and a hashable structure that ``unflatten`` takes."""
    leaves: list[Any] = []
    return leaves, _flatten(tree, leaves)


def _flatten(tree: Any, leaves: list[Any]) -> Any:
    kind = type(tree)
    if kind is tuple or kind is list:
        return (kind, tuple(_flatten(x, leaves) for x in tree))
    if kind is Size:
        return ("size", kind, tuple(_flatten(x, leaves) for x in tree))
    if isinstance(tree, tuple) and hasattr(kind, "_fields"):
        return ("named", kind, tuple(_flatten(x, leaves) for x in tree))
    if kind in _DICTS:
        return (kind, tuple((k, _flatten(v, leaves)) for k, v in tree.items()))
    if dataclasses.is_dataclass(tree) and not isinstance(tree, type):
        names = tuple(f.name for f in dataclasses.fields(tree))
        return ("data", kind, names, tuple(_flatten(getattr(tree, n), leaves) for n in names))
    leaves.append(tree)
    return LEAF


def unflatten(structure: Any, leaves: list[Any]) -> Any:
    """Rebuild a tree from its structure and leaves."""
    return _unflatten(structure, iter(leaves))


def _unflatten(structure: Any, leaves: Any) -> Any:
    if structure is LEAF or structure == LEAF:
        return next(leaves)
    kind = structure[0]
    if kind in (tuple, list):
        return kind(_unflatten(s, leaves) for s in structure[1])
    if kind in _DICTS:
        return kind((k, _unflatten(s, leaves)) for k, s in structure[1])
    if kind == "size":
        return structure[1](_unflatten(s, leaves) for s in structure[2])
    if kind == "named":
        return structure[1](*(_unflatten(s, leaves) for s in structure[2]))
    return structure[1](
        **{n: _unflatten(s, leaves) for n, s in zip(structure[2], structure[3], strict=True)}
    )


def map_leaves(function: Callable[[Any], Any], tree: Any) -> Any:
    """Apply a function to every leaf."""
    leaves, structure = flatten(tree)
    return unflatten(structure, [function(x) for x in leaves])
