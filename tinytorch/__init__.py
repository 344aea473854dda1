"""tinytorch: a static-graph compiler for tensor programs, with PyTorch's API.

The face of the package: it hands on what its modules list in ``__all__``, and defines nothing.
"""

from tinytorch.runtime.team import *
from tinytorch.tracer.assignment import *
from tinytorch.tracer.compare import *
from tinytorch.tracer.compiled import *
from tinytorch.tracer.device import *
from tinytorch.tracer.dtypes import *
from tinytorch.tracer.functions import *
from tinytorch.tracer.generator import *
from tinytorch.tracer.limits import *
from tinytorch.tracer.methods import *
from tinytorch.tracer.mode import *
from tinytorch.tracer.placement import *
from tinytorch.tracer.printing import *
from tinytorch.tracer.sizes import *
from tinytorch.tracer.typed import *
from tinytorch.tracer.views import *
from tinytorch.saving import *
from tinytorch import accelerator as accelerator
from tinytorch import amp as amp
from tinytorch import autograd as autograd
from tinytorch import backends as backends
from tinytorch import cuda as cuda
from tinytorch import data as data
from tinytorch import distributions as distributions
from tinytorch import func as func
from tinytorch.amp import autocast as autocast
from tinytorch.func import vmap as vmap
from tinytorch import linalg as linalg
from tinytorch import nn as nn
from tinytorch import optim as optim
from tinytorch import special as special
from tinytorch.nn.functional.toplevel import *
from tinytorch import utils as utils
from tinytorch.tracer.tracked import watch_modules as _watch_modules

__version__ = "0.1.0"
_watch_modules(__name__)
