"""Modules with inputs: name, settings, and shapes or arrays that they take."""

from __future__ import annotations

from typing import Any

import numpy as np

RNG = np.random.default_rng(5)
X = (RNG.standard_normal((4, 6)) * 2).astype("f4")
Y = RNG.standard_normal((4, 6)).astype("f4")
Z = RNG.standard_normal((4, 6)).astype("f4")
IMAGE = RNG.standard_normal((2, 3, 4, 5)).astype("f4")
UNIT = RNG.random((4, 6)).astype("f4")
CLASSES = RNG.integers(0, 6, 4)
SIGNS = RNG.choice([-1.0, 1.0], (4, 6)).astype("f4")
SIGN = RNG.choice([-1.0, 1.0], 4).astype("f4")
LABELS = np.array([[0, 3, -1, 1, 1, 1]] * 4)
INDEX = np.array([[1, 0, 2], [2, 2, 3]])

Case = tuple[str, tuple[Any, ...], dict[str, Any], tuple[np.ndarray, ...]]

ACTIVATIONS: list[Case] = [
    (name, args, {}, (X,)) for name, args in (
        ("ReLU", ()), ("ReLU6", ()), ("LeakyReLU", (0.3,)), ("PReLU", ()), ("PReLU", (6,)),
        ("RReLU", ()), ("ELU", (0.7,)), ("SELU", ()), ("CELU", (1.3,)), ("GELU", ()),
        ("GELU", ("tanh",)), ("SiLU", ()), ("Mish", ()), ("Sigmoid", ()), ("LogSigmoid", ()),
        ("Tanh", ()), ("Hardtanh", (-0.5, 0.7)), ("Hardsigmoid", ()), ("Hardswish", ()),
        ("Hardshrink", (0.4,)), ("Softshrink", (0.4,)), ("Tanhshrink", ()),
        ("Softplus", (2.0, 1.0)), ("Softsign", ()), ("Softmax", (1,)), ("LogSoftmax", (0,)),
        ("Softmin", (-1,)), ("Threshold", (0.1, 0.5)), ("GLU", ()), ("GLU", (0,)),
    )
] + [("Softmax2d", (), {}, (IMAGE,))]  # fmt: skip

LAYERS: list[Case] = [
    ("Identity", (), {}, (X,)), ("Flatten", (0,), {}, (X,)), ("Unflatten", (1, (2, 3)), {}, (X,)),
    ("Unflatten", (-1, [2, -1]), {}, (X,)), ("Linear", (6, 3), {}, (X,)),
    ("LayerNorm", (6,), {}, (X,)), ("Dropout", (0.3,), {}, (X,)), ("Dropout1d", (), {}, (X,)),
    ("AlphaDropout", (), {}, (X,)), ("FeatureAlphaDropout", (), {}, (X,)),
    ("Dropout2d", (), {}, (IMAGE,)), ("Dropout3d", (), {}, (IMAGE,)),
    ("CosineSimilarity", (), {}, (X, Y)), ("CosineSimilarity", (0,), {}, (X, Y)),
    ("PairwiseDistance", (), {}, (X, Y)), ("PairwiseDistance", (1.0, 1e-6, True), {}, (X, Y)),
    ("Bilinear", (6, 6, 3), {}, (X, Y)), ("Bilinear", (6, 6, 3), {"bias": False}, (X, Y)),
    ("Embedding", (4, 3), {}, (INDEX,)), ("Embedding", (4, 3, 2), {}, (INDEX,)),
    ("Embedding", (4, 3, -1), {"max_norm": 0.5}, (INDEX,)),
    ("Embedding", (4, 3), {"max_norm": 0.5, "norm_type": 1.0, "scale_grad_by_freq": True},
     (INDEX,)),
]  # fmt: skip

_LOSSES: list[Case] = [
    ("L1Loss", (), {}, (X, Y)), ("MSELoss", (), {}, (X, Y)), ("SmoothL1Loss", (), {}, (X, Y)),
    ("HuberLoss", (), {"delta": 0.3}, (X, Y)), ("CrossEntropyLoss", (), {}, (X, CLASSES)),
    ("CrossEntropyLoss", (), {"label_smoothing": 0.1, "ignore_index": 2}, (X, CLASSES)),
    ("CrossEntropyLoss", (), {}, (X, UNIT)), ("CrossEntropyLoss", (UNIT[0],), {}, (X, CLASSES)),
    ("NLLLoss", (), {}, (X, CLASSES)), ("BCELoss", (), {}, (UNIT, UNIT[::-1].copy())),
    ("BCEWithLogitsLoss", (), {"pos_weight": UNIT[0]}, (X, UNIT)), ("KLDivLoss", (), {}, (X, UNIT)),
    ("PoissonNLLLoss", (), {}, (X, UNIT)), ("PoissonNLLLoss", (False, True), {}, (UNIT, UNIT * 9)),
    ("GaussianNLLLoss", (), {}, (X, Y, UNIT)), ("HingeEmbeddingLoss", (), {}, (X, SIGNS)),
    ("MultiLabelMarginLoss", (), {}, (X, LABELS)), ("SoftMarginLoss", (), {}, (X, SIGNS)),
    ("MultiLabelSoftMarginLoss", (), {}, (X, UNIT)),
    ("CosineEmbeddingLoss", (0.2,), {}, (X, Y, SIGN)),
    ("MarginRankingLoss", (0.3,), {}, (X, Y, SIGNS)),
    ("MultiMarginLoss", (2, 0.7, UNIT[0]), {}, (X, CLASSES)),
    ("TripletMarginLoss", (1.0, 1.0), {"swap": True}, (X, Y, Z)),
    ("TripletMarginWithDistanceLoss", (), {}, (X, Y, Z)),
]  # fmt: skip
LOSSES: list[Case] = [
    (name, args, {**kwargs, "reduction": reduction}, inputs)
    for reduction in ("mean", "sum", "none") for name, args, kwargs, inputs in _LOSSES
] + [("KLDivLoss", (), {"reduction": "batchmean", "log_target": True}, (X, Y))]  # fmt: skip


def shown(case: Case) -> str:
    """A name for a test."""
    name, args, kwargs, _ = case
    plain = [a for a in (*args, *kwargs.values()) if not isinstance(a, np.ndarray)]
    return "-".join([name, *map(str, plain)])
