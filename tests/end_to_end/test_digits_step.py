"""The digits network's whole Adam step, seen through its Program."""

import sys
import tracemalloc

import pytest

import tinytorch as tt
import tinytorch.nn.functional as F
from tinytorch import nn, optim


@pytest.fixture(scope="module")
def trained():
    tt.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10)
    )
    opt = optim.Adam(model.parameters(), lr=1e-3)

    @tt.compile
    def step(x, y):
        opt.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        opt.step()
        return loss

    x, y = tt.rand(64, 64), tt.randint(0, 10, (64,))
    losses = [step(x, y).item() for _ in range(30)]
    return step, x, y, losses


def test_it_learns_with_one_compile(trained):
    step, _, _, losses = trained
    assert losses[-1] < losses[0] * 0.9
    assert step.cache_info()[:3] == (1, 29, 0)


def test_at_most_ten_launches_beside_the_products(trained):
    assert len(trained[0].program.launches) <= 10


def test_all_state_is_written_in_place(trained):
    program = trained[0].program
    assert len(program.updates) == 19  # six parameters, their two moments each, the step counts
    assert all(program.inputs[position] == slot for position, slot in program.updates)


def test_a_call_allocates_nothing_that_stays(trained):
    step, x, y, _ = trained
    blocks = []
    for _ in range(3):
        for _ in range(50):
            step(x, y)
        blocks.append(sys.getallocatedblocks())
    assert max(blocks) - min(blocks) < 50
    tracemalloc.start()
    try:
        step(x, y)
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(20):
            step(x, y)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 4096
