"""Object code to callable addresses, with llvmlite alone (numba is not imported).

Code is loaded by LLVM's MCJIT, one engine an object, so that machine code lives exactly as long
as the ``LoadedCode`` that names it.
"""

from __future__ import annotations

import ctypes
import functools
import struct
from collections.abc import Iterable

import llvmlite.binding as llvm

from tinytorch.errors import CompileError
from tinytorch.runtime.objectcode import ObjectCode

_SYMBOL = struct.Struct("<IBBHQQ")  # Elf64_Sym: name, info, other, section, value, size


@functools.cache
def host_cpu() -> tuple[str, str]:
    """Name and feature string of this machine's processor, as LLVM sees it."""
    try:
        features = llvm.get_host_cpu_features().flatten()
    except RuntimeError:  # LLVM cannot ask this operating system
        features = ""
    return llvm.get_host_cpu_name(), features


@functools.cache
def machine_options() -> dict[str, str]:
    """Options of LLVM's target machine under which objects are both made and loaded."""
    name, features = host_cpu()
    x86 = llvm.get_process_triple().startswith(("x86_64", "i686"))
    return {
        "cpu": name,
        "features": features,
        "reloc": "static" if x86 else "default",
        "codemodel": "jitdefault",
    }


@functools.cache
def _target() -> llvm.Target:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.Target.from_triple(llvm.get_process_triple())


def target_machine(jit: bool = False) -> llvm.TargetMachine:
    """A code generator for this machine."""
    return _target().create_target_machine(opt=3, jit=jit, **machine_options())


def undefined_symbols(image: bytes) -> tuple[str, ...] | None:
    """Names an ELF object expects to find elsewhere; None for another object format."""
    if image[:4] != b"\x7fELF":
        return None
    sections: dict[bytes, bytes] = {}
    for section in llvm.ObjectFileRef.from_data(image).sections():
        sections[section.name() or b""] = section.data() if section.size() else b""
    names = sections.get(b".strtab", b"")
    found = set()
    for name, _, _, section, _, _ in _SYMBOL.iter_unpack(sections.get(b".symtab", b"")):
        if section == 0 and name:
            found.add(names[name : names.index(b"\x00", name)].decode())
    return tuple(sorted(found))


def checked(name: str, image: bytes, declared: Iterable[str]) -> ObjectCode:
    """Object code with the symbols it needs; raises CompileError if the process lacks one.

    ``declared`` are the functions that the LLVM text declares, for object formats whose symbols
    cannot be read here.
    """
    symbols = undefined_symbols(image)
    if symbols is None:
        symbols = tuple(sorted(s for s in declared if not s.startswith("llvm.")))
    if missing := missing_symbols(symbols):
        raise CompileError(f"{name} needs symbols not found here: {', '.join(missing)}")
    return ObjectCode(image, symbols)


@functools.cache
def _process() -> ctypes.CDLL:
    return ctypes.CDLL(None)


def missing_symbols(symbols: Iterable[str]) -> tuple[str, ...]:
    """Those of the symbols that this process does not have (LLVM would abort on them)."""
    process = _process()
    return tuple(s for s in symbols if not hasattr(process, s))


class LoadedCode:
    """Object files in executable memory, unloaded when this object is dropped."""

    def __init__(self, objects: Iterable[ObjectCode]) -> None:
        """Load objects; raises CompileError if the process lacks a symbol that one expects."""
        module = llvm.parse_assembly("")
        module.triple = llvm.get_process_triple()
        self._engine = llvm.create_mcjit_compiler(module, target_machine(jit=True))
        for code in objects:
            if missing := missing_symbols(code.symbols):
                raise CompileError(f"object code needs symbols not found: {', '.join(missing)}")
            self._engine.add_object_file(llvm.ObjectFileRef.from_data(code.image))
        self._engine.finalize_object()

    def address(self, name: str) -> int:
        """Address of a function in one of the objects, which must exist."""
        return int(self._engine.get_function_address(name))

    def keep_forever(self) -> None:
        """Never unload the code; this object is of no use afterwards."""
        self._engine.detach()
