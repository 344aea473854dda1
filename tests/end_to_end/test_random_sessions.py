"""Random sessions: whatever is done between compiled calls, they do what eager calls do."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import tinytorch as tt
import tinytorch.nn.functional as F
from tinytorch import Tensor, nn, optim


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.act = nn.Linear(3, 3), nn.Linear(3, 3), nn.Tanh()
        self.scale, self.parts = 1.0, [1.0]
        self.register_buffer("mean", tt.zeros(3))

    def forward(self, x: Tensor) -> Tensor:
        h = F.dropout(self.act(self.a(x)), 0.2, self.training)
        if self.training:
            self.mean.mul_(0.9).add_(h.detach().mean(0), alpha=0.1)
        return (self.b(h) - self.mean) * self.scale * self.parts[0]


class Session:
    """A model, its optimizer and three functions on them, compiled or not."""

    def __init__(self, compile: Callable[..., Any]) -> None:
        tt.manual_seed(3)
        self.net = net = Net()
        self.opt = opt = optim.SGD(net.parameters(), lr=0.1, momentum=0.5)
        self.kept: list[Any] = []
        self.saved = self._state()
        self.free = [tt.randn(3, 3)]

        @compile
        def train(x: Tensor) -> Tensor:
            opt.zero_grad()
            loss = net(x).square().mean()
            loss.backward()
            opt.step()
            return loss

        @compile
        def accumulate(x: Tensor) -> Tensor:
            loss = net(x).sin().mean()
            loss.backward()
            return loss

        @compile
        def update() -> Tensor:
            norm = nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            opt.step()
            return norm

        self.train, self.accumulate, self.update = train, accumulate, update

    def _state(self) -> Any:
        values = {k: v.clone() for k, v in self.net.state_dict().items()}
        return values, copy.deepcopy(self.opt.state_dict())

    def do(self, action: str) -> None:
        getattr(self, f"do_{action}")()

    def seen(self) -> list[Any]:
        """Everything that a user can look at."""
        state = self.opt.state_dict()["state"]
        found = [*self.net.parameters(), *self.net.buffers(), tt.get_rng_state()]
        found += [p.grad for p in self.net.parameters()] + self.kept[-4:] + self.free
        return found + [v for entries in state.values() for v in entries.values()]

    # ------------------------------------------------------------- what is done

    def do_train(self) -> None:
        self.kept.append(self.train(tt.randn(4, 3)))

    def do_train_more(self) -> None:
        self.kept.append(self.train(tt.randn(6, 3)))

    def do_accumulate(self) -> None:
        self.kept.append(self.accumulate(tt.randn(4, 3)))

    def do_update(self) -> None:
        self.kept.append(self.update())

    def do_backward_outside(self) -> None:
        self.net(tt.randn(4, 3)).sum().backward()

    def do_forget_gradients(self) -> None:
        self.opt.zero_grad()

    def do_keep_a_gradient(self) -> None:
        self.kept.append(self.net.b.weight.grad)

    def do_give_a_gradient(self) -> None:
        self.net.b.weight.grad = self.free[0].detach() * 2

    def do_share_a_gradient(self) -> None:
        self.net.a.weight.grad = self.net.b.weight.grad = self.free[0].clone()

    def do_drop_a_gradient(self) -> None:
        self.net.a.bias.grad = None

    def do_rate(self) -> None:
        self.opt.param_groups[0]["lr"] *= 0.5

    def do_freeze(self) -> None:
        weight = self.net.a.weight
        weight.requires_grad_(not weight.requires_grad)

    def do_switch_mode(self) -> None:
        self.net.train(not self.net.training)

    def do_scale(self) -> None:
        self.net.scale += 0.25

    def do_parts(self) -> None:
        self.net.parts[0] += 0.25

    def do_other_activation(self) -> None:
        self.net.act = nn.Sigmoid() if isinstance(self.net.act, nn.Tanh) else nn.Tanh()

    def do_tie(self) -> None:
        self.net.b.weight = self.net.a.weight

    def do_show_other_memory(self) -> None:
        self.net.b.weight.data = self.free[0]

    def do_write_that_memory(self) -> None:
        self.free[0].mul_(0.5)

    def do_edit_a_view(self) -> None:
        with tt.no_grad():
            self.net.a.weight[1].mul_(0.5)

    def do_new_buffer(self) -> None:
        self.net.mean = self.net.mean * 0.5

    def do_save(self) -> None:
        self.saved = self._state()

    def do_load(self) -> None:
        self.net.load_state_dict(self.saved[0])
        self.opt.load_state_dict(copy.deepcopy(self.saved[1]))

    def do_seed(self) -> None:
        tt.manual_seed(5)


ACTIONS = sorted(name[3:] for name in vars(Session) if name.startswith("do_"))
CALLS = ["train", "train_more", "accumulate", "update"]
PAIRS = st.tuples(st.sampled_from(ACTIONS), st.sampled_from(CALLS))


def run(actions: list[str], compile: Callable[..., Any]) -> list[list[np.ndarray | None]]:
    """What is seen after each action."""
    session, found = Session(compile), []
    for action in actions:
        session.do(action)
        found.append([
            None if x is None else x.detach().numpy().copy() for x in session.seen()
        ])  # fmt: skip
    return found


@pytest.mark.filterwarnings("ignore:.*was traced:UserWarning")
@settings(max_examples=5, deadline=None, derandomize=True,
          suppress_health_check=[HealthCheck.too_slow])  # fmt: skip
@given(st.lists(PAIRS, min_size=3, max_size=7))
@example([(name, "train") for name in ACTIONS])
@example([(name, "accumulate") for name in ACTIONS] + [("rate", "update")])
def test_sessions(pairs: list[tuple[str, str]]) -> None:
    actions = ["train"] + [action for pair in pairs for action in pair]
    expected = run(actions, lambda function: function)
    got = run(actions, tt.compile)
    for number, (wants, finds) in enumerate(zip(expected, got, strict=True)):
        where = f"after {actions[: number + 1]}"
        for want, found in zip(wants, finds, strict=True):
            assert (want is None) == (found is None), where
            if want is not None and found is not None:
                np.testing.assert_allclose(found, want, rtol=2e-4, atol=2e-5, err_msg=where)
