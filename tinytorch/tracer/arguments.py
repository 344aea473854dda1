"""What a public function does with its arguments before and after it runs.

``refusing`` wraps a public function. It checks plain arguments against their annotations, by the
rules of PyTorch's argument parser (a bool is no int, an int no bool), before the function runs; it
names the argument that is no tensor; and it adds the call to the message of an error on its way
out. Kinds of arguments that passed once are remembered, so that a call pays for a look at the
types alone.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar, cast

import numpy as np

from tinytorch.errors import IntegerRangeError, NotATensorError, OutOfMemoryError
from tinytorch.ir.extent import Extent
from tinytorch.ir.types import DType
from tinytorch.tracer.messages import add_call, is_own
from tinytorch.tracer.tensor import Tensor

F = TypeVar("F", bound=Callable[..., Any])


def _is_tensor(x: Any) -> bool:
    return isinstance(x, Tensor)


def _is_int(x: Any) -> bool:
    if isinstance(x, Tensor):
        return x.ndim == 0 and x.dtype.kind in "iu" and not x.requires_grad
    return isinstance(x, int | np.integer | Extent) and not isinstance(x, bool)


def _is_scalar(x: Any) -> bool:
    if isinstance(x, Tensor):
        return x.ndim == 0
    return isinstance(x, int | float | np.integer | np.floating | np.bool_ | Extent)


def _is_operand(x: Any) -> bool:
    return isinstance(x, Tensor) or _is_scalar(x)


def _are_ints(x: Any) -> bool:
    return isinstance(x, list | tuple) and all(map(_is_int, x))


def _are_axes(x: Any) -> bool:
    return _is_int(x) or _are_ints(x)


def _are_tensors(x: Any) -> bool:
    return isinstance(x, list | tuple) and all(isinstance(t, Tensor) for t in x)


def _is_bool(x: Any) -> bool:
    return isinstance(x, bool)


def _is_text(x: Any) -> bool:
    return isinstance(x, str)


def _is_dtype(x: Any) -> bool:
    return isinstance(x, DType)


_KINDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "Tensor": (_is_tensor, "Tensor"),
    "Sequence[Tensor]": (_are_tensors, "tuple of Tensors"),
    "Operand": (_is_operand, "Number or Tensor"),
    "Scalar": (_is_scalar, "Number"),
    "float": (_is_scalar, "Number"),
    "int": (_is_int, "int"),
    "Whole": (_is_int, "int"),
    "Wholes": (_are_ints, "tuple of ints"),
    "Axes": (_are_axes, "int or tuple of ints"),
    "bool": (_is_bool, "bool"),
    "str": (_is_text, "str"),
    "DType": (_is_dtype, "tinytorch.dtype"),
}
_BY_POSITION = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_OF_INTS = ("int", "Whole", "Wholes", "Axes")
_BY_TYPE_ALONE = (int, float, bool, str, type(None), DType)
"""Types of which every value passes where one passes (an int too large is refused elsewhere)."""


def _kind(value: Any) -> str:
    """What a refused argument is, as an error says it."""
    if isinstance(value, list | tuple) and value:
        return f"{type(value).__name__} of {type(value[0]).__name__}"
    return type(value).__name__


class _Rules:
    """What the plain arguments of a function may be, by its annotations, read when first needed."""

    def __init__(self, function: Callable[..., Any], free: Collection[str]) -> None:
        self.name = shown_name(function)
        self._function, self._free = function, free

    @functools.cached_property
    def order(self) -> list[str]:
        """Names of the parameters that can be given by position."""
        return [name for name, p in self._parameters.items() if p.kind in _BY_POSITION]

    @functools.cached_property
    def kinds(self) -> dict[str, tuple[str, bool]]:
        """The kind of each plain parameter, and whether it may be None."""
        found: dict[str, tuple[str, bool]] = {}
        for name, parameter in self._parameters.items():
            if name == "self" or name in self._free or parameter.kind is parameter.VAR_POSITIONAL:
                continue
            kinds = [k.strip() for k in str(parameter.annotation).split("|")]
            plain = [k for k in kinds if k in _KINDS]
            if len(plain) == 1 and set(kinds) <= {*plain, "None"}:
                found[name] = (plain[0], "None" in kinds or parameter.default is None)
        return found

    @functools.cached_property
    def _parameters(self) -> Mapping[str, inspect.Parameter]:
        return inspect.signature(self._function).parameters

    def check(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any]:
        """Raise TypeError for an argument that is not what its annotation says.

        Returns the arguments, 0-d tensors where an int is meant as ints.
        """
        changed: dict[str, Any] = {}
        for position, (name, value) in enumerate([*zip(self.order, args), *kwargs.items()]):
            if name not in self.kinds:
                continue
            kind, optional = self.kinds[name]
            if value is None and optional:
                continue
            fits, wanted = _KINDS[kind]
            if not fits(value):
                where = f" (position {position + 1})" if position < len(args) else ""
                refusal = NotATensorError if kind == "Tensor" else TypeError
                raise refusal(
                    f"{self.name}(): argument '{name}'{where} must be {wanted}, not {_kind(value)}"
                )
            if kind in _OF_INTS:
                read = _read_ints(value)
                if read is not value:
                    changed[name] = read
        if changed:
            positional = tuple(changed.get(n, x) for n, x in zip(self.order, args))
            args = (*positional, *args[len(positional) :])
            kwargs = {n: changed.get(n, x) for n, x in kwargs.items()}
        return args, kwargs

    def remembered(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        """Whether the types of the arguments alone say that they pass."""
        for name, value in [*zip(self.order, args), *kwargs.items()]:
            kind = self.kinds.get(name)
            if kind is None or (kind[0] in ("Tensor", "Operand") and isinstance(value, Tensor)):
                continue
            if type(value) not in _BY_TYPE_ALONE:
                return False
        return True


def _read_ints(value: Any) -> Any:
    """Ints as Python's: those of numpy, and tensors of one; raises IntegerRangeError."""
    if type(value) in (list, tuple):
        found = [_read_ints(x) for x in value]
        return value if all(x is y for x, y in zip(found, value, strict=True)) else tuple(found)
    if isinstance(value, Tensor | np.integer):
        return int(value)
    if type(value) is int and not -(1 << 63) <= value < 1 << 63:
        raise IntegerRangeError(f"Overflow when unpacking long: {value} does not fit in int64")
    return value


_covered: dict[Any, Any] = {}
_covering: set[Any] = set()
_MOST_REMEMBERED = 64


def refusing(
    function: F, like: Callable[..., Any] | None = None, free: Collection[str] = ()
) -> F:
    """A public function that refuses arguments as PyTorch does, and says in errors what it was.

    Raises TypeError for an argument whose annotation (or that of the function that it is ``like``)
    is a plain kind that it is not; those named ``free`` may be anything.
    """
    if not inspect.isfunction(function) or function in _covering:
        return function
    if function in _covered:
        return cast(F, _covered[function])
    run = _checked(function, _Rules(like or function, free))
    _covered[function] = run
    _covering.add(run)
    return cast(F, run)


def _checked(function: Callable[..., Any], rules: _Rules) -> Callable[..., Any]:
    name = shown_name(function)
    seen: set[Any] = set()

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            key: Any = tuple(map(type, args))
            if kwargs:
                key = (key, *kwargs, *map(type, kwargs.values()))
            if key not in seen:
                if len(seen) < _MOST_REMEMBERED and rules.remembered(args, kwargs):
                    rules.check(args, kwargs)
                    seen.add(key)
                else:
                    args, kwargs = rules.check(args, kwargs)
            return function(*args, **kwargs)
        except Exception as error:
            found = translated(error, name, args, kwargs)
            if found is error:
                raise
            raise found from error

    return run


def translated(
    error: Exception, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Exception:
    """The error to raise for one that a public function raised: as a rule that one, explained.

    Where memory ran out, or an argument lacks what a tensor has, PyTorch's class stands instead.
    """
    if is_own(error):
        if isinstance(error, MemoryError) and not isinstance(error, OutOfMemoryError):
            error = OutOfMemoryError(f"not enough memory: {error}")
        elif type(error) is AttributeError and _wanted_of_a_tensor(error):
            error = NotATensorError(f"{name}() wants a Tensor, not {type(error.obj).__name__}")
        add_call(error, name, args, kwargs)
    return error


def _wanted_of_a_tensor(error: AttributeError) -> bool:
    """Whether something that is no tensor was asked for what one has."""
    return hasattr(Tensor, error.name or "") and not isinstance(error.obj, Tensor)


def shown_name(function: Callable[..., Any]) -> str:
    """A function's name as errors give it: an operator's without underscores."""
    name = function.__name__
    return name.strip("_") if name.startswith("__") else name


def cover(names: dict[str, Any], listed: list[str], free: Collection[str] = ()) -> None:
    """Make the functions among a module's public names refuse as ``refusing`` says."""
    names.update({name: refusing(names[name], free=free) for name in listed})
