"""Neighbors in the own photo against a double loop in float64."""

from __future__ import annotations

import numpy as np
import pytest

from objectspace.analyses.audit import same_photo
from objectspace.analyses.audit.same_photo import nearest_in_photo
from objectspace.neighbors import NO_NEIGHBOR, Block, JointVectors, Part


def cosine_distance(one: np.ndarray, other: np.ndarray) -> float:
    length = float(np.linalg.norm(one) * np.linalg.norm(other))
    return 1 - float(one @ other) / length if length else 1.0


def slow_nearest(vectors: np.ndarray, photo: np.ndarray, k: int, within: np.ndarray) -> list[list[int]]:
    found = []
    for row in range(len(photo)):
        others = [other for other in range(len(photo)) if other != row and photo[other] == photo[row]]
        far = {other: cosine_distance(vectors[row], vectors[other]) for other in others}
        near = sorted((one for one in others if far[one] <= within[row]), key=far.__getitem__)
        found.append(near[:k])
    return found


def make(n: int = 90) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Photos of 1 to 20 objects out of order, one vector without a length, and bounds of all sizes."""
    random = np.random.default_rng(3)
    vectors = random.normal(0.4, 1, (n, 5)).astype(np.float32)
    vectors[17] = 0
    photo = np.concatenate([np.arange(3), random.choice(3 + np.arange(9), n - 3, p=np.arange(9, 0, -1) / 45)])
    return vectors, random.permutation(photo), random.uniform(0, 2, n)


def rows_of(index: np.ndarray) -> list[list[int]]:
    return [[one for one in row if one != NO_NEIGHBOR] for row in index.tolist()]


@pytest.mark.parametrize("k", [1, 4, 30])
def test_they_are_those_of_a_double_loop(k: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(same_photo, "BLOCK", 25)
    monkeypatch.setattr(same_photo, "_QUERIES", 3)
    vectors, photo, within = make()
    found = nearest_in_photo(vectors, photo, k=k, within=within)
    expected = slow_nearest(vectors.astype(np.float64), photo, k, within)
    assert rows_of(found.index) == expected
    assert any(expected)
    assert not all(expected)
    for row, near in enumerate(expected):
        far = [cosine_distance(vectors[row].astype(float), vectors[one].astype(float)) for one in near]
        np.testing.assert_allclose(found.distance[row, : len(near)], far, atol=1e-6)
        assert np.isinf(found.distance[row, len(near) :]).all()


def test_an_object_alone_in_its_photo_has_none() -> None:
    found = nearest_in_photo(np.eye(3, dtype=np.float32), np.arange(3), k=2, within=np.full(3, np.inf))
    assert (found.index == NO_NEIGHBOR).all()


def test_equal_ones_are_in_their_order() -> None:
    found = nearest_in_photo(
        np.ones((4, 2), np.float32), np.zeros(4, np.int64), k=3, within=np.full(4, np.inf)
    )
    assert found.index.tolist() == [[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]]


def test_a_joint_space_is_compared_by_the_cosines_of_its_parts() -> None:
    random = np.random.default_rng(0)
    one, other = (
        random.normal(size=(30, 4)).astype(np.float32),
        random.normal(size=(30, 7)).astype(np.float32),
    )
    parts = [
        Part("a", 3.0, 0.0, (Block(one, np.arange(30)),)),
        Part("b", 1.0, 0.0, (Block(other, np.arange(30)),)),
    ]
    photo = np.arange(30) % 4
    found = nearest_in_photo(JointVectors(parts, 30), photo, k=2, within=np.full(30, np.inf))
    for row in range(30):
        far = {
            there: 0.75 * cosine_distance(one[row], one[there])
            + 0.25 * cosine_distance(other[row], other[there])
            for there in range(30)
            if there != row and photo[there] == photo[row]
        }
        assert found.index[row].tolist() == sorted(far, key=far.__getitem__)[:2]


def test_what_is_as_far_as_the_bound_counts() -> None:
    vectors, photo, _ = make()
    free = nearest_in_photo(vectors, photo, k=3, within=np.full(90, np.inf))
    bounded = nearest_in_photo(vectors, photo, k=3, within=free.distance[:, 1])
    at = np.isfinite(free.distance[:, 1])
    np.testing.assert_array_equal(bounded.index[at, :2], free.index[at, :2])
    farther = at & (free.distance[:, 2] > free.distance[:, 1])
    assert (bounded.index[farther, 2] == NO_NEIGHBOR).all()
