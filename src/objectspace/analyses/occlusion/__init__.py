"""Occlusion: which prediction falls when a window of a layer is zeroed (the paper's figure 3, measured).

Source: M. Zeiler and R. Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014, section
4.2, there with gray squares over the pixels; the paper zeroes windows of a detector's own map.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from objectspace.analyses.occlusion.baseline import Untouched, look
from objectspace.analyses.occlusion.by_linearity import is_linear_first, linear_states
from objectspace.analyses.occlusion.closed_form import closed_form_states, has_closed_form
from objectspace.analyses.occlusion.result import CLOSED_FORM, LINEARITY, RUN_ON, Appeared, Occlusion
from objectspace.analyses.occlusion.run_on import run_on_states
from objectspace.analyses.occlusion.states import HeadStates
from objectspace.analyses.occlusion.suppression import Aftermath, Suppression
from objectspace.analyses.occlusion.windows import Windows, every_window, parse_sizes
from objectspace.errors import InputError
from objectspace.images import Image
from objectspace.models.detectors import Detector
from objectspace.models.detectors.predictions import Predictions, joined

__all__ = ["Appeared", "Occlusion", "Windows", "every_window", "measure_occlusion", "parse_sizes"]

#: Sizes of windows that are asked for by default, as far as they fit.
SIZES = (1, 2, 3, 4, 5)


def measure_occlusion(
    detector: Detector,
    image: Image,
    *,
    tap: str | None = None,
    sizes: Sequence[int] | None = SIZES,
    heads: Collection[int] | None = None,
    confidence: float = 0.25,
    iou: float = 0.45,
) -> Occlusion:
    """Zero every window of a tap, and see what becomes of every prediction of the untouched picture.

    tap: a layer's name or "pixels", whose cells are squares as wide as the deepest head's stride; by default
        the layer before the head with the most predictions
    sizes: cells a side, None for every size of the grid
    heads: the layer numbers of the heads whose predictions count, by default all
    confidence, iou: thresholds of the detection and of its suppression

    Equal to running the rest of the network once for every window, to rounding; where the network allows,
    without running it at all (see :mod:`.closed_form`, :mod:`.by_linearity`).
    Raises InputError for a tap, head, size or threshold that cannot be, ModelError for a detector of another
    family or precision than Darknet in float32.
    """
    for name, value in (("confidence", confidence), ("iou", iou)):
        if not 0 <= value <= 1:
            raise InputError(f"{name} is {value}, expected a number from 0 to 1")
    untouched = look(detector, image, tap, heads, confidence=confidence, iou=iou)
    windows = every_window(untouched.grid_wh, sizes)
    kept = untouched.candidates.take(untouched.kept)
    objects = untouched.detector.objects_of(kept, image.image_id, untouched.frame)
    suppression = Suppression(untouched, objects, confidence=confidence, iou=iou)

    scores = np.tile(objects.score, (len(windows), 1))
    disappeared = np.zeros(scores.shape, bool)
    aftermaths = []
    method, portions = _respond(untouched, windows, suppression.most_windows)
    for portion, states in portions:
        scores[portion] = occluded_scores(suppression.shown, states, scores[portion])
        after = suppression.under(states, len(scores[portion]))
        disappeared[portion] = after.disappeared
        aftermaths.append((portion.start, after))

    return Occlusion(
        tap=untouched.tap_name,
        grid_wh=untouched.grid_wh,
        cell_px=_cell_px(untouched),
        frame=untouched.frame,
        method=method,
        own_cell_only=has_closed_form(untouched),
        objects=objects,
        windows=windows,
        scores=scores,
        disappeared=disappeared,
        appeared=_appeared(untouched, aftermaths),
        strength=_strength(untouched),
    )


def occluded_scores(
    shown: Predictions, heads: Sequence[HeadStates], untouched: NDArray[np.float32]
) -> NDArray[np.float32]:
    """The scores (n, p) under n windows of the predictions shown, from the ``untouched`` ones (n, p).

    A score is that of the prediction's own label, at its own head, cell and anchor.
    """
    scores = untouched.copy()
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
    untouched: Untouched, windows: Windows, most: int
) -> tuple[str, Iterator[tuple[slice, tuple[HeadStates, ...]]]]:
    """How the heads respond is worked out, and the heads for portions of the windows."""
    for applies, method, states in (
        (has_closed_form, CLOSED_FORM, closed_form_states),
        (is_linear_first, LINEARITY, linear_states),
    ):
        if applies(untouched):
            portions = (slice(start, start + most) for start in range(0, len(windows), most))
            return method, ((portion, states(untouched, windows.take(portion))) for portion in portions)
    return RUN_ON, run_on_states(untouched, windows, most)


def _appeared(untouched: Untouched, aftermaths: Sequence[tuple[int, Aftermath]]) -> Appeared:
    found = joined([after.predictions for _, after in aftermaths])
    return Appeared(
        window=np.concatenate([start + after.window for start, after in aftermaths]),
        xyxy=np.concatenate([after.xyxy for _, after in aftermaths]),
        label=untouched.detector.names[found.label],
        score=found.score,
        provenance=found.provenance,
    )


def _cell_px(untouched: Untouched) -> tuple[float, float]:
    width, height = untouched.detector.input_wh
    _, _, rows, columns = untouched.map.shape
    return width / columns * untouched.cell, height / rows * untouched.cell


def _strength(untouched: Untouched) -> NDArray[np.float32]:
    """Root mean square of the tap's numbers in each cell of the grid."""
    columns, rows = untouched.grid_wh
    side = untouched.cell
    squares = untouched.map[0, :, : rows * side, : columns * side].float().cpu().square().mean(0).numpy()
    strength: NDArray[np.float32] = np.sqrt(squares.reshape(rows, side, columns, side).mean((1, 3)))
    return strength
