"""User code: which code and classes are the user's, and what names a code object reads."""

from __future__ import annotations

import contextlib
import dis
import functools
import os
import site
import sys
import sysconfig
import types

import numpy as np

from tinytorch.tracer.mode import is_own_file

_REFLECTION = frozenset(
    {"getattr", "hasattr", "setattr", "vars", "__dict__", "attrgetter", "eval", "exec"}
)
_GLOBAL_OPS = frozenset(
    {"LOAD_GLOBAL", "LOAD_NAME", "STORE_GLOBAL", "DELETE_GLOBAL", "STORE_NAME"}
)


def _folders(paths: list[str]) -> tuple[str, ...]:
    return tuple({os.path.realpath(p) + os.sep for p in paths} | {p + os.sep for p in paths})


def _installed_folders() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    found = [paths[k] for k in ("purelib", "platlib") if k in paths]
    with contextlib.suppress(AttributeError):  # an old virtualenv lacks these
        found += [*site.getsitepackages(), site.getusersitepackages()]
    return _folders(found)


_STANDARD = _folders([sysconfig.get_paths()[k] for k in ("stdlib", "platstdlib")])
_INSTALLED = _installed_folders()
_NUMPY = _folders([os.path.dirname(np.__file__)])
_claimed: set[str] = set()
_GENERATED = ("<frozen ", "<replay of ")
"""Names of files that are none: Python's own startup code, and replays of compiled calls."""


@functools.lru_cache(maxsize=4096)
def is_user_file(file: str) -> bool:
    """Whether code belongs to the user, as opposed to tinytorch, Python or an installed package.

    An installed package that calls tinytorch is the user's too (see ``claim``).
    """
    if file.startswith(tuple(_claimed)):
        return True
    return not (is_own_file(file) or file.startswith((*_STANDARD, *_INSTALLED, *_GENERATED)))


@functools.lru_cache(maxsize=4096)
def is_machinery(file: str) -> bool:
    """Whether code is Python's own or numpy's: what tinytorch and user code alike run through."""
    if file.startswith(("<", *_NUMPY)):
        return True
    return file.startswith(_STANDARD) and not file.startswith(_INSTALLED)


def claim(file: str) -> bool:
    """Count the installed package that a file belongs to as user code; say whether that is new.

    Code that builds on tinytorch must be guarded like the user's own, wherever it is installed.
    """
    for folder in _INSTALLED:
        if file.startswith(folder) and not is_own_file(file) and not is_user_file(file):
            head, *rest = file[len(folder) :].split(os.sep)
            _claimed.add(folder + head + (os.sep if rest else ""))
            is_user_file.cache_clear()
            return True
    return False


def is_user_module(module: types.ModuleType) -> bool:
    """Whether a module is the user's. One without a file was typed in or made by hand."""
    file = getattr(module, "__file__", None)
    if file is None:
        return module.__name__ not in sys.builtin_module_names
    return is_user_file(os.path.abspath(file))


def is_user_class(kind: type) -> bool:
    """Whether a class is written by the user. Its methods do not tell: some are generated."""
    module = sys.modules.get(kind.__module__)
    if module is None:
        return True
    return is_user_module(module)


def is_own(kind: type | types.FunctionType) -> bool:
    """Whether a class or function is tinytorch's, made by a decorator though it be."""
    return kind.__module__ == "tinytorch" or kind.__module__.startswith("tinytorch.")


def is_generated_here(f: types.FunctionType) -> bool:
    """Whether tinytorch had a function made of text, as the methods of its dataclasses are."""
    module = str(f.__globals__.get("__name__", ""))
    return f.__code__.co_filename.startswith("<") and module.startswith("tinytorch.")


@functools.lru_cache(maxsize=4096)
def nested_codes(code: types.CodeType) -> tuple[types.CodeType, ...]:
    """A code object and all those defined inside it."""
    found = [code]
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            found.extend(nested_codes(constant))
    return tuple(found)


@functools.lru_cache(maxsize=4096)
def globals_in(code: types.CodeType) -> tuple[str, ...]:
    """Every global name that a code object, or one nested in it, reads or assigns."""
    return tuple(dict.fromkeys(
        i.argval for part in nested_codes(code) for i in dis.get_instructions(part)
        if i.opname in _GLOBAL_OPS
    ))  # fmt: skip


@functools.lru_cache(maxsize=4096)
def is_reflective(code: types.CodeType) -> bool:
    """Whether code may read attributes whose names do not stand in it."""
    return any(not _REFLECTION.isdisjoint(part.co_names) for part in nested_codes(code))


@functools.lru_cache(maxsize=4096)
def strings_in(code: types.CodeType) -> tuple[str, ...]:
    """Every string in a code object that could be a name."""
    return tuple(
        c for part in nested_codes(code) for c in part.co_consts
        if isinstance(c, str) and c.isidentifier()
    )  # fmt: skip


@functools.lru_cache(maxsize=4096)
def names_in(code: types.CodeType) -> tuple[str, ...]:
    """Every global and attribute name in a code object and those nested in it.

    Code that reads attributes by name may mean any of its strings.
    """
    found = [name for part in nested_codes(code) for name in part.co_names]
    if is_reflective(code):
        found += strings_in(code)
    return tuple(dict.fromkeys(found))
