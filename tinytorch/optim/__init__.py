"""``tinytorch.optim``: optimizers and learning-rate schedules, with PyTorch's names."""

from tinytorch.optim import lr_scheduler, swa_utils
from tinytorch.optim.adadelta import Adadelta
from tinytorch.optim.adagrad import Adagrad
from tinytorch.optim.adam import Adam, AdamW
from tinytorch.optim.adamax import Adamax
from tinytorch.optim.asgd import ASGD
from tinytorch.optim.lbfgs import LBFGS
from tinytorch.optim.lion import Lion
from tinytorch.optim.nadam import NAdam
from tinytorch.optim.optimizer import Optimizer
from tinytorch.optim.radam import RAdam
from tinytorch.optim.rmsprop import RMSprop
from tinytorch.optim.rprop import Rprop
from tinytorch.optim.sgd import SGD

__all__ = [
    "ASGD", "LBFGS", "SGD", "Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "Lion", "NAdam",
    "Optimizer", "RAdam", "RMSprop", "Rprop", "lr_scheduler", "swa_utils",
]  # fmt: skip
