"""Module: a tree of parameters, buffers and other modules with a ``forward``."""

from __future__ import annotations

from typing import Any, TypeVar

from tinytorch.nn.state import Stateful
from tinytorch.tracer import dtypes as types
from tinytorch.tracer.compiled import compile as compiled
from tinytorch.tracer.device import check_device
from tinytorch.tracer.mode import mode
from tinytorch.tracer.tensor import Tensor
from tinytorch.tracer.tracked import touch

T = TypeVar("T", bound="Module")


class Module(Stateful):
    """Base of all layers and models. Subclasses call ``super().__init__()`` and give ``forward``.

    Attributes that are parameters, tensors registered as buffers, or modules are found by
    ``parameters()``, ``state_dict()`` and the rest. Plain ints and floats become run-time inputs
    of compiled code; any other change of an attribute makes compiled code look again.
    """

    def __init__(self) -> None:
        super().__init__()
        self.training = True

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the result; every subclass gives its own."""
        raise NotImplementedError(
            f'Module [{type(self).__name__}] is missing the required "forward" function'
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run ``forward`` with its hooks; the compiled form if ``compile`` was called."""
        fast = self.__dict__.get("_compiled_call")
        if fast is not None and mode.trace is None:
            return fast(*args, **kwargs)
        return self._call(*args, **kwargs)

    def _call(self, *args: Any, **kwargs: Any) -> Any:
        if not self._hooks:
            return self.forward(*args, **kwargs)
        return self._run_hooked(self.forward, args, kwargs)

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Compile this module's call in place; arguments go to ``tinytorch.compile``."""
        self._check_writable("compile")
        object.__setattr__(self, "_compiled_call", compiled(self._call, *args, **kwargs))
        touch()

    # ------------------------------------------------------------ conversions

    def to(
        self: T, *args: Any, dtype: Any = None, device: Any = None, non_blocking: bool = False,
        memory_format: Any = None,
    ) -> T:  # fmt: skip
        """Convert floating-point parameters and buffers to a dtype (or that of a tensor).

        A device may be named, as long as it is the CPU. Parameters stay the same objects, so
        optimizers keep them.
        """
        for arg in args:
            if isinstance(arg, Tensor):
                dtype = arg.dtype
            elif isinstance(arg, types.dtype):
                dtype = arg
            elif not isinstance(arg, bool):
                device = arg
        check_device(device)
        if dtype is None:
            return self
        if not dtype.is_floating_point:
            raise TypeError(
                "nn.Module.to only accepts floating point or complex dtypes, but got desired "
                f"dtype={dtype}"
            )
        for module in self.modules():
            module._convert(dtype)
        return self

    def _convert(self, dtype: Any) -> None:
        self._check_writable("dtype")
        for param in self._parameters.values():
            if param is not None and param.dtype.is_floating_point and param.dtype is not dtype:
                param.converted_in_place(dtype)
        for name, buffer in self._buffers.items():
            if buffer is not None and buffer.dtype.is_floating_point:
                self._buffers[name] = buffer.to(dtype)
        touch()

    def type(self: T, dst_type: Any) -> T:
        """Convert all floating-point parameters and buffers to a dtype."""
        return self.to(dst_type)

    def float(self: T) -> T:
        """Convert floating-point parameters and buffers to float32."""
        return self.to(types.float32)

    def double(self: T) -> T:
        """Convert floating-point parameters and buffers to float64."""
        return self.to(types.float64)

    def half(self: T) -> T:
        """Convert floating-point parameters and buffers to float16."""
        return self.to(types.float16)

    def bfloat16(self: T) -> T:
        """Convert floating-point parameters and buffers to bfloat16."""
        return self.to(types.bfloat16)

    def cpu(self: T) -> T:
        """Return the module: it lives on the CPU."""
        return self

    def cuda(self: T, device: Any = None) -> T:
        """Refuse: tensors live on the CPU."""
        return self.to(device="cuda" if device is None else device)

    # ------------------------------------------------------------------- text

    def extra_repr(self) -> str:
        """Return the settings shown in the text form."""
        return ""

    def _get_name(self) -> str:
        return self.__class__.__name__

    def __repr__(self) -> str:
        extra = self.extra_repr()
        lines = extra.split("\n") if extra else []
        children = [f"({n}): {indented(repr(m))}" for n, m in self._modules.items()]
        if not children and len(lines) <= 1:
            return f"{self._get_name()}({extra})"
        body = "\n  ".join(lines + children)
        return f"{self._get_name()}(\n  {body}\n)"


def indented(text: str) -> str:
    """Indent all lines but the first by two spaces."""
    return text.replace("\n", "\n  ")
