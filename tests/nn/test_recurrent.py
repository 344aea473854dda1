"""RNN, LSTM, GRU and their cells: numbers and names of PyTorch's, compiled as eager."""

import numpy as np
import pytest
from agreement import check, normal
from finite_difference import check_gradient

import tinytorch as tt
from tinytorch import nn, optim

# What torch 2.13 gives for the parameters of ``filled``: outputs, last states (an LSTM's cells).
SEQUENCES = {
    "RNN": (
        [-0.4252188948, -0.8324256356, 0.8100047201, 0.8445521617, -0.6825114815, -0.3238545184,
         0.9040018941, 0.5314333065, -0.6743075774, -0.5472876678, 0.8110926812, 0.2418684212],
        [0.5837165355, -0.0449923798, -0.7233647569, 0.5335160488, -0.6743075774, -0.5472876678,
         0.8100047201, 0.8445521617],
    ),
    "LSTM": (
        [0.0041215325, 0.0837133161, 0.0022164506, 0.0680525238, 0.0021639449, 0.0428639872],
        [-0.5071654523, -0.2168165192, -0.6105634564, -0.8910865573, 0.356231921, -0.4160980561,
         0.3832110707, 0.4650570165],
    ),
    "GRU": (
        [0.2051705081, 0.2025486056, -0.4462737956, -0.6628174349, 0.2117526412, 0.2945799811,
         -0.293219432, -0.6713600329, 0.0730007326, 0.3916423067, -0.1612473181, -0.5478015665],
        [-0.4729518374, -0.3907054333, 0.1812405464, -0.1178957859, 0.0730007326, 0.3916423067,
         -0.4462737956, -0.6628174349],
    ),
}  # fmt: skip
CELLS = {
    "RNNCell": [0.0142668998, -0.057395336],
    "LSTMCell": [0.0398673464, -0.562031116, 0.0599250089, -0.9194471862],
    "GRUCell": [-0.1345099543, -0.6860092449],
}


def filled(module):
    with tt.no_grad():
        for i, p in enumerate(module.parameters()):
            values = np.sin(np.arange(p.numel()) * 0.7 + i).reshape(tuple(p.shape)) * 0.5
            p.copy_(tt.tensor(values))
    return module


@pytest.mark.parametrize("kind", SEQUENCES)
def test_two_layers_in_two_directions(kind):
    extra = {"proj_size": 1} if kind == "LSTM" else {}
    model = filled(getattr(nn, kind)(2, 2, 2, bidirectional=True, dtype=tt.float64, **extra))
    x = tt.tensor(np.cos(np.arange(6.0)).reshape(3, 1, 2))
    output, state = model(x)
    last = state[1] if kind == "LSTM" else state
    np.testing.assert_allclose(output.detach().numpy().ravel(), SEQUENCES[kind][0], atol=1e-9)
    np.testing.assert_allclose(last.detach().numpy().ravel(), SEQUENCES[kind][1], atol=1e-9)
    single, state = model(x.squeeze(1))
    np.testing.assert_array_equal(single.detach().numpy(), output.squeeze(1).detach().numpy())
    model.batch_first = True
    turned, _ = model(x.transpose(0, 1))
    np.testing.assert_array_equal(turned.transpose(0, 1).detach().numpy(), output.detach().numpy())


@pytest.mark.parametrize("kind", CELLS)
def test_cells(kind):
    cell = filled(getattr(nn, kind)(2, 2, dtype=tt.float64))
    x = tt.tensor(np.array([[0.3, -0.7]]))
    h = tt.tensor(np.array([[0.5, -1.0]]))
    out = cell(x, (h, h * 2)) if kind == "LSTMCell" else cell(x, h)
    out = tt.cat(list(out)) if kind == "LSTMCell" else out
    np.testing.assert_allclose(out.detach().numpy().ravel(), CELLS[kind], atol=1e-9)
    alone = cell(x[0])
    alone = alone[0] if kind == "LSTMCell" else alone
    assert alone.shape == (2,)
    assert repr(cell) == f"{kind}(2, 2)"
    assert list(cell.state_dict()) == ["weight_ih", "weight_hh", "bias_ih", "bias_hh"]


def test_names_and_text():
    model = nn.LSTM(3, 4, 2, bias=False, bidirectional=True, proj_size=2, dropout=0.5)
    assert list(model.state_dict()) == [
        f"weight_{part}_l{layer}{suffix}"
        for layer in (0, 1) for suffix in ("", "_reverse") for part in ("ih", "hh", "hr")
    ]  # fmt: skip
    assert repr(model) == (
        "LSTM(3, 4, proj_size=2, num_layers=2, bias=False, dropout=0.5, bidirectional=True)"
    )
    assert [len(w) for w in model.all_weights] == [3] * 4
    assert [tuple(p.shape) for p in model.all_weights[2]] == [(16, 4), (16, 2), (2, 4)]
    bound = 1 / np.sqrt(4)
    assert all(np.abs(p.detach().numpy()).max() <= bound for p in model.parameters())


def test_a_start_state_gets_a_gradient():
    model = filled(nn.GRU(2, 2, dtype=tt.float64))
    rng = np.random.default_rng(0)
    check_gradient(lambda x, h: model(x, h)[0], rng.normal(size=(3, 1, 2)),
                   rng.normal(size=(1, 1, 2)))  # fmt: skip


def test_dropout_lies_between_layers_while_training():
    model = nn.RNN(2, 64, 2, dropout=0.5, nonlinearity="relu")
    x = tt.ones(1, 1, 2)
    assert not np.array_equal(model(x)[0].detach().numpy(), model(x)[0].detach().numpy())
    model.eval()
    assert np.array_equal(model(x)[0].detach().numpy(), model(x)[0].detach().numpy())
    with pytest.warns(UserWarning, match="num_layers greater than 1"):
        nn.LSTM(2, 2, dropout=0.5)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: nn.LSTM(3, 4)(tt.ones(5, 2, 2)), RuntimeError, "Expected 3, got 2"),
        (lambda: nn.LSTM(3, 4)(tt.ones(3)), ValueError, "LSTM: Expected input to be 2D or 3D"),
        (lambda: nn.GRU(3, 4)([1.0]), TypeError, "must be Tensor, not list"),
        (lambda: nn.GRU(3, 4)(tt.ones(5, 2, 3), tt.ones(2, 4)), RuntimeError, "should also be 3-D"),
        (lambda: nn.RNN(3, 4)(tt.ones(5, 2, 3), tt.ones(1, 3, 4)), RuntimeError, "hidden size"),
        (lambda: nn.RNN(3, 4)(tt.ones(0, 2, 3)), RuntimeError, "larger than 0 in RNN"),
        (lambda: nn.RNN(3, 4)(tt.ones(5, 2, 3).double()), ValueError, "does not match weight"),
        (lambda: nn.RNN(3, 4, nonlinearity="z"), ValueError, "Select from 'tanh' or 'relu'"),
        (lambda: nn.GRU(3, 4, proj_size=2), ValueError, "only supported for LSTM"),
        (lambda: nn.GRU(3, 4, other=2), TypeError, "unexpected keyword argument 'other'"),
        (lambda: nn.LSTM(3, 4, proj_size=4), ValueError, "smaller than hidden_size"),
        (lambda: nn.LSTM(3.0, 4), TypeError, "input_size should be of type int"),
        (lambda: nn.LSTM(3, 0), ValueError, "hidden_size must be greater than zero"),
        (lambda: nn.LSTM(3, 4, dropout=2), ValueError, "range"),
        (lambda: nn.GRUCell(3, 4)(tt.ones(2, 2)), RuntimeError, "got 2 expected 3"),
        (lambda: nn.GRUCell(3, 4)(tt.ones(2, 3), tt.ones(3, 4)), RuntimeError, "hidden0 batch"),
        (lambda: nn.GRUCell(3, 4)(tt.ones(2, 3), tt.ones(2, 3)), RuntimeError, "got 3, expected 4"),
        (lambda: nn.GRUCell(3, 4)(tt.ones(1, 2, 3)), ValueError, "1D or 2D, got 3D"),
    ],
)  # fmt: skip
def test_errors(call, error, text):
    with pytest.raises(error, match=text):
        call()


def test_a_training_step_compiled():
    def scenario(compile):
        models = nn.ModuleList([
            filled(nn.LSTM(2, 3, batch_first=True, proj_size=2)),
            filled(nn.GRU(2, 2, bidirectional=True)), filled(nn.RNN(4, 2)),
        ])  # fmt: skip
        opt = optim.SGD(models.parameters(), lr=0.1)

        @compile
        def step(x):
            opt.zero_grad()
            y, (_, c) = models[0](x)
            y, h = models[1](y.transpose(0, 1))
            y, _ = models[2](y)
            loss = (y * y).mean() + c.sum() + (h * h).sum()
            loss.backward()
            opt.step()
            return loss

        x = normal(2, 3, 2)
        return [step(x) for _ in range(3)] + [p.detach() for p in models.parameters()]

    check(scenario, compiles=1)


def test_compiling_takes_as_many_kernels_for_any_length():
    layer = filled(nn.GRU(2, 2, bidirectional=True))
    counts = []
    for length in (3, 9):
        step = tt.compile(lambda x: layer(x)[0])
        x = normal(length, 2, 2)
        np.testing.assert_allclose(
            step(x).detach().numpy(), layer(x)[0].detach().numpy(), atol=1e-6
        )
        counts.append(len(step.kernels))
    assert counts[0] == counts[1]
