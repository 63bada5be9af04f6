from __future__ import annotations

import itertools

import numpy as np
import pytest

from objectspace.analyses.subsets import choose_subset
from objectspace.errors import InputError

VECTORS = np.random.default_rng(0).normal(size=(14, 3)).astype(np.float32)
UNIT = VECTORS.astype(np.float64) / np.linalg.norm(VECTORS, axis=1, keepdims=True)
COSINES = UNIT @ UNIT.T


def radius(rows):
    return max(min(np.linalg.norm(UNIT[row] - UNIT[one]) for one in rows) for row in range(14))


def nearness(rows):
    return float(COSINES[:, list(rows)].max(1).mean())


def test_diversity_is_within_twice_the_least_radius():
    made = choose_subset(VECTORS, 4, "diversity")
    best = min(radius(rows) for rows in itertools.combinations(range(14), 4))
    assert made.coverage == pytest.approx(radius(made.rows), abs=1e-6)
    assert best <= made.coverage <= 2 * best
    assert len(set(made.rows.tolist())) == 4


def test_density_takes_the_greatest_gain_each_time():
    made = choose_subset(VECTORS, 5, "density")
    slow: list[int] = []
    for _ in range(5):
        left = [row for row in range(14) if row not in slow]
        slow.append(max(left, key=lambda row: nearness([*slow, row])))
    assert made.rows.tolist() == slow
    best = max((nearness(rows) + 1) / 2 for rows in itertools.combinations(range(14), 5))
    assert (made.coverage + 1) / 2 >= (1 - 1 / np.e) * best
    assert made.coverage > made.random


def test_one_is_a_choice():
    """By density the row whose cosines to all sum to most."""
    unit = VECTORS / np.linalg.norm(VECTORS, axis=1, keepdims=True)
    assert choose_subset(VECTORS, 1, "density").rows.tolist() == [int((unit @ unit.T).sum(1).argmax())]


@pytest.mark.parametrize("by", ["diversity", "density"])
def test_what_is_chosen_already_covers_and_is_not_chosen_again(by):
    already = np.array([9, 2])
    made = choose_subset(VECTORS, 3, by, already=already)
    assert not set(made.rows.tolist()) & {2, 9}
    if by == "diversity":
        assert made.rows[0] == np.argmin(COSINES[:, already].max(1))
    else:
        left = [row for row in range(14) if row not in (2, 9)]
        assert made.rows[0] == max(left, key=lambda row: nearness([2, 9, row]))


def test_labels_come_in_turn_until_they_end():
    labels = np.array(["b"] * 9 + ["a"] * 1 + ["c"] * 4)
    made = choose_subset(VECTORS, 7, "label", labels=labels)
    assert labels[made.rows].tolist() == ["a", "b", "c", "b", "c", "b", "c"]
    assert len(set(made.rows.tolist())) == 7


def test_equal_vectors_are_chosen_once_each():
    made = choose_subset(np.ones((5, 2), np.float32), 5, "diversity")
    assert sorted(made.rows.tolist()) == list(range(5))


@pytest.mark.parametrize(
    ("count", "by", "message"),
    [
        (15, "diversity", "15 to choose of 14 objects"),
        (0, "density", "0 to choose of 14 objects"),
        (2, "label", "needs labels"),
        (2, "beauty", "by is 'beauty', expected diversity, density, label"),
    ],
)
def test_what_cannot_be_chosen(count, by, message):
    with pytest.raises(InputError, match=message):
        choose_subset(VECTORS, count, by)


def slow_centers(unit, count, already):
    """The farthest from all before, one by one; the first is nearest the mean."""
    chosen = []
    while len(chosen) < count:
        before = [*already, *chosen]
        left = [row for row in range(len(unit)) if row not in before]
        if before:
            chosen.append(min(left, key=lambda row: max(float(unit[row] @ unit[one]) for one in before)))
        else:
            chosen.append(max(left, key=lambda row: float(unit[row] @ unit.mean(0))))
    return chosen


@pytest.mark.parametrize("already", [None, [9, 2, 9], [0]], ids=str)
@pytest.mark.parametrize("by", ["diversity", "density", "label"])
def test_a_choice_its_coverage_and_that_of_random_ones_are_those_of_loops(by, already):
    """Labels of 9, 4 and 1, of which one is all chosen already; a vector without direction."""
    vectors = np.random.default_rng(3).normal(size=(14, 3)).astype(np.float32)
    vectors[5] = 0
    unit = vectors.astype(float) / np.maximum(
        np.linalg.norm(vectors.astype(float), axis=1, keepdims=True), 1e-9
    )
    labels = np.array(["b", "a", "b", "c", "b", "b", "c", "b", "b", "c", "b", "b", "c", "b"])
    labels[0] = "z"
    before = [] if already is None else sorted(set(already))
    made = choose_subset(
        vectors, 6, by, labels=labels, already=None if already is None else np.array(already), seed=8
    )

    def coverage(rows):
        best = (unit @ unit[rows].T).max(1)
        return float(best.mean()) if by == "density" else float(np.sqrt(2 - 2 * best.min()))

    if by == "density":
        expected = []
        for _ in range(6):
            left = [row for row in range(14) if row not in (*before, *expected)]
            gains = {row: coverage([*before, *expected, row]) for row in left}
            expected.append(max(left, key=gains.__getitem__))
    elif by == "diversity":
        expected = slow_centers(unit, 6, before)
    else:
        queues = []
        for label in np.unique(labels):
            own = np.flatnonzero(labels == label)
            there = [place for place, row in enumerate(own) if row in before]
            few = min(6, len(own) - len(there))
            queues.append([int(own[place]) for place in slow_centers(unit[own], few, there)])
        expected = [queue[turn] for turn in range(6) for queue in queues if turn < len(queue)][:6]
    assert made.rows.tolist() == expected
    assert made.coverage == pytest.approx(coverage([*before, *expected]), abs=1e-6)
    free = [row for row in range(14) if row not in before]
    rng = np.random.default_rng(8)
    drawn = [coverage([*before, *rng.choice(free, 6, replace=False)]) for _ in range(20)]
    assert made.random == pytest.approx(np.mean(drawn), abs=1e-6)
    assert made.by == by


@pytest.mark.parametrize("by", ["diversity", "density", "label"])
def test_all_that_are_left_can_be_chosen(by):
    labels = np.repeat(["b", "a"], 7)
    made = choose_subset(VECTORS, 12, by, labels=labels, already=np.array([1, 13]))
    assert sorted(made.rows.tolist()) == [0, *range(2, 13)]
    with pytest.raises(InputError, match="13 to choose of 12 objects"):
        choose_subset(VECTORS, 13, by, labels=labels, already=np.array([1, 13]))
