"""Which sizes of arguments become symbolic: those that differed between calls, or were marked.

The first sizes seen are specialised. Once an axis has another size, the next compile makes it
symbolic, together with all axes that had the same sizes at the same times. Sizes 0 and 1 are
always specialised: they change what a program means (nothing to compute, broadcasting). What
cannot be symbolic is specialised too, and noted for ``explain()``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

from tinytorch import compiler
from tinytorch.errors import SizeError
from tinytorch.ir.dim import Dim
from tinytorch.tracer.sizes import Axis, Restart, SymbolicSizes
from tinytorch.tracer.specialize import Traced
from tinytorch.tracer.tensor import Tensor

_RESTARTS = 40
_NOTES = 20
_TRIES = 2


class SizeHistory:
    """The sizes that one compiled function was compiled for."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self._failed: str | None = None
        self._seen: dict[Any, list[list[Any]]] = {}
        self._fixed: Counter[tuple[Any, Axis | None]] = Counter()

    def note(self, structure: Any, leaves: list[Any]) -> None:
        """Remember the types of the arguments of a compile that was made."""
        if self._failed is not None:  # and so it was not the user's error
            self.say(self._failed)
            self._fixed[structure, None] += 1
        types = [leaf._type if isinstance(leaf, Tensor) else None for leaf in leaves]
        self._seen.setdefault(structure, []).append(types)

    def say(self, text: str) -> None:
        """Keep a line for ``explain()``."""
        if text not in self.notes and len(self.notes) < _NOTES:
            self.notes.append(text)

    def dims(self, structure: Any, leaves: list[Any]) -> dict[Axis, Dim]:
        """The axes to make symbolic in a compile for these arguments, each with its Dim."""
        self._failed = None
        if self._fixed[structure, None] >= _TRIES:
            return {}
        seen = [types for types in self._seen.get(structure, []) if _comparable(types, leaves)]
        names: dict[tuple[Any, ...], Dim] = {}
        found: dict[Axis, Dim] = {}
        for position, leaf in enumerate(leaves):
            if not isinstance(leaf, Tensor) or _is_bound(leaf):
                continue
            marked = getattr(leaf, "_dynamic", ())
            for axis, size in enumerate(leaf._type.shape):
                history = (*(types[position].shape[axis] for types in seen), size)
                if size < 2 or (axis not in marked and len(set(history)) == 1):
                    continue
                if self._fixed[structure, (position, axis)] >= _TRIES:
                    continue
                name = f"N{len(names)}"
                found[position, axis] = names.setdefault(history, Dim(name, hint=int(size)))
        return found

    def trace(
        self, structure: Any, dims: dict[Axis, Dim], run: Callable[[SymbolicSizes], Traced]
    ) -> tuple[Traced, compiler.ForAnySize] | None:
        """Trace and compile with symbolic sizes; None if all turn out to be needed as numbers.

        What failed some times is not tried again: a trace in vain would be made for each size.
        """
        for _ in range(_RESTARTS):
            if not dims:
                return None
            sizes = SymbolicSizes(dims)
            try:
                traced = run(sizes)
            except Restart as again:
                changed = {axis: again.dims.get(dim.name, dim) for axis, dim in dims.items()}
                dims = {axis: dim for axis, dim in changed.items() if dim is not None}
                self._fixed.update((structure, axis) for axis in changed.keys() - dims.keys())
                if None in again.dims.values():
                    self.say(f"specialised: {again.why}")
                continue
            except Exception as error:  # as without symbolic sizes, if it is the user's
                self._failed = f"specialised: {type(error).__name__}: {error}"
                return None
            built = self.checked(partial(compiler.build_for_any_size, traced.graph))
            return None if built is None else (traced, built)
        return None

    def checked(self, make: Callable[[], Any]) -> Any:
        """What ``make`` returns; None if it needs a size to be known."""
        try:
            return make()
        except SizeError as error:
            self._failed = f"specialised: {error}"
            return None


def _is_bound(leaf: Tensor) -> bool:
    """Whether more than a tensor's values matters: hooks, or the base of a view with history."""
    return bool(getattr(leaf, "_hooks", None)) or (leaf._base is not None and leaf.requires_grad)


def _comparable(types: list[Any], leaves: list[Any]) -> bool:
    """Whether two calls differ in the sizes of tensors at most."""
    for kind, leaf in zip(types, leaves, strict=True):
        if (kind is None) == isinstance(leaf, Tensor):
            return False
        if kind is not None and (kind.dtype is not leaf.dtype or len(kind.shape) != leaf.ndim):
            return False
    return True


__all__ = ["SizeHistory"]
