"""``tinytorch.nn.functional``: layers and losses as functions.

They are compositions of tensor ops, so derivatives and fusion come from the compiler.
"""

from tinytorch.nn.functional import (
    activation,
    adaptive,
    alignment,
    attention,
    bags,
    classification,
    convolution,
    distance,
    dropping,
    embedding_loss,
    grid,
    layer,
    likelihood,
    loss,
    multihead,
    normalization,
    padding,
    piecewise,
    pooling,
    resampling,
    softmaxes,
    unpooling,
)
from tinytorch.nn.functional.activation import *
from tinytorch.nn.functional.adaptive import *
from tinytorch.nn.functional.alignment import *
from tinytorch.nn.functional.attention import *
from tinytorch.nn.functional.bags import *
from tinytorch.nn.functional.classification import *
from tinytorch.nn.functional.convolution import *
from tinytorch.nn.functional.distance import *
from tinytorch.nn.functional.dropping import *
from tinytorch.nn.functional.embedding_loss import *
from tinytorch.nn.functional.grid import *
from tinytorch.nn.functional.layer import *
from tinytorch.nn.functional.likelihood import *
from tinytorch.nn.functional.loss import *
from tinytorch.nn.functional.multihead import *
from tinytorch.nn.functional.normalization import *
from tinytorch.nn.functional.padding import *
from tinytorch.nn.functional.piecewise import *
from tinytorch.nn.functional.pooling import *
from tinytorch.nn.functional.resampling import *
from tinytorch.nn.functional.softmaxes import *
from tinytorch.nn.functional.unpooling import *
from tinytorch.tracer.arguments import cover as _cover

_READ_BY_PYTHON = (  # anything that is true, and names that are looked up, as in PyTorch
    "antialias", "full", "hard", "inplace", "mode", "recompute_scale_factor", "reduce", "reduction",
    "return_indices", "size_average", "swap",
)  # fmt: skip
for _module in (
    activation, adaptive, alignment, attention, bags, classification, convolution, distance,
    dropping, embedding_loss, grid, layer, likelihood, loss, multihead, normalization, padding,
    piecewise, pooling, resampling, softmaxes, unpooling,
):  # fmt: skip
    _cover(globals(), _module.__all__, free=_READ_BY_PYTHON)
