"""Binding: the Python function that replays a traced call, written for that call.

Guards come first (a failed one gives MISS and changes nothing), then the addresses of arguments
and results go into the executable's table, then one native call. The text of the function is kept
and can be read: ``step.explain()`` shows it.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from tinytorch.compiler import Compiled as Built
from tinytorch.errors import OutOfMemoryError
from tinytorch.ir.ops.selection import ERRORS
from tinytorch.runtime.buffer import outputs as pool
from tinytorch.tracer.callvalues import CallValues
from tinytorch.tracer.gradhome import HELD, HELD_ARRAY, HELD_STORAGE, Homes
from tinytorch.tracer.guards import Guards
from tinytorch.tracer.mode import mode
from tinytorch.tracer.outside import OutsideGradient
from tinytorch.tracer.places import address, is_packed, pointer_of, touch, touch_lent
from tinytorch.tracer.specialize import Traced
from tinytorch.tracer.storage import LentStorage, Storage
from tinytorch.tracer.tensor import FREED, Tensor
from tinytorch.tracer.tracked import epoch, hooking, lending
from tinytorch.tracer.views import apply_chain

MISS = object()
"""Returned by a replay whose guards do not hold."""


class Seen:
    """A shared counter's value when a replay last looked at what it counts."""

    __slots__ = ("value",)

    def __init__(self, value: int) -> None:
        self.value = value


class Binding(Guards):
    """Builds the replay of one traced call."""

    def __init__(self, traced: Traced, built: Built) -> None:
        super().__init__(traced, built)
        self.built = built
        turn = built.executable.turn
        self.env |= {
            "MISS": MISS, "TENSOR": Tensor, "mode": mode, "epoch": epoch, "new": object.__new__,
            "Storage": Storage, "table": self.table, "native": built.executable.run,
            "address": address, "touch": touch, "touch_lent": touch_lent, "Lent": LentStorage,
            "turn": turn, "idle": turn.idle, "waiting": turn.waiting, "ABSENT": object(),
            "pointer": pointer_of, "fail": self._fail,
            "dict_get": dict.__getitem__, "put": dict.__setitem__,
            "FREED": FREED, "chain": apply_chain,
            "hooking": hooking, "lending": lending, "references": sys.getrefcount,
        }  # fmt: skip
        self.env |= traced.values
        self.seen = Seen(epoch.value)
        self.env["seen"] = self.seen
        self.floats = array("d", [0.0]) * max(1, len(traced.trace.numbers))
        self.integers = array("q", [0]) * max(1, len(traced.trace.numbers))
        self.env |= {"floats": self.floats, "integers": self.integers}
        self.values = CallValues(traced, self.floats, self.integers)
        self.homes = Homes()
        self._staged: list[tuple[str, str, bool]] = []
        self.status = np.zeros(1, np.int64)
        self.outside: OutsideGradient | None = None

    def build(self) -> Callable[..., Any]:
        """Return the replay: it takes the leaves of the arguments."""
        self.emit(0, f"def replay({''.join(f'a{i}=ABSENT, ' for i in self._positions)}*more):")
        self._guards()
        self._fixed_addresses()
        self.emit(1, "while True:")
        self.emit(2, "try:")
        self.emit(3, "del idle[0]")
        self.emit(3, "break")
        self.emit(2, "except IndexError:")
        self.emit(3, "turn.wait()")
        self.emit(1, "try:")
        self._inputs()
        self._outputs()
        if self.program.endless:  # which may be interrupted
            self.env["interrupted"] = self.homes.forget
            self.emit(2, "try: code = native()")
            self.emit(2, "except BaseException: interrupted(); raise")
        else:
            self.emit(2, "code = native()")
        self.emit(2, "if code:")
        self.emit(3, f"fail(code, [{self._arguments()}])")
        self._write_back()
        if self._grad_homes:
            self.emit(2, "if fresh:")
            self.emit(3, "homes.settle()")
        self.emit(1, "finally:")
        self.emit(2, "idle.append(None)")
        self.emit(2, "if waiting:")
        self.emit(3, "turn.wake()")
        self._versions()
        self._results()
        exec(compile("\n".join(self.lines), f"<replay of {self.traced.graph.name}>", "exec"),
             self.env)  # fmt: skip
        return self.env["replay"]

    @property
    def _positions(self) -> range:
        return range(len(self.traced.leaves))

    def _arguments(self) -> str:
        return ", ".join(f"a{i}" for i in self._positions)

    @property
    def text(self) -> str:
        """The replay's source."""
        return "\n".join(self.lines)

    # ------------------------------------------------------------- addresses

    def _fixed_addresses(self) -> None:
        """Addresses that never change: captured tensors, numbers, the status word."""
        program, trace = self.program, self.traced.trace
        position = {n: i for i, n in enumerate(self.traced.graph.inputs)}
        for number, (node, tensor) in enumerate(trace.captures):
            if number in self.traced.argument_of:
                continue
            slot = program.inputs[position[node]]
            owner = self.traced.gradient_of.get(number)
            if owner is not None:
                self.incoming.add(owner, slot, tensor, number in self._updated)
                continue
            keep = self.bind(f"keep{number}", tensor)
            if is_packed(tensor):
                self.table[slot] = pointer_of(tensor)
            else:
                self._stage(number, slot, tensor, keep)
        float_at, integer_at = self.floats.buffer_info()[0], self.integers.buffer_info()[0]
        for number, (node, value) in enumerate(trace.numbers):
            base = float_at if isinstance(value.value, float) else integer_at
            self.table[program.inputs[position[node]]] = base + 8 * number
        if program.status is not None:
            self.table[program.status] = self.status.__array_interface__["data"][0]

    def _stage(self, number: int, slot: int, tensor: Tensor, text: str) -> None:
        """Read (and write) a tensor that is not contiguous by way of a copy that is."""
        stage = self.bind(f"stage{number}", np.empty(tensor._type.shape, tensor.dtype.numpy))
        self.table[slot] = self.env[stage].__array_interface__["data"][0]
        self._staged.append((stage, text, number in self._updated))

    def _inputs(self) -> None:
        program, trace = self.program, self.traced.trace
        position = {n: i for i, n in enumerate(self.traced.graph.inputs)}
        for number, leaf in self.traced.argument_of.items():
            node, tensor = trace.captures[number]
            slot = program.inputs[position[node]]
            if is_packed(tensor):
                self.emit(2, f"table[{slot}] = a{leaf}._pointer or pointer(a{leaf})")
            else:
                self._stage(number, slot, tensor, f"a{leaf}")
        if self.traced.gradient_of:
            self._incoming()
        for stage, text, _ in self._staged:
            self.emit(2, f"{stage}[...] = {text}._array")
        for number, (_, value) in enumerate(trace.numbers):
            cells = "floats" if isinstance(value.value, float) else "integers"
            self.emit(2, f"{cells}[{number}] = {value.text}")
        if self._differentiable:
            self.outside = OutsideGradient(self.traced, self.values, self.seen)
            self.bind("before", self.outside.before)
            self.bind("record", self.outside.record)
            self.emit(2, f"saved = before([{self._arguments()}])")

    def _incoming(self) -> None:
        """Find the gradients to read; they must not lie where an argument lies."""
        self.env |= {"incoming": self.incoming, "hold": self.incoming.hold}
        self.emit(2, "if lending.value != incoming.seen and not incoming.enter():")
        self.emit(3, "return MISS")
        for position, leaf in enumerate(self.traced.leaves):
            if isinstance(leaf, Tensor):
                self.emit(2, f"if id(a{position}._storage) in incoming.storages:")
                self.emit(3, "return MISS")
        self.emit(2, "held = hold()")
        if self.incoming.staged:
            self.emit(2, "incoming.load()")

    def _write_back(self) -> None:
        """After the native call: copies that it wrote go where they belong."""
        for stage, text, written in self._staged:
            if written:
                self.emit(2, f"{text}._array[...] = {stage}")
        if self._updated & self.traced.gradient_of.keys():
            self.emit(2, "incoming.store()")

    def _outputs(self) -> None:
        homes = self._grad_homes
        if homes:
            self.env |= {"homes": self.homes, "fresh": self.homes.fresh}
            self.emit(2, "loans = lending.value")
            self.emit(2, "if loans != homes.seen:")
            for number, owner in homes.items():
                self._home(number, owner, self.program.outputs[number])
            self.emit(3, "homes.seen = loans")
        for number, node in enumerate(self.traced.graph.outputs):
            slot = self.program.outputs[number]
            if number in homes:
                continue
            give = self.bind(f"give{number}", pool.ring(node.type.dtype.numpy, node.type.shape))
            self.emit(2, f"array{number}, table[{slot}], _ = {give}()")


    def _home(self, number: int, owner: Tensor, slot: int) -> None:
        """Write a gradient into the tensor that held the last one, if nobody else holds it."""
        node = self.traced.graph.outputs[number]
        self.bind(f"owner{number}", owner)
        self.bind(f"home{number}", [None])
        give = pool.ring(node.type.dtype.numpy, node.type.shape)
        self.bind(
            f"renew{number}", self.homes.renewer(owner, give, node.type, self.table, slot)
        )
        self.emit(3, f"g = owner{number}._grad")
        self.emit(3, f"if g is None or g is not home{number}[0] or references(g) > {HELD} or "
                     f"references(g._array) > {HELD_ARRAY} or "
                     f"references(g._storage) > {HELD_STORAGE}:")  # fmt: skip
        self.emit(4, f"home{number}[0] = renew{number}()")

    # --------------------------------------------------------------- results

    def _versions(self) -> None:
        trace = self.traced.trace
        for number, (_, tensor) in enumerate(trace.captures):
            if number in self._updated and number not in self.traced.gradient_of:
                if number in self.traced.argument_of:
                    storage = f"a{self.traced.argument_of[number]}._storage"
                else:
                    storage = self.bind(f"storage{number}", tensor._storage)
                self.emit(1, f"{storage}.version += 1")


    def _fail(self, code: int, leaves: list[Any]) -> NoReturn:
        """Raise what eager would raise. No state was written."""
        self.status[0] = 0
        self.homes.forget()
        if code < 0:
            raise OutOfMemoryError("the compiled step could not get memory for its threads")
        found = self.values.first_error(leaves)
        if found is not None:
            error, where = found
            raise type(error)(f"{error} (at {where})" if where else str(error)) from None
        kind, message, where = self.program.messages[code - 1]  # the inputs changed meanwhile
        raise ERRORS[kind](f"{message.replace(' {value}', '')} (at {where})")
