"""What all transforms of functions share: arguments taken apart, made fresh, and results freed.

A transform differentiates with respect to fresh aliases of its arguments, so that transforms nest
without confusing their derivatives. A result keeps history only where it depends on something
else that requires gradients.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tinytorch.tracer.factories import eye
from tinytorch.tracer.mode import mode
from tinytorch.tracer.shapes import clone
from tinytorch.tracer.tape import TapeNode
from tinytorch.tracer.tensor import Tensor
from tinytorch.tracer.tree import flatten, unflatten

Argnums = int | tuple[int, ...]


def check_argnums(argnums: Any, count: int, name: str) -> tuple[int, ...]:
    """Return argnums as positions; raise RuntimeError with PyTorch's wording."""
    numbers = (argnums,) if isinstance(argnums, int) else argnums
    if not isinstance(numbers, tuple) or any(not isinstance(n, int) for n in numbers):
        raise RuntimeError(
            f"argnum must be int or Tuple[int, ...], got: {type(argnums).__name__} ({name})"
        )
    if not numbers:
        raise RuntimeError(f"argnums must be non-empty ({name})")
    for n in numbers:
        if not -count <= n < count:
            raise RuntimeError(f"Got argnum={n}, but only {count} positional inputs ({name})")
    found = tuple(n % count for n in numbers)
    if len(set(found)) != len(found):
        raise RuntimeError(f"argnums elements must be unique, got {argnums} ({name})")
    return found


def tensors_of(tree: Any, name: str) -> tuple[list[Tensor], Any]:
    """Leaves and structure of an argument; raise RuntimeError unless all are tensors."""
    leaves, structure = flatten(tree)
    for x in leaves:
        if not isinstance(x, Tensor):
            raise RuntimeError(
                f"{name}: Expected all inputs to be differentiated to be Tensors, got "
                f"{type(x).__name__}"
            )
    return leaves, structure


def replaced(args: Sequence[Any], numbers: Sequence[int], new: Sequence[Any]) -> list[Any]:
    """Arguments with some replaced."""
    found = list(args)
    for n, value in zip(numbers, new, strict=True):
        found[n] = value
    return found


def fresh(x: Tensor) -> Tensor:
    """An alias of a value to differentiate for: its gradient is this alias's alone.

    It stays connected to what requires gradients around it. Call it with gradients enabled.
    """
    return clone(x) if x.requires_grad else x.detach().requires_grad_()


def fresh_trees(trees: Sequence[Any], name: str) -> tuple[list[Any], list[Tensor]]:
    """Trees of fresh aliases, and all of these in order."""
    made, everything = [], []
    for tree in trees:
        leaves, structure = tensors_of(tree, name)
        aliases = [fresh(x) for x in leaves]
        everything += aliases
        made.append(unflatten(structure, aliases))
    return made, everything


def reaches_other(x: Tensor, own: Sequence[Tensor]) -> bool:
    """Whether a value depends on something that requires gradients, beside the fresh leaves."""
    if not x.requires_grad:
        return False
    if mode.trace is not None:
        return mode.trace.reaches_other(x, own)
    ours = {id(t) for t in own if t.tape is None}
    if x.tape is None:
        return id(x) not in ours
    stack: list[TapeNode | None] = [x.tape]
    seen: set[int] = set()
    while stack:
        entry = stack.pop()
        if entry is None or id(entry) in seen:
            continue
        seen.add(id(entry))
        if any(s.leaf is not None and id(s.leaf) not in ours for s in entry.saved):
            return True
        stack.extend(entry.parents)
    return False


def freed(x: Any, own: Sequence[Tensor]) -> Any:
    """The value, without history if that leads to the fresh leaves alone."""
    if not isinstance(x, Tensor) or not x.requires_grad:
        return x
    if mode.grad and reaches_other(x, own):
        return x
    if mode.trace is not None:
        return mode.trace.tensor(mode.trace.node_of(x))
    return x.detach()


def map_tensors(function: Callable[[Any], Any], tree: Any) -> Any:
    """Apply a function to the leaves of a tree."""
    leaves, structure = flatten(tree)
    return unflatten(structure, [function(x) for x in leaves])


def basis(leaves: Sequence[Tensor]) -> list[Tensor]:
    """For each leaf, of n elements in all leaves together: (n, *shape), one element 1 a row."""
    total = sum(x._type.size for x in leaves)
    found, start = [], 0
    for x in leaves:
        size = x._type.size
        columns = eye(total, dtype=x.dtype)[:, start : start + size]
        found.append(columns.reshape((total, *x.shape)))
        start += size
    return found


def columns_of(rows: Tensor, leaves: Sequence[Tensor], last: bool) -> list[Tensor]:
    """Split what ``basis`` gave rise to, (n, *shape), by leaf: (*leaf, *shape).

    With ``last`` the leaf's axes come last.
    """
    found, start = [], 0
    shape = tuple(rows.shape[1:])
    for x in leaves:
        size = x._type.size
        part = rows[start : start + size].reshape((*x.shape, *shape))
        if last:
            ndim = x.ndim
            part = part.permute(*range(ndim, part.ndim), *range(ndim))
        found.append(part)
        start += size
    return found
