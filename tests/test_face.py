"""The face of the package hands on, and hides nothing that PyTorch's users look for."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

import tinytorch as tt


def test_every_public_name_is_offered_to_type_checkers(tmp_path):
    api = pytest.importorskip("mypy.api")
    names = [n for n in dir(tt) if not n.startswith("_") and n not in sys.modules]
    script = tmp_path / "uses.py"
    script.write_text("import tinytorch as tt\n" + "".join(f"tt.{n}\n" for n in names))
    out, _, _ = api.run(["--strict", "--follow-imports=silent", str(script)])
    missing = [line for line in out.splitlines() if "explicitly export" in line]
    submodules = {"codegen", "compat", "compiler", "config", "errors", "ir", "passes", "runtime",
                  "saving", "tracer"}  # fmt: skip
    assert not [m for m in missing if not any(f'"{s}"' in m for s in submodules)]


@pytest.mark.parametrize("name", ["nn.Linear", "optim.SGD", "nn.functional.relu", "autograd.grad"])
def test_packages_are_there_after_one_import(name):
    code = textwrap.dedent(f"import tinytorch as torch; torch.{name}")
    subprocess.run([sys.executable, "-c", code], check=True)
