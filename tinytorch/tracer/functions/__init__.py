"""Functions on tensors with PyTorch's names, arguments, defaults and errors.

Each module lists in ``__all__`` what belongs to the public face, in ``METHODS`` what is bound as
a method of Tensor under the same name, and in ``IN_PLACE`` what also has a form with a trailing
underscore.
"""

from tinytorch.tracer import factories, noise, shapes
from tinytorch.tracer.arguments import cover
from tinytorch.tracer.factories import *
from tinytorch.tracer.functions import (
    arithmetic,
    arranging,
    bits,
    choice,
    comparison,
    contracting,
    control,
    creating,
    cumulative,
    drawing,
    elementwise,
    extremes,
    gamma,
    gathering,
    integers,
    joining,
    masking,
    maths,
    norms,
    padding,
    product,
    querying,
    reduction,
    rounding,
    scattering,
    searching,
    signals,
    softmaxes,
    sorting,
    splitting,
    viewing,
)
from tinytorch.tracer.functions.arranging import *
from tinytorch.tracer.functions.contracting import *
from tinytorch.tracer.functions.control import *
from tinytorch.tracer.functions.creating import *
from tinytorch.tracer.functions.cumulative import *
from tinytorch.tracer.functions.drawing import *
from tinytorch.tracer.functions.elementwise import *
from tinytorch.tracer.functions.extremes import *
from tinytorch.tracer.functions.gamma import *
from tinytorch.tracer.functions.gathering import *
from tinytorch.tracer.functions.integers import *
from tinytorch.tracer.functions.joining import *
from tinytorch.tracer.functions.masking import *
from tinytorch.tracer.functions.norms import *
from tinytorch.tracer.functions.padding import *
from tinytorch.tracer.functions.product import *
from tinytorch.tracer.functions.querying import *
from tinytorch.tracer.functions.reduction import *
from tinytorch.tracer.functions.scattering import *
from tinytorch.tracer.functions.searching import *
from tinytorch.tracer.functions.signals import *
from tinytorch.tracer.functions.softmaxes import *
from tinytorch.tracer.functions.sorting import *
from tinytorch.tracer.functions.splitting import *
from tinytorch.tracer.functions.viewing import *
from tinytorch.tracer.linalg import derived, older, solving
from tinytorch.tracer.linalg.derived import *
from tinytorch.tracer.linalg.older import *
from tinytorch.tracer.linalg.solving import *
from tinytorch.tracer.noise import *
from tinytorch.tracer.shapes import *

MODULES = (
    arithmetic, arranging, bits, choice, comparison, contracting, creating, cumulative, derived,
    drawing, extremes, gamma, gathering, integers, joining, masking, maths, norms, older,
    padding, product, querying, reduction, rounding, scattering, searching, signals, softmaxes,
    solving, sorting, splitting, viewing,
)  # fmt: skip

for _module in (*MODULES, control, factories, noise, shapes):
    cover(globals(), _module.__all__)
