"""The nearest of all vectors on disk among themselves: those of vectors in memory, bit for bit."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from objectspace.errors import InputError
from objectspace.neighbors import (
    ExactIndex,
    StreamedIndex,
    candidates,
    mutual,
    nearest_together,
    paged,
)
from objectspace.neighbors.candidates import Search
from tests.neighbors.test_exact import check_answer, check_same, gaussian, ids_of
from tests.neighbors.test_mutual import both, looped, worst_product


@pytest.fixture(
    params=[(8, 13, 2), (16, 40, 1), (64, 64, 3), (1024, 1000, 4)], ids="{0[0]} {0[1]} {0[2]}".format
)
def sizes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Set how many queries are in a block, rows in a run, and runs in a panel; all in one panel at last."""

    def set_sizes(dimension: int) -> None:
        block, run, held = request.param
        limit_memory(monkeypatch, dimension, block, run, held)

    return set_sizes


def limit_memory(monkeypatch: pytest.MonkeyPatch, dimension: int, block: int, run: int, held: int) -> None:
    monkeypatch.setattr(mutual, "QUERIES", block)
    monkeypatch.setattr(paged, "_RUN", 4 * dimension * run)
    monkeypatch.setattr(paged, "_HELD", held)
    monkeypatch.setattr(paged, "_READ", 4 * dimension * 7)


class OnDisk:
    """Vectors that are read by slices, or sorted rows, alone; ``read`` are how many at a time."""

    def __init__(self, vectors: np.ndarray) -> None:
        self._vectors, self.shape = vectors, vectors.shape
        self.read: list[int] = []

    def __getitem__(self, rows: Any) -> np.ndarray:
        assert isinstance(rows, slice) or (np.diff(rows) > 0).all()
        some = self._vectors[rows].copy()
        self.read.append(len(some))
        return some


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("offset", [0, 30])
def test_the_nearest_in_other_groups_are_the_double_loops(
    sizes: Callable[[int], None], metric: str, offset: float
) -> None:
    vectors, group, expected = looped(90, metric, offset)
    sizes(3)
    found = StreamedIndex(OnDisk(vectors), ids_of(90), metric=metric, groups=group).nearest_of_all(k=7)
    check_answer(found, expected)
    check_same(found, ExactIndex(vectors, ids_of(90), metric=metric, groups=group).nearest_of_all(k=7))


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("scale", [1.0, 1e-30, 1e25])
def test_they_are_those_of_a_search_for_each(sizes: Callable[[int], None], metric: str, scale: float) -> None:
    sizes(6)
    vectors = np.repeat(gaussian(60, 6, seed=3), [1, 2] * 30, axis=0) * np.float32(scale)
    index = StreamedIndex(OnDisk(vectors), ids_of(90), metric=metric)
    check_same(index.nearest_of_all(k=9), index.nearest(vectors, k=9))


@pytest.mark.parametrize("first", [0, 1], ids=["euclidean first", "cosine first"])
def test_some_are_asked_for_by_another_metric_in_the_same_search(
    sizes: Callable[[int], None], first: int
) -> None:
    """Of some blocks all rows, of others a few, of others none; lengths vary a hundredfold."""
    sizes(5)
    random = np.random.default_rng(6)
    vectors = gaussian(170, 5, seed=7) * 10 ** random.uniform(-1, 1, (170, 1)).astype(np.float32)
    vectors[[3, 77, 150]], vectors[90:95] = 0, vectors[20:25]
    group, some = random.integers(0, 20, 170), np.concatenate([np.arange(50, 104), [130, 150, 159]])
    on_disk, in_memory = (
        both(vectors, group, kind)[:: 1 - 2 * first] for kind in (StreamedIndex, ExactIndex)
    )
    assert on_disk[0].has_products_of(on_disk[1])
    rows = [np.arange(170), some]
    found = nearest_together(list(zip(on_disk, rows, strict=True)), k=6)
    expected = nearest_together(list(zip(in_memory, rows, strict=True)), k=6)
    for here, there in zip(found, expected, strict=True):
        check_same(here, there)


def test_vectors_that_are_centered_or_are_others_share_no_products() -> None:
    near, far = gaussian(60, 3, seed=9), gaussian(60, 3, seed=9, offset=30)
    assert not StreamedIndex.has_products_of(*both(far, kind=StreamedIndex))
    one, other = (StreamedIndex(OnDisk(near), ids_of(60)) for _ in range(2))
    assert not one.has_products_of(other)


@settings(max_examples=40, deadline=None)
@given(data=st.data(), metric=st.sampled_from(["euclidean", "cosine"]))
def test_any_numbers_in_any_blocks(data: st.DataObject, metric: str) -> None:
    numbers = st.one_of(st.integers(-2, 2).map(float), st.sampled_from([1e-30, 1e19, -1e25, 1e4 + 1]))
    rows = data.draw(st.lists(st.lists(numbers, min_size=3, max_size=3), max_size=14))
    vectors = np.float32(rows).reshape(-1, 3)
    group = np.array(data.draw(st.lists(st.integers(0, 4), min_size=len(rows), max_size=len(rows))), int)
    with pytest.MonkeyPatch.context() as patch:
        limit_memory(patch, 3, *data.draw(st.tuples(st.integers(1, 4), st.integers(1, 6), st.integers(1, 3))))
        found = StreamedIndex(vectors, ids_of(len(rows)), metric=metric, groups=group).nearest_of_all(k=4)
    check_same(found, ExactIndex(vectors, ids_of(len(rows)), metric=metric, groups=group).nearest_of_all(k=4))


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("offset", [0, 1e4])
def test_products_as_wrong_as_float32_may_be_lose_none(
    monkeypatch: pytest.MonkeyPatch, metric: str, offset: float
) -> None:
    limit_memory(monkeypatch, 64, 50, 130, 2)
    vectors = gaussian(700, 64, seed=25, offset=offset)
    expected = ExactIndex(vectors, ids_of(700), metric=metric).nearest(vectors, k=5)
    index = StreamedIndex(OnDisk(vectors), ids_of(700), metric=metric)
    monkeypatch.setattr(np, "matmul", worst_product(np.random.default_rng(27)))
    assert index.nearest_of_all(k=5).index.tolist() == expected.index.tolist()


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_clusters_that_products_cannot_tell_apart_keep_few_candidates(
    monkeypatch: pytest.MonkeyPatch, metric: str
) -> None:
    """Every pair of a cluster is a candidate, so that those in memory are ranked at once."""
    limit_memory(monkeypatch, 24, 20, 60, 2)
    random = np.random.default_rng(30)
    centers = random.standard_normal((5, 24))
    vectors = (centers[np.arange(600) % 5] + 1e-6 * random.standard_normal((600, 24))).astype(np.float32)
    most, keep = [], Search.keep

    def counted(search: Search, *arguments: Any) -> None:
        keep(search, *arguments)
        most.append(sum(len(rows) for rows, _, _ in search._pending) / search._bounds.size)

    monkeypatch.setattr(Search, "keep", counted)
    found = StreamedIndex(OnDisk(vectors), ids_of(600), metric=metric).nearest_of_all(k=4)
    check_same(found, ExactIndex(vectors, ids_of(600), metric=metric).nearest(vectors, k=4))
    # Twice k of each query, and those of one product.
    assert 1 < max(most) < 2 + 20 / 4


def test_half_as_many_products_are_made_and_vectors_are_read_by_panels(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    limit_memory(monkeypatch, 8, 100, 200, 2)
    vectors, matmul, made = OnDisk(gaussian(2000, 8, seed=4)), np.matmul, []

    def counted(a: np.ndarray, b: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        made.append(a.shape[0] * b.shape[1])
        return matmul(a, b, out=out)

    monkeypatch.setattr(np, "matmul", counted)
    StreamedIndex(vectors, ids_of(2000)).nearest_of_all(k=3)
    assert sum(made) == 100 * 100 * 20 * 21 / 2
    # Every 63rd for a center, all for their lengths, and in five panels of 400 that are held while all later
    # ones pass by, twice.
    assert sum(vectors.read) == 32 + 2000 + 2 * 400 * (5 + 4 + 3 + 2 + 1)


def test_vectors_that_fit_in_a_panel_are_read_once_to_be_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    limit_memory(monkeypatch, 8, 100, 200, 2)
    vectors = OnDisk(gaussian(390, 8, seed=4))
    StreamedIndex(vectors, ids_of(390)).nearest_of_all(k=3)
    assert sum(vectors.read) < 2 * 390 + 33


def test_few_pairs_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """As few as of vectors in memory: candidates wait until the limits are known."""
    limit_memory(monkeypatch, 64, 256, 512, 2)
    vectors, pairs, measure = gaussian(4096, 64, seed=13), [], candidates.pair_distances

    def counted(queries: Any, query: np.ndarray, *others: Any) -> np.ndarray:
        pairs.append(len(query))
        return measure(queries, query, *others)

    monkeypatch.setattr(candidates, "pair_distances", counted)
    StreamedIndex(OnDisk(vectors), ids_of(4096)).nearest_of_all(k=10)
    assert sum(pairs) < 4096 * 10 * 1.2


def test_a_vector_that_is_not_finite_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    limit_memory(monkeypatch, 4, 16, 40, 2)
    vectors = gaussian(300, 4, seed=2)
    vectors[250, 3] = np.inf
    with pytest.raises(InputError, match=f"the vector of {ids_of(300)[250]} has a NaN or an infinity"):
        StreamedIndex(OnDisk(vectors), ids_of(300)).nearest_of_all(k=1)


# As in test_streamed.py: a process that compares all vectors of a file of 74 MB, of which it keeps 8.
PROCESS = """
import re, sys
from pathlib import Path
import numpy as np
from objectspace.neighbors import StreamedIndex, paged

class File:
    shape = (4_500, 4096)
    def __getitem__(self, rows):
        if not isinstance(rows, slice):
            return np.concatenate([self[row : row + 1] for row in rows])
        count = (rows.stop - rows.start) * 4096
        return np.fromfile(sys.argv[1], np.float32, count, offset=rows.start * 16384).reshape(-1, 4096)

paged._RUN, paged._READ = 6 << 20, 3 << 20
def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])

before = peak()
index = StreamedIndex(File(), np.arange(4_500), metric=sys.argv[2])
found = index.nearest_of_all(k=3)
print(peak() - before, *(found.index[:, 0] == np.arange(4_500) ^ 1).nonzero()[0][:4])
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="VmHWM is Linux's")
def test_memory_is_that_of_a_panel_and_a_run(tmp_path: Path) -> None:
    with (tmp_path / "vectors").open("wb") as file:
        random = np.random.default_rng(3)
        for _ in range(6):
            random.random((750, 4096), np.float32).tofile(file)
    run = [sys.executable, "-c", PROCESS, str(tmp_path / "vectors"), "euclidean"]
    grown, *_ = subprocess.run(run, capture_output=True, text=True, check=True).stdout.split()
    # Vectors that are centered are there twice: 30 MB of them, what is read, and tables of products.
    assert 30_000 < int(grown) < 75_000
