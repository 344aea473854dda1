"""Modules give PyTorch's values and gradients, and have its names and text."""

import warnings

import numpy as np
import pytest
from module_cases import ACTIVATIONS, LAYERS, LOSSES, shown

import tinytorch as tt
from tinytorch import nn

torch = pytest.importorskip("torch")


def made(library, tensor, case):
    name, args, kwargs, _ = case
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return getattr(library, name)(
            *(tensor(a) if isinstance(a, np.ndarray) else a for a in args),
            **{k: tensor(v) if isinstance(v, np.ndarray) else v for k, v in kwargs.items()},
        )  # fmt: skip


def leaf(tensor, array, first):
    x = tensor(array.copy())
    return x.requires_grad_() if first and array.dtype.kind == "f" else x


@pytest.mark.parametrize("case", ACTIVATIONS + LAYERS + LOSSES, ids=shown)
def test_as_torch(case):
    theirs, ours = made(torch.nn, torch.tensor, case), made(nn, tt.tensor, case)
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})
    theirs.eval()
    ours.eval()
    inputs = case[3]
    a = [leaf(torch.tensor, x, i == 0) for i, x in enumerate(inputs)]
    b = [leaf(tt.tensor, x, i == 0) for i, x in enumerate(inputs)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        want, got = theirs(*a), ours(*b)
    np.testing.assert_allclose(
        got.detach().numpy(), want.detach().numpy(), rtol=1e-5, atol=1e-6
    )
    if want.requires_grad:
        weight = np.random.default_rng(0).standard_normal(tuple(want.shape)).astype("f4")
        (want * torch.tensor(weight)).sum().backward()
        (got * tt.tensor(weight)).sum().backward()
        for p, q in zip([*theirs.parameters(), a[0]], [*ours.parameters(), b[0]], strict=True):
            if p.grad is not None:
                np.testing.assert_allclose(q.grad.numpy(), p.grad.numpy(), rtol=1e-4, atol=1e-5)
