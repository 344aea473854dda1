"""Saving and loading: round trips, other libraries' files, and one-step replacement."""

import io
import math
import os
from collections import Counter, OrderedDict

import numpy as np
import pytest
import safetensors
from safetensors.numpy import load_file, save_file

import tinytorch as tt
from tinytorch import nn, optim
from tinytorch.data import random_split
from tinytorch.errors import TraceError
from tinytorch.optim import lr_scheduler


def round_trip(obj):
    file = io.BytesIO()
    tt.save(obj, file)
    file.seek(0)
    return tt.load(file)


def same(a, b):
    if isinstance(a, tt.Tensor):
        return (a.dtype is b.dtype and a.shape == b.shape and a.requires_grad == b.requires_grad
                and a.detach().array.tobytes() == b.detach().array.tobytes())  # fmt: skip
    if isinstance(a, np.ndarray | np.generic):
        return type(a) is type(b) and a.dtype == b.dtype and np.array_equal(a, b, equal_nan=True)
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b or (a != a and b != b)  # noqa: PLR0124


DTYPES = [tt.bool, tt.uint8, tt.int8, tt.int16, tt.int32, tt.int64, tt.float16, tt.float32,
          tt.float64, tt.bfloat16]  # fmt: skip


@pytest.mark.parametrize(
    "obj",
    [
        None, True, 0, -(10**30), 1.5, math.inf, -math.inf, math.nan, -0.0, "text \u00e9 \0", "",
        (), [], {}, b"\x00\xff", bytearray(b"x"), 1 + 2j, {1, 2}, frozenset("a"), tt.float32,
        tt.Size([1, 2]), [1, (2, [3, {"a": None}])], {1: "a", None: 2, (1, "b"): 3, 1.5: 4},
        OrderedDict([("b", 1), ("a", 2)]), Counter("aab"), np.float32(1.5), np.arange(3),
        np.zeros((0, 2)), {"a.b": tt.ones(1), "a": {"b": tt.zeros(1)}},
        {"__metadata__": tt.ones(1), "": tt.ones(2), "\ud800": tt.ones(3)},
        *(tt.ones(2, 3).to(d) for d in DTYPES), tt.tensor(3), tt.zeros(0, 4),
        tt.ones(2, requires_grad=True), tt.arange(12).reshape(3, 4).t()[1:],
        tt.tensor([math.nan, -0.0, math.inf]), tt.ones(1).expand(5),
    ],
    ids=lambda obj: f"{type(obj).__name__}",
)  # fmt: skip
def test_round_trip(obj):
    assert same(round_trip(obj), obj)
    assert same(round_trip([{"x": obj}]), [{"x": obj}])


def test_what_is_shared_stays_shared():
    a = tt.ones(3)
    first, second, other = round_trip([a, a.detach(), a.clone()])
    assert first is second
    assert first is not other


def test_a_loaded_tensor_can_be_written():
    x = round_trip({"x": tt.ones(3)})["x"]
    x.zero_()
    assert x.tolist() == [0.0, 0.0, 0.0]


def test_model_optimizer_schedule_and_generator_go_on(tmp_path):
    path = tmp_path / "checkpoint.safetensors"

    def parts():
        tt.manual_seed(0)
        model = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5), nn.Linear(4, 1))
        optimizer = optim.AdamW(model.parameters(), lr=0.1)
        return model, optimizer, lr_scheduler.MultiStepLR(optimizer, [2, 4], 0.5)

    def train(model, optimizer, schedule, steps):
        losses = []
        for _ in range(steps):
            optimizer.zero_grad()
            loss = (model(tt.rand(8, 3)) ** 2).mean()
            loss.backward()
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
        return losses

    first = parts()
    train(*first, 3)
    tt.save({
        "model": first[0].state_dict(), "optimizer": first[1].state_dict(),
        "schedule": first[2].state_dict(), "rng": tt.get_rng_state(), "epoch": 3,
    }, path)  # fmt: skip
    expected = train(*first, 3)

    second = parts()
    loaded = tt.load(path)
    second[0].load_state_dict(loaded["model"])
    second[1].load_state_dict(loaded["optimizer"])
    second[2].load_state_dict(loaded["schedule"])
    tt.set_rng_state(loaded["rng"])
    assert train(*second, 3) == expected
    assert loaded["epoch"] == 3


def test_a_state_dict_is_a_plain_file_for_other_libraries(tmp_path):
    model = nn.Linear(2, 3)
    tt.save(model.state_dict(), tmp_path / "model.safetensors")
    arrays = load_file(tmp_path / "model.safetensors")
    assert set(arrays) == {"weight", "bias"}
    np.testing.assert_array_equal(arrays["weight"], model.weight.detach().numpy())


def test_other_libraries_files_load(tmp_path):
    arrays = {"weight": np.ones((3, 2), "f4"), "bias": np.arange(3, dtype="f4")}
    save_file(arrays, tmp_path / "m.safetensors", {"format": "pt"})
    model = nn.Linear(2, 3)
    model.load_state_dict(tt.load(str(tmp_path / "m.safetensors"), map_location="cpu"))
    assert model.bias.tolist() == [0.0, 1.0, 2.0]


def test_a_pytorch_state_dict_loads_unchanged(tmp_path):
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file as save_torch

    theirs = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.LayerNorm(4))
    save_torch(theirs.state_dict(), tmp_path / "m.safetensors")
    ours = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.LayerNorm(4))
    ours.load_state_dict(tt.load(tmp_path / "m.safetensors"))
    x = np.ones((2, 3), "f4")
    np.testing.assert_allclose(
        ours(tt.tensor(x)).detach().numpy(), theirs(torch.tensor(x)).detach().numpy(), atol=1e-6
    )


# ---------------------------------------------------------------------- writing


def test_a_failed_save_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "file"
    tt.save({"x": tt.ones(1)}, path)
    path.chmod(0o640)
    for fails in ("serialize_file", "replace"):
        with monkeypatch.context() as patch:

            def fail(*args, **kwargs):
                raise OSError("no space left")

            patch.setattr(safetensors if fails == "serialize_file" else os, fails, fail)
            with pytest.raises(OSError, match="no space left"):
                tt.save({"x": tt.zeros(1)}, path)
        assert os.listdir(tmp_path) == ["file"]
        assert tt.load(path)["x"].item() == 1.0
    tt.save({"x": tt.zeros(1)}, path)
    assert tt.load(path)["x"].item() == 0.0
    assert path.stat().st_mode & 0o777 == 0o640
    assert os.listdir(tmp_path) == ["file"]


def test_a_link_is_followed(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "target")
    tt.save(1, tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert tt.load(tmp_path / "target") == 1


class Odd:
    pass


def test_what_cannot_be_saved_is_refused_with_its_place(tmp_path):
    loop = []
    loop.append(loop)
    deep = []
    for _ in range(100_000):
        deep = [deep]
    for obj, kind, message in (
        ({"a": [1, Odd()]}, TypeError, r"obj\['a'\]\[1\]: it is of .*Odd"),
        (nn.Linear(1, 1), TypeError, r"save its state_dict\(\)"),
        ({Odd(): 1}, TypeError, "key of"),
        (np.array([object()]), TypeError, "dtype object"),
        (np.zeros(1, "c8"), TypeError, "dtype complex64"),
        (loop, ValueError, "contains itself"),
        (deep, ValueError, "nested too deeply"),
        (len, TypeError, "builtin"),
    ):
        with pytest.raises(kind, match=message):
            tt.save(obj, tmp_path / "file")
    assert os.listdir(tmp_path) == []
    with pytest.raises(TypeError, match="expected a path or a file"):
        tt.save(1, 3)
    with pytest.raises(FileNotFoundError):
        tt.save(1, tmp_path / "no" / "file")


def test_files_belong_outside_compiled_functions(tmp_path):
    tt.save(1, tmp_path / "file")
    for act in (lambda: tt.save(1, tmp_path / "other"), lambda: tt.load(tmp_path / "file"),
                tt.get_rng_state):  # fmt: skip
        with pytest.raises(TraceError, match="call it outside"):
            tt.compile(lambda x, act=act: (act(), x)[1])(tt.ones(1))


def test_state_of_generators():
    generator = tt.Generator()
    assert generator.initial_seed() == 67280421310721
    assert tt.Generator(device="cpu").device == tt.Generator("cpu").device == tt.device("cpu")
    with pytest.raises(RuntimeError, match="not available"):
        tt.Generator("cuda")
    state = generator.manual_seed(3).get_state()
    first = random_split(range(9), [9], generator)[0].indices
    generator.set_state(state)
    assert random_split(range(9), [9], generator)[0].indices == first
    assert generator.seed() == generator.initial_seed()
    tt.manual_seed(1)
    state = tt.get_rng_state()
    x = tt.rand(3)
    tt.set_rng_state(state)
    assert tt.rand(3).tolist() == x.tolist()
    assert tt.initial_seed() == 1
    negative = -tt.ones(2).long()
    for bad, kind in ((3, TypeError), (tt.ones(2), RuntimeError), (negative, RuntimeError)):
        with pytest.raises(kind):
            tt.set_rng_state(bad)
