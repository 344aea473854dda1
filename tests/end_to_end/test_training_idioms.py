"""Training steps as programs for PyTorch write them, eager and compiled."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
from agreement import check, normal

import tinytorch as torch
import tinytorch.nn.functional as F
from tinytorch import nn
from tinytorch.func import functional_call, grad, vmap


def integers(high, *shape, seed=0):
    return torch.tensor(np.random.default_rng(seed).integers(0, high, shape))


def adversaries(compile):
    """Two optimizers, a detached fake, two backward passes before one step."""
    generator = nn.Sequential(nn.Linear(4, 8), nn.ReLU(True), nn.Linear(8, 6), nn.Tanh())
    critic = nn.Sequential(nn.Linear(6, 8), nn.LeakyReLU(0.2), nn.Linear(8, 1), nn.Sigmoid())
    of_generator = torch.optim.Adam(generator.parameters(), 2e-3, betas=(0.5, 0.999))
    of_critic = torch.optim.Adam(critic.parameters(), 2e-3, betas=(0.5, 0.999))
    loss_of = nn.BCELoss()

    @compile
    def step(real, noise):
        yes, no = torch.ones(real.size(0), 1), torch.zeros(real.size(0), 1)
        of_critic.zero_grad()
        on_real = loss_of(critic(real), yes)
        on_real.backward()
        fake = generator(noise)
        on_fake = loss_of(critic(fake.detach()), no)
        on_fake.backward()
        of_critic.step()
        of_generator.zero_grad()
        fooled = loss_of(critic(fake), yes)
        fooled.backward()
        of_generator.step()
        return on_real + on_fake, fooled

    return [step(normal(5, 6, seed=k), normal(5, 4, seed=k)) for k in range(3)]


def gradient_penalty(compile):
    """The gradient of a gradient's norm."""
    critic = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 1))
    optimizer = torch.optim.RMSprop(critic.parameters(), 2e-3)

    @compile
    def step(real, fake, share):
        between = (share * real + (1 - share) * fake).requires_grad_(True)
        score = critic(between)
        slope = torch.autograd.grad(
            outputs=score, inputs=between, grad_outputs=torch.ones_like(score),
            create_graph=True, retain_graph=True, only_inputs=True,
        )[0]  # fmt: skip
        penalty = ((slope.norm(2, dim=1) - 1) ** 2).mean()
        loss = critic(fake).mean() - critic(real).mean() + 10 * penalty
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    batches = [
        (normal(5, 6, seed=k), normal(5, 6, seed=k + 3), torch.sigmoid(normal(5, 1, seed=k)))
        for k in range(2)
    ]
    return [step(*batch) for batch in batches]


def value_learning(compile):
    """A copy as the target network, moved softly after every step."""
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    target = copy.deepcopy(model)
    target.load_state_dict(model.state_dict())
    target.eval()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, amsgrad=True)

    @compile
    def step(state, action, reward, after, done):
        value = model(state).gather(1, action)
        with torch.no_grad():
            best = torch.where(done, torch.zeros_like(reward), target(after).max(1).values)
        loss = nn.SmoothL1Loss()(value, (best * 0.99 + reward).unsqueeze(1))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_value_(model.parameters(), 100)
        optimizer.step()
        with torch.no_grad():
            for slow, fast in zip(target.parameters(), model.parameters(), strict=True):
                slow.copy_(fast * 0.1 + slow * 0.9)
        return loss

    losses = [
        step(normal(6, 4, seed=k), integers(2, 6, 1, seed=k), normal(6, seed=k),
             normal(6, 4, seed=k + 5), integers(2, 6, seed=k) > 0)
        for k in range(3)
    ]  # fmt: skip
    return losses, list(target.parameters())


def learning_to_learn(compile):
    """A gradient step inside the loss, for several tasks at once."""
    model = nn.Sequential(nn.Linear(1, 8), nn.ReLU(), nn.Linear(8, 1))
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)

    def loss_of(parameters, x, y):
        return F.mse_loss(functional_call(model, parameters, (x,)), y)

    @compile
    def step(x, y, x_after, y_after):
        parameters = dict(model.named_parameters())

        def adapted(x, y, x_after, y_after):
            slopes = grad(loss_of)(parameters, x, y)
            moved = {k: parameters[k] - 0.1 * slopes[k] for k in parameters}
            return loss_of(moved, x_after, y_after)

        loss = vmap(adapted)(x, y, x_after, y_after).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return [step(*(normal(3, 5, 1, seed=4 * k + j) for j in range(4))) for k in range(2)]


class Language(nn.Module):
    """Tied weights, a buffer of positions, a list of layers, initial values by ``apply``."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(9, 8, padding_idx=0)
        self.layers = nn.ModuleList([
            nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True, norm_first=True)
            for _ in range(2)
        ])
        angle = torch.arange(5).unsqueeze(1) * torch.exp(torch.arange(0, 8) * -0.3)
        self.register_buffer("positions", torch.sin(angle))
        self.head = nn.Linear(8, 9, bias=False)
        self.head.weight = self.embedding.weight
        self.apply(self._initialise)

    def _initialise(self, module):
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)

    def forward(self, x):
        mask = nn.Transformer.generate_square_subsequent_mask(x.size(1))
        hidden = self.embedding(x) * math.sqrt(8) + self.positions[: x.size(1)]
        for layer in self.layers:
            hidden = layer(hidden, src_mask=mask, is_causal=True)
        return self.head(hidden)


def frozen_averaged_accumulated(compile):
    """A frozen layer, groups of parameters, two backward passes a step, clipping, an average."""
    model = Language()
    for parameter in model.layers[0].parameters():
        parameter.requires_grad = False
    average = torch.optim.swa_utils.AveragedModel(
        model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.9)
    )
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW([
        {"params": [p for p in trained if p.dim() >= 2], "weight_decay": 0.1},
        {"params": [p for p in trained if p.dim() < 2], "weight_decay": 0.0},
    ], lr=1e-2)  # fmt: skip
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1e-2, total_steps=10)

    @compile
    def step(x, y):
        model.train()
        for part in range(2):
            logits = model(x[part])
            loss = F.cross_entropy(logits.view(-1, 9), y[part].view(-1), ignore_index=0) / 2
            loss.backward()
        norm = nn.utils.clip_grad_norm_(filter(lambda p: p.requires_grad, model.parameters()), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        average.update_parameters(model)
        return loss, norm

    losses = []
    for k in range(3):
        losses.append(step(integers(9, 2, 2, 5, seed=k), integers(9, 2, 2, 5, seed=k + 3)))
        schedule.step()
    again = Language()
    again.load_state_dict(model.state_dict())
    again.eval()
    with torch.no_grad():
        return losses, again(integers(9, 2, 5)), average(integers(9, 2, 5))


@pytest.mark.parametrize(
    "scenario",
    [adversaries, gradient_penalty, value_learning, learning_to_learn,
     frozen_averaged_accumulated],
)  # fmt: skip
def test_eager_and_compiled(scenario):
    check(scenario, compiles=1, rtol=1e-4, atol=1e-5)
