"""MNIST, and any other data in IDX files. Source of the format: LeCun, "The MNIST database"."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinytorch.data.dataset import TensorDataset
from tinytorch.data.localfile import find, opened
from tinytorch.errors import FileFormatError
from tinytorch.tracer.factories import from_numpy
from tinytorch.tracer.tensor import Tensor

_DTYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def read_idx(path: Any) -> Tensor:
    """Return the tensor in an IDX file, plain or gzipped.

    Raises FileFormatError for a file that is truncated, damaged or of another format, before
    memory is taken for what it promises.
    """
    with opened(path) as file:
        start = file.read(4, "the magic number")
        if start[:2] != b"\0\0" or start[2] not in _DTYPES or start[3] == 0:
            raise FileFormatError(f"{file.path}: no IDX file: it starts with {start.hex(' ')}")
        sizes = np.frombuffer(file.read(4 * start[3], "the sizes"), ">u4").tolist()
        dtype = np.dtype(_DTYPES[start[2]])
        if len(sizes) > 32:
            raise FileFormatError(f"{file.path}: {len(sizes)} axes are too many")
        data = file.read(math.prod(sizes) * dtype.itemsize, f"an array of sizes {sizes}")
        file.end()
    array = np.frombuffer(data, dtype).reshape(sizes)
    return from_numpy(array.astype(dtype.newbyteorder("=")))


def mnist(root: Any, train: bool = True, *, scaled: bool = True) -> TensorDataset:
    """Return MNIST (or a set of its format, as Fashion-MNIST) from local files.

    ``root`` holds the four files, plain or gzipped, as downloaded or in ``MNIST/raw``. Images are
    (n, 1, 28, 28), float32 in [0, 1], or uint8 without ``scaled``; labels int64. Raises
    FileNotFoundError, or FileFormatError for files that are damaged or do not fit each other.
    """
    part = "train" if train else "t10k"
    images = read_idx(_find(root, f"{part}-images", "idx3"))
    labels = read_idx(_find(root, f"{part}-labels", "idx1"))
    pixels, classes = images.numpy(), labels.numpy()
    if pixels.dtype != np.uint8 or pixels.ndim != 3:
        raise FileFormatError(f"images in {root} are {images.dtype} of {list(images.shape)}")
    if classes.dtype != np.uint8 or classes.ndim != 1:
        raise FileFormatError(f"labels in {root} are {labels.dtype} of {list(labels.shape)}")
    if len(pixels) != len(classes):
        raise FileFormatError(f"{root} holds {len(pixels)} images and {len(classes)} labels")
    return labelled(pixels[:, None], classes, 10, scaled, str(root))


def labelled(
    pixels: np.ndarray, classes: np.ndarray, count: int, scaled: bool, source: str
) -> TensorDataset:
    """Return images and labels as a dataset; raise FileFormatError for a label out of range."""
    if classes.size and classes.max() >= count:
        raise FileFormatError(f"{source}: label {classes.max()} is not below {count}")
    if scaled:
        pixels = pixels.astype(np.float32)
        pixels /= np.float32(255)
    return TensorDataset(
        from_numpy(np.ascontiguousarray(pixels)), from_numpy(classes.astype(np.int64))
    )


def _find(root: Any, name: str, kind: str) -> Any:
    plain = [f"{name}-{kind}-ubyte", f"{name}.{kind}-ubyte"]
    folders = ["MNIST/raw", "FashionMNIST/raw", "raw"]
    return find(root, folders, [*plain, *(f"{n}.gz" for n in plain)])
