"""``tinytorch.func``: transforms of functions, which nest to any depth."""

from tinytorch.tracer.func.forward import hessian, jacfwd, jvp, linearize
from tinytorch.tracer.func.reverse import grad, grad_and_value, jacrev, value_and_grad, vjp
from tinytorch.tracer.func.vmap import vmap

__all__ = [
    "grad", "grad_and_value", "hessian", "jacfwd", "jacrev", "jvp", "linearize", "value_and_grad",
    "vjp", "vmap",
]  # fmt: skip
