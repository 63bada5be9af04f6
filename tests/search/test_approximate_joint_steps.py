"""Approximate search in a joint space whose indexes propose what is nearest, or too little."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from objectspace.neighbors import NO_NEIGHBOR, Block, JointIndex, JointVectors, Neighbors, Part
from objectspace.search import approximate_joint
from objectspace.search.approximate_joint import ApproximateJointIndex

COUNT = 50


class Source:
    """The vectors of a block, whose index proposes the nearest by cosine of those allowed."""

    def __init__(self, vectors: np.ndarray, asked: list[Any]) -> None:
        self.vectors, self.shape, self.asked = vectors, vectors.shape, asked

    def __getitem__(self, rows: Any) -> np.ndarray:
        return self.vectors[rows]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self.vectors if dtype is None else self.vectors.astype(dtype)

    def propose_rows(
        self, queries: np.ndarray, count: int, index: str, allowed: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        mask = np.ones(len(self.vectors), bool) if allowed is None else allowed
        self.asked.append((index, len(queries), count, None if allowed is None else int(mask.sum())))
        units = self.vectors / np.linalg.norm(self.vectors, axis=1, keepdims=True)
        far = np.where(mask, -(queries @ units.T), np.inf)
        rows = np.argsort(far, axis=1)[:, : min(count, int(mask.sum()))]
        return np.repeat(np.arange(len(queries)), rows.shape[1]), rows.ravel()


class Joint(JointVectors):
    """A crop of each but the last five, and windows at two strides, of which the fine ones have no index."""

    unindexed = 3

    def __init__(self) -> None:
        random = np.random.default_rng(91)
        self.asked: list[Any] = []
        held = [np.arange(COUNT - 5), np.arange(1, COUNT, 4), np.arange(2, COUNT, 2)]
        crop, fine, coarse = (
            Block(
                Source(random.standard_normal((len(rows), many)).astype(np.float32), self.asked),
                rows,
            )
            for rows, many in zip(held, (5, 2, 3), strict=True)
        )
        super().__init__([Part("cut", 1.0, 0.0, (crop,)), Part("map", 3.0, 0.25, (fine, coarse))], COUNT)
        self.indexes = ["crop", None, "coarse"]
        self.ids = np.array([f"{row * 37 % COUNT:03d}" for row in range(COUNT)])

    def object_ids(self, rows: Any = slice(None)) -> np.ndarray:
        return self.ids[rows]


def open_index(vectors: Joint, metric: str, candidates: int, groups: Any = None) -> ApproximateJointIndex:
    index: Any = SimpleNamespace(settings={"candidates": candidates})
    return ApproximateJointIndex(vectors, index, metric=metric, groups=groups)  # type: ignore[arg-type]


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("few", [0, 11, 1000])
def test_answers_are_the_exact_ones_among_what_is_proposed(
    metric: str, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of groups of one to twenty, unsorted, a query of none, filters that leave many, few, one and none.

    A query is proposed what has a vector where it has one, all of it; where that is too little it is compared
    with all.
    """
    monkeypatch.setattr(approximate_joint, "FEW", few)
    vectors, random = Joint(), np.random.default_rng(92)
    group = random.permutation(np.repeat([5, 0, 9, 2, 7], [20, 1, 4, 14, 11]))
    asked = vectors[[3, 48, 20, 1, 17, 46, 2]]
    own = np.array([5, 9, 9, 77, 2, 0, 5])
    exact = JointIndex(vectors[:], vectors.ids, metric=metric)
    proposed = np.zeros((len(asked), COUNT), bool)
    for of, block in zip(asked.blocks, vectors.blocks, strict=True):
        proposed[np.ix_(of.rows, block.rows)] = True
    orders: dict[tuple[int, bytes], Neighbors] = {}

    def first(row: int, left: np.ndarray, k: int) -> Neighbors:
        """The k nearest of some rows; the first of the 40 nearest, which are found once."""
        key = row, left.tobytes()
        if key not in orders:
            orders[key] = exact.nearest(asked[[row]], k=40, allowed=left)
        return Neighbors(orders[key].index[:, :k], orders[key].distance[:, :k])

    index = open_index(vectors, metric, 20)
    assert (len(index), index.unindexed) == (COUNT, 3)
    for grouped in (False, True):
        one = index.grouped(group) if grouped else index
        for kept in (1.0, 0.6, 0.22, 1 / COUNT, 0.0):
            allowed = np.zeros(COUNT, bool)
            allowed[random.permutation(COUNT)[: round(kept * COUNT)]] = True
            for k in (1, 4, 40):
                given = None if kept == 1 else allowed
                found = one.nearest(asked, k=k, allowed=given, query_groups=own if grouped else None)
                for row in range(len(asked)):
                    left = allowed & (group != own[row]) if grouped else allowed
                    some = left & proposed[row]
                    left = some if left.sum() > few and some.sum() >= k else left
                    true = first(row, left, k)
                    np.testing.assert_array_equal(found.index[[row]], true.index)
                    np.testing.assert_allclose(found.distance[[row]], true.distance, atol=1e-7)


def test_each_part_is_asked_for_so_many_candidates_for_each_neighbor(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten neighbors at least, of the queries and the rows that have a vector there."""
    monkeypatch.setattr(approximate_joint, "FEW", 4)
    vectors = Joint()
    index = open_index(vectors, "cosine", 2)
    asked = vectors[[3, 48, 20]]  # no crop of the second, no window of the first
    index.nearest(asked, k=3)
    assert vectors.asked == [("crop", 2, 20, None), ("coarse", 2, 20, None)]
    vectors.asked.clear()
    index.nearest(asked, k=11, allowed=np.arange(COUNT) >= 10)
    assert vectors.asked == [("crop", 2, 22, 35), ("coarse", 2, 22, 20)]
    vectors.asked.clear()
    index.nearest(asked, k=11, allowed=np.arange(COUNT) < 4)
    assert vectors.asked == []
    index.nearest(asked, k=1, allowed=np.arange(COUNT) < 5)
    assert vectors.asked == [("crop", 2, 20, 5), ("coarse", 2, 20, 2)]


def test_where_fewer_are_proposed_the_search_is_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of ten candidates of each part; as many as are asked for are enough."""
    monkeypatch.setattr(approximate_joint, "FEW", 0)
    vectors = Joint()
    exact = JointIndex(vectors[:], vectors.ids, metric="cosine")
    index, counts = open_index(vectors, "cosine", 1), []
    monkeypatch.setattr(index, "exact", lambda: counts.append(1) or exact)
    asked = vectors[[48]]  # which has a coarse window alone
    for k, exactly in ((9, 0), (10, 0), (24, 0), (40, 1)):
        counts.clear()
        vectors.asked.clear()
        found = index.nearest(asked, k=k)
        assert len(counts) == exactly
        assert (found.index[0] != NO_NEIGHBOR).all()
        assert vectors.asked == [("coarse", 1, max(k, 10), None)]
        if exactly:
            np.testing.assert_array_equal(found.index, exact.nearest(asked, k=k).index)


def test_cosines_are_those_of_each_part() -> None:
    vectors = Joint()
    index, exact = open_index(vectors, "cosine", 1), JointIndex(vectors[:], vectors.ids, metric="cosine")
    asked, query, rows = vectors[[3, 48, 20]], np.array([2, 0, 0, 1]), np.array([7, 7, 49, 2])
    found = index.cosines(asked, query, rows)
    np.testing.assert_allclose(found, exact.cosines(asked, query, rows), atol=1e-12)
    assert found.shape == (4, 2)
    assert found[2, 0] == 0
