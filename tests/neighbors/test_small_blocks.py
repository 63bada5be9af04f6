"""Searches in blocks of a few rows, with ties, unequal groups and filters, against all distances sorted."""

from __future__ import annotations

import numpy as np
import pytest

from objectspace.neighbors import (
    NO_NEIGHBOR,
    ExactIndex,
    Neighbors,
    StreamedIndex,
    candidates,
    mutual,
    nearest_together,
    streamed,
)
from objectspace.neighbors.distances import pair_distances
from tests.neighbors.test_exact import ids_of


@pytest.fixture(params=range(6))
def random(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> np.random.Generator:
    """Sizes of blocks, tables and of what may be pending, other ones in each round."""
    random = np.random.default_rng([91, request.param])
    monkeypatch.setattr(candidates, "_FIRST_ROWS", int(random.integers(1, 12)))
    monkeypatch.setattr(candidates, "_PRODUCT", int(random.integers(1, 200)))
    monkeypatch.setattr(candidates, "_PENDING", int(random.integers(1, 60)))
    monkeypatch.setattr(candidates, "_PAIRS", int(random.integers(1, 40)))
    monkeypatch.setattr(candidates, "_LOWERED", int(random.integers(1, 4)))
    monkeypatch.setattr(candidates, "core_count", lambda: int(request.param) % 3 * 4)
    monkeypatch.setattr(candidates, "QUERIES", 16)
    monkeypatch.setattr(mutual, "QUERIES", int(random.integers(5, 17)))
    monkeypatch.setattr(streamed, "_BLOCK", int(random.integers(1, 400)))
    return random


def make_vectors(random: np.random.Generator, count: int, dimension: int) -> np.ndarray:
    """Small integers, most of them in ties, a tight cluster far away, zeros, and lengths that vary."""
    vectors = random.integers(-1, 2, (count, dimension)).astype(np.float32)
    kind = random.integers(0, 8, count)
    vectors[kind == 0] = 9 + 1e-6 * vectors[kind == 0]
    vectors[kind == 1] *= random.choice(np.float32([1e-3, 3, 1e4]), (int((kind == 1).sum()), 1))
    return vectors


def check(
    found: Neighbors, queries: np.ndarray, vectors: np.ndarray, metric: str, k: int, kept: np.ndarray
) -> None:
    """The first k of the rows that are kept (q, n), by float64 distance and then by id, and no other."""
    every = np.arange(len(vectors))
    for number in range(len(queries)):
        distances = pair_distances(queries, np.full(len(every), number), vectors, every, metric)
        order = np.lexsort((ids_of(len(every)), distances))
        near = order[kept[number, order]][:k]
        nobody = k - len(near)
        assert found.index[number].tolist() == near.tolist() + [NO_NEIGHBOR] * nobody
        assert found.distance[number].tolist() == distances[near].tolist() + [np.inf] * nobody


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_any_queries_in_any_blocks(random: np.random.Generator, metric: str) -> None:
    count, dimension = int(random.integers(1, 90)), int(random.integers(1, 5))
    vectors = make_vectors(random, count, dimension)
    queries = np.concatenate([make_vectors(random, 21, dimension), vectors[:9]])
    groups, own = random.integers(0, 5, count) ** 2, random.integers(0, 6, len(queries)) ** 2
    allowed = random.random(count) < random.choice([0.1, 0.6, 1.0])
    in_other = groups != own[:, None]
    every = np.ones_like(in_other)
    for index in (ExactIndex, StreamedIndex):
        searched = index(vectors, ids_of(count), metric=metric).grouped(groups)
        for k in (1, 3, 8, count + 2):
            found = searched.nearest(queries, k=k)
            check(found, queries, vectors, metric, k, every)
            found = searched.nearest(queries, k=k, allowed=allowed, query_groups=own)
            check(found, queries, vectors, metric, k, in_other & allowed)


def test_all_rows_by_both_metrics(random: np.random.Generator) -> None:
    count, dimension = int(random.integers(1, 25)), int(random.integers(1, 5))
    # Of moderate lengths about the origin, so that one product serves both.
    vectors = random.integers(-1, 2, (count, dimension)).astype(np.float32)
    vectors = np.concatenate([vectors, -vectors]) * random.choice(np.float32([1, 1, 3, 100]), (2 * count, 1))
    groups = random.integers(0, 4, 2 * count) ** 2
    rows = [np.flatnonzero(random.random(2 * count) < share) for share in random.choice([0.3, 0.9, 1], 2)]
    metrics = ("euclidean", "cosine")
    for grouped in (groups, None):
        indexes = [
            ExactIndex(vectors, ids_of(2 * count), metric=metric, groups=grouped) for metric in metrics
        ]
        assert indexes[0].has_products_of(indexes[1])
        for k in (1, 4, 2 * count + 1):
            kept = np.ones((2 * count, 2 * count), bool) if grouped is None else groups[:, None] != groups
            asked = list(zip(indexes, rows, strict=True))
            for found, of, metric in zip(nearest_together(asked, k=k), rows, metrics, strict=True):
                check(found, vectors[of], vectors, metric, k, kept[of])
            for index, metric in zip(indexes, metrics, strict=True):
                check(index.nearest_of_all(k=k), vectors, vectors, metric, k, kept)
