"""``tinytorch.autograd``: gradients as values, functions with derivatives of their own, checks."""

from tinytorch.tracer.autograd import functional
from tinytorch.tracer.autograd.checkpoint import (
    CheckpointError,
    checkpoint,
    checkpoint_sequential,
)
from tinytorch.tracer.autograd.function import Function, once_differentiable
from tinytorch.tracer.autograd.gradcheck import (
    GradcheckError,
    gradcheck,
    gradgradcheck,
    numerical_diff,
)
from tinytorch.tracer.autograd.gradients import backward, grad
from tinytorch.tracer.mode import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    no_grad,
    set_grad_enabled,
)

__all__ = [
    "CheckpointError", "Function", "GradcheckError", "backward", "checkpoint",
    "checkpoint_sequential", "enable_grad", "functional", "grad", "gradcheck", "gradgradcheck",
    "inference_mode", "is_grad_enabled", "no_grad", "numerical_diff", "once_differentiable",
    "set_grad_enabled",
]  # fmt: skip
