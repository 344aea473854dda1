"""The small data sets that come with scikit-learn (extra ``examples``)."""

from __future__ import annotations

import numpy as np

from tinytorch.data.dataset import TensorDataset
from tinytorch.tracer.factories import from_numpy

NAMES = ("breast_cancer", "diabetes", "digits", "iris", "wine")


def bundled(name: str) -> TensorDataset:
    """Return one of scikit-learn's sets: float32 features, and classes as int64.

    The targets of ``diabetes`` are numbers, float32. Raises ValueError for another name,
    ImportError without scikit-learn.
    """
    if name not in NAMES:
        raise ValueError(f"no set {name!r}; there are {', '.join(NAMES)}")
    from sklearn import datasets

    x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    kind = np.float32 if y.dtype.kind == "f" else np.int64
    return TensorDataset(from_numpy(x.astype(np.float32)), from_numpy(y.astype(kind)))
