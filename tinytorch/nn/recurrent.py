"""Recurrent layers over whole sequences: RNN, LSTM, GRU."""

from __future__ import annotations

import math
import warnings
from typing import Any, NamedTuple

from tinytorch.nn import functional as F
from tinytorch.nn import init
from tinytorch.nn.module import Module
from tinytorch.nn.parameter import Parameter
from tinytorch.nn.recurrence import (
    Step,
    along_packed_time,
    along_time,
    gru_step,
    lstm_step,
    relu_step,
    tanh_step,
)  # fmt: skip
from tinytorch.nn.utils.rnn import PackedSequence
from tinytorch.tracer.device import check_device
from tinytorch.tracer.factories import empty, zeros
from tinytorch.tracer.shapes import cat, check_tensor, stack
from tinytorch.tracer.tensor import Tensor


class _Sequences(NamedTuple):
    """A checked input: (time, batch, width), or packed rows (rows, width) with their ``sizes``."""

    values: Tensor
    sizes: list[int] | None
    batched: bool
    packed: PackedSequence | None

    @property
    def batch(self) -> int:
        """How many sequences there are."""
        return self.values.shape[1] if self.sizes is None else self.sizes[0]

    def ordered(self, state: Tensor) -> Tensor:
        """A state (layers, batch, width) in the order that the sequences are packed in."""
        order = None if self.packed is None else self.packed.sorted_indices
        return state if order is None else state.index_select(1, order)

    def restored(self, state: Tensor) -> Tensor:
        """A state in the order that the user gave the sequences in."""
        order = None if self.packed is None else self.packed.unsorted_indices
        return state if order is None else state.index_select(1, order)


class RNNBase(Module):
    """Layers of one kind of cell, run along time; in two directions if ``bidirectional``.

    Input (time, batch, input_size), (batch, time, input_size) with ``batch_first``, or
    (time, input_size). States (layers * directions, batch, hidden_size), without the batch axis
    for an input without one. Parameters are named as in PyTorch: ``weight_ih_l0``,
    ``weight_hh_l0``, ``bias_ih_l0``, ``bias_hh_l0``, ``weight_hr_l0`` for a projection, then
    ``..._l0_reverse``, ``..._l1``; all start uniform within 1 / sqrt(hidden_size).
    """

    _gates = 1

    def _cell(self) -> Step:
        raise NotImplementedError("RNNBase is no layer by itself: use RNN, LSTM or GRU")

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int = 1, bias: bool = True,
        batch_first: bool = False, dropout: float = 0.0, bidirectional: bool = False,
        proj_size: int = 0, device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        check_device(device)
        _check_settings(input_size, hidden_size, num_layers, bias, batch_first, dropout, proj_size)
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = float(dropout)
        self.bidirectional = bidirectional
        self.proj_size = proj_size
        rows = self._gates * hidden_size
        out = proj_size or hidden_size
        names = []
        for layer in range(num_layers):
            width = input_size if layer == 0 else out * (2 if bidirectional else 1)
            shapes: dict[str, tuple[int, ...]]
            shapes = {"weight_ih": (rows, width), "weight_hh": (rows, out)}
            if bias:
                shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
            if proj_size:
                shapes["weight_hr"] = (proj_size, hidden_size)
            for suffix in ("", "_reverse") if bidirectional else ("",):
                for name, shape in shapes.items():
                    setattr(self, f"{name}_l{layer}{suffix}", Parameter(empty(shape, dtype=dtype)))
                names.append(tuple(f"{name}_l{layer}{suffix}" for name in shapes))
        self._names = tuple(names)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        bound = 1.0 / math.sqrt(self.hidden_size)
        for parameter in self.parameters():
            init.uniform_(parameter, -bound, bound)

    def flatten_parameters(self) -> None:
        """Do nothing: memory needs no arranging here."""

    @property
    def all_weights(self) -> list[list[Parameter]]:
        """Parameters, a list for each layer and direction."""
        return [[getattr(self, name) for name in names] for names in self._names]

    def _sizes(self) -> tuple[int, int, int]:
        """Sizes of input, hidden state and cell, from the weights: not numbers that may vary."""
        first, second = (getattr(self, self._names[0][i]) for i in (0, 1))
        return first.shape[1], second.shape[1], second.shape[0] // self._gates

    def _checked(self, input: Any) -> _Sequences:
        """The input with a batch axis and time first, or packed."""
        packed = input if isinstance(input, PackedSequence) else None
        if packed is not None:
            input = packed.data
            if input.ndim != 2:
                raise RuntimeError(f"input must have 2 dimensions, got {input.ndim}")
        check_tensor(input, self._get_name())
        if input.ndim not in (2, 3):
            raise ValueError(
                f"{self._get_name()}: Expected input to be 2D or 3D, got {input.ndim}D instead"
            )
        dtype = getattr(self, self._names[0][0]).dtype
        if input.dtype is not dtype:
            raise ValueError(
                f"RNN input dtype ({input.dtype}) does not match weight dtype ({dtype}). Convert "
                f"input: input.to({dtype}), or convert model: model.to({input.dtype})"
            )
        size = self._sizes()[0]
        if input.shape[-1] != size:
            raise RuntimeError(
                "input.size(-1) must be equal to input_size. Expected "
                f"{size}, got {input.shape[-1]}"
            )
        if packed is not None:
            return _Sequences(input, packed.batch_sizes.tolist(), True, packed)
        batched = input.ndim == 3
        if not batched:
            input = input.unsqueeze(1)
        elif self.batch_first:
            input = input.transpose(0, 1)
        if input.shape[0] == 0:
            raise RuntimeError("Expected sequence length to be larger than 0 in RNN")
        return _Sequences(input, None, batched, None)

    def _state(self, given: Any, taken: _Sequences, width: int, word: str) -> Tensor:
        """The first state, with a batch axis; zeros if none is given."""
        shape = (len(self._names), taken.batch, width)
        if given is None:
            return zeros(shape, dtype=taken.values.dtype)
        if given.ndim != (3 if taken.batched else 2):
            kind, rank = ("batched 3-D", 3) if taken.batched else ("unbatched 2-D", 2)
            raise RuntimeError(
                f"For {kind} input, hx should also be {rank}-D but got {given.ndim}-D tensor"
            )
        given = given if taken.batched else given.unsqueeze(1)
        if tuple(given.shape) != shape:
            raise RuntimeError(f"Expected {word} size {shape}, got {list(given.shape)}")
        return taken.ordered(given)

    def _run(self, taken: _Sequences, states: tuple[Tensor, ...]) -> tuple[Tensor, list[Any]]:
        """All layers over time; the last states of every layer and direction."""
        input, sizes = taken.values, taken.sizes
        last: list[Any] = []
        directions = 2 if self.bidirectional else 1
        for first in range(0, len(self._names), directions):
            if first and self.training and self.dropout > 0:
                input = F.dropout(input, self.dropout, True)
            outputs = []
            for position in range(first, first + directions):
                table = {name.split("_l")[0]: name for name in self._names[position]}
                own = {name: getattr(self, full) for name, full in table.items()}
                driven = F.linear(input, own["weight_ih"], own.get("bias_ih"))
                weights = (own["weight_hh"], own.get("bias_hh"), own.get("weight_hr"))
                start: Any = tuple(s[position] for s in states)
                start = start if len(start) > 1 else start[0]
                call = (self._cell(), start, driven, weights, position > first)
                if sizes is None:
                    state, output = along_time(*call)
                else:
                    state, output = along_packed_time(*call, sizes)
                outputs.append(output)
                last.append(state)
            input = outputs[0] if directions == 1 else cat(outputs, -1)
        return input, last

    def _finished(self, output: Tensor, taken: _Sequences, *states: Tensor) -> tuple[Any, ...]:
        """Results with the axes and the order of the input."""
        packed = taken.packed
        if packed is not None:
            return packed._replace(data=output), *(taken.restored(s) for s in states)
        if not taken.batched:
            return output.squeeze(1), *(s.squeeze(1) for s in states)
        return (output.transpose(0, 1) if self.batch_first else output), *states

    def forward(self, input: Any, hx: Any = None) -> Any:
        """Return the last layer's hidden states at every time, and all layers' at the last one.

        A PackedSequence gives a PackedSequence.
        """
        taken = self._checked(input)
        start = self._state(hx, taken, self._sizes()[1], "hidden")
        output, last = self._run(taken, (start,))
        return self._finished(output, taken, stack(last))

    def extra_repr(self) -> str:
        """Return the settings that differ from the defaults."""
        shown = [f"{self.input_size}, {self.hidden_size}"]
        for name, default in (
            ("proj_size", 0), ("num_layers", 1), ("bias", True), ("batch_first", False),
            ("dropout", 0), ("bidirectional", False),
        ):  # fmt: skip
            if getattr(self, name) != default:
                shown.append(f"{name}={getattr(self, name)}")
        return ", ".join(shown)


class RNN(RNNBase):
    """Elman's recurrent network, with ``nonlinearity`` ``"tanh"`` or ``"relu"``."""

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int = 1, nonlinearity: str = "tanh",
        bias: bool = True, batch_first: bool = False, dropout: float = 0.0,
        bidirectional: bool = False, device: Any = None, dtype: Any = None, **unknown: Any,
    ) -> None:  # fmt: skip
        _refuse_unknown(unknown, "RNN")
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(
                f"Unknown nonlinearity '{nonlinearity}'. Select from 'tanh' or 'relu'."
            )
        super().__init__(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional,
            device=device, dtype=dtype,
        )  # fmt: skip
        self.nonlinearity = nonlinearity

    def _cell(self) -> Step:
        return tanh_step if self.nonlinearity == "tanh" else relu_step


class LSTM(RNNBase):
    """Long short-term memory; with ``proj_size``, hidden states are projected to that size.

    The state is a pair: hidden (layers * directions, batch, proj_size or hidden_size) and cell
    (layers * directions, batch, hidden_size).
    """

    _gates = 4

    def _cell(self) -> Step:
        return lstm_step

    def forward(self, input: Any, hx: Any = None) -> Any:
        """Return hidden states at every time, and the pair of states at the last one."""
        taken = self._checked(input)
        _, hidden, cell = self._sizes()
        given: Any = (None, None) if hx is None else hx
        if len(given) != 2:
            raise RuntimeError("lstm expects two hidden states")
        if hx is not None and any(s.ndim != (3 if taken.batched else 2) for s in given):
            kind, rank = ("batched 3-D", 3) if taken.batched else ("unbatched 2-D", 2)
            raise RuntimeError(
                f"For {kind} input, hx and cx should also be {rank}-D but got "
                f"({given[0].ndim}-D, {given[1].ndim}-D) tensors"
            )
        start = (
            self._state(given[0], taken, hidden, "hidden[0]"),
            self._state(given[1], taken, cell, "hidden[1]"),
        )
        output, last = self._run(taken, start)
        h, c = (stack([state[i] for state in last]) for i in (0, 1))
        output, h, c = self._finished(output, taken, h, c)
        return output, (h, c)


class GRU(RNNBase):
    """Gated recurrent units."""

    _gates = 3

    def _cell(self) -> Step:
        return gru_step

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int = 1, bias: bool = True,
        batch_first: bool = False, dropout: float = 0.0, bidirectional: bool = False,
        device: Any = None, dtype: Any = None, **unknown: Any,
    ) -> None:  # fmt: skip
        _refuse_unknown(unknown, "GRU")
        super().__init__(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional,
            device=device, dtype=dtype,
        )  # fmt: skip


def _refuse_unknown(unknown: dict[str, Any], kind: str) -> None:
    if "proj_size" in unknown:
        raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
    if unknown:
        raise TypeError(f"{kind}.__init__() got an unexpected keyword argument {[*unknown][0]!r}")


def _check_settings(
    input_size: Any, hidden_size: Any, num_layers: Any, bias: Any, batch_first: Any, dropout: Any,
    proj_size: Any,
) -> None:  # fmt: skip
    number = isinstance(dropout, int | float) and not isinstance(dropout, bool)
    if not number or not 0 <= dropout <= 1:
        raise ValueError(
            "dropout should be a number in range [0, 1] representing the probability of an element "
            "being zeroed"
        )
    if dropout > 0 and num_layers == 1:
        warnings.warn(
            "dropout option adds dropout after all but last recurrent layer, so non-zero dropout "
            f"expects num_layers greater than 1, but got dropout={dropout} and num_layers=1",
            stacklevel=3,
        )
    for name, value, kind in (
        ("bias", bias, bool), ("batch_first", batch_first, bool), ("input_size", input_size, int),
        ("hidden_size", hidden_size, int),
    ):  # fmt: skip
        if not isinstance(value, kind):
            raise TypeError(
                f"{name} should be of type {kind.__name__}, got: {type(value).__name__}"
            )
    for name, value in (
        ("input_size", input_size), ("hidden_size", hidden_size), ("num_layers", num_layers),
    ):  # fmt: skip
        if value <= 0:
            raise ValueError(f"{name} must be greater than zero")
    if proj_size < 0:
        raise ValueError("proj_size should be a positive integer or zero to disable projections")
    if proj_size >= hidden_size:
        raise ValueError("proj_size has to be smaller than hidden_size")
