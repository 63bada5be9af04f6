from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle

from objectspace.analyses.explanation import CellHeat, Explanation
from objectspace.errors import InputError
from objectspace.figures.sheet import draw_sheet, is_dark, lightened
from objectspace.figures.style import BLUE, GRAY, ORANGE, write_figure
from objectspace.search.tiles import SheetRow, Tile

LONG = "refrigerator with an ice dispenser"
CAPTION = (
    "space yolo-fastest-1.1-xl-window3-stride16 · euclidean distance under each, exact · "
    "neighbors from other photos only"
)


def tile(label, distance=None, height=90, width=128):
    return Tile(np.full((height, width, 3), 90, np.uint8), label, distance)


def rows_of(count, k, label=LONG):
    return [
        SheetRow(tile(label), tuple(tile(label if n % 2 else "cat", 1234.5678 + n) for n in range(k)))
        for _ in range(count)
    ]


def texts(figure):
    """(text, extent in pixels) of what is written on a figure."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    found = [artist for axes in figure.axes for artist in axes.texts]
    return [(artist.get_text(), artist.get_window_extent(renderer)) for artist in found]


@pytest.mark.parametrize(("count", "k"), [(1, 1), (1, 10), (12, 1), (12, 10)])
@pytest.mark.parametrize("label", ["cat", LONG, "W" * 40, "$x^{ of $"])
def test_every_text_is_whole_and_none_lies_on_another(count, k, label):
    figure = draw_sheet(rows_of(count, k, label), caption=CAPTION)
    extents = texts(figure)
    page = figure.bbox
    for text, box in extents:
        assert page.x0 <= box.x0 <= box.x1 <= page.x1, text
        assert page.y0 <= box.y0 <= box.y1 <= page.y1, text
    x0, y0, x1, y1 = np.array([box.extents for _, box in extents]).T
    left_of, below = x1[:, None] <= x0, y1[:, None] <= y0 + 1
    apart = left_of | left_of.T | below | below.T | np.eye(len(extents), dtype=bool)
    assert apart.all(), [[extents[row][0] for row in pair] for pair in np.argwhere(~apart)]


def test_every_line_of_a_note_has_room():
    target = tile("dog")
    noted = Tile(target.picture, "dog", note="mean of 2\nunlike bicycle")
    rows = [SheetRow(noted, (tile("cat", 1.5),)), *rows_of(1, 1, "cat")]
    extents = dict(texts(draw_sheet(rows, caption=CAPTION)))
    assert extents["mean of 2"].y0 >= extents["unlike bicycle"].y1 - 1
    below = [box for text, box in extents.items() if text in ("1235", CAPTION)]
    assert all(extents["unlike bicycle"].y0 >= box.y1 - 1 for box in below)


def frames(figure):
    """Color and line of each frame in the order in which they were drawn."""
    patches = [patch for patch in figure.axes[0].patches if isinstance(patch, Rectangle)]
    return [(to_hex(patch.get_edgecolor()).upper(), patch.get_linestyle()) for patch in patches]


def test_frames_tell_the_target_its_label_and_others_apart():
    row = SheetRow(tile("cat"), (tile("cat", 1.0), tile("dog", 2.0)))
    drawn = frames(draw_sheet([row]))
    assert drawn[:3] == [("#000000", "-"), (BLUE, "-"), (ORANGE, "--")]
    assert drawn[3:] == [(BLUE, "-"), (ORANGE, "--")]  # the legend


def test_frames_are_gray_where_the_targets_label_is_not_known():
    figure = draw_sheet([SheetRow(tile(None), (tile("cat", 1.0), tile("dog", 2.0)))])
    assert frames(figure) == [("#000000", "-"), (GRAY, "-"), (GRAY, "-")]
    assert "query" in [text for text, _ in texts(figure)]


def test_pictures_keep_their_aspect_and_lie_in_their_frames():
    figure = draw_sheet([SheetRow(tile("cat", height=128, width=32), (tile("dog", 1.0, 30, 120),))])
    images = figure.axes[0].images
    frame = figure.axes[0].patches
    for image, patch, aspect in zip(images, frame, (0.25, 4.0), strict=False):
        left, right, bottom, top = image.get_extent()
        assert (right - left) / (bottom - top) == pytest.approx(aspect)
        assert patch.get_x() < left < right < patch.get_x() + patch.get_width()
        assert patch.get_y() < top < bottom < patch.get_y() + patch.get_height()


def test_text_in_an_svg_stays_text(tmp_path):
    write_figure(draw_sheet(rows_of(1, 2, "cat"), caption="space resnet50-crop"), tmp_path / "s.svg")
    root = ElementTree.parse(tmp_path / "s.svg").getroot()
    written = ["".join(node.itertext()).strip() for node in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"target", "cat", "1235", "space resnet50-crop"} <= set(written)


def test_a_row_with_fewer_neighbors_than_another():
    short = SheetRow(tile("cat"), (tile("cat", 1.0),))
    figure = draw_sheet([*rows_of(1, 3), short])
    assert len(figure.axes[0].images) == 4 + 2


def test_no_rows():
    with pytest.raises(InputError, match="a sheet needs at least one target"):
        draw_sheet([])


def test_dark_pictures_are_lightened_and_others_left():
    """A median at 40 of 255 comes to 100: a gamma of log(100 / 255) / log(40 / 255) = 0.5054."""
    dark = np.zeros((20, 20, 3), np.uint8)
    dark[5:15, 5:15] = 40
    dark[0, 0] = 20
    bright = np.full((20, 20, 3), 120, np.uint8)

    assert is_dark(dark)
    lighter = lightened(dark)
    assert (lighter[10, 10] == 100).all()
    assert (lighter[0, 0] == round(255 * (20 / 255) ** 0.5054)).all()
    assert (lighter[2, 2] == 0).all()
    assert lightened(bright) is bright
    assert not is_dark(np.zeros((4, 4, 3), np.uint8))


def test_a_black_chair_with_bright_screws_is_dark():
    dark = np.full((20, 20, 3), 30, np.uint8)
    dark[:2] = 240

    assert is_dark(dark)
    assert lightened(dark)[10, 10, 0] == 100


def test_the_caption_says_so_and_has_room():
    dark = Tile(np.full((90, 128, 3), 30, np.uint8), "dog")
    figure = draw_sheet([SheetRow(dark, (tile("cat", 1.5),))], caption=CAPTION)
    ((text, box),) = [found for found in texts(figure) if "euclidean" in found[0]]
    assert text == f"{CAPTION} · dark pictures are lightened"
    assert box.y0 >= figure.bbox.y0
    assert "lightened" not in str(texts(draw_sheet(rows_of(1, 1), caption=CAPTION)))


def test_a_bar_has_a_shade_for_each_part_as_long_as_its_similarity():
    near = Tile(tile("cat").picture, "cat", 0.4, parts={"crop": 0.4, "window": 0.25})
    far = Tile(tile("cat").picture, "cat", 0.9, parts={"crop": 0.2, "window": -0.1})
    figure = draw_sheet([SheetRow(tile("cat"), (near, far))], caption=CAPTION)
    bars = [one for one in figure.axes[0].patches if isinstance(one, Rectangle) and one.get_fill()]
    lengths = [round(bar.get_width() / 0.84, 3) for bar in bars[:4]]
    assert lengths == [0.4, 0.25, 0.2, 0]
    shades = [to_hex(bar.get_facecolor()) for bar in bars]
    assert shades[:2] == shades[2:4] == shades[4:]
    assert len(set(shades)) == 2
    assert bars[1].get_x() == pytest.approx(bars[0].get_x() + bars[0].get_width())


@pytest.mark.parametrize("k", [1, 10])
def test_the_names_of_parts_have_room(k):
    tiles = tuple(
        Tile(tile("cat").picture, "cat", 1.5, parts={"crop": 0.4, "yolov3-tiny-window3": 0.25})
        for _ in range(k)
    )
    extents = texts(draw_sheet([SheetRow(tile("cat"), tiles)] * 2, caption=CAPTION))
    x0, y0, x1, y1 = np.array([box.extents for _, box in extents]).T
    left_of, below = x1[:, None] <= x0, y1[:, None] <= y0 + 1
    apart = left_of | left_of.T | below | below.T | np.eye(len(extents), dtype=bool)
    assert apart.all(), [[extents[row][0] for row in pair] for pair in np.argwhere(~apart)]


def explained(first, second):
    seen = np.full((20, 20, 3), 90, np.uint8)
    cells = tuple(CellHeat(np.array([heat], float), seen) for heat in (first, second))
    return Explanation("s", "cosine", "sum", 0.5, 0.5, cells, {})


def test_explained_neighbors_have_their_cells_in_color():
    """Of the target the mean over its neighbors; the strongest share of the row has the full color."""
    rows = [SheetRow(tile("dog"), (tile("cat", 0.1), tile("dog", 0.2)))]
    why = [(explained([2, 0], [-4, 0]), explained([-2, 0], [0, 2]))]
    (axes,) = draw_sheet(rows, caption=CAPTION, why=why).axes
    target, first, second = (image.get_array().astype(int) for image in axes.images)
    gray = second[10, 2]
    assert (gray == gray[0]).all()
    np.testing.assert_array_equal(target[10, [2, 17]], [gray, gray])
    assert first[10, 2, 2] > first[10, 2, 0] + 50  # joins: blue
    assert second[10, 17, 0] > second[10, 17, 2] + 50  # drives apart: orange
    np.testing.assert_array_equal(first[10, 17], gray)
    assert abs(first[10, 2] - gray).sum() > abs(second[10, 17] - gray).sum()


def test_the_caption_of_explained_neighbors_says_what_the_colors_are():
    rows = [SheetRow(tile("dog"), (tile("cat", 0.1),))]
    written = dict(texts(draw_sheet(rows, caption="c", why=[(explained([1], [1]),)])))
    assert "c · blue cells join the two, orange ones drive them apart" in written
