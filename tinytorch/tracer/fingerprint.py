"""Fingerprint: the structure of tracked objects, as a value that can be compared."""

from __future__ import annotations

from typing import Any

from tinytorch.tracer.tensor import Tensor
from tinytorch.tracer.tracked import OWN_TABLES, Tracked, kinds_of_numbers, replacing

_PLAIN = (bool, int, float, complex, str, bytes, type(None))


class Fingerprint:
    """Everything about some tracked objects that compiled code may depend on.

    Objects are told apart by identity, so they are kept alive as long as the fingerprint.
    """

    def __init__(self, roots: list[Tracked]) -> None:
        self.alive: list[Any] = []
        self._seen: set[int] = set()
        self.key = (replacing.value, *(self._token(r) for r in roots))

    def _attribute(self, name: str, item: Any) -> Any:
        """Attributes as such; what is inside a plain container, reach watches if it is read."""
        if name == "_numbers":
            return tuple((k, type(v)) for k, v in item.items())
        if type(item) in (list, dict, set) and name not in OWN_TABLES:
            self.alive.append(item)
            return id(item)
        return self._token(item)

    def _token(self, value: Any) -> Any:
        if isinstance(value, _PLAIN):
            return (type(value).__name__, repr(value))
        if id(value) in self._seen:
            return id(value)
        self._seen.add(id(value))
        self.alive.append(value)
        if isinstance(value, Tensor):
            self.alive += [value._storage, value._array]  # other memory may follow: ``half()``
            return (id(value), id(value._storage), id(value._array), value._type, value._strides,
                    value._requires, value._tape is None,
                    bool(getattr(value, "_hooks", None)))  # fmt: skip
        if isinstance(value, Tracked):
            return (id(value), type(value), tuple(
                (name, self._attribute(name, item)) for name, item in value.__dict__.items()
            ))  # fmt: skip
        if isinstance(value, dict):
            numbers = type(value) is not dict
            return (id(value), tuple(
                (self._token(k), (numbers and kinds_of_numbers(v)) or self._token(v))
                for k, v in value.items()
            ))  # fmt: skip
        if isinstance(value, list | tuple):
            return (id(value), tuple(self._token(v) for v in value))
        return id(value)
