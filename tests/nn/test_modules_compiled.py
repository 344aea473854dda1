"""One training step with every module of a kind, compiled and eager."""

import numpy as np
import pytest
from agreement import check
from module_cases import ACTIVATIONS, LAYERS, LOSSES, Case

import tinytorch as tt
from tinytorch import nn, optim


def built(case: Case):
    name, args, kwargs, _ = case
    module = getattr(nn, name)(
        *(tt.tensor(a) if isinstance(a, np.ndarray) else a for a in args),
        **{k: tt.tensor(v) if isinstance(v, np.ndarray) else v for k, v in kwargs.items()},
    )  # fmt: skip
    return module.eval() if "Drop" in name or name == "RReLU" else module


@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides")
@pytest.mark.parametrize(
    "cases", [ACTIVATIONS, LAYERS, LOSSES[:24]], ids=["activations", "layers", "losses"]
)
def test_a_step_with_all(cases):
    def scenario(compile):
        tt.manual_seed(2)
        modules = nn.ModuleList([built(case) for case in cases])
        start = nn.Parameter(tt.full((1,), 0.9))
        counts = tuple(len(case[3]) for case in cases)
        opt = optim.SGD([start, *modules.parameters()], lr=1e-2)

        @compile
        def step(*inputs):
            opt.zero_grad()
            total, rest = 0.0, list(inputs)
            for module, count in zip(modules, counts):
                taken, rest = rest[:count], rest[count:]
                if taken[0].dtype is tt.float32:
                    taken[0] = taken[0] * start
                out = module(*taken)
                total = total + out.tanh().mean()
            total.backward()
            opt.step()
            return total

        inputs = [tt.tensor(x) for case in cases for x in case[3]]
        losses = [step(*inputs) for _ in range(2)]
        return losses + [p.detach() for p in (start, *modules.parameters())]

    check(scenario, compiles=1, rtol=2e-5, atol=2e-6)
