"""Merging parameters of a kernel that stand for the same memory."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeAlias

from tinytorch.ir.kernel import Buffer, Kernel, Load, Store

_READ, _WRITTEN = ("in",), ("out", "inout")


Merged: TypeAlias = dict[Any, Kernel]
"""Kernels by what they were and which buffers became one."""


def merge_buffers(
    kernel: Kernel, slots: Mapping[str, int], merged: Merged
) -> tuple[Kernel, list[str]]:
    """Give buffers in one slot one name; return the kernel and its parameters' names.

    Kernels promise their compiler that parameters do not overlap, so one memory must come in once.
    """
    first: dict[int, str] = {}
    renamed: dict[str, str] = {}
    for buffer in kernel.parameters:
        owner = first.setdefault(slots[buffer.name], buffer.name)
        if owner != buffer.name:
            renamed[buffer.name] = owner
    if not renamed:
        return kernel, [b.name for b in kernel.parameters]
    key = (kernel.name, tuple(renamed.items()))
    if key not in merged:
        merged[key] = _merged(kernel, renamed)
    return merged[key], [b.name for b in merged[key].parameters]


def _merged(kernel: Kernel, renamed: dict[str, str]) -> Kernel:
    written = {b.name for b in kernel.buffers if b.role in _WRITTEN}
    in_place = {owner for name, owner in renamed.items() if name in written}
    buffers: list[Buffer] = []
    for buffer in kernel.buffers:
        if buffer.name not in renamed:
            role = "inout" if buffer.name in in_place else buffer.role
            buffers.append(replace(buffer, role=role))
    order = sorted(buffers, key=lambda b: _ROLES.index(b.role))
    tag = hashlib.sha256(repr(sorted(renamed.items())).encode()).hexdigest()[:4]
    return replace(
        kernel, name=f"{kernel.name}_{tag}", buffers=tuple(order),
        body=tuple(_renamed(s, renamed) for s in kernel.body),
        finish=tuple(_renamed(s, renamed) for s in kernel.finish),
    )  # fmt: skip


_ROLES = ("in", "sizes", "inout", "out", "partial", "status", "scratch")


def _renamed(item: Any, names: Mapping[str, str]) -> Any:
    """A copy of a statement or expression with buffers renamed."""
    if isinstance(item, tuple):
        return tuple(_renamed(i, names) for i in item)
    if not is_dataclass(item) or isinstance(item, type) or type(item).__module__ not in _GRAMMAR:
        return item
    changes = {f.name: _renamed(getattr(item, f.name), names) for f in fields(item)}
    if isinstance(item, Load | Store) and item.buffer in names:
        changes["buffer"] = names[item.buffer]
    return replace(item, **changes)


_GRAMMAR = (Kernel.__module__,)
