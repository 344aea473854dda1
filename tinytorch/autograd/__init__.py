"""``tinytorch.autograd``: derivatives as values, and operations with derivatives of their own."""

from tinytorch.autograd import function, functional
from tinytorch.tracer.autograd import (
    CheckpointError,
    Function,
    GradcheckError,
    backward,
    checkpoint,
    checkpoint_sequential,
    enable_grad,
    grad,
    gradcheck,
    gradgradcheck,
    inference_mode,
    is_grad_enabled,
    no_grad,
    numerical_diff,
    once_differentiable,
    set_grad_enabled,
)

__all__ = [
    "CheckpointError", "Function", "GradcheckError", "backward", "checkpoint",
    "checkpoint_sequential", "enable_grad", "function",
    "functional", "grad", "gradcheck", "gradgradcheck",
    "inference_mode", "is_grad_enabled", "no_grad", "numerical_diff", "once_differentiable",
    "set_grad_enabled",
]  # fmt: skip
