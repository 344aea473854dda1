"""Tensor: a view on a Storage, with PyTorch's surface.

Outside a trace a tensor holds a numpy array and ops run at once. Inside a trace a tensor made by
the trace holds no memory: its Storage stands for the current value in the graph under
construction, and a view is its base plus a chain of movement ops, derived again after a write.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tinytorch.ir import ops
from tinytorch.ir.op import Op
from tinytorch.ir.operators import Operators, beside_a_number, matched, needs_matching
from tinytorch.ir.storage import run_rule, stored
from tinytorch.ir.types import DType, TensorType, TupleType, bfloat16, from_numpy_dtype
from tinytorch.tracer.mode import mode
from tinytorch.tracer.number import plain, plain_attrs
from tinytorch.tracer.reading import Readable
from tinytorch.tracer.recorded import Recorded
from tinytorch.tracer.refusals import check_data, foreign, no_memory, refuse_number
from tinytorch.tracer.storage import LentStorage, Storage, contiguous_strides, is_contiguous
from tinytorch.tracer.tape import RETAIN, Saved, TapeNode, pick, saves_nothing
from tinytorch.tracer.tracked import touch
from tinytorch.tracer.views import Size, root_of, write_back

TRACED = TapeNode(ops.detach, {}, (), (), None)
"""Stands in as the history of a tensor computed inside a trace."""
FREED = TapeNode(ops.mul, {}, (), (), None)
"""History of a result whose backward pass already ran inside a compiled call."""
FREED.freed = True

_new = object.__new__


class Tensor(Readable, Recorded, Operators):
    """A multi-dimensional array that can record how it was computed.

    Made by ``tinytorch.tensor`` and the other factories; as ``Tensor(2, 3)`` or ``Tensor([1, 2])``
    (see typed.py) in the manner of old.
    """

    __slots__ = (
        "__weakref__", "_array", "_base", "_chain", "_dynamic", "_hooks", "_memo", "_pointer",
        "_storage", "_strides", "_type",
    )  # fmt: skip

    _type: TensorType
    _array: np.ndarray | None
    _storage: Storage
    _strides: tuple[int, ...]
    _base: Tensor | None
    _chain: tuple[tuple[Op, Any], ...]
    _hooks: Any  # absent unless a hook was registered on this leaf: see hooks.py
    _memo: Any
    _pointer: int
    _dynamic: frozenset[int]  # axes marked by mark_dynamic; set there alone

    if TYPE_CHECKING:  # methods are bound by name, from the table of functions

        def __getitem__(self, index: Any) -> Any: ...

        def __getattr__(self, name: str) -> Any: ...

    @staticmethod
    def make(
        type: TensorType, array: np.ndarray | None, storage: Storage | None = None,
        strides: tuple[int, ...] | None = None, cls: Any = None,
    ) -> Tensor:  # fmt: skip
        """Build a tensor on an array (or, inside a trace, on none)."""
        self: Any = _new(cls or Tensor)
        self._type = type
        self._array = array
        self._storage = Storage(array) if storage is None else storage
        self._strides = contiguous_strides(type.shape) if strides is None else strides
        self._base = None
        self._chain = ()
        self._requires = False
        self._grad = None
        self._tape = None
        self._tape_version = 0
        self._memo = None
        self._pointer = 0
        return self

    @staticmethod
    def wrap(array: np.ndarray) -> Tensor:
        """Build a tensor on a numpy array without a copy."""
        if array.dtype.name == "bfloat16":
            array = array.view(bfloat16.numpy)
        type = TensorType(from_numpy_dtype(array.dtype), array.shape)
        item = max(1, array.itemsize)
        return Tensor.make(type, array, None, tuple(s // item for s in array.strides))

    def lend(self) -> Tensor:
        """Note that others than tensors see this memory too; return the tensor."""
        self._storage.__class__ = LentStorage
        return self

    # ------------------------------------------------------------ properties

    @property
    def aval(self) -> TensorType:  # type: ignore[override]
        """dtype and shape as the compiler sees them."""
        return self._type

    @property
    def shape(self) -> Size:
        """Sizes of the axes."""
        shape = self._type.shape
        return Size(shape) if mode.sizes is None else Size(mode.sizes.shape(shape))

    @property
    def dtype(self) -> DType:
        """Element type."""
        return self._type.dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self._type.shape)

    @property
    def data(self) -> Tensor:
        """The same memory without history."""
        return self.detach()

    @data.setter
    def data(self, value: Tensor) -> None:
        check_data(self, value)
        if mode.trace is not None:
            mode.trace.set_data(self, value)
        else:
            self.show_memory_of(value)

    def show_memory_of(self, other: Tensor) -> None:
        """Become another tensor's memory, type and shape; whoever holds this one sees them."""
        self._type, self._array = other._type, other._array
        self._storage, self._strides = other._storage, other._strides
        self._base, self._chain, self._memo, self._pointer = None, (), None, 0
        touch()

    @property
    def _version(self) -> int:
        """How often the tensor's memory was written to in place."""
        return self._storage.version

    @property
    def array(self) -> np.ndarray:
        """The numpy array; raises TraceError for a tensor that belongs to a trace."""
        if self._array is None:
            raise foreign(self)
        return self._array

    # -------------------------------------------------------------- dispatch

    def apply_op(self, op: Op, operands: Sequence[Any], attrs: Any) -> Any:
        """Run an op now, or record it if a trace is active."""
        if needs_matching(op):
            wide = beside_a_number(op, operands)
            if wide is not None:
                return wide
            operands = matched(op, operands, mode.default_dtype)
        if mode.trace is not None:
            return mode.trace.record(op, operands, attrs)
        return run_eager(op, operands, attrs)

    def constant(
        self, value: Any, shape: Any = None, dtype: Any = None, weak: bool = False
    ) -> Tensor:
        """Return a number as a tensor, by default of this tensor's shape and dtype."""
        shape = self._type.shape if shape is None else tuple(shape)
        dtype = dtype or self._type.dtype
        if mode.trace is not None:
            return mode.trace.constant(value, shape, dtype)
        with np.errstate(all="ignore"):
            return Tensor.wrap(np.broadcast_to(stored(value, dtype), shape))

    def view_as_op(self, op: Op, attrs: Any, strides: tuple[int, ...]) -> Tensor:
        """Apply a movement op as a view: same storage, other strides."""
        if mode.sizes is not None:
            attrs, strides = plain_attrs(attrs), plain(strides)
        inferred = op.infer((self._type,), attrs)
        if mode.trace is not None:
            return mode.trace.view(self, op, attrs, inferred, strides)
        array = op.eager(self.array, **attrs)
        view = Tensor.make(inferred, array, self._storage, strides)
        view._base = root_of(self)
        view._chain = (*self._chain, (op, attrs))
        view._tape_version = self._storage.tape_version
        if mode.grad and self.requires_grad:
            view._tape = _record(op, attrs, (self,), array)
        return view

    # --------------------------------------------------------------- writing

    def assign(self, value: Tensor) -> Tensor:
        """Write a value of this shape and dtype in place; views and bases see it."""
        if mode.trace is not None:
            mode.trace.write(self, value)
            return self
        root = root_of(self)
        if mode.grad and root._requires:
            what = "a leaf Variable" if self._requires else "a view of a leaf Variable"
            raise RuntimeError(f"{what} that requires grad is being used in an in-place operation.")
        if not self.array.flags.writeable:
            raise RuntimeError(
                "unsupported operation: more than one element of the written-to tensor refers to "
                "a single memory location. Please clone() the tensor before performing the "
                "operation."
            )
        if self._storage.inference and not mode.inference:
            raise RuntimeError(
                "Inplace update to inference tensor outside InferenceMode is not allowed. You can "
                "make a clone to get a normal tensor before doing inplace update."
            )
        recording = mode.grad and (self.requires_grad or value.requires_grad)
        history = None
        if recording and self._base is not None:
            updated = write_back(root, self._chain, value)
            np.copyto(root.array, updated.array)
            history = updated.tape
        else:
            history = value.tape
            if recording and history is None:  # what was there gets a gradient of zero
                attrs = {"starts": (0,) * self.ndim, "steps": (1,) * self.ndim}
                history = _record(ops.update_slice, attrs, (self, value), value.array)
            np.copyto(self.array, value.array)
        self._storage.version += 1
        if recording and history is not None:
            _take_over(root, history)
        return self

    # -------------------------------------------------------------- autograd

    def detach(self) -> Tensor:
        """Return the same memory without history."""
        if mode.trace is not None:
            return mode.trace.detach(self)
        return Tensor.make(self._type, self.array, self._storage, self._strides)

    def detach_(self) -> Tensor:
        """Drop the tensor's history: it becomes a leaf that requires no gradient."""
        if self._base is not None and (self.requires_grad or self._base.requires_grad):
            raise RuntimeError(
                "Can't detach views in-place. Use detach() instead. If you are using DDP, verify "
                "that the view is made outside of it."
            )
        if mode.trace is not None:
            mode.trace.detach_in_place(self)
        else:
            if self._requires:
                touch()
            self._tape, self._requires = None, False
        return self

    def __len__(self) -> int:
        if not self._type.shape:
            raise TypeError("len() of a 0-d tensor")
        return int(self.shape[0])

    def is_contiguous(self) -> bool:
        """Whether elements lie in row-major order without gaps."""
        return is_contiguous(self._type.shape, self._strides)


# -------------------------------------------------------------------- eager


def run_eager(
    op: Op, operands: Sequence[Any], attrs: Any, flows: Sequence[bool] | None = None
) -> Any:
    """Run an op with its numpy rule; link the result to its operands if a gradient is wanted."""
    for x in operands:
        if not isinstance(x, Tensor):
            refuse_number(x)
    inferred = op.infer(tuple(x._type for x in operands), attrs)
    if isinstance(inferred, TupleType):
        return _run_structure(op, operands, attrs, inferred, flows)
    try:
        result = _run(op, operands, attrs, inferred)
    except (MemoryError, ValueError) as error:  # numpy has a ValueError for sizes beyond all bounds
        if isinstance(error, MemoryError) or "too big" in str(error):
            raise no_memory(inferred.shape, inferred.dtype) from None
        raise
    out = Tensor.make(inferred, result)
    if op is ops.broadcast_to:
        out._strides = tuple(s // result.itemsize for s in result.strides)
    if (
        mode.grad and op.vjp is not None and inferred.dtype.is_floating_point
        and any(x.requires_grad for x in operands)
    ):  # fmt: skip
        out._tape = _record(op, attrs, operands, result)
        out._tape.made = leaf_value(out)
    return out


def _run(op: Op, operands: Sequence[Any], attrs: Any, type: TensorType) -> np.ndarray:
    """The value of an op, in row-major order; of a broadcast, a view."""
    result: np.ndarray = run_rule(op, [x.array for x in operands], attrs, type)
    if op is ops.broadcast_to:
        return result
    if op.family == "movement":
        return np.array(result, order="C")  # numpy may hand out a view; this is a value
    return result if result.flags.c_contiguous else np.ascontiguousarray(result)


def _run_structure(
    op: Op, operands: Sequence[Any], attrs: Any, inferred: TupleType, flows: Sequence[bool] | None
) -> Any:
    """Run an op with several results, each a tensor of its own; the tape keeps copies."""
    types: Any = inferred.items
    results = op.eager(*(x.array for x in operands), **attrs)
    arrays = tuple(
        np.array(a, t.dtype.numpy, order="C") for a, t in zip(results, types, strict=True)
    )
    recording = mode.grad and any(x.requires_grad for x in operands)
    tape = _record(op, attrs, operands, arrays) if recording else None
    found = []
    for index, (array, item) in enumerate(zip(arrays, types, strict=True)):
        carries = item.dtype.is_floating_point and (flows is None or flows[index])
        out = Tensor.make(item, array.copy() if tape is not None else array)
        if tape is not None and carries:
            out._tape = pick(tape, index, array)
        found.append(out)
    return tuple(found)


def apply_node(
    op: Op, operands: Sequence[Any], attrs: Any, flows: Sequence[bool] | None = None
) -> Any:
    """Apply an op of a graph to tensors that match already.

    Several results come as a tuple; ``flows`` says which of them carry gradients (else all may).
    """
    if op is ops.get:
        return operands[0][attrs["index"]]
    if op is ops.tuple_:
        return tuple(operands)
    if mode.trace is not None:
        return mode.trace.record(op, operands, attrs, flows)
    return run_eager(op, operands, attrs, flows)


def leaf_value(x: Tensor) -> Saved:
    """A tensor's value as an op sees it."""
    return Saved(x.array, x._storage, x._type, x if x._requires and x._tape is None else None)


def _record(op: Op, attrs: Any, operands: Sequence[Any], output: Any) -> TapeNode:
    parents = tuple(x.tape for x in operands)
    if not saves_nothing(op) and any(x._storage.inference for x in operands):
        raise RuntimeError(
            "Inference tensors cannot be saved for backward. To work around you can make a clone "
            f"to use it in autograd ({op.name} would save one)."
        )
    return TapeNode(op, attrs, parents, tuple(leaf_value(x) for x in operands), output)


def _take_over(root: Tensor, history: TapeNode) -> None:
    """After a recorded write in place: the tensor's history is the written value's.

    ``retain_grad`` means the new value from now on.
    """
    touch()
    root._storage.tape_version += 1
    root._tape_version = root._storage.tape_version
    before = root._tape
    root._tape = tape = TapeNode(
        history.op, history.attrs, history.parents, history.saved, root.array
    )
    tape.made = leaf_value(root)
    retained = None if before is None or not before.hooks else before.hooks.pop(RETAIN, None)
    if retained is not None:
        tape.hooks = {RETAIN: retained}
