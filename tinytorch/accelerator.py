"""``tinytorch.accelerator``: the device that programs would rather have than the CPU: none."""

from typing import Any, NoReturn


def is_available() -> bool:
    """Whether tensors can live on an accelerator: they cannot."""
    return False


def device_count() -> int:
    """Number of accelerators that tensors can live on: 0."""
    return 0


def current_accelerator(check_available: bool = False) -> None:
    """The accelerator's device: None."""


def current_device_index() -> NoReturn:
    """Raise RuntimeError: no accelerator is current."""
    _refuse()


def set_device_index(device: Any, /) -> NoReturn:
    """Raise RuntimeError: there is no accelerator to choose."""
    _refuse()


def synchronize(device: Any = None, /) -> NoReturn:
    """Raise RuntimeError: there is no accelerator to wait for."""
    _refuse()


def _refuse() -> NoReturn:
    raise RuntimeError("Cannot access accelerator device when none is available.")
