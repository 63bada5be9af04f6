"""The margins of labels against counts by hand, object by object."""

from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest

from objectspace.analyses.audit import same_photo
from objectspace.analyses.audit.held_out import HeldOutClassifier
from objectspace.analyses.audit.label_margins import LabelEvidence, Margins
from objectspace.neighbors import Neighbors, nearest

LABELS, K = 4, 6


def make(n: int = 80) -> tuple[np.ndarray, np.ndarray, np.ndarray, Neighbors]:
    """Vectors around four directions, their labels, photos of 1 to 8 objects, and the nearest of others."""
    random = np.random.default_rng(5)
    own = random.choice(LABELS, n, p=[0.4, 0.3, 0.2, 0.1])
    vectors = (np.eye(LABELS, 9)[own] + random.normal(0, 0.25, (n, 9))).astype(np.float32)
    photo = np.concatenate([np.arange(6), 6 + random.integers(0, 15, n - 6)])
    ids = np.arange(n)
    near = nearest(vectors, vectors, ids=ids, k=K, metric="cosine", groups=photo, query_groups=photo)
    return vectors, own, photo, near


def shares(voters: list[int], own: np.ndarray) -> list[float]:
    """The share of each label among the voters, of whom one votes as all objects do."""
    frequency = [float((own == label).mean()) for label in range(LABELS)]
    votes = [frequency[label] + sum(own[voter] == label for voter in voters) for label in range(LABELS)]
    return [vote / sum(votes) for vote in votes]


def margin(values: list[float], label: int) -> float:
    return max(value for other, value in enumerate(values) if other != label) - values[label]


def logarithms(values: list[float]) -> list[float]:
    return [math.log(max(value, 1e-6)) for value in values]


def slow_voters(vectors: np.ndarray, photo: np.ndarray, near: Neighbors) -> list[list[int]]:
    """The nearest in the own photo, ten at most, that are no farther than the last in other photos."""
    unit = vectors.astype(np.float64) / np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    found = []
    for row in range(len(photo)):
        others = [one for one in range(len(photo)) if photo[one] == photo[row] and one != row]
        far = {one: 1 - float(unit[row] @ unit[one]) for one in others}
        near_ones = [one for one in others if far[one] <= near.distance[row].max()]
        found.append(sorted(near_ones, key=far.__getitem__)[:10])
    return found


def slow_margins(vectors: np.ndarray, own: np.ndarray, photo: np.ndarray, near: Neighbors) -> Margins:
    n = len(own)
    votes = [shares(near.index[row].tolist(), own) for row in range(n)]
    scores = HeldOutClassifier(vectors, photo, seed=0).fit(own, LABELS).of(np.arange(n)).tolist()
    others = [(margin(logarithms(votes[row]), own[row]), margin(scores[row], own[row])) for row in range(n)]
    voters = slow_voters(vectors, photo, near)
    own_photo, together = [], []
    for row in range(n):
        said = logarithms(shares(voters[row], own))
        own_photo.append(margin(said, own[row]) if voters[row] else math.nan)
        like = [one for one in range(n) if photo[one] == photo[row] and own[one] == own[row]]
        mean_votes, mean_scores = (
            np.mean([said[one] for one in like], axis=0).tolist() for said in (votes, scores)
        )
        together.append((margin(logarithms(mean_votes), own[row]), margin(mean_scores, own[row])))
    known = np.array(own_photo)
    return Margins(np.array(others), np.where(np.isnan(known), np.nanmean(known), known), np.array(together))


@pytest.mark.parametrize("block", [8192, 1, 17])
def test_margins_are_those_by_hand(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one block, photo by photo, and some photos at a time."""
    monkeypatch.setattr(same_photo, "BLOCK", block)
    vectors, own, photo, near = make()
    found = LabelEvidence(vectors, near, photo, LABELS).margins(own)
    expected = slow_margins(vectors, own, photo, near)
    # Scores are products in float32, which other blocks round otherwise.
    np.testing.assert_allclose(found.others, expected.others, atol=1e-6)
    np.testing.assert_allclose(found.own_photo, expected.own_photo, atol=1e-9)
    np.testing.assert_allclose(found.together, expected.together, atol=1e-6)
    assert np.array_equal(found.of_one, np.column_stack([found.others, found.own_photo]))
    assert np.array_equal(found.of_all, np.column_stack([found.others, found.together]))


def test_proposals_are_those_by_hand() -> None:
    """The own photo's votes count half, each source by how much its margins vary."""
    vectors, own, photo, near = make()
    margins = slow_margins(vectors, own, photo, near)
    found = LabelEvidence(vectors, near, photo, LABELS)
    scores = HeldOutClassifier(vectors, photo, seed=0).fit(own, LABELS).of(np.arange(len(own)))
    voters = slow_voters(vectors, photo, near)
    known = np.array([margins.own_photo[row] for row in range(len(own)) if voters[row]])
    proposed = []
    for row in range(len(own)):
        said = np.array(logarithms(shares(near.index[row].tolist(), own))) / margins.others[:, 0].std()
        said += scores[row] / margins.others[:, 1].std()
        if voters[row]:
            said += np.array(logarithms(shares(voters[row], own))) / known.std() / 2
        said[own[row]] = -np.inf
        proposed.append(int(said.argmax()))
    assert found.proposals(own, found.margins(own)).tolist() == proposed
    assert len(set(proposed)) >= 3


def test_margins_of_many_labels_take_less_than_the_votes_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 6,000 objects and 300 labels the votes would be 14 MB, as the scores, and the logarithms of both."""
    monkeypatch.setattr(same_photo, "BLOCK", 256)
    random = np.random.default_rng(1)
    vectors, own = random.normal(size=(6000, 8)).astype(np.float32), random.integers(0, 300, 6000)
    near = Neighbors(random.integers(0, 6000, (6000, K)), np.ones((6000, K)))
    found = LabelEvidence(vectors, near, np.arange(6000) // 3, 300)
    tracemalloc.start()
    found.proposals(own, found.margins(own))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * 6000 * 300 / 2


def test_an_object_alone_in_its_photo_has_the_mean_margin() -> None:
    vectors, own, photo, near = make()
    found = LabelEvidence(vectors, near, photo, LABELS).margins(own)
    alone = np.bincount(photo)[photo] == 1
    assert alone.sum() == 6
    assert len(set(found.own_photo[alone].tolist())) == 1
    assert found.own_photo[~alone].min() < found.own_photo[alone][0] < found.own_photo[~alone].max()
    # Of one of its label in its photo both mean the same.
    np.testing.assert_allclose(found.together[alone], found.others[alone], atol=1e-6)


def test_where_no_photo_has_two_objects_the_own_photo_says_nothing() -> None:
    vectors, own, _, _ = make()
    photo = np.arange(len(own))
    near = nearest(vectors, vectors, ids=photo, k=K, metric="cosine", groups=photo, query_groups=photo)
    assert (LabelEvidence(vectors, near, photo, LABELS).margins(own).own_photo == 0).all()


def test_objects_far_from_all_of_their_photo_have_no_neighbor_there() -> None:
    """Of a dog among people the people are farther than dogs in other photos, and do not vote."""
    vectors = np.repeat(np.eye(2, 8, dtype=np.float32), 20, axis=0)
    own, photo = np.repeat([0, 1], 20), np.tile(np.arange(20), 2)
    near = nearest(
        vectors, vectors, ids=np.arange(40), k=K, metric="cosine", groups=photo, query_groups=photo
    )
    assert (LabelEvidence(vectors, near, photo, 2).margins(own).own_photo == 0).all()


@pytest.mark.parametrize("rows", [np.arange(5), np.arange(80) % 3 == 0], ids=["rows", "mask"])
def test_some_are_taken(rows: np.ndarray) -> None:
    vectors, own, photo, near = make()
    margins = LabelEvidence(vectors, near, photo, LABELS).margins(own)
    taken = margins.take(rows)
    for name in ("others", "own_photo", "together"):
        assert np.array_equal(getattr(taken, name), getattr(margins, name)[rows])
