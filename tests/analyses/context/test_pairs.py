"""Pairs whose context share is known, and ranks counted one by one."""

from __future__ import annotations

import numpy as np
import pytest

from objectspace.analyses.context import pairs
from objectspace.analyses.context.pairs import measure_pairs
from objectspace.analyses.groups import make_groups


@pytest.fixture(autouse=True)
def _fewer_permutations(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pairs, "PERMUTATIONS", 99)


@pytest.fixture
def measured(objects):
    groups = make_groups(objects.image_id)

    def measure(alone, both, around, **options):
        vectors = (part.astype(np.float32) for part in (alone, both, around))
        return measure_pairs(*vectors, objects.object_id, groups, **options)

    return measure


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_ranks_are_those_of_a_plain_loop(measured, noise, objects, metric):
    alone, around, _ = noise
    result = measured(alone, alone + around, around, k=3, metric=metric)

    def distance(vectors, row, other):
        if metric == "euclidean":
            return np.linalg.norm(vectors[row] - vectors[other])
        lengths = np.linalg.norm(vectors[row]) * np.linalg.norm(vectors[other])
        return 1 - vectors[row] @ vectors[other] / lengths

    for pair in range(0, len(result.query), 97):
        row, near = result.query[pair], result.neighbor[pair]
        others = np.flatnonzero(objects.image_id != objects.image_id[row])
        for vectors, rank in ((alone, result.object_rank), (around, result.surroundings_rank)):
            nearer = sum(distance(vectors, row, other) < distance(vectors, row, near) for other in others)
            assert rank[pair] == pytest.approx((nearer + 0.5) / len(others))


def test_every_object_has_its_nearest_of_other_photos(measured, noise, objects):
    alone, around, _ = noise
    result = measured(alone, alone, around, k=1)

    assert result.query.tolist() == list(range(240))
    assert not (objects.image_id[result.query] == objects.image_id[result.neighbor]).any()
    # The nearest by the object alone, of 237 candidates.
    assert result.object_rank == pytest.approx(np.full(240, 0.5 / 237))


def test_equal_distances_share_their_places(measured, noise):
    alone, around, _ = noise
    result = measured(alone, alone, np.zeros_like(around))

    assert result.surroundings_rank == pytest.approx(np.full(len(result.query), 0.5))


def test_neighbors_by_their_surroundings_have_a_share_near_one(measured, noise):
    alone, around, _ = noise
    result = measured(alone, around, around)

    assert result.context.value > 0.9
    assert result.context.value > result.context.chance
    assert result.context.p == 0.02
    assert result.surroundings.value < 0.02
    assert result.object.value == pytest.approx(0.5, abs=0.05)
    assert result.object.p > 0.02


def test_object_and_surroundings_in_equal_parts_share_equally(measured, noise):
    alone, around, _ = noise
    result = measured(alone, alone + around, around)

    assert result.context.value == pytest.approx(0.5, abs=0.05)
    assert result.object.p == result.surroundings.p == 0.02


def test_neighbors_by_nothing_known_are_at_chance(measured, noise):
    alone, around, both = noise
    result = measured(alone, both, around)

    for estimate in (result.object, result.surroundings, result.context):
        assert estimate.value == pytest.approx(0.5, abs=0.03)
        assert estimate.chance == pytest.approx(0.5, abs=0.03)
        assert estimate.p > 0.05


def test_vectors_without_direction_are_at_distance_1(noise):
    vectors = noise[0][:6].astype(np.float32)
    vectors[[1, 4]] = 0
    far = pairs._distances(vectors, "cosine")
    for row, column in np.ndindex(6, 6):
        one, other = vectors[row].astype(float), vectors[column].astype(float)
        both = np.linalg.norm(one) * np.linalg.norm(other)
        assert far[row, column] == pytest.approx(1 - (one @ other / both if both else 0))
