"""``tinytorch.autograd.function``: ``Function`` and what marks its methods."""

from tinytorch.tracer.autograd.context import FunctionCtx
from tinytorch.tracer.autograd.function import Function, once_differentiable

__all__ = ["Function", "FunctionCtx", "once_differentiable"]
