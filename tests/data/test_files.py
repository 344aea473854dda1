"""Local files: what is right is read, what is damaged or hostile is refused before memory is."""

import contextlib
import gzip
import pickle
import struct
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinytorch as tt
from tinytorch.data import CSVDataset, bundled, cifar10, cifar100, mnist, read_idx
from tinytorch.errors import FileFormatError

RNG = np.random.default_rng(0)
CODES = {"u1": 8, "i1": 9, ">i2": 11, ">i4": 12, ">f4": 13, ">f8": 14}


def idx(array, code=8):
    head = struct.pack(">HBB", 0, code, array.ndim)
    return head + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def test_idx_of_every_dtype(tmp_path):
    for dtype, code in CODES.items():
        array = RNG.integers(0, 100, (3, 4)).astype(dtype)
        for packed in (False, True):
            data = idx(array, code)
            (tmp_path / "x").write_bytes(gzip.compress(data) if packed else data)
            found = read_idx(tmp_path / "x")
            assert found.shape == (3, 4)
            np.testing.assert_array_equal(found.numpy(), array)


GOOD = idx(np.arange(24, dtype="u1").reshape(2, 3, 4))
BAD = {
    "empty": (b"", "magic number"),
    "another format": (b"\x89PNG....", "no IDX file"),
    "no such dtype": (b"\0\0\x07\1\0\0\0\1x", "no IDX file"),
    "no axes": (b"\0\0\x08\0", "no IDX file"),
    "sizes cut off": (GOOD[:9], "the sizes"),
    "data cut off": (GOOD[:-1], r"sizes \[2, 3, 4\] would take 24 bytes, and 23 are left"),
    "bytes too many": (GOOD + b"x", "left over"),
    "huge": (b"\0\0\x08\4" + b"\xff" * 16 + b"data", "would take"),
    "255 axes": (b"\0\0\x08\xff" + b"\0\0\0\1" * 255 + b"x", "too many"),
    "gzip cut off": (gzip.compress(GOOD)[:-12], "damaged|would take|promises"),
    "gzip of less": (gzip.compress(GOOD[:-1]), "would take"),
    "gzip of more": (gzip.compress(GOOD + b"x"), "left over"),
    "gzip with another sum": (gzip.compress(GOOD)[:-8] + b"\0\0\0\0" +
                              gzip.compress(GOOD)[-4:], "damaged gzip"),
    "gzip that lies about its length": (gzip.compress(b"")[:-4] + b"\xff\xff\xff\x7f", "promises"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_idx(name, tmp_path):
    data, message = BAD[name]
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(FileFormatError, match=message):
        read_idx(tmp_path / "x")


def test_a_gzip_bomb_takes_no_memory(tmp_path):
    big = b"\0\0\x08\1" + struct.pack(">I", 10) + b"\0" * 50_000_000
    (tmp_path / "x").write_bytes(gzip.compress(big))
    tracemalloc.start()
    with pytest.raises(FileFormatError, match="left over"):
        read_idx(tmp_path / "x")
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()


@given(st.lists(st.tuples(st.integers(0, 15), st.integers(0, 255)), min_size=1, max_size=4))
def test_changed_headers_are_read_or_refused(tmp_path_factory, changes):
    data = bytearray(GOOD)
    for place, byte in changes:
        data[place] = byte
    path = tmp_path_factory.getbasetemp() / "changed.idx"
    path.write_bytes(data)
    with contextlib.suppress(FileFormatError):
        assert read_idx(path).numel() <= 24


def write_mnist(folder, images, labels):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(images)))
    (folder / "t10k-labels.idx1-ubyte").write_bytes(idx(labels))


def test_mnist(tmp_path):
    images = RNG.integers(0, 256, (5, 28, 28)).astype("u1")
    labels = RNG.integers(0, 10, 5).astype("u1")
    for folder in (tmp_path / "a", tmp_path / "b" / "MNIST" / "raw"):
        write_mnist(folder, images, labels)
    for root in (tmp_path / "a", tmp_path / "b"):
        x, y = mnist(root, train=False).tensors
        assert x.shape == (5, 1, 28, 28)
        np.testing.assert_array_equal(x.numpy()[:, 0], images.astype("f4") / np.float32(255))
        assert y.tolist() == labels.tolist()
    assert mnist(tmp_path / "a", False, scaled=False).tensors[0].dtype is tt.uint8
    with pytest.raises(FileNotFoundError, match="train-images-idx3-ubyte"):
        mnist(tmp_path / "a")
    for wrong, message in (
        ((images[:4], labels), "4 images and 5 labels"),
        ((images, labels + 10), "not below 10"),
        ((images[0], labels), "images in"),
        ((images, labels[None]), "labels in"),
    ):
        write_mnist(tmp_path / "a", *wrong)
        with pytest.raises(FileFormatError, match=message):
            mnist(tmp_path / "a", train=False)


def test_cifar(tmp_path):
    records = RNG.integers(0, 256, (3, 3074)).astype("u1")
    records[:, 0] %= 10
    records[:, 1] %= 100
    ten = np.delete(records, 1, axis=1)
    for number in range(1, 6):
        (tmp_path / f"data_batch_{number}.bin").write_bytes(ten.tobytes())
    x, y = cifar10(tmp_path).tensors
    assert x.shape == (15, 3, 32, 32)
    assert y.tolist() == records[:, 0].tolist() * 5
    np.testing.assert_array_equal(
        x.numpy()[3], records[0, 2:].reshape(3, 32, 32).astype("f4") / np.float32(255)
    )
    inner = tmp_path / "cifar-100-binary"
    inner.mkdir()
    (inner / "test.bin").write_bytes(records.tobytes())
    assert cifar100(tmp_path, False).tensors[1].tolist() == records[:, 1].tolist()
    coarse = cifar100(tmp_path, False, coarse=True, scaled=False)
    assert coarse.tensors[1].tolist() == records[:, 0].tolist()
    assert coarse.tensors[0].dtype is tt.uint8
    (inner / "test.bin").write_bytes(records.tobytes()[:-1])
    with pytest.raises(FileFormatError, match="no whole number of records"):
        cifar100(tmp_path, False)
    (tmp_path / "data_batch_2.bin").write_bytes(b"\x0a" + bytes(3072))
    with pytest.raises(FileFormatError, match="label 10 is not below 10"):
        cifar10(tmp_path)
    with pytest.raises(FileNotFoundError):
        cifar10(tmp_path, train=False)
    (tmp_path / "test_batch").write_bytes(pickle.dumps({}))
    with pytest.raises(FileFormatError, match="pickled version"):
        cifar10(tmp_path, train=False)


def test_csv(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text('a, b,"kind, of"\n1,2.5,cat\n\n-3,1e2,"dog"\n')
    both = CSVDataset(path, target="kind, of")
    assert both.names == ["a", "b"]
    assert both.classes == ["cat", "dog"]
    assert both[1][0].tolist() == [-3.0, 100.0]
    assert both.tensors[1].tolist() == [0, 1]
    path.write_text("1;2;3\n4;5;6.5\n")
    plain = CSVDataset(path, delimiter=";")
    assert plain.tensors[0].tolist() == [[1, 2, 3], [4, 5, 6.5]]
    assert len(plain.tensors) == 1
    ints, floats = (CSVDataset(path, target, delimiter=";").tensors[1] for target in (0, -1))
    assert ints.dtype is tt.int64
    assert floats.tolist() == [3.0, 6.5]
    assert len(CSVDataset(path, delimiter=";", header=True)) == 1
    with pytest.raises(ValueError, match="no column 'x'"):
        CSVDataset(path, "x", delimiter=";")
    for text, message in (
        ("", "no rows"), ("1,2\n3\n", "line 2: 1 fields where the first row has 2"),
        ("1,2\n3,\n", "line 2: could not convert"), ('1,"2\n', "line"),
        ("a,b\n1,x\n", "line 2: could not convert string to float: 'x'"),
    ):  # fmt: skip
        path.write_text(text)
        with pytest.raises(FileFormatError, match=message):
            CSVDataset(path)
    with open(path, "wb") as file:
        file.truncate(1 << 36)
    with pytest.raises(FileFormatError, match="a line of more than"):
        CSVDataset(path)
    path.write_bytes(b"1,\xff\n")
    with pytest.raises(FileFormatError, match="utf-8"):
        CSVDataset(path)


def test_bundled():
    pytest.importorskip("sklearn")
    x, y = bundled("digits").tensors
    assert x.shape == (1797, 64)
    assert y.dtype is tt.int64
    assert bundled("diabetes").tensors[1].dtype is tt.float32
    with pytest.raises(ValueError, match="no set 'mnist'"):
        bundled("mnist")
