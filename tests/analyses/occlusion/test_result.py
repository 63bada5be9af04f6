from __future__ import annotations

import json

import numpy as np
import pytest

from objectspace.analyses.occlusion import measure_occlusion
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
    with pytest.raises(InputError, match="no window of \\(3,\\) cells was zeroed"):
        result.importance(0, (3,))


def test_the_smallest_window_that_fells_each(result) -> None:
    for index, window in enumerate(result.smallest()):
        felled = np.flatnonzero(result.disappeared[:, index])
        if not len(felled):
            assert window == -1
        else:
            assert window in felled
            assert result.windows.size[window] == result.windows.size[felled].min()


def test_cells_lie_on_the_picture_as_the_letterbox_says(result) -> None:
    # 80 x 72 on 96 x 64: scaled by 8/9 to 71 x 64, bars of 12 pixels to the left; cells of 8 pixels.
    cells = result.cell_xyxy()
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
