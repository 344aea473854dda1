"""``tinytorch.cuda``: what programs ask before they choose a device. There is none but the CPU.

Questions have truthful answers (``is_available()`` is false), settings of nothing do nothing, and
what needs a device raises.
"""

from typing import Any, NoReturn

from tinytorch.cuda import amp as amp


def is_available() -> bool:
    """Whether tensors can live on a CUDA device: they cannot."""
    return False


def device_count() -> int:
    """Number of CUDA devices that tensors can live on: 0."""
    return 0


def is_initialized() -> bool:
    """Whether CUDA is in use: it is not."""
    return False


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """Whether a CUDA device computes bfloat16: there is none."""
    return False


def manual_seed(seed: int) -> None:
    """Seed the generator of the current CUDA device: there is none, so nothing is done."""


def manual_seed_all(seed: int) -> None:
    """Seed the generators of all CUDA devices: there are none, so nothing is done."""


def empty_cache() -> None:
    """Give back unused memory of CUDA devices: none is held."""


def ipc_collect() -> None:
    """Give back shared memory of CUDA devices: none is held."""


def memory_allocated(device: Any = None) -> int:
    """Bytes that tensors take on a CUDA device: 0."""
    return 0


def max_memory_allocated(device: Any = None) -> int:
    """Most bytes that tensors took on a CUDA device: 0."""
    return 0


def memory_reserved(device: Any = None) -> int:
    """Bytes held of a CUDA device: 0."""
    return 0


def max_memory_reserved(device: Any = None) -> int:
    """Most bytes held of a CUDA device: 0."""
    return 0


def reset_peak_memory_stats(device: Any = None) -> None:
    """Start counting the most bytes anew: the count stays 0."""


def current_device() -> NoReturn:
    """Raise RuntimeError: no CUDA device is current."""
    _refuse("current_device")


def set_device(device: Any) -> NoReturn:
    """Raise RuntimeError: there is no CUDA device to choose."""
    _refuse("set_device")


def get_device_name(device: Any = None) -> NoReturn:
    """Raise RuntimeError: there is no CUDA device to name."""
    _refuse("get_device_name")


def get_device_properties(device: Any = None) -> NoReturn:
    """Raise RuntimeError: there is no CUDA device to describe."""
    _refuse("get_device_properties")


def get_device_capability(device: Any = None) -> NoReturn:
    """Raise RuntimeError: there is no CUDA device to describe."""
    _refuse("get_device_capability")


def synchronize(device: Any = None) -> NoReturn:
    """Raise RuntimeError: there is no CUDA device to wait for."""
    _refuse("synchronize")


def _refuse(name: str) -> NoReturn:
    raise RuntimeError(
        f"cuda.{name}: no CUDA device is available, tensors live on 'cpu'; ask "
        "cuda.is_available() first"
    )
