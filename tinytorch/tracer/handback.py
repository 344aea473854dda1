"""Handing back: the part of a replay that turns a call's memory into what it returns.

Results become tensors, in the structure that the traced function returned; ``.grad`` attributes are
set, unless the gradient was written where the last one was.
"""

from __future__ import annotations

import functools
from collections import OrderedDict
from typing import Any

from tinytorch.compiler import Compiled as Built
from tinytorch.ir import ops
from tinytorch.tracer.constants import check_constant
from tinytorch.tracer.mode import mode
from tinytorch.tracer.number import text_of
from tinytorch.tracer.specialize import Result, Traced
from tinytorch.tracer.storage import contiguous_strides
from tinytorch.tracer.tape import pick
from tinytorch.tracer.tensor import Tensor
from tinytorch.tracer.tree import LEAF


class Handback:
    """Writes the lines of a replay that stand after the native call."""

    def __init__(self, traced: Traced, built: Built) -> None:
        self.traced = traced
        self.program = built.program
        self.lines: list[str] = []
        self.env: dict[str, Any] = {}
        self._owners: dict[int, tuple[int, Tensor]] = {}
        self._differentiable = [
            r for r in traced.results
            if r.kind == "output" and r.requires_grad and not r.freed
        ]  # fmt: skip

    def emit(self, depth: int, text: str) -> None:
        """Add a line of the replay."""
        self.lines.append("    " * depth + text)

    def bind(self, name: str, value: Any) -> str:
        """Make a value known to the replay under a name."""
        self.env[name] = value
        return name

    @functools.cached_property
    def _grad_homes(self) -> dict[int, Tensor]:
        """Outputs that are nothing but the ``.grad`` of one captured tensor."""
        users: dict[int, int] = {}
        for r in (*self.traced.results, *(r for _, r in self.traced.grads)):
            if r.index >= 0 and r.kind in ("output", "number"):
                users[r.index] = users.get(r.index, 0) + 1
        read = {id(owner) for owner in self.traced.gradient_of.values()}
        return {
            r.index: tensor for tensor, r in self.traced.grads
            if r.kind == "output" and users[r.index] == 1 and not r.chain and not r.requires_grad
            and self._owner_is_fixed(tensor) and id(tensor) not in read
            and self.program.written_after_checks(self.program.outputs[r.index])
        }  # fmt: skip

    def _owner_is_fixed(self, tensor: Tensor) -> bool:
        return all(leaf is not tensor for leaf in self.traced.leaves)

    def _had(self, owner: Tensor) -> str:
        """The text of the gradient that a tensor had before the call; see ``_before``."""
        return f"had{self._owners.setdefault(id(owner), (len(self._owners), owner))[0]}"

    def _before(self) -> None:
        """Keep gradients that are results: ``.grad`` may be set before they are handed out."""
        results = (*self.traced.results, *(r for _, r in self.traced.grads))
        for r in results:
            owner = r.value if r.kind == "gradient" else r.owner
            if owner is not None and id(owner) not in self._owners:
                name = self._had(owner)
                self.emit(1, f"{name} = {self.bind(f'owner_of_{name}', owner)}._grad")

    def _tensor_text(self, tensor: Tensor, name: str) -> str:
        for position, leaf in enumerate(self.traced.leaves):
            if leaf is tensor:
                return f"a{position}"
        return self.bind(name, tensor)

    def _number_writes(self) -> None:
        """Give numbers of modules and parameter groups their new values."""
        for n, (holder, key, value) in enumerate(self.traced.trace.number_writes.values()):
            self.emit(1, f"put({self.bind(f'written{n}', holder)}, {key!r}, {text_of(value)})")

    def _results(self) -> None:
        self._before()
        self._number_writes()
        homes = self._grad_homes
        made: dict[tuple[int, Any], str] = {}
        if self._differentiable:
            arrays = "".join(
                "None, " if n in homes else f"array{n}, "
                for n in range(len(self.traced.graph.outputs))
            )
            self.emit(1, f"tape = record(saved, ({arrays}))")
        texts = [self._result_text(r, made, n) for n, r in enumerate(self.traced.results)]
        for number, (tensor, r) in enumerate(self.traced.grads):
            if r.index in homes and r.kind == "output":
                continue
            self.emit(1, "lending.value += 1")
            owner = self._tensor_text(tensor, f"grad_owner{number}")
            if r.kind == "constant":
                self.emit(1, f"{owner}._grad = None")
            else:
                self.emit(1, f"{owner}._grad = {self._result_text(r, made, f'g{number}')}")
        self.emit(1, f"return {self._tree_text(self.traced.result_structure, iter(texts))}")

    def _result_text(self, r: Result, made: dict[tuple[int, Any], str], number: Any) -> str:
        if r.kind == "constant":
            return self.bind(f"value_{number}", r.value)
        if r.kind == "same":
            return self.bind(f"same_{number}", r.value)
        if r.kind == "argument":
            return f"a{r.index}"
        if r.kind == "gradient":
            return self._had(r.value)
        if r.kind == "view":
            base = f"a{r.index}" if r.index >= 0 else self.bind(f"base_{number}", r.value)
            if r.owner is not None:
                base = self._had(r.owner)
            return f"chain({base}, {self.bind(f'views_{number}', _as_views(r.chain))})"
        if r.kind == "number":
            return f"array{r.index}.item()"
        return self._output_text(r, made, number)

    def _output_text(self, r: Result, made: dict[tuple[int, Any], str], number: Any) -> str:
        key = (r.index, id(r.value) if r.chain else None)
        if key in made:
            return made[key]
        name = f"r{number}"
        if r.chain:
            whole = Result("output", r.index, None, (), r.requires_grad, r.freed)
            base = self._output_text(whole, made, f"{number}_base")
            views = self.bind(f"views_{number}", _as_views(r.chain))
            self.emit(1, f"{name} = chain({base}, {views})")
            made[key] = name
            return name
        else:
            node = self.traced.graph.outputs[r.index]
            kind = self.bind(f"out_type{number}", r.value._type if r.value is not None
                             else node.type)  # fmt: skip
            strides = self.bind(f"out_strides{number}", contiguous_strides(node.type.shape))
            self.emit(1, f"{name} = new(TENSOR)")
            self.emit(1, f"{name}._type = {kind}; {name}._array = array{r.index}; "
                         f"s = {name}._storage = new(Storage); s.owner = array{r.index}; "
                         f"s.version = s.tape_version = 0; "
                         f"s.inference = {mode.inference}; {name}._strides = {strides}; "
                         f"{name}._base = None; {name}._chain = (); {name}._requires = False; "
                         f"{name}._grad = None; {name}._tape_version = 0; {name}._memo = None; "
                         f"{name}._pointer = 0; {name}._tape = None")  # fmt: skip
        if r.requires_grad and r.freed:
            self.emit(1, f"{name}._tape = FREED")
        elif r.requires_grad:
            picked = self.bind("pick", pick)
            self.emit(1, f"{name}._tape = {picked}(tape, {r.index}, array{r.index})")
        made[key] = name
        return name

    def _tree_text(self, structure: Any, texts: Any) -> str:
        if structure == LEAF:
            return str(next(texts))
        kind = structure[0]
        if kind is tuple:
            return "(" + "".join(f"{self._tree_text(s, texts)}, " for s in structure[1]) + ")"
        if kind is list:
            return "[" + ", ".join(self._tree_text(s, texts) for s in structure[1]) + "]"
        if kind is dict or kind is OrderedDict:
            items = [f"{self._key(k)}: {self._tree_text(s, texts)}" for k, s in structure[1]]
            text = "{" + ", ".join(items) + "}"
            return text if kind is dict else f"{self.bind('OrderedDict', OrderedDict)}({text})"
        maker = self.bind(f"maker{len(self.env)}", structure[1])
        if kind == "size":
            return f"{maker}(({''.join(f'{self._tree_text(s, texts)}, ' for s in structure[2])}))"
        if kind == "named":
            return f"{maker}({', '.join(self._tree_text(s, texts) for s in structure[2])})"
        pairs = zip(structure[2], structure[3], strict=True)
        return f"{maker}({', '.join(f'{n}={self._tree_text(s, texts)}' for n, s in pairs)})"

    def _key(self, key: Any) -> str:
        """The text of a dict's key: of plain ones as Python writes it, else the object's name."""
        if type(key) in (str, int, bool, bytes, type(None)):
            return repr(key)
        return self.bind(f"key{len(self.env)}", check_constant(key))


def _as_views(chain: Any) -> Any:
    """Movement ops that, applied to an eager tensor, give views with the right strides."""
    return tuple((_View(op), attrs) for op, attrs in chain)


class _View:
    def __init__(self, op: Any) -> None:
        self.op = op

    def __call__(self, value: Tensor, **attrs: Any) -> Tensor:
        if self.op is ops.detach:
            return value.detach()
        array_ = self.op.eager(value.array, **attrs)
        strides = tuple(s // array_.itemsize for s in array_.strides)
        return value.view_as_op(self.op, attrs, strides)
