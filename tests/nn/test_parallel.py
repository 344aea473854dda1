"""Modules over many devices, of which there is one."""

from __future__ import annotations

import pytest
from agreement import check, normal

from tinytorch import nn


def test_data_parallel_runs_the_module():
    inner = nn.Linear(3, 2)
    model = nn.DataParallel(inner, device_ids=[0, 1]).to("cpu")
    x = normal(4, 3)
    assert (model(x) == inner(x)).all()
    assert list(model.state_dict()) == ["module.weight", "module.bias"]
    assert (nn.parallel.data_parallel(inner, x) == inner(x)).all()
    assert (nn.parallel.data_parallel(inner, (x,), output_device="cpu") == inner(x)).all()
    with pytest.raises(RuntimeError, match="not available"):
        nn.parallel.data_parallel(inner, x, device_ids=[0, 1])


def test_compiled():
    model = nn.DataParallel(nn.Linear(3, 2))

    def scenario(compile):
        return compile(model)(normal(4, 3))

    check(scenario, compiles=1)
