"""L-BFGS goes where PyTorch's goes, and stays outside compiled functions."""

import copy
import io
import json

import numpy as np
import pytest
from curves import CASES, GOLDEN, problem, run

import tinytorch as tt
from tinytorch import optim
from tinytorch.errors import TraceError


@pytest.mark.parametrize("case", range(len(CASES)))
def test_course(case):
    expected = json.loads(GOLDEN.read_text())[case]
    found = run(tt, optim, case)
    assert found["counts"] == expected["counts"]
    np.testing.assert_allclose(found["losses"], expected["losses"], rtol=1e-7, atol=1e-14)
    for a, b in zip(found["params"], expected["params"], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-7)


def closure_of(optimizer, loss_of):
    def closure():
        optimizer.zero_grad()
        loss = loss_of()
        loss.backward()
        return loss

    return closure


def test_going_on_from_a_saved_state():
    params, loss_of = problem(tt, "fit")
    first = optim.LBFGS(params, line_search_fn="strong_wolfe", max_iter=3)
    closure = closure_of(first, loss_of)
    first.step(closure)
    file = io.BytesIO()
    tt.save({"optimizer": first.state_dict(), "params": [p.detach() for p in params]}, file)
    file.seek(0)
    saved = tt.load(file)
    expected = [float(first.step(closure)) for _ in range(3)]

    again, loss_of = problem(tt, "fit")
    second = optim.LBFGS(again, lr=7)
    second.load_state_dict(saved["optimizer"])
    with tt.no_grad():
        for p, value in zip(again, saved["params"], strict=True):
            p.copy_(value)
    closure = closure_of(second, loss_of)
    assert [float(second.step(closure)) for _ in range(3)] == expected
    bad = copy.deepcopy(saved["optimizer"])
    bad["state"][0]["momentum"] = 1
    with pytest.raises(ValueError, match="does not keep"):
        second.load_state_dict(bad)


def test_the_closure_may_be_compiled():
    params, loss_of = problem(tt, "fit")
    optimizer = optim.LBFGS(params, line_search_fn="strong_wolfe")
    closure = tt.compile(closure_of(optimizer, loss_of))
    before = float(closure())
    optimizer.step(closure)
    assert float(closure()) < before / 2
    assert closure.cache_info().compiles <= 2, closure.explain()


def test_errors():
    p = tt.ones(1, requires_grad=True)
    optimizer = optim.LBFGS([p])
    with pytest.raises(TypeError, match="closure"):
        optimizer.step()
    with pytest.raises(ValueError, match="per-parameter options"):
        optim.LBFGS([{"params": [p]}, {"params": [tt.ones(1)]}])
    with pytest.raises(TraceError, match="LBFGS.step inside"):
        tt.compile(lambda x: optimizer.step(lambda: x))(tt.ones(1))
    odd = optim.LBFGS([p], line_search_fn="armijo")

    def closure():
        odd.zero_grad()
        loss = (p * p).sum()
        loss.backward()
        return loss

    with pytest.raises(RuntimeError, match="only 'strong_wolfe'"):
        odd.step(closure)
