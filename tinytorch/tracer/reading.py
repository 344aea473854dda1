"""Reading: a tensor's values as Python numbers and numpy arrays, refused while a trace records."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinytorch.ir.storage import numbers
from tinytorch.ir.types import TensorType, bfloat16
from tinytorch.tracer.mode import mode
from tinytorch.tracer.refusals import concrete
from tinytorch.tracer.storage import LentStorage, Storage


class Readable:
    """What reads a tensor. Inside a compiled function all of it raises TraceError."""

    __slots__ = ()

    _type: TensorType
    _array: np.ndarray | None
    _storage: Storage
    requires_grad: bool

    def numpy(self) -> np.ndarray:
        """Return the values as a numpy array that shares this tensor's memory."""
        if mode.trace is not None or self._array is None:
            raise concrete(self, "numpy()", "keep the computation in tinytorch ops")
        if self.requires_grad:
            raise RuntimeError(
                "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() "
                "instead."
            )
        self._storage.__class__ = LentStorage
        if self._type.dtype is bfloat16:
            return _as_extension(self._array)
        return self._array

    def item(self) -> Any:
        """Return the single element as a Python number; raise RuntimeError if there are more."""
        if self._type.size != 1:
            raise RuntimeError(
                f"a Tensor with {self._type.size} elements cannot be converted to Scalar"
            )
        if mode.trace is not None or self._array is None:
            raise concrete(self, "a Python number", "return the tensor and read it outside")
        return numbers(self._array).item()

    def tolist(self) -> Any:
        """Return nested lists of Python numbers."""
        if mode.trace is not None or self._array is None:
            raise concrete(self, "tolist()", "return the tensor and read it outside")
        return numbers(self._array).tolist()

    def __bool__(self) -> bool:
        if self._type.size != 1:
            raise RuntimeError(
                "Boolean value of Tensor with more than one value is ambiguous"
                if self._type.size
                else "Boolean value of Tensor with no values is ambiguous"
            )
        if mode.trace is not None or self._array is None:
            raise concrete(
                self, "a Python bool (if, while, and, or, not)",
                "choose values with tinytorch.where(condition, a, b)",
            )  # fmt: skip
        return bool(numbers(self._array).item())

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if self._type.dtype.kind != "i" or self._type.size != 1:
            raise TypeError("only integer tensors of a single element can be converted to an index")
        return int(self.item())

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        array = self.numpy()
        return array if dtype is None else array.astype(dtype)

    @property
    def __array_interface__(self) -> dict[str, Any]:
        """Where and how the elements lie, for numpy and whoever speaks its protocol."""
        return self.numpy().__array_interface__

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TypeError("tensors are not pickled: save them with tinytorch.save")

    __hash__ = object.__hash__


def _as_extension(array: np.ndarray) -> np.ndarray:
    """bfloat16 as the ``ml_dtypes`` package spells it, sharing memory."""
    try:
        import ml_dtypes  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        raise TypeError(
            "numpy has no bfloat16: convert with .float().numpy(), or install ml_dtypes"
        ) from None
    return array.view(ml_dtypes.bfloat16)
