"""The steps of suppression under windows, each against a slow loop."""

from __future__ import annotations

from itertools import pairwise, product
from types import SimpleNamespace

import numpy as np
import pytest

from objectspace.analyses.occlusion import suppression
from objectspace.models.detectors.predictions import Predictions
from objectspace.objects import boxes
from objectspace.objects.records import Provenance


@pytest.mark.parametrize("together", [1, 3, 4, 5, 100])
def test_pairs_in_groups_are_those_of_two_loops(monkeypatch: pytest.MonkeyPatch, together: int) -> None:
    monkeypatch.setattr(suppression, "_TOGETHER", together)
    group = np.array([0, 0, 0, 1, 2, 2, 2, 2, 5, 7, 7])
    portions = [np.stack(pairs) for pairs in suppression._pairs_in_groups(group)]
    expected = [[i, j] for i in range(11) for j in range(i + 1, 11) if group[i] == group[j]]
    assert np.concatenate(portions, axis=1).T.tolist() == expected
    # A portion is as many rows as fit; one row is never cut.
    later = [sum(group[j] == group[i] for j in range(i + 1, 11)) for i in range(11)]
    stops, count = [], 0
    for row, pairs in enumerate(later):
        if row and count + pairs > together:
            stops.append(row)
            count = 0
        count += pairs
    assert [portion.shape[1] for portion in portions] == [
        sum(later[start:stop]) for start, stop in pairwise([0, *stops, 11])
    ]


def test_no_groups_have_no_pairs() -> None:
    assert list(suppression._pairs_in_groups(np.zeros(0, np.int64))) == []


@pytest.mark.parametrize("together", [1, 6, 7, 100])
def test_blocks_are_all_rows_with_all_others(monkeypatch: pytest.MonkeyPatch, together: int) -> None:
    monkeypatch.setattr(suppression, "_TOGETHER", together)
    rows, others = np.array([5, 2, 9, 4, 7]), np.array([1, 8, 3])
    blocks = list(suppression._blocks(rows, others))
    pairs = [pair for some, all_of in blocks for pair in product(some.tolist(), all_of.tolist())]
    assert pairs == list(product(rows.tolist(), others.tolist()))
    assert [len(some) for some, _ in blocks][:1] == [min(5, max(1, together // 3))]


def test_equal_numbers_are_joined_as_in_two_loops() -> None:
    left, right = np.array([3, 0, 3, 1, 4]), np.array([0, 0, 1, 3, 3, 3])
    first, second = suppression._joined_on(left, right, 5)
    assert list(zip(first.tolist(), second.tolist(), strict=True)) == [
        (i, j) for i in range(5) for j in range(6) if left[i] == right[j]
    ]


def test_pairs_of_window_and_state_are_those_of_two_loops() -> None:
    rng = np.random.default_rng(0)
    state = rng.integers(-1, 9, (7, 6))
    # The rows of a state are all in one cell.
    owner = rng.integers(0, 6, 9)
    wanted = rng.permutation(np.repeat(np.arange(9), rng.integers(0, 4, 9)))
    for column in range(6):
        elsewhere = (state[:, column] >= 0) & (owner[state[:, column]] != column)
        state[elsewhere, column] = -1
    window, row = suppression._pairs_by_state(state, owner[wanted], wanted)
    found = sorted(zip(window.tolist(), row.tolist(), strict=True))
    assert found == sorted(
        (n, r) for n in range(7) for r in range(len(wanted)) if state[n, owner[wanted[r]]] == wanted[r]
    )
    assert len(found) > 5
    nothing = suppression._pairs_by_state(state, wanted[:0], wanted[:0])
    assert [len(column) for column in nothing] == [0, 0]


@pytest.mark.parametrize("seed", range(5))
def test_kept_are_those_that_no_kept_one_suppresses(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rank, active = rng.permutation(30), rng.random(30) < 0.8
    pairs = [(i, j) for i in range(30) for j in range(30) if rank[i] < rank[j] and rng.random() < 0.15]
    expected = np.zeros(30, bool)
    for node in np.argsort(rank):
        expected[node] = active[node] and not any(expected[i] for i, j in pairs if j == node)
    sources, targets = rng.permutation(np.array(pairs)).T
    np.testing.assert_array_equal(suppression._kept(active, sources, targets), expected)


def test_rows_of_each_label_come_in_order() -> None:
    label = np.array([4, 0, 4, 2, 0, 4])
    assert [rows.tolist() for rows in suppression._by_label(label)] == [[1, 4], [3], [0, 2, 5]]
    assert suppression._by_label(label[:0]) == []


def test_equal_scores_rank_by_head_row_column_and_anchor() -> None:
    rng = np.random.default_rng(1)
    columns = [rng.permutation(np.tile([0, 1, 130_000], 9)).astype(np.int32) for _ in range(3)]
    head = rng.permutation(np.tile([3, 4, 200], 9)).astype(np.int32)
    cells = Provenance(head, head, columns[0], columns[1], columns[2], np.zeros(27, np.float32))
    expected = sorted(range(27), key=lambda n: (head[n], columns[1][n], columns[0][n], columns[2][n]))
    places = suppression.places(cells)
    assert len(np.unique(places)) == len({tuple(row) for row in zip(head, *columns, strict=True)})
    assert np.argsort(places, kind="stable").tolist() == expected
    score = rng.choice(np.float32([0.2, 0.9]), 27)
    ranked = suppression._by_rank(score, places)
    assert ranked.tolist() == sorted(expected, key=lambda n: -score[n])


def test_overlap_is_that_of_all_boxes_with_all() -> None:
    rng = np.random.default_rng(2)
    first, second = (np.sort(rng.uniform(0, 9, (8, 2, 2)), axis=1).reshape(8, 4) for _ in range(2))
    first[0] = second[0] = second[1] = 3.0  # without an area, both or one
    expected = np.diag(boxes.iou(first.astype(np.float32), second.astype(np.float32)))
    np.testing.assert_allclose(suppression.overlap(first, second), expected, atol=1e-6)


def predictions(seed: int, count: int) -> Predictions:
    """Boxes on a grid of whole numbers, of which many overlap by just a half, with few scores and labels."""
    rng = np.random.default_rng(seed)
    corner = rng.integers(0, 4, (count, 2)) * 1.0
    xyxy = np.hstack([corner, corner + rng.integers(1, 4, (count, 2))])
    cells = [rng.permutation(count).astype(np.int32) for _ in range(3)]
    head = rng.choice([9, 15], count).astype(np.int32)
    where = Provenance(head, head, *cells, np.zeros(count, np.float32))
    score = rng.choice(np.float32([0.3, 0.5, 0.9]), count)
    return Predictions(xyxy, score, rng.integers(0, 3, count), where)


def overlapping(one: np.ndarray, other: np.ndarray) -> float:
    width, height = (min(one[n + 2], other[n + 2]) - max(one[n], other[n]) for n in (0, 1))
    shared = max(0, width) * max(0, height)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return shared / (sum(areas) - shared)


def rank_of(found: Predictions, row: int) -> tuple[float, ...]:
    """By score, and of equal ones by head, row, column and anchor."""
    cells = found.provenance
    places = (cells.head, cells.cell_y, cells.cell_x, cells.anchor)
    return (-float(found.score[row]), *(int(column[row]) for column in places))


def test_conflicts_are_pairs_of_a_label_that_overlap_by_more_than_the_threshold() -> None:
    before, after = predictions(0, 30), predictions(1, 20)
    place = suppression.places(before.provenance)
    stage = SimpleNamespace(
        _before=before, _iou=0.5, _place=place, _xyxy=before.xyxy, _shown=np.arange(0, 30, 4)
    )
    over = [[overlapping(one, other) for other in before.xyxy] for one in after.xyxy]
    same = after.label[:, None] == before.label
    assert sum(one == 0.5 for row in over for one in row) > 5
    first, second = suppression.Suppression._conflicts_with(stage, after)
    expected = [(i, j) for i in range(20) for j in range(30) if same[i, j] and over[i][j] > 0.5]
    assert sorted(zip(first.tolist(), second.tolist(), strict=True)) == expected
    assert (np.diff(first) >= 0).all()
    earlier = suppression.Suppression._ranks_before(stage, second, after, first)
    assert earlier.tolist() == [
        rank_of(before, j) < rank_of(after, i) for i, j in zip(first.tolist(), second.tolist(), strict=True)
    ]
    found = suppression.Suppression._match(stage, after, after.xyxy)
    assert found.tolist() == [[same[i, j] and over[i][j] >= 0.5 for j in range(0, 30, 4)] for i in range(20)]


def test_new_predictions_of_a_window_and_label_suppress_those_behind_them() -> None:
    """Of three windows out of order; predictions are in the order of their rank."""
    after, rng = predictions(2, 70), np.random.default_rng(3)
    after = after.take(np.array(sorted(range(70), key=lambda row: rank_of(after, row))))
    pairs = [(window, row) for window in (2, 0, 5) for row in range(70) if rng.random() < 0.6]
    window, row = np.array([pairs[n] for n in rng.permutation(len(pairs))]).T
    node = 1000 + np.arange(len(row))
    stage = SimpleNamespace(_iou=0.5)
    sources, targets = suppression.Suppression._conflicts_among(stage, after, window, row, node)
    expected = {
        (1000 + i, 1000 + j)
        for i in range(len(row))
        for j in range(len(row))
        if window[i] == window[j]
        and row[i] < row[j]
        and after.label[row[i]] == after.label[row[j]]
        and overlapping(after.xyxy[row[i]], after.xyxy[row[j]]) > 0.5
    }
    assert len(expected) > 5
    found = list(zip(sources.tolist(), targets.tolist(), strict=True))
    assert len(found) == len(expected)
    assert set(found) == expected
