"""Merging and ranking of measured pairs against sorted lists."""

from __future__ import annotations

import numpy as np
import pytest

from objectspace.neighbors import NO_NEIGHBOR, no_neighbors, ranking

# Distances of few values, so that most are equal, and two of them infinite.
VALUES = np.array([0.0, 0.5, 0.5, 1.0, 2.0, np.inf])


@pytest.mark.parametrize("k", [1, 2, 5])
def test_pairs_are_merged_in_the_order_of_distance_and_id(k: int) -> None:
    """Pairs of eight queries in no order, in three unequal shares, into what the shares before left."""
    random = np.random.default_rng(71)
    rank = random.permutation(40)
    pairs = [(query, row) for query in range(8) for row in range(40) if random.random() < query / 25]
    pairs = [pairs[place] for place in random.permutation(len(pairs))]
    distances = random.choice(VALUES[:5], len(pairs))
    found = no_neighbors(8, k)
    for share in np.split(np.arange(len(pairs)), [3, 4, len(pairs) // 2]):
        query, rows = np.array([pairs[place] for place in share]).T
        ranking.merge(found.index, found.distance, query, rows, distances[share], rank)
    counts = []
    for query in range(8):
        of_query = [
            (distance, rank[row], row)
            for (one, row), distance in zip(pairs, distances, strict=True)
            if one == query
        ]
        nearest, nobody = sorted(of_query)[:k], max(0, k - len(of_query))
        counts.append(len(of_query))
        assert found.index[query].tolist() == [row for *_, row in nearest] + [NO_NEIGHBOR] * nobody
        assert found.distance[query].tolist() == [d for d, *_ in nearest] + [np.inf] * nobody
    assert counts[0] == 0
    assert max(counts) > 5


@pytest.mark.parametrize("table", [1, 9, 1 << 20])
@pytest.mark.parametrize("k", [1, 3])
def test_the_smallest_of_each_query_and_of_none(monkeypatch: pytest.MonkeyPatch, table: int, k: int) -> None:
    """Of queries with no value, with one and with many, in tables of one column, of some, and of all."""
    monkeypatch.setattr(ranking, "_TABLE", table)
    random = np.random.default_rng(72)
    query = random.permutation(np.repeat(np.arange(9), [0, 1, 2, 3, 4, 0, 17, 1, 30]))
    values, least = random.choice(VALUES, len(query)), np.sort(random.choice(VALUES, (9, k)), axis=1)
    before = least.copy()
    found = ranking.smallest(least, query, values)
    for number in range(9):
        expected = sorted([*before[number], *values[query == number]])[:k]
        assert sorted(found[number]) == expected
        assert found[number, -1] == expected[-1]
    np.testing.assert_array_equal(ranking.smallest(before, query[:0], values[:0]), before)


def test_places_count_anew_for_each_query() -> None:
    assert ranking.places(np.array([0, 0, 2, 2, 2, 5]), 7).tolist() == [0, 1, 0, 1, 2, 0]
    assert ranking.places(np.array([], int), 3).tolist() == []
