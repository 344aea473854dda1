"""``tt.compare``: eager against compiled, and what it says when they differ."""

from dataclasses import replace

import numpy as np

import tinytorch as tt
from tinytorch import nn, optim
from tinytorch.ir.source import Source
from tinytorch.runtime import executable
from tinytorch.tracer import compiled


def make_step():
    tt.manual_seed(3)
    model = nn.Linear(4, 2)
    opt = optim.Adam(model.parameters(), lr=0.1)

    def step(x, y):
        opt.zero_grad()
        loss = ((model(x) - y) ** 2).mean()
        loss.backward()
        opt.step()
        return loss

    return model, step


def test_agreement_leaves_everything_as_it_was():
    model, step = make_step()
    x, y = tt.rand(8, 4), tt.rand(8, 2)
    before = model.weight.detach().clone().numpy()
    report = tt.compare(tt.compile(step), x, y)
    assert report.ok, str(report)
    assert "agree" in str(report)
    np.testing.assert_array_equal(model.weight.detach().numpy(), before)
    assert model.weight.grad is None


def test_a_broken_kernel_is_named_with_its_line(monkeypatch):
    real = executable.Executable.__init__

    def broken(self, program, sources, launcher):
        twisted = {}
        for name, source in sources.items():
            text = source.text.replace(" - ", " + ")
            twisted[name] = Source(**{**source.__dict__, "text": text})
        real(self, program, twisted, launcher)

    monkeypatch.setattr(executable.Executable, "__init__", broken)
    x = tt.rand(16)

    def gap(x, y):
        return x * 3 - y

    report = tt.compare(gap, x, tt.rand(16))
    assert not report.ok
    assert report.first is not None
    assert report.first.name == "result 0"
    assert "test_compare.py" in str(report)


def test_dump_writes_every_stage(tmp_path, monkeypatch):
    monkeypatch.setattr(compiled, "config", replace(compiled.config, dump=str(tmp_path)))
    f = tt.compile(lambda x: (x * 2).tanh())
    f(tt.rand(5))
    (folder,) = tmp_path.iterdir()
    written = {p.name for p in folder.iterdir()}
    assert {"1_graph.txt", "5_source.py", "7_llvm.ll", "graph.dot", "graph.svg"} <= written
    assert all(p.stat().st_size for p in folder.iterdir())
    assert (folder / "graph.svg").read_text().startswith("<svg")
