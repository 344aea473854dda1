"""CIFAR-10 and CIFAR-100 from their binary files; the pickled ones could run anything when read.

Source of the format: Krizhevsky, "The CIFAR-10 dataset", the "binary version".
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tinytorch.data.dataset import TensorDataset
from tinytorch.data.localfile import find, opened
from tinytorch.data.mnist import labelled
from tinytorch.errors import FileFormatError

_PIXELS = 3 * 32 * 32


def cifar10(root: Any, train: bool = True, *, scaled: bool = True) -> TensorDataset:
    """Return CIFAR-10 from ``data_batch_1.bin`` ... or ``test_batch.bin`` (plain or gzipped).

    ``root`` holds them, or ``cifar-10-batches-bin`` in it does. Images are (n, 3, 32, 32), float32
    in [0, 1], or uint8 without ``scaled``; labels int64. Raises FileNotFoundError, or
    FileFormatError for a damaged file.
    """
    names = [f"data_batch_{number}" for number in range(1, 6)] if train else ["test_batch"]
    return _read(root, "cifar-10", "cifar-10-batches-bin", names, 1, 0, 10, scaled)


def cifar100(
    root: Any, train: bool = True, *, coarse: bool = False, scaled: bool = True
) -> TensorDataset:
    """Return CIFAR-100 from ``train.bin`` or ``test.bin``, with its 100 fine or 20 coarse labels.

    ``root`` holds them, or ``cifar-100-binary`` in it does; the rest is as for ``cifar10``.
    """
    names = ["train" if train else "test"]
    column, count = (0, 20) if coarse else (1, 100)
    return _read(root, "cifar-100", "cifar-100-binary", names, 2, column, count, scaled)


def _read(
    root: Any, title: str, folder: str, names: Sequence[str], labels: int, column: int, count: int,
    scaled: bool,
) -> TensorDataset:  # fmt: skip
    paths = [_find(root, title, folder, name) for name in names]
    records = np.concatenate([_records(path, labels + _PIXELS) for path in paths])
    pixels = records[:, labels:].reshape(-1, 3, 32, 32)
    return labelled(pixels, records[:, column], count, scaled, str(paths[0].parent))


def _records(path: Path, length: int) -> np.ndarray:
    with opened(path) as file:
        if file.left == 0 or file.left % length:
            raise FileFormatError(
                f"{path}: {file.left} bytes are no whole number of records of {length}"
            )
        data = file.read(file.left, "the records")
        file.end()
    return np.frombuffer(data, np.uint8).reshape(-1, length)


def _find(root: Any, title: str, folder: str, name: str) -> Path:
    try:
        return find(root, [folder], [f"{name}.bin", f"{name}.bin.gz"])
    except FileNotFoundError:
        places = [Path(root), *Path(root).glob("cifar-*")]
        if any((place / name).is_file() for place in places):
            raise FileFormatError(
                f"{root} holds the pickled version of {title}, which could run anything when read; "
                "download the binary version"
            ) from None
        raise
