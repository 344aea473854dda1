"""``tinytorch.func``: transforms of functions, which nest to any depth and inside compiled code."""

from tinytorch.nn.functional_call import functional_call, stack_module_state
from tinytorch.tracer.func import (
    grad,
    grad_and_value,
    hessian,
    jacfwd,
    jacrev,
    jvp,
    linearize,
    value_and_grad,
    vjp,
    vmap,
)

__all__ = [
    "functional_call", "grad", "grad_and_value", "hessian", "jacfwd", "jacrev", "jvp", "linearize",
    "stack_module_state", "value_and_grad", "vjp", "vmap",
]  # fmt: skip
