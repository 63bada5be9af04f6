"""Rows of a joint space, read or on disk, in any order, against its vectors written out one by one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from objectspace.errors import InputError, QueryError
from objectspace.neighbors import NO_NEIGHBOR, Block, JointIndex, JointVectors, Part, joint, select_rows
from objectspace.neighbors.joint_vectors import joint_distances, share_blocks
from objectspace.neighbors.sources import SomeRows
from tests.neighbors.test_joint import ids_of, make_joint, slow_cosine, slow_distances

COUNT = 60


@pytest.fixture(params=["on disk", "in memory"])
def vectors(request: pytest.FixtureRequest) -> JointVectors:
    made = make_joint(COUNT, weights=(3.0, 0.5))
    assert not made.in_memory
    return made if request.param == "on disk" else made[:]


def pieces(vectors: JointVectors, row: int) -> list[list[float] | None]:
    """The numbers of one row in each block, None where it has none."""
    found: list[list[float] | None] = []
    for block in vectors.blocks:
        rows = block.rows.tolist()
        found.append(np.asarray(block.source[:])[rows.index(row)].tolist() if row in rows else None)
    return found


ORDERS: dict[str, Any] = {
    "a slice": slice(5, 41, 3),
    "gapless": np.arange(11, 30),
    "backwards": np.arange(30, 11, -1),
    "no order": np.random.default_rng(81).permutation(COUNT)[:37],
    "mask": np.random.default_rng(82).random(COUNT) < 0.4,
    "every other": np.arange(0, COUNT, 2),
    "one": np.array([COUNT - 1]),
    "all": np.arange(COUNT),
    "nothing": np.empty(0, np.int64),
}


@pytest.mark.parametrize("order", ORDERS)
def test_some_rows_have_their_own_vectors(vectors: JointVectors, order: str) -> None:
    wanted = np.arange(COUNT)[ORDERS[order]]
    taken = vectors[ORDERS[order]]
    assert taken.in_memory
    assert len(taken) == len(wanted)
    assert taken.shares.tolist() == vectors.shares.tolist()
    for place, row in enumerate(wanted):
        assert pieces(taken, place) == pieces(vectors, row)
    for block in taken.blocks:
        assert (np.diff(block.rows) > 0).all()
        exact = np.linalg.norm(np.asarray(block.source, float), axis=1)
        np.testing.assert_allclose(block.lengths, exact, rtol=1e-14)
    # By either way to some rows the same distances.
    np.testing.assert_array_equal(np.asarray(taken), np.asarray(vectors)[wanted])


@pytest.mark.parametrize("order", ["no order", "gapless", "nothing"])
def test_selected_rows_stay_where_they_were(vectors: JointVectors, order: str) -> None:
    """On disk, or in memory; and rows selected of selected ones are those of the first."""
    rows = ORDERS[order]
    some = select_rows(vectors, rows)
    assert some.in_memory is vectors.in_memory
    assert some.shape == (len(rows), vectors.shape[1])
    again = select_rows(some, np.arange(len(rows))[::-2])
    for selected, expected in ((some, rows), (again, rows[::-2])):
        assert len(selected) == len(expected)
        for place, row in enumerate(expected):
            assert pieces(selected, place) == pieces(vectors, row)


def test_all_rows_in_their_order_are_the_vectors_themselves(vectors: JointVectors) -> None:
    plain = np.arange(12, dtype=np.float32).reshape(4, 3)
    for whole in (vectors, plain):
        assert select_rows(whole, np.arange(len(whole))) is whole
        assert select_rows(whole, np.arange(len(whole))[::-1]) is not whole
        assert select_rows(whole, np.arange(len(whole) - 1)) is not whole
    some = select_rows(plain, np.array([3, 1]))
    assert some.tolist() == [[9, 10, 11], [3, 4, 5]]
    on_disk = SomeRows(plain, np.array([2, 3, 0]))
    assert select_rows(on_disk, np.arange(3)) is on_disk
    assert select_rows(on_disk, np.array([2, 0]))[:].tolist() == [[0, 1, 2], [6, 7, 8]]


def test_gapless_rows_in_memory_are_a_view() -> None:
    vectors = make_joint(COUNT)[:]
    crop = vectors.parts[0].blocks[0].source
    assert np.shares_memory(vectors[4:20].parts[0].blocks[0].source, crop)
    assert not np.shares_memory(vectors[4:20:2].parts[0].blocks[0].source, crop)


def test_pairs_share_a_block_of_a_part_or_none() -> None:
    one, other = make_joint(30), make_joint(20)
    query, rows = (column.ravel() for column in np.meshgrid(np.arange(30), np.arange(20)))
    found = share_blocks(one, query, other, rows)
    for first, second, both in zip(query, rows, found, strict=True):
        of_first, of_second = pieces(one, first), pieces(other, second)
        there = [a is not None and b is not None for a, b in zip(of_first, of_second, strict=True)]
        assert both.tolist() == [there[0], there[1] or there[2]]
    assert {tuple(pair) for pair in found.tolist()} == {(a, b) for a in (True, False) for b in (True, False)}


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_each_row_is_as_far_from_the_same_row_of_others_as_in_a_loop(metric: str) -> None:
    one, other = (make_joint(COUNT, missing=-0.5, weights=(1.0, 3.0))[:] for _ in range(2))
    found = joint_distances(one, other, metric)
    for row in range(COUNT):
        cosines = []
        for part, its in zip(one.parts, other.parts, strict=True):
            blocks = [
                Block(np.stack([a.source[place], b.source[place]]), np.arange(2))
                for a, b in zip(part.blocks, its.blocks, strict=True)
                for place in np.flatnonzero(a.rows == row)
            ]
            cosines.append(slow_cosine(Part("", 1.0, -0.5, tuple(blocks)), 0, 1))
        cosine = 1 - (0.25 * cosines[0] + 0.75 * cosines[1])
        expected = cosine if metric == "cosine" else (2 * cosine) ** 0.5
        assert found[row] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("few", [False, True], ids=["some", "one at a time"])
def test_queries_and_rows_in_shares_have_the_answers_of_a_double_loop(
    monkeypatch: pytest.MonkeyPatch, vectors: JointVectors, few: bool
) -> None:
    """In groups of unequal sizes, of which some queries have none, with rows left out, and k beyond them."""
    random = np.random.default_rng(83)
    groups, allowed = random.integers(0, 6, COUNT) ** 2, random.random(COUNT) < 0.8
    own = np.where(np.arange(COUNT) % 5 == 0, 99, groups)
    monkeypatch.setattr(joint, "_TABLE", 1 if few else 13 * 17)
    monkeypatch.setattr(joint, "QUERIES", 17)
    monkeypatch.setattr(joint, "_READ", 1 if few else 19 * 4 * vectors.shape[1])
    monkeypatch.setattr(joint, "_QUERIES", 13 * 4 * vectors.shape[1])
    ids, cosine, queries = ids_of(COUNT), slow_distances(vectors), vectors[:]
    for metric, slow in (("cosine", cosine), ("euclidean", np.sqrt(2 * cosine))):
        index = JointIndex(vectors, ids, metric=metric).grouped(groups)
        for k in (4,) if few else (1, 4, 23, 75):
            found = index.nearest(queries, k=k, allowed=allowed, query_groups=own)
            for row in range(COUNT):
                others = np.flatnonzero(allowed & (groups != own[row]))
                near = others[np.lexsort((ids[others], slow[row, others]))][:k]
                assert found.index[row].tolist() == [*near, *[NO_NEIGHBOR] * (k - len(near))]
                np.testing.assert_allclose(found.distance[row, : len(near)], slow[row, near], atol=1e-6)
                assert np.isinf(found.distance[row, len(near) :]).all()


def test_what_is_read_at_once_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nineteen rows of all blocks by their numbers, however many similarities a table could have."""
    made, read = make_joint(COUNT), []

    class Counted:
        def __init__(self, source: np.ndarray) -> None:
            self.source, self.shape = source, source.shape

        def __getitem__(self, rows: Any) -> np.ndarray:
            read.append(len(self.source[rows]))
            return self.source[rows]

    parts = [
        Part(p.name, p.weight, p.missing, tuple(Block(Counted(b.source), b.rows) for b in p.blocks))
        for p in made.parts
    ]
    queries = made[:5]
    monkeypatch.setattr(joint, "_READ", 19 * 4 * made.shape[1])
    JointIndex(JointVectors(parts, COUNT), ids_of(COUNT)).nearest(queries, k=3)
    assert max(read) <= 19
    assert sum(read) == sum(len(block.rows) for block in made.blocks)


@pytest.mark.parametrize("missing", [-1.0, 0.0, 1.0])
def test_a_missing_part_counts_from_minus_one_to_one(missing: float) -> None:
    assert make_joint(missing=missing).parts[0].missing == missing
    for beyond in (-1.01, 1.01, np.nan):
        with pytest.raises(InputError, match=r"part crop: a missing one counts .*expected -1 to 1"):
            make_joint(missing=beyond)


def crop(source: np.ndarray, rows: list[int], name: str = "crop") -> Part:
    return Part(name, 1.0, 0.0, (Block(source, np.array(rows, np.int64)),))


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        (lambda: [], r"parts \[\]: expected one or more"),
        (lambda: [crop(np.ones((2, 3)), [0, 1]), crop(np.ones((1, 4)), [0])], "expected one or more, by own"),
        (lambda: [crop(np.ones((2, 3)), [0, 1, 2])], "part crop: 2 vectors of 3 rows"),
        (lambda: [crop(np.ones((2, 3)), [0, 5])], "part crop: vectors of rows outside 0 to 4"),
    ],
    ids=["none", "one name", "another count", "beyond"],
)
def test_parts_that_are_no_joint_space_are_refused(parts: Callable[[], list[Part]], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        JointVectors(parts(), 5)
    assert len(JointVectors([crop(np.ones((2, 3)), [0, 4]), crop(np.ones((0, 3)), [], "other")], 5)) == 5


def test_queries_that_cannot_be_asked_are_refused(vectors: JointVectors) -> None:
    index, queries = JointIndex(vectors, ids_of(COUNT)), vectors[:3]
    for k in (0, -1):
        with pytest.raises(QueryError, match=f"k is {k}; expected 1 or more"):
            index.nearest(queries, k=k)
    with pytest.raises(QueryError, match="have no groups"):
        index.nearest(queries, k=1, query_groups=[1, 2, 3])
    with pytest.raises(QueryError, match="metric 'dot' is unknown"):
        JointIndex(vectors, ids_of(COUNT), metric="dot")
    narrower = crop(np.ones((3, 5), np.float32), [0, 1, 2])
    with pytest.raises(QueryError, match=r"queries have the parts \[\('crop', 5\)"):
        index.nearest(JointVectors([narrower, *queries.parts[1:]], 3)[:], k=1)


def test_a_vector_that_is_not_finite_is_named_wherever_it_is(vectors: JointVectors) -> None:
    """The last row of the coarse windows: in memory when the index is made, on disk when it is read."""
    sources = [np.array(block.source[:]) for block in vectors.blocks]
    row = int(vectors.blocks[2].rows[-1])
    sources[2][-1, 7] = np.inf
    blocks = [Block(source, block.rows) for source, block in zip(sources, vectors.blocks, strict=True)]
    parts = [
        Part("crop", 1.0, 0.25, (blocks[0],)),
        Part("window", 1.0, 0.25, (blocks[1], blocks[2])),
    ]
    damaged = JointVectors(parts, COUNT)
    if vectors.in_memory:
        with pytest.raises(InputError, match=f"the vector of {ids_of(COUNT)[row]} has a NaN"):
            JointIndex(damaged[:], ids_of(COUNT))
        return
    index = JointIndex(damaged, ids_of(COUNT))
    allowed = np.arange(COUNT) % 4 != 2
    with pytest.raises(InputError, match=f"the vector of {ids_of(COUNT)[row]} has a NaN"):
        index.nearest(vectors[:1], k=2, allowed=allowed)
    allowed[row] = False
    assert index.nearest(vectors[:1], k=2, allowed=allowed).index.shape == (1, 2)


def test_written_out_vectors_are_float32_or_what_is_asked_for(vectors: JointVectors) -> None:
    written = np.asarray(vectors)
    assert written.dtype == np.float32
    wider = np.asarray(vectors, np.float64)
    assert wider.dtype == np.float64
    np.testing.assert_array_equal(wider, written)
