"""Datasets, samplers, splitting, collating and the DataLoader."""

import itertools
from collections import namedtuple

import numpy as np
import pytest

import tinytorch as tt
from tinytorch.data import (
    BatchSampler,
    ChainDataset,
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    StackDataset,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
    default_collate,
    random_split,
)  # fmt: skip

N = 10


@pytest.fixture
def dataset():
    return TensorDataset(tt.arange(N * 2).reshape(N, 2).float(), tt.arange(N))


class Squares(Dataset):
    def __len__(self):
        return N

    def __getitem__(self, index):
        return {"x": np.float32(index), "y": index * index}


def rows(loader):
    return [batch[1].tolist() for batch in loader]


def test_tensor_dataset(dataset):
    x, y = dataset[3]
    assert x.tolist() == [6.0, 7.0]
    assert y.item() == 3
    assert len(dataset) == N
    with pytest.raises(AssertionError, match="Size mismatch"):
        TensorDataset(tt.ones(2), tt.ones(3))


def test_batches_in_order(dataset):
    loader = DataLoader(dataset, batch_size=4)
    assert rows(loader) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert len(loader) == 3
    x, y = next(iter(loader))
    assert isinstance(next(iter(loader)), list)
    assert x.shape == (4, 2)
    assert x.dtype is tt.float32
    assert y.dtype is tt.int64
    dropped = DataLoader(dataset, batch_size=4, drop_last=True)
    assert rows(dropped) == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert len(dropped) == 2


def test_a_batch_owns_its_memory(dataset):
    x, _ = next(iter(DataLoader(dataset, batch_size=N)))
    x.zero_()
    assert float(dataset.tensors[0].sum()) > 0


def test_shuffling_repeats_under_a_seed_and_differs_between_passes(dataset):
    loader = DataLoader(dataset, batch_size=3, shuffle=True)
    tt.manual_seed(0)
    first, second = rows(loader), rows(loader)
    tt.manual_seed(0)
    assert rows(loader) == first
    assert first != second
    assert sorted(sum(first, [])) == list(range(N))
    own = DataLoader(dataset, batch_size=3, shuffle=True, generator=tt.Generator(5))
    tt.manual_seed(1)
    a = rows(own)
    own.sampler.generator.manual_seed(5)
    assert rows(own) == a


def test_cut_batches_equal_collated_ones(dataset):
    subset = Subset(Subset(dataset, [9, 8, 7, 6, 5]), [0, 2, 4])
    for data in (dataset, subset):
        cut = rows(DataLoader(data, batch_size=2))
        collated = rows(DataLoader(data, batch_size=2, collate_fn=lambda b: default_collate(b)))
        assert cut == collated
    assert rows(DataLoader(subset, batch_size=3)) == [[9, 7, 5]]
    assert subset[1][1].item() == 7


def test_an_overridden_item_is_respected(dataset):
    class Doubled(TensorDataset):
        def __getitem__(self, index):
            x, y = super().__getitem__(index)
            return x, y * 2

    assert rows(DataLoader(Doubled(*dataset.tensors), batch_size=5))[0] == [0, 2, 4, 6, 8]


def test_items_of_any_kind():
    batch = next(iter(DataLoader(Squares(), batch_size=3)))
    assert batch["x"].dtype is tt.float32
    assert batch["y"].tolist() == [0, 1, 4]
    single = list(DataLoader(Squares(), batch_size=None))
    assert len(single) == N
    assert single[3]["x"].item() == 3.0


def test_samplers(dataset):
    assert list(SequentialSampler(dataset)) == list(range(N))
    tt.manual_seed(0)
    drawn = list(RandomSampler(dataset, replacement=True, num_samples=1000))
    assert set(drawn) == set(range(N))
    assert sorted(list(RandomSampler(dataset, num_samples=25))[:N]) == list(range(N))
    assert list(BatchSampler([5, 6, 7], 2, False)) == [[5, 6], [7]]
    assert rows(DataLoader(dataset, batch_size=2, sampler=[4, 2, 0])) == [[4, 2], [0]]
    assert rows(DataLoader(dataset, batch_sampler=[[1, 2], [3]])) == [[1, 2], [3]]


def test_random_split(dataset):
    tt.manual_seed(0)
    a, b = random_split(dataset, [7, 3])
    assert sorted([*a.indices, *b.indices]) == list(range(N))
    tt.manual_seed(0)
    again, _ = random_split(dataset, [0.7, 0.3])
    assert again.indices == a.indices
    assert [len(p) for p in random_split(dataset, [1 / 3, 1 / 3, 1 / 3])] == [4, 3, 3]
    own = [random_split(dataset, [5, 5], tt.Generator(3))[0].indices for _ in range(2)]
    assert own[0] == own[1]
    with pytest.raises(ValueError, match="does not equal the length"):
        random_split(dataset, [7, 4])


def test_concat(dataset):
    both = dataset + Subset(dataset, [0, 1])
    assert isinstance(both, ConcatDataset)
    assert len(both) == N + 2
    assert both[N + 1][1].item() == 1
    assert both[-1][1].item() == 1
    with pytest.raises(IndexError, match="out of range"):
        both[N + 2]


def test_default_collate():
    Point = namedtuple("Point", "x y")
    assert default_collate([1.5, 2.5]).dtype is tt.float64
    assert default_collate([True, False]).dtype is tt.bool
    assert default_collate(["a", "b"]) == ["a", "b"]
    assert default_collate([Point(1, 2), Point(3, 4)]).x.tolist() == [1, 3]
    assert default_collate([(1, [2.0]), (3, [4.0])])[1][0].tolist() == [2.0, 4.0]
    assert default_collate([np.ones(2), np.zeros(2)]).shape == (2, 2)
    with pytest.raises(RuntimeError, match="equal size"):
        default_collate([[1], [1, 2]])
    with pytest.raises(TypeError, match="found <class 'object'>"):
        default_collate([object()])
    with pytest.raises(RuntimeError, match="equal size"):
        default_collate([tt.ones(2), tt.ones(3)])


def test_loader_errors(dataset):
    for settings, message in (
        ({"num_workers": -1}, "num_workers option should be non-negative"),
        ({"timeout": -1}, "timeout option should be non-negative"),
        ({"prefetch_factor": 2}, "prefetch_factor option could only be specified"),
        ({"num_workers": 1, "prefetch_factor": -1}, "prefetch_factor option should be"),
        ({"persistent_workers": True}, "persistent_workers option needs"),
        ({"multiprocessing_context": "fork"}, "multiprocessing_context can only be used"),
        ({"num_workers": 1, "multiprocessing_context": "x"}, "valid start method"),
        ({"shuffle": True, "sampler": [0]}, "mutually exclusive with shuffle"),
        ({"batch_sampler": [[0]], "batch_size": 2}, "batch_sampler option is mutually exclusive"),
        ({"batch_size": None, "drop_last": True}, "mutually exclusive with drop_last"),
        ({"batch_size": 0}, "batch_size=0"),
    ):
        with pytest.raises(ValueError, match=message):
            DataLoader(dataset, **settings)
    with pytest.raises(NotImplementedError):
        Dataset()[0]
    with pytest.raises(ValueError, match="batch_size attribute should not be set"):
        DataLoader(dataset).batch_size = 3
    with pytest.raises(ValueError, match="num_samples=0"):
        DataLoader([], shuffle=True)


class Count(IterableDataset):
    def __init__(self, stop):
        self.stop = stop

    def __iter__(self):
        return iter(range(self.stop))

    def __len__(self):
        return self.stop


def test_streams():
    assert [b.tolist() for b in DataLoader(Count(5), batch_size=2)] == [[0, 1], [2, 3], [4]]
    loader = DataLoader(Count(5), batch_size=2, drop_last=True)
    assert [b.tolist() for b in loader] == [[0, 1], [2, 3]]
    assert len(loader) == 2
    assert list(DataLoader(Count(3), batch_size=None)) == [0, 1, 2]
    both = Count(2) + Count(3)
    assert isinstance(both, ChainDataset)
    assert list(both) == [0, 1, 0, 1, 2]
    assert len(both) == 5
    with pytest.raises(AssertionError, match="only supports IterableDataset"):
        list(ChainDataset([[1]]))
    with pytest.raises(AssertionError, match="does not support IterableDataset"):
        ConcatDataset([Count(1)])
    for options in ({"shuffle": True}, {"sampler": [0]}, {"batch_sampler": [[0]]}):
        with pytest.raises(ValueError, match="expected unspecified"):
            DataLoader(Count(1), **options)


def test_stacks(dataset):
    assert StackDataset(range(3), "abc")[1] == (1, "b")
    named = StackDataset(x=range(3), y="abc")
    assert named[2] == {"x": 2, "y": "c"}
    assert len(named) == 3
    assert next(iter(DataLoader(named, batch_size=2)))["y"] == ["a", "b"]
    for make, message in (
        (lambda: StackDataset(), "At least one"),
        (lambda: StackDataset([1], x=[1]), "both types"),
        (lambda: StackDataset([1], [1, 2]), "Size mismatch"),
    ):
        with pytest.raises(ValueError, match=message):
            make()


def test_a_dataset_may_fetch_many_items_at_once():
    class Many(Dataset):
        def __getitems__(self, indices):
            return [index * 10 for index in indices]

        def __len__(self):
            return 3

    assert [b.tolist() for b in DataLoader(Many(), batch_size=2)] == [[0, 10], [20]]


def test_a_dataset_that_raises_stopiteration_does_not_end_the_loop_silently():
    class Ending(Squares):
        def __getitem__(self, index):
            raise StopIteration

    with pytest.raises(RuntimeError):
        list(DataLoader(Ending()))


def test_subset_and_weighted_samplers():
    generator = tt.Generator(0)
    assert sorted(SubsetRandomSampler([5, 7, 9], generator)) == [5, 7, 9]
    drawn = list(WeightedRandomSampler([0.0, 1.0, 3.0, 0.0], 4000, generator=generator))
    counts = np.bincount(drawn, minlength=4)
    assert counts[0] == counts[3] == 0
    assert abs(counts[2] - 3000) < 150
    firsts = [next(iter(WeightedRandomSampler([1, 3], 1, False, generator))) for _ in range(400)]
    assert abs(sum(firsts) - 300) < 50
    assert sorted(WeightedRandomSampler([1.0, 0.0, 2.0], 2, False)) == [0, 2]
    for weights, count, message in (
        ([1.0, 0.0], 2, "without replacement"), ([-1.0, 2.0], 1, "not negative"),
        ([0.0, 0.0], 1, "without replacement"), ([float("nan")], 1, "finite"),
    ):  # fmt: skip
        with pytest.raises(RuntimeError, match=message):
            list(WeightedRandomSampler(weights, count, False))
    with pytest.raises(RuntimeError, match="greater than zero"):
        list(WeightedRandomSampler([0.0], 1))
    for settings in (([1.0], 0), ([1.0], True), ([1.0], 1, 3), ([[1.0]], 1)):
        with pytest.raises(ValueError):
            WeightedRandomSampler(*settings)


@pytest.mark.parametrize("replacement", [True, False])
def test_samplers_without_end_draw_as_they_go(replacement, monkeypatch):
    data = range(5)
    tt.manual_seed(0)
    endless = tt.data.RandomSampler(data, replacement=replacement, num_samples=10**10)
    first = list(itertools.islice(iter(endless), 1000))
    tt.manual_seed(0)
    again = iter(endless)
    tt.rand(7)  # what is drawn meanwhile changes nothing
    assert list(itertools.islice(again, 1000)) == first
    assert set(first) == set(data)
    if not replacement:
        assert sorted(first[:5]) == list(data)
    weighted = tt.data.WeightedRandomSampler([0.0, 1.0, 3.0], 10**10)
    drawn = list(itertools.islice(iter(weighted), 2000))
    assert 0 not in drawn
    assert abs(drawn.count(2) / 2000 - 0.75) < 0.05
    monkeypatch.setattr("tinytorch.data.sampler.AT_ONCE", 4)
    for count in (3, 7, 12):
        assert len(list(tt.data.RandomSampler(data, replacement, count))) == count
        assert len(list(tt.data.WeightedRandomSampler([1.0, 1.0], count))) == count


@pytest.mark.parametrize("generator", [0, -1, "a", True, object()])
def test_what_is_no_generator_is_refused(generator):
    rows = TensorDataset(tt.arange(4))
    for attempt in (
        lambda: list(DataLoader(rows, generator=generator)),
        lambda: random_split(rows, [2, 2], generator=generator),
        lambda: tt.rand(2, generator=generator),
    ):  # fmt: skip
        with pytest.raises(TypeError, match="expected a Generator"):
            attempt()


def test_what_cannot_put_items_together_is_refused():
    with pytest.raises(TypeError, match="not callable"):
        list(DataLoader(TensorDataset(tt.arange(4)), collate_fn=0))
