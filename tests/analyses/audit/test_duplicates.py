"""Groups of copies: one is kept, and all others are copies of that one."""

from __future__ import annotations

import numpy as np
import pytest

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


@pytest.mark.parametrize("seed", range(4))
def test_groups_are_those_of_a_loop_over_what_is_left(seed: int) -> None:
    """Of points in several clouds: the kept one, then its copies, the nearest first."""
    random = np.random.default_rng(seed)
    points = random.random((60, 2)) + random.integers(0, 3, (60, 1)) * 5
    apart = np.linalg.norm(points[:, None] - points, axis=2).round(2)
    first, second = np.nonzero(np.triu(apart < 0.2, 1))
    order, preference = random.permutation(len(first)), random.permutation(60)
    turned = random.random(len(first)) < 0.5
    ends = np.where(turned, second, first)[order], np.where(turned, first, second)[order]
    found = group_copies(make_pairs(*ends, apart[first, second][order]), preference)
    left = {int(row) for row in np.concatenate([first, second])}
    expected = []
    for keeper in sorted(left, key=lambda row: preference[row]):
        copies = sorted(
            (apart[keeper, row], row) for row in left if row != keeper and apart[keeper, row] < 0.2
        )
        if keeper in left and copies:
            number = len({group for _, group, _, _ in expected})
            expected.append((keeper, number, True, 0.0))
            expected += [(row, number, False, far) for far, row in copies]
            left -= {keeper, *(row for _, row in copies)}
    columns = (found.row, found.group, found.kept, found.distance)
    assert list(zip(*(column.tolist() for column in columns), strict=True)) == expected
    assert (len(found), found.count) == (len(expected), expected[-1][1] + 1)
    # Chains: what is connected by pairs, as powers of the matrix of pairs say.
    near = apart < 0.2
    for _ in range(6):
        near = (near.astype(int) @ near) > 0
    numbers = sorted(set(found.chain.tolist()))
    assert numbers == list(range(len(numbers)))
    together = found.chain[:, None] == found.chain
    np.testing.assert_array_equal(together, near[np.ix_(found.row, found.row)])
