"""nn.utils: clipping of gradients, parameters as one vector, padded sequences."""

import math

import numpy as np
import pytest
from agreement import check, normal

import tinytorch as tt
from tinytorch import nn, optim
from tinytorch.nn.utils import (
    clip_grad_norm_,
    clip_grad_value_,
    get_total_norm,
    parameters_to_vector,
    vector_to_parameters,
)  # fmt: skip
from tinytorch.nn.utils.rnn import pad_sequence, unpad_sequence


def with_grads(*grads):
    found = []
    for g in grads:
        p = nn.Parameter(tt.zeros(*np.shape(g)))
        p.grad = tt.tensor(np.array(g, "f4"))
        found.append(p)
    return found


@pytest.mark.parametrize("order", [2.0, 1, 3.0, math.inf, -math.inf, 0])
def test_total_norm_and_clipping(order):
    a, b = np.array([3.0, -4.0, 0.0]), np.array([[1.0], [2.0]])
    params = with_grads(a, b)
    each = [np.linalg.norm(x.ravel(), order) for x in (a, b)]
    expected = np.linalg.norm(each, order)
    total = clip_grad_norm_(iter(params), 0.5, norm_type=order, foreach=True)
    assert float(total) == pytest.approx(expected, rel=1e-6)
    scale = min(1.0, 0.5 / (expected + 1e-6))
    np.testing.assert_allclose(params[0].grad.numpy(), a * scale, rtol=1e-5)
    np.testing.assert_allclose(params[1].grad.numpy(), b * scale, rtol=1e-5)
    assert float(get_total_norm([p.grad for p in params], order)) <= max(0.5, expected) * 1.0001


def test_small_norms_stay_and_absent_gradients_are_skipped():
    params = [*with_grads([0.1, 0.2]), nn.Parameter(tt.ones(2))]
    clip_grad_norm_(params, 10.0)
    np.testing.assert_allclose(params[0].grad.numpy(), [0.1, 0.2], rtol=1e-6)
    assert float(clip_grad_norm_(params[1], 1.0)) == 0
    with pytest.warns(UserWarning, match="empty generator"):
        clip_grad_norm_((p for p in []), 1.0)


def test_norms_that_are_not_finite():
    params = with_grads([math.inf, 1.0])
    assert math.isinf(float(clip_grad_norm_(params, 1.0)))
    params = with_grads([math.inf, 1.0])
    with pytest.raises(RuntimeError, match="order 2.0 .* is non-finite"):
        clip_grad_norm_(params, 1.0, error_if_nonfinite=True)
    assert math.isinf(params[0].grad.tolist()[0])


def test_values_are_limited():
    params = with_grads([3.0, -4.0, 0.25])
    clip_grad_value_(params, 0.5)
    assert params[0].grad.tolist() == [0.5, -0.5, 0.25]


def test_clipping_compiled():
    def scenario(compile):
        tt.manual_seed(0)
        model = nn.Linear(3, 2)
        opt = optim.SGD(model.parameters(), lr=0.1)

        @compile
        def step(x, most):
            opt.zero_grad()
            loss = (model(x) ** 2).sum()
            loss.backward()
            total = clip_grad_norm_(model.parameters(), most, error_if_nonfinite=True)
            clip_grad_value_(model.parameters(), 0.2)
            opt.step()
            return loss, total

        x = normal(4, 3)
        found = [step(x, most) for most in (0.5, 0.25, 100.0)]
        before = model.weight.detach().clone()
        with pytest.raises(RuntimeError, match="non-finite"):
            step(x * math.inf, 1.0)
        return [found, before, model.weight.detach()]

    check(scenario, compiles=1)


def test_vectors_of_parameters():
    model = nn.Linear(2, 3)
    vector = parameters_to_vector(model.parameters())
    assert vector.shape == (9,)
    vector.sum().backward()
    assert model.bias.grad.tolist() == [1.0] * 3
    weight = model.weight
    vector_to_parameters(tt.arange(9).float(), model.parameters())
    assert model.weight is weight
    assert model.bias.tolist() == [6.0, 7.0, 8.0]
    with pytest.raises(TypeError, match="expected tinytorch.Tensor"):
        vector_to_parameters([1.0], model.parameters())
    with pytest.raises(RuntimeError, match="a vector of 9 elements is needed"):
        vector_to_parameters(tt.ones(8), model.parameters())
    assert model.bias.tolist() == [6.0, 7.0, 8.0]


def test_padded_sequences():
    parts = [tt.ones(2, 3), tt.ones(4, 3) * 2, tt.ones(1, 3, requires_grad=True)]
    padded = pad_sequence(parts)
    assert padded.shape == (4, 3, 3)
    assert pad_sequence(parts, batch_first=True).shape == (3, 4, 3)
    left = pad_sequence(parts, True, -1.0, "left").detach()
    assert left[2, :, 0].tolist() == [-1.0, -1.0, -1.0, 1.0]
    padded.sum().backward()
    assert parts[2].grad.tolist() == [[1.0] * 3]
    back = unpad_sequence(padded.detach(), tt.tensor([2, 4, 1]))
    assert [len(x) for x in back] == [2, 4, 1]
    assert back[1].tolist() == parts[1].tolist()
    for bad, text in (
        ([], "empty list"), (3, "Expected iterable"), ([tt.ones(2, 1), tt.ones(2)], "first axis"),
    ):  # fmt: skip
        with pytest.raises(RuntimeError, match=text):
            pad_sequence(bad)
    with pytest.raises(RuntimeError, match="left or right"):
        pad_sequence(parts, padding_side="top")
