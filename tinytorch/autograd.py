"""``tinytorch.autograd``: derivatives as values, and operations with derivatives of their own."""

from tinytorch.tracer.autograd import (
    Function,
    GradcheckError,
    backward,
    enable_grad,
    functional,
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
    "Function", "GradcheckError", "backward", "enable_grad", "functional", "grad", "gradcheck",
    "gradgradcheck", "inference_mode", "is_grad_enabled", "no_grad", "numerical_diff",
    "once_differentiable", "set_grad_enabled",
]  # fmt: skip
