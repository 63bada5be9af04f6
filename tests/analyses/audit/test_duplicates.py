"""Groups of copies: one is kept, and all others are copies of that one."""

from __future__ import annotations

import numpy as np

from objectspace.analyses.audit.duplicates import group_copies, make_pairs


def groups_of(ends: list[tuple[int, int]], preference: list[int]) -> list[list[int]]:
    """The rows of each group, the kept one first."""
    first, second = np.array(ends).T
    found = group_copies(make_pairs(first, second, np.ones(len(ends))), np.array(preference))
    return [found.row[found.group == number].tolist() for number in range(found.count)]


def test_pairs_from_both_sides_are_one() -> None:
    pairs = make_pairs(np.array([3, 0, 3]), np.array([0, 3, 2]), np.array([0.5, 0.5, 0.1]))
    assert list(zip(pairs.first.tolist(), pairs.second.tolist(), pairs.distance.tolist(), strict=True)) == [
        (0, 3, 0.5),
        (2, 3, 0.1),
    ]


def test_the_preferred_is_kept() -> None:
    assert groups_of([(0, 1), (1, 2), (0, 2)], [2, 0, 1]) == [[1, 0, 2]]


def test_a_chain_does_not_remove_what_is_no_copy_of_the_kept_one() -> None:
    """0 near 1 near 2 near 3: with 0 kept, 1 goes; 2 is kept, as it is not near 0, and takes 3."""
    assert groups_of([(0, 1), (1, 2), (2, 3)], [0, 1, 2, 3]) == [[0, 1], [2, 3]]
    assert groups_of([(0, 1), (1, 2), (2, 3)], [3, 0, 2, 1]) == [[1, 0, 2]]


def test_every_copy_is_near_the_one_that_is_kept() -> None:
    random = np.random.default_rng(0)
    points = random.random((80, 2))
    apart = np.linalg.norm(points[:, None] - points, axis=2)
    first, second = np.nonzero(np.triu(apart < 0.12, 1))
    preference = random.permutation(80)
    found = group_copies(make_pairs(first, second, apart[first, second]), preference)
    keeper = found.row[found.kept][found.group]
    assert (apart[keeper, found.row] < 0.12).all()
    assert np.array_equal(found.distance, apart[keeper, found.row])
    assert len(set(found.row.tolist())) == len(found.row)
    assert (preference[keeper] <= preference[found.row]).all()
    # Nothing that is kept, or left, is a copy of a kept one.
    left = np.setdiff1d(np.arange(80), found.row[~found.kept])
    assert not (np.triu(apart[np.ix_(left, left)] < 0.12, 1)).any()


def test_no_pairs_are_no_groups() -> None:
    empty = np.empty(0, np.int64)
    assert group_copies(make_pairs(empty, empty, np.empty(0)), np.arange(4)).count == 0
