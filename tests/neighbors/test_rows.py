"""Ids, groups and filters of searched rows."""

from __future__ import annotations

import numpy as np
import pytest

from objectspace.errors import QueryError
from objectspace.neighbors.rows import Rows, check_queries

IDS = ["d", "b", "e", "a", "c"]


@pytest.mark.parametrize(
    ("groups", "asked"),
    [
        (["m", "k", "m", "z", "k"], ["z", "a", "k", "zz", "l", "m"]),
        ([30, 10, 30, 50, 10], [50, 5, 10, 99, 20, 30]),
    ],
    ids=["names", "numbers"],
)
def test_a_querys_own_rows_are_those_of_its_group(groups: list, asked: list) -> None:
    """Groups out of order, and queries of groups before, between and beyond them, of which no row is."""
    rows = Rows(5, IDS, groups)
    own = rows.own_groups(asked, 6)
    for group, number in zip(asked, own, strict=True):
        expected = [group == other for other in groups]
        assert (rows.group == number).tolist() == expected
        assert (number == -1) == (not any(expected))
    assert rows.own_groups(None, 3).tolist() == [-1, -1, -1]
    assert Rows(5, IDS, None).own_groups(None, 2).tolist() == [-1, -1]


def test_other_groups_leave_ids_as_they_are() -> None:
    rows = Rows(5, IDS, ["m", "k", "m", "z", "k"])
    other = rows.grouped([1, 1, 1, 1, 0])
    assert other.rank.tolist() == rows.rank.tolist() == [3, 1, 4, 0, 2]
    assert other.group.tolist() == [1, 1, 1, 1, 0]
    assert rows.group.tolist() == [1, 0, 1, 2, 0]
    assert len(other) == 5


def test_allowed_rows_are_a_mask_of_all() -> None:
    rows = Rows(5, IDS, None)
    assert rows.allowed(None).tolist() == [0, 1, 2, 3, 4]
    assert rows.allowed(np.array([False, True, False, True, True])).tolist() == [1, 3, 4]
    assert rows.allowed([False, True, False, True, True]).tolist() == [1, 3, 4]
    for wrong in (np.ones(5), np.ones(4, bool), np.ones((5, 1), bool)):
        with pytest.raises(QueryError, match=r"expected \(5,\) bool"):
            rows.allowed(wrong)


def test_the_first_query_that_is_not_finite_is_named() -> None:
    queries = np.ones((5, 3), np.float32)
    queries[[2, 4], [0, 2]] = np.nan, np.inf
    with pytest.raises(QueryError, match="query 2 has a NaN or an infinity"):
        check_queries(queries, 3, 1)
    assert check_queries(np.ones((2, 3)).T[:, ::-1], 2, 1).flags.c_contiguous
    assert check_queries(np.zeros((0, 3)), 3, 1).shape == (0, 3)
