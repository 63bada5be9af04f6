from __future__ import annotations

import numpy as np
import pytest

from objectspace.analyses.context import Context, PairShares, VarianceShares
from objectspace.analyses.statistics import Estimate
from objectspace.figures.context import draw_context
from objectspace.figures.context_crops import ViewedObject


def estimate(value: float) -> Estimate:
    return Estimate(value, 0.1, value - 0.05, value + 0.05, 40, 20, 0.02)


def measured() -> Context:
    rank = np.full(2, 0.2)
    rows = np.arange(2)
    return Context(
        spaces={"alone": "a", "both": "b$", "around": "c"},
        n=40,
        photos=20,
        left_out=0,
        masked=40,
        k=5,
        metric="euclidean",
        shares=VarianceShares(*map(estimate, (0.6, 0.4, 0.8, 0.4, 0.2, 0.2)), variance=0.9),
        pairs=PairShares(rows, rows[::-1], rank, rank, rank, *map(estimate, (0.2, 0.2, 0.5))),
        object_id=np.array(["x", "y"]),
    )


def texts(figure) -> str:
    titles = [figure.get_suptitle(), *(axes.get_title() for axes in figure.axes)]
    labels = [text.get_text() for axes in figure.axes for text in (*axes.get_yticklabels(), axes.xaxis.label)]
    return "\n".join(titles + labels)


def test_shares_pairs_and_people_are_drawn():
    people = [("both: on", estimate(0.5)), ("both: beside", estimate(0.3))]
    figure = draw_context(measured(), people=people)

    assert len(figure.axes) == 3
    told = texts(figure)
    for words in ("b$", "surroundings only", "context share", "both: beside", "40 objects of 20 photos"):
        assert words in told


@pytest.mark.parametrize(("count", "fitting"), [(1, 1), (9, 6)])
def test_each_object_that_fits_is_shown_three_times(count, fitting):
    picture = np.zeros((8, 8, 3), np.uint8)
    figure = draw_context(measured(), [ViewedObject("cat", picture, picture, picture)] * count)

    assert len(figure.axes) == 2 + 3 * fitting
    assert texts(figure).count("cat") == fitting
