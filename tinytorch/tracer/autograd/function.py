"""``autograd.Function``: an operation with a derivative written by the user.

Run eagerly, a call is one entry of the tape whose gradient is the user's ``backward``, run as
Python. Inside a trace ``forward`` is recorded like any code and ``backward`` is traced into a graph
of its own; the two meet in a ``custom`` op, which compiled code, ``jvp`` and ``vmap`` understand.
"""

from __future__ import annotations

import functools
import inspect
import weakref
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from tinytorch.errors import TraceError
from tinytorch.ir.types import TensorType
from tinytorch.tracer.autograd.context import FunctionCtx, SavedTensors
from tinytorch.tracer.autograd.recorded import ONCE, record_custom
from tinytorch.tracer.factories import full
from tinytorch.tracer.mode import mode, no_grad, set_grad_enabled, user_origin
from tinytorch.tracer.tape import TapeNode, pick, python_op
from tinytorch.tracer.tensor import Tensor, leaf_value


class Function:
    """Base of operations with a derivative of their own.

    A subclass defines static methods ``forward(ctx, *args)`` and ``backward(ctx, *grads)``, or
    ``forward(*args)``, ``setup_context(ctx, inputs, output)`` and ``backward``; it is used by
    ``apply``. ``backward`` gives one gradient, or None, for each argument of forward.
    """

    _op: Any
    _context: type[FunctionCtx]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._op = python_op(cls.__name__)
        cls._context = type(f"{cls.__name__}Backward", (FunctionCtx,), {})

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Refuse: a Function is used by its class method ``apply``."""
        raise RuntimeError(
            "Legacy autograd function with non-static forward method is deprecated. Please use "
            f"new-style autograd function with static forward method: {type(self).__name__}.apply"
        )

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """Compute the result; to be defined."""
        raise NotImplementedError(
            "You must implement the forward function for custom autograd.Function."
        )

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        """Keep what backward needs, where forward takes no context."""
        raise NotImplementedError("setup_context is not implemented.")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """Compute the gradients of the arguments; to be defined."""
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom "
            "autograd.Function to use it with backward mode AD."
        )

    vjp = backward

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Run forward on the arguments and record backward as its derivative."""
        if kwargs:
            args = _positional(cls, args, kwargs)
        ctx = cls._context()
        ctx.needs_input_grad = tuple(isinstance(x, Tensor) and x.requires_grad for x in args)
        wanted = mode.grad and any(ctx.needs_input_grad)
        with no_grad():
            output = _run_forward(cls, ctx, args)
        if not wanted:
            return output
        single = not isinstance(output, tuple)
        outputs = [output] if single else list(output)
        arguments = [Argument.of(x) for x in args]
        types = [y._type if isinstance(y, Tensor) else None for y in outputs]
        backward = functools.partial(_run_backward, cls, ctx, arguments, types)
        if mode.trace is not None:
            if ctx._dirty:
                raise TraceError(
                    f"{user_origin()}: {cls.__name__} writes to its input (mark_dirty) inside a "
                    "compiled function; return a new tensor instead"
                )
            found = record_custom(cls.__name__, ctx, args, outputs, backward, is_once(cls))
        else:
            found = _record_eager(cls, ctx, args, outputs, backward)
        return found[0] if single else tuple(found)


def _positional(cls: type[Function], args: Any, kwargs: Any) -> tuple[Any, ...]:
    """Arguments by name in the order of forward's."""
    skip = () if _has_setup(cls) else (None,)
    bound = inspect.signature(cls.forward).bind(*skip, *args, **kwargs)
    bound.apply_defaults()
    return bound.args[len(skip) :]


def _has_setup(cls: type[Function]) -> bool:
    return cls.setup_context is not Function.setup_context


def _run_forward(cls: type[Function], ctx: FunctionCtx, args: tuple[Any, ...]) -> Any:
    if not _has_setup(cls):
        return cls.forward(ctx, *args)
    output = cls.forward(*args)
    cls.setup_context(ctx, args, output)
    return output


class Argument(NamedTuple):
    """What a gradient for an argument must look like; ``type`` is None for one of no tensor."""

    type: TensorType | None
    requires_grad: bool

    @staticmethod
    def of(x: Any) -> Argument:
        """That of a value."""
        tensor = isinstance(x, Tensor)
        return Argument(x._type if tensor else None, tensor and x.requires_grad)


def _run_backward(
    cls: type[Function], ctx: FunctionCtx, args: Sequence[Argument],
    types: Sequence[TensorType | None], cotangents: Sequence[Tensor | None],
) -> list[Tensor | None]:  # fmt: skip
    """Call the user's backward; one gradient for each argument, of its shape and dtype."""
    given = list(cotangents)
    if ctx.materialize_grads:
        given = [
            full(t.shape, 0, dtype=t.dtype) if g is None and t is not None else g
            for g, t in zip(cotangents, types, strict=True)
        ]
    rule = cls.vjp if cls.backward is Function.backward else cls.backward
    found = rule(ctx, *given)
    results = list(found) if isinstance(found, tuple | list) else [found]
    name = f"{cls.__name__}Backward"
    extra = results[len(args) :]
    if len(results) < len(args) or any(g is not None for g in extra):
        raise RuntimeError(
            f"function {name} returned an incorrect number of gradients (expected {len(args)}, "
            f"got {len(results)})"
        )
    return [_checked(name, i, x, g) for i, (x, g) in enumerate(zip(args, results, strict=False))]


def _checked(name: str, index: int, x: Argument, g: Any) -> Tensor | None:
    if g is None:
        return None
    if x.type is None:
        raise RuntimeError(
            f"function {name} returned a gradient different than None at position {index + 1}, but "
            "the corresponding forward input was not a Variable"
        )
    if not isinstance(g, Tensor):
        raise TypeError(f"function {name} returned a {type(g).__name__} at position {index + 1}")
    if not x.requires_grad:
        return None
    if g._type.shape != x.type.shape:
        got = list(g.shape)
        g = _summed_to(g, x.type.shape)
        if g is None:
            raise RuntimeError(
                f"Function {name} returned an invalid gradient at index {index} - got "
                f"{got} but expected shape compatible with {list(x.type.shape)}"
            )
    return g.to(x.type.dtype)


def _summed_to(g: Tensor, shape: tuple[Any, ...]) -> Any:
    """The gradient of a shape that was broadcast to this one's; None if it was not."""
    lead = g.ndim - len(shape)
    if lead < 0 or any(b not in (1, a) for a, b in zip(g.shape[lead:], shape, strict=True)):
        return None
    axes = [i for i in range(g.ndim) if i < lead or (shape[i - lead] == 1 and g.shape[i] != 1)]
    return g.sum_axes(tuple(axes)).reshape(shape)


# -------------------------------------------------------------------- eager


def _record_eager(
    cls: type[Function], ctx: FunctionCtx, args: tuple[Any, ...], outputs: list[Any],
    backward: Callable[..., list[Tensor | None]],
) -> list[Any]:  # fmt: skip
    """Put a call on the tape; the outputs come with their history."""
    tensors = [x for x in args if isinstance(x, Tensor)]
    results = [_own(y, tensors, ctx) for y in outputs]
    saved = SavedTensors(
        tuple(_same(x, outputs, results) for x in ctx._to_save), results, cls.__name__
    )
    ctx._saved, ctx._to_save = saved, ()
    constant = [y for x in ctx._constant for x_, y in zip(outputs, results) if x_ is x]
    shown = [i for i, y in enumerate(results) if isinstance(y, Tensor)]
    flowing = [
        i for i, number in enumerate(shown)
        if results[number].dtype.is_floating_point
        and all(results[number] is not y for y in constant)
    ]  # fmt: skip
    count = len(outputs)
    inputs = [i for i, x in enumerate(args) if isinstance(x, Tensor)]

    def pull(values: list[Any], create_graph: bool) -> list[Any]:
        cotangents: list[Any] = [None] * count
        for number, value in zip(shown, values, strict=True):
            wrapped = value is None or create_graph
            cotangents[number] = value if wrapped else Tensor.wrap(value)
        with set_grad_enabled(create_graph and not is_once(cls)):
            found = backward(cotangents)
        if is_once(cls) and any(g is not None and g.requires_grad for g in cotangents):
            found = _refusing(found)
        return [
            None if found[i] is None else found[i] if create_graph else found[i].array  # type: ignore[union-attr]
            for i in inputs
        ]

    attrs = {
        "types": tuple(results[i]._type for i in shown), "pull": pull, "release": saved.release,
        "flowing": [shown[i] for i in flowing],
    }  # fmt: skip
    parents = tuple(x.tape for x in tensors)
    values = tuple(leaf_value(x) for x in tensors)
    arrays = tuple(results[i].array for i in shown)
    tape = TapeNode(cls._op, attrs, parents, values, arrays)
    saved.tape = weakref.ref(tape)
    for index in flowing:
        _link(results[shown[index]], pick(tape, index, arrays[index]))
    return results


def _own(y: Any, inputs: Sequence[Tensor], ctx: FunctionCtx) -> Any:
    """An output as a tensor of its own: an input returned, or a view, becomes a copy.

    An input that forward wrote to in place stays itself.
    """
    if not isinstance(y, Tensor):
        return y
    if any(y is x for x in ctx._dirty):
        if y._requires and y._tape is None:
            raise RuntimeError(
                "a leaf Variable that requires grad is being used in an in-place operation."
            )
        if y._base is not None:
            raise RuntimeError(
                "a view that was written to in place is returned by an autograd.Function: write to "
                "the whole tensor, or return a new one"
            )
        return y
    shared = y._base is not None or any(y._storage is x._storage for x in inputs)
    if shared or y.requires_grad:
        y = y.detach().clone() if shared else y.detach()
    return y


def _same(x: Any, outputs: list[Any], results: list[Any]) -> Any:
    return next((b for a, b in zip(outputs, results, strict=True) if a is x), x)


def _link(y: Tensor, tape: TapeNode) -> None:
    y._tape = tape
    y._requires = False
    if y._base is None:
        y._storage.tape_version += 1
        y._tape_version = y._storage.tape_version


def _refusing(found: list[Tensor | None]) -> list[Tensor | None]:
    """Results that raise when they are differentiated."""

    def refuse(values: list[Any], create_graph: bool) -> list[Any]:
        raise RuntimeError(ONCE)

    results: list[Tensor | None] = []
    for g in found:
        if g is None:
            results.append(None)
            continue
        out = g.detach()
        seed = Tensor.make(g._type, g.array)
        seed._requires = True
        attrs = {"types": (g._type,), "pull": refuse, "release": _nothing, "flowing": [0]}
        tape = TapeNode(_ERROR, attrs, (None,), (leaf_value(seed),), (g.array,))
        out._tape = pick(tape, 0, g.array)
        results.append(out)
    return results


def _nothing() -> None:
    pass


_ERROR = python_op("Error")


def once_differentiable(function: Callable[..., Any]) -> Callable[..., Any]:
    """Mark a backward whose results must not be differentiated again."""

    @functools.wraps(function)
    def run(*args: Any) -> Any:
        with no_grad():
            return function(*args)

    run._once = True  # type: ignore[attr-defined]
    return run


def is_once(cls: type[Function]) -> bool:
    """Whether a Function's backward is marked with ``once_differentiable``."""
    return getattr(cls.backward, "_once", False)
