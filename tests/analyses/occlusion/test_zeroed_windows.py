from __future__ import annotations

import numpy as np
import pytest

from objectspace.analyses.occlusion import every_window, parse_sizes
from objectspace.errors import InputError


def test_every_size_of_the_papers_map() -> None:
    windows = every_window((13, 13), None)
    assert len(windows) == 819 == sum((14 - size) ** 2 for size in range(1, 14))
    assert (windows.x + windows.size).max() == (windows.y + windows.size).max() == 13
    rows = np.stack([windows.size, windows.y, windows.x])
    assert len(np.unique(rows, axis=1).T) == 819
    assert (np.diff(windows.size) >= 0).all()


def test_a_grid_wider_than_high() -> None:
    windows = every_window((3, 2), (2, 9, 2))
    assert (windows.x.tolist(), windows.y.tolist(), windows.size.tolist()) == ([0, 1], [0, 0], [2, 2])
    np.testing.assert_array_equal(windows.cover((3, 2))[1], [[False, True, True]] * 2)


@pytest.mark.parametrize(
    ("sizes", "sentence"),
    [
        ((0, 2), "windows of 0 cells, expected 1 or more"),
        ((7,), r"windows of \[7\] cells do not fit a grid of 3 x 2 cells"),
    ],
)
def test_sizes_that_cannot_be(sizes, sentence) -> None:
    with pytest.raises(InputError, match=sentence):
        every_window((3, 2), sizes)


def test_more_windows_than_anybody_waits_for() -> None:
    with pytest.raises(InputError, match="expected at most 200,000; ask for fewer sizes or a later tap"):
        every_window((608, 608), (1,))


@pytest.mark.parametrize(
    ("grid", "sizes", "fits"),
    [
        ((500, 400), (1,), True),
        ((3, 66_667), (1,), False),
        ((503, 403), (4,), True),
        ((66_669, 5), (3,), False),
        ((402, 251), (2, 1), False),
    ],
)
def test_two_hundred_thousand_windows_and_no_more(grid, sizes, fits) -> None:
    count = sum((grid[0] - size + 1) * (grid[1] - size + 1) for size in sizes)
    assert (count <= 200_000) is fits
    if fits:
        assert len(every_window(grid, sizes)) == count == 200_000
    else:
        with pytest.raises(InputError, match=f"{count:,} windows of a grid of {grid[0]} x {grid[1]} cells"):
            every_window(grid, sizes)


@pytest.mark.parametrize(
    ("text", "sizes"),
    [("all", None), ("3", (3,)), ("1-3", (1, 2, 3)), ("4, 1-2,2", (1, 2, 4)), ("2-2", (2,))],
)
def test_sizes_in_words(text, sizes) -> None:
    assert parse_sizes(text) == sizes


@pytest.mark.parametrize("text", ["", "0", "-1", "3-1", "1-", "a", "1,,2", "1.5", "99999"])
def test_words_that_are_no_sizes(text) -> None:
    with pytest.raises(InputError, match="expected sizes such as 3, 1-5 or 1,2,4, or the word all"):
        parse_sizes(text)
