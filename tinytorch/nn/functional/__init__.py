"""``tinytorch.nn.functional``: layers and losses as functions.

They are compositions of tensor ops, so derivatives and fusion come from the compiler.
"""

from tinytorch.nn.functional.activation import (
    elu,
    gelu,
    leaky_relu,
    log_softmax,
    logsigmoid,
    relu,
    sigmoid,
    silu,
    softmax,
    softplus,
    tanh,
)  # fmt: skip
from tinytorch.nn.functional.classification import cross_entropy, nll_loss
from tinytorch.nn.functional.layer import (
    dropout,
    embedding,
    layer_norm,
    linear,
    one_hot,
)  # fmt: skip
from tinytorch.nn.functional.loss import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    huber_loss,
    l1_loss,
    mse_loss,
    smooth_l1_loss,
)  # fmt: skip
from tinytorch.nn.functional.multihead import multi_head_attention_forward

__all__ = [
    "binary_cross_entropy", "binary_cross_entropy_with_logits", "cross_entropy", "dropout", "elu",
    "embedding", "gelu", "huber_loss", "l1_loss", "layer_norm", "leaky_relu", "linear",
    "log_softmax", "logsigmoid", "mse_loss",
    "multi_head_attention_forward", "nll_loss", "one_hot", "relu", "sigmoid", "silu",
    "smooth_l1_loss", "softmax", "softplus", "tanh",
]  # fmt: skip
