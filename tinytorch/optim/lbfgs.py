"""L-BFGS. It decides by numbers what to compute next, so it runs eagerly."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tinytorch.errors import TraceError
from tinytorch.optim.checkpoint import adopted, match_groups
from tinytorch.optim.linesearch import Point, strong_wolfe
from tinytorch.optim.optimizer import Optimizer
from tinytorch.optim.settings import check_not_negative, check_ways
from tinytorch.tracer.factories import zeros
from tinytorch.tracer.mode import enable_grad, mode, no_grad, user_origin
from tinytorch.tracer.shapes import cat

_ENTRIES = frozenset({
    "func_evals", "n_iter", "d", "t", "old_dirs", "old_stps", "ro", "H_diag", "prev_flat_grad",
    "prev_loss", "al",
})  # fmt: skip


class LBFGS(Optimizer):
    """Newton's method with an inverse Hessian made of the last ``history_size`` steps.

    ``step`` needs a closure that computes the loss anew with its gradients, and calls it up to
    ``max_eval`` times. ``line_search_fn`` is None (steps of ``lr``) or ``"strong_wolfe"``. All
    parameters are one group. Raises ValueError for settings that make no sense, TraceError inside
    a compiled function: compile the closure's loss instead. Sources: Nocedal and Wright,
    "Numerical Optimization", 2006, algorithms 7.4, 7.5, 3.5; the course of one step, its tests
    and tolerances are those of PyTorch.
    """

    def __init__(
        self, params: Any, lr: Any = 1, max_iter: int = 20, max_eval: int | None = None,
        tolerance_grad: float = 1e-7, tolerance_change: float = 1e-9, history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:  # fmt: skip
        settings = {
            "lr": lr, "max_iter": max_iter,
            "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad, "tolerance_change": tolerance_change,
            "history_size": history_size, "line_search_fn": line_search_fn,
        }  # fmt: skip
        super().__init__(params, settings)
        if len(self.param_groups) != 1:
            raise ValueError("LBFGS doesn't support per-parameter options (parameter groups)")
        # Plain dicts: no compiled code reads the state, so its growth need not concern any.
        self.state = {self.param_groups[0]["params"][0]: {}}

    def check_settings(self, group: Mapping[str, Any]) -> None:
        """Raise ValueError for a negative learning rate."""
        check_not_negative("learning rate", group["lr"])

    # ------------------------------------------------------ parameters as one

    def _params(self) -> list[Any]:
        return list(self.param_groups[0]["params"])

    def _gradient(self) -> Any:
        """All gradients, one after another, in one vector."""
        parts = [
            zeros(p.numel(), dtype=p.dtype) if p.grad is None else p.grad.detach().reshape(-1)
            for p in self._params()
        ]
        return cat(parts, 0)

    def _move(self, length: Any, direction: Any) -> None:
        """Add ``length * direction`` to the parameters."""
        start = 0
        for p in self._params():
            part = direction[start : start + p.numel()].reshape(p.shape)
            p.copy_(p + part * length)
            start += p.numel()

    # ------------------------------------------------------------------- step

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take up to ``max_iter`` iterations; return the loss before the first."""
        if mode.trace is not None:
            raise TraceError(
                f"{user_origin()}: LBFGS.step inside a compiled function: its course depends on "
                "values; call it outside, with a closure that calls a compiled function"
            )
        if closure is None:
            raise TypeError("LBFGS.step() missing 1 required argument: 'closure'")
        evaluate = closure

        def loss_now() -> Any:
            with enable_grad():
                return evaluate()

        with no_grad():
            return _Course(self, self.param_groups[0], loss_now).run()

    # ------------------------------------------------------------------ state

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over a state dict; raise ValueError for one that does not fit."""
        (settings,) = match_groups(self.param_groups, state_dict)
        merged = {**self.param_groups[0], **settings}
        check_ways(merged)
        self.check_settings(merged)
        first = self.param_groups[0]["params"][0]
        state = adopted(self.param_groups, state_dict)
        held = state.pop(first, {})
        if state or not set(held) <= _ENTRIES:
            raise ValueError(
                "loaded state dict has state that LBFGS does not keep: it keeps, for the first "
                f"parameter, {sorted(_ENTRIES)}"
            )
        self.param_groups[0].update(settings)
        self.state[first] = held


class _Course:
    """One call of ``step``."""

    def __init__(self, optimizer: LBFGS, group: Any, loss_now: Callable[[], Any]) -> None:
        self.optimizer = optimizer
        self.loss_now = loss_now
        self.state = optimizer.state[optimizer._params()[0]]
        self.lr = float(group["lr"])
        self.group = group
        self.evaluations = 0

    def run(self) -> Any:
        state, group = self.state, self.group
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)
        before = self.loss_now()
        self.loss = float(before)
        self._count(1)
        self.gradient = self.optimizer._gradient()
        if self._is_flat():
            return before
        for number in range(1, group["max_iter"] + 1):
            state["n_iter"] += 1
            self._choose_direction()
            state["prev_flat_grad"] = self.gradient.clone()
            state["prev_loss"] = self.loss
            state["t"] = self.lr
            if state["n_iter"] == 1:
                state["t"] *= min(1.0, 1.0 / float(self.gradient.abs().sum()))
            slope = float((self.gradient * state["d"]).sum())
            if slope > -group["tolerance_change"]:
                break
            self._advance(slope, last=number == group["max_iter"])
            if number == group["max_iter"] or self._is_done():
                break
        return before

    def _count(self, evaluations: int) -> None:
        self.evaluations += evaluations
        self.state["func_evals"] += evaluations

    def _is_flat(self) -> bool:
        return bool(_largest(self.gradient) <= self.group["tolerance_grad"])

    def _is_done(self) -> bool:
        """Whether evaluations are used up, or the step changed next to nothing."""
        state, tolerance = self.state, self.group["tolerance_change"]
        return bool(
            self.evaluations >= self.group["max_eval"]
            or self._is_flat()
            or _largest(state["d"] * state["t"]) <= tolerance
            or abs(self.loss - state["prev_loss"]) < tolerance
        )

    def _choose_direction(self) -> None:
        """Two loops over the history give the inverse Hessian times the gradient."""
        state, gradient = self.state, self.gradient
        if state["n_iter"] == 1:
            state.update({"d": -gradient, "old_dirs": [], "old_stps": [], "ro": [], "H_diag": 1.0})
            return
        changes, steps, inverses = state["old_dirs"], state["old_stps"], state["ro"]
        change, step = gradient - state["prev_flat_grad"], state["d"] * state["t"]
        curvature = _dot(change, step)
        if curvature > 1e-10:
            if len(changes) == self.group["history_size"]:
                for kept in (changes, steps, inverses):
                    kept.pop(0)
            changes.append(change)
            steps.append(step)
            inverses.append(1.0 / curvature)
            state["H_diag"] = curvature / _dot(change, change)
        direction = -gradient
        weights = [0.0] * len(changes)
        for i in reversed(range(len(changes))):
            weights[i] = _dot(steps[i], direction) * inverses[i]
            direction = direction - changes[i] * weights[i]
        direction = direction * state["H_diag"]
        for i in range(len(changes)):
            back = _dot(changes[i], direction) * inverses[i]
            direction = direction + steps[i] * (weights[i] - back)
        state["d"] = direction

    def _advance(self, slope: float, last: bool) -> None:
        """Go along the direction, and know loss and gradient there but for the last time."""
        state, search = self.state, self.group["line_search_fn"]
        if search is None:
            self.optimizer._move(state["t"], state["d"])
            if not last:
                self.loss = float(self.loss_now())
                self.gradient = self.optimizer._gradient()
                self._count(1)
            return
        if search != "strong_wolfe":
            raise RuntimeError("only 'strong_wolfe' is supported")
        here = [p.clone() for p in self.optimizer._params()]

        def at(length: float) -> Point:
            self.optimizer._move(length, state["d"])
            loss = float(self.loss_now())
            gradient = self.optimizer._gradient()
            for p, kept in zip(self.optimizer._params(), here, strict=True):
                p.copy_(kept)
            return Point(length, loss, gradient, _dot(gradient, state["d"]))

        start = Point(0.0, self.loss, self.gradient, slope)
        most = self.group["max_eval"] - self.evaluations
        found, used = strong_wolfe(at, start, state["t"], _largest(state["d"]), most)
        self.loss, self.gradient, state["t"] = found.loss, found.gradient, found.length
        self.optimizer._move(state["t"], state["d"])
        self._count(used)


def _dot(a: Any, b: Any) -> float:
    return float((a * b).sum())


def _largest(x: Any) -> float:
    return float(abs(x.detach().numpy()).max(initial=0.0))
