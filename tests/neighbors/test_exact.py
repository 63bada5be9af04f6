"""Exact search against a double loop in float64."""

from __future__ import annotations

import math
import subprocess
import sys
from fractions import Fraction
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from objectspace.errors import InputError, QueryError
from objectspace.neighbors import (
    NO_NEIGHBOR,
    ExactIndex,
    Neighbors,
    candidates,
    nearest,
    normalization,
    ranking,
)
from objectspace.neighbors.distances import pair_distances


def distance(query: np.ndarray, vector: np.ndarray, metric: str) -> float:
    """One distance, term by term, with exact summation."""
    return between(compared(query, metric), compared(vector, metric), metric)


def compared(vector: np.ndarray, metric: str) -> list[float] | None:
    """The numbers that are compared: for cosine those of a direction, None where there is none."""
    numbers = [float(x) for x in vector]
    if metric == "euclidean":
        return numbers
    length = math.sqrt(math.fsum(x * x for x in numbers))
    return None if length == 0 else [x / length for x in numbers]


def between(one: list[float] | None, other: list[float] | None, metric: str) -> float:
    if one is None or other is None:
        return 1.0
    square = math.fsum([(x - y) ** 2 for x, y in zip(one, other, strict=True)])
    return math.sqrt(square) if metric == "euclidean" else square / 2


def double_loop(queries, vectors, ids, k, metric, left_out=lambda query, row: False):
    """For each query the k nearest as (distance, id, row), nearest first."""
    answers, ids = [], [str(one) for one in ids]
    others = [compared(vector, metric) for vector in vectors]
    for number, query in enumerate(queries):
        one = compared(query, metric)
        rows = [row for row in range(len(vectors)) if not left_out(number, row)]
        answers.append(sorted((between(one, others[row], metric), ids[row], row) for row in rows)[:k])
    return answers


def check_same(found: Neighbors, expected: Neighbors) -> None:
    """The same rows at the same distances, to the last bit."""
    np.testing.assert_array_equal(found.index, expected.index)
    np.testing.assert_array_equal(found.distance, expected.distance)


def check_answer(found, expected):
    """Same distances; same rows, except that rows of equal distance may change places within rounding."""
    for index, distances, truth in zip(found.index, found.distance, expected, strict=True):
        left = len(truth)
        assert (index[left:] == NO_NEIGHBOR).all()
        assert np.isinf(distances[left:]).all()
        true = np.array([item[0] for item in truth])
        np.testing.assert_allclose(distances[:left], true, rtol=1e-9, atol=1e-12)
        if left:
            rows, rounding = np.array([item[2] for item in truth]), 1e-9 * (1e-3 + true)
            ties = np.abs(true - true[:, None]) <= rounding[:, None]
            beyond = np.abs(true[-1] - true) <= rounding
            assert ((ties & (rows == index[:left, None])).any(1) | beyond).all()


@cache
def ids_of(count: int, seed: int = 0) -> np.ndarray:
    """Ids in an order that is not the rows' own."""
    ids = np.array([f"{number:06d}" for number in np.random.default_rng(seed).permutation(count)])
    ids.setflags(write=False)
    return ids


def gaussian(count: int, dimension: int, *, seed: int, offset: float = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).standard_normal((count, dimension))
    return (noise + offset).astype(np.float32)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("offset", [0, 1, 100, 1e4])
def test_nearest_is_the_double_loops(metric, offset):
    vectors, queries = gaussian(700, 12, seed=1, offset=offset), gaussian(9, 12, seed=2, offset=offset)
    ids = ids_of(700)
    found = nearest(queries, vectors, ids=ids, k=7, metric=metric)
    expected = double_loop(queries, vectors, ids, 7, metric)
    assert found.index.tolist() == [[row for _, _, row in answer] for answer in expected]
    np.testing.assert_allclose(found.distance, [[value for value, _, _ in a] for a in expected], rtol=1e-9)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("scale", [1e-38, 1e-30, 1e-12, 1e12, 1e30, 3e37])
def test_lengths_at_the_ends_of_float32(metric, scale):
    vectors, queries = gaussian(600, 8, seed=1), gaussian(5, 8, seed=2)
    vectors, queries = (vectors * np.float32(scale)), (queries * np.float32(scale))
    ids = ids_of(600)
    check_in_units(nearest(queries, vectors, ids=ids, k=5, metric=metric), queries, vectors, ids, metric)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_one_enormous_vector_hides_no_neighbor(metric):
    vectors, queries = gaussian(600, 8, seed=1), gaussian(6, 8, seed=2)
    vectors[17] *= 1e30
    queries[3] *= 1e30
    vectors[40] *= 1e-30
    ids = ids_of(600)
    check_in_units(nearest(queries, vectors, ids=ids, k=5, metric=metric), queries, vectors, ids, metric)


def check_in_units(found, queries, vectors, ids, metric):
    expected = double_loop(queries, vectors, ids, found.index.shape[1], metric)
    assert found.index.tolist() == [[row for _, _, row in answer] for answer in expected]
    np.testing.assert_allclose(found.distance, [[value for value, _, _ in a] for a in expected], rtol=1e-9)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_clusters_far_tighter_than_float32_products_resolve(metric):
    random = np.random.default_rng(3)
    centers = random.standard_normal((6, 64))
    near = [centers[n % 6] + 1e-5 * random.standard_normal(64) for n in range(606)]
    cloud = np.array(near, np.float32)
    ids = ids_of(600)
    found = nearest(cloud[600:], cloud[:600], ids=ids, k=9, metric=metric)
    expected = double_loop(cloud[600:], cloud[:600], ids, 9, metric)
    assert found.index.tolist() == [[row for _, _, row in answer] for answer in expected]


def test_equal_distances_come_in_the_order_of_ids():
    # Small integers: every distance is exact, and there are many equal ones.
    random = np.random.default_rng(4)
    vectors, queries = (random.integers(0, 3, (count, 4)).astype(np.float32) for count in (900, 20))
    ids = ids_of(900)
    found = nearest(queries, vectors, ids=ids, k=60)
    expected = double_loop(queries, vectors, ids, 60, "euclidean")
    assert found.index.tolist() == [[row for _, _, row in answer] for answer in expected]


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_duplicates_come_in_the_order_of_ids(metric):
    vectors = np.repeat(gaussian(3, 5, seed=5), 400, axis=0)
    ids = ids_of(1200)
    found = nearest(vectors[[0]], vectors, ids=ids, k=400, metric=metric)
    assert ids[found.index[0]].tolist() == sorted(ids[:400])
    assert (found.distance == 0).all()


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("dimension", [1, 3, 50, 20_000])
def test_a_stored_vector_is_at_distance_zero_from_itself(metric, dimension):
    vectors = gaussian(30, dimension, seed=6)
    # In one dimension under cosine all vectors of one sign are the same direction.
    found = ExactIndex(vectors, ids_of(30), metric=metric).nearest(vectors, k=1)
    assert (found.distance == 0).all()
    if dimension > 1:
        assert found.index[:, 0].tolist() == list(range(30))


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("offset", [0, 1e4])
def test_company_changes_no_answer(metric, offset):
    vectors, queries = gaussian(800, 33, seed=7, offset=offset), gaussian(40, 33, seed=8, offset=offset)
    index = ExactIndex(vectors, ids_of(800), metric=metric)
    together = index.nearest(queries, k=6)
    for number in range(len(queries)):
        alone = index.nearest(queries[[number]], k=6)
        assert alone.index.tolist() == together.index[[number]].tolist()
        assert alone.distance.tobytes() == together.distance[[number]].tobytes()


def test_zero_vectors_have_no_direction():
    vectors = np.array([[0, 0], [1, 0], [0, 1], [-1, 0], [0, 0]], np.float32)
    found = nearest(vectors[[0, 1]], vectors, ids=list("abcde"), k=5, metric="cosine")
    assert found.distance.tolist() == [[1, 1, 1, 1, 1], [0, 1, 1, 1, 2]]
    assert found.index.tolist() == [[0, 1, 2, 3, 4], [1, 0, 2, 4, 3]]


@pytest.mark.parametrize("offset", [0, 50])
def test_zero_vectors_among_many(offset):
    vectors, queries = gaussian(700, 6, seed=9, offset=offset), gaussian(4, 6, seed=10, offset=-offset)
    vectors[::3] = 0
    found = nearest(queries, vectors, ids=ids_of(700), k=300, metric="cosine")
    check_answer(found, double_loop(queries, vectors, ids_of(700), 300, "cosine"))


def test_a_neighbor_just_nearer_than_the_zero_vectors():
    # cos = 1e-7, and float32 products cannot tell that from the zero vectors' 0.
    vectors = np.zeros((40, 2), np.float32)
    vectors[17] = [1e-7, 1]
    found = nearest(np.array([[1, 0]]), vectors, ids=ids_of(40), k=1, metric="cosine")
    assert found.index.tolist() == [[17]]
    assert found.distance[0, 0] == pytest.approx(1 - 1e-7, abs=1e-12)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("offset", [0, 1, 1e4])
def test_products_as_wrong_as_float32_may_be_lose_no_neighbor(monkeypatch, metric, offset):
    vectors, queries = gaussian(2000, 64, seed=25, offset=offset), gaussian(20, 64, seed=26, offset=offset)
    index = ExactIndex(vectors, ids_of(2000), metric=metric)
    expected = index.nearest(queries, k=5)
    random, matmul = np.random.default_rng(27), np.matmul

    def worst(a, b, out=None):
        lengths = np.linalg.norm(a, axis=1)[:, None] * np.linalg.norm(b, axis=0)
        signs = random.choice([-1, 1], lengths.shape)
        return (matmul(a.astype(float), b) + 64 * 2.0**-24 * signs * lengths).astype(np.float32)

    monkeypatch.setattr(np, "matmul", worst)
    found = index.nearest(queries, k=5)
    assert found.index.tolist() == expected.index.tolist()


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("scale", [1.0, 1e-30])
def test_near_ties_survive_products_as_wrong_as_float32_may_be(monkeypatch, metric, scale):
    """On a cone around each query, at angles that differ by less than products may be wrong."""
    random = np.random.default_rng(46)
    axes = np.eye(64)[[0, 7, 20]]
    cones = []
    for axis in axes:
        across = random.standard_normal((400, 64)) * (axis == 0)
        across /= np.linalg.norm(across, axis=1, keepdims=True)
        angles = 1.2 + 2e-7 * random.permutation(400)[:, None]
        cones.append(np.cos(angles) * axis + np.sin(angles) * across)
    vectors = (np.concatenate(cones)[random.permutation(1200)] * scale).astype(np.float32)
    queries = (axes * scale).astype(np.float32)
    ids = ids_of(1200)
    expected = [
        np.lexsort((ids, pair_distances(queries, np.full(1200, number), vectors, np.arange(1200), metric)))[
            :6
        ]
        for number in range(3)
    ]
    index, matmul = ExactIndex(vectors, ids, metric=metric), np.matmul

    def worst(a, b, out=None):
        lengths = np.linalg.norm(a.astype(float), axis=1)[:, None] * np.linalg.norm(b.astype(float), axis=0)
        signs = random.choice([-1, 1], lengths.shape)
        return (matmul(a.astype(float), b.astype(float)) + 64 * 2.0**-24 * signs * lengths).astype(np.float32)

    monkeypatch.setattr(np, "matmul", worst)
    for _ in range(5):
        assert index.nearest(queries, k=6).index.tolist() == np.stack(expected).tolist()


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("offset", [0, 1e3])
def test_errors_are_bounded_as_stated(metric, offset):
    """By the formulas of the class, of vectors as they are, scaled to unit length or centered."""
    vectors = gaussian(300, 24, seed=47, offset=offset) * np.linspace(1, 5, 300, dtype=np.float32)[:, None]
    normalized = normalization.NormalizedVectors(vectors, metric, ids_of(300))
    units, unit = (24 + 16) * 2.0**-24, 2.0**-24
    bound = units / (1 - units) * normalized.squares / 2
    np.testing.assert_allclose(normalized.error(normalized.squares), bound, rtol=1e-12)
    inexact = 0.0 if offset else normalization._sum_error(24)
    rows = np.arange(0, 300, 7)
    row_error = normalized.row_error(normalized.squares)
    np.testing.assert_allclose(row_error, bound + inexact * normalized.squares / 2, rtol=1e-12)
    far = {"euclidean": 5 * (1e3 + 1) * 24**0.5, "cosine": 1.0}[metric] if offset else 0
    queries = normalized.queries(rows)
    assert (queries.error >= bound[rows] + (2.0**-49 * far) ** 2 / (2 * unit)).all()
    # A float32 difference, its squares and their sum, and what normalizing rounds of both vectors.
    others = rows[::-1]
    between = ((normalized.values[rows].astype(float) - normalized.values[others]) ** 2).sum(axis=1)
    distances, errors = normalized.difference_error(between, others, queries.squares)
    np.testing.assert_allclose(distances, np.sqrt(between), rtol=1e-12)
    both = np.sqrt(queries.squares) + np.sqrt(normalized.squares[others])
    scaled = bool(offset) or metric == "cosine"
    least = units * distances + scaled * (4 * unit + inexact) * both + 2 * 2.0**-49 * far
    assert (errors >= least).all()
    if not offset and metric == "euclidean":
        # Of equal vectors there is only what vanishes below float32's smallest number.
        nothing, vanished = normalized.difference_error(0 * between, others, queries.squares)
        np.testing.assert_allclose([nothing, vanished], [0 * between, np.full(len(rows), 24**0.5 * 2.0**-62)])
    assert (errors <= least * 1.1 + 4 * 2.0**-48 * far + 24**0.5 * 2.0**-61).all()


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("dimension", [40, 700])
def test_lengths_as_wrong_as_float32_may_be_lose_no_neighbor(monkeypatch, metric, dimension):
    vectors, queries = gaussian(2000, dimension, seed=35), gaussian(20, dimension, seed=36)
    # Neighbors that lengths decide: the same directions, a little longer or shorter.
    vectors[1000:] = vectors[:1000] * (1 + np.float32(1e-6) * gaussian(1000, 1, seed=37))
    ids = ids_of(2000)
    expected = ExactIndex(vectors, ids, metric=metric).nearest(queries, k=8)
    random, units = np.random.default_rng(38), (min(dimension, 512) + 1) * 2.0**-24

    def worst(vectors):
        exact = (vectors.astype(float) ** 2).sum(axis=1)
        return exact * (1 + units * random.choice([-1, 1], len(vectors)))

    monkeypatch.setattr(normalization, "float32_sums", worst)
    found = ExactIndex(vectors, ids, metric=metric).nearest(queries, k=8)
    assert found.index.tolist() == expected.index.tolist()
    assert found.distance.tolist() == expected.distance.tolist()


def test_sums_in_float32_are_as_wrong_as_stated_at_most():
    vectors = np.float32([0, 1e-30, 1, 1e20])[:, None] * gaussian(4, 5000, seed=39)
    sums, exact = normalization.float32_sums(vectors), [math.fsum(float(x) ** 2 for x in v) for v in vectors]
    np.testing.assert_allclose(sums, exact, rtol=normalization._sum_error(5000), atol=0)
    # What could vanish or overflow is summed in float64 alone.
    np.testing.assert_allclose(sums[[0, 1, 3]], np.take(exact, [0, 1, 3]), rtol=1e-14, atol=0)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_vectors_that_need_no_scale_are_not_copied(metric):
    vectors = gaussian(50, 8, seed=40)
    assert ExactIndex(vectors, ids_of(50), metric=metric)._vectors.values is vectors


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("offset", [0, 50])
def test_what_is_within_reach_is_found(metric, offset):
    vectors, queries = gaussian(900, 12, seed=41, offset=offset), gaussian(15, 12, seed=42, offset=offset)
    vectors[:3], queries[0] = 0, 0
    index = ExactIndex(vectors, ids_of(900), metric=metric)
    whole = index.nearest(queries, k=9)
    for place in (0, 4, 8):
        reach = whole.distance[:, place].copy()
        reach[1] = np.inf
        found = index.nearest(queries, k=9, reach=reach)
        for row in range(len(queries)):
            count = int((whole.distance[row] <= reach[row]).sum())
            assert found.index[row, :count].tolist() == whole.index[row, :count].tolist()
            assert found.distance[row, :count].tolist() == whole.distance[row, :count].tolist()


def kinds_of_data() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Vectors and queries of 24 numbers for which a filter keeps few rows, many or all."""
    random = np.random.default_rng(30)
    centers = random.standard_normal((5, 24))
    tight = (centers[np.arange(1020) % 5] + 1e-6 * random.standard_normal((1020, 24))).astype(np.float32)
    vectors, queries = gaussian(1000, 24, seed=31), gaussian(20, 24, seed=32)
    far = np.full_like(queries, 1000) + queries
    zeros = vectors.copy()
    zeros[::2] = 0
    # A few zeros at distance 1, all else at about 0.8 or 1.2, about a center that hides how they differ.
    some_zeros, across = vectors + 50, np.tile(np.float32([1, -1]), 12)
    sides = np.resize(np.float32([40, -40]), (20, 1))
    some_zeros[3::25] = 0
    return {
        "gaussian": (vectors, queries),
        "tight": (tight[:1000], tight[1000:]),
        "tight and far from the origin": (tight[:1000] + 100, tight[1000:] + 100),
        "tight and tiny": (tight[:1000] * np.float32(1e-36), tight[1000:] * np.float32(1e-36)),
        "centered, queries elsewhere": (vectors + 1000, queries - 1000),
        "queries far away": (vectors, far),
        "queries whose products overflow": (vectors, queries * np.float32(1e25)),
        "duplicates": (np.repeat(vectors[:10], 100, axis=0), vectors[:20]),
        "zeros": (zeros, np.vstack([queries[:10], np.zeros((10, 24), np.float32)])),
        "a few zeros, about a center": (some_zeros, queries + 200 * across + sides),
    }


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("kind", kinds_of_data())
def test_the_filter_loses_no_pair_that_float64_ranks_among_the_first(metric, kind):
    vectors, queries = kinds_of_data()[kind]
    ids = ids_of(1000)
    found = nearest(queries, vectors, ids=ids, k=7, metric=metric)
    for number in range(len(queries)):
        pairs = np.full(1000, number), np.arange(1000)
        all_distances = pair_distances(queries, pairs[0], vectors, pairs[1], metric)
        first = np.lexsort((ids, all_distances))[:7]
        assert found.index[number].tolist() == first.tolist()
        assert found.distance[number].tolist() == all_distances[first].tolist()


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_differences_as_wrong_as_float32_may_be_lose_no_neighbor(monkeypatch, metric):
    vectors, queries = kinds_of_data()["tight"]
    index = ExactIndex(vectors, ids_of(1000), metric=metric)
    expected = index.nearest(queries, k=5)
    random, calls = np.random.default_rng(27), []

    def worst(subscripts, a, b):
        calls.append(len(a))
        exact = (a.astype(float) ** 2).sum(axis=1)
        return exact * (1 + 24 * 2.0**-24 * random.choice([-1, 1], len(a)))

    monkeypatch.setattr(np, "einsum", worst)
    assert index.nearest(queries, k=5).index.tolist() == expected.index.tolist()
    assert sum(calls) >= 20 * 200


@pytest.mark.parametrize("table", [1, 40, 1 << 20])
def test_the_smallest_values_of_each_query(monkeypatch, table):
    monkeypatch.setattr(ranking, "_TABLE", table)
    random = np.random.default_rng(33)
    query, values, least = random.integers(0, 6, 200), random.random(200), random.random((6, 4)) / 10
    found = ranking.smallest(least, query, values)
    for number in range(6):
        expected = sorted([*least[number], *values[query == number]])[:4]
        assert sorted(found[number]) == expected
        assert found[number, -1] == expected[-1]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("length", [1e25, 1e37])
def test_long_queries_overflow_without_a_word(length):
    vectors = gaussian(100, 4, seed=23) * np.float32(50)
    queries = gaussian(2, 4, seed=24) * np.float32(length)
    found = nearest(queries, vectors, ids=ids_of(100), k=2)
    check_answer(found, double_loop(queries, vectors, ids_of(100), 2, "euclidean"))


def test_k_beyond_the_space_is_filled_with_nobody():
    found = nearest(np.zeros((2, 2)), np.eye(2), ids=["b", "a"], k=4)
    assert found.index.tolist() == [[1, 0, NO_NEIGHBOR, NO_NEIGHBOR]] * 2
    assert found.distance.tolist() == [[1, 1, math.inf, math.inf]] * 2


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_an_empty_space_answers_nobody(metric):
    with np.errstate(all="raise"):
        found = nearest(np.ones((1, 3)), np.zeros((0, 3)), ids=[], k=2, metric=metric)
    assert found.index.tolist() == [[NO_NEIGHBOR, NO_NEIGHBOR]]


def test_no_queries_no_answers():
    assert nearest(np.zeros((0, 3)), np.zeros((5, 3)), ids=list("abcde"), k=2).index.shape == (0, 2)


def test_only_allowed_rows_answer():
    vectors, queries, ids = gaussian(900, 10, seed=11), gaussian(8, 10, seed=12), ids_of(900)
    for share in (0.0, 0.01, 0.5, 1.0):
        allowed = np.random.default_rng(13).random(900) < share
        found = nearest(queries, vectors, ids=ids, k=12, allowed=allowed)
        expected = double_loop(
            queries, vectors, ids, 12, "euclidean", lambda query, row, mask=allowed: not mask[row]
        )
        check_answer(found, expected)


def test_a_querys_own_group_does_not_answer():
    vectors, ids = gaussian(600, 10, seed=14), ids_of(600)
    groups = np.array([f"image {number}" for number in np.random.default_rng(15).integers(0, 4, 600)])
    queries, own = vectors[:20], groups[:20].copy()
    own[5] = "an image that is not here"
    found = nearest(queries, vectors, ids=ids, k=300, groups=groups, query_groups=own)
    expected = double_loop(
        queries, vectors, ids, 300, "euclidean", lambda query, row: groups[row] == own[query]
    )
    check_answer(found, expected)
    assert found.index[5, 0] == 5


def test_a_group_may_leave_nobody():
    found = nearest(np.eye(2), np.eye(2), ids=["a", "b"], k=2, groups=["i", "i"], query_groups=["i", "j"])
    assert found.index.tolist() == [[NO_NEIGHBOR, NO_NEIGHBOR], [1, 0]]


@pytest.mark.parametrize("count", [1, 255, 256, 257, 511, 512, 769, 5000])
def test_ends_of_blocks(count):
    vectors, queries = gaussian(count, 6, seed=16), gaussian(3, 6, seed=17)
    expected = double_loop(queries, vectors, ids_of(count), 4, "euclidean")
    check_answer(nearest(queries, vectors, ids=ids_of(count), k=4), expected)


def test_more_queries_than_one_search_takes():
    vectors, queries = gaussian(300, 5, seed=18), gaussian(2500, 5, seed=19)
    found = nearest(queries, vectors, ids=ids_of(300), k=3)
    for start in range(0, 2500, 640):
        part = nearest(queries[start : start + 640], vectors, ids=ids_of(300), k=3)
        assert found.index[start : start + 640].tolist() == part.index.tolist()


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_searches_side_by_side_answer_as_one_does(monkeypatch, metric):
    random = np.random.default_rng(0)
    vectors = random.integers(-2, 3, (3000, 6)).astype(np.float32)
    queries = random.integers(-2, 3, (90, 6)).astype(np.float32)
    index = ExactIndex(vectors, np.arange(3000), metric=metric)
    alone = index.nearest(queries, k=7)
    monkeypatch.setattr(candidates, "_PRODUCT", 90 * 100)
    monkeypatch.setattr(candidates, "core_count", lambda: 4)
    beside = index.nearest(queries, k=7)
    check_same(beside, alone)


def test_candidates_are_measured_before_they_fill_the_memory(monkeypatch):
    monkeypatch.setattr(candidates, "_PENDING", 50)
    vectors = np.repeat(gaussian(300, 4, seed=20), 3, axis=0)
    found = nearest(vectors[:10], vectors, ids=ids_of(900), k=5)
    check_answer(found, double_loop(vectors[:10], vectors, ids_of(900), 5, "euclidean"))


numbers = st.one_of(
    st.integers(-3, 3).map(float),
    st.floats(-1e3, 1e3, width=32),
    st.sampled_from([1e-30, -1e-20, 1e10, 1e19, -1e25, 1e4 + 1, 1e4]),
)


@settings(max_examples=150, deadline=None)
@given(data=st.data(), metric=st.sampled_from(["euclidean", "cosine"]))
def test_any_vectors_any_filter(data, metric):
    dimension, count = data.draw(st.integers(1, 4)), data.draw(st.integers(0, 12))
    row = st.lists(numbers, min_size=dimension, max_size=dimension)
    vectors = np.array(data.draw(st.lists(row, min_size=count, max_size=count)), np.float32)
    vectors = vectors.reshape(count, dimension)
    queries = np.array(data.draw(st.lists(row, min_size=1, max_size=3)), np.float32)
    allowed = np.array(data.draw(st.lists(st.booleans(), min_size=count, max_size=count)), bool)
    groups = data.draw(st.lists(st.sampled_from("ab"), min_size=count, max_size=count))
    own = data.draw(st.lists(st.sampled_from("abc"), min_size=len(queries), max_size=len(queries)))
    k, ids = data.draw(st.integers(1, 6)), ids_of(count)
    found = nearest(
        queries, vectors, ids=ids, k=k, metric=metric, allowed=allowed, groups=groups, query_groups=own
    )
    expected = double_loop(
        queries, vectors, ids, k, metric, lambda query, row: not allowed[row] or groups[row] == own[query]
    )
    for query, index, distances, truth in zip(queries, found.index, found.distance, expected, strict=True):
        answers = index[index != NO_NEIGHBOR]
        assert len(answers) == len(set(answers)) == len(truth)
        its_own = [distance(query, vectors[row], metric) for row in answers]
        true = [item[0] for item in truth]
        np.testing.assert_allclose(distances[: len(truth)], true, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(its_own, true, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("queries", "k", "metric", "error", "sentence"),
    [
        (
            np.zeros((1, 2)),
            1,
            "euclidean",
            QueryError,
            r"queries have shape \(1, 2\), and the vectors have 3",
        ),
        (np.zeros(3), 1, "euclidean", QueryError, r"expected \(queries, 3\)"),
        (np.array([[0, np.nan, 0]]), 1, "euclidean", QueryError, "query 0 has a NaN or an infinity"),
        (np.array([[0, np.inf, 0]]), 1, "cosine", QueryError, "query 0 has a NaN or an infinity"),
        (np.zeros((1, 3)), 0, "euclidean", QueryError, "k is 0; expected 1 or more"),
        (np.zeros((1, 3)), 1, "manhattan", QueryError, "expected euclidean or cosine"),
    ],
)
def test_a_query_that_cannot_be_answered(queries, k, metric, error, sentence):
    with pytest.raises(error, match=sentence):
        nearest(queries, np.zeros((4, 3)), ids=list("abcd"), k=k, metric=metric)


def test_vectors_that_cannot_be_searched():
    with pytest.raises(InputError, match="the vector of b has a NaN or an infinity in it"):
        ExactIndex(np.array([[0.0], [np.nan]]), ["a", "b"])
    with pytest.raises(InputError, match="1 ids for 2 vectors"):
        ExactIndex(np.zeros((2, 1)), ["a"])
    with pytest.raises(InputError, match="1 groups for 2 vectors"):
        ExactIndex(np.zeros((2, 1)), ["a", "b"], groups=["g"])
    with pytest.raises(InputError, match=r"vectors have shape \(2,\)"):
        ExactIndex(np.zeros(2), ["a", "b"])


def test_filters_that_do_not_fit():
    index = ExactIndex(np.zeros((2, 1)), ["a", "b"], groups=["g", "h"])
    with pytest.raises(QueryError, match=r"allowed has shape \(3,\)"):
        index.nearest(np.zeros((1, 1)), k=1, allowed=np.ones(3, bool))
    with pytest.raises(QueryError, match="2 query groups for 1 queries"):
        index.nearest(np.zeros((1, 1)), k=1, query_groups=["g", "h"])
    with pytest.raises(QueryError, match="have no groups"):
        ExactIndex(np.zeros((1, 1)), ["a"]).nearest(np.zeros((1, 1)), k=1, query_groups=["g"])


def test_importing_search_brings_numpy_alone():
    heavy = "{'torch', 'lance', 'pyarrow', 'faiss'}"
    code = f"import sys, objectspace.neighbors; print(*({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_no_neighbor_is_lost_where_the_nearest_is_the_longest(monkeypatch):
    """Rows all around a query, the nearer the longer, by less than products of long rows may be wrong."""
    random = np.random.default_rng(28)
    query = np.eye(64)[0]
    directions = random.standard_normal((1000, 64))
    directions[:, 0] *= 80
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    around = query + 0.5 * (1 - 1e-5 * directions[:, :1]) * directions
    # The other half is far, and keeps the mean of all at the origin.
    vectors = np.vstack([around, -around]).astype(np.float32)
    queries = np.repeat(query[None], 12, axis=0).astype(np.float32)
    index = ExactIndex(vectors, ids_of(2000))
    expected = index.nearest(queries, k=1)
    assert (directions[expected.index[:, 0], 0] > 0.99).all()
    matmul = np.matmul

    def worst(a, b, out=None):
        lengths = np.linalg.norm(a, axis=1)[:, None] * np.linalg.norm(b, axis=0)
        signs = random.choice([-1, 1], lengths.shape)
        return (matmul(a.astype(float), b) + 64 * 2.0**-24 * signs * lengths).astype(np.float32)

    monkeypatch.setattr(np, "matmul", worst)
    assert index.nearest(queries, k=1).index.tolist() == expected.index.tolist()


@pytest.mark.parametrize("numbers", [1, 24, 1023, 5000])
def test_the_error_of_a_sum_is_bounded_by_highams_formula_and_one_number_more(numbers: int) -> None:
    """Of as many numbers as are added in float32, and no more."""
    most = min(numbers, normalization._RUN)
    bound = Fraction(most + 1, 2**24) / (1 - Fraction(most + 1, 2**24))
    assert normalization._sum_error(numbers) == pytest.approx(float(bound), rel=1e-12)
