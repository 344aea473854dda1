"""Control flow that depends on data: ``cond``, ``while_loop``, ``scan``, ``fori_loop``.

Eagerly these are plain Python loops and choices. Inside a compiled function the functions they
take are traced once, to graphs that the compiled call runs as often as the data say; tensors and
parameters that they read from outside are found, and gradients flow into them. Tensors from outside
that need no gradient, such as a module's buffers, may be written to in place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tinytorch.errors import TypeRuleError
from tinytorch.ir import ops
from tinytorch.ir.graph import Graph
from tinytorch.ir.types import TensorType, bool_, float64, int64
from tinytorch.passes.graph.rebuild import inline
from tinytorch.tracer.carried import CarriedState
from tinytorch.tracer.factories import arange, tensor, zeros
from tinytorch.tracer.mode import mode, user_origin
from tinytorch.tracer.number import Number
from tinytorch.tracer.shapes import size_of, stack
from tinytorch.tracer.subtrace import Closed, close
from tinytorch.tracer.tensor import Tensor, apply_node
from tinytorch.tracer.tree import flatten, unflatten

METHODS: tuple[str, ...] = ()


def cond(
    pred: Any, true_fn: Callable[..., Any], false_fn: Callable[..., Any], operands: Any = ()
) -> Any:
    """Return ``true_fn(*operands)`` if ``pred`` holds, else ``false_fn(*operands)``.

    ``pred`` is a bool, or a bool tensor of one element. Operands and results are tensors in nested
    tuples, lists and dicts. In a compiled function both branches must give results of the same
    types, else TypeRuleError (a RuntimeError); only the one chosen runs.
    """
    if not callable(true_fn) or not callable(false_fn):
        raise RuntimeError("Expect both branches to be callable.")
    if not isinstance(operands, tuple | list):
        raise RuntimeError(f"Expect operands to be a tuple, got {type(operands).__name__}")
    if not isinstance(pred, Tensor):
        return (true_fn if pred else false_fn)(*operands)
    if pred.dtype is not bool_ or pred._type.size != 1:
        raise RuntimeError(f"Expected pred to be bool or single-element bool tensor, got {pred}")
    leaves, structure = _tensors(tuple(operands), "cond")
    if mode.trace is None:
        return _unflattening(true_fn if pred.item() else false_fn, structure)(*leaves)
    true, false = _branches((true_fn, false_fn), leaves, structure)
    _check_branches(true, false)
    captures = _captures((true, false))
    flows = [a or b for a, b in zip(true.flows, false.flows, strict=True)]
    state = CarriedState((true, false))
    if state:
        leaves = [*leaves, *state.values()]
        again = _branches((true_fn, false_fn), leaves, structure, state)
        captures = _captures(again)
        outputs = apply_node(
            ops.cond, [pred.reshape(()), *leaves, *captures],
            _graphs(("true", "false"), again, leaves, captures), [*flows, *[False] * len(state)],
        )  # fmt: skip
        state.hand_back(outputs[len(flows) :])
        return true.unflatten(outputs[: len(flows)])
    attrs = _graphs(("true", "false"), (true, false), leaves, captures)
    operands = [pred.reshape(()), *leaves, *captures]
    return true.unflatten(apply_node(ops.cond, operands, attrs, flows))


def while_loop(
    cond_fn: Callable[..., Any], body_fn: Callable[..., Any], carried_inputs: Any
) -> tuple[Any, ...]:
    """Run ``carried = body_fn(*carried)`` as long as ``cond_fn(*carried)``; return it as a tuple.

    ``cond_fn`` returns a bool tensor of one element; ``body_fn`` returns what it was given, in
    types and structure, else TypeRuleError. Gradients: forward mode alone inside a compiled
    function, whose number of steps is not known beforehand.
    """
    if not isinstance(carried_inputs, tuple | list):
        raise RuntimeError(f"carried_inputs must be a tuple, got {type(carried_inputs).__name__}")
    leaves, structure = _tensors(tuple(carried_inputs), "while_loop")
    types = [x._type for x in leaves]

    def body(*carry: Tensor) -> list[Tensor]:
        result = body_fn(*unflatten(structure, list(carry)))
        return _carried(result if isinstance(result, tuple) else (result,), types, structure,
                        "while_loop")  # fmt: skip

    def condition(*carry: Tensor) -> Any:
        result = cond_fn(*unflatten(structure, list(carry)))
        if isinstance(result, Tensor):
            if result.dtype is not bool_ or result._type.size != 1:
                raise RuntimeError(
                    "while_loop: cond_fn must return a bool or a bool tensor of one element, got "
                    f"{result._type}"
                )
            return result.reshape(())
        return tensor(bool(result))

    if mode.trace is None:
        carry = leaves
        while condition(*carry).item():
            carry = body(*carry)
        return tuple(unflatten(structure, carry))
    loop = _Loop(body, leaves, [])
    tested = close(
        loop.state.ignoring(condition), loop.examples, "condition", flows=loop.flows
    )
    if tested.draws:
        raise TypeRuleError("while_loop: cond_fn draws random numbers; draw them in body_fn")
    captures = _captures((tested, loop.closed))
    attrs = _graphs(("condition", "body"), (tested, loop.closed), loop.carry, captures)
    attrs["carries"] = len(loop.carry)
    outputs = apply_node(ops.while_, [*loop.carry, *captures], attrs, loop.flows)
    return tuple(unflatten(structure, loop.without_state(outputs)))


def scan(
    f: Callable[[Any, Any], Any], init: Any, xs: Any = None, length: int | None = None,
    reverse: bool = False,
) -> tuple[Any, Any]:  # fmt: skip
    """Run ``carry, y = f(carry, x)`` for each slice ``x`` of ``xs``; return ``(carry, ys)``.

    ``init``, ``xs`` and the ``y`` are tensors in nested tuples, lists and dicts; ``xs`` is cut,
    and ``ys`` stacked, along the first axis. Without ``xs``, ``length`` says how often. With
    ``reverse`` the last slice comes first. The carry keeps its types, else TypeRuleError. A
    compiled scan takes the same time to compile for every length, and can be differentiated in
    both modes, any number of times.
    """
    leaves, structure = _tensors(init, "scan")
    cut, cut_structure = _tensors(xs, "scan") if xs is not None else ([], None)
    steps = _length(cut, length)
    types = [x._type for x in leaves]
    shape: list[Any] = []

    def step(*values: Tensor) -> list[Tensor]:
        carry = unflatten(structure, list(values[: len(leaves)]))
        x = None if cut_structure is None else unflatten(cut_structure, list(values[len(leaves) :]))
        result = f(carry, x)
        if not isinstance(result, tuple) or len(result) != 2:
            raise RuntimeError(
                f"scan: f must return a pair (carry, y), got {type(result).__name__}"
            )
        ys, ys_structure = ([], None) if result[1] is None else _tensors(result[1], "scan")
        shape[:] = [ys_structure]
        return [*_carried(result[0], types, structure, "scan"), *ys]

    if mode.trace is not None or steps == 0:
        carry, ys = _scan(step, leaves, cut, steps, reverse)
    else:
        carry, ys = _eager_scan(step, leaves, cut, steps, reverse)
    stacked = None if shape[0] is None else unflatten(shape[0], ys)
    return unflatten(structure, carry), stacked


def fori_loop(lower: Any, upper: Any, body: Callable[[Any, Any], Any], init: Any) -> Any:
    """Run ``val = body(i, val)`` for ``lower <= i < upper`` and return ``val``.

    ``i`` is an int64 tensor. With ints as bounds the loop can be differentiated in both modes;
    with tensors as bounds it is a ``while_loop``.
    """
    if not isinstance(lower, Tensor) and not isinstance(upper, Tensor):
        start = size_of(lower)
        positions = arange(start, max(start, size_of(upper)), dtype=int64)
        return scan(lambda val, i: (body(i, val), None), init, positions)[0]
    first, last = (x if isinstance(x, Tensor) else tensor(int(x)) for x in (lower, upper))
    _, _, result = while_loop(
        lambda i, end, val: i < end, lambda i, end, val: (i + 1, end, body(i, val)),
        (first.reshape(()).to(int64), last.reshape(()).to(int64), init),
    )  # fmt: skip
    return result


# --------------------------------------------------------------------- eager


def _eager_scan(
    step: Any, carry: list[Tensor], cut: list[Tensor], steps: int, reverse: bool
) -> tuple[list[Tensor], list[Tensor]]:
    rows: list[list[Tensor]] = []
    count = len(carry)
    for i in range(steps - 1, -1, -1) if reverse else range(steps):
        results = step(*carry, *(x[i] for x in cut))
        carry, ys = results[:count], results[count:]
        rows.append(ys)
    if reverse:
        rows.reverse()
    return carry, [stack(column) for column in zip(*rows, strict=True)]


# ------------------------------------------------------------------ recorded


def _scan(
    step: Any, leaves: list[Tensor], cut: list[Tensor], steps: Any, reverse: bool
) -> tuple[list[Tensor], list[Tensor]]:
    """Record a scan; eagerly, for no steps, only the types of its results are found."""
    loop = _Loop(step, leaves, cut)
    closed, count = loop.closed, len(loop.carry)
    if steps == 0 and mode.trace is None:
        empty = [zeros(0, *n.type.shape, dtype=n.type.dtype) for n in closed.graph.outputs[count:]]
        return leaves, empty
    attrs = {
        "body": closed.graph, "carries": count, "slices": len(cut), "length": steps,
        "reverse": bool(reverse),
    }  # fmt: skip
    operands = [*loop.carry, *cut, *closed.operands()]
    flows = [*loop.flows[:count], *closed.flows[count:]]
    outputs = apply_node(ops.scan_, operands, attrs, flows)
    carry = loop.without_state(outputs[:count])
    return carry, list(outputs[count:])


class _Loop:
    """The body of a loop as a graph.

    It is traced again until every carry that comes to need gradients has them, and with the state
    from outside that it changes behind the carry.
    """

    def __init__(self, step: Any, carry: list[Tensor], cut: list[Tensor]) -> None:
        self.carry = list(carry)
        self.cut = cut
        self.flows = [x.requires_grad for x in (*carry, *cut)]
        self.closed = self._close(step)
        self.state = CarriedState([self.closed] if mode.trace is not None else [])
        if self.state:
            self.carry += self.state.values()
            self.flows[len(carry) : len(carry)] = [False] * len(self.state)
            self.closed = self._close(self.state.around(step, len(carry)))

    @property
    def examples(self) -> list[TensorType]:
        """Types of the carry and of one slice of each stacked tensor."""
        carry = [TensorType(x.dtype, x._type.shape) for x in self.carry]
        return [*carry, *(TensorType(x.dtype, x._type.shape[1:]) for x in self.cut)]

    def _close(self, step: Any) -> Closed:
        count = len(self.carry)
        while True:
            closed = close(step, self.examples, "body", flows=self.flows, writes=True)
            found = [a or b for a, b in zip(self.flows[:count], closed.flows, strict=False)]
            if found == self.flows[:count]:
                return closed
            self.flows[:count] = found

    def without_state(self, carry: Sequence[Tensor]) -> list[Tensor]:
        """The final carry; the state is left as the loop left it."""
        count = len(carry) - len(self.state)
        self.state.hand_back(carry[count:])
        return list(carry[:count])


def _branches(
    functions: Sequence[Any], leaves: list[Tensor], structure: Any,
    state: CarriedState | None = None,
) -> list[Closed]:  # fmt: skip
    found = []
    for function in functions:
        name = getattr(function, "__name__", type(function).__name__)
        run: Any = _unflattening(function, structure)
        if state is not None:
            run = state.around(_flattening(run), len(leaves) - len(state), last=True)
        found.append(close(run, leaves, "branch" if name == "<lambda>" else name, writes=True))
    return found


def _unflattening(function: Any, structure: Any) -> Any:
    def run(*values: Tensor) -> Any:
        results, shape = _tensors(function(*unflatten(structure, list(values))), "cond")
        return unflatten(shape, results)

    return run


def _flattening(function: Any) -> Any:
    return lambda *values: flatten(function(*values))[0]


def _check_branches(true: Closed, false: Closed) -> None:
    types = [[n.type for n in c.graph.outputs] for c in (true, false)]
    if true.structure != false.structure or types[0] != types[1]:
        shown = [f"({', '.join(map(str, t))})" for t in types]
        raise TypeRuleError(
            f"{user_origin()}: cond: branches must return the same structure and types, but "
            f"true_fn returns {shown[0]} and false_fn returns {shown[1]}"
        )


def _captures(closed: Sequence[Closed]) -> list[Tensor]:
    """What several functions read from outside, each once."""
    return list({id(t): t for c in closed for t in c.captures}.values())


def _graphs(
    names: Sequence[str], closed: Sequence[Closed], common: list[Tensor], captures: list[Tensor]
) -> dict[str, Any]:
    """Attributes: the functions' graphs, each taking the common operands and all captures."""
    kinds = [TensorType(x.dtype, x._type.shape) for x in common]
    kinds += [mode.trace.node_of(t).type for t in captures]
    place = {id(t): len(common) + i for i, t in enumerate(captures)}
    found: dict[str, Any] = {}
    for name, c in zip(names, closed, strict=True):
        graph = Graph(c.graph.name)
        graph.default_dtype = c.graph.default_dtype
        inputs = [graph.add_input(kind, f"x{i}") for i, kind in enumerate(kinds)]
        taken = [*inputs[: len(common)], *(inputs[place[id(t)]] for t in c.captures)]
        graph.outputs = inline(graph, c.graph, taken)
        found[name] = graph.freeze()
    return found


# ---------------------------------------------------------------------- values


def _tensors(tree: Any, what: str) -> tuple[list[Tensor], Any]:
    """Leaves of a tree as tensors, numbers converted; raise TypeError for anything else."""
    leaves, structure = flatten(tree)
    return [_as_tensor(x, what) for x in leaves], structure


def _as_tensor(x: Any, what: str, type_: TensorType | None = None) -> Any:
    if isinstance(x, Tensor):
        if mode.trace is not None and mode.trace.node_of(x).type.weak:  # made of a number
            return ops.cast(x, dtype=x.dtype)
        return x
    if not isinstance(x, bool | int | float):
        raise TypeError(f"{what}: expected tensors and numbers, got {type(x).__name__}")
    dtype = None
    if type_ is not None and not type_.shape and "bif".index(_category(x)) <= "bif".index(
        type_.dtype.kind
    ):
        dtype = type_.dtype
    number: Any = x
    if type(number) is Number:
        value = mode.trace.number_as_tensor(number)
        usual = mode.default_dtype if value.dtype is float64 else value.dtype
        return ops.cast(value, dtype=dtype or usual)
    return tensor(x, dtype=dtype)


def _category(x: Any) -> str:
    return "b" if isinstance(x, bool) else "i" if isinstance(x, int) else "f"


def _carried(value: Any, types: list[TensorType], structure: Any, what: str) -> list[Tensor]:
    """Leaves of a new carry; raise TypeRuleError if it differs from the old one."""
    leaves, found = flatten(value)
    if found != structure:
        raise TypeRuleError(
            f"{user_origin()}: {what}: the carry must keep its structure, but one of "
            f"{len(types)} tensors became one of {len(leaves)}"
        )
    tensors = [_as_tensor(x, what, t) for x, t in zip(leaves, types, strict=True)]
    for number, (x, type) in enumerate(zip(tensors, types, strict=True)):
        if (x.dtype, x._type.shape) != (type.dtype, type.shape):
            raise TypeRuleError(
                f"{user_origin()}: {what}: the carry must keep its types, but tensor {number} of "
                f"{type} became {x._type}"
            )
    return tensors


def _length(cut: list[Tensor], length: Any) -> Any:
    if any(x.ndim == 0 for x in cut):
        raise ValueError("scan: xs must have a first axis to be cut along, got a 0-d tensor")
    sizes: set[Any] = {x._type.shape[0] for x in cut}
    sizes |= {size_of(length)} if length is not None else set()
    if len(sizes) > 1:
        shown = ", ".join(sorted(map(str, sizes)))
        raise ValueError(f"scan: xs and length disagree on the number of slices: [{shown}]")
    if not sizes:
        raise ValueError("scan: needs xs or length to know the number of steps")
    return sizes.pop()


__all__ = ["cond", "fori_loop", "scan", "while_loop"]
