"""The nearest of all vectors among themselves: those of a search for each, ties and groups included."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from objectspace.errors import QueryError
from objectspace.neighbors import ExactIndex, mutual
from objectspace.threads import worker_count
from tests.neighbors.test_exact import check_answer, double_loop, gaussian, ids_of


@pytest.fixture(params=[1, 50, 1024], ids="{} in a block".format)
def block(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Blocks of one row, of some, and of all; the last one is smaller."""
    monkeypatch.setattr(mutual, "QUERIES", request.param)
    return request.param


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("offset", [0, 30])
def test_the_nearest_in_other_groups_are_the_double_loops(block: int, metric: str, offset: float) -> None:
    vectors = gaussian(120, 3, seed=1, offset=offset)
    vectors[60:80] = vectors[:20]
    if not offset:
        vectors[[5, 100]] = 0
    group = np.random.default_rng(2).integers(0, 9, 120) ** 2
    found = ExactIndex(vectors, ids_of(120), metric=metric, groups=group).nearest_of_all(k=7)
    expected = double_loop(
        vectors, vectors, ids_of(120), 7, metric, lambda one, row: group[one] == group[row]
    )
    check_answer(found, expected)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("scale", [1.0, 1e-30, 1e25])
def test_they_are_those_of_a_search_for_each(block: int, metric: str, scale: float) -> None:
    vectors = np.repeat(gaussian(60, 6, seed=3), [1, 2] * 30, axis=0) * np.float32(scale)
    index = ExactIndex(vectors, ids_of(90), metric=metric)
    alone, mutually = index.nearest(vectors, k=9), index.nearest_of_all(k=9)
    np.testing.assert_array_equal(mutually.index, alone.index)
    np.testing.assert_array_equal(mutually.distance, alone.distance)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("offset", [0, 1e4])
def test_products_as_wrong_as_float32_may_be_lose_none(
    monkeypatch: pytest.MonkeyPatch, metric: str, offset: float
) -> None:
    monkeypatch.setattr(mutual, "QUERIES", 90)
    vectors = gaussian(800, 64, seed=25, offset=offset)
    index = ExactIndex(vectors, ids_of(800), metric=metric)
    expected = index.nearest(vectors, k=5)
    random, matmul = np.random.default_rng(27), np.matmul

    def worst(a: np.ndarray, b: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        lengths = np.linalg.norm(a, axis=1)[:, None] * np.linalg.norm(b, axis=0)
        signs = random.choice([-1, 1], lengths.shape)
        wrong = (matmul(a.astype(float), b) + 64 * 2.0**-24 * signs * lengths).astype(np.float32)
        if out is None:
            return wrong
        out[:] = wrong
        return out

    monkeypatch.setattr(np, "matmul", worst)
    assert index.nearest_of_all(k=5).index.tolist() == expected.index.tolist()


def test_half_as_many_products_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mutual, "QUERIES", 100)
    vectors, matmul, made = gaussian(2000, 8, seed=4), np.matmul, []

    def counted(a: np.ndarray, b: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        made.append(a.shape[0] * b.shape[1])
        return matmul(a, b, out=out)

    monkeypatch.setattr(np, "matmul", counted)
    ExactIndex(vectors, ids_of(2000)).nearest_of_all(k=3)
    assert sum(made) == 100 * 100 * 20 * 21 / 2


def test_nobody_is_near_where_there_is_nobody() -> None:
    empty = ExactIndex(np.zeros((0, 3), np.float32), [])
    assert empty.nearest_of_all(k=2).index.shape == (0, 2)
    with pytest.raises(QueryError, match="k is 0"):
        empty.nearest_of_all(k=0)


def test_a_search_for_all_keeps_no_more_than_what_it_finds_seven_times() -> None:
    vectors = gaussian(20_000, 8, seed=5)
    index = ExactIndex(vectors, ids_of(20_000))
    tracemalloc.start()
    found = index.nearest_of_all(k=21)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # Beside 8 MB of tables for each of two threads or more.
    assert peak < 7 * (found.index.nbytes + found.distance.nbytes) + 8 * 2**20 * worker_count()
