"""Op: one row of the op table, and the family constructors that fill in what members share.

A row holds every fact of one op: its type rule, its numpy rule, its derivative, its kernel
expression, its doc. A family decides how the row is differentiated and lowered:

=============  ==========================================  ===============================
family         VJP and JVP                                 kernel
=============  ==========================================  ===============================
elementwise    from ``partials``                           ``expr`` at the same index
movement       ``transpose``; the JVP is the op itself     an index map
reduction      ``transpose`` or ``weight``                 an accumulator
contraction    one transpose an operand                    library call, or a loop nest
indexing       ``transpose``                               an index loaded from memory
scan           by scans the other way                      a loop that carries a value
ordering       none: a gather of it has one                merges of sorted runs
source         none                                        ``expr`` of the index
=============  ==========================================  ===============================

Rules are written with the ops themselves and Python operators on handles of values, so they read
like user code and can be differentiated again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from tinytorch.errors import TypeRuleError
from tinytorch.ir.types import DType, TensorType, ValueType, bool_, format_shape

Handle: TypeAlias = Any
"""A handle on a value that supports operators: ``graph.Proxy``, or the tracer's Tensor."""
Attrs: TypeAlias = Mapping[str, Any]
Infer: TypeAlias = Callable[[tuple[Any, ...], Attrs], Any]
"""A type rule: gives a ValueType, read as a TensorType nearly everywhere."""


@dataclass(frozen=True, eq=False)
class Op:
    """One op. Calling it asks its first handle operand to apply it."""

    name: str
    family: str
    doc: str
    infer: Infer
    eager: Callable[..., Any]
    expr: str | None = None
    vjp: Callable[..., tuple[Handle | None, ...]] | None = None
    jvp: Callable[..., Handle] | None = None
    result: DType | None = None
    """dtype of the result where it differs from the operands' (comparisons: bool)."""
    floating: bool = False
    """Operands of integer dtype are promoted to the default float (exp, div, ...)."""
    linear: bool = False
    """Linear in its first operand, so its VJP needs no saved value."""
    commutative: bool = False
    moves: bool = False
    """Elements of the result are elements of the operands, bit for bit."""
    accumulates: bool = False
    """Adds many elements up: halves are added in float32, and the sum rounded once."""
    effect: bool = False
    """Can fail at run time: never removed, even if its value is unused."""
    costly: int = 1
    """Relative cost of one scalar evaluation; above 4, recomputing it is avoided."""
    version: int = 1
    """Raise when the meaning changes, so that caches never serve the old one."""
    samples: tuple[Any, ...] = field(default=())

    def __call__(self, *operands: Handle, **attrs: Any) -> Handle:
        """Apply to handles (and Python numbers, for elementwise ops)."""
        for operand in operands:
            apply = getattr(operand, "apply_op", None)
            if apply is not None:
                return apply(self, operands, attrs)
        raise TypeError(f"{self.name} needs at least one tensor, got {operands!r}")

    def __repr__(self) -> str:
        return f"Op({self.name})"


TABLE: dict[str, Op] = {}


def register(op: Op) -> Op:
    """Enter a row into the table; raise ValueError if the name is taken."""
    if op.name in TABLE:
        raise ValueError(f"op {op.name!r} stands twice in the table")
    TABLE[op.name] = op
    return op


def fail(op: str, why: str, *types: ValueType) -> TypeRuleError:
    """Return the error of a type rule, naming the op and its operands."""
    return TypeRuleError(f"{op}({', '.join(str(t) for t in types)}): {why}")


# --------------------------------------------------------------- elementwise


def elementwise(
    name: str,
    doc: str,
    *,
    expr: str,
    eager: Callable[..., Any],
    partials: tuple[Callable[..., Any] | None, ...] = (),
    result: DType | None = None,
    **traits: Any,
) -> Op:
    """Row of an elementwise op on operands of one type.

    ``partials[i](y, *xs)`` is dy/dx_i as a handle or a Python number; None where the derivative is
    zero everywhere. Without partials the op is not differentiable.
    """

    def infer(types: tuple[TensorType, ...], attrs: Attrs) -> TensorType:
        first = types[0]
        for other in types[1:]:
            if other.shape != first.shape or other.dtype is not first.dtype:
                raise fail(name, "operands must have one shape and dtype", *types)
        weak = all(t.weak for t in types)
        return TensorType(result or first.dtype, first.shape, weak)

    def vjp(g: Handle, y: Handle, *xs: Handle, **attrs: Any) -> tuple[Handle | None, ...]:
        return tuple(
            None if p is None else _scale(g, p(y, *xs, **attrs)) for p in partials
        )

    def jvp(tangents: tuple[Handle | None, ...], y: Handle, *xs: Handle, **attrs: Any) -> Handle:
        return add_all(
            _scale(t, p(y, *xs, **attrs))
            for t, p in zip(tangents, partials, strict=True)
            if t is not None and p is not None
        )

    differentiable = bool(partials)
    return register(
        Op(
            name, "elementwise", doc, infer, eager, expr,
            vjp if differentiable else None, jvp if differentiable else None,
            result=result, **traits,
        )
    )  # fmt: skip


def predicate(name: str, doc: str, *, expr: str, eager: Callable[..., Any], **traits: Any) -> Op:
    """Row of an elementwise op whose result is bool."""
    return elementwise(name, doc, expr=expr, eager=eager, result=bool_, **traits)


@dataclass(frozen=True)
class Mask:
    """A partial derivative of 1 where a condition holds and 0 elsewhere.

    Applied as a choice, not a product: 0 * inf would be NaN.
    """

    condition: Handle


def _scale(g: Handle, partial: Any) -> Handle:
    """Return ``g * partial``, without a multiplication by 1 or -1."""
    if isinstance(partial, Mask):
        return OPS_BY_NAME("where")(partial.condition, g, g.constant(0))
    if isinstance(partial, int | float):
        return g if partial == 1 else (-g if partial == -1 else g * partial)
    return g * partial


def add_all(terms: Any) -> Handle | None:
    """Sum of handles; None if there is none."""
    total = None
    for term in terms:
        total = term if total is None else total + term
    return total


# ------------------------------------------------------------- other families


def linear(
    name: str,
    family: str,
    doc: str,
    *,
    infer: Infer,
    eager: Callable[..., Any],
    transpose: Callable[..., tuple[Handle | None, ...]],
    operands: int | None = 1,
    **traits: Any,
) -> Op:
    """Row of an op linear in its first ``operands`` operands together (all of them, if None).

    ``transpose(g, *xs, **attrs)`` returns a cotangent for each operand, None for the others. The
    JVP applies the op itself to the tangents, zeros standing in for absent ones.
    """

    def vjp(g: Handle, y: Handle, *xs: Handle, **attrs: Any) -> tuple[Handle | None, ...]:
        return transpose(g, *xs, **attrs)

    def jvp(tangents: tuple[Handle | None, ...], y: Handle, *xs: Handle, **attrs: Any) -> Handle:
        n = len(xs) if operands is None else operands
        moved = [
            (x * 0 if t is None else t) for t, x in zip(tangents[:n], xs[:n], strict=True)
        ]
        return OPS_BY_NAME(name)(*moved, *xs[n:], **attrs)

    return register(
        Op(name, family, doc, infer, eager, vjp=vjp, jvp=jvp, linear=True, **traits)
    )


def multilinear(
    name: str,
    family: str,
    doc: str,
    *,
    infer: Infer,
    eager: Callable[..., Any],
    transposes: tuple[Callable[..., Handle], ...],
    **traits: Any,
) -> Op:
    """Row of an op linear in each operand by itself; the JVP is the product rule."""

    def vjp(g: Handle, y: Handle, *xs: Handle, **attrs: Any) -> tuple[Handle | None, ...]:
        return tuple(t(g, *xs, **attrs) for t in transposes)

    def jvp(tangents: tuple[Handle | None, ...], y: Handle, *xs: Handle, **attrs: Any) -> Handle:
        op = OPS_BY_NAME(name)
        return add_all(
            op(*xs[:i], t, *xs[i + 1 :], **attrs)
            for i, t in enumerate(tangents)
            if t is not None
        )

    return register(Op(name, family, doc, infer, eager, vjp=vjp, jvp=jvp, **traits))


def opaque(
    name: str,
    family: str,
    doc: str,
    *,
    infer: Infer,
    eager: Callable[..., Any],
    **traits: Any,
) -> Op:
    """Row of an op without a derivative, or with explicit ``vjp`` and ``jvp`` among the traits."""
    return register(Op(name, family, doc, infer, eager, **traits))


def OPS_BY_NAME(name: str) -> Op:
    """Look an op up by name, late, so that a row may refer to itself and to later rows."""
    return TABLE[name]


# ------------------------------------------------------- shared argument rules


def check_axes(op: str, axes: Any, type: TensorType) -> None:
    """Raise TypeRuleError unless axes are sorted, unique and inside the operand's rank."""
    if list(axes) != sorted(set(axes)) or any(not 0 <= a < type.ndim for a in axes):
        raise fail(op, f"axes {list(axes)} do not fit rank {type.ndim}", type)


def as_dtype(value: Any, dtype: DType) -> np.ndarray:
    """Return a numpy result as an array of the inferred dtype (numpy hands out scalars for 0-d)."""
    array = np.asarray(value)
    return array if array.dtype == dtype.numpy else array.astype(dtype.numpy)


__all__ = [
    "Attrs", "Handle", "Mask", "Op", "TABLE", "add_all", "as_dtype", "check_axes", "elementwise",
    "fail", "format_shape", "linear", "multilinear", "opaque", "predicate", "register",
]  # fmt: skip
