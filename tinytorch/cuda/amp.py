"""``tinytorch.cuda.amp``: mixed precision under its older names, which mean a CUDA device."""

from typing import Any

from tinytorch import amp
from tinytorch.amp import custom_bwd, custom_fwd


class autocast(amp.autocast):  # noqa: N801 - PyTorch's name
    """``tinytorch.amp.autocast("cuda")``: warned about and off, as there is no CUDA device."""

    def __init__(
        self, enabled: bool = True, dtype: Any = None, cache_enabled: bool | None = None
    ) -> None:
        super().__init__("cuda", dtype, enabled, cache_enabled)


class GradScaler(amp.GradScaler):
    """``tinytorch.amp.GradScaler("cuda")``: warned about and off, as there is no CUDA device."""

    def __init__(
        self, init_scale: float = 65536.0, growth_factor: float = 2.0,
        backoff_factor: float = 0.5, growth_interval: int = 2000, enabled: bool = True,
    ) -> None:  # fmt: skip
        super().__init__(
            "cuda", init_scale, growth_factor, backoff_factor, growth_interval, enabled
        )

__all__ = ["GradScaler", "autocast", "custom_bwd", "custom_fwd"]
