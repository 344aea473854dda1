"""tinytorch: a static-graph compiler for tensor programs, with PyTorch's API.

The face of the package: it hands on public names and defines nothing.
"""

from tinytorch.ir.types import DType as dtype
from tinytorch.ir.types import bool_ as bool  # noqa: A004
from tinytorch.ir.types import float16, float32, float64, int8, int16, int32, int64, uint8
from tinytorch.ir.types import float16 as half
from tinytorch.ir.types import float32 as float  # noqa: A004
from tinytorch.ir.types import float64 as double
from tinytorch.ir.types import int32 as int  # noqa: A004
from tinytorch.ir.types import int64 as long
from tinytorch.runtime.team import get_num_threads, set_num_threads
from tinytorch import autograd
from tinytorch.tracer.compare import compare
from tinytorch.tracer.compiled import compile  # noqa: A004
from tinytorch.tracer.factories import (
    Generator, arange, as_tensor, empty, eye, from_numpy, full, full_like, manual_seed, ones,
    ones_like, rand, rand_like, randint, randn, randn_like, randperm, tensor, zeros, zeros_like,
)  # fmt: skip
from tinytorch.tracer.factories import get_rng_state, initial_seed, seed, set_rng_state
from tinytorch.tracer.functions import *
from tinytorch.tracer.limits import can_cast, finfo, iinfo, promote_types, result_type
from tinytorch.tracer.shapes import (
    broadcast_to, cat, clone, flatten, flip, permute, reshape, squeeze, stack, transpose,
    unsqueeze,
)  # fmt: skip
from tinytorch.tracer.methods import Tensor
from tinytorch.tracer.mode import (
    enable_grad, get_default_dtype, inference_mode, is_grad_enabled, is_inference_mode_enabled,
    no_grad, set_default_dtype, set_grad_enabled,
)  # fmt: skip
from tinytorch.tracer.views import Size
from tinytorch.saving import load, save

__version__ = "0.1.0"
