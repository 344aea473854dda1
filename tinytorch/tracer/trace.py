"""Trace: records one run of the user's function as a Graph.

A trace owns the graph, the current value of every storage it has seen, the tensors it captured
(each becomes an input; if written to, a state with an update), the run-time numbers, and an
overlay of ``.grad`` attributes. Nothing of the user's is changed while it records: an exception
inside the traced function leaves no half-made state.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any

from tinytorch.errors import TraceError
from tinytorch.ir import ops
from tinytorch.ir.graph import Graph, Node
from tinytorch.ir.op import Op
from tinytorch.ir.types import DType, TensorType, TupleType, count
from tinytorch.tracer.differentiation import with_history_of
from tinytorch.tracer.mode import mode, no_grad, user_origin
from tinytorch.tracer.number import Number, plain, plain_attrs
from tinytorch.tracer.numbering import Numbering
from tinytorch.tracer.rebinding import set_data
from tinytorch.tracer.refusals import foreign
from tinytorch.tracer.storage import Storage, contiguous_strides
from tinytorch.tracer.tensor import TRACED, Tensor
from tinytorch.tracer.views import base_of, write_back


def region(tensor: Tensor) -> tuple[int, ...]:
    """What tells one piece of memory from another: storage, first byte, strides and shape."""
    array = tensor.array
    return (
        id(tensor._storage), array.__array_interface__["data"][0], *array.shape, -1, *array.strides,
    )  # fmt: skip


class Trace(Numbering):
    """The recording of one call."""

    def __init__(self, name: str, default_dtype: DType) -> None:
        super().__init__(Graph(name))
        self.graph.default_dtype = default_dtype
        self.captures: list[tuple[Node, Tensor]] = []
        self.random_state: Tensor | None = None
        self.random_offset: Any = 0
        self._values: dict[Any, Node] = {}
        self._inputs: dict[Any, Node] = {}
        self._owned: dict[int, Storage] = {}
        self._detached: set[Storage] = set()
        self._labels = 0
        self._shown: dict[int, weakref.WeakSet[Tensor]] = {}
        """Views that this trace made, by the id of their base."""
        self.rebound: set[int] = set()
        """Ids of tensors from outside whose ``data`` was assigned."""
        self.token = object()

    # ------------------------------------------------------------- recording

    def record(
        self, op: Op, operands: Sequence[Any], attrs: Any, flows: Sequence[bool] | None = None
    ) -> Any:
        """Add a node for an op on tensors (and Numbers) and return a traced tensor.

        An op with several results gives a tuple; ``flows`` says which of them carry gradients.
        """
        self.graph.origin = user_origin(self.phase)
        attrs = plain_attrs(attrs)
        tensors = [self.number_as_tensor(x) if type(x) is Number else x for x in operands]
        nodes = [self.node_of(x) for x in tensors]
        node = self._added(op, tensors, nodes, attrs)
        if isinstance(node.type, TupleType):
            count = range(len(node.type.items))
            items = [self.graph.add(ops.get, [node], index=i) for i in count]
            return tuple(
                self._wrap(op, item, tensors if flows is None or flows[i] else [], nodes)
                for i, item in enumerate(items)
            )
        return self._wrap(op, node, tensors, nodes)

    def _added(self, op: Op, tensors: Sequence[Tensor], nodes: list[Node], attrs: Any) -> Node:
        """A node for an op; one of its own where a derivative may be asked for its value."""
        if mode.grad and (op.vjp is not None or op.family == "structure"):
            for x in tensors:
                if x.requires_grad:
                    return self.graph.add_distinct(op, nodes, **attrs)
        return self.graph.add(op, nodes, **attrs)

    @property
    def phase(self) -> str:
        """Phase of the step that new nodes belong to."""
        return "forward" if mode.grad else "update"

    def _wrap(self, op: Op, node: Node, tensors: list[Tensor], nodes: list[Node]) -> Tensor:
        depends = (
            (op.vjp is not None or op.family == "structure")
            and node.type.dtype.is_floating_point and any(x.requires_grad for x in tensors)
        )  # fmt: skip
        if depends and mode.grad:
            for x, n in zip(tensors, nodes, strict=True):
                self._note_leaf(x, n)
            out = self.tensor(node)
            out._tape = TRACED
            return out
        return self.tensor(self.graph.add(ops.detach, [node], label=0) if depends else node)

    def tensor(self, node: Node) -> Tensor:
        """Return a fresh traced tensor with a node as its value."""
        storage = Storage(None)
        self._owned[id(storage)] = storage
        self._values[id(storage)] = node
        type = node.type
        if type.weak:
            type = TensorType(type.dtype, type.shape)
        return Tensor.make(type, None, storage)

    def constant(self, value: Any, shape: Any, dtype: DType) -> Tensor:
        """Return a traced constant."""
        return self.tensor(self.graph.constant(plain(value), plain(shape), dtype))

    # ---------------------------------------------------------------- values

    def node_of(self, x: Any) -> Node:
        """The node that holds a tensor's current value; captures a tensor from outside."""
        if not isinstance(x, Tensor):
            raise TypeError(f"expected a tensor or a number, got {type(x).__name__}")
        base = base_of(x)
        if base is not None and self._is_traced_view(x):
            base_node = self.node_of(base)
            if x._memo is not None and x._memo[0] is base_node:
                return x._memo[1]
            node = base_node
            for op, attrs in x._chain:
                node = self._added(op, [x], [node], attrs)
            x._memo = (base_node, node)
            return node
        if x._array is None:
            node_or_none = self._values.get(id(x._storage))
            if node_or_none is None or id(x._storage) not in self._owned:
                return self.capture_traced(x)
            return node_or_none
        key = region(x)
        if key not in self._values:
            self.capture(x)
        return self._values[key]

    @staticmethod
    def _is_traced_view(x: Tensor) -> bool:
        return x._array is None and x._base is not None

    def capture(self, x: Tensor, name: str = "") -> Node:
        """Make an outside tensor an input of the graph; views of one region share one."""
        key = region(x)
        if mode.sizes is not None:
            mode.sizes.check_capture(x)
        node = self._inputs.get(key)
        if node is None:
            node = self.graph.add_input(x._type, name or f"t{len(self.captures)}")
            self._inputs[key] = node
            self._values[key] = node
            self.captures.append((node, x))
        return node

    def captured(self, x: Tensor) -> bool:
        """Whether the memory of a tensor from outside became an input."""
        return region(x) in self._inputs

    def capture_traced(self, x: Tensor) -> Node:
        """The node of a tensor of another trace: there is none."""
        raise foreign(x)

    def owns(self, x: Tensor) -> bool:
        """Whether a tensor without memory was made by this trace, or one around it."""
        return id(x._storage) in self._owned

    def sees(self, trace: Any) -> bool:
        """Whether numbers of a trace may be used in this one."""
        return trace is self

    def value_of_capture(self, x: Tensor) -> Node:
        """Current value of a captured tensor's memory."""
        return self._values[region(x)]

    def view(
        self, x: Tensor, op: Op, attrs: Any, type: TensorType, strides: tuple[int, ...]
    ) -> Tensor:
        """Return a traced view: the base's storage seen through one more movement op."""
        self.graph.origin = user_origin(self.phase)
        source = self.node_of(x)
        node = self._added(op, [x], [source], attrs)
        traced = self._is_traced_view(x)
        out = Tensor.make(type, None, x._storage, strides)
        out._base = base_of(x) if traced else x
        out._chain = (*(x._chain if traced else ()), (op, attrs))
        out._memo = (self.node_of(out._base), node)
        self._note_view(out)
        if x.requires_grad and type.dtype.is_floating_point:
            if not mode.grad:
                return self.detach(out)
            self._note_leaf(x, source)
            out._tape = TRACED
        return out

    def detach(self, x: Tensor) -> Tensor:
        """Return a value without history: a view, so writes reach the original.

        A value with history is the exception: its detached copy cannot be written to.
        """
        node = self.node_of(x)
        self.graph.origin = user_origin(self.phase)
        detached = self.graph.add(ops.detach, [node], label=0)
        traced = self._is_traced_view(x)
        base: Any = base_of(x) if traced else x
        if base._array is None and base._tape is not None:
            out = self.tensor(detached)
            self._detached.add(out._storage)
            return out
        out = Tensor.make(x._type, None, x._storage, x._strides)
        out._base = base
        out._chain = (*(x._chain if traced else ()), (ops.detach, {"label": 0}))
        out._memo = (self.node_of(base), detached)
        self._note_view(out)
        return out

    def _note_view(self, x: Tensor) -> None:
        if x._base is not None:
            self._shown.setdefault(id(x._base), weakref.WeakSet()).add(x)

    # --------------------------------------------------------------- writing

    def write(self, x: Tensor, value: Tensor) -> None:
        """Give a tensor's storage a new value; a write through a view updates the base."""
        self.graph.origin = user_origin(self.phase)
        root: Any = x if not self._is_traced_view(x) else base_of(x)
        chain = x._chain if root is not x else ()
        aside = any(op is ops.detach for op, _ in chain)
        chain = tuple(step for step in chain if step[0] is not ops.detach)
        leaf = root._requires and root._tape is None
        if root._storage in self._detached:
            raise TraceError(
                f"{user_origin()}: a write to a detached tensor of {root._type} would have to "
                "change the original, which carries gradients, too; clone() it first"
            )
        if leaf and mode.grad and not aside:
            what = "a leaf Variable" if root is x else "a view of a leaf Variable"
            raise RuntimeError(f"{what} that requires grad is being used in an in-place operation.")
        flows = mode.grad and (value.requires_grad or (root.requires_grad and not aside))
        if flows and root._array is not None:
            raise TraceError(
                f"{user_origin()}: a tensor from outside the compiled function ({root._type}) "
                "would receive a value that carries gradients; write value.detach() instead"
            )
        old = self.node_of(root)
        self.note_overwritten(old)
        if flows and not chain and root.requires_grad and not value.requires_grad:
            starts = (0,) * value.ndim  # what was there gets a gradient of zero
            steps = (1,) * value.ndim
            value = ops.update_slice(_base_handle(self, root), value, starts=starts, steps=steps)
        new = value if not chain else write_back(_base_handle(self, root), chain, value)
        node = self.node_of(new)
        if leaf or (value.requires_grad and not mode.grad):
            node = self.graph.add(ops.detach, [node], label=self.label())
        if root._array is None and root._tape is not None and not mode.grad:
            node = with_history_of(self.graph, node, old)
        if root._array is not None:
            if not root.array.flags.writeable:
                raise RuntimeError("cannot write to a tensor on read-only memory")
            self._values[region(root)] = node
        else:
            self._values[id(root._storage)] = node
            root._storage.version += 1
            if self._values.get(id(value._storage)) is node:
                self._handed_over.add(node)
            if flows and not leaf:
                root._tape = TRACED

    def renew(self, root: Tensor) -> None:
        """Give a tensor of this trace its value anew: a write that changes no number."""
        if root._array is not None:
            return
        old = self.node_of(root)
        self.graph.origin = user_origin(self.phase)
        self.note_overwritten(old)
        node = self._added(ops.reshape, [root], [old], {"shape": old.type.shape})
        self._values[id(root._storage)] = node

    def set_data(self, x: Tensor, value: Tensor) -> None:
        """``x.data = value``."""
        set_data(self, x, value)

    def rewrite(self, x: Tensor, node: Node) -> None:
        """Give a tensor from outside a value that no backward pass of before looks at."""
        self._values[region(x)] = node
        self.rebound.add(id(x))

    def has_views(self, x: Tensor) -> bool:
        """Whether some view of a tensor, made by this trace, is still in use."""
        return any(view._base is x for view in self._shown.get(id(x), ()))

    def label(self) -> int:
        """A number that keeps leaves with equal values apart."""
        self._labels += 1
        return self._labels

    def set_requires_grad(self, x: Tensor, value: bool) -> None:
        """Make a tensor of this trace a leaf of its own; refuse to change one from outside."""
        if x._array is not None:
            if x._requires != value:
                raise TraceError(
                    f"{user_origin()}: requires_grad of a tensor from outside cannot change inside "
                    "a compiled function; set it before the call, or differentiate for "
                    "x = x.detach().requires_grad_()"
                )
            return
        if value and not x._requires:
            node = self.graph.add(ops.detach, [self.node_of(x)], label=self.label())
            if x._base is not None:  # it leaves its base: it is a leaf of its own from here on
                x._base, x._chain = None, ()
                x._storage = Storage(None)
                self._owned[id(x._storage)] = x._storage
            self._values[id(x._storage)] = node
        x._requires = value

    # ---------------------------------------------------------------- random

    def random_bits(self, state: Tensor, shape: tuple[int, ...]) -> Tensor:
        """Draw from a generator: each call site owns a range of counters."""
        self.random_state = state
        node = self.node_of(state)
        self.graph.origin = user_origin(self.phase)
        bits = self.graph.add(ops.random_bits, [node], shape=shape, offset=self.random_offset)
        self.random_offset += count(shape)
        return self.tensor(bits)

    def set_random_state(self, state: Tensor, value: Tensor) -> None:
        """Go on drawing from a state that was computed: control flow that draws returns one."""
        self._values[region(state)] = self.node_of(value)
        self.random_state, self.random_offset = state, 0

    def reseed(self) -> None:
        """Refuse: the generator's state belongs to the outside of the trace."""
        raise TraceError(
            f"{user_origin()}: manual_seed inside a compiled function; call it outside"
        )


def _base_handle(trace: Trace, root: Tensor) -> Tensor:
    """A fresh tensor with the base's current value, to write through a view functionally."""
    handle = trace.tensor(trace.node_of(root))
    handle._tape, handle._requires = root._tape, root._requires
    return handle


__all__ = ["Trace", "contiguous_strides", "no_grad", "region"]
