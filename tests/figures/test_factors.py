"""Figures of measured factors: every value where it belongs, names as they are, nothing cut off."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from objectspace.analyses.agreement import Agreement
from objectspace.analyses.circular_geometry import Geometry
from objectspace.analyses.comparison import Comparison, Difference, FactorInSpaces, PairOfSpaces
from objectspace.analyses.factors import FactorMeasure, FactorSpec
from objectspace.analyses.probes import Probe
from objectspace.analyses.shared_vectors import SharedVectors
from objectspace.analyses.statistics import Estimate
from objectspace.figures.comparison import draw_comparison
from objectspace.figures.factors import draw_factor


def estimate(value: float, n: int = 40) -> Estimate:
    return Estimate(value, 0.2, value - 0.05, value + 0.05, n, 10, 0.01)


def measured(labels: int = 3, *, kind: str = "categorical", space: str = "crop") -> FactorMeasure:
    by_label = {f"$label_{number}$": estimate(0.5, 40 - number) for number in range(labels)}
    by_label["a label that is much longer than there is room for"] = estimate(0.4, 1)
    angle = np.linspace(0, 180, 9)
    distance = np.where(angle > 0, 1 + 0.001 * (angle - 90), np.nan)
    pairs = (angle > 0).astype(np.int64) * 5
    curve = Geometry(angle, distance, distance - 0.05, distance + 0.05, pairs, estimate(0.7), "apple")
    return FactorMeasure(
        space=space,
        spec=FactorSpec("factor_$x$", group="apple", control="style"),
        kind=kind,
        k=5,
        metric="euclidean",
        n=40,
        left_out=0,
        groups=10,
        neighbors=Agreement(estimate(0.6), by_label, np.zeros(40), np.zeros(40, np.int64), np.zeros(0)),
        probe=Probe("accuracy", estimate(0.9), 0.2, 99, np.empty((0, 2)), np.arange(40), 40),
        geometry=curve if kind == "circular" else None,
        hubness=1.0,
        skewness=None,
        object_id=np.array([f"{row:032x}" for row in range(40)]),
        shared=SharedVectors(0, 0),
    )


def compared(spaces: tuple[str, ...]) -> Comparison:
    pairs = tuple(
        PairOfSpaces(one, other, estimate(0.3), estimate(0.8), 0.9)
        for place, one in enumerate(spaces)
        for other in spaces[place + 1 :]
    )
    factor = FactorInSpaces(
        tuple(measured(space=space) for space in spaces),
        (Difference(spaces[0], spaces[1], 0.1, 0.0, 0.2, 0.04),),
    )
    return Comparison(spaces, 5, "euclidean", None, 40, 10, pairs, (factor, factor))


FIGURES = {
    "labels": lambda: draw_factor(measured()),
    "many labels": lambda: draw_factor(measured(40)),
    "angle": lambda: draw_factor(measured(kind="circular")),
    "two spaces": lambda: draw_comparison(compared(("crop", "window"))),
    "four spaces": lambda: draw_comparison(
        compared(("crop", "w1", "w2", "a-space-whose-name-is-very-long-indeed-it-is"))
    ),
}


@pytest.mark.parametrize("name", FIGURES)
def test_nothing_is_cut_off(name: str) -> None:
    figure = FIGURES[name]()
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    drawn = figure.get_tightbbox(canvas.get_renderer())
    assert min(drawn.x0, drawn.y0) >= 0
    assert drawn.x1 <= figure.get_figwidth()
    assert drawn.y1 <= figure.get_figheight()


def test_values_intervals_and_chance_are_drawn_where_they_are() -> None:
    axes = draw_factor(measured()).axes[0]
    interval, dot, chance = axes.lines[:3]
    assert list(interval.get_xdata()) == pytest.approx([0.55, 0.65])
    assert list(dot.get_xdata()) == [0.6]
    assert list(chance.get_xdata()) == [0.2, 0.2]


def test_labels_of_most_objects_come_first_and_the_rest_is_told() -> None:
    figure = draw_factor(measured(40))
    names = [tick.get_text() for tick in figure.axes[0].get_yticklabels()]
    assert names[:3] == ["all objects (40)", "$label_0$ (40)", "$label_1$ (39)"]
    assert len(names) == 21
    assert any("21 rarer labels are not drawn" in text.get_text() for text in figure.texts)


def test_bins_without_pairs_are_not_drawn() -> None:
    curve = draw_factor(measured(kind="circular")).axes[2].lines[1]
    assert list(curve.get_xdata()) == [22.5, 45, 67.5, 90, 112.5, 135, 157.5, 180]


@pytest.mark.parametrize(("p", "told"), [(0.01, ", p 0.010"), (None, "")])
def test_p_of_opposite_views_is_told_where_it_is_known(p: float | None, told: str) -> None:
    of_angle = measured(kind="circular")
    assert of_angle.geometry is not None
    opposite = replace(of_angle.geometry.opposite, p=p)
    figure = draw_factor(replace(of_angle, geometry=replace(of_angle.geometry, opposite=opposite)))
    title = figure.axes[2].get_title(loc="left")
    assert title == f"opposite is farthest: 0.70 of views, chance 0.20{told}"


def test_overlap_stands_below_the_diagonal_and_alignment_above() -> None:
    axes = draw_comparison(compared(("crop", "window"))).axes[0]
    cells = {text.get_position(): text.get_text() for text in axes.texts}
    assert cells == {(0, 1): "0.30", (1, 0): "0.80"}
