"""The pass manager and its observers."""

import pytest

from tinytorch.errors import VerifyError
from tinytorch.ir import ops
from tinytorch.ir.graph import Graph, Proxy
from tinytorch.ir.target import CPU
from tinytorch.ir.types import TensorType, float32
from tinytorch.passes.base import PassManager, bisect
from tinytorch.passes.graph.rebuild import rebuild
from tinytorch.passes.observe import Timing, interpreting, verifying
from tinytorch.passes.pipeline import lower_program, optimize


def softmax_graph():
    graph = Graph("softmax")
    x = Proxy(graph, graph.add_input(TensorType(float32, (4, 6)), "x"))
    e = ops.exp(x - ops.max_(x, axes=(1,)))
    graph.outputs = [(e / ops.sum_(e, axes=(1,))).node]
    return graph.freeze()


def broken(graph):
    """A pass that doubles every exponential."""

    def replace(target, node, operands):
        if node.op is not ops.exp:
            return None
        plain = target.add(ops.exp, operands)
        return target.add(ops.add, [plain, operands[0]])

    return rebuild(graph, replace)


def test_every_pass_is_shown_in_order():
    timing = Timing()
    manager = PassManager([timing, verifying, interpreting])
    optimized = optimize(softmax_graph(), manager)
    lower_program(optimized, CPU, manager=manager)
    names = [
            "simplify", "widen_sums", "split_reductions", "fuse", "plan_steps", "order",
            "plan_memory",
        ]  # fmt: skip
    assert [name for name, _ in timing.rows] == names == manager.ran
    assert all(name in str(timing) for name in names)


def test_a_pass_that_changes_values_is_named():
    manager = PassManager([interpreting])
    with pytest.raises(VerifyError, match="pass broken changed output 0"):
        manager.run("broken", broken, softmax_graph())


def test_bisect_finds_the_pass():
    def good(manager):
        graph = softmax_graph()
        result = manager.optional("simplify", lambda g: g, graph)
        result = manager.optional("broken", broken, result)
        result = manager.optional("last", lambda g: g, result)
        return not any(n.op is ops.add for n in result)

    assert bisect(good) == "broken"
    assert bisect(lambda manager: optimize(softmax_graph(), manager) is not None) is None
