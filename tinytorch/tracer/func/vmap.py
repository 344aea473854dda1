"""``vmap``: a function of one example as a function of many, without a loop.

The function is traced on one example into a graph; ``batch`` gives every op that depends on the
examples a leading axis, and the new graph is applied op by op.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from tinytorch.ir.types import TensorType
from tinytorch.passes.graph.batching import batch
from tinytorch.tracer.shapes import cat
from tinytorch.tracer.subtrace import Closed, apply_graph, close, example_of
from tinytorch.tracer.tensor import Tensor
from tinytorch.tracer.tree import LEAF, flatten, unflatten

_RANDOMNESS = ("error", "different", "same")


def vmap(
    func: Callable[..., Any], in_dims: Any = 0, out_dims: Any = 0, randomness: str = "error", *,
    chunk_size: int | None = None,
) -> Any:  # fmt: skip
    """Return a function that maps ``func`` over an axis of its arguments.

    ``in_dims`` says which axis of each argument is mapped: an int for all, or a tuple with one
    entry an argument, each an int, None (shared by all examples) or a tree of them; ``out_dims``
    where the axis goes in the results, None where it is left out (of a result that all examples
    share). ``randomness``: ``error``, the ``same`` numbers for every example or ``different`` ones.
    ``chunk_size`` bounds how many examples are computed at a time. Keyword arguments are shared.
    The function must not branch on values (TraceError).
    """
    if randomness not in _RANDOMNESS:
        raise RuntimeError(
            "Only allowed values for randomness are 'error', 'different', or 'same'. Got "
            f"{randomness}"
        )
    if chunk_size is not None and chunk_size < 1:
        raise ValueError(f"vmap: chunk_size should be None or greater than 0. (got {chunk_size})")

    @functools.wraps(func)
    def mapped(*args: Any, **kwargs: Any) -> Any:
        leaves, structure = flatten(args)
        dims = _in_dims(in_dims, structure, len(args), leaves)
        size = _batch_size(dims, leaves)
        fronted = [
            x if d is None else _to_front(x, d) for x, d in zip(leaves, dims, strict=True)
        ]
        run = functools.partial(
            _run, func, kwargs, structure, [d is not None for d in dims], out_dims, randomness
        )
        if chunk_size is None or not isinstance(size, int) or size <= chunk_size:
            return run(fronted, size)
        return _chunked(run, fronted, dims, size, chunk_size, out_dims)

    return mapped


# ------------------------------------------------------------------ arguments


def _in_dims(in_dims: Any, structure: Any, count: int, leaves: list[Any]) -> list[Any]:
    """The mapped axis of every leaf, from 0 on, or None."""
    if not isinstance(in_dims, int | tuple | list) or isinstance(in_dims, bool):
        raise ValueError(
            f"vmap(f, in_dims={in_dims}, ...)(<inputs>): expected `in_dims` to be int or a "
            f"(potentially nested) tuple matching the structure of inputs, got: {type(in_dims)}."
        )
    if not leaves:
        raise ValueError("vmap(f)(<inputs>): got no inputs. Maybe you forgot to add inputs")
    if not isinstance(in_dims, int) and len(in_dims) != count:
        raise ValueError(
            f"vmap(f, in_dims={in_dims}, ...)(<inputs>): in_dims is not compatible with the "
            f"structure of inputs: {len(in_dims)} entries for {count} arguments."
        )
    wanted = (in_dims,) * count if isinstance(in_dims, int) else tuple(in_dims)
    spread: list[Any] = []
    for dims, part in zip(wanted, structure[1], strict=True):
        spread += _spread(dims, part, in_dims)
    found = []
    for d, x in zip(spread, leaves, strict=True):
        found.append(_checked_dim(d, x, in_dims))
    return found


def _leaf_count(structure: Any) -> int:
    leaves: list[Any] = []
    _count(structure, leaves)
    return len(leaves)


def _count(structure: Any, leaves: list[Any]) -> None:
    if structure == LEAF:
        leaves.append(None)
        return
    for part in structure[-1]:
        _count(part[1] if structure[0] is dict else part, leaves)


def _spread(dims: Any, structure: Any, shown: Any) -> list[Any]:
    """One entry a leaf: a number or None stands for a whole subtree."""
    if dims is None or isinstance(dims, int):
        return [dims] * _leaf_count(structure)
    kind, parts = structure[0], structure[-1]
    if kind is dict:
        if not isinstance(dims, dict) or set(dims) != {k for k, _ in parts}:
            raise _misfit(shown)
        pairs = [(dims[k], part) for k, part in parts]
    elif kind in (tuple, list, "named"):
        if not isinstance(dims, tuple | list) or len(dims) != len(parts):
            raise _misfit(shown)
        pairs = list(zip(dims, parts, strict=True))
    else:
        raise _misfit(shown)
    return [d for item, part in pairs for d in _spread(item, part, shown)]


def _misfit(shown: Any) -> ValueError:
    return ValueError(
        f"vmap(f, in_dims={shown}, ...)(<inputs>): in_dims is not compatible with the structure of "
        "inputs."
    )


def _checked_dim(d: Any, x: Any, shown: Any) -> Any:
    if d is None:
        return None
    if not isinstance(d, int):
        raise ValueError(
            f"vmap(f, in_dims={shown}, ...)(<inputs>): Got in_dim={d} for an input but in_dim must "
            "be either an integer dimension or None."
        )
    if not isinstance(x, Tensor):
        raise ValueError(
            f"vmap(f, in_dims={shown}, ...)(<inputs>): Got in_dim={d} for an input but the input "
            f"is of type {type(x)}. We cannot vmap over non-Tensor arguments, please use None as "
            "the respective in_dim"
        )
    if not -x.ndim <= d < x.ndim:
        raise ValueError(
            f"vmap(f, in_dims={shown}, ...)(<inputs>): Got in_dim={d} for some input, but that "
            f"input is a Tensor of dimensionality {x.ndim} so expected in_dim to satisfy "
            f"-{x.ndim} <= in_dim < {x.ndim}."
        )
    return d % x.ndim


def _batch_size(dims: list[Any], leaves: list[Any]) -> Any:
    sizes = [x._type.shape[d] for d, x in zip(dims, leaves, strict=True) if d is not None]
    if not sizes:
        raise ValueError(
            "vmap(f, in_dims)(<inputs>): at least one Tensor needs to be mapped: every in_dim is "
            "None"
        )
    if any(n != sizes[0] for n in sizes):
        raise ValueError(
            "vmap: Expected all tensors to have the same size in the mapped dimension, got sizes "
            f"{sizes} for the mapped dimension"
        )
    return sizes[0]


def _to_front(x: Tensor, axis: int) -> Tensor:
    return x.permute(axis, *(i for i in range(x.ndim) if i != axis)) if axis else x


def _from_front(x: Tensor, axis: int) -> Tensor:
    order = list(range(1, x.ndim))
    order.insert(axis % x.ndim, 0)
    return x.permute(*order) if axis % x.ndim else x


# -------------------------------------------------------------------- running


def _run(
    func: Callable[..., Any], kwargs: dict[str, Any], structure: Any, mapped: list[bool],
    out_dims: Any, randomness: str, leaves: list[Any], size: Any,
) -> Any:  # fmt: skip
    """Trace on one example, batch, apply."""
    chosen = [i for i, flag in enumerate(mapped) if flag]

    def example(*values: Tensor) -> Any:
        given = list(leaves)
        for i, value in zip(chosen, values, strict=True):
            given[i] = value
        return func(*unflatten(structure, given), **kwargs)

    name = getattr(func, "__name__", "vmap")
    examples = [_example(leaves[i]) for i in chosen]
    closed = close(example, examples, name if name.isidentifier() else "vmap")
    flags = [True] * closed.count + [False] * len(closed.captures)
    graph, flagged = batch(closed.graph, flags, size, randomness, closed.draws)
    outputs = list(apply_graph(graph, [*(leaves[i] for i in chosen), *closed.operands()]))
    times = size if randomness == "different" else 1
    replace(closed, draws=closed.draws * times).advance()
    return _placed(closed, outputs, flagged, size, out_dims)


def _example(x: Tensor) -> Tensor:
    kind = TensorType(x.dtype, x._type.shape[1:])
    return example_of(kind, x.requires_grad)


def _placed(
    closed: Closed, outputs: list[Tensor], flagged: list[bool], size: Any, out_dims: Any
) -> Any:
    """The results with the mapped axis where it belongs."""
    for r in closed.results:
        if isinstance(r, tuple):
            raise ValueError(
                f"vmap(f, ...): `f` must only return Tensors, got type {type(r[0])} as a return."
            )
    dims = _out_dims(out_dims, closed.structure, len(outputs))
    placed = []
    for y, flag, d in zip(outputs, flagged, dims, strict=True):
        if d is None:
            if flag:
                raise ValueError(
                    "vmap(f, ..., out_dims): can not return a batched tensor when out_dim is None"
                )
            placed.append(y)
            continue
        whole = y if flag else y.unsqueeze(0).expand(size, *y.shape)
        if not -whole.ndim <= d < whole.ndim:
            raise IndexError(
                f"Dimension out of range (expected to be in range of [{-whole.ndim}, "
                f"{whole.ndim - 1}], but got {d})"
            )
        placed.append(_from_front(whole, d))
    return closed.unflatten(placed)


def _out_dims(out_dims: Any, structure: Any, count: int) -> list[Any]:
    """One entry a result."""
    if out_dims is None or isinstance(out_dims, int):
        return [out_dims] * count
    if structure == LEAF and isinstance(out_dims, tuple | list) and len(out_dims) == 1:
        return list(out_dims)
    try:
        return _spread(out_dims, structure, out_dims)
    except (ValueError, KeyError, IndexError, TypeError):
        raise ValueError(
            f"vmap(f, ..., out_dims={out_dims})(<inputs>): out_dims is not compatible with the "
            "structure of outputs."
        ) from None


def _chunked(
    run: Callable[..., Any], leaves: list[Any], dims: Sequence[Any], size: int, chunk: int,
    out_dims: Any,
) -> Any:  # fmt: skip
    """Run so many examples at a time and join the results."""
    pieces = []
    for start in range(0, size, chunk):
        stop = min(start + chunk, size)
        part = [
            x if d is None else x[start:stop] for x, d in zip(leaves, dims, strict=True)
        ]
        pieces.append(run(part, stop - start))
    structure = flatten(pieces[0])[1]
    columns = zip(*(flatten(p)[0] for p in pieces), strict=True)
    wanted = _out_dims(out_dims, structure, len(flatten(pieces[0])[0]))
    joined = [
        column[0] if d is None else cat(list(column), d)
        for column, d in zip(columns, wanted, strict=True)
    ]
    return unflatten(structure, joined)


__all__ = ["vmap"]
