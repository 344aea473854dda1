"""MiniTorch's names: ``import tinytorch.compat.minitorch as minitorch``."""

from tinytorch.compat.minitorch import operators, scalar_functions
from tinytorch.compat.minitorch.autodiff import (
    Context,
    Variable,
    backpropagate,
    central_difference,
    topological_sort,
    unwrap_tuple,
    wrap_tuple,
)  # fmt: skip
from tinytorch.compat.minitorch.cuda_ops import CudaOps, mm_practice, sum_practice
from tinytorch.compat.minitorch.datasets import Graph, datasets, make_pts
from tinytorch.compat.minitorch.fast_conv import Conv1dFun, Conv2dFun, conv1d, conv2d
from tinytorch.compat.minitorch.fast_ops import (
    FastOps,
    tensor_map,
    tensor_matrix_multiply,
    tensor_reduce,
    tensor_zip,
)  # fmt: skip
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
from tinytorch.compat.minitorch.operators import prod
from tinytorch.compat.minitorch.optim import SGD, Optimizer
from tinytorch.compat.minitorch.scalar import (
    Scalar,
    ScalarFunction,
    ScalarHistory,
    derivative_check,
)  # fmt: skip
from tinytorch.compat.minitorch.tensor import Tensor
from tinytorch.compat.minitorch.tensor_data import (
    MAX_DIMS,
    Index,
    IndexingError,
    OutIndex,
    Shape,
    Storage,
    Strides,
    TensorData,
    UserIndex,
    UserShape,
    UserStrides,
    broadcast_index,
    index_to_position,
    shape_broadcast,
    strides_from_shape,
    to_index,
)  # fmt: skip
from tinytorch.compat.minitorch.tensor_functions import (
    EQ,
    LT,
    Add,
    All,
    Copy,
    Exp,
    Function,
    History,
    Inv,
    IsClose,
    Log,
    MatMul,
    Mul,
    Neg,
    Permute,
    ReLU,
    Sigmoid,
    Sum,
    View,
    grad_central_difference,
    grad_check,
    ones,
    rand,
    tensor,
    zeros,
)  # fmt: skip
from tinytorch.compat.minitorch.tensor_ops import SimpleBackend, SimpleOps, TensorBackend, TensorOps
from tinytorch.compat.minitorch.testing import MathTest, MathTestVariable

version = "0.4"
"""Of MiniTorch, whose interface this is."""

__all__ = [
    "Add", "All", "Context", "Conv1dFun", "Conv2dFun", "Copy", "CudaOps", "EQ", "Exp", "FastOps",
    "Function", "Graph", "GraphBuilder", "History", "Index", "IndexingError", "Inv", "IsClose",
    "LT", "Log", "MAX_DIMS", "MatMul", "MathTest", "MathTestVariable", "Max", "Module", "Mul",
    "Neg", "Optimizer", "OutIndex", "Parameter", "Permute", "ReLU", "SGD", "Scalar",
    "ScalarFunction", "ScalarHistory", "Shape", "Sigmoid", "SimpleBackend", "SimpleOps", "Storage",
    "Strides", "Sum", "Tensor", "TensorBackend", "TensorData", "TensorOps", "UserIndex",
    "UserShape", "UserStrides", "Variable", "View", "argmax", "avgpool2d", "backpropagate",
    "broadcast_index", "central_difference", "conv1d", "conv2d", "datasets", "derivative_check",
    "dropout", "grad_central_difference", "grad_check", "index_to_position", "logsoftmax",
    "make_pts", "max", "maxpool2d", "mm_practice", "ones", "operators", "prod", "rand",
    "scalar_functions", "shape_broadcast", "softmax", "strides_from_shape", "sum_practice",
    "tensor", "tensor_map", "tensor_matrix_multiply", "tensor_reduce", "tensor_zip", "tile",
    "to_index", "topological_sort", "unwrap_tuple", "version", "wrap_tuple", "zeros",
]  # fmt: skip
