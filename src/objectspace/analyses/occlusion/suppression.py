"""Non-maximum suppression under every window, exact, and incremental from that of the unchanged image.

Conflicts (pairs of one label that overlap by more than the threshold) among the baseline's candidates are
computed once. Under a window only the predictions of changed cells are new: their conflicts with the
candidates are computed once for all windows that share them, those among themselves within each window. Then
suppression is solved for all windows at once, for the labels that a window affects.

Simpler ways were tried and left, see docs/occlusion.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectspace.analyses.occlusion.baseline import Baseline
from objectspace.analyses.occlusion.states import HeadStates
from objectspace.models.detectors.predictions import Predictions, joined
from objectspace.objects import boxes
from objectspace.objects.records import Objects, Provenance

#: IoU from which a prediction under a window matches the baseline's object of its label.
MATCH_IOU = 0.5

#: Pairs of predictions whose overlap is computed together, to bound memory.
_TOGETHER = 2**20

Pairs = tuple[NDArray[np.int64], NDArray[np.int64]]


@dataclass(frozen=True, slots=True, eq=False)
class WindowDetections:
    """Detections after suppression under n windows, compared with the baseline's p objects.

    disappeared: (n, p) whether no detection of the object's label overlaps it by ``MATCH_IOU``
    window: (m,) int64, the window of each detection that matches no object, by window, highest score first;
        ``predictions`` (m,) are these, ``xyxy`` (m, 4) float32 their boxes in pixels of the image
    """

    disappeared: NDArray[np.bool_]
    window: NDArray[np.int64]
    predictions: Predictions
    xyxy: NDArray[np.float32]


class Suppression:
    """Suppression of the baseline's candidates and of new predictions under windows.

    objects: those of the unchanged image, as the detector finds them
    """

    def __init__(self, baseline: Baseline, objects: Objects, *, confidence: float, iou: float) -> None:
        self._baseline = baseline
        self._confidence = confidence
        self._iou = iou
        self._before = baseline.candidates
        self._place = places(self._before.provenance)
        self._xyxy, self._inside = self._in_image(self._before)
        by_place = {place: row for row, place in enumerate(self._place.tolist())}
        self._shown = np.array([by_place[place] for place in places(objects.provenance).tolist()], np.int64)
        first, second = self._conflicts_with(self._before)
        self._conflicts = first[first < second], second[first < second]
        self._kept = np.zeros(len(self._before), bool)
        self._kept[baseline.kept] = True
        self._matches = self._match(self._before, self._xyxy)

    @property
    def shown(self) -> Predictions:
        """The predictions of the unchanged image's objects."""
        return self._before.take(self._shown)

    @property
    def most_windows(self) -> int:
        """The number of windows to process together, to bound memory."""
        cells = sum(reader.head.grid_wh[0] * reader.head.grid_wh[1] for reader in self._baseline.readers)
        count = len(self._before)
        return max(1, min(2**22 // max(cells, count, len(self._conflicts[0]), 1), 2**26 // max(count**2, 1)))

    def suppress(self, heads: Sequence[HeadStates], windows: int) -> WindowDetections:
        """Return the detections under ``windows`` windows, given the states of the heads' cells."""
        after, pairs = self._predicted(heads)
        active = self._active(heads, windows)
        affected = self._affected(active, after, pairs)
        sources, targets = self._edges(after, pairs, affected)
        nodes = np.concatenate([active.reshape(-1), np.ones(len(pairs[0]), bool)])
        kept = _kept(nodes, sources, targets)
        again = kept[: active.size].reshape(active.shape)
        kept_before = np.where(affected[:, self._before.label], again, self._kept) & self._inside
        xyxy, inside = self._in_image(after)
        kept_after = kept[active.size :] & inside[pairs[1]]
        window, row = pairs[0][kept_after], pairs[1][kept_after]
        matches = self._match(after, xyxy)
        survives = np.greater(kept_before.astype(np.float32) @ self._matches.astype(np.float32), 0)
        which, shown = np.nonzero(matches[row])
        survives[window[which], shown] = True
        return self._detections(~survives, kept_before, after, xyxy, window, row, matches)

    def _detections(
        self,
        disappeared: NDArray[np.bool_],
        kept_before: NDArray[np.bool_],
        after: Predictions,
        xyxy: NDArray[np.float32],
        window: NDArray[np.int64],
        row: NDArray[np.int64],
        matches: NDArray[np.bool_],
    ) -> WindowDetections:
        """Add the detections that match no object: candidates no longer suppressed, and new predictions."""
        freed_window, freed = np.nonzero(kept_before & ~self._matches.any(1))
        new = ~matches[row].any(axis=1)
        windows = np.concatenate([freed_window, window[new]])
        predictions = joined([self._before.take(freed), after.take(row[new])])
        places = np.concatenate([self._xyxy[freed], xyxy[row[new]]])
        order = np.lexsort((-predictions.score, windows))
        return WindowDetections(disappeared, windows[order], predictions.take(order), places[order])

    def _predicted(self, heads: Sequence[HeadStates]) -> tuple[Predictions, Pairs]:
        """Return the predictions of all states by rank, and the (window, prediction) pairs that occur."""
        parts, windows, rows = [self._before.take(np.zeros(0, np.int64))], [], []
        count = 0
        for head in heads:
            found, state = head.reader.of_cells(head.numbers, head.x, head.y, self._confidence)
            flat = head.state.reshape(len(head.state), -1)
            window, row = _pairs_by_state(flat, head.cell[state], state)
            parts.append(found)
            windows.append(window)
            rows.append(row + count)
            count += len(found)
        after = joined(parts)
        order = _by_rank(after.score, places(after.provenance))
        rank = np.empty_like(order)
        rank[order] = np.arange(len(order))
        nothing = np.zeros(0, np.int64)
        return after.take(order), (
            np.concatenate([nothing, *windows]),
            rank[np.concatenate([nothing, *rows])],
        )

    def _active(self, heads: Sequence[HeadStates], windows: int) -> NDArray[np.bool_]:
        """Return which candidates are in cells that each window leaves unchanged: (n, candidates)."""
        active = np.ones((windows, len(self._before)), bool)
        cells = self._before.provenance
        for head in heads:
            own = np.flatnonzero(cells.head == head.reader.head.layer)
            active[:, own] = head.state[:, cells.cell_y[own], cells.cell_x[own]] < 0
        return active

    def _affected(self, active: NDArray[np.bool_], after: Predictions, pairs: Pairs) -> NDArray[np.bool_]:
        """Return for each window the labels (n, labels) of which a prediction goes or comes.

        Suppression is within a label, so the outcome for all other labels is the baseline's.
        """
        affected = np.zeros((len(active), len(self._baseline.detector.names)), bool)
        window, row = np.nonzero(~active)
        affected[window, self._before.label[row]] = True
        affected[pairs[0], after.label[pairs[1]]] = True
        return affected

    def _edges(self, after: Predictions, pairs: Pairs, affected: NDArray[np.bool_]) -> Pairs:
        """Return the edges from each node to those that it suppresses if it is kept.

        Nodes are the candidates of every window, then the pairs.
        """
        windows, count = len(affected), len(self._before)
        where, edge = np.nonzero(affected[:, self._before.label[self._conflicts[0]]])
        edges = [tuple(where * count + side[edge] for side in self._conflicts)]
        window, row = pairs
        node = windows * count + np.arange(len(row))
        for_after, for_before = self._conflicts_with(after)
        which, edge = _joined_on(row, for_after, len(after))
        before = window[which] * count + for_before[edge]
        new = node[which]
        first_before = self._ranks_before(for_before, after, for_after)[edge]
        edges.append((np.where(first_before, before, new), np.where(first_before, new, before)))
        edges.append(self._conflicts_among(after, window, row, node))
        sources, targets = zip(*edges, strict=True)
        return np.concatenate(sources), np.concatenate(targets)

    def _conflicts_with(self, found: Predictions) -> Pairs:
        """Return the conflicts between predictions and candidates, as rows of both, sorted by the first."""
        conflicts = [np.zeros((2, 0), np.int64)]
        for rows in _by_label(found.label):
            same = np.flatnonzero(self._before.label == found.label[rows[0]])
            for some, others in _blocks(rows, same):
                first, second = np.nonzero(
                    overlap(found.xyxy[some][:, None], self._before.xyxy[others][None]) > self._iou
                )
                conflicts.append(np.stack([some[first], others[second]]))
        first, second = np.concatenate(conflicts, axis=1)
        order = np.argsort(first, kind="stable")
        return first[order], second[order]

    def _ranks_before(
        self, before: NDArray[np.int64], after: Predictions, rows: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """Return whether candidates rank before new predictions, pair by pair."""
        score, other = self._before.score[before], after.score[rows]
        earlier = self._place[before] < places(after.provenance)[rows]
        ranks: NDArray[np.bool_] = (score > other) | ((score == other) & earlier)
        return ranks

    def _conflicts_among(
        self,
        after: Predictions,
        window: NDArray[np.int64],
        row: NDArray[np.int64],
        node: NDArray[np.int64],
    ) -> Pairs:
        """Return pairs of nodes of one window, both new, of which the first suppresses the second."""
        order = np.lexsort((row, after.label[row], window))
        group = window[order] * (int(after.label.max(initial=0)) + 1) + after.label[row[order]]
        found = [np.zeros((2, 0), np.int64)]
        for first, second in _pairs_in_groups(group):
            one, other = order[first], order[second]
            conflict = overlap(after.xyxy[row[one]], after.xyxy[row[other]]) > self._iou
            found.append(np.stack([node[one[conflict]], node[other[conflict]]]))
        sources, targets = np.concatenate(found, axis=1)
        return sources, targets

    def _in_image(self, found: Predictions) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Return boxes (n, 4) clipped to the image, and whether any part of each is inside (n,)."""
        frame = self._baseline.frame
        xyxy = boxes.clip(frame.to_image(found.xyxy.astype(np.float32)), frame.image_wh)
        return xyxy, boxes.area(xyxy) > 0

    def _match(self, found: Predictions, xyxy: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Return whether predictions match the objects, by label and overlap: (n, objects)."""
        same = found.label[:, None] == self._before.label[self._shown]
        row, shown = np.nonzero(same)
        matches = np.zeros(same.shape, bool)
        over = overlap(xyxy[row].astype(np.float64), self._xyxy[self._shown][shown].astype(np.float64))
        matches[row, shown] = over >= MATCH_IOU
        return matches


def places(cells: Provenance) -> NDArray[np.int64]:
    """Return one number for each head, cell and anchor, in the order in which equal scores rank."""
    place = cells.head.astype(np.int64)
    for column, bits in ((cells.cell_y, 17), (cells.cell_x, 17), (cells.anchor, 17)):
        place = (place << bits) + column
    return place


def overlap(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the intersection over union of boxes (…, 4), pair by pair; 0 where both are empty."""
    low = np.maximum(first[..., :2], second[..., :2])
    high = np.minimum(first[..., 2:], second[..., 2:])
    shared = _area(np.maximum(high - low, 0))
    areas = _area(first[..., 2:] - first[..., :2]) + _area(second[..., 2:] - second[..., :2])
    union = areas - shared
    share: NDArray[np.float64] = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return share


def _area(sides: NDArray[np.float64]) -> NDArray[np.float64]:
    # A product along an axis of two takes several times as long.
    area: NDArray[np.float64] = sides[..., 0] * sides[..., 1]
    return area


def _kept(
    active: NDArray[np.bool_], sources: NDArray[np.int64], targets: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Return which active nodes greedy suppression keeps: those that no kept node suppresses.

    Each round keeps all nodes that no undecided node suppresses, and rejects those that they suppress.
    """
    kept, undecided = np.zeros_like(active), active.copy()
    while True:
        open_ones = undecided[sources] & undecided[targets]
        sources, targets = sources[open_ones], targets[open_ones]
        free = undecided.copy()
        free[targets] = False
        kept |= free
        if not len(sources):
            return kept
        undecided &= ~free
        undecided[targets[free[sources]]] = False


def _by_rank(score: NDArray[np.float32], place: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.lexsort((place, -score))


def _by_label(label: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Return the rows of each label, in order."""
    order = np.argsort(label, kind="stable")
    return [rows for rows in np.split(order, np.flatnonzero(np.diff(label[order])) + 1) if len(rows)]


def _blocks(rows: NDArray[np.int64], others: NDArray[np.int64]) -> Iterator[Pairs]:
    """Yield blocks of rows with all others, of at most ``_TOGETHER`` pairs."""
    step = max(1, _TOGETHER // max(len(others), 1))
    for start in range(0, len(rows), step):
        yield rows[start : start + step], others


def _pairs_by_state(state: NDArray[np.int32], cell: NDArray[np.int64], wanted: NDArray[np.int64]) -> Pairs:
    """Return the (window, row) pairs where the row's cell has the row's state under a window (n, cells)."""
    if not len(wanted):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    cells = np.unique(cell)
    window, column = np.nonzero(state[:, cells] >= 0)
    found = state[window, cells[column]]
    order = np.argsort(wanted, kind="stable")
    which, edge = _joined_on(found, wanted[order], int(max(found.max(initial=0), wanted.max())) + 1)
    return window[which], order[edge]


def _joined_on(left: NDArray[Any], right: NDArray[np.int64], count: int) -> Pairs:
    """Return all pairs (i, j) with left[i] == right[j], both in [0, count); ``right`` is sorted."""
    starts = np.searchsorted(right, np.arange(count + 1))
    sizes = np.diff(starts)[left]
    first = np.repeat(np.arange(len(left)), sizes)
    within = np.arange(len(first)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return first, starts[left][first] + within


def _pairs_in_groups(group: NDArray[np.int64]) -> Iterator[Pairs]:
    """Yield all pairs i < j of equal numbers in a sorted list, in portions of about ``_TOGETHER``."""
    ends = np.searchsorted(group, group, side="right")
    later = ends - np.arange(len(group)) - 1
    total = np.cumsum(later)
    start = 0
    while start < len(group):
        before = total[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(total, before + _TOGETHER, side="right")))
        sizes = later[start:stop]
        first = np.repeat(np.arange(start, stop), sizes)
        within = np.arange(len(first)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        yield first, first + 1 + within
        start = stop
