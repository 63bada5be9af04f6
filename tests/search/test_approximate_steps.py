"""Approximate search with an index that proposes what is nearest, or too little: beside sorted distances."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from objectspace.errors import QueryError
from objectspace.neighbors import NO_NEIGHBOR, Neighbors
from objectspace.search import approximate
from objectspace.search.approximate import (
    ApproximateIndex,
    approximate_index,
    measure_recall,
    recall_of,
    require_index,
)

COUNT, NUMBERS = 60, 3


class Proposing:
    """Vectors on disk whose index proposes the nearest of those allowed, the last row first among equals.

    generous: whether it proposes what is as near as the last one, too; otherwise it proposes only half
    """

    def __init__(self, *, generous: bool = True, unindexed: int = 0) -> None:
        random = np.random.default_rng(81)
        self.vectors = random.integers(-2, 3, (COUNT, NUMBERS)).astype(np.float32)
        self.vectors[~self.vectors.any(1), 0] = 1
        self.ids = np.array([f"{row * 37 % COUNT:03d}" for row in range(COUNT)])
        self.shape, self.generous, self.unindexed = self.vectors.shape, generous, unindexed
        self.asked: list[tuple[int, int, int]] = []

    def __len__(self) -> int:
        return COUNT

    def __getitem__(self, rows: Any) -> np.ndarray:
        return self.vectors[rows]

    def object_ids(self, rows: Any = slice(None)) -> np.ndarray:
        return self.ids[rows]

    def propose_rows(
        self, queries: np.ndarray, count: int, index: Any, allowed: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        mask = np.ones(COUNT, bool) if allowed is None else allowed
        self.asked.append((len(queries), count, int(mask.sum())))
        found = []
        for number, query in enumerate(queries):
            far = distances(query, self.vectors, index.metric)
            rows = sorted(np.flatnonzero(mask).tolist(), key=lambda row: (far[row], -row))
            last = far[rows[min(count, len(rows)) - 1]] if rows else 0
            some = [row for row in rows if far[row] <= last] if self.generous else rows[: count // 2]
            found += [(number, row) for row in some]
        query, row = np.array(found, np.int64).reshape(-1, 2).T
        return query, row

    def propose(self, *asked: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        query, row = self.propose_rows(*asked)
        return query, row, self.vectors[row]


def distances(query: np.ndarray, vectors: np.ndarray, metric: str) -> np.ndarray:
    one, others = query.astype(float), vectors.astype(float)
    if metric == "euclidean":
        return np.sqrt(((others - one) ** 2).sum(1))
    lengths = np.linalg.norm(one) * np.linalg.norm(others, axis=1)
    return 1 - np.divide(others @ one, lengths, where=lengths > 0, out=np.zeros(len(others)))


def settings(metric: str, candidates: int = 1) -> Any:
    return SimpleNamespace(metric=metric, settings={"candidates": candidates})


def expected(
    vectors: Proposing, query: np.ndarray, metric: str, k: int, left: np.ndarray
) -> tuple[list[float], list[str]]:
    """The distances and ids of the k nearest of the rows that are left, equals by id."""
    far = distances(query, vectors.vectors, metric).round(9)
    rows = sorted(np.flatnonzero(left).tolist(), key=lambda row: (far[row], vectors.ids[row]))[:k]
    return far[rows].tolist(), vectors.ids[rows].tolist()


def check(
    found: Neighbors, vectors: Proposing, queries: np.ndarray, metric: str, k: int, left: np.ndarray
) -> None:
    assert found.index.shape == found.distance.shape == (len(queries), k)
    for row, query in enumerate(queries):
        far, ids = expected(vectors, query, metric, k, left[row])
        there = found.index[row] != NO_NEIGHBOR
        assert there.tolist() == [True] * len(far) + [False] * (k - len(far))
        np.testing.assert_allclose(found.distance[row][there], far, atol=1e-6)
        assert (found.distance[row][~there] == np.inf).all()
        if metric == "euclidean":  # whose equals are exactly equal
            assert vectors.ids[found.index[row][there]].tolist() == ids


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("few", [0, 20, 1000])
@pytest.mark.parametrize("generous", [True, False])
def test_answers_are_those_of_sorted_distances(
    metric: str, grouped: bool, few: int, generous: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of groups of one to thirty, unsorted, with filters that leave many, few, one and none.

    By cosine one query has no direction.
    """
    monkeypatch.setattr(approximate, "FEW", few)
    vectors, random = Proposing(generous=generous), np.random.default_rng(82)
    group = random.permutation(np.repeat([5, 0, 9, 2, 7], [30, 1, 4, 14, 11]))
    queries = np.concatenate([vectors.vectors[::9], random.integers(-2, 3, (3, NUMBERS))]).astype(np.float32)
    queries[2] = 0 if metric == "cosine" else queries[2]
    own = random.permutation([5, 5, 0, 9, 9, 2, 7, 77, 5, 2])[: len(queries)]
    for in_memory in (None, vectors.vectors):
        index = ApproximateIndex(vectors, settings(metric), in_memory=in_memory)  # type: ignore[arg-type]
        index = index.grouped(group) if grouped else index
        for kept in (1.0, 0.6, 0.3, 1 / COUNT, 0.0):
            allowed = np.zeros(COUNT, bool)
            allowed[random.permutation(COUNT)[: round(kept * COUNT)]] = True
            given = None if kept == 1 else allowed
            left = np.tile(allowed, (len(queries), 1))
            if grouped:
                left &= group != own[:, None]
            for k in (1, 4, 40):
                found = index.nearest(queries, k=k, allowed=given, query_groups=own if grouped else None)
                if generous or k == 40 or (given is not None and few == 1000):
                    check(found, vectors, queries, metric, k, left)
                    continue
                # Half of ten candidates: there are k in any case, and each at its true distance.
                there = found.index != NO_NEIGHBOR
                assert (there.sum(1) == np.minimum(k, left.sum(1))).all()
                for row, query in enumerate(queries):
                    assert left[row][found.index[row][there[row]]].all()
                    far = distances(query, vectors.vectors, metric)[found.index[row][there[row]]]
                    np.testing.assert_allclose(found.distance[row][there[row]], far, atol=1e-6)


def test_so_many_candidates_are_asked_for_and_so_many_queries_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Twice as many as neighbors, ten at least; those of small groups in addition, large ones left out."""
    monkeypatch.setattr(approximate, "FEW", 5)
    vectors, group = Proposing(), np.repeat([0, 1, 2, 3], [31, 2, 20, 7])
    queries = vectors.vectors[[0, 31, 40, 59, 1]]
    index = ApproximateIndex(vectors, settings("euclidean", 2), groups=group)  # type: ignore[arg-type]
    own = np.array([0, 1, 2, 3, 0])
    index.nearest(queries, k=3, query_groups=own)
    # Twenty candidates: a group of twenty is no more than these.
    assert vectors.asked == [(3, 40, 60), (2, 20, 29)]
    vectors.asked.clear()
    index.nearest(queries, k=12, query_groups=own)
    assert vectors.asked == [(3, 44, 60), (2, 24, 29)]
    vectors.asked.clear()
    allowed = np.arange(COUNT) % 2 == 0
    index.nearest(queries, k=3, query_groups=own, allowed=allowed)
    # Of the allowed ones sixteen are of the first group, ten of the third.
    assert vectors.asked == [(5, 30, 30)]
    vectors.asked.clear()
    index.nearest(queries, k=3)
    assert vectors.asked == [(5, 20, 60)]
    vectors.asked.clear()
    for at_once, counts in (
        (4 * 20 * NUMBERS * 2, [2, 2, 1]),
        (4 * 20 * NUMBERS * 2 - 1, [1] * 5),
        (1, [1] * 5),
    ):
        monkeypatch.setattr(approximate, "PROPOSED", at_once)
        index.nearest(queries, k=3)
        assert [asked[0] for asked in vectors.asked] == counts
        vectors.asked.clear()


@pytest.mark.parametrize(("few", "proposes"), [(29, True), (30, False), (31, False)])
def test_filters_that_leave_few_propose_nothing(
    few: int, proposes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(approximate, "FEW", few)
    vectors = Proposing()
    index = ApproximateIndex(vectors, settings("euclidean"))  # type: ignore[arg-type]
    index.nearest(vectors.vectors[:2], k=3, allowed=np.arange(COUNT) < 30)
    assert bool(vectors.asked) is proposes
    vectors.asked.clear()
    index.nearest(vectors.vectors[:2], k=3)
    assert vectors.asked


def test_only_what_is_short_is_searched_for_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    """A query that found all that there is for it is not searched for again."""
    monkeypatch.setattr(approximate, "FEW", 0)
    asked: list[list[int]] = []
    vectors, group = Proposing(), np.repeat([0, 1], [57, 3])
    index = ApproximateIndex(vectors, settings("euclidean"), groups=group)  # type: ignore[arg-type]
    exactly = index._search_exactly

    def search(queries: np.ndarray, k: int, rows: np.ndarray, own: np.ndarray) -> Neighbors:
        asked.append(own.tolist())
        return exactly(queries, k, rows, own)

    monkeypatch.setattr(index, "_search_exactly", search)
    found = index.nearest(vectors.vectors[[0, 58]], k=5, query_groups=np.array([0, 1]))
    assert (found.index != NO_NEIGHBOR).sum(1).tolist() == [3, 5]
    assert asked == []
    vectors.generous = False
    index.nearest(vectors.vectors[[0, 58]], k=9, query_groups=np.array([0, 1]))
    assert asked == [[0, 1]] or asked == [[1]]


def test_the_recall_is_of_ten_neighbors_but_the_object_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of an index that finds every other neighbor; drawn from seed 0."""
    monkeypatch.setattr(approximate, "_SAMPLE", 7)
    drawn = np.random.default_rng(0).choice(COUNT, 7, replace=False)
    vectors, asked = Proposing(), []

    def answer(of: np.ndarray, k: int, step: int) -> Neighbors:
        asked.append((of.tolist(), k, step))
        index = np.stack([np.append(row, (row + step * np.arange(1, k)) % COUNT) for row in np.sort(drawn)])
        far = np.tile(np.arange(k) * step / 8, (len(index), 1))
        return Neighbors(index, far)

    given = SimpleNamespace(
        vectors=vectors,
        exact=lambda: SimpleNamespace(nearest=lambda of, k: answer(of, k, 1)),
        nearest=lambda of, k: answer(of, k, 2),
    )
    recall = measure_recall(given)
    assert recall.n == 7
    assert recall.recall_at_10 == 0.5
    assert [one[1:] for one in asked] in ([(11, 1), (11, 2)], [(11, 2), (11, 1)])
    assert asked[0][0] == vectors.vectors[np.sort(drawn)].tolist()


def test_an_interval_of_no_hit_begins_at_0_and_of_hits_alone_ends_at_1() -> None:
    for share in (0.0, 1.0):
        recall = recall_of(np.full((9, 10), 1 - share), np.full((9, 10), 0.5))
        assert recall.recall_at_10 == share
        assert (recall.low == 0, recall.high == 1) == (share == 0, share == 1)


def test_a_space_is_searched_by_its_own_index_or_told_how_to_build_one() -> None:
    space = SimpleNamespace(name="mine", index=None, vectors=None)
    build = "with: objectspace index-space STORE --space mine --metric cosine"
    with pytest.raises(QueryError, match=f"^space mine has no approximate index; build it {build}$"):
        require_index(space, metric="cosine")  # type: ignore[arg-type]
    space.index = settings("euclidean")
    assert require_index(space, metric="cosine") is space.index  # type: ignore[arg-type]
    with pytest.raises(
        QueryError, match=f"is of euclidean distances; give that as metric=, or build it anew {build}$"
    ):
        approximate_index(space, metric="cosine")  # type: ignore[arg-type]


def test_an_index_knows_its_size_and_what_came_after_it() -> None:
    vectors = Proposing(unindexed=4)
    index = ApproximateIndex(vectors, settings("euclidean"))  # type: ignore[arg-type]
    assert (len(index), index.unindexed) == (COUNT, 4)
    check(
        index.exact().nearest(vectors.vectors[:4], k=5),
        vectors,
        vectors.vectors[:4],
        "euclidean",
        5,
        np.ones((4, COUNT), bool),
    )
