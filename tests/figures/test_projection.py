from __future__ import annotations

import numpy as np
import pytest

from objectspace.analyses.projection import Projection, Shares
from objectspace.errors import InputError
from objectspace.figures.projection import draw_projection
from objectspace.figures.style import write_figure


def projection(*, phased: bool = True, method: str = "pca", count: int = 60) -> Projection:
    rng = np.random.default_rng(0)
    factors = {name: rng.random(count) for name in ("x1", "y1", *(("phase_x", "phase_y") if phased else ()))}
    explained = np.array([0.5, 0.3, 0.1]) if method == "pca" else np.empty(0)
    shares = Shares(0.6, 0.2, 0.8, np.tile([0.7, 0.2, 0.9], (3, 1))) if phased else None
    coordinates = rng.normal(size=(count, 3 if method == "pca" else 2))
    return Projection(
        "net$-window3", method, coordinates, explained, None, factors, {}, shares, np.arange(len(coordinates))
    )


def axes_with_points(figure):
    return [axes for axes in figure.axes if axes.collections]


def test_each_space_is_colored_by_place_and_by_phase():
    figure = draw_projection([projection(), projection()], red="x1", blue="y1")
    assert len(axes_with_points(figure)) == 4
    first, _, second, _ = (axes.collections[0] for axes in axes_with_points(figure))
    np.testing.assert_array_equal(first.get_offsets(), second.get_offsets())
    assert not np.array_equal(first.get_facecolors(), second.get_facecolors())


def test_the_redder_the_more_of_one_factor_and_the_bluer_of_the_other():
    one = projection()
    (points, _) = (
        axes.collections[0] for axes in axes_with_points(draw_projection([one], red="x1", blue="y1"))
    )
    red, _, blue, _ = points.get_facecolors().T
    np.testing.assert_array_equal(np.argsort(red), np.argsort(one.factors["x1"]))
    np.testing.assert_array_equal(np.argsort(blue), np.argsort(one.factors["y1"]))


def test_bars_are_as_high_as_the_variance_and_divided():
    axes = draw_projection([projection()], red="x1", blue="y1").axes[-1]
    rest, phase, place = (np.array([bar.get_height() for bar in part]) for part in axes.containers)
    np.testing.assert_allclose(rest, [50, 30, 10])
    np.testing.assert_allclose(phase + place, 0.9 * rest)
    np.testing.assert_allclose(phase / place, 3.5)


@pytest.mark.parametrize(
    ("phased", "method", "panels"), [(False, "pca", 1), (True, "tsne", 2), (False, "tsne", 1)]
)
def test_what_is_not_known_is_not_drawn(phased, method, panels):
    figure = draw_projection([projection(phased=phased, method=method)], red="x1", blue="y1")
    assert len(axes_with_points(figure)) == panels


@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_it_can_be_written_whatever_the_name(tmp_path, suffix):
    write_figure(draw_projection([projection()], red="x1", blue="y1"), tmp_path / f"p{suffix}")
    assert (tmp_path / f"p{suffix}").stat().st_size > 1000


def test_nothing_to_draw():
    with pytest.raises(InputError, match="there is no projection to draw"):
        draw_projection([], red="x", blue="y")
