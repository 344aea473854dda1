"""Each case of functional_cases.py: against finite differences, compiled, and against PyTorch."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from finite_difference import check_gradient
from functional_cases import CASES, Case

import tinytorch as tt
import tinytorch.nn.functional as F

pytestmark = pytest.mark.filterwarnings("ignore:reduction. 'mean' divides")


def tensors_of(case: Case, dtype: str = "f8") -> list[tt.Tensor]:
    kinds = [dtype if a.dtype.kind == "f" else "i8" for a in case.arrays]
    return [
        tt.tensor(a.astype(k), requires_grad=k == dtype)
        for a, k in zip(case.arrays, kinds, strict=True)
    ]


def is_target(case: Case, position: int) -> bool:
    """Whether an operand holds signs or labels, which no one differentiates by."""
    a = case.arrays[position]
    return a.dtype.kind != "f" or bool(np.isin(a, (-1.0, 0.0, 1.0)).all())


@pytest.mark.parametrize("case", CASES, ids=str)
def test_gradient_is_the_difference_quotient(case):
    free = [i for i in range(len(case.arrays)) if not is_target(case, i)]
    fixed = [tt.tensor(a) for a in case.arrays]

    def function(*given):
        operands = list(fixed)
        for position, tensor in zip(free, given, strict=True):
            operands[position] = tensor
        return case.call(F, operands)

    check_gradient(function, *(case.arrays[i] for i in free))


def values_and_gradients(cases: list[Case], compiled: bool) -> list[np.ndarray]:
    groups = [tensors_of(case, "f4") for case in cases]
    calls = [(getattr(F, case.name), case.settings) for case in cases]

    def step(*groups):
        outs = [f(*group, **settings) for (f, settings), group in zip(calls, groups)]
        for out in outs:
            (out * out).sum().backward()
        return outs

    outs = (tt.compile(step) if compiled else step)(*groups)
    found = [out.detach().numpy() for out in outs]
    return found + [t.grad.numpy() for g in groups for t in g if t.grad is not None]


@pytest.mark.parametrize("name", sorted({c.name for c in CASES}))
def test_compiled_is_eager(name):
    cases = [c for c in CASES if c.name == name]
    eager, compiled = values_and_gradients(cases, False), values_and_gradients(cases, True)
    assert len(eager) == len(compiled)
    for a, b in zip(eager, compiled, strict=True):
        scale = 1 + np.abs(a).max(initial=0.0)
        np.testing.assert_allclose(b, a, rtol=2e-5, atol=2e-6 * scale)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_value_and_gradient_are_pytorchs(case):
    torch = pytest.importorskip("torch")
    ours = tensors_of(case)
    theirs = [
        torch.tensor(a, requires_grad=not is_target(case, i)) for i, a in enumerate(case.arrays)
    ]
    out = case.call(F, ours)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = case.call(torch.nn.functional, theirs)
    assert tuple(out.shape) == tuple(expected.shape)
    assert_close(out.detach(), expected.detach(), case)
    weights = np.random.default_rng(3).standard_normal(tuple(out.shape))
    out.backward(tt.tensor(weights))
    expected.backward(torch.tensor(weights))
    for a, b in zip(ours, theirs, strict=True):
        if b.grad is not None:
            assert_close(a.grad, b.grad, case)


def assert_close(a, b, case: Case) -> None:
    np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=case.tolerance, atol=case.tolerance)
