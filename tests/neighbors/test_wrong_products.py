"""Near ties under products that are as wrong as float32's may be, each against the nearest rows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from objectspace.neighbors import (
    Block,
    ExactIndex,
    JointIndex,
    JointVectors,
    Part,
    StreamedIndex,
    candidates,
    joint,
    mutual,
    streamed,
)
from objectspace.neighbors.distances import pair_distances
from tests.neighbors.test_exact import ids_of

# Rows around each query, how many of them are its nearest, numbers of a vector, unit roundoff of float32.
ROWS, NEAREST, NUMBERS, UNIT = 90, 6, 512, 2.0**-24
QUERIES = 3
# All rows of a query are this far from it, in steps that float32 products of 512 numbers do not resolve.
ANGLE, STEP = 1.2, 2e-7
# Between the cosines of the sixth and the seventh of every query.
THRESHOLD = np.cos(ANGLE + STEP * (NEAREST - 0.5))


def cones(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Queries along axes, and rows of unit length around them, in no order."""
    random = np.random.default_rng(seed)
    axes = np.eye(NUMBERS)[[0, 100, 300]]
    rows = []
    for axis in axes:
        across = random.standard_normal((ROWS, NUMBERS)) * (axis == 0)
        across /= np.linalg.norm(across, axis=1, keepdims=True)
        angles = ANGLE + STEP * random.permutation(ROWS)[:, None]
        rows.append(np.cos(angles) * axis + np.sin(angles) * across)
    vectors = np.concatenate(rows)[random.permutation(ROWS * QUERIES)].astype(np.float32)
    return axes.astype(np.float32), vectors


def against(threshold: float) -> Callable[..., np.ndarray]:
    """A matrix product that makes pairs of a larger cosine less alike, others more, by all that may be."""
    matmul = np.matmul

    def worst(a: np.ndarray, b: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        exact = matmul(a.astype(float), b.astype(float))
        lengths = np.linalg.norm(a.astype(float), axis=1)[:, None] * np.linalg.norm(b.astype(float), axis=0)
        bound = NUMBERS * UNIT / (1 - NUMBERS * UNIT) * lengths
        wrong = (exact - bound * np.sign(exact - threshold * lengths)).astype(np.float32)
        if out is None:
            return wrong
        out[:] = wrong
        return out

    return worst


def first_by_distance(
    queries: np.ndarray, vectors: np.ndarray, metric: str, left_out: np.ndarray | None = None
) -> list[list[int]]:
    """The rows of the six smallest float64 distances, equal ones by id."""
    every, answers = np.arange(len(vectors)), []
    for number in range(len(queries)):
        distances = pair_distances(queries, np.full(len(vectors), number), vectors, every, metric)
        if left_out is not None:
            distances[left_out[number]] = np.inf
        answers.append(np.lexsort((ids_of(len(vectors)), distances))[:NEAREST].tolist())
    return answers


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of few rows, so that the limits of one meet the rows of the next."""
    monkeypatch.setattr(candidates, "_FIRST_ROWS", 11)
    monkeypatch.setattr(candidates, "_PRODUCT", 40 * QUERIES)
    monkeypatch.setattr(streamed, "_BLOCK", 35 * NUMBERS * 4)
    monkeypatch.setattr(mutual, "QUERIES", 37)
    monkeypatch.setattr(joint, "_TABLE", 35 * QUERIES)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("index", [ExactIndex, StreamedIndex])
@pytest.mark.parametrize("scale", [1.0, 2.0**-60])
def test_no_neighbor_is_lost_in_any_block(
    monkeypatch: pytest.MonkeyPatch, metric: str, index: type, scale: float
) -> None:
    queries, vectors = (part * np.float32(scale) for part in cones(61))
    expected = first_by_distance(queries, vectors, metric)
    searched = index(vectors, ids_of(len(vectors)), metric=metric)
    monkeypatch.setattr(np, "matmul", against(THRESHOLD))
    assert searched.nearest(queries, k=NEAREST).index.tolist() == expected


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("index", [ExactIndex, StreamedIndex])
def test_none_is_lost_behind_those_of_a_querys_own_group(
    monkeypatch: pytest.MonkeyPatch, metric: str, index: type
) -> None:
    """The four nearest of each query are of its own group, and limit nothing."""
    queries, vectors = cones(62)
    cosines = vectors.astype(float) @ queries.T.astype(float)
    own = np.array([5, 3, 8])
    group = np.where((cosines > np.cos(ANGLE + 3.5 * STEP)).any(axis=1), own[cosines.argmax(axis=1)], 0)
    assert (np.bincount(group)[own] == 4).all()
    expected = first_by_distance(queries, vectors, metric, group == own[:, None])
    searched = index(vectors, ids_of(len(vectors)), metric=metric, groups=group)
    monkeypatch.setattr(np, "matmul", against(np.cos(ANGLE + STEP * (4 + NEAREST - 0.5))))
    found = searched.nearest(queries, k=NEAREST, query_groups=own)
    assert found.index.tolist() == expected


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_none_is_lost_among_all_rows(monkeypatch: pytest.MonkeyPatch, metric: str) -> None:
    """The queries are rows as well, and every other row finds what it found with exact products."""
    queries, vectors = cones(63)
    vectors = np.insert(vectors, [20, 120, 200], queries, axis=0)
    at = [int(np.flatnonzero((vectors == query).all(axis=1))[0]) for query in queries]
    searched = ExactIndex(vectors, ids_of(len(vectors)), metric=metric, groups=np.arange(len(vectors)))
    expected = searched.nearest(vectors, k=NEAREST, query_groups=np.arange(len(vectors)))
    monkeypatch.setattr(np, "matmul", against(THRESHOLD))
    found = searched.nearest_of_all(k=NEAREST)
    assert found.index[at].tolist() == expected.index[at].tolist()
    assert found.index.tolist() == expected.index.tolist()


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_none_is_lost_by_differences(monkeypatch: pytest.MonkeyPatch, metric: str) -> None:
    """Nearer pairs measured as farther in float32, and farther ones as nearer, by all that may be."""
    queries, vectors = cones(64)
    expected = first_by_distance(queries, vectors, metric)
    between, measured = 2 - 2 * THRESHOLD, []

    def worst(subscripts: str, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        measured.append(len(a))
        exact = (a.astype(float) * b).sum(axis=1)
        return exact * (1 + NUMBERS * UNIT * np.sign(between - exact))

    monkeypatch.setattr(np, "matmul", against(THRESHOLD))
    monkeypatch.setattr(np, "einsum", worst)
    searched = ExactIndex(vectors, ids_of(len(vectors)), metric=metric)
    assert searched.nearest(queries, k=NEAREST).index.tolist() == expected
    assert sum(measured) > ROWS


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("weights", [(1.0, 1.0), (1.0, 5.0)])
@pytest.mark.parametrize("read", [False, True], ids=["on disk", "in memory"])
def test_none_of_a_joint_space_is_lost(
    monkeypatch: pytest.MonkeyPatch, metric: str, weights: tuple[float, float], read: bool
) -> None:
    """Two parts, both of them near ties, of lengths that vary; a fourth has windows of another stride."""
    (queries, first), (_, second) = cones(65), cones(65)
    lengths = np.random.default_rng(66).uniform(0.5, 9, (2, len(first), 1))
    count, every = len(first), np.arange(len(first))
    fine, coarse = np.flatnonzero(every % 4), np.flatnonzero(every % 4 == 0)

    def parts(one: np.ndarray, other: np.ndarray, rows: np.ndarray, blocks: list[np.ndarray]) -> JointVectors:
        crop = Part("crop", weights[0], 0.1, (Block(one.astype(np.float32), rows),))
        windows = tuple(Block(other[some].astype(np.float32), some) for some in blocks)
        return JointVectors([crop, Part("window", weights[1], 0.1, windows)], len(rows))

    vectors = parts(first * lengths[0], second * lengths[1], every, [fine, coarse])
    asked = parts(queries, queries, np.arange(QUERIES), [np.arange(QUERIES), np.empty(0, np.int64)])
    asked = asked[:]
    vectors = vectors[:] if read else vectors
    searched = JointIndex(vectors, ids_of(count), metric=metric)
    exact = slow_joint(asked, vectors, QUERIES)
    expected = [np.lexsort((ids_of(count), row))[:NEAREST].tolist() for row in exact]
    monkeypatch.setattr(np, "matmul", against(THRESHOLD))
    assert searched.nearest(asked, k=NEAREST).index.tolist() == expected


def slow_joint(asked: JointVectors, vectors: JointVectors, count: int) -> np.ndarray:
    """One minus the mean cosine of the parts by weight, for each query (q) and row (n), in float64."""
    total = np.zeros((count, len(vectors)))
    for share, of, part in zip(asked.shares, asked.parts, vectors.parts, strict=True):
        cosines = np.full(total.shape, part.missing)
        for one, block in zip(of.blocks, part.blocks, strict=True):
            a, b = (np.asarray(some.source[:], float) for some in (one, block))
            a, b = (some / np.linalg.norm(some, axis=1, keepdims=True) for some in (a, b))
            cosines[np.ix_(one.rows, block.rows)] = ((a[:, None] - b) ** 2).sum(axis=2) / -2 + 1
        total += share * (1 - cosines)
    return total
