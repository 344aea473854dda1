"""micrograd's names: ``from tinytorch.compat.micrograd import Value, nn, draw_dot``."""

from tinytorch.compat.micrograd import engine, nn
from tinytorch.compat.micrograd.engine import Value
from tinytorch.compat.micrograd.picture import draw_dot, trace

__all__ = ["Value", "draw_dot", "engine", "nn", "trace"]
