from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.patches import Rectangle

from objectspace.analyses.occlusion import Appeared, Occlusion, every_window
from objectspace.errors import InputError
from objectspace.figures.occlusion import choose_windows, draw_occlusion
from objectspace.objects.boxes import stretch_frame
from objectspace.objects.records import Provenance, make_objects

WIDTH, HEIGHT = 60, 40


def cells(x, y) -> Provenance:
    column = [np.array(values, np.int32) for values in ([9] * len(x), [10] * len(x), x, y, [0] * len(x))]
    return Provenance(*column, np.ones(len(x), np.float32))


@pytest.fixture
def result() -> Occlusion:
    """Two objects of a 6 x 4 grid; each falls where its own cell is covered, then something else appears."""
    xyxy = np.array([[4, 4, 24, 24], [30, 10, 58, 38]], np.float32)
    provenance = cells([1, 4], [1, 2])
    objects = make_objects(
        image_id="a",
        xyxy=xyxy,
        label=["$x^2$ cat", "dog"],
        source="s",
        score=np.array([0.9, 0.5], np.float32),
        provenance=provenance,
    )
    windows = every_window((6, 4), (1, 2))
    gone = windows.cover((6, 4))[:, provenance.cell_y, provenance.cell_x]
    scores = np.where(gone, np.float32(0.05), objects.score)
    window = np.flatnonzero(gone[:, 0])
    count = len(window)
    appeared = Appeared(
        window,
        np.tile(np.array([[5, 20, 20, 39]], np.float32), (count, 1)),
        np.array(["bird"] * count, object),
        np.full(count, 0.3, np.float32),
        cells([1] * count, [2] * count),
    )
    return Occlusion(
        tap="8",
        grid_wh=(6, 4),
        cell_px=(10.0, 10.0),
        frame=stretch_frame((WIDTH, HEIGHT), (60, 40)),
        method="closed form",
        own_cell_only=True,
        objects=objects,
        windows=windows,
        scores=scores,
        disappeared=gone,
        appeared=appeared,
        strength=np.arange(24, dtype=np.float32).reshape(4, 6),
    )


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)


def texts(figure) -> str:
    written = [*figure.texts, *(text for axes in figure.axes for text in axes.texts)]
    return "\n".join(text.get_text() for text in written)


def test_windows_worth_a_picture(result) -> None:
    first, second = choose_windows(result)
    assert result.windows.size[[first, second]].tolist() == [1, 1]
    assert result.disappeared[first].tolist() == [True, False]
    assert result.disappeared[second].tolist() == [False, True]


def test_where_nothing_disappears_the_largest_loss_is_shown(result) -> None:
    scores = result.scores.copy()
    scores[7] -= 0.04
    kept = replace(result, disappeared=np.zeros_like(result.disappeared), scores=scores)
    assert choose_windows(kept) == [int(kept.score_change.min(1).argmin())]


def test_the_figure_names_what_stays_disappears_and_appears(result, pixels) -> None:
    shown = texts(draw_occlusion(result, pixels))
    assert "before: 2 predictions" in shown
    assert "layer 8: 1 x 1 of 6 x 4 cells zeroed" in shown
    assert "after: 1 of 2 disappeared, 1 appeared" in shown
    assert "1 $x^2$ cat 0.05" in shown
    assert "bird 0.30" in shown
    assert "a score can only fall where its own cell is covered" in shown


def test_zeroed_cells_are_crossed(result, pixels) -> None:
    figure = draw_occlusion(result, pixels)
    window = choose_windows(result)[0]
    axes = figure.axes[1]
    outlines = [patch.get_bbox().bounds for patch in axes.patches if isinstance(patch, Rectangle)]
    x, y = int(result.windows.x[window]), int(result.windows.y[window])
    np.testing.assert_allclose(outlines, [(10 * x, 10 * y, 10, 10)])
    crosses = [line for line in axes.lines if line.get_color() == "black"]
    assert len(crosses) == 2


def test_texts_do_not_hide_each_other(result, pixels) -> None:
    axes = draw_occlusion(result, pixels).axes[0]
    places = [text.get_position() for text in axes.texts if text.get_text().startswith(("1 ", "2 "))]
    assert len(set(places)) == len(places) == 2


def test_texts_hide_no_small_box_of_a_crowd(result, pixels) -> None:
    corner = np.array([(4 + 11 * column, 8 + 2.2 * row) for row in range(6) for column in range(5)])
    xyxy = np.concatenate([corner, corner + 1.2], axis=1).astype(np.float32)
    rows = [0] * len(xyxy)
    crowd = replace(
        result,
        objects=replace(result.objects.take(rows), xyxy=xyxy),
        scores=result.scores[:, rows],
        disappeared=np.zeros_like(result.disappeared[:, rows]),
    )
    figure = draw_occlusion(crowd, pixels)
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    axes = figure.axes[0]
    numbers = [text.get_window_extent(renderer) for text in axes.texts if text.get_text().isdigit()]
    assert len(numbers) == 30
    for left, top, right, bottom in xyxy:
        x, y = axes.transData.transform(((left + right) / 2, (top + bottom) / 2))
        assert not any(box.x0 < x < box.x1 and box.y0 < y < box.y1 for box in numbers)


def test_where_boxes_leave_no_room_texts_are_numbers(result, pixels) -> None:
    """Eight boxes that cover the picture: the labels are beside the numbers of the maps below."""
    corner = np.array([(15 * column, 20 * row) for row in range(2) for column in range(4)])
    rows = [0] * 8
    crowd = replace(
        result,
        objects=replace(
            result.objects.take(rows),
            xyxy=np.hstack([corner, corner + np.array([15, 20])]).astype(np.float32),
        ),
        scores=result.scores[:, rows],
        disappeared=np.zeros_like(result.disappeared[:, rows]),
    )

    shown = [text.get_text() for text in draw_occlusion(crowd, pixels).axes[0].texts]

    assert {str(number) for number in range(1, 9)} <= set(shown)


def test_many_predictions_have_eight_maps_and_none_has_no_map(result, pixels) -> None:
    none = replace(
        result,
        objects=result.objects.take([]),
        scores=result.scores[:, :0],
        disappeared=result.disappeared[:, :0],
        appeared=replace(
            result.appeared,
            **{name: getattr(result.appeared, name)[:0] for name in ("window", "xyxy", "label", "score")},
            provenance=cells([], []),
        ),
    )
    assert "before: 0 predictions" in texts(draw_occlusion(none, pixels))
    rows = [0, 1] * 5
    many = replace(
        result,
        objects=result.objects.take(rows),
        scores=result.scores[:, rows],
        disappeared=result.disappeared[:, rows],
    )
    figure = draw_occlusion(many, pixels)
    assert "The 8 highest-scoring of 10 are shown." in texts(figure)


def test_pixels_of_another_picture_are_refused(result) -> None:
    with pytest.raises(InputError, match="are not of the picture of 60 x 40"):
        draw_occlusion(result, np.zeros((60, 40, 3), np.uint8))
