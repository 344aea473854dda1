"""Batch sizes: the second size seen compiles once for every size, with results equal to eager."""

from __future__ import annotations

import numpy as np
import pytest

import tinytorch as tt
import tinytorch.nn.functional as F
from tinytorch import nn, optim
from tinytorch.runtime.team import get_num_threads, set_num_threads

SIZES = (6, 4, 17, 9, 33, 6, 2)


def close(want, got):
    if isinstance(want, (tuple, list)):
        assert type(want) is type(got)
        for a, b in zip(want, got, strict=True):
            close(a, b)
    elif isinstance(want, tt.Tensor):
        assert want.shape == got.shape
        assert want.dtype is got.dtype
        np.testing.assert_allclose(
            got.detach().numpy(), want.detach().numpy(), rtol=2e-4, atol=2e-5)  # fmt: skip
    else:
        assert type(want) is type(got)
        assert want == pytest.approx(got)


def agree(function, make, sizes=SIZES, compiles=2):
    """Compiled equals eager at every size, with so many compiles."""
    step = tt.compile(function)
    for size in sizes:
        arguments = make(size)
        tt.manual_seed(size)
        want = function(*arguments)
        tt.manual_seed(size)
        close(want, step(*arguments))
    assert step.cache_info().compiles == compiles, step.explain()
    return step


def rows(size, width=5):
    return (tt.from_numpy(np.random.default_rng(size).standard_normal((size, width), np.float32)),)


FUNCTIONS = {
    "elementwise": lambda x: (x * 2 + 1).relu(),
    "softmax": lambda x: x.softmax(1),
    "softmax over the batch": lambda x: x.softmax(0),
    "log_softmax": lambda x: x.log_softmax(-1),
    "mean": lambda x: x.mean(),
    "mean of rows": lambda x: x.mean(0),
    "var": lambda x: x.var(0),
    "std of all": lambda x: x.std(),
    "max": lambda x: (x.amax(0), x.argmax(1), x.argmax(0)),
    "sum / size": lambda x: x.sum() / x.shape[0],
    "size in arithmetic": lambda x: x * x.shape[0] - 1 / x.shape[0] + x.shape[0] ** 0.5,
    "size of two axes": lambda x: x.sum() / x.numel(),
    "size returned": lambda x: (x.shape[0], x.shape[0] * 2 + 1, x.sum()),
    "shape returned": lambda x: (x.shape, x.T.shape, [x.shape[:1]], x + 1),
    "view": lambda x: x.view(x.shape[0], -1).reshape(-1).view(x.size(0), 5),
    "len": lambda x: x.sum() / len(x) + x.view(len(x), -1).mean(),
    "flatten": lambda x: x.flatten() * 2,
    "transposed": lambda x: x.T.contiguous() @ x,
    "gram": lambda x: x @ x.T,
    "arange": lambda x: tt.arange(x.shape[0]) * 2,
    "arange added": lambda x: x + tt.arange(x.size(0)).view(-1, 1),
    "zeros": lambda x: tt.zeros(x.shape[0], 5) + x,
    "ones_like": lambda x: tt.ones_like(x) * x.shape[0],
    "rand": lambda x: x + tt.rand(x.shape[0], 5),
    "randn": lambda x: (x * tt.randn(x.shape), tt.rand(3)),
    "dropout": lambda x: F.dropout(x, 0.5),
    "last row": lambda x: x[-1] * 2,
    "first rows": lambda x: x[:2] + 1,
    "without the first": lambda x: x[1:] - x[:-1],
    "columns": lambda x: x[:, 1:4].sum(1),
    "rows by index": lambda x: x[tt.tensor([0, 1, -1])] * 2,
    "numel and stride": lambda x: (x.numel(), x.T.stride(), x * x.numel()),
    "where": lambda x: tt.where(x > 0, x, x.shape[0]),
    "cat with a row": lambda x: tt.cat([x, x[:1]], 0),
    "flip": lambda x: x.flip(0),
    "cat columns": lambda x: tt.cat([x, x * 2], 1),
    "cat rows": lambda x: tt.cat([x, x * 2], 0),
    "stack": lambda x: tt.stack([x, x], 1),
    "expand": lambda x: x.mean(0, keepdim=True).expand(x.shape[0], 5) - x,
    "unsqueeze": lambda x: x.unsqueeze(1) * x.unsqueeze(0),
    "attention": lambda x: (x @ x.T).softmax(-1) @ x,
    "layer_norm": lambda x: F.layer_norm(x, (5,)),
    "bool of the size": lambda x: x if x.shape[0] else x + 1,
    "comparison decided by bounds": lambda x: x if x.shape[0] > 1 else x + 1,
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_two_compiles_serve_every_size(name):
    agree(FUNCTIONS[name], rows)


def test_attention_of_batches():
    def attend(q, k, v):
        return (q @ k.transpose(1, 2) / 8**0.5).softmax(-1) @ v

    def make(size):
        source = np.random.default_rng(size)
        return tuple(
            tt.from_numpy(source.standard_normal((size, 7, 8), np.float32)) for _ in range(3)
        )

    agree(attend, make)


def test_a_write_to_some_rows():
    def shifted(x):
        out = x.clone()
        out[0] = 1.0
        out[1:] += x[:-1]
        return out

    # Two rows leave one to write, which could be broadcast: that size is compiled apart.
    agree(shifted, rows, (6, 4, 17, 9, 33, 3))
    agree(shifted, rows, (6, 4, 2, 9), compiles=3)


def test_two_sizes_at_once():
    def mix(x, y):
        return (x.unsqueeze(1) + y.unsqueeze(0)).tanh().sum(0), x.mean() * y.mean()

    def make(size):
        return *rows(size), *rows(2 * size + 1)

    agree(mix, make)


def test_embedding():
    table = nn.Embedding(11, 4)

    def look(i):
        return table(i).mean(1), i.shape[0]

    def make(size):
        return (tt.from_numpy(np.random.default_rng(size).integers(0, 11, (size, 3))),)

    agree(look, make)


def _model(kind):
    if kind == "mlp":
        return nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.LayerNorm(16), nn.Linear(16, 3))
    return nn.Sequential(nn.Linear(5, 8), nn.Dropout(0.3), nn.Tanh(), nn.Linear(8, 3))


@pytest.mark.parametrize("kind", ["mlp", "dropout"])
def test_training_steps(kind):
    def trainer(compiled):
        tt.manual_seed(3)
        model = _model(kind)
        opt = optim.Adam(model.parameters(), lr=0.05)

        def step(x, y):
            opt.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            opt.step()
            return loss

        return model, tt.compile(step) if compiled else step

    (eager_model, eager), (model, step) = trainer(False), trainer(True)
    for number, size in enumerate((16, 8, 5, 40, 16, 3, 7)):
        source = np.random.default_rng(number)
        x = tt.from_numpy(source.standard_normal((size, 5), np.float32))
        y = tt.from_numpy(source.integers(0, 3, size))
        tt.manual_seed(number)
        want = eager(x, y)
        tt.manual_seed(number)
        close(want, step(x, y))
        for a, b in zip(eager_model.parameters(), model.parameters(), strict=True):
            close(a.grad, b.grad)
    assert step.cache_info().compiles == 2, step.explain()
    for a, b in zip(eager_model.parameters(), model.parameters(), strict=True):
        close(a, b)


def test_slices_of_a_data_set():
    data = tt.from_numpy(np.random.default_rng(0).standard_normal((40, 5), np.float32))
    step = tt.compile(lambda x: (x * 2).sum(0))
    for start, stop in ((0, 16), (16, 20), (20, 40), (30, 33)):
        close((data[start:stop] * 2).sum(0), step(data[start:stop]))
    assert step.cache_info().compiles == 2


def test_marked_axes_are_symbolic_at_once():
    step = tt.compile(lambda x: x.softmax(0))
    for size in SIZES:
        (x,) = rows(size)
        tt.mark_dynamic(x, 0)
        close(x.softmax(0), step(x))
    assert step.cache_info().compiles == 1
    assert "argument 0: f32[N0,5]" in step.explain()
    with pytest.raises(IndexError):
        tt.mark_dynamic(x, 2)


def test_sizes_zero_and_one_are_specialised():
    step = agree(lambda x: x.sum(0), rows, (6, 4, 1, 9, 0, 1, 0, 5), compiles=4)
    assert "f32[1,5]" in step.explain()


def test_outcomes_are_guarded():
    def choose(x):
        return x * 2 if x.shape[0] > 10 else x - 1

    agree(choose, rows, (6, 4, 17, 9, 33, 2, 12), compiles=3)


def test_equality_with_a_number_is_guarded():
    def choose(x):
        return x * 2 if x.shape[0] == 9 else x - 1

    agree(choose, rows, (6, 4, 17, 9, 33, 2, 9), compiles=3)


def test_a_loop_over_the_batch_specialises():
    def total(x):
        out = x[0]
        for i in range(1, x.shape[0]):
            out = out + x[i]
        return out

    step = agree(total, rows, (3, 4, 5, 3, 4), compiles=3)
    assert "specialised: the value of N0 is needed" in step.explain()


def test_len_is_the_real_one_again():
    real = len
    agree(lambda x: x * len(x) + len((1, 2)), rows)
    assert len is real


def test_sizes_that_stop_being_equal():
    def dot(x, y):
        return x.sum() + y.sum()

    step = tt.compile(dot)
    for a, b in ((6, 6), (4, 4), (5, 5), (3, 7), (2, 9)):
        close(dot(*rows(a), *rows(b)), step(*rows(a), *rows(b)))
    assert step.cache_info().compiles == 3


def test_other_guards_still_hold():
    model = nn.Sequential(nn.Linear(5, 4), nn.Dropout(0.5))
    step = tt.compile(lambda x: model(x))
    for size in (6, 4, 9):
        step(*rows(size))
    assert step.cache_info().compiles == 2
    model.eval()
    for size in (9, 5, 12):  # 5 and 12 have no replay of their own yet
        close(model(*rows(size)), step(*rows(size)))


def test_arguments_that_share_memory():
    def write(x, y):
        x.add_(1)
        return y * 1

    step = tt.compile(write)
    for size in (6, 4, 5):
        (x,), (y,) = rows(size), rows(size + 20)
        y = y[:size].clone()
        before = y.numpy().copy()
        np.testing.assert_array_equal(step(x, y).numpy(), before)
    (x,) = rows(7)
    np.testing.assert_array_equal(step(x, x).numpy(), rows(7)[0].numpy() + 1)


def test_a_gradient_from_outside():
    weight = tt.ones(5, requires_grad=True)
    step = tt.compile(lambda x: (x * weight).tanh().sum(1))
    for size in (6, 4, 9, 3):
        (x,) = rows(size)
        weight.grad = None
        step(x).mean().backward()
        found = weight.grad.numpy().copy()
        weight.grad = None
        (x * weight).tanh().sum(1).mean().backward()
        np.testing.assert_allclose(found, weight.grad.numpy(), rtol=1e-4, atol=1e-6)
    assert step.cache_info().compiles == 2


def test_bits_do_not_depend_on_threads():
    step = tt.compile(lambda x: (x.exp().sum(0), x.softmax(0), (x * x).mean()))
    before = get_num_threads()
    try:
        found = []
        for threads in (1, 2, 3):
            set_num_threads(threads)
            found.append([[t.numpy().tobytes() for t in step(*rows(size, 40))]
                          for size in (300, 200, 5000, 1234)])  # fmt: skip
    finally:
        set_num_threads(before)
    assert found[0] == found[1] == found[2]
    assert step.cache_info().compiles == 2


def test_errors_name_the_sizes_at_hand():
    table = nn.Embedding(4, 2)
    step = tt.compile(lambda i: table(i))
    for size in (3, 5, 6):
        step(tt.zeros(size, dtype=tt.int64))
    with pytest.raises(IndexError):
        step(tt.full((7,), 4))
    pick = tt.compile(lambda x, i: x[i])
    for size in (4, 3, 6):
        close(rows(size)[0][1:3], pick(*rows(size), tt.tensor([1, 2])))
    with pytest.raises(IndexError, match="with size 5"):
        pick(*rows(5), tt.tensor([1, 7]))
    assert pick.cache_info().compiles == 2, pick.explain()


def test_representations_can_be_read():
    step = agree(lambda x: x.T.contiguous() * x.shape[0], rows)
    assert "N0" in step.stages["graph"]
    assert "N0" in step.stages["optimized"]
    assert "N0" in step.stages["kernels"]
    assert "constant" in step.stages["program"]
    assert any("N0 = sizes[0]" in kernel.source for kernel in step.kernels)
    assert "compiled for any size" in step.explain()
    assert tt.compare(step, *rows(8)).ok


def test_a_recurrent_net_of_any_length_and_batch():
    weight = tt.tensor(np.random.default_rng(1).standard_normal((4, 4), np.float32) * 0.4)
    weight.requires_grad_()

    def run(x):
        weight.grad = None

        def cell(h, a):
            h = (h @ weight + a).tanh()
            return h, h * 2

        h, ys = tt.scan(cell, tt.zeros(x.shape[1], 4), x)
        loss = ys.mean() + h.sum() / x.shape[1]
        loss.backward()
        return loss, ys

    step = tt.compile(run)
    for length, batch in ((5, 3), (7, 3), (9, 4), (4, 6), (12, 2), (3, 3)):
        x = tt.from_numpy(np.random.default_rng(length).standard_normal(
            (length, batch, 4), np.float32))  # fmt: skip
        want, gradient = run(x), weight.grad.clone()
        close(want, step(x))
        close(gradient, weight.grad)
    assert step.cache_info().compiles == 3  # the batch differed later than the length


def test_a_branch_and_a_loop_over_any_batch():
    def run(x):
        y = tt.cond(x.sum() > 0, lambda a: a * 2, lambda a: a - 1, (x,))
        return tt.fori_loop(0, 3, lambda i, v: v * 0.5 + i, y)

    agree(run, rows)


def test_what_cannot_be_symbolic_is_tried_twice_and_noted():
    def odd(x):
        return x[: x.shape[0] // 2].sum()

    step = agree(odd, rows, (6, 4, 9, 12, 4), compiles=4)
    assert "specialised: the value of ((N0) // (2)) is needed" in step.explain()
    marked = tt.compile(lambda x: x * len(range(x.shape[0])))
    (x,) = rows(5)
    tt.mark_dynamic(x, 0)
    with pytest.warns(UserWarning, match="marked dynamic"):
        marked(x)
    marked(*rows(5))


def test_an_error_of_the_user_is_raised_as_it_is():
    def wrong(x, y):
        return x @ y

    step = tt.compile(wrong)
    for size in (4, 6):
        close(wrong(*rows(size), *rows(5)), step(*rows(size), *rows(5)))
    for size in (3, 7, 8):
        with pytest.raises(RuntimeError):
            step(*rows(size), *rows(4))
    for size in (9, 11):
        close(wrong(*rows(size), *rows(5)), step(*rows(size), *rows(5)))
    assert step.cache_info().compiles == 2
