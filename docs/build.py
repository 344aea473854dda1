"""Run the pages of this folder and write their output and tables into them.

``python docs/build.py`` rewrites the pages; with ``--check`` it says which are not as they would
be. On a page, what a block marked ``python`` prints stands in the block marked ``text`` after
it, and what lies between ``<!-- table NAME -->`` and ``<!-- end -->`` is a table of the code.
The blocks of a page are one program, whose lines have the page's own numbers.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tinytorch as tt
import tinytorch.func
import tinytorch.nn.functional
import tinytorch.optim.lr_scheduler
import tinytorch.utils.data
from tinytorch.ir.op import TABLE, Op

DOCS = Path(__file__).parent
_FENCE = re.compile(r"```(\w*)\n(.*?)```\n", re.DOTALL)
_TABLE = re.compile(r"(<!-- table (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
_HASH = re.compile(r"_[0-9a-f]{8}\b")


# ---------------------------------------------------------------------- pages


def built(text: str, name: str) -> str:
    """Return a page with its output and tables as they are now."""
    text = _TABLE.sub(lambda m: f"{m[1]}{TABLES[m[2]]()}{m[3]}", text)
    for _ in range(3):  # output moves what follows, and lines are named in output
        again = _with_output(text, name)
        if again == text:
            break
        text = again
    return text


def _with_output(text: str, name: str) -> str:
    space: dict[str, Any] = {"__name__": "page"}
    parts, at, printed = [], 0, ""
    for block in _FENCE.finditer(text):
        parts.append(text[at : block.start()])
        at = block.end()
        if block[1] == "python":
            printed = _run(block[2], text.count("\n", 0, block.start(2)), name, space)
        if block[1] == "text" and printed:
            parts.append(f"```text\n{printed}```\n")
            printed = ""
        else:
            parts.append(block[0])
    return "".join([*parts, text[at:]])


def _run(code: str, line: int, name: str, space: dict[str, Any]) -> str:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile("\n" * line + code, name, "exec"), space)  # noqa: S102
    lines = [line.rstrip() for line in out.getvalue().splitlines()]
    return "\n".join([*lines, ""]) if lines else ""


def same(a: str, b: str) -> bool:
    """Whether two pages agree, but for the hashes in names of kernels."""
    return _HASH.sub("", a) == _HASH.sub("", b)


# --------------------------------------------------------------------- tables


def table(header: list[str], rows: list[list[str]]) -> str:
    """A table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


PLACES: dict[str, Any] = {
    "torch": tt, "torch.Tensor": tt.Tensor, "torch.nn": tt.nn,
    "torch.nn.functional": tinytorch.nn.functional, "torch.nn.init": tt.nn.init,
    "torch.optim": tt.optim, "torch.optim.lr_scheduler": tinytorch.optim.lr_scheduler,
    "torch.utils.data": tinytorch.utils.data, "torch.autograd": tt.autograd,
    "torch.func": tinytorch.func,
}  # fmt: skip
"""Where PyTorch's names are looked for."""


def coverage() -> str:
    """How many of PyTorch's names are there, and which are not."""
    known = json.loads((DOCS / "torch_names.json").read_text())
    rows = []
    for place, names in known.items():
        missing = [n for n in names if not hasattr(PLACES[place], n)]
        shown = ", ".join(f"`{n}`" for n in missing) or "none"
        rows.append([f"`{place}`", f"{len(names) - len(missing)} of {len(names)}", shown])
    return table(["in", "there", "missing"], rows)


_KERNEL = {
    "elementwise": "fused", "movement": "a view, fused", "reduction": "fused",
    "contraction": "library or loop nest", "indexing": "loop nest", "source": "fused",
    "random": "fused", "structure": "none of its own",
}  # fmt: skip


def primitives() -> str:
    """Every row of the op table."""
    rows = [
        [f"`{op.name}`", op.family, _KERNEL.get(op.family, "loop nest"),
         _mark(op.vjp is not None), _mark(op.jvp is not None), _first_sentence(op)]
        for op in sorted(TABLE.values(), key=lambda op: (op.family, op.name))
    ]  # fmt: skip
    return table(["op", "family", "kernel", "VJP", "JVP", "what it is"], rows)


def _first_sentence(op: Op) -> str:
    return op.doc.replace("|", "\\|")


def _mark(there: bool) -> str:
    return "yes" if there else ""


def functions() -> str:
    """What works for each public function, as ``measure.py`` found it."""
    rows = []
    for name, found in json.loads((DOCS / "functions.json").read_text()).items():
        dtypes = ", ".join(_SHORT[d] for d in found["dtypes"]) or "floats of no tensor"
        compiled = {"yes": "yes", "no": "**no**", "refused": "refused"}[found["compiled"]]
        rows.append([
            f"`{name}`", compiled, _mark(found["gradient"]), _mark(found["second"]), dtypes,
        ])  # fmt: skip
    return table(["function", "compiled", "gradient", "second", "dtypes"], rows)


_SHORT = {
    "float32": "f32", "float64": "f64", "float16": "f16", "bfloat16": "bf16", "int64": "i64",
    "int32": "i32", "int16": "i16", "int8": "i8", "uint8": "u8", "bool": "bool",
}  # fmt: skip

TABLES: dict[str, Callable[[], str]] = {
    "coverage": coverage, "functions": functions, "primitives": primitives,
}  # fmt: skip


def main() -> int:
    """Write the pages, or check them."""
    parser = argparse.ArgumentParser(description="Run the pages of the documentation.")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("pages", nargs="*", type=Path)
    options = parser.parse_args()
    stale = 0
    for page in options.pages or sorted(DOCS.glob("*.md")):
        text = page.read_text()
        fresh = built(text, page.name)
        if not same(text, fresh):
            stale += 1
            print(f"{page.name} is not as it would be written")
            if not options.check:
                page.write_text(fresh)
    return stale if options.check else 0


if __name__ == "__main__":
    sys.exit(main())
