"""``tinytorch.amp``: mixed precision. On the CPU loss scaling works, automatic casting does not."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from tinytorch.optim.optimizer import Optimizer
from tinytorch.tracer import dtypes
from tinytorch.tracer.functions import isfinite
from tinytorch.tracer.mode import no_grad, wrapped
from tinytorch.tracer.tensor import Tensor

_F = TypeVar("_F", bound=Callable[..., Any])


def is_autocast_available(device_type: str) -> bool:
    """Whether ``autocast`` may be enabled for a type of device: for none."""
    return False


class autocast:  # noqa: N801 - PyTorch's name
    """Compute products in a half, within the context: accepted where PyTorch would switch it off.

    For ``"cuda"`` it warns and does nothing, as PyTorch does without a CUDA device; for ``"cpu"``
    with a dtype that it does not cast to it warns too. Raises NotImplementedError where it would
    have to cast, RuntimeError for other devices.
    """

    def __init__(
        self, device_type: str, dtype: dtypes.dtype | None = None, enabled: bool = True,
        cache_enabled: bool | None = None,
    ) -> None:  # fmt: skip
        if not isinstance(device_type, str):
            raise ValueError(
                f"Expected `device_type` of type `str`, got: `{type(device_type)}`"
            )
        if device_type not in ("cpu", "cuda"):
            raise RuntimeError(
                f"User specified an unsupported autocast device_type '{device_type}'"
            )
        if not enabled:
            return
        if device_type == "cuda":
            warnings.warn("CUDA is not available. Disabling autocast.", stacklevel=2)
        elif dtype not in (None, dtypes.bfloat16, dtypes.float16):
            warnings.warn(
                f"In CPU autocast, but the target dtype {dtype} is not supported. Disabling "
                "autocast.",
                stacklevel=2,
            )
        else:
            raise NotImplementedError(
                "autocast does not cast on the CPU: pass enabled=False, or convert the model and "
                "its input with .bfloat16()"
            )

    def __enter__(self) -> autocast:
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def __call__(self, function: _F) -> _F:
        """Wrap a function so that it runs in this context."""
        return wrapped(function, lambda: self)


def custom_fwd(fwd: Any = None, *, device_type: str = "cuda", cast_inputs: Any = None) -> Any:
    """Mark the ``forward`` of an ``autograd.Function``: nothing is cast, so it stays as it is."""
    return fwd if fwd is not None else lambda function: function


def custom_bwd(bwd: Any = None, *, device_type: str = "cuda") -> Any:
    """Mark the ``backward`` of an ``autograd.Function``: nothing is cast, so it stays as it is."""
    return bwd if bwd is not None else lambda function: function


class GradScaler:
    """Scale losses up, so that small gradients survive in halves, and gradients down again.

    ``scaler.scale(loss).backward(); scaler.step(optimizer); scaler.update()``. A step whose
    gradients are not finite is left out, and the scale shrinks by ``backoff_factor``; after
    ``growth_interval`` steps in a row it grows by ``growth_factor``. For ``"cuda"`` it warns and is
    disabled, as PyTorch's without a CUDA device: then it changes nothing. Whether a step is left
    out is decided in Python, so an enabled scaler cannot step inside a compiled function.
    """

    def __init__(
        self, device: str = "cuda", init_scale: float = 65536.0, growth_factor: float = 2.0,
        backoff_factor: float = 0.5, growth_interval: int = 2000, enabled: bool = True,
    ) -> None:  # fmt: skip
        if enabled and str(device).split(":")[0] == "cuda":
            warnings.warn(
                "GradScaler is enabled, but CUDA is not available. Disabling.", stacklevel=2
            )
            enabled = False
        if enabled and growth_factor <= 1.0:
            raise AssertionError("The growth factor must be > 1.0.")
        if enabled and backoff_factor >= 1.0:
            raise AssertionError("The backoff factor must be < 1.0.")
        self._enabled = enabled
        self._scale = init_scale
        self._growth_factor = growth_factor
        self._backoff_factor = backoff_factor
        self._growth_interval = growth_interval
        self._good_steps = 0
        self._finite: dict[int, bool] = {}  # by optimizer: are its unscaled gradients finite
        self._stepped: set[int] = set()

    def is_enabled(self) -> bool:
        """Whether anything is scaled."""
        return self._enabled

    def scale(self, outputs: Any) -> Any:
        """Return a tensor (or an iterable of tensors) times the scale."""
        if not self._enabled:
            return outputs
        if isinstance(outputs, Tensor):
            return outputs * self._scale
        if not isinstance(outputs, Iterable):
            raise ValueError("outputs must be a Tensor or an iterable of Tensors")
        scaled = [self.scale(x) for x in outputs]
        return tuple(scaled) if isinstance(outputs, tuple) else scaled

    def unscale_(self, optimizer: Optimizer) -> None:
        """Divide the gradients of an optimizer by the scale, to clip them before the step."""
        if not self._enabled:
            return
        if id(optimizer) in self._finite:
            raise RuntimeError(
                "unscale_() has already been called on this optimizer since the last update()."
            )
        if id(optimizer) in self._stepped:
            raise RuntimeError("unscale_() is being called after step().")
        finite = True
        with no_grad():
            for group in optimizer.param_groups:
                for param in group["params"]:
                    if param.grad is not None:
                        finite = bool(isfinite(param.grad).all()) and finite
                        param.grad.mul_(1.0 / self._scale)
        self._finite[id(optimizer)] = finite

    def step(self, optimizer: Optimizer, *args: Any, **kwargs: Any) -> Any:
        """Unscale unless that was done, and let the optimizer step if all gradients are finite."""
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if "closure" in kwargs:
            raise RuntimeError("Closure use is not currently supported if GradScaler is enabled.")
        if id(optimizer) in self._stepped:
            raise RuntimeError("step() has already been called since the last update().")
        if id(optimizer) not in self._finite:
            self.unscale_(optimizer)
        self._stepped.add(id(optimizer))
        return optimizer.step(*args, **kwargs) if self._finite[id(optimizer)] else None

    def update(self, new_scale: Any = None) -> None:
        """Set the scale of the next step: as asked, smaller after a step left out, or larger."""
        if not self._enabled:
            return
        if new_scale is not None:
            self._scale = float(new_scale)
        elif not self._finite:
            raise AssertionError("No inf checks were recorded prior to update.")
        elif not all(self._finite.values()):
            self._scale, self._good_steps = self._scale * self._backoff_factor, 0
        else:
            self._good_steps += 1
            if self._good_steps == self._growth_interval:
                self._scale, self._good_steps = self._scale * self._growth_factor, 0
        self._finite, self._stepped = {}, set()

    def get_scale(self) -> float:
        """The scale: 1 when disabled."""
        return self._scale if self._enabled else 1.0

    def state_dict(self) -> dict[str, Any]:
        """The state, to be saved: empty when disabled."""
        if not self._enabled:
            return {}
        return {
            "scale": self._scale, "growth_factor": self._growth_factor,
            "backoff_factor": self._backoff_factor, "growth_interval": self._growth_interval,
            "_growth_tracker": self._good_steps,
        }  # fmt: skip

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a state; raise RuntimeError for that of a disabled scaler."""
        if not self._enabled:
            return
        if not state_dict:
            raise RuntimeError(
                "The source state dict is empty, possibly because it was saved from a disabled "
                "instance of GradScaler."
            )
        self._scale = state_dict["scale"]
        self._growth_factor = state_dict["growth_factor"]
        self._backoff_factor = state_dict["backoff_factor"]
        self._growth_interval = state_dict["growth_interval"]
        self._good_steps = state_dict["_growth_tracker"]

__all__ = ["GradScaler", "autocast", "custom_bwd", "custom_fwd", "is_autocast_available"]
