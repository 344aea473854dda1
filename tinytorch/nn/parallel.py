"""``tinytorch.nn.parallel``: modules over many devices. There is one: they run where they are."""

from __future__ import annotations

from typing import Any

from tinytorch.nn.module import Module
from tinytorch.tracer.device import CPU, check_device
from tinytorch.tracer.device import device as named


class DataParallel(Module):
    """A module over all accelerators, of which there are none: it runs ``module`` itself.

    What stands in ``module`` is found under ``module.`` in the state. ``device_ids`` are accepted,
    as by PyTorch without a CUDA device.
    """

    def __init__(
        self, module: Module, device_ids: Any = None, output_device: Any = None, dim: int = 0
    ) -> None:
        super().__init__()
        self.module = module
        self.device_ids: list[int] = []
        self.dim = dim

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        """Run the module."""
        return self.module(*inputs, **kwargs)


def data_parallel(
    module: Module, inputs: Any, device_ids: Any = None, output_device: Any = None, dim: int = 0,
    module_kwargs: dict[str, Any] | None = None,
) -> Any:  # fmt: skip
    """Run a module on inputs (a tensor or a tuple), on the devices named: only the CPU is there.

    Raises RuntimeError for a device that is not.
    """
    for place in device_ids or ():
        check_device(named("cuda", place) if isinstance(place, int) else place)
    check_device(CPU if output_device is None else output_device)
    inputs = inputs if isinstance(inputs, tuple) else (inputs,)
    return module(*inputs, **(module_kwargs or {}))

__all__ = ["DataParallel", "data_parallel"]
