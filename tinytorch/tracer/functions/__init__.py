"""Functions on tensors with PyTorch's names, arguments, defaults and errors.

Each module lists in ``__all__`` what belongs to the public face, in ``METHODS`` what is bound as
a method of Tensor under the same name, and in ``IN_PLACE`` what also has a form with a trailing
underscore.
"""

from tinytorch.tracer.functions import (
    arithmetic,
    bits,
    choice,
    comparison,
    elementwise,
    gathering,
    maths,
    product,
    reduction,
    rounding,
    softmaxes,
)
from tinytorch.tracer.functions.elementwise import *
from tinytorch.tracer.functions.gathering import *
from tinytorch.tracer.functions.product import *
from tinytorch.tracer.functions.reduction import *
from tinytorch.tracer.functions.softmaxes import *

MODULES = (
    arithmetic, bits, choice, comparison, gathering, maths, product, reduction, rounding,
    softmaxes,
)  # fmt: skip
