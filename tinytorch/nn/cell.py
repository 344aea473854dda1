"""Recurrent cells: one step as a module. RNNCell, LSTMCell, GRUCell."""

from __future__ import annotations

import math
from typing import Any

from tinytorch.nn import functional as F
from tinytorch.nn import init
from tinytorch.nn.module import Module
from tinytorch.nn.parameter import Parameter
from tinytorch.nn.recurrence import gru_step, lstm_step, relu_step, tanh_step
from tinytorch.tracer.device import check_device
from tinytorch.tracer.factories import empty, zeros
from tinytorch.tracer.tensor import Tensor


class RNNCellBase(Module):
    """One step: ``weight_ih`` (gates * hidden, input), ``weight_hh`` (gates * hidden, hidden).

    Input (batch, input_size) or (input_size), states (batch, hidden_size) or (hidden_size).
    Parameters start uniform within 1 / sqrt(hidden_size).
    """

    _gates = 1
    bias_ih: Parameter | None
    bias_hh: Parameter | None

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None,
        dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        check_device(device)
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias
        rows = self._gates * hidden_size
        self.weight_ih = Parameter(empty(rows, input_size, dtype=dtype))
        self.weight_hh = Parameter(empty(rows, hidden_size, dtype=dtype))
        for name in ("bias_ih", "bias_hh"):
            self.register_parameter(name, Parameter(empty(rows, dtype=dtype)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        bound = 1.0 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0.0
        for parameter in self.parameters():
            init.uniform_(parameter, -bound, bound)

    def _driven(self, input: Tensor) -> Tensor:
        """The checked input times its weight, with a batch axis."""
        if input.ndim not in (1, 2):
            raise ValueError(
                f"{self._get_name()}: Expected input to be 1D or 2D, got {input.ndim}D instead"
            )
        expected = self.weight_ih.shape[1]
        if input.shape[-1] != expected:
            raise RuntimeError(
                f"input has inconsistent input_size: got {input.shape[-1]} expected {expected}"
            )
        batch = input if input.ndim == 2 else input.unsqueeze(0)
        return F.linear(batch, self.weight_ih, self.bias_ih)

    def _state(
        self, given: Any, input: Tensor, driven: Tensor, word: str = "hidden", number: int = 0
    ) -> Tensor:
        """The checked state, with a batch axis; zeros if none is given."""
        size = self.weight_hh.shape[1]
        if given is None:
            return zeros(driven.shape[0], size, dtype=input.dtype)
        if given.ndim not in (1, 2):
            raise ValueError(
                f"{self._get_name()}: Expected {word} to be 1D or 2D, got {given.ndim}D instead"
            )
        given = given if input.ndim == 2 else given.unsqueeze(0)
        if given.ndim != 2 or given.shape[0] != driven.shape[0]:
            raise RuntimeError(
                f"Input batch size {driven.shape[0]} doesn't match hidden{number} batch size "
                f"{given.shape[0]}"
            )
        if given.shape[1] != size:
            raise RuntimeError(
                f"hidden{number} has inconsistent hidden_size: got {given.shape[1]}, expected "
                f"{size}"
            )
        return given

    def _weights(self) -> tuple[Any, ...]:
        return (self.weight_hh, self.bias_hh, None)

    def extra_repr(self) -> str:
        """Return the sizes."""
        bias = "" if self.bias else f", bias={self.bias}"
        return f"{self.input_size}, {self.hidden_size}{bias}"


class RNNCell(RNNCellBase):
    """One step of Elman's network: ``nonlinearity`` is ``"tanh"`` or ``"relu"``."""

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, nonlinearity: str = "tanh",
        device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(input_size, hidden_size, bias, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        """Return the next hidden state."""
        driven = self._driven(input)
        if self.nonlinearity not in ("tanh", "relu"):
            raise RuntimeError(f"Unknown nonlinearity: {self.nonlinearity}")
        step = tanh_step if self.nonlinearity == "tanh" else relu_step
        out = step(self._state(hx, input, driven), driven, self._weights())
        return out if input.ndim == 2 else out.squeeze(0)

    def extra_repr(self) -> str:
        """Return the sizes and an unusual nonlinearity."""
        tanh = self.nonlinearity == "tanh"
        return super().extra_repr() + ("" if tanh else f", nonlinearity={self.nonlinearity}")


class LSTMCell(RNNCellBase):
    """One step of an LSTM; the state is a pair (hidden, cell)."""

    _gates = 4

    def forward(self, input: Tensor, hx: Any = None) -> tuple[Tensor, Tensor]:
        """Return the next pair of states."""
        driven = self._driven(input)
        given = (None, None) if hx is None else hx
        if len(given) != 2:
            raise RuntimeError("lstm_cell expects two hidden states")
        start = [self._state(s, input, driven, f"hx[{i}]", i) for i, s in enumerate(given)]
        h, c = lstm_step((start[0], start[1]), driven, self._weights())
        return (h, c) if input.ndim == 2 else (h.squeeze(0), c.squeeze(0))


class GRUCell(RNNCellBase):
    """One step of gated recurrent units."""

    _gates = 3

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        """Return the next hidden state."""
        driven = self._driven(input)
        out = gru_step(self._state(hx, input, driven), driven, self._weights())
        return out if input.ndim == 2 else out.squeeze(0)
