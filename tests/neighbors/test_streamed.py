"""Search over vectors on disk gives the answers of search in memory, bit for bit, in bounded memory."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from objectspace.errors import InputError, QueryError
from objectspace.neighbors import ExactIndex, StreamedIndex, candidates, streamed
from objectspace.neighbors.sources import SomeRows
from tests.neighbors.test_exact import check_same

IDS = np.array([f"{number:06d}" for number in np.random.default_rng(0).permutation(1500)])


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of 100 rows of 16 numbers."""
    monkeypatch.setattr(streamed, "_BLOCK", 100 * 16 * 4)


@pytest.fixture
def mapped(tmp_path):
    """1500 vectors in a file, every third one twice, at an offset that float32 products feel."""
    random = np.random.default_rng(21)
    vectors = (random.standard_normal((1500, 16)) + 20).astype(np.float32)
    vectors[1::3] = vectors[::3]
    vectors.tofile(tmp_path / "vectors")
    return np.memmap(tmp_path / "vectors", np.float32, mode="r", shape=vectors.shape)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_answers_are_those_of_search_in_memory(small_blocks, mapped, metric):
    groups = np.arange(1500) // 4
    in_memory = ExactIndex(np.array(mapped), IDS, metric=metric, groups=groups)
    on_disk = StreamedIndex(mapped, IDS, metric=metric, groups=groups)
    queries = mapped[:40] + np.float32(0.1)
    check_same(on_disk.nearest(queries, k=7), in_memory.nearest(queries, k=7))
    check_same(on_disk.nearest(mapped[:40], k=400), in_memory.nearest(mapped[:40], k=400))
    own = groups[:40]
    check_same(
        on_disk.nearest(mapped[:40], k=7, query_groups=own),
        in_memory.nearest(mapped[:40], k=7, query_groups=own),
    )


@pytest.mark.parametrize("count", [40, 1200], ids=["picked one by one", "read in one go"])
def test_rows_in_any_order_are_read_in_that_of_the_disk(mapped, count):
    class InOrder:
        shape = mapped.shape

        def __getitem__(self, rows):
            assert isinstance(rows, slice) or (np.diff(rows) >= 0).all()
            return mapped[rows]

    rows = np.random.default_rng(3).integers(0, 1500, count)
    some = SomeRows(InOrder(), rows)
    assert (some.shape, len(some)) == ((count, 16), count)
    np.testing.assert_array_equal(some[5:37], mapped[rows[5:37]])
    np.testing.assert_array_equal(some[:], mapped[rows])


@pytest.mark.parametrize("share", [0.9, 0.3, 0.2, 0.01, 0.0, "dense, then sparse"])
def test_a_filter_leaves_the_same_answers(small_blocks, mapped, share):
    shares = np.where(np.arange(1500) < 650, 0.9, 0.15) if isinstance(share, str) else share
    allowed = np.random.default_rng(1).random(1500) < shares
    in_memory = ExactIndex(np.array(mapped), IDS).nearest(mapped[:9], k=5, allowed=allowed)
    check_same(StreamedIndex(mapped, IDS).nearest(mapped[:9], k=5, allowed=allowed), in_memory)


def test_a_block_has_a_row_at_least(mapped, monkeypatch):
    monkeypatch.setattr(streamed, "_BLOCK", 3)
    some = mapped[:60]
    check_same(
        StreamedIndex(some, IDS[:60]).nearest(some[:9], k=5),
        ExactIndex(some, IDS[:60]).nearest(some[:9], k=5),
    )


def test_vectors_of_no_numbers_are_all_at_distance_zero():
    nothing = np.empty((4, 0), np.float32)
    found = StreamedIndex(nothing, IDS[:4]).nearest(nothing[:2], k=3)
    check_same(found, ExactIndex(nothing, IDS[:4]).nearest(nothing[:2], k=3))
    assert (found.distance == 0).all()


def test_a_block_is_searched_no_farther_than_the_blocks_before(small_blocks, monkeypatch):
    """Of fifteen blocks the first alone has the neighbors: hardly a row of the others is measured."""
    random = np.random.default_rng(2)
    vectors = random.standard_normal((1500, 16)).astype(np.float32) + 3
    vectors[:100] -= 3
    measured, pair_distances = [], candidates.pair_distances

    def counted(queries, query, *others):
        measured.append(len(query))
        return pair_distances(queries, query, *others)

    monkeypatch.setattr(candidates, "pair_distances", counted)
    found = StreamedIndex(vectors, IDS).nearest(vectors[:20], k=5)
    assert (found.index < 100).all()
    assert sum(measured) < 20 * 5 * 4


@settings(max_examples=60, deadline=None)
@given(data=st.data(), metric=st.sampled_from(["euclidean", "cosine"]))
def test_any_numbers_in_any_blocks(data, metric):
    numbers = st.one_of(st.integers(-2, 2).map(float), st.sampled_from([1e-30, 1e19, -1e25, 1e4 + 1]))
    row = st.lists(numbers, min_size=3, max_size=3)
    vectors = np.float32(data.draw(st.lists(row, max_size=12))).reshape(-1, 3)
    queries = np.float32(data.draw(st.lists(row, min_size=1, max_size=3)))
    ids = IDS[: len(vectors)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streamed, "_BLOCK", 12 * data.draw(st.integers(1, 13)))
        found = StreamedIndex(vectors, ids, metric=metric).nearest(queries, k=4)
    check_same(found, ExactIndex(vectors, ids, metric=metric).nearest(queries, k=4))


def test_a_vector_that_is_not_finite_is_named(small_blocks):
    vectors = np.zeros((700, 16), np.float32)
    vectors[650, 3] = np.nan
    with pytest.raises(InputError, match=f"the vector of {IDS[650]} has a NaN"):
        StreamedIndex(vectors, IDS[:700]).nearest(vectors[:1], k=1)


def test_what_cannot_be_searched_is_refused(mapped):
    with pytest.raises(QueryError, match="metric 'dot' is unknown; expected euclidean or cosine"):
        StreamedIndex(mapped, IDS, metric="dot")
    with pytest.raises(InputError, match="1499 ids for 1500 vectors"):
        StreamedIndex(mapped, IDS[1:])
    with pytest.raises(InputError, match=r"shape \(16,\), expected \(objects, numbers\)"):
        StreamedIndex(mapped[0], IDS[:16])
    with pytest.raises(QueryError, match=r"expected \(queries, 16\)"):
        StreamedIndex(mapped, IDS).nearest(np.zeros((1, 3), np.float32), k=1)
    with pytest.raises(QueryError, match="k is 0"):
        StreamedIndex(mapped, IDS).nearest(mapped[:1], k=0)


# A process that searches 100 MB in blocks of 4 MB, by read() so that no page of the file counts as its own.
# Its peak is VmHWM: ru_maxrss begins at what the parent had.
PROCESS = """
import re, sys
from pathlib import Path
import numpy as np
from objectspace.neighbors import StreamedIndex, streamed

class File:
    shape = (100_000, 256)
    def __getitem__(self, rows):
        count = (rows.stop - rows.start) * 256
        return np.fromfile(sys.argv[1], np.float32, count, offset=rows.start * 1024).reshape(-1, 256)

streamed._BLOCK = 1 << 22
index = StreamedIndex(File(), np.arange(100_000))
queries = File()[slice(7, 9)]
def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])

before = peak()
found = index.nearest(queries, k=3)
print(peak() - before, *found.index[:, 0])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="VmHWM is Linux's")
def test_memory_is_that_of_the_blocks(tmp_path):
    with (tmp_path / "vectors").open("wb") as file:
        random = np.random.default_rng(3)
        for _ in range(10):
            random.random((10_000, 256), np.float32).tofile(file)
    run = [sys.executable, "-c", PROCESS, str(tmp_path / "vectors")]
    grown, *nearest = subprocess.run(run, capture_output=True, text=True, check=True).stdout.split()
    assert nearest == ["7", "8"]
    assert 4_000 < int(grown) < 40_000
