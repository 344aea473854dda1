"""Damaged, truncated and hostile files are refused, with nothing loaded."""

import contextlib
import io
import json
import pickle
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinytorch as tt
from tinytorch.errors import FileFormatError


def load(data):
    return tt.load(io.BytesIO(data))


def packed(header, data=b"", length=None):
    text = header if isinstance(header, bytes) else header.encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def saved(obj):
    file = io.BytesIO()
    tt.save(obj, file)
    return file.getvalue()


F4 = '{"dtype":"F32","shape":[1],"data_offsets":[0,4]}'
HEADERS = {
    "two of one name": (f'{{"a":{F4},"a":{F4}}}', "occurs twice"),
    "a field twice": ('{"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}}',
                      "occurs twice"),
    "overlap": (f'{{"a":{F4},"b":{F4}}}', "offset"),
    "hole": ('{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}', "offset"),
    "beyond the end": ('{"a":{"dtype":"F32","shape":[9],"data_offsets":[0,36]}}', "a"),
    "backwards": ('{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}', "offset"),
    "negative": ('{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}', "invalid"),
    "huge shape": ('{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]}}',
                   "cannot be loaded"),
    "huger shape": ('{"a":{"dtype":"F32","shape":[1e30],"data_offsets":[0,4]}}', "invalid"),
    "size of another shape": ('{"a":{"dtype":"F64","shape":[1],"data_offsets":[0,4]}}', "shape"),
    "unknown dtype": ('{"a":{"dtype":"F99","shape":[1],"data_offsets":[0,4]}}', "F99"),
    "dtype of others": ('{"a":{"dtype":"C64","shape":[1],"data_offsets":[0,8]}}', "C64"),
    "dtype is a list": ('{"a":{"dtype":["F32"],"shape":[1],"data_offsets":[0,4]}}', "none of"),
    "dtype is an object": ('{"a":{"dtype":{},"shape":[1],"data_offsets":[0,4]}}', "none of"),
    "no dtype": ('{"a":{"shape":[1],"data_offsets":[0,4]}}', "dtype None"),
    "no entry": ('{"a":3}', "dtype None"),
    "a list": ("[]", "no JSON object"),
    "half a header": ('{"a":', "no valid JSON"),
    "deep": ("[" * 200_000, "no valid JSON"),
    "not text": (b"\xff\xfe", "no valid JSON"),
    "metadata of numbers": ('{"__metadata__":{"a":1}}', "not texts"),
    "metadata twice": ('{"__metadata__":{"a":"b","a":"c"}}', "occurs twice"),
    "bytes too many": ("{}", "cannot be loaded"),
    "a number of a thousand digits": ('{"a":' + "1" * 5000 + "}", "no valid JSON"),
}  # fmt: skip


@pytest.mark.parametrize("name", HEADERS)
def test_bad_header(name):
    header, message = HEADERS[name]
    with pytest.raises(FileFormatError, match=message):
        load(packed(header, b"\0" * 4))


def test_bad_lengths():
    for data in (b"", b"1234567", packed("{}", length=1 << 63), packed("{}", length=3)):
        with pytest.raises(FileFormatError, match="truncated"):
            load(data)


def test_a_pickle_is_named_and_not_read():
    for data in (pickle.dumps({"a": 1}), pickle.dumps([1], 2), b"PK\x03\x04" + b"\0" * 100):
        with pytest.raises(FileFormatError, match="pickle"):
            load(data)


def test_bools_are_bools():
    header = '{"a":{"dtype":"BOOL","shape":[2],"data_offsets":[0,2]}}'
    assert load(packed(header, b"\x01\x00"))["a"].tolist() == [True, False]
    with pytest.raises(FileFormatError, match="neither 0 nor 1"):
        load(packed(header, b"\x01\x07"))


def described(root, version=1, tensors=True):
    text = root if isinstance(root, str) else json.dumps({"version": version, "root": root})
    header = {"__metadata__": {"tinytorch": text}, **({"a": json.loads(F4)} if tensors else {})}
    return packed(json.dumps(header), b"\0" * 4 if tensors else b"")




@pytest.mark.parametrize(
    ("root", "message"),
    [
        ("{", "bad"),
        ("3", "form"),
        ("[" * 200_000, "bad"),
        (["tensor", "b"], "not in the file"),
        (["tensor", ["a"]], "not in the file|unhashable"),
        (["tensor"], "unknown kind"),
        ([], "a list"),
        ([1], "a list"),
        ({"a": 1}, "a dict"),
        (["object", "os.system"], "unknown kind"),
        (None, "leaves out"),
        (["dict", [["tensor", "a"]]], "bad"),
        (["dict", ["x", ["tensor", "a"]], ["x", 1]], "a key occurs twice"),
        (["dict", [["list"], ["tensor", "a"]]], "unhashable"),
        (["size", "x", ["tensor", "a"]], "whole numbers"),
        (["float", "1e400"], "unknown kind"),
        (["dtype", "float9"], "unknown kind"),
        (["bytes", "?"], "bad"),
        (["complex", "a", 1], "bad"),
        (["counter", 3], "bad"),
    ],
)  # fmt: skip
def test_bad_description(root, message):
    with pytest.raises(FileFormatError, match=message):
        load(described(root))


def test_a_description_of_another_version():
    with pytest.raises(FileFormatError, match="version 2"):
        load(described(["tensor", "a"], version=2))


GOOD = saved({"model": {"w": tt.arange(6).reshape(2, 3), "b": tt.ones(2)}, "n": [0.5, "x"]})


@given(st.integers(0, len(GOOD) - 1))
def test_every_truncation_is_refused(length):
    with pytest.raises(FileFormatError):
        load(GOOD[:length])


@given(st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), min_size=1,
                max_size=4))  # fmt: skip
def test_changed_bytes_load_or_are_refused(changes):
    data = bytearray(GOOD)
    for place, byte in changes:
        data[place] = byte
    with contextlib.suppress(FileFormatError):
        load(bytes(data))


@given(st.binary(max_size=200))
def test_any_bytes_load_or_are_refused(data):
    with contextlib.suppress(FileFormatError):
        load(data)


def test_files_on_disk_are_measured_before_they_are_read(tmp_path):
    path = tmp_path / "file"
    for data, message in (
        (GOOD[:-1], "truncated or damaged"), (GOOD + b"x", "truncated or damaged"),
        (b"", "truncated"), (packed("{}", length=1 << 62), "truncated"),
        (packed('{"a":{"data_offsets":[0,99]}}'), "truncated or damaged"),
        (packed('{"a":{"data_offsets":["x",{}]}}'), "dtype None"), (packed("[]"), "no JSON object"),
    ):  # fmt: skip
        path.write_bytes(data)
        with pytest.raises(FileFormatError, match=message):
            tt.load(path)
    with open(path, "wb") as file:
        file.truncate(1 << 40)  # a terabyte of nothing
    with pytest.raises(FileFormatError):
        tt.load(path)
    with pytest.raises(FileFormatError, match="no regular file"):
        tt.load("/dev/zero")
    with pytest.raises(IsADirectoryError):
        tt.load(tmp_path)


def test_text_files_and_other_objects():
    with pytest.raises(TypeError, match="reading bytes"):
        tt.load(io.StringIO("x"))
    with pytest.raises(TypeError, match="expected a path"):
        tt.load(np.zeros(3))
    with pytest.raises(RuntimeError, match="not available"):
        tt.load(io.BytesIO(GOOD), map_location="cuda")
