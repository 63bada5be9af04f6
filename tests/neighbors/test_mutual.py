"""The nearest of all vectors among themselves: those of a search for each, ties and groups included."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest

from objectspace.errors import QueryError
from objectspace.neighbors import ExactIndex, StreamedIndex, mutual, nearest_together
from objectspace.neighbors.candidates import Search
from objectspace.threads import worker_count
from tests.neighbors.test_exact import check_answer, check_same, double_loop, gaussian, ids_of


@pytest.fixture(params=[7, 50, 1024], ids="{} in a block".format)
def block(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Blocks of few rows, of some, and of all; the last one is smaller."""
    monkeypatch.setattr(mutual, "QUERIES", request.param)
    return request.param


@cache
def looped(count: int, metric: str, offset: float) -> tuple[np.ndarray, np.ndarray, list]:
    """Vectors, copies and zeros among them; groups, that no block has whole; what a double loop finds."""
    vectors = gaussian(count, 3, seed=1, offset=offset)
    vectors[60:80] = vectors[:20]
    if not offset:
        vectors[[5, 85]] = 0
    group = np.random.default_rng(2).integers(0, 9, count) ** 2
    expected = double_loop(
        vectors, vectors, ids_of(count), 7, metric, lambda one, row: group[one] == group[row]
    )
    return vectors, group, expected


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("offset", [0, 30])
def test_the_nearest_in_other_groups_are_the_double_loops(block: int, metric: str, offset: float) -> None:
    vectors, group, expected = looped(120, metric, offset)
    check_answer(ExactIndex(vectors, ids_of(120), metric=metric, groups=group).nearest_of_all(k=7), expected)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("scale", [1.0, 1e-30, 1e25])
def test_they_are_those_of_a_search_for_each(block: int, metric: str, scale: float) -> None:
    vectors = np.repeat(gaussian(60, 6, seed=3), [1, 2] * 30, axis=0) * np.float32(scale)
    index = ExactIndex(vectors, ids_of(90), metric=metric)
    alone, mutually = index.nearest(vectors, k=9), index.nearest_of_all(k=9)
    check_same(mutually, alone)


def test_blocks_of_one_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of both metrics at once, in groups, of lengths that vary, some rows asked for by one metric alone."""
    random = np.random.default_rng(14)
    vectors = gaussian(40, 3, seed=15) * 10 ** random.uniform(-1, 1, (40, 1)).astype(np.float32)
    vectors[[3, 20]] = 0
    group, asked = random.integers(0, 5, 40), np.concatenate([np.arange(9, 25), [33, 39]])
    expected = [
        index.nearest(vectors[rows], k=6, query_groups=group[rows])
        for index, rows in zip(both(vectors, group), (np.arange(40), asked), strict=True)
    ]
    monkeypatch.setattr(mutual, "QUERIES", 1)
    one, other = both(vectors, group)
    found = nearest_together([(one, np.arange(40)), (other, asked)], k=6)
    for here, there in zip(found, expected, strict=True):
        check_same(here, there)


def worst_product(random: np.random.Generator) -> Callable[..., np.ndarray]:
    """A matrix product of 64 numbers each that is as wrong as float32's may be."""
    matmul = np.matmul

    def worst(a: np.ndarray, b: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        lengths = np.linalg.norm(a, axis=1)[:, None] * np.linalg.norm(b, axis=0)
        signs = random.choice([-1, 1], lengths.shape)
        wrong = (matmul(a.astype(float), b) + 64 * 2.0**-24 * signs * lengths).astype(np.float32)
        if out is None:
            return wrong
        out[:] = wrong
        return out

    return worst


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("offset", [0, 1e4])
def test_products_as_wrong_as_float32_may_be_lose_none(
    monkeypatch: pytest.MonkeyPatch, metric: str, offset: float
) -> None:
    monkeypatch.setattr(mutual, "QUERIES", 90)
    vectors = gaussian(800, 64, seed=25, offset=offset)
    index = ExactIndex(vectors, ids_of(800), metric=metric)
    expected = index.nearest(vectors, k=5)
    monkeypatch.setattr(np, "matmul", worst_product(np.random.default_rng(27)))
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


@pytest.mark.parametrize("kind", [ExactIndex, StreamedIndex])
def test_nobody_is_near_where_there_is_nobody(kind: Any) -> None:
    empty = kind(np.zeros((0, 3), np.float32), [])
    assert empty.nearest_of_all(k=2).index.shape == (0, 2)
    with pytest.raises(QueryError, match="k is 0"):
        empty.nearest_of_all(k=0)


@pytest.mark.parametrize("kind", [ExactIndex, StreamedIndex])
def test_vectors_of_no_numbers_are_all_at_distance_zero(kind: Any) -> None:
    found = kind(np.empty((4, 0), np.float32), ids_of(4)).nearest_of_all(k=3)
    assert (found.distance == 0).all()


def test_a_search_for_all_keeps_no_more_than_what_it_finds_seven_times() -> None:
    vectors = gaussian(14_000, 8, seed=5)
    index = ExactIndex(vectors, ids_of(14_000))
    tracemalloc.start()
    found = index.nearest_of_all(k=21)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # Beside 8 MB of tables for each of two threads or more.
    assert peak < 7 * (found.index.nbytes + found.distance.nbytes) + 8 * 2**20 * worker_count()


def both(vectors: Any, groups: np.ndarray | None = None, kind: Any = ExactIndex) -> list[Any]:
    """Indexes of the same vectors, in memory or (StreamedIndex) on disk, by either metric."""
    ids = ids_of(vectors.shape[0])
    return [kind(vectors, ids, metric=metric, groups=groups) for metric in ("euclidean", "cosine")]


@pytest.mark.parametrize("first", [0, 1], ids=["euclidean first", "cosine first"])
def test_some_are_asked_for_by_another_metric_in_the_same_search(block: int, first: int) -> None:
    """Of some blocks all rows, of others a few, of others none; lengths vary a hundredfold."""
    random = np.random.default_rng(6)
    vectors = gaussian(160, 5, seed=7) * 10 ** random.uniform(-1, 1, (160, 1)).astype(np.float32)
    vectors[[3, 77, 150]] = 0
    group = random.integers(0, 20, 160)
    asked = np.concatenate([np.arange(50, 104), [130, 150, 159]])
    one, other = both(vectors, group)[:: 1 - 2 * first]
    assert one.has_products_of(other)
    whole, some = nearest_together([(one, np.arange(160)), (other, asked)], k=6)
    for found, index, rows in ((whole, one, np.arange(160)), (some, other, asked)):
        expected = index.nearest(vectors[rows], k=6, query_groups=group[rows])
        check_same(found, expected)


def test_a_row_may_be_asked_for_by_one_metric_alone(block: int) -> None:
    euclidean, cosine = both(gaussian(60, 3, seed=8))
    nothing = np.empty(0, np.int64)
    whole, none = nearest_together([(cosine, np.arange(60)), (euclidean, nothing)], k=4)
    assert whole.index.tolist() == cosine.nearest_of_all(k=4).index.tolist()
    assert none.index.shape == (0, 4)


def test_vectors_that_are_centered_by_each_metric_share_no_products() -> None:
    one, other = both(gaussian(60, 3, seed=9, offset=30))
    assert not one.has_products_of(other)


@pytest.mark.parametrize("first", [0, 1], ids=["euclidean first", "cosine first"])
def test_both_metrics_lose_none_by_products_as_wrong_as_float32_may_be(
    monkeypatch: pytest.MonkeyPatch, first: int
) -> None:
    monkeypatch.setattr(mutual, "QUERIES", 90)
    random = np.random.default_rng(28)
    # Near to each other in pairs, whose products differ by little, and of very different lengths.
    vectors = np.repeat(gaussian(400, 64, seed=29), 2, axis=0) + 1e-3 * gaussian(800, 64, seed=30)
    vectors = vectors * 10 ** random.uniform(-2, 2, (800, 1)).astype(np.float32)
    indexes = both(vectors)[:: 1 - 2 * first]
    expected = [index.nearest(vectors, k=5) for index in indexes]
    monkeypatch.setattr(np, "matmul", worst_product(random))
    every = np.arange(800)
    for found, one in zip(
        nearest_together([(index, every) for index in indexes], k=5), expected, strict=True
    ):
        assert found.index.tolist() == one.index.tolist()


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_vectors_are_not_copied(monkeypatch: pytest.MonkeyPatch, metric: str) -> None:
    monkeypatch.setattr(mutual, "QUERIES", 64)
    vectors = gaussian(1500, 2000, seed=10)
    ExactIndex(vectors[:9], ids_of(9), metric=metric).nearest_of_all(k=2)  # imports
    index = ExactIndex(vectors, ids_of(1500), metric=metric)
    tracemalloc.start()
    index.nearest_of_all(k=2)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # Blocks of them and pairs that are measured, in each thread; a copy would be twice as much.
    assert peak < vectors.nbytes / 2


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_a_first_block_of_ones_own_group_limits_nothing(block: int, metric: str) -> None:
    """Groups of a block and more, by length: the shortest vectors are compared with all others first."""
    vectors = gaussian(160, 4, seed=11) * np.linspace(1, 9, 160, dtype=np.float32)[:, None]
    vectors[-1] *= 1e6
    group = np.minimum(np.arange(160) // 60, 1)
    index = ExactIndex(vectors, ids_of(160), metric=metric, groups=group)
    alone, mutually = index.nearest(vectors, k=3, query_groups=group), index.nearest_of_all(k=3)
    check_same(mutually, alone)


def test_few_pairs_are_kept_to_be_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of lengths that vary, a few times k of each query, which a limit for a whole block would not leave."""
    kept, keep = [], Search._keep

    def counted(search: Search, rows: np.ndarray, query: np.ndarray, key: np.ndarray) -> None:
        kept.append(len(rows))
        keep(search, rows, query, key)

    monkeypatch.setattr(Search, "_keep", counted)
    lengths = np.random.default_rng(12).uniform(1, 2, (8192, 1)).astype(np.float32)
    vectors = gaussian(8192, 64, seed=13) * lengths
    ExactIndex(vectors, ids_of(8192)).nearest_of_all(k=10)
    assert sum(kept) < 8192 * 10 * 4


@pytest.mark.parametrize("zeros", [0, 5])
def test_few_products_are_taken_where_one_comparison_serves_all_and_where_it_cannot(
    monkeypatch: pytest.MonkeyPatch, zeros: int
) -> None:
    """A zero vector's bound is one that half of all products of its block pass."""
    monkeypatch.setattr(mutual, "QUERIES", 256)
    taken, together, keep, passing = [], [], mutual._Filter.keep, mutual._passing

    def counted(one: mutual._Filter, products: np.ndarray, near: np.ndarray) -> None:
        taken.append(len(near))
        keep(one, products, near)

    def listed(*arguments: Any) -> Any:
        for near, filters in passing(*arguments):
            together.append(len(filters))
            yield near, filters

    monkeypatch.setattr(mutual._Filter, "keep", counted)
    monkeypatch.setattr(mutual, "_passing", listed)
    vectors = gaussian(4096, 256, seed=16)
    vectors[: 64 * zeros : 64] = 0
    index = ExactIndex(vectors, ids_of(4096))
    expected = index.nearest(vectors, k=3)
    found = index.nearest_of_all(k=3)
    check_same(found, expected)
    # Sixteen blocks: the shortest with all others, the others with themselves, and by pairs.
    assert together.count(2) > 60
    assert zeros == 0 or together.count(1) >= 2 * 15
    assert sum(taken) < 4096 * 3 * 40
