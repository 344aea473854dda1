"""A compiled training step with modules, losses and optimizers does what the eager one does."""

import numpy as np
import pytest

import tinytorch as tt
from tinytorch import nn, optim
from tinytorch.data import DataLoader, TensorDataset
from tinytorch.errors import TraceError
from tinytorch.optim import lr_scheduler

RNG = np.random.default_rng(0)
WORDS = tt.tensor(RNG.integers(0, 7, (5, 2)))
CLASSES = tt.tensor([0, 1, 2, 0, -100])


class Net(nn.Module):
    """Every kind of layer, and one whose parameters get no gradient."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(7, 3, padding_idx=2)
        self.norm = nn.LayerNorm(6)
        self.idle = nn.Linear(2, 2)
        self.drop = nn.Dropout(0.2)
        self.out = nn.Linear(6, 3)

    def forward(self, words):
        return self.out(self.drop(nn.functional.gelu(self.norm(self.table(words).flatten(1)))))


OPTIMIZERS = {
    "sgd": lambda ps: optim.SGD(ps, lr=0.1, momentum=0.9, dampening=0.2, weight_decay=0.01),
    "adamw": lambda ps: optim.AdamW(ps, lr=0.05, amsgrad=True),
}


def train(name, compiled, steps=4):
    tt.manual_seed(0)
    model, loss_of = Net(), nn.CrossEntropyLoss(label_smoothing=0.1)
    optimizer = OPTIMIZERS[name](model.parameters())
    schedule = lr_scheduler.ExponentialLR(optimizer, 0.7)

    def step(words, classes):
        optimizer.zero_grad()
        loss = loss_of(model(words), classes)
        loss.backward()
        optimizer.step()
        return loss

    run = tt.compile(step) if compiled else step
    losses = []
    for _ in range(steps):
        losses.append(run(WORDS, CLASSES).item())
        schedule.step()
    return losses, model, optimizer, run


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_compiled_training_equals_eager_training(name):
    eager, eager_model, eager_optimizer, _ = train(name, compiled=False)
    compiled, model, optimizer, run = train(name, compiled=True)
    np.testing.assert_allclose(compiled, eager, rtol=1e-5)
    for a, b in zip(model.parameters(), eager_model.parameters(), strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), atol=1e-5)
    assert run.cache_info().compiles == 1
    if name == "adamw":
        for net, opt in ((model, optimizer), (eager_model, eager_optimizer)):
            assert opt.state[net.out.weight]["step"].item() == 4.0
            assert opt.state[net.idle.weight]["step"].item() == 0.0
    before = {k: v.numpy().copy() for k, v in model.state_dict().items()}
    with pytest.raises(IndexError, match="Target"):
        run(WORDS, CLASSES + 3)
    with pytest.raises(IndexError, match="index out of range in self"):
        run(WORDS + 7, CLASSES)
    for key, value in model.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), before[key])


def refused(function, message):
    with pytest.raises(TraceError, match=message):
        tt.compile(function)(tt.ones(2))


def test_what_belongs_outside_a_compiled_function_is_refused():
    layer = nn.Linear(2, 1)
    optimizer = optim.SGD(layer.parameters(), lr=0.1)
    schedule = lr_scheduler.StepLR(optimizer, 1)
    loader = DataLoader(TensorDataset(tt.ones(2)))
    refused(lambda x: schedule.step(), "_last_lr")
    refused(lambda x: list(loader), "DataLoader")
    refused(lambda x: layer.eval(), "training")
    refused(lambda x: nn.Parameter(x), "Parameter made inside")
    refused(lambda x: optimizer.add_param_group({"params": [x]}), "add_param_group")
    assert schedule.last_epoch == 0
    assert layer.training

    def momentum_switched_on(x):
        optimizer.zero_grad()
        layer(x).sum().backward()
        optimizer.step()

    optimizer.param_groups[0]["momentum"] = 0.9
    refused(momentum_switched_on, "call its complete_state")
