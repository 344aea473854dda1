"""All elementwise functions under one name, for modules that take several of them."""

from tinytorch.tracer.functions.arithmetic import *
from tinytorch.tracer.functions.bits import *
from tinytorch.tracer.functions.choice import *
from tinytorch.tracer.functions.comparison import *
from tinytorch.tracer.functions.maths import *
from tinytorch.tracer.functions.rounding import *
