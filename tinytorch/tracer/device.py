"""Devices: what programs name to say where tensors live. There is one, the CPU."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

from tinytorch.tracer.mode import wrapped

_F = TypeVar("_F", bound=Callable[..., Any])
_TYPES = (
    "cpu", "cuda", "ipu", "xpu", "mkldnn", "opengl", "opencl", "ideep", "hip", "ve", "fpga",
    "maia", "xla", "lazy", "vulkan", "mps", "meta", "hpu", "mtia", "privateuseone",
)  # fmt: skip
"""The types of devices that PyTorch's programs may name."""


class device:  # noqa: N801 - PyTorch's name
    """The name of a device: a type and, if one was given, an index.

    ``device("cpu")``, ``device("cuda:1")`` and ``device("cuda", 1)``; equal ones are one object. A
    device can be named without being there: only putting a tensor on it raises. As a context
    manager (or decorator) it makes its device the one of new tensors.

    Raises RuntimeError for a string that names no type of device, TypeError for anything else.
    """

    __slots__ = ("_index", "_type")

    _type: str
    _index: int | None
    _made: dict[tuple[str, int | None], device] = {}

    def __new__(cls, type: Any, index: int | None = None) -> device:  # noqa: A002
        """Return the one object of that name."""
        if isinstance(type, device):
            return type
        if isinstance(type, bool) or not isinstance(type, str | int):
            raise TypeError(
                "device(): argument 'type' must be str, int or a device, not "
                f"{type.__class__.__name__}"
            )
        key = ("cuda", type) if isinstance(type, int) else _parsed(type, index)
        if key not in cls._made:
            self = super().__new__(cls)
            object.__setattr__(self, "_type", key[0])
            object.__setattr__(self, "_index", key[1])
            cls._made[key] = self
        return cls._made[key]

    @property
    def type(self) -> str:
        """The type: ``"cpu"``."""
        return self._type

    @property
    def index(self) -> int | None:
        """Which one of its type, or None."""
        return self._index

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"attribute '{name}' of 'device' objects is not writable")

    def __reduce__(self) -> Any:
        return device, (self.type, self.index)

    def __copy__(self) -> device:
        return self

    def __deepcopy__(self, memo: Any) -> device:
        return self

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __repr__(self) -> str:
        index = "" if self.index is None else f", index={self.index}"
        return f"device(type={self.type!r}{index})"

    def __enter__(self) -> device:
        check_device(self)
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def __call__(self, function: _F) -> _F:
        """Wrap a function so that its new tensors are on this device."""
        return wrapped(function, lambda: self)


def _parsed(text: str, index: int | None) -> tuple[str, int | None]:
    found = re.fullmatch(r"([a-z]+)(?::(\d+))?", text)
    if found is None:
        raise RuntimeError(f"Invalid device string: {text!r}")
    if found[1] not in _TYPES:
        raise RuntimeError(
            f"Expected one of {', '.join(_TYPES)} device type at start of device string: {text}"
        )
    if found[2] is not None and index is not None:
        raise RuntimeError(
            f"type (string) must not include an index because index was passed explicitly: {text}"
        )
    return found[1], index if found[2] is None else int(found[2])


CPU = device("cpu")


def check_device(where: Any) -> None:
    """Accept None and the CPU; raise for any other device.

    Raises RuntimeError for a device that tensors cannot live on, TypeError for what names none.
    """
    if where is None or where is CPU or where == "cpu":
        return
    if isinstance(where, bool) or not isinstance(where, str | int | device):
        raise TypeError(f"argument 'device' must be a device, not {type(where).__name__}")
    found = device(where)
    if found.type != "cpu":
        raise RuntimeError(f"device {str(found)!r} is not available: tensors live on 'cpu'")


def get_default_device() -> device:
    """The device of new tensors: the CPU."""
    return CPU


def set_default_device(device: Any) -> None:
    """Accept the CPU as the device of new tensors; raise as ``check_device`` does."""
    check_device(device)

__all__ = ["device", "get_default_device", "set_default_device"]
