"""Small graphs that between them make every kind of loop nest, with inputs for each."""

from __future__ import annotations

import cuda_elementwise  # noqa: F401  (fills the table)
import numpy as np
from cuda_case import CASES, MANY_CHUNKS, ONE_CHUNK, Builder, Case, case

from tinytorch.ir import ops
from tinytorch.ir.graph import Proxy
from tinytorch.ir.target import Target

__all__ = ["CASES", "MANY_CHUNKS", "Case"]

# ------------------------------------------------------------------- reductions


def softmax(x: Proxy) -> Proxy:
    e = ops.exp(x - ops.max_(x, axes=(1,)))
    return e / ops.sum_(e, axes=(1,))


def layer_norm(x: Proxy, weight: Proxy, bias: Proxy) -> Proxy:
    n = x.aval.shape[1]
    centred = x - ops.sum_(x, axes=(1,)) / float(n)
    variance = ops.sum_(centred * centred, axes=(1,)) / float(n)
    return centred * ops.rsqrt(variance + 1e-5) * weight + bias


@case
def softmax_wide() -> Case:
    b = Builder()
    return b.case(softmax(b.normal(5, 70)))


@case
def softmax_narrow() -> Case:
    b = Builder()
    return b.case(softmax(b.normal(11, 7)))


@case
def softmax_with_ends() -> Case:
    b = Builder()
    x, bias = b.normal(6, 40), b.normal(40)
    s = softmax(ops.relu(x + bias))
    return b.case(s, ops.sum_(s * s, axes=(0, 1)), ops.sum_(s, axes=(0,)))


@case
def softmax_one_chunk() -> Case:
    made = softmax_with_ends()
    made.target = ONE_CHUNK
    return made


@case
def layer_norm_backward() -> Case:
    b = Builder()
    x, w, c, g = b.normal(6, 40), b.normal(40), b.normal(40), b.normal(6, 40)
    loss = ops.sum_(layer_norm(x, w, c) * g, axes=(0, 1))
    return b.case(loss, *b.gradients(loss, x, w, c), tolerance=2e-5)


@case
def cross_entropy_backward() -> Case:
    b = Builder()
    x = b.normal(9, 10)
    index = b.integers(10, 9, 1)
    shifted = x - ops.max_(x, axes=(1,))
    logs = shifted - ops.log(ops.sum_(ops.exp(shifted), axes=(1,)))
    loss = -ops.sum_(ops.gather(logs, index, axis=1), axes=(0, 1)) / 9.0
    return b.case(loss, *b.gradients(loss, x), tolerance=1e-5)


@case
def column_sums() -> Case:
    b = Builder()
    x = b.normal(23, 9)
    return b.case(ops.sum_(x * x, axes=(0,)), ops.max_(x, axes=(0,)), ops.min_(x, axes=(0,)))


@case
def many_columns() -> Case:
    """A thread a column in the finish, and a total beside them."""
    b = Builder()
    x = b.normal(6, 2100)
    total = ops.sqrt(ops.sum_(x * x, axes=(0, 1)))
    return b.case(ops.sum_(x, axes=(0,)), ops.max_(x, axes=(0,)), total, tolerance=1e-5)


@case
def totals() -> Case:
    b = Builder()
    x = b.normal(23, 40)
    y = b.normal(301)
    return b.case(
        ops.sum_(x, axes=(0, 1)), ops.max_(x, axes=(0, 1)), ops.sum_(y * y, axes=(0,)),
        ops.sqrt(ops.sum_(ops.abs_(y), axes=(0,))), tolerance=1e-5,
    )  # fmt: skip


@case
def middle_axis() -> Case:
    b = Builder()
    x = b.normal(3, 4, 5)
    return b.case(ops.sum_(x, axes=(1,)), ops.sum_(x, axes=(0, 2)), ops.max_(x, axes=(0, 1)))


@case
def positions() -> Case:
    b = Builder()
    wide = b.give(b.random.integers(0, 5, (4, 70)).astype(np.float32))
    narrow = b.give(b.random.integers(0, 3, (6, 5)).astype(np.int64))
    return b.case(
        ops.argmax(wide, axes=(1,)), ops.argmin(wide, axes=(1,)), ops.argmax(narrow, axes=(1,)),
        ops.argmin(narrow, axes=(1,)),
    )  # fmt: skip


@case
def positions_with_nan() -> Case:
    b = Builder()
    x = b.random.standard_normal((4, 50)).astype(np.float32)
    x[1, [20, 37]], x[2], x[3, 49] = np.nan, -np.inf, np.inf
    return b.case(ops.argmax(b.give(x), axes=(1,)), ops.argmin(b.give(x), axes=(1,)))


@case
def long_row() -> Case:
    """A row kept between loops that does not fit in shared memory."""
    b = Builder()
    return b.case(softmax(b.normal(2, 9000)), tolerance=1e-6, notes={"global scratch": True})


# --------------------------------------------------------------------- indexing


@case
def take_rows() -> Case:
    b = Builder()
    table, index = b.normal(7, 40), b.integers(7, 5)
    return b.case(ops.take(table, index, axis=0) * 2.0)


@case
def scatter_rows() -> Case:
    b = Builder()
    rows, index = b.normal(9, 40), b.integers(6, 9)
    return b.case(ops.put_add(rows, index, axis=0, size=6))


@case
def scatter_elements() -> Case:
    b = Builder()
    x, index = b.normal(5, 9), b.integers(6, 5, 9)
    long, at = b.normal(40), b.integers(4, 40)
    tall, where = b.normal(5, 3), b.integers(6, 5, 3)
    return b.case(
        ops.scatter_add(x, index, axis=1, size=6), ops.scatter_add(long, at, axis=0, size=4),
        ops.scatter_add(tall, where, axis=0, size=6),
    )  # fmt: skip


@case
def check_holds() -> Case:
    return _checked(high=7)


@case
def check_fails() -> Case:
    return _checked(high=9)


def _checked(high: int) -> Case:
    b = Builder()
    table = b.normal(7, 40)
    index = b.give(np.array([0, 3, high - 1, 6, 2], np.int64))
    safe = ops.require_range(index, low=0, high=7, error="IndexError", message="index {value}")
    return b.case(ops.take(table, safe, axis=0), fails=high > 7)


@case
def random_words() -> Case:
    b = Builder()
    state = b.give(np.array([1234567890123, 2**33 + 5], np.int64))
    bits = ops.random_bits(state, shape=(4, 40), offset=3)
    kept = bits < (1 << 31)
    return b.case(bits, ops.where(kept, b.normal(4, 40) * 2.0, kept_zero(b)))


def kept_zero(b: Builder) -> Proxy:
    return Proxy(b.graph, b.graph.constant(0.0, (4, 40)))


# --------------------------------------------------------------------- programs


@case
def products() -> Case:
    b = Builder()
    x, w = b.normal(5, 7), b.normal(40, 7)
    batched, other = b.normal(3, 4, 6), b.normal(3, 6, 5)
    shared = b.normal(1, 6, 5)
    loss = ops.relu(ops.matmul(x, ops.permute(w, order=(1, 0))))
    return b.case(
        loss, ops.matmul(ops.permute(x, order=(1, 0)), x), ops.matmul(batched, other),
        ops.matmul(batched, ops.broadcast_to(shared, shape=(3, 6, 5))), tolerance=1e-5,
    )  # fmt: skip


@case
def library_products() -> Case:
    """Large enough for the CPU's pipeline to plan Products: their tiles are tested here."""
    b = Builder()
    x, w, g = b.normal(37, 19), b.normal(45, 19), b.normal(37, 45)
    batched, shared = b.normal(2, 33, 18), b.normal(1, 18, 35)
    across = (1, 0)
    return b.case(
        ops.matmul(x, ops.permute(w, order=across)), ops.matmul(ops.permute(g, order=across), x),
        ops.matmul(g, w), ops.matmul(ops.permute(x, order=across), g),
        ops.matmul(batched, ops.broadcast_to(shared, shape=(2, 18, 35))),
        target=Target("cpu"), tolerance=2e-5,
    )  # fmt: skip


@case
def horizontal_updates_in_place() -> Case:
    b = Builder()
    for shape in ((6, 40), (40,), (700,)):
        p, m, g = b.normal(*shape), b.normal(*shape), b.normal(*shape)
        new_m = m * 0.9 + g
        b.graph.updates[m.node] = new_m.node
        b.graph.updates[p.node] = (p - new_m * 0.1).node
    return b.case()


@case
def row_update_in_place() -> Case:
    b = Builder()
    p, g = b.normal(6, 40), b.normal(6, 40)
    norm = ops.sqrt(ops.sum_(p * p, axes=(1,)))
    b.graph.updates[p.node] = (p / norm + g).node
    scale = b.normal(6, 1)
    b.graph.updates[scale.node] = (scale * ops.sum_(g, axes=(1,))).node
    return b.case()


@case
def swapped_state() -> Case:
    b = Builder()
    x, y = b.normal(40), b.normal(40)
    b.graph.updates[x.node] = y.node
    b.graph.updates[y.node] = (x + 1.0).node
    return b.case(x * y)


@case
def training_step() -> Case:
    b = Builder()
    x, y = b.normal(8, 12), b.integers(10, 8, 1)
    w1, b1, w2, b2 = b.normal(12, 40), b.normal(40), b.normal(40, 10), b.normal(10)
    hidden = ops.relu(ops.matmul(x, w1) + b1)
    scores = ops.matmul(hidden, w2) + b2
    shifted = scores - ops.max_(scores, axes=(1,))
    logs = shifted - ops.log(ops.sum_(ops.exp(shifted), axes=(1,)))
    loss = -ops.sum_(ops.gather(logs, y, axis=1), axes=(0, 1)) / 8.0
    parameters = (w1, b1, w2, b2)
    for p, g in zip(parameters, b.gradients(loss, *parameters), strict=True):
        b.graph.updates[p.node] = (p - g * 0.1).node
    return b.case(loss, tolerance=5e-5)


# ------------------------------------------------------------ scans and orderings


@case
def scans() -> Case:
    b = Builder()
    x, y, wide = b.normal(3, 7), b.normal(3, 7), b.normal(3, 4, 40)
    return b.case(
        *(ops.cumsum(v, axis=a, reverse=r) for v in (x, wide) for a in (0, 1) for r in (0, 1)),
        ops.recurrence(x, y, axis=1, reverse=False), ops.recurrence(x, y, axis=0, reverse=True),
        ops.logcumsumexp(x, axis=1), ops.cumargmax(wide, axis=1), ops.cumargmin(x, axis=1),
        ops.cumsum(b.integers(9, 5, 5), axis=1, reverse=False), tolerance=1e-5,
    )  # fmt: skip


@case
def sorted_rows() -> Case:
    b = Builder()
    x = b.give(np.array([[3, np.nan, 1, 1, -0.0, 0, np.inf]], np.float32).repeat(3, 0))
    return b.case(*(
        ops.argsort(v, axis=a, descending=d)
        for v, a in ((x, 1), (x, 0), (b.integers(5, 37), 0), (x > 0, 1))
        for d in (False, True)
    ))


@case
def scatter_extremes() -> Case:
    b = Builder()
    x, index = b.normal(3, 8), b.integers(4, 3, 8)
    return b.case(*(
        op(x, index, axis=1, size=4) for op in (ops.scatter_max, ops.scatter_min, ops.scatter_prod)
    ))


@case
def windows_and_their_overlap() -> Case:
    """A convolution with its gradients, and a pool: nested loops, guards, overlapping sums."""
    b = Builder()
    x, weight = b.normal(2, 3, 6, 7), b.normal(4, 18)
    around = ops.pad(x, low=(0, 0, 1, 0), high=(0, 0, 1, 0))
    at = {"axes": (2, 3), "sizes": (3, 2), "steps": (2, 1), "gaps": (1, 2)}
    seen = ops.window(around, **at)
    columns = ops.reshape(ops.permute(seen, order=(1, 4, 5, 0, 2, 3)), shape=(18, 30))
    out = ops.matmul(weight, columns)
    blocks = {"axes": (2, 3), "sizes": (2, 3), "steps": (2, 3), "gaps": (1, 1)}
    top = ops.max_(ops.window(x, **blocks), axes=(4, 5))
    loss = ops.sum_(out * out, axes=(0, 1)) + ops.sum_(ops.reshape(top, shape=(1, 36)), axes=(0, 1))
    return b.case(out, top, loss, *b.gradients(loss, x, weight), tolerance=5e-5)


# ------------------------------------------------------------------------ blocks


@case
def sum_of_500_in_blocks() -> Case:
    b = Builder()
    return b.case(ops.sum_(b.normal(500), axes=(0,)), tolerance=1e-5)


@case
def product_33_by_33() -> Case:
    b = Builder()
    return b.case(ops.matmul(b.normal(33, 33), b.normal(33, 33)), tolerance=2e-5)


@case
def products_of_a_batch() -> Case:
    b = Builder()
    return b.case(ops.matmul(b.normal(2, 45, 33), b.normal(2, 33, 40)), tolerance=2e-5)
