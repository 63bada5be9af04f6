"""Occlusion: which prediction disappears when a window of a layer is zeroed (the paper's figure 3, measured).

Source: M. Zeiler and R. Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014, section
4.2, there with gray squares over the pixels; the paper zeroes windows of a detector's own map.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from objectspace.analyses.occlusion.baseline import Baseline, run_baseline
from objectspace.analyses.occlusion.by_linearity import is_linear_first, linear_states
from objectspace.analyses.occlusion.closed_form import closed_form_states, has_closed_form
from objectspace.analyses.occlusion.result import CLOSED_FORM, LINEARITY, RUN_ON, Appeared, Occlusion
from objectspace.analyses.occlusion.run_on import run_on_states
from objectspace.analyses.occlusion.states import HeadStates
from objectspace.analyses.occlusion.suppression import Suppression, WindowDetections
from objectspace.analyses.occlusion.zeroed_windows import Windows, every_window, parse_sizes
from objectspace.arguments import typed
from objectspace.errors import InputError
from objectspace.images import Image
from objectspace.models.detectors import Detector
from objectspace.models.detectors.predictions import Predictions, joined

__all__ = ["Appeared", "Occlusion", "Windows", "every_window", "measure_occlusion", "parse_sizes"]

#: Sizes of windows by default, as far as they fit.
SIZES = (1, 2, 3, 4, 5)


@typed
def measure_occlusion(
    detector: Detector,
    image: Image,
    *,
    tap: str | None = None,
    sizes: Sequence[int] | None = SIZES,
    heads: Collection[int] | None = None,
    confidence: float = 0.25,
    iou: float = 0.45,
    progress: Callable[[int, int], None] = lambda done, windows: None,
) -> Occlusion:
    """Zero every window of a tap and measure the effect on every prediction of the unchanged image.

    tap: a layer's name or "pixels", whose cells are squares as wide as the deepest head's stride; by default
        the layer before the head with the most predictions
    sizes: cells a side, None for every size of the grid
    heads: the layer numbers of the heads whose predictions count, by default all
    confidence, iou: thresholds of detection and of suppression
    progress: called with the windows that are done and all there are, as they are done

    Equal to running the rest of the network once for every window, to rounding; where the network allows,
    without running it at all (see :mod:`.closed_form`, :mod:`.by_linearity`).
    Raises InputError for an unknown tap or head, or an invalid size or threshold; ModelError for a detector
    of another family or precision than Darknet in float32.

    >>> detector = osp.load_detector("demo", precision="float32")
    >>> result = osp.measure_occlusion(detector, image, sizes=(3,))
    >>> len(result.windows), result.objects.label.tolist()
    (576, ['couch'])
    """
    for name, value in (("confidence", confidence), ("iou", iou)):
        if not 0 <= value <= 1:
            raise InputError(f"{name} is {value}, expected a number from 0 to 1")
    baseline = run_baseline(detector, image, tap, heads, confidence=confidence, iou=iou)
    windows = every_window(baseline.grid_wh, sizes)
    kept = baseline.candidates.take(baseline.kept)
    objects = baseline.detector.objects_of(kept, image.image_id, baseline.frame)
    suppression = Suppression(baseline, objects, confidence=confidence, iou=iou)

    scores = np.tile(objects.score, (len(windows), 1))
    disappeared = np.zeros(scores.shape, bool)
    detections = []
    method, portions = _respond(baseline, windows, suppression.most_windows)
    for portion, states in portions:
        scores[portion] = occluded_scores(suppression.shown, states, scores[portion])
        after = suppression.suppress(states, len(scores[portion]))
        disappeared[portion] = after.disappeared
        detections.append((portion.start, after))
        progress(portion.start + len(after.disappeared), len(windows))

    return Occlusion(
        tap=baseline.tap_name,
        grid_wh=baseline.grid_wh,
        cell_px=_cell_px(baseline),
        frame=baseline.frame,
        method=method,
        own_cell_only=has_closed_form(baseline),
        objects=objects,
        windows=windows,
        scores=scores,
        disappeared=disappeared,
        appeared=_appeared(baseline, detections),
        strength=_strength(baseline),
    )


def occluded_scores(
    shown: Predictions, heads: Sequence[HeadStates], before: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return the scores (n, p) of the predictions under n windows, from those without one (n, p).

    A score is that of the prediction's own label, at its own head, cell and anchor.
    """
    scores = before.copy()
    cells = shown.provenance
    for head in heads:
        own = np.flatnonzero(cells.head == head.reader.head.layer)
        state = head.state[:, cells.cell_y[own], cells.cell_x[own]]
        window, column = np.nonzero(state >= 0)
        found = own[column]
        scores[window, found] = head.reader.scores(
            head.numbers, state[window, column], cells.anchor[found], shown.label[found]
        )
    return scores


def _respond(
    baseline: Baseline, windows: Windows, most: int
) -> tuple[str, Iterator[tuple[slice, tuple[HeadStates, ...]]]]:
    """Return the method by which the heads are computed, and their states for portions of the windows."""
    for applies, method, states in (
        (has_closed_form, CLOSED_FORM, closed_form_states),
        (is_linear_first, LINEARITY, linear_states),
    ):
        if applies(baseline):
            portions = (slice(start, start + most) for start in range(0, len(windows), most))
            return method, ((portion, states(baseline, windows.take(portion))) for portion in portions)
    return RUN_ON, run_on_states(baseline, windows, most)


def _appeared(baseline: Baseline, detections: Sequence[tuple[int, WindowDetections]]) -> Appeared:
    found = joined([after.predictions for _, after in detections])
    return Appeared(
        window=np.concatenate([start + after.window for start, after in detections]),
        xyxy=np.concatenate([after.xyxy for _, after in detections]),
        label=baseline.detector.names[found.label],
        score=found.score,
        provenance=found.provenance,
    )


def _cell_px(baseline: Baseline) -> tuple[float, float]:
    width, height = baseline.detector.input_wh
    _, _, rows, columns = baseline.map.shape
    return width / columns * baseline.cell, height / rows * baseline.cell


def _strength(baseline: Baseline) -> NDArray[np.float32]:
    """Return the root mean square of the tap's values in each cell of the grid."""
    columns, rows = baseline.grid_wh
    side = baseline.cell
    squares = baseline.map[0, :, : rows * side, : columns * side].float().cpu().square().mean(0).numpy()
    strength: NDArray[np.float32] = np.sqrt(squares.reshape(rows, side, columns, side).mean((1, 3)))
    return strength
