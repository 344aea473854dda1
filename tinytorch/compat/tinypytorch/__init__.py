"""TinyPytorch's names: ``from tinytorch.compat.tinypytorch import Variable, Function, square``."""

from tinytorch.compat.tinypytorch.core import (
    Config,
    Function,
    Variable,
    as_array,
    as_variable,
    no_grad,
    using_config,
)  # fmt: skip
from tinytorch.compat.tinypytorch.functions import (
    Add,
    Div,
    Exp,
    Mul,
    Neg,
    Pow,
    Square,
    Sub,
    Tanh,
    add,
    div,
    exp,
    mul,
    numerical_diff,
    square,
    sub,
    tanh,
)  # fmt: skip
from tinytorch.compat.tinypytorch.picture import get_dot_graph, plot_dot_graph

__all__ = [
    "Add", "Config", "Div", "Exp", "Function", "Mul", "Neg", "Pow", "Square", "Sub", "Tanh",
    "Variable", "add", "as_array", "as_variable", "div", "exp", "get_dot_graph", "mul", "no_grad",
    "numerical_diff", "plot_dot_graph", "square", "sub", "tanh", "using_config",
]  # fmt: skip
