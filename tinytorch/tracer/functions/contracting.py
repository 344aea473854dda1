"""Sums of products by letters: each contraction of two operands is one batched matrix product."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tinytorch.ir import ops
from tinytorch.tracer.functions.viewing import diagonal
from tinytorch.tracer.shapes import check_tensor, expand, permute, reshape
from tinytorch.tracer.tensor import Tensor

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_REST = "..."

Labels = list[Any]
"""A label for each axis: a letter, or (``"..."``, n) for the n-th axis, from the end, of it."""


def _read(text: str, name: str) -> Labels:
    """Letters and the ellipsis of one operand."""
    text = text.replace(" ", "")
    labels: Labels = []
    while text:
        if text.startswith(_REST):
            if _REST in labels:
                raise ValueError(f"einsum(): found a second ellipsis in {name}")
            labels.append(_REST)
            text = text[3:]
        elif text[0] in _LETTERS:
            labels.append(text[0])
            text = text[1:]
        else:
            raise ValueError(
                f"einsum(): invalid subscript given at {text[0]!r} in {name}, subscripts must be "
                "in [a-zA-Z]"
            )
    return labels


def _from_lists(args: Sequence[Any]) -> tuple[str, list[Tensor]]:
    """``einsum(a, [0, 1], b, [1, 2], [0, 2])`` as an equation."""
    def text(labels: Sequence[Any]) -> str:
        letters = []
        for label in labels:
            if label is Ellipsis:
                letters.append(_REST)
            elif not 0 <= label < len(_LETTERS):
                raise ValueError(
                    f"einsum(): subscripts in each sublist must be in [0, 52), got {label}"
                )
            else:
                letters.append(_LETTERS[label])
        return "".join(letters)

    operands, lists = list(args[0::2]), list(args[1::2])
    out = None
    if len(args) % 2:
        out = text(operands.pop())
    equation = ",".join(text(x) for x in lists)
    return equation if out is None else f"{equation}->{out}", operands


def _spread(labels: Labels, ndim: int, number: int) -> Labels:
    """Replace the ellipsis by a label for each axis it stands for."""
    named = len(labels) - (_REST in labels)
    if named > ndim or (named < ndim and _REST not in labels):
        raise ValueError(
            f"einsum(): the number of subscripts in the equation ({named}) does not match the "
            f"number of dimensions ({ndim}) for operand {number}"
            + (" and no ellipsis was given" if named < ndim else "")
        )
    found: Labels = []
    for label in labels:
        found += [(_REST, n) for n in range(ndim - named, 0, -1)] if label == _REST else [label]
    return found


class _Term:
    """A tensor with a label, its own, for each axis."""

    def __init__(self, value: Tensor, labels: Labels) -> None:
        self.value = value
        self.labels = labels
        for label in dict.fromkeys(labels):
            while self.labels.count(label) > 1:
                self._merge(label)

    def _merge(self, label: Any) -> None:
        first = self.labels.index(label)
        second = self.labels.index(label, first + 1)
        sizes = self.value.shape[first], self.value.shape[second]
        if sizes[0] != sizes[1]:
            raise RuntimeError(
                f"einsum(): subscript {label} is repeated for one operand but the sizes don't "
                f"match, {sizes[1]} != {sizes[0]}"
            )
        self.value = diagonal(self.value, 0, first, second)
        self.labels = [x for i, x in enumerate(self.labels) if i not in (first, second)] + [label]

    def size(self, label: Any) -> Any:
        """Size of an axis; 1 where there is none."""
        return self.value._type.shape[self.labels.index(label)] if label in self.labels else 1

    def summed(self, kept: set[Any]) -> _Term:
        """Sum over all labels but those kept."""
        axes = tuple(i for i, x in enumerate(self.labels) if x not in kept)
        if not axes:
            return self
        left = [x for x in self.labels if x in kept]
        shape = tuple(s for i, s in enumerate(self.value._type.shape) if i not in axes)
        return _Term(reshape(ops.sum_(self.value, axes=axes), shape), left)

    def arranged(self, labels: Labels) -> Tensor:
        """Axes in the order of these labels, with size 1 where there is none."""
        order = [self.labels.index(x) for x in labels if x in self.labels]
        moved = permute(self.value, *order) if order != list(range(len(order))) else self.value
        return reshape(moved, tuple(self.size(x) for x in labels))


def _times(a: _Term, b: _Term, kept: set[Any]) -> _Term:
    """The product of two terms, summed over the labels that nothing else needs."""
    a = a.summed(kept | set(b.labels))
    b = b.summed(kept | set(a.labels))
    shared = [x for x in a.labels if x in b.labels]
    inside = [x for x in shared if x not in kept and a.size(x) == b.size(x) and a.size(x) != 1]
    if not inside:
        labels = [*a.labels, *(x for x in b.labels if x not in a.labels)]
        return _Term(a.arranged(labels) * b.arranged(labels), labels).summed(kept)
    rest = [x for x in shared if x not in inside]
    batch = [x for x in rest if x in kept or a.size(x) != b.size(x) or a.size(x) == 1]
    left = [x for x in a.labels if x not in shared]
    right = [x for x in b.labels if x not in shared]
    sizes = {x: b.size(x) if a.size(x) == 1 else a.size(x) for x in [*a.labels, *b.labels]}

    def merged(term: _Term, groups: list[Labels]) -> Tensor:
        flat = [x for group in groups for x in group]
        full = expand(term.arranged(flat), *(sizes[x] for x in flat))
        return reshape(full, tuple(_total(sizes[x] for x in group) for group in groups))

    rows, cols = merged(a, [batch, left, inside]), merged(b, [batch, inside, right])
    labels = [*batch, *left, *right]
    product = ops.matmul(rows, cols)
    return _Term(reshape(product, tuple(sizes[x] for x in labels)), labels).summed(kept)


def _total(sizes: Any) -> Any:
    total: Any = 1
    for size in sizes:
        total = total * size
    return total


def _check_sizes(terms: list[_Term]) -> None:
    sizes: dict[Any, Any] = {}
    for term in terms:
        for label in term.labels:
            size, known = term.size(label), sizes.setdefault(label, term.size(label))
            if known == 1:
                sizes[label] = size
            elif size != 1 and size != known:
                raise RuntimeError(
                    f"einsum(): subscript {label if isinstance(label, str) else '...'} has size "
                    f"{size} for operand {terms.index(term)} which does not broadcast with "
                    f"previously seen size {known}"
                )


def einsum(equation: Any, *operands: Any) -> Tensor:
    """Sum of products by Einstein's convention: ``einsum("bij,bjk->bik", a, b)``.

    Letters may repeat within an operand (a diagonal), an ellipsis broadcasts, the result may be
    left out (letters that occur once, in order), and lists of ints may stand for the equation.
    Operands are contracted from left to right.
    """
    if not isinstance(equation, str):
        equation, given = _from_lists((equation, *operands))
    else:
        given = list(operands[0]) if len(operands) == 1 and isinstance(
            operands[0], tuple | list
        ) else list(operands)
    if not given:
        raise ValueError("einsum(): must provide at least one operand")
    text, arrow, wanted = equation.partition("->")
    parts = text.split(",")
    if len(parts) != len(given):
        more = "fewer" if len(given) > len(parts) else "more"
        raise ValueError(f"einsum(): {more} subscripts than operands were provided in the equation")
    terms = [
        _Term(x, _spread(_read(part, f"operand {i}"), check_tensor(x, "einsum").ndim, i))
        for i, (part, x) in enumerate(zip(parts, given, strict=True))
    ]
    _check_sizes(terms)
    result = _result(terms, "".join(parts), wanted if arrow else None)
    total = terms[0]
    for n, term in enumerate(terms[1:], 2):
        later = {x for t in terms[n:] for x in t.labels}
        total = _times(total, term, later | set(result))
    out = total.summed(set(result)).arranged(result)
    return out if len(terms) > 1 or out is not given[0] else out.clone()


def _result(terms: list[_Term], letters: str, wanted: str | None) -> Labels:
    """Labels of the result, the ellipsis' axes spelled out."""
    width = max((x[1] for t in terms for x in t.labels if isinstance(x, tuple)), default=0)
    rest: Labels = [(_REST, n) for n in range(width, 0, -1)]
    if wanted is None:
        return rest + sorted(x for x in _LETTERS if letters.count(x) == 1)
    found: Labels = []
    for label in _read(wanted, "the output"):
        if label == _REST:
            found += rest
            continue
        if label in found:
            raise ValueError(
                f"einsum(): output subscript {label} appears more than once in the output"
            )
        if not any(label in t.labels for t in terms):
            raise ValueError(
                f"einsum(): output subscript {label} does not appear in the equation for any input "
                "operand"
            )
        found.append(label)
    return found


__all__ = ["einsum"]
METHODS: list[str] = []
