"""MiniTorch's names: ``import tinytorch.compat.minitorch as minitorch``."""

from tinytorch.compat.minitorch import operators
from tinytorch.compat.minitorch.autodiff import (
    Context,
    Variable,
    backpropagate,
    central_difference,
    topological_sort,
)  # fmt: skip
from tinytorch.compat.minitorch.datasets import Graph, datasets
from tinytorch.compat.minitorch.fast_conv import Conv1dFun, Conv2dFun, conv1d, conv2d
from tinytorch.compat.minitorch.graph_builder import GraphBuilder
from tinytorch.compat.minitorch.module import Module, Parameter
from tinytorch.compat.minitorch.nn import (
    Max,
    argmax,
    avgpool2d,
    dropout,
    logsoftmax,
    max,
    maxpool2d,
    softmax,
    tile,
)  # fmt: skip
from tinytorch.compat.minitorch.optim import SGD, Optimizer
from tinytorch.compat.minitorch.scalar import (
    Scalar,
    ScalarFunction,
    ScalarHistory,
    derivative_check,
)  # fmt: skip
from tinytorch.compat.minitorch.tensor import Tensor
from tinytorch.compat.minitorch.tensor_data import (
    IndexingError,
    TensorData,
    broadcast_index,
    index_to_position,
    shape_broadcast,
    strides_from_shape,
    to_index,
)  # fmt: skip
from tinytorch.compat.minitorch.tensor_functions import (
    Function,
    grad_central_difference,
    grad_check,
    ones,
    rand,
    tensor,
    zeros,
)  # fmt: skip
from tinytorch.compat.minitorch.tensor_ops import (
    FastOps,
    SimpleBackend,
    SimpleOps,
    TensorBackend,
    TensorOps,
)  # fmt: skip
from tinytorch.compat.minitorch.testing import MathTest, MathTestVariable

__all__ = [
    "Context", "Conv1dFun", "Conv2dFun", "FastOps", "Function", "Graph", "GraphBuilder",
    "IndexingError", "MathTest", "MathTestVariable", "Max", "Module", "Optimizer", "Parameter",
    "SGD", "Scalar", "ScalarFunction", "ScalarHistory", "SimpleBackend", "SimpleOps", "Tensor",
    "TensorBackend", "TensorData", "TensorOps", "Variable", "argmax", "avgpool2d", "backpropagate",
    "broadcast_index", "central_difference", "conv1d", "conv2d", "datasets", "derivative_check",
    "dropout", "grad_central_difference", "grad_check", "index_to_position", "logsoftmax", "max",
    "maxpool2d", "ones", "operators", "rand", "shape_broadcast", "softmax", "strides_from_shape",
    "tensor", "tile", "to_index", "topological_sort", "zeros",
]  # fmt: skip
