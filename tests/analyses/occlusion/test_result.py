from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from objectspace.analyses.occlusion import measure_occlusion
from objectspace.analyses.occlusion.baseline import run_baseline
from objectspace.errors import InputError


@pytest.fixture(scope="module")
def result(ladder, picture):
    return measure_occlusion(ladder, picture, tap="4", sizes=(1, 2, 4), heads=[9], confidence=0.5)


@pytest.mark.parametrize("sizes", [None, (2,), (1, 4)])
def test_importance_is_the_mean_fall_over_the_windows_that_cover_a_cell(result, sizes) -> None:
    columns, rows = result.grid_wh
    total, count = np.zeros((rows, columns)), np.zeros((rows, columns))
    for window in range(len(result.windows)):
        x, y, size = (int(c[window]) for c in (result.windows.x, result.windows.y, result.windows.size))
        if sizes is None or size in sizes:
            total[y : y + size, x : x + size] += result.objects.score[2] - result.scores[window, 2]
            count[y : y + size, x : x + size] += 1
    np.testing.assert_allclose(result.importance(2, sizes), total / count, atol=1e-6)


def test_importance_of_what_is_not_there(result) -> None:
    with pytest.raises(InputError, match=f"no prediction 99, expected 0 to {len(result.objects) - 1}"):
        result.importance(99)
    for beyond in (len(result.objects), -1):
        with pytest.raises(InputError, match=f"no prediction {beyond}, expected 0 to"):
            result.importance(beyond)
    assert result.importance(len(result.objects) - 1).shape == (8, 12)
    with pytest.raises(InputError, match="no window of \\(3,\\) cells was zeroed"):
        result.importance(0, (3,))


def test_the_smallest_window_that_fells_each(result) -> None:
    for index, window in enumerate(result.smallest):
        felled = np.flatnonzero(result.disappeared[:, index])
        if not len(felled):
            assert window == -1
        else:
            assert window in felled
            assert result.windows.size[window] == result.windows.size[felled].min()


def test_cells_lie_on_the_picture_as_the_letterbox_says(result) -> None:
    # 80 x 72 on 96 x 64: scaled by 8/9 to 71 x 64, bars of 12 pixels to the left; cells of 8 pixels.
    cells = result.cell_xyxy
    assert cells.shape == (8, 12, 4)
    np.testing.assert_allclose(cells[2, 3], [12 * 80 / 71, 18, 20 * 80 / 71, 27], rtol=1e-5)


def test_the_json_document(result) -> None:
    document = json.loads(json.dumps(result.to_json(), allow_nan=False))
    assert {"tap", "grid", "predictions", "windows", "method", "own_cell_only"} <= set(document)
    assert (document["tap"], document["grid"]) == ("4", [8, 12])
    assert set(document["predictions"][0]) == {"label", "score", "xyxy", "head", "cell", "anchor"}
    assert len(document["windows"]) == len(result.windows)
    window = document["windows"][5]
    assert set(window) == {"x", "y", "size", "disappeared", "appeared", "score_change"}
    assert window["disappeared"] == np.flatnonzero(result.disappeared[5]).tolist()
    np.testing.assert_allclose(window["score_change"], result.score_change[5], atol=1e-6)
    assert sum(len(window["appeared"]) for window in document["windows"]) == len(result.appeared)


def test_cells_may_be_wider_than_high(result) -> None:
    """Cells of 8 x 2.5 pixels of the input, on which the image is 71 x 64 with 12 pixels to the left."""
    cells = replace(result, cell_px=(8.0, 2.5)).cell_xyxy
    for y, x in ((0, 0), (2, 3), (7, 11)):
        box = [(8 * x - 12) * 80 / 71, 2.5 * y * 72 / 64, (8 * x - 4) * 80 / 71, 2.5 * (y + 1) * 72 / 64]
        np.testing.assert_allclose(cells[y, x], box, rtol=1e-5)


@pytest.mark.parametrize(
    ("tap", "cell_px"), [("0", (2.0, 2.0)), ("4", (8.0, 8.0)), ("14", (4.0, 4.0)), ("pixels", (8.0, 8.0))]
)
def test_a_cell_has_the_stride_of_its_layer(ladder, picture, tap, cell_px) -> None:
    result = measure_occlusion(ladder, picture, tap=tap, sizes=(7,), confidence=0.9)
    assert result.cell_px == cell_px
    assert result.grid_wh == (96 // cell_px[0], 64 // cell_px[1])


@pytest.mark.parametrize(("tap", "side"), [("4", 1), ("pixels", 8)])
def test_strength_is_the_root_mean_square_of_a_cell(ladder, picture, tap, side) -> None:
    baseline = run_baseline(ladder, picture, tap, None, confidence=0.5, iou=0.45)
    result = measure_occlusion(ladder, picture, tap=tap, sizes=(7,), confidence=0.5)
    values = baseline.map[0].double().numpy()
    assert result.strength.shape == (8, 12)
    for y, x in ((0, 0), (2, 3), (7, 11)):
        block = values[:, y * side : (y + 1) * side, x * side : (x + 1) * side]
        assert result.strength[y, x] == pytest.approx(np.sqrt((block**2).mean()), rel=1e-5)


def test_the_json_document_holds_every_number_of_the_result(result) -> None:
    document, cells = result.to_json(), result.objects.provenance
    for row, one in enumerate(document["predictions"]):
        assert (one["label"], one["head"]) == (result.objects.label[row], cells.head[row])
        assert one["cell"] == [cells.cell_x[row], cells.cell_y[row]]
        assert one["anchor"] == cells.anchor[row]
        assert one["score"] == round(float(result.objects.score[row]), 6)
        assert one["xyxy"] == [round(float(side), 2) for side in result.objects.xyxy[row]]
    appeared = result.appeared
    for number, one in enumerate(document["windows"]):
        windows = result.windows
        assert (one["x"], one["y"], one["size"]) == (
            windows.x[number],
            windows.y[number],
            windows.size[number],
        )
        assert one["disappeared"] == np.flatnonzero(result.disappeared[number]).tolist()
        rows = np.flatnonzero(appeared.window == number)
        assert [new["anchor"] for new in one["appeared"]] == appeared.provenance.anchor[rows].tolist()
        assert [new["label"] for new in one["appeared"]] == appeared.label[rows].tolist()
        assert one["score_change"] == [round(float(change), 6) for change in result.score_change[number]]


def test_what_does_not_change_is_zero_and_not_minus_zero(result) -> None:
    scores = np.tile(result.objects.score, (len(result.windows), 1)) * np.float32(1 - 1e-7)
    document = replace(result, scores=scores).to_json()
    changes = [change for one in document["windows"] for change in one["score_change"]]
    assert set(map(str, changes)) == {"0.0"}


def test_nothing_disappears_where_there_are_no_windows(result) -> None:
    none = np.zeros(len(result.windows), bool)
    empty = replace(result, windows=result.windows.take(none), disappeared=result.disappeared[none])
    assert empty.smallest.tolist() == [-1] * len(result.objects)
    # Windows are in order, so the first of the smallest is the first of all.
    for index, window in enumerate(result.smallest.tolist()):
        felled = np.flatnonzero(result.disappeared[:, index]).tolist()
        assert window == (felled[0] if felled else -1)
