"""Optimizers."""

from __future__ import annotations

from collections.abc import Sequence

from tinytorch.compat.minitorch.module import Parameter
from tinytorch.compat.minitorch.scalar import Scalar


class Optimizer:
    """Holds the parameters to train."""

    def __init__(self, parameters: Sequence[Parameter]) -> None:
        self.parameters = parameters


class SGD(Optimizer):
    """Gradient descent: each step moves every parameter by ``-lr`` times its gradient."""

    def __init__(self, parameters: Sequence[Parameter], lr: float = 1.0) -> None:
        super().__init__(parameters)
        self.lr = lr

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for p in self.parameters:
            for name in ("derivative", "grad"):
                if getattr(p.value, name, None) is not None:
                    setattr(p.value, name, None)

    def step(self) -> None:
        """Move the parameters."""
        for p in self.parameters:
            if getattr(p.value, "derivative", None) is not None:
                p.update(Scalar(p.value.data - self.lr * p.value.derivative))
            elif getattr(p.value, "grad", None) is not None:
                p.update(p.value.detach() - self.lr * p.value.grad)
