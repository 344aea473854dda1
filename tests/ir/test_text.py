"""The text of a graph, read back; and what is no graph."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tinytorch.errors import ParseError, VerifyError
from tinytorch.ir import ops
from tinytorch.ir.graph import Graph, Node
from tinytorch.ir.origin import Origin
from tinytorch.ir.parser import parse_graph
from tinytorch.ir.printer import format_graph, to_dot
from tinytorch.ir.types import TensorType, float32, float64
from tinytorch.ir.verify import verify

STEP = """graph step(%x: f32[2,3], state %w: f32[3], %k: f64[]~) {
  %0: f32[2,3] = broadcast_to(%w, shape=[2,3])
  %1: f32[2,3] = add(%x, %0)
  %2: f32[3] = full(value=0x1.99999a0000000p-4, shape=[3], dtype=f32)
  %3: f32[3] = mul(%w, %2)
  return %1
  update %w <- %3
}"""


def test_reads_what_it_prints():
    graph = parse_graph(STEP)
    assert format_graph(graph) == STEP
    assert parse_graph(format_graph(graph)).hash() == graph.hash()


def test_sub_graphs_are_printed_before_their_users():
    inner = parse_graph("graph inner(%x: f64[2]) {\n  %0: f64[2] = exp(%x)\n  return %0\n}")
    outer = Graph("outer")
    x = outer.add_input(TensorType(float64, (2,)), "x")
    called = outer.add(ops.call, [x], graph=inner)
    outer.outputs = [outer.add(ops.get, [called], index=0)]
    text = format_graph(outer)
    assert text.index("graph inner") < text.index("graph outer")
    assert parse_graph(text).hash() == outer.hash()
    assert format_graph(parse_graph(text)) == text


@pytest.mark.parametrize(
    "message", ["plain", 'a "quote" # no comment', "back\\slash", "two\nlines"]
)
def test_texts_in_attributes_come_back(message):
    graph = Graph("f")
    x = graph.add_input(TensorType(float32, (2,)), "x")
    graph.outputs = [graph.add(ops.require_nonzero, [x], error="RuntimeError", message=message)]
    assert parse_graph(format_graph(graph)).outputs[0].attrs["message"] == message


@pytest.mark.parametrize(
    "value", [0.0, -0.0, float("inf"), float("-inf"), float("nan"), 0.1, 5e-324]
)
def test_numbers_come_back_to_the_bit(value):
    graph = Graph("f")
    graph.outputs = [graph.constant(value, (), float64)]
    again = parse_graph(format_graph(graph)).outputs[0].attrs["value"]
    assert again.hex() == value.hex()


def test_names_and_lines_do_not_change_the_hash():
    other = parse_graph(STEP.replace("%x", "%data"))
    assert other.hash() == parse_graph(STEP).hash()
    graph = Graph("f")
    graph.origin = Origin("train.py", 3)
    x = graph.add_input(TensorType(float32, (2,)), "x")
    graph.outputs = [graph.add(ops.neg, [x])]
    assert "train.py:3" in format_graph(graph)
    assert parse_graph(format_graph(graph)).hash() == graph.hash()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("add(%x, %0)", "sub(%x, %0)"), ("add(%x, %0)", "add(%0, %x)"), ("return %1", "return %0"),
        ("0x1.99999a0000000p-4", "0x1.99999a0000000p-3"), ("update %w <- %3", "update %w <- %w"),
    ],
)  # fmt: skip
def test_whatever_decides_values_changes_the_hash(old, new):
    assert old in STEP
    assert parse_graph(STEP.replace(old, new)).hash() != parse_graph(STEP).hash()


def test_hash_is_the_same_in_another_process():
    code = f"from tinytorch.ir.parser import parse_graph; print(parse_graph({STEP!r}).hash())"
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True,
            env={"PYTHONHASHSEED": seed, "PATH": ""},
        )  # fmt: skip
        assert done.stdout.strip() == parse_graph(STEP).hash()


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("graph step(", "grph step(", 1), ("f32[2,3], state", "f33[2,3], state", 1),
        ("add(", "adds(", 3), ("%1: f32[2,3]", "%1: f32[2,4]", 3), ("%x, %0)", "%x, %9)", 3),
        ("add(%x, %0)", "add(%x, %w)", 3), ("return %1", "return %7", 6),
        ("update %w <- %3", "update %w <- %x9", 7), ("%1: f32[2,3] = add", "%1 add", 3),
    ],
)  # fmt: skip
def test_errors_name_the_line(old, new, line):
    assert old in STEP
    with pytest.raises(ParseError, match=f"line {line}"):
        parse_graph(STEP.replace(old, new, 1))


@pytest.mark.parametrize("text", ["", "# nothing", STEP[:-1]])
def test_no_whole_graph_is_an_error(text):
    with pytest.raises(ParseError):
        parse_graph(text)


def test_dot_has_every_value():
    dot = to_dot(parse_graph(STEP))
    assert dot.startswith("digraph {")
    assert all(f'"v{name}"' in dot for name in ("x", "w", "0", "1", "2", "3"))


# ---------------------------------------------------------------------- verify


def sound() -> tuple[Graph, Node, Node]:
    graph = Graph("f")
    x = graph.add_input(TensorType(float32, (2, 3)), "x")
    y = graph.add(ops.exp, [x])
    graph.outputs = [y]
    return graph, x, y


def test_sound_graph_passes():
    graph, _, _ = sound()
    assert verify(graph) is graph


def test_wrong_type_is_found_and_shown():
    graph, x, y = sound()
    bad = Node(ops.neg, (y,), {}, TensorType(float32, (3, 2)))
    graph._nodes[bad] = None
    with pytest.raises(VerifyError, match=r"the rule says f32\[2,3\](.|\n)*exp"):
        verify(graph)


def test_update_of_another_shape_is_found():
    graph, x, y = sound()
    graph.updates = {x: graph.add(ops.sum_, [y], axes=(0,))}
    with pytest.raises(VerifyError, match="update of"):
        verify(graph)


def test_update_of_no_input_is_found():
    graph, x, y = sound()
    graph.updates = {y: y}
    with pytest.raises(VerifyError, match="only an input"):
        verify(graph)


def test_foreign_root_is_found():
    graph, _, _ = sound()
    graph.outputs = [sound()[2]]
    with pytest.raises(VerifyError, match="root"):
        verify(graph)


def test_edges_that_differ_from_operands_are_found():
    graph, x, y = sound()
    z = graph.add(ops.neg, [y])
    graph._linked().add_edge(x, z)
    with pytest.raises(VerifyError, match="edges"):
        verify(graph)


def test_ops_that_must_be_gone_are_found():
    graph, x, y = sound()
    graph.outputs = [graph.add(ops.detach, [y], label=0)]
    with pytest.raises(VerifyError, match="not legal"):
        verify(graph, "optimized")


def test_equal_nodes_are_one_and_like_numbers_are_not():
    graph, x, _ = sound()
    assert graph.add(ops.exp, [x]) is graph.add(ops.exp, [x])
    assert graph.constant(0.0) is not graph.constant(-0.0)
    assert graph.constant(float("nan")) is graph.constant(float("nan"))
    assert graph.constant(1.0, (), float32) is not graph.constant(1.0, (), float64)


def test_frozen_graph_takes_no_node():
    graph, x, _ = sound()
    with pytest.raises(ValueError, match="frozen"):
        graph.freeze().add(ops.sin, [x])
