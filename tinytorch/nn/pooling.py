"""Pooling layers; shapes and errors are those of the functions of ``nn.functional``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from tinytorch.nn import functional as F
from tinytorch.nn.module import Module
from tinytorch.tracer.tensor import Tensor


class _MaxPool(Module):
    """Largest of each window."""

    pool: ClassVar[Callable[..., Any]]

    def __init__(
        self, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
        return_indices: bool = False, ceil_mode: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding, self.dilation = padding, dilation
        self.return_indices, self.ceil_mode = return_indices, ceil_mode

    def forward(self, input: Tensor) -> Any:
        """Pool; with ``return_indices`` also the positions."""
        return type(self).pool(
            input, self.kernel_size, self.stride, self.padding, self.dilation,
            ceil_mode=self.ceil_mode, return_indices=self.return_indices,
        )  # fmt: skip

    def extra_repr(self) -> str:
        """Return the settings."""
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(_MaxPool):
    """Largest of each window of (N, C, L)."""

    pool = staticmethod(F.max_pool1d)


class MaxPool2d(_MaxPool):
    """Largest of each window of (N, C, H, W)."""

    pool = staticmethod(F.max_pool2d)


class MaxPool3d(_MaxPool):
    """Largest of each window of (N, C, D, H, W)."""

    pool = staticmethod(F.max_pool3d)


class _AvgPool(Module):
    def extra_repr(self) -> str:
        """Return the settings."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool1d(_AvgPool):
    """Mean of each window of (N, C, L)."""

    def __init__(
        self, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:  # fmt: skip
        super().__init__()
        single = [
            v if isinstance(v, tuple) else (v,)
            for v in (kernel_size, kernel_size if stride is None else stride, padding)
        ]
        self.kernel_size, self.stride, self.padding = single
        self.ceil_mode, self.count_include_pad = ceil_mode, count_include_pad

    def forward(self, input: Tensor) -> Tensor:
        """Pool."""
        return F.avg_pool1d(
            input, self.kernel_size, self.stride, self.padding, self.ceil_mode,
            self.count_include_pad,
        )  # fmt: skip


class _AvgPoolMany(_AvgPool):
    pool: ClassVar[Callable[..., Any]]

    def __init__(
        self, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
        count_include_pad: bool = True, divisor_override: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding, self.ceil_mode = padding, ceil_mode
        self.count_include_pad, self.divisor_override = count_include_pad, divisor_override

    def forward(self, input: Tensor) -> Tensor:
        """Pool."""
        out: Tensor = type(self).pool(
            input, self.kernel_size, self.stride, self.padding, self.ceil_mode,
            self.count_include_pad, self.divisor_override,
        )  # fmt: skip
        return out


class AvgPool2d(_AvgPoolMany):
    """Mean of each window of (N, C, H, W)."""

    pool = staticmethod(F.avg_pool2d)


class AvgPool3d(_AvgPoolMany):
    """Mean of each window of (N, C, D, H, W)."""

    pool = staticmethod(F.avg_pool3d)


class _LPPool(Module):
    pool: ClassVar[Callable[..., Any]]

    def __init__(
        self, norm_type: Any, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
    ) -> None:
        super().__init__()
        self.norm_type, self.kernel_size = norm_type, kernel_size
        self.stride, self.ceil_mode = stride, ceil_mode

    def forward(self, input: Tensor) -> Any:
        """Pool."""
        return type(self).pool(
            input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode
        )

    def extra_repr(self) -> str:
        """Return the settings."""
        return (
            f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"ceil_mode={self.ceil_mode}"
        )


class LPPool1d(_LPPool):
    """Power mean of each window of (N, C, L)."""

    pool = staticmethod(F.lp_pool1d)


class LPPool2d(_LPPool):
    """Power mean of each window of (N, C, H, W)."""

    pool = staticmethod(F.lp_pool2d)


class _Adaptive(Module):
    pool: ClassVar[Callable[..., Any]]

    def __init__(self, output_size: Any) -> None:
        super().__init__()
        self.output_size = output_size

    def forward(self, input: Tensor) -> Any:
        """Pool to the size."""
        return type(self).pool(input, self.output_size)

    def extra_repr(self) -> str:
        """Return the size."""
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(_Adaptive):
    """Means of (N, C, L) to a length."""

    pool = staticmethod(F.adaptive_avg_pool1d)


class AdaptiveAvgPool2d(_Adaptive):
    """Means of (N, C, H, W) to a size; None keeps an axis."""

    pool = staticmethod(F.adaptive_avg_pool2d)


class AdaptiveAvgPool3d(_Adaptive):
    """Means of (N, C, D, H, W) to a size; None keeps an axis."""

    pool = staticmethod(F.adaptive_avg_pool3d)


class _AdaptiveMax(_Adaptive):
    def __init__(self, output_size: Any, return_indices: bool = False) -> None:
        super().__init__(output_size)
        self.return_indices = return_indices

    def forward(self, input: Tensor) -> Any:
        """Pool to the size; with ``return_indices`` also the positions."""
        return type(self).pool(input, self.output_size, self.return_indices)


class AdaptiveMaxPool1d(_AdaptiveMax):
    """Largest of (N, C, L) to a length."""

    pool = staticmethod(F.adaptive_max_pool1d)


class AdaptiveMaxPool2d(_AdaptiveMax):
    """Largest of (N, C, H, W) to a size; None keeps an axis."""

    pool = staticmethod(F.adaptive_max_pool2d)


class _MaxUnpool(Module):
    """The partial inverse of a max pool."""

    unpool: ClassVar[Callable[..., Tensor]]

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding

    def forward(self, input: Tensor, indices: Tensor, output_size: Any = None) -> Tensor:
        """Put values back at the positions that the pool returned."""
        return type(self).unpool(
            input, indices, self.kernel_size, self.stride, self.padding, output_size
        )

    def extra_repr(self) -> str:
        """Return the settings."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxUnpool1d(_MaxUnpool):
    """Values of (N, C, L) where ``MaxPool1d`` found them, zeros elsewhere."""

    unpool = staticmethod(F.max_unpool1d)


class MaxUnpool2d(_MaxUnpool):
    """Values of (N, C, H, W) where ``MaxPool2d`` found them, zeros elsewhere."""

    unpool = staticmethod(F.max_unpool2d)


class MaxUnpool3d(_MaxUnpool):
    """Values of (N, C, D, H, W) where ``MaxPool3d`` found them, zeros elsewhere."""

    unpool = staticmethod(F.max_unpool3d)


__all__ = [
    "AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "AdaptiveAvgPool3d", "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d", "AvgPool1d", "AvgPool2d", "AvgPool3d", "LPPool1d", "LPPool2d",
    "MaxPool1d", "MaxPool2d", "MaxPool3d", "MaxUnpool1d", "MaxUnpool2d", "MaxUnpool3d",
]  # fmt: skip
