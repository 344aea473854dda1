"""Learning-rate schedules: plain Python that sets ``group["lr"]`` between steps.

They belong outside compiled functions, and raise TraceError inside; a compiled step reads the
learning rate at every call, so a schedule never makes it compile again. So it is with the momentum
that some of them change, in ``group["momentum"]`` or as the first of ``group["betas"]``.
"""

from tinytorch.optim.schedules.base import LRScheduler
from tinytorch.optim.schedules.combined import ChainedScheduler, SequentialLR
from tinytorch.optim.schedules.cosine import CosineAnnealingLR, CosineAnnealingWarmRestarts
from tinytorch.optim.schedules.cycle import CyclicLR, OneCycleLR
from tinytorch.optim.schedules.factor import (
    ConstantLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    MultiplicativeLR,
    MultiStepLR,
    PolynomialLR,
    StepLR,
)  # fmt: skip
from tinytorch.optim.schedules.plateau import ReduceLROnPlateau

__all__ = [
    "ChainedScheduler", "ConstantLR", "CosineAnnealingLR", "CosineAnnealingWarmRestarts",
    "CyclicLR", "ExponentialLR", "LRScheduler", "LambdaLR", "LinearLR", "MultiStepLR",
    "MultiplicativeLR", "OneCycleLR", "PolynomialLR", "ReduceLROnPlateau", "SequentialLR",
    "StepLR",
]  # fmt: skip
