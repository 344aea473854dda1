"""One case a function: what it is called with, and how tests check it.

Every case runs eager and compiled, is differentiated against finite differences, and is compared
with PyTorch where that is installed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

_random = np.random.default_rng(11)


def normal(*shape: int) -> np.ndarray:
    """Normal numbers of two digits: none lies on a joint of a piecewise function, by 0.003."""
    return np.round(_random.standard_normal(shape), 2) + 0.003


def positive(*shape: int) -> np.ndarray:
    return _random.random(shape) * 0.9 + 0.05


def distinct(*shape: int) -> np.ndarray:
    """Numbers no two of which are close: the largest stays the largest under small steps."""
    size = int(np.prod(shape))
    return _random.permutation(np.linspace(-2, 2, size)).reshape(shape)


@dataclass
class Case:
    """A call of ``nn.functional.<name>``; floating arrays are differentiated."""

    name: str
    arrays: tuple[np.ndarray, ...]
    settings: dict[str, Any] = field(default_factory=dict)
    grad: bool = True
    tolerance: float = 1e-9
    """Against PyTorch, some of whose constants are of float32."""

    def __str__(self) -> str:
        parts = [self.name, *(f"{k}={v}" for k, v in self.settings.items())]
        return "-".join(parts).replace(" ", "")

    def call(self, functional: Any, tensors: Any) -> Any:
        return getattr(functional, self.name)(*tensors, **self.settings)


def case(name: str, *arrays: np.ndarray, **settings: Any) -> Case:
    return Case(name, arrays, settings)


X = normal(3, 4, 5)
IMAGE = normal(2, 3, 5, 6)
SIGNS = np.sign(normal(3, 4))

ACTIVATIONS = [
    *(case(n, X) for n in (
        "elu", "selu", "mish", "hardtanh", "relu6", "hardswish", "hardshrink", "softshrink",
        "softsign", "tanhshrink", "softplus", "logsigmoid", "leaky_relu", "rrelu",
    )),
    Case("celu", (X,), {"alpha": 1.7}, tolerance=1e-6),
    Case("hardsigmoid", (X,), tolerance=1e-6),
    case("threshold", X, threshold=0.4, value=7.0), case("glu", X, dim=1),
    case("prelu", X, normal(4)), case("prelu", X, normal(1)), case("prelu", normal(4), normal(1)),
    case("softmin", X, dim=1), case("softmax", X, dim=-1), case("log_softmax", X, dim=0),
]  # fmt: skip

CONVOLUTIONS = [
    case("conv1d", normal(2, 4, 9), normal(6, 2, 3), normal(6), stride=2, padding=1, groups=2),
    case("conv1d", normal(4, 9), normal(4, 1, 3), groups=4, dilation=2),
    case("conv2d", IMAGE, normal(4, 3, 3, 2), normal(4)),
    case("conv2d", IMAGE, normal(2, 3, 3, 3), stride=2, padding=(1, 2)),
    case("conv2d", IMAGE, normal(2, 3, 2, 3), padding="same", dilation=2),
    case("conv2d", IMAGE, normal(2, 3, 2, 2), stride=2, dilation=(1, 2)),
    case("conv2d", IMAGE, normal(3, 1, 3, 3), normal(3), padding=1, groups=3),
    case("conv2d", IMAGE, normal(2, 3, 1, 1)),
    case("conv3d", normal(1, 2, 3, 4, 3), normal(2, 2, 2, 2, 1), normal(2), stride=(1, 2, 1)),
    case("conv_transpose1d", normal(2, 4, 5), normal(4, 2, 3), stride=3, output_padding=2),
    case("conv_transpose2d", IMAGE[:, :2], normal(2, 3, 3, 2), normal(3), stride=2, padding=1),
    case("conv_transpose2d", IMAGE[:, :2], normal(2, 1, 2, 2), groups=2, dilation=2,
         output_padding=1),
    case("unfold", IMAGE, kernel_size=(3, 2), dilation=(1, 2), padding=1, stride=(2, 1)),
    case("fold", normal(2, 12, 20), output_size=(5, 6), kernel_size=(2, 2)),
]  # fmt: skip

POOLS = [
    case("max_pool1d", distinct(2, 3, 9), kernel_size=2),
    case("max_pool2d", distinct(2, 2, 5, 6), kernel_size=2),
    case("max_pool2d", distinct(2, 2, 5, 6), kernel_size=3, stride=2, padding=1, ceil_mode=True),
    case("max_pool2d", distinct(2, 5, 6), kernel_size=2, stride=1, dilation=2),
    case("max_pool3d", distinct(1, 2, 3, 4, 4), kernel_size=2),
    case("avg_pool1d", normal(2, 3, 9), kernel_size=3, padding=1),
    case("avg_pool2d", IMAGE, kernel_size=2),
    case("avg_pool2d", IMAGE, kernel_size=3, stride=2, padding=1, ceil_mode=True),
    case("avg_pool2d", IMAGE, kernel_size=2, padding=1, count_include_pad=False),
    case("avg_pool2d", IMAGE, kernel_size=2, divisor_override=3),
    case("lp_pool2d", positive(2, 3, 5, 6), norm_type=3, kernel_size=2),
    case("adaptive_avg_pool1d", normal(2, 3, 7), output_size=3),
    case("adaptive_avg_pool2d", IMAGE, output_size=(5, 3)),
    case("adaptive_avg_pool2d", IMAGE, output_size=(None, 4)),
    case("adaptive_max_pool2d", distinct(2, 2, 5, 6), output_size=(3, 2)),
]

NORMS = [
    case("group_norm", X, num_groups=2), case("layer_norm", X, normalized_shape=(4, 5)),
    case("rms_norm", X, normalized_shape=(5,)), case("instance_norm", X),
    case("local_response_norm", IMAGE, size=3, alpha=0.1),
    case("normalize", X, dim=1), case("normalize", X, p=3.0, dim=-1),
    case("cosine_similarity", X, normal(3, 4, 5)),
    case("cosine_similarity", X, normal(5), dim=-1),
    case("pairwise_distance", normal(3, 4), normal(3, 4), p=1.0),
    case("pairwise_distance", normal(3, 4), normal(3, 4), keepdim=True),
]

RESAMPLING = [
    *(case("pad", IMAGE, pad=[1, 2, 0, 1], mode=m) for m in (
        "constant", "reflect", "replicate", "circular",
    )),
    case("pad", X, pad=[-1, 2, 1, -2], value=2.5),
    *(case("interpolate", IMAGE, size=(7, 3), mode=m) for m in (
        "nearest", "nearest-exact", "bilinear", "bicubic", "area",
    )),
    case("interpolate", IMAGE, scale_factor=2, mode="bilinear", align_corners=True),
    case("interpolate", X, scale_factor=1.7, mode="linear"),
    case("pixel_shuffle", normal(2, 8, 3, 2), upscale_factor=2),
    case("pixel_unshuffle", normal(2, 4, 6), downscale_factor=2),
    case("channel_shuffle", normal(2, 6, 3), groups=3),
]  # fmt: skip

QUERY, KEY, VALUE = normal(2, 4, 3, 5), normal(2, 4, 6, 5), normal(2, 4, 6, 2)
PRODUCTS = [
    case("bilinear", normal(2, 3, 4), normal(2, 3, 5), normal(6, 4, 5), normal(6)),
    case("scaled_dot_product_attention", QUERY, KEY, VALUE),
    case("scaled_dot_product_attention", QUERY, KEY, VALUE, is_causal=True, scale=0.3),
    case("scaled_dot_product_attention", QUERY, KEY[:, :2], VALUE[:, :2], enable_gqa=True),
]

LOSSES = [
    case("kl_div", normal(3, 4), positive(3, 4), reduction="batchmean"),
    case("kl_div", normal(3, 4), normal(3, 4), reduction="sum", log_target=True),
    case("poisson_nll_loss", normal(3, 4), positive(3, 4)),
    case("poisson_nll_loss", positive(3, 4), positive(3, 4) * 4, log_input=False, full=True),
    case("gaussian_nll_loss", normal(3, 4), normal(3, 4), positive(3, 1), full=True),
    case("huber_loss", normal(3, 4), normal(3, 4), delta=0.5),
    case("margin_ranking_loss", normal(3, 4), normal(3, 4), SIGNS, margin=0.3),
    case("hinge_embedding_loss", normal(3, 4), SIGNS, reduction="none"),
    case("soft_margin_loss", normal(3, 4), SIGNS),
    case("cosine_embedding_loss", normal(3, 4), normal(3, 4), SIGNS[:, 0], margin=0.1),
    case("multilabel_soft_margin_loss", normal(3, 4), (SIGNS > 0) * 1.0),
    case("triplet_margin_loss", normal(3, 4), normal(3, 4), normal(3, 4), swap=True),
    case("multi_margin_loss", normal(3, 4), np.array([0, 3, 1]), p=2),
    case("multilabel_margin_loss", normal(3, 4),
         np.array([[1, 3, -1, 2], [-1, 0, 0, 0], [0, 1, 2, 3]])),
]  # fmt: skip

CASES: list[Case] = [
    *ACTIVATIONS, *CONVOLUTIONS, *POOLS, *NORMS, *RESAMPLING, *PRODUCTS, *LOSSES,
]  # fmt: skip
