"""Views of objects beside loops over their pixels: areas inside, across and beyond each border."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from objectspace.embeddings.crops import IMAGENET_MEAN
from objectspace.errors import ImageError, QueryError, RecipeError
from objectspace.search.queries import cell_views
from objectspace.search.queries.cell_views import CellView, open_viewer

HEIGHT, WIDTH = 12, 9
PIXELS = np.random.default_rng(0).integers(1, 255, (HEIGHT, WIDTH, 3)).astype(np.uint8)
#: Inside, fractional, across each border, across all, beside each border, of no width.
AREAS = [
    *[(1, 2, 7, 10), (1.4, 2.6, 6.5, 9.5), (-3, 2, 5, 8), (2, -4, 5, 8), (4, 3, 12, 9), (2, 5, 8, 17)],
    *[
        (-2, -3, 11, 15),
        (-9, 2, -3, 8),
        (2, -9, 8, -3),
        (9, 2, 14, 8),
        (2, 12, 8, 19),
        (4, 4, 4, 9),
        (3, 6, 8, 6),
    ],
]


def view_of(area: tuple[float, ...], rows: int = 3, columns: int = 2, blank: Any = None) -> CellView:
    cells = np.zeros((rows, columns, 1))
    return CellView(PIXELS, area, cells, False, np.full((rows, columns), 1 / 6), lambda one: one, blank)  # type: ignore[arg-type]


@pytest.mark.parametrize("area", AREAS)
def test_a_picture_is_the_area_black_beyond_the_input(area: tuple[float, ...]) -> None:
    left, top, right, bottom = (round(side) for side in area)
    found = view_of(area).picture()
    assert found.shape == (max(bottom - top, 1), max(right - left, 1), 3)
    for y, x in np.ndindex(found.shape[:2]):
        inside = 0 <= y + top < min(HEIGHT, bottom) and 0 <= x + left < min(WIDTH, right)
        assert found[y, x].tolist() == (PIXELS[y + top, x + left].tolist() if inside else [0, 0, 0])


@pytest.mark.parametrize("area", AREAS)
@pytest.mark.parametrize("blank", [None, (9, 8, 7)])
def test_covered_cells_are_painted_and_nothing_else(area: tuple[float, ...], blank: Any) -> None:
    """Several at once: in blank, or in the mean color of what the cells cover."""
    random = np.random.default_rng(1)
    covered = random.random((5, 3, 2)) < 0.4
    covered[0], covered[1] = False, True
    x = [min(max(round(edge), 0), WIDTH) for edge in np.linspace(area[0], area[2], 3)]
    y = [min(max(round(edge), 0), HEIGHT) for edge in np.linspace(area[1], area[3], 4)]
    inside = [PIXELS[row, column] for row in range(y[0], y[-1]) for column in range(x[0], x[-1])]
    color = blank or (np.rint(np.mean(inside, axis=0)).tolist() if inside else [0, 0, 0])
    expected = np.stack([PIXELS] * 5)
    for number, row, column in np.argwhere(covered).tolist():
        for place in np.ndindex(HEIGHT, WIDTH):
            if y[row] <= place[0] < y[row + 1] and x[column] <= place[1] < x[column + 1]:
                expected[number][place] = color
    np.testing.assert_array_equal(view_of(area, blank=blank).covered(covered), expected)


def test_cells_are_those_of_the_vector_or_seven_a_side() -> None:
    assert view_of((0, 0, 4, 4), 3, 2).shape == (3, 2)
    whole = CellView(PIXELS, (0, 0, 4, 4), None, False, np.ones((7, 7)) / 49, lambda one: one)
    assert whole.shape == (7, 7)
    assert whole.made_to(np.ones(4, np.float32), "s") is whole


@pytest.mark.parametrize("layout", [False, True])
def test_a_fiftieth_of_its_length_is_rounding(layout: bool) -> None:
    """Cells of three rows and two columns, of unequal weights."""
    random = np.random.default_rng(2)
    cells, weights = random.normal(size=(3, 2, 4)), random.random((3, 2))
    weights /= weights.sum()
    vector = cells.transpose(2, 0, 1).reshape(-1) if layout else cells.sum((0, 1))
    view = CellView(PIXELS, (0, 0, 4, 4), cells, layout, weights, lambda one: one)
    off = random.normal(size=vector.shape)
    for share in (0.0, 0.0199):
        stored = vector + off / np.linalg.norm(off) * share * np.linalg.norm(vector)
        made = view.made_to(stored, "s").cells  # type: ignore[arg-type]
        assert made is not None
        if layout:
            np.testing.assert_allclose(made.transpose(2, 0, 1).reshape(-1), stored, atol=1e-12)
        else:
            np.testing.assert_allclose(made - cells, weights[..., None] * (stored - vector), atol=1e-12)
    far = vector + off / np.linalg.norm(off) * 0.0209 * np.linalg.norm(vector)
    with pytest.raises(RecipeError, match="makes another vector of this object than space s holds"):
        view.made_to(far, "s")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("recipe", "said"),
    [
        ({"route": "query"}, "are the detector's own of its queries, which are no sum over cells"),
        ({"route": "external"}, "were handed in, so that no cells can be told apart"),
        (
            {"route": "crop", "erasure": {"factors": ["color"]}},
            "were changed after the network, by an erasure",
        ),
    ],
)
def test_vectors_without_cells_are_not_viewed(recipe: dict[str, Any], said: str) -> None:
    store = SimpleNamespace(recipe=lambda space: SimpleNamespace(**{"erasure": None, **recipe}))
    with pytest.raises(QueryError, match=f"^vectors of space s {said}"):
        open_viewer(store, "s", "cpu")  # type: ignore[arg-type]


@pytest.mark.parametrize("encoder", [None, "encoder"])
def test_crops_are_viewed_by_their_encoder_and_windows_by_their_map(
    encoder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = SimpleNamespace(encoder=encoder, map_source="map")
    recipe = SimpleNamespace(route="crop", erasure=None, tap="21", stride=16)
    store = SimpleNamespace(recipe=lambda space: recipe)
    monkeypatch.setattr(
        cell_views, "space_job", lambda *given, **named: job if named["device"] == "cuda:1" else None
    )
    monkeypatch.setattr(cell_views, "_CropViewer", lambda *given: ("crop", given))
    monkeypatch.setattr(cell_views, "_MapViewer", lambda *given: ("map", given))
    found = open_viewer(store, "s", "cuda:1")  # type: ignore[arg-type]
    assert found == (("crop", (job, "encoder")) if encoder else ("map", (job, "map", "21", 16)))


@pytest.mark.parametrize(
    ("background", "blank"), [("black", (0, 0, 0)), ("mean", IMAGENET_MEAN), ("keep", None)]
)
@pytest.mark.parametrize("averaged", [False, True])
def test_a_crop_is_divided_into_the_cells_that_are_averaged_or_seven_a_side(
    background: str, blank: Any, averaged: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    crop, cells = np.zeros((8, 8, 3), np.uint8), np.random.default_rng(3).normal(size=(2, 4, 5))
    encoder = SimpleNamespace(input_size=8, interpolation="bicubic", embed=print)
    job = SimpleNamespace(crop=SimpleNamespace(background=background))
    monkeypatch.setattr(cell_views, "_decoded", lambda path, objects, given: SimpleNamespace(image="image"))
    monkeypatch.setattr(cell_views, "cut_crops", lambda *given, **named: [crop])
    monkeypatch.setattr(cell_views, "averaged_cells", lambda given, one: cells if averaged else None)
    view = cell_views._CropViewer(job, encoder).view("p", "objects")  # type: ignore[arg-type]
    assert view.pixels is crop
    assert (view.area, view.layout, view.blank, view.embed) == ((0, 0, 8, 8), False, blank, print)
    if averaged:
        assert view.cells is not None
        np.testing.assert_allclose(view.cells, cells / 8)
        assert view.weights.tolist() == [[1 / 8] * 4] * 2
    else:
        assert view.cells is None
        assert view.weights.tolist() == [[1 / 49] * 7] * 7


def test_a_photo_that_is_another_now_is_not_viewed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cell_views, "read_image_file", lambda path, job: path)
    found = SimpleNamespace(image=SimpleNamespace(image_id="i"))
    monkeypatch.setattr(cell_views, "decode", lambda read, job: found)
    job: Any = None
    same, other = (SimpleNamespace(image_id=np.array([name, name])) for name in "ij")
    assert cell_views._decoded("a/p.jpg", same, job) is found  # type: ignore[arg-type]
    with pytest.raises(ImageError, match="holds another photo than the one that was indexed"):
        cell_views._decoded("a/p.jpg", other, job)  # type: ignore[arg-type]
