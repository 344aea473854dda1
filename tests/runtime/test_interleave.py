from __future__ import annotations

import re

import numpy as np

import tinytorch as tt
from tinytorch.runtime.interleave import MARK, hinted

MODULE = f"""
define void @f(i64 %n) {{
entry:
  br label %"outer"
"outer":
  br label %"inner"
"inner":
  ; {MARK} 4
  br i1 1, label %"inner.body", label %"outer.end"
"inner.body":
  br label %"inner"
"outer.end":
  br i1 1, label %"outer", label %"done"
"done":
  ret void
}}
!0 = !{{!0}}
"""


def test_the_hint_stands_on_the_back_edge_of_the_innermost_loop():
    lines = hinted(MODULE).split("\n")
    marked = [i for i, line in enumerate(lines) if "!llvm.loop" in line]
    assert [lines[i - 1] for i in marked] == ['"inner.body":']
    assert lines[marked[0]].endswith('br label %"inner", !llvm.loop !1')
    assert "!1 = distinct !{!1, !2}" in lines
    assert '!2 = !{!"llvm.loop.interleave.count", i32 4}' in lines


def test_one_vector_at_a_time_keeps_the_loop():
    assert '!2 = !{!"llvm.loop.unroll.disable"}' in hinted(MODULE.replace(f"{MARK} 4", f"{MARK} 1"))


def test_a_module_without_marks_stays_as_it_is():
    text = MODULE.replace(MARK, "a remark")
    assert hinted(text) is text


def test_a_mark_outside_any_loop_is_passed_over():
    text = MODULE.replace(f"; {MARK} 4", "").replace("entry:", f"entry:\n  ; {MARK} 2")
    assert "!llvm.loop" not in hinted(text)


def test_long_bodies_are_interleaved_and_short_ones_are_not():
    @tt.compile
    def long(x):
        return tt.tanh(x) * tt.sigmoid(x) + tt.exp(x)

    @tt.compile
    def short(x):
        return x * 2 + 1

    x = tt.tensor(np.linspace(-3, 3, 1003, dtype=np.float32))
    np.testing.assert_allclose(
        long(x).numpy(), np.tanh(x.numpy()) / (1 + np.exp(-x.numpy())) + np.exp(x.numpy()),
        rtol=1e-5,
    )  # fmt: skip
    np.testing.assert_allclose(short(x).numpy(), x.numpy() * 2 + 1)
    assert re.search(r"^ +interleave\(\d\)$", long.kernels[0].source, re.MULTILINE)
    assert "interleave(" not in short.kernels[0].source


def test_a_long_chain_of_cheap_steps_keeps_its_order():
    @tt.compile
    def chain(x):
        for _ in range(40):
            x = tt.sqrt(tt.square(x) + 0.01) * 0.999
        return x

    x = tt.rand(64)
    eager = chain.function(x)
    np.testing.assert_allclose(chain(x).numpy(), eager.numpy(), rtol=1e-6)
    (kernel,) = chain.kernels
    assert "in_order()" in kernel.source
    assert "in order" in kernel.loops


def test_a_short_body_leaves_the_order_to_the_compiler():
    f = tt.compile(lambda x: tt.tanh(x) * tt.sin(x))
    f(tt.rand(64))
    assert "in_order()" not in f.kernels[0].source
