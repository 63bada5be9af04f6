from __future__ import annotations

import numpy as np
import pytest

from objectspace.analyses.explanation import CellHeat, Contrast, Explanation
from objectspace.figures.explanation import draw_explanation
from objectspace.figures.style import write_figure


def explained(*heats, parts=None, method="sum"):
    picture = np.full((12, 20, 3), 90, np.uint8)
    cells = tuple(CellHeat(np.array(heat, float), picture) for heat in heats)
    total = float(sum(one.heat.sum() for one in cells))
    return Explanation("s", "euclidean", method, 3.0, total, cells, parts or {})


NEAR = explained([[4, -2], [0, 3]], [[1, 3]])
FAR = explained([[6, 1], [0, 3]], [[5, 0]])
JOINT = explained(parts={"crop": NEAR, "window": FAR, "missing": explained()})


@pytest.mark.parametrize(
    ("why", "rows", "columns", "heading"),
    [
        (NEAR, 2, 2, "s · euclidean distance 3 · squared 9 = 5 + 4"),
        (explained([[1]], [[2]], method="occlusion"), 2, 2, "by occlusion: shares do not sum to it"),
        (Contrast(NEAR, FAR), 2, 3, "margin 6 = 5 + -4 + 5"),
        (JOINT, 4, 2, "1 − cosine 9 crop + 15 window + 0 missing"),
    ],
)
def test_pictures_and_shares_of_each_object(why, rows, columns, heading, tmp_path):
    figure = draw_explanation(why, ["dog", "$x^2"])
    assert len(figure.axes) == rows * columns
    assert heading in figure.get_suptitle()
    write_figure(figure, tmp_path / "why.png")


def test_cells_are_blue_or_orange_by_their_sign_and_the_weak_stay_gray():
    figure = draw_explanation(NEAR)
    drawn = figure.axes[2].get_images()[0].get_array()
    apart, joins = drawn[3, 5].astype(int), drawn[3, 15].astype(int)
    assert apart[0] > apart[2] + 50
    assert joins[2] > joins[0] + 50
    assert len(set(drawn[9, 5].tolist())) == 1
