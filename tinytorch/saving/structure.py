"""Nested Python objects as JSON, with their tensors set aside by name.

JSON's null, bools, strings and finite numbers stand for themselves; everything else is a list
whose first item says what it is: ``["dict", [key, value], ...]``, ``["tensor", name]``.
"""

from __future__ import annotations

import base64
import json
import math
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

import numpy as np

from tinytorch.errors import FileFormatError
from tinytorch.ir.types import BY_NAME, DType
from tinytorch.tracer.tensor import Tensor
from tinytorch.tracer.tracked import TrackedDict, TrackedList
from tinytorch.tracer.views import Size

VERSION = 1
_MAPS: dict[type, str] = {
    dict: "dict", TrackedDict: "dict", OrderedDict: "ordered", Counter: "counter",
}  # fmt: skip
_ROWS: dict[type, str] = {
    list: "list", TrackedList: "list", tuple: "tuple", Size: "size", set: "set",
    frozenset: "frozenset",
}  # fmt: skip
_MAKE_MAP: dict[str, Callable[[Any], Any]] = {
    "dict": dict, "ordered": OrderedDict, "counter": lambda pairs: Counter(dict(pairs)),
}  # fmt: skip
_MAKE_ROW: dict[str, Callable[[Any], Any]] = {
    "list": list, "tuple": tuple, "size": Size, "set": set, "frozenset": frozenset,
}  # fmt: skip


class Writer:
    """Describes one object; ``arrays`` collects its tensors' memory by name."""

    def __init__(self) -> None:
        self.arrays: dict[str, tuple[str, np.ndarray]] = {}
        self._names: dict[Any, str] = {}
        self._open: set[int] = set()
        self._alive: list[Any] = []

    def text(self, obj: Any) -> str:
        """Return the description."""
        try:
            root = self._node(obj, ())
        except RecursionError:
            raise ValueError("the object is nested too deeply to be saved") from None
        return json.dumps({"version": VERSION, "root": root}, allow_nan=False)

    def _node(self, value: Any, path: tuple[Any, ...]) -> Any:
        kind = type(value)
        if value is None or kind in (bool, int, str):
            return value
        if kind is float:
            return value if math.isfinite(value) else ["float", str(value)]
        if isinstance(value, Tensor):
            return self._tensor(value, path)
        if kind in _MAPS or kind in _ROWS:
            return self._container(value, path)
        if kind is np.ndarray or isinstance(value, np.generic):
            return self._array(value, path)
        if kind is complex:
            parts = [self._node(x, path) for x in (value.real, value.imag)]
            return ["complex", *parts]
        if kind in (bytes, bytearray):
            return [kind.__name__, base64.b64encode(value).decode()]
        if kind is DType:
            return ["dtype", value.name]
        remedy = "; save its state_dict()" if hasattr(value, "state_dict") else ""
        raise TypeError(f"cannot save {_shown(path)}: it is of {kind}{remedy}")

    def _container(self, value: Any, path: tuple[Any, ...]) -> Any:
        if id(value) in self._open:
            raise ValueError(f"cannot save {_shown(path)}: it contains itself")
        self._open.add(id(value))
        kind = type(value)
        if kind in _MAPS:
            pairs = [[self._key(k, path), self._node(v, (*path, k))] for k, v in value.items()]
            node = [_MAPS[kind], *pairs]
        else:
            node = [_ROWS[kind], *(self._node(v, (*path, n)) for n, v in enumerate(value))]
        self._open.discard(id(value))
        return node

    def _key(self, key: Any, path: tuple[Any, ...]) -> Any:
        if not isinstance(key, bool | int | float | str | bytes | tuple | DType | None):
            raise TypeError(f"cannot save {_shown(path)}: it has a key of {type(key)}")
        return self._node(key, path)

    def _tensor(self, value: Tensor, path: tuple[Any, ...]) -> Any:
        array = value.detach().array
        learns = value.requires_grad and value.is_leaf
        where = array.__array_interface__["data"][0]
        place = (where, array.shape, array.strides, value.dtype.name, learns)
        if array.size == 0 or place not in self._names:
            self._names[place] = self._store(array, value.dtype.name, path)
            self._alive.append(array)
        node = ["tensor", self._names[place]]
        return [*node, True] if learns else node

    def _array(self, value: Any, path: tuple[Any, ...]) -> Any:
        array = np.asarray(value)
        name = array.dtype.name
        if name not in BY_NAME or BY_NAME[name].numpy != array.dtype.newbyteorder("="):
            raise TypeError(f"cannot save {_shown(path)}: a numpy array of dtype {array.dtype}")
        kind = "array" if type(value) is np.ndarray else "scalar"
        return [kind, self._store(array.astype(array.dtype.newbyteorder("=")), name, path)]

    def _store(self, array: np.ndarray, dtype: str, path: tuple[Any, ...]) -> str:
        wanted = ".".join(map(str, path)).encode("utf-8", "replace").decode() or "value"
        name, number = wanted, 2
        while name in self.arrays or name == "__metadata__":
            name, number = f"{wanted}~{number}", number + 1
        self.arrays[name] = (dtype, np.array(array, order="C", copy=None))
        return name


class Reader:
    """Builds the object that a description tells of, from tensors by name."""

    def __init__(self, tensors: dict[str, Tensor], source: str) -> None:
        self._tensors = tensors
        self._source = source
        self._used: set[str] = set()
        self._learning: dict[str, bool] = {}

    def value(self, text: str) -> Any:
        """Return the object; raise FileFormatError for a description that makes no sense."""
        try:
            described = json.loads(text)
            if not isinstance(described, dict) or set(described) != {"version", "root"}:
                self._refuse("it is not of the form {version, root}")
            if described["version"] != VERSION:
                self._refuse(f"it is of version {described['version']!r}, this reads {VERSION}")
            built = self._build(described["root"])
        except FileFormatError:
            raise
        except (ValueError, TypeError, RecursionError) as error:
            self._refuse(str(error))
        if len(self._used) != len(self._tensors):
            self._refuse("it leaves out tensors of the file")
        for name, learning in self._learning.items():
            if learning:
                self._tensors[name].requires_grad_()
        return built

    def _build(self, node: Any) -> Any:
        if node is None or isinstance(node, bool | int | float | str):
            return node
        if not isinstance(node, list) or not node or not isinstance(node[0], str):
            self._refuse(f"there is a {type(node).__name__} where a value should be")
        kind, items = node[0], node[1:]
        if kind in _MAKE_ROW:
            built = [self._build(item) for item in items]
            if kind == "size" and not all(type(n) is int for n in built):
                self._refuse("a size is not of whole numbers")
            return _MAKE_ROW[kind](built)
        if kind in _MAKE_MAP:
            return self._map(kind, items)
        if kind == "tensor" and len(items) in (1, 2):
            self._learning.setdefault(items[0], len(items) == 2)
            return self._named(items[0])
        if kind in ("array", "scalar") and len(items) == 1:
            array = self._named(items[0]).numpy()
            return array if kind == "array" else array[()]
        return self._leaf(kind, items)

    def _map(self, kind: str, items: Iterable[Any]) -> Any:
        pairs = [(self._build(key), self._build(value)) for key, value in items]
        if len({key for key, _ in pairs}) != len(pairs):
            self._refuse("a key occurs twice")
        return _MAKE_MAP[kind](pairs)

    def _leaf(self, kind: str, items: list[Any]) -> Any:
        if kind == "float" and items in (["nan"], ["inf"], ["-inf"]):
            return float(items[0])
        if kind == "complex" and len(items) == 2:
            return complex(*(float(self._build(x)) for x in items))
        if kind in ("bytes", "bytearray") and len(items) == 1:
            data = base64.b64decode(items[0], validate=True)
            return data if kind == "bytes" else bytearray(data)
        if kind == "dtype" and len(items) == 1 and items[0] in BY_NAME:
            return BY_NAME[items[0]]
        self._refuse(f"it holds an unknown kind of value, {kind!r}")

    def _named(self, name: Any) -> Tensor:
        if not isinstance(name, str) or name not in self._tensors:
            self._refuse(f"it names a tensor {name!r} that is not in the file")
        self._used.add(name)
        return self._tensors[name]

    def _refuse(self, why: str) -> NoReturn:
        raise FileFormatError(f"{self._source} cannot be loaded: its description is bad: {why}")


def _shown(path: tuple[Any, ...]) -> str:
    return "obj" + "".join(f"[{key!r}]" for key in path)
