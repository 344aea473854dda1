"""Collections of parameters: in a list, by name. Other values may stand beside them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import Any, NoReturn, TypeVar

from tinytorch.nn.container import pairs_of, position_of
from tinytorch.nn.module import Module
from tinytorch.nn.parameter import Parameter
from tinytorch.tracer.tensor import Tensor

P = TypeVar("P", bound="ParameterList")
D = TypeVar("D", bound="ParameterDict")


def _kept(value: Any) -> Any:
    """Tensors become parameters; anything else stays as it is."""
    plain = isinstance(value, Tensor) and not isinstance(value, Parameter)
    return Parameter(value) if plain else value


def _described(name: Any, value: Any) -> str:
    if not isinstance(value, Tensor):
        return f"  ({name}): Object of type: {type(value).__name__}"
    kind = "Parameter" if isinstance(value, Parameter) else "Tensor"
    size = "x".join(str(n) for n in value.shape)
    return f"  ({name}): {kind} containing: [{value.dtype} of size {size}]"


class ParameterList(Module):
    """Parameters in a list. Tensors put into it become parameters."""

    def __init__(self, values: Iterable[Any] | None = None) -> None:
        super().__init__()
        object.__setattr__(self, "_size", 0)  # not a number attribute: the length is structure
        self.extend(() if values is None else values)

    _size: int

    def __call__(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse: a list of parameters computes nothing."""
        raise RuntimeError("ParameterList should not be called.")

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Any]:
        return iter([self[i] for i in range(len(self))])

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return type(self)(list(self)[index])
        return getattr(self, str(position_of(index, len(self))))

    def __setitem__(self, index: int, value: Any) -> None:
        setattr(self, str(position_of(index, len(self))), _kept(value))

    def append(self: P, value: Any) -> P:
        """Add a value at the end."""
        setattr(self, str(self._size), _kept(value))
        object.__setattr__(self, "_size", self._size + 1)
        return self

    def extend(self: P, values: Iterable[Any]) -> P:
        """Add several values at the end."""
        if not isinstance(values, Iterable) or isinstance(values, Tensor):
            raise TypeError(
                "ParameterList.extend should be called with an iterable, but got "
                f"{type(values).__name__}"
            )
        for value in list(values):
            self.append(value)
        return self

    def __iadd__(self: P, values: Iterable[Any]) -> P:
        return self.extend(values)

    def extra_repr(self) -> str:
        """Return a line for each value."""
        return "\n".join(_described(i, value) for i, value in enumerate(self))


class ParameterDict(Module):
    """Parameters by name, in the order of insertion. Tensors put into it become parameters."""

    def __init__(self, parameters: Any = None) -> None:
        super().__init__()
        self._keys: dict[str, None] = {}
        self.update({} if parameters is None else parameters)

    def __call__(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse: a dict of parameters computes nothing."""
        raise RuntimeError("ParameterDict should not be called.")

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __reversed__(self) -> Iterator[str]:
        return reversed(list(self._keys))

    def __contains__(self, key: str) -> bool:
        return key in self._keys

    def __getitem__(self, key: str) -> Any:
        if key not in self._keys:
            raise AttributeError(f"'{type(self).__name__}' object has no attribute '{key}'")
        return getattr(self, key)

    def __setitem__(self, key: str, value: Any) -> None:
        if not isinstance(key, str):
            raise TypeError(
                "Index given to ParameterDict cannot be used as a key as it is not a string (type "
                f"is '{type(key).__name__}')."
            )
        if key not in self._keys and hasattr(self, key):
            raise KeyError(f"attribute '{key}' already exists")
        setattr(self, key, _kept(value))
        self._keys[key] = None

    def __delitem__(self, key: str) -> None:
        if key not in self._keys:
            raise KeyError(key)
        delattr(self, key)
        del self._keys[key]

    def keys(self) -> Any:
        """Names."""
        return self._keys.keys()

    def values(self) -> list[Any]:
        """Values."""
        return [self[key] for key in self._keys]

    def items(self) -> list[tuple[str, Any]]:
        """Names with their values."""
        return [(key, self[key]) for key in self._keys]

    def get(self, key: str, default: Any = None) -> Any:
        """Value, or default."""
        return getattr(self, key) if key in self._keys else default

    def setdefault(self, key: str, default: Any = None) -> Any:
        """Value, set to default if absent."""
        if key not in self:
            self[key] = default
        return self[key]

    def pop(self, key: str) -> Any:
        """Remove and return a value."""
        value = self[key]
        del self[key]
        return value

    def popitem(self) -> tuple[str, Any]:
        """Remove and return the last name with its value."""
        if not self._keys:
            raise KeyError("popitem(): dictionary is empty")
        key = list(self._keys)[-1]
        return key, self.pop(key)

    def clear(self) -> None:
        """Remove all values."""
        for key in list(self._keys):
            del self[key]

    def copy(self) -> ParameterDict:
        """Return a dict of its own with the same parameters."""
        return ParameterDict(self)

    def fromkeys(self, keys: Iterable[str], default: Any = None) -> ParameterDict:
        """Return a dict with one value under every name."""
        return ParameterDict([(key, default) for key in keys])

    def update(self, parameters: Any) -> None:
        """Add the values of a mapping, or of an iterable of pairs; a plain dict's by name."""
        pairs = pairs_of(parameters, "ParameterDict")
        if isinstance(parameters, dict) and not isinstance(parameters, OrderedDict):
            pairs.sort(key=lambda pair: pair[0])
        for key, value in pairs:
            self[key] = value

    def __or__(self, other: ParameterDict) -> ParameterDict:
        joined = self.copy()
        joined.update(other)
        return joined

    def __ior__(self: D, other: ParameterDict) -> D:
        self.update(other)
        return self

    def extra_repr(self) -> str:
        """Return a line for each value."""
        return "\n".join(_described(key, value) for key, value in self.items())
