"""float16 and bfloat16: storage, rounding once an op, sums in float32; casts between all dtypes."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from agreement import normal

import tinytorch as tt
import tinytorch.nn.functional as F
from tinytorch import nn, optim
from tinytorch.ir.storage import stored
from tinytorch.ir.types import DTYPES

HALVES = [tt.float16, tt.bfloat16]


def bits(x: Any) -> np.ndarray:
    """Stored elements as integers: equal bits, NaN and signed zeros included."""
    array = np.ascontiguousarray(x.detach().array)
    return array.view(f"u{array.dtype.itemsize}") if array.dtype.kind in "fV" else array


def assert_equal_bits(function: Any, *arguments: Any) -> None:
    """Eager and compiled give the same bits."""
    eager, compiled = function(*arguments), tt.compile(function)(*arguments)
    for number, (a, b) in enumerate(zip(eager, compiled, strict=True)):
        assert a.dtype is b.dtype, number
        np.testing.assert_array_equal(bits(b), bits(a), err_msg=f"value {number}")


# ---------------------------------------------------------------------- storage


def test_rounding_is_to_nearest_even() -> None:
    # Golden: torch.tensor(x).bfloat16().view(torch.int16)
    given = np.array([1.0, 1.00390625, 1.01171875, -1.00390625, 3.4e38, 1e-40, np.inf, 65280.5])
    wanted = [0x3F80, 0x3F80, 0x3F82, 0xBF80, 0x7F80, 0x0001, 0x7F80, 0x477F]
    found = tt.tensor(given, dtype=tt.bfloat16)
    assert [int(b) for b in bits(found)] == wanted
    assert bits(tt.tensor([float("nan")]).bfloat16())[0] & 0x7FFF > 0x7F80
    everything = tt.from_numpy(np.arange(1 << 16, dtype=np.uint16).view(tt.bfloat16.numpy))
    back = everything.float().bfloat16()
    number = ~everything.isnan().numpy()
    np.testing.assert_array_equal(bits(back)[number], bits(everything)[number])
    assert back.isnan().numpy()[~number].all()


def test_reading() -> None:
    x = tt.tensor([[1.5, -2.0], [0.1, 3.0]], dtype=tt.bfloat16)
    assert x.tolist() == [[1.5, -2.0], [0.10009765625, 3.0]]
    assert (x[0, 0].item(), float(x[0, 1]), bool(x[0, 0])) == (1.5, -2.0, True)
    assert repr(x[0]) == "tensor([ 1.5000, -2.0000], dtype=tinytorch.bfloat16)"
    assert f"{x[0, 0]:.2f}" == "1.50"
    assert (x.element_size(), x.dtype.itemsize) == (2, 2)
    assert [t.tolist() for t in x.T] == [[1.5, 0.10009765625], [-2.0, 3.0]]


def test_numpy_without_and_with_the_extension() -> None:
    code = (
        "import sys; sys.modules['ml_dtypes'] = None\n"
        "import tinytorch as tt\n"
        "x = tt.ones(2, dtype=tt.bfloat16)\n"
        "try: x.numpy()\n"
        "except TypeError as e: print(e)\n"
        "print((x + 1).float().numpy().tolist())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "numpy has no bfloat16: convert with .float().numpy(), or install ml_dtypes", "[2.0, 2.0]",
    ]  # fmt: skip
    ml_dtypes = pytest.importorskip("ml_dtypes")
    x = tt.tensor([1.5, 0.1], dtype=tt.bfloat16)
    assert x.numpy().dtype == ml_dtypes.bfloat16
    y = tt.from_numpy(x.numpy())
    assert y.dtype is tt.bfloat16
    y[0] = 7
    assert x.tolist() == y.tolist() == [7.0, 0.10009765625]
    assert tt.tensor(x.numpy()).dtype is tt.bfloat16


def test_factories_and_copies() -> None:
    for dtype in HALVES:
        for x in (
            tt.zeros(2, 3, dtype=dtype), tt.ones(2, dtype=dtype), tt.full((2,), 0.1, dtype=dtype),
            tt.arange(5, dtype=dtype), tt.eye(2, dtype=dtype), tt.rand(7, dtype=dtype),
            tt.randn(7, dtype=dtype), tt.tensor([1, 2], dtype=dtype),
            tt.zeros_like(tt.ones(2, dtype=dtype)), tt.ones(3).to(dtype).clone(),
        ):  # fmt: skip
            assert x.dtype is dtype
            assert x.isfinite().numpy().all()
        draws = tt.rand(20_000, dtype=dtype).float().numpy()
        assert draws.min() >= 0
        assert draws.max() < 1
        assert abs(draws.mean() - 0.5) < 0.02
    x = tt.zeros(3, dtype=tt.bfloat16)
    x.fill_(0.1)
    x[1] = 5
    x += 1
    assert x.tolist() == [1.1015625, 6.0, 1.1015625]
    module = nn.Linear(2, 2).to(tt.bfloat16)
    assert {p.dtype for p in module.parameters()} == {tt.bfloat16}


# --------------------------------------------------------------------- rounding


@pytest.mark.parametrize("dtype", HALVES)
def test_every_op_rounds_once_eager_and_compiled(dtype: Any) -> None:
    a, b = normal(6, 40, seed=1).to(dtype), normal(6, 40, seed=2).to(dtype)
    index = tt.tensor([4, 0, 0, 2])

    def step(a: Any, b: Any, index: Any) -> Any:
        c = a * b + a / (b.abs() + 1)
        return [
            c, c.exp().log1p(), a.tanh() * 0.1 + 1e-3, a.sum(), a.sum(0), a.sum(1), a.mean(0),
            a.amax(1), a.softmax(1), (a.float() * b).to(dtype), a.float(), a > b,
            tt.where(a > b, a, b), a.index_select(0, index), tt.cat([a, b]), a.T.contiguous(),
            a[1:5:2, 3:], F.layer_norm(a, (40,)), a.double().to(dtype), -a, a.round(), a**2,
            a * 65536.0, (a * 1e-4) * 1e4, a.std(1), tt.lerp(a, b, 0.3), a.argmax(1),
        ]  # fmt: skip

    assert_equal_bits(step, a, b, index)


@pytest.mark.parametrize("dtype", HALVES)
def test_one_rounding_of_the_float32_result(dtype: Any) -> None:
    a, b = normal(500, seed=4).to(dtype), normal(500, seed=5).to(dtype)
    for function in (
        lambda x, y: x * y, lambda x, y: x / y, lambda x, y: tt.exp(x), lambda x, y: tt.sinc(x),
        lambda x, y: tt.lerp(x, y, 0.3), lambda x, y: tt.addcmul(x, y, y, value=3),
        lambda x, y: x.softmax(0), lambda x, y: tt.logaddexp(x, y), lambda x, y: x.mean(),
        lambda x, y: x * 0.1, lambda x, y: y.var(),
    ):  # fmt: skip
        wide = function(a.float(), b.float()).to(dtype)
        np.testing.assert_array_equal(bits(function(a, b)), bits(wide))


def test_numbers_beside_halves_keep_their_digits_and_range() -> None:
    x = tt.tensor([1e-3, 2.0], dtype=tt.float16)
    assert (x * 65536.0)[0].item() == 65.5625  # 65536 itself is beyond float16
    assert (x / 1e6 * 1e6).dtype is tt.float16
    assert (x + 1e5).tolist() == [float("inf"), float("inf")]
    leaf = tt.tensor([3.0], dtype=tt.float16, requires_grad=True)
    (leaf * 1e-8 * 1024.0).sum().backward()
    assert leaf.grad.dtype is tt.float16
    assert abs(leaf.grad.item() - 1.024e-5) < 1e-7


@pytest.mark.parametrize("dtype", HALVES)
def test_long_sums_are_added_in_float32(dtype: Any) -> None:
    x = tt.ones(70_000, 2, dtype=dtype) * 0.1
    truth = x.double().sum(0).numpy()
    for total in (lambda x: [x.sum(0), x.mean(), x.mean(0)],):
        assert_equal_bits(total, x)
    got = x.sum(0).double().numpy()
    assert (abs(got - truth) <= truth * (2.0**-11 if dtype is tt.float16 else 2.0**-8)).all()
    assert abs(x.mean().item() - 0.1) < 1e-3
    a, b = normal(64, 300, seed=6).to(dtype), normal(300, 48, seed=7).to(dtype)
    product, exact = (a @ b).double().numpy(), (a.double() @ b.double()).numpy()
    assert abs(product - exact).max() <= abs(exact).max() * 2.0 ** (-11 if dtype is tt.float16
                                                                    else -8)  # fmt: skip


# --------------------------------------------------------------------- training


@pytest.mark.parametrize(
    ("dtype", "kind"),  # Adam's eps is nothing in float16, here as in PyTorch
    [(tt.float16, optim.SGD), (tt.bfloat16, optim.SGD), (tt.bfloat16, optim.AdamW)],
)
def test_a_network_of_halves_trains_alike_eager_and_compiled(dtype: Any, kind: Any) -> None:
    def run(compile: Any) -> list[np.ndarray]:
        tt.manual_seed(0)
        model = nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.LayerNorm(16), nn.Linear(16, 3))
        model.to(dtype)
        optimizer = kind(model.parameters(), lr=1e-2)
        x, y = normal(12, 8).to(dtype), tt.arange(12) % 3

        @compile
        def step(x: Any, y: Any) -> Any:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            return loss

        losses = [step(x, y) for _ in range(4)]
        assert losses[-1].item() < losses[0].item()
        return [x.float().detach().numpy() for x in (*losses, *model.parameters())]

    for eager, compiled in zip(run(lambda f: f), run(tt.compile), strict=True):
        np.testing.assert_allclose(
            compiled, eager, rtol=0.02, atol=2e-3 if dtype is tt.float16 else 2e-2
        )


@pytest.mark.parametrize("dtype", HALVES)
def test_gradients_of_halves(dtype: Any) -> None:
    def gradient(x: Any, w: Any) -> Any:
        x, w = x.detach().requires_grad_(), w.detach().requires_grad_()
        loss = ((x @ w).relu() * x.amax(1, keepdim=True)).softmax(1).square().sum()
        return tt.autograd.grad(loss, (x, w))

    x, w = normal(5, 7, seed=8), normal(7, 4, seed=9)
    exact = gradient(x.double(), w.double())
    got = gradient(x.to(dtype), w.to(dtype))
    for g, e in zip(got, exact, strict=True):
        assert g.dtype is dtype
        scale = e.abs().amax().item()
        assert (g.double() - e).abs().amax().item() < scale * (
            0.01 if dtype is tt.float16 else 0.08
        )


def test_what_reads_values_reads_numbers() -> None:
    x = tt.tensor([0.0, -0.0, 2.0, float("nan")], dtype=tt.bfloat16)
    assert tt.nonzero(x).tolist() == [[2], [3]]
    assert tt.compare(lambda x: x * 3, x).ok
    w = tt.tensor([2.0], dtype=tt.bfloat16, requires_grad=True)
    y = w * 1.0
    with tt.no_grad():
        w += 1
    (y + w * 3).sum().backward()  # two versions of one leaf
    assert w.grad.tolist() == [4.0]


@pytest.mark.parametrize("dtype", HALVES)
def test_linear_adds_its_bias_before_it_rounds(dtype: Any) -> None:
    x, w, b = (normal(*s, seed=20).to(dtype) for s in ((9, 30), (4, 30), (4,)))
    wide = F.linear(x.float(), w.float(), b.float()).to(dtype)
    assert (F.linear(x, w, b) == wide).numpy().mean() > 0.9
    with pytest.raises(RuntimeError, match="same dtype"):
        F.linear(x, w.float(), b)


# ------------------------------------------------------------------------ casts

EDGES = np.array(
    [0.0, -0.0, 1.9, -1.9, 127.5, 128.0, 255.9, 256.0, -1.0, -129.0, 3e9, -3e9, 1e19, -1e19,
     2.0**31, -(2.0**31), 2.0**63, np.nan, np.inf, -np.inf, 65504.0]
)  # fmt: skip


def test_casts_between_all_dtypes_are_the_same_compiled() -> None:
    named = [t for t in DTYPES if t.name in vars(tt) or t.name == "bool"]
    assert len(named) == len(DTYPES)
    sources = []
    for dtype in DTYPES:
        if dtype.is_floating_point:
            sources.append(tt.from_numpy(stored(EDGES, dtype)))
        else:
            whole = np.array([0, 1, -1, 127, 128, 255, 300, -40000, 2**31, 2**53 + 1, -(2**63)])

            sources.append(tt.from_numpy(stored(whole, dtype)))

    assert_equal_bits(lambda *xs: [x.to(d) for x in xs for d in DTYPES], *sources)


def test_floats_become_integers_as_on_x86() -> None:
    x = tt.from_numpy(EDGES.astype(np.float32))
    least = -(2**63)
    assert x.long().tolist()[-5:] == [least] * 4 + [65504]
    assert x.int().tolist()[9:12] == [-129, -(2**31), -(2**31)]
    assert x.byte().tolist()[:10] == [0, 0, 1, 255, 127, 128, 255, 0, 255, 127]
    assert x.char().tolist()[:10] == [0, 0, 1, -1, 127, -128, -1, 0, -1, 127]
    assert tt.tensor([float("nan"), 1e10]).short().tolist() == [0, 0]
    assert (tt.tensor([127], dtype=tt.int8) + 1).tolist() == [-128]  # integers wrap
    assert (tt.tensor([2**62]) * 4).tolist() == [0]


def test_methods_that_cast() -> None:
    x = tt.tensor([1.7])
    kinds = {
        "half": tt.float16, "bfloat16": tt.bfloat16, "float": tt.float32, "double": tt.float64,
        "char": tt.int8, "byte": tt.uint8, "short": tt.int16, "int": tt.int32, "long": tt.int64,
        "bool": tt.bool,
    }  # fmt: skip
    for name, dtype in kinds.items():
        assert getattr(x, name)().dtype is dtype
    assert x.to(tt.bfloat16).type_as(x) is not x
    assert x.to(x.bfloat16()).dtype is tt.bfloat16
