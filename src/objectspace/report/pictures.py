"""The paper's seven figures, drawn from a user's own photos."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import PIL.Image
from matplotlib.figure import Figure
from numpy.typing import NDArray

from objectspace.analyses.grid_positions import space_frame
from objectspace.embeddings.crops import CropPolicy, cut_crops
from objectspace.errors import InputError, ObjectspaceError
from objectspace.figures.cutting import CropCut, WindowCut, draw_crop_cuts, draw_window_cuts
from objectspace.figures.montage import draw_montage
from objectspace.figures.occlusion import draw_occlusion
from objectspace.figures.projection import draw_projection
from objectspace.figures.sheet import draw_space
from objectspace.images import Pixels, halved, read_image
from objectspace.objects.boxes import centers, first_cells
from objectspace.objects.masks import decode
from objectspace.report.claims import Missing, require
from objectspace.report.evidence import Choice, Moved, StoredImage, StoredImages, ZeroedImages
from objectspace.report.page import Picture, png_of
from objectspace.store import Store

steps = logging.getLogger("objectspace.steps")

#: Objects whose crops, photos whose windows, and moved pictures that are shown.
CROPS, IMAGES, MOVED = 3, 3, 12
CROP_SIDE = 160  # pixels
#: Photos are drawn with at least as many pixels a side; a panel of the page has no more.
SHOWN = (480, 480)


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """The sources of the figures, each of which may be missing."""

    store: Store
    choice: Choice
    images: StoredImages | Missing
    zeroed: ZeroedImages | Missing
    moved: Moved | Missing


@dataclass(frozen=True, slots=True)
class _Drawer:
    key: str
    heading: str
    caption: str
    alt: str
    draw: Callable[[Material], Figure]


def draw_pictures(material: Material) -> tuple[list[Picture], list[tuple[str, str]]]:
    """Return the figures that can be drawn, and heading and reason of each that cannot."""
    pictures, missing = [], []
    for drawer in _DRAWERS:
        steps.info("drawing %s", drawer.heading)
        try:
            figure = drawer.draw(material)
        except ObjectspaceError as error:
            missing.append((drawer.heading, str(error)))
            continue
        pictures.append(Picture(drawer.key, drawer.heading, png_of(figure), drawer.caption, drawer.alt))
    return pictures, missing


def _crop_cuts(material: Material) -> Figure:
    policy = CropPolicy.from_json(dict(material.store.recipe(_crop(material)).crop or {}))
    return draw_crop_cuts([_crop_cut(*one, policy) for one in _varied_objects(require(material.images).read)])


def _crop_cut(stored: StoredImage, row: int, policy: CropPolicy) -> CropCut:
    """Cut one object out of its photo, which is then kept at the scale of the figure only."""
    objects, image = stored.objects.take([row]), stored.read()
    crop = cut_crops(image, objects, policy, CROP_SIDE)[0]
    shown = halved(image.pixels, at_least=SHOWN)
    height, width = shown.shape[:2]
    outline, mask = None, objects.mask[0]
    if mask is not None:
        outline = np.asarray(PIL.Image.fromarray(decode(mask)).resize((width, height)))
    return CropCut(str(objects.label[0]), shown, objects.xyxy[0] * _scale(stored, shown)[0], outline, crop)


def _scale(stored: StoredImage, shown: Pixels) -> NDArray[np.float32]:
    """Return the factors (1, 4) from boxes of the photo to boxes of the pixels that are shown."""
    height, width = shown.shape[:2]
    across, down = width / stored.size[0], height / stored.size[1]
    return np.array([[across, down, across, down]], np.float32)


def _varied_objects(images: Sequence[StoredImage]) -> list[tuple[StoredImage, int]]:
    """Return the largest object of each of a few labels, of different photos."""
    chosen: dict[str, tuple[float, StoredImage, int]] = {}
    for stored in images:
        area = np.prod(stored.objects.xyxy[:, 2:] - stored.objects.xyxy[:, :2], axis=1)
        area = area / np.prod(stored.size)
        row = int(area.argmax())
        label = str(stored.objects.label[row])
        if label not in chosen or area[row] > chosen[label][0]:
            chosen[label] = float(area[row]), stored, row
    ranked = sorted(chosen.values(), key=lambda item: -item[0])
    return [(stored, row) for _, stored, row in ranked[:CROPS]]


def window_cuts(material: Material) -> list[WindowCut]:
    """Return the windows of the objects of a few photos, in pixels of the photos as they are shown.

    Raises InputError where the store has no window space, or none of its photos could be read.
    """
    name = _window(material)
    recipe, cells = material.store.recipe(name), material.store.cells(name)
    place = {object_id: row for row, object_id in enumerate(material.store.members(name))}
    stride, size = recipe.stride or 1, recipe.window or 1
    cuts = []
    for stored in require(material.images).read[:IMAGES]:
        rows = [place[object_id] for object_id in stored.objects.object_id.tolist()]
        frame = space_frame(recipe, name, stored.size)
        cell = np.column_stack([cells["cell_x"], cells["cell_y"]])[rows]
        middle = centers(frame.to_input(stored.objects.xyxy)) / np.float32(stride)
        first = first_cells(cell, middle, size)
        on_input = [
            (np.concatenate([corner, corner + wide], axis=1) * stride).astype(np.float32)
            for corner, wide in ((cell, 1), (first, size))
        ]
        shown = halved(stored.read(at_least=SHOWN).pixels, at_least=SHOWN)
        boxes = (stored.objects.xyxy, *(frame.to_image(boxes) for boxes in on_input))
        labels = [str(label) for label in stored.objects.label]
        cuts.append(WindowCut(shown, labels, *(part * _scale(stored, shown) for part in boxes)))
    return cuts


def _occlusion(material: Material) -> Figure:
    zeroed = require(material.zeroed)
    return draw_occlusion(zeroed.example, zeroed.image.read(at_least=SHOWN).pixels)


def _moved_pictures(material: Material) -> Figure:
    paths = require(material.moved).pictures
    chosen = np.linspace(0, len(paths) - 1, MOVED).round().astype(int)
    pictures = [PIL.Image.fromarray(read_image(paths[place]).pixels) for place in chosen]
    for picture in pictures:
        picture.thumbnail((240, 240))
    return draw_montage([np.asarray(picture) for picture in pictures])


def _projections(material: Material) -> Figure:
    first = require(material.moved).objects[0]
    return draw_projection([first.pca, first.tsne], red="x1", blue="y1")


def _crop(material: Material) -> str:
    if material.choice.crop is None:
        raise InputError("the store has no crop space")
    return material.choice.crop


def _window(material: Material) -> str:
    if material.choice.window is None:
        raise InputError("the store has no window space")
    return material.choice.window


_DRAWERS = (
    _Drawer(
        "figure1",
        "Figure 1. From photo to crop",
        "The object is cut out by its mask (or, without one, its box), pasted on a canvas that fits it, and "
        "scaled to the encoder's input.",
        "Rows of a photo with a box, the object lifted out of it, and the crop",
        _crop_cuts,
    ),
    _Drawer(
        "figure2",
        "Figure 2. Nearest neighbors of crops",
        "Targets on the left, then their nearest objects of other photos, with label and distance; the frame "
        "is solid blue where the label is the target's. Dark crops are lightened for display, and the line "
        "under the grid says so; vectors are of the crops as they are.",
        "A grid of objects and their nearest neighbors in the crop space",
        lambda material: draw_space(material.store, _crop(material)),
    ),
    _Drawer(
        "figure3",
        "Figure 3. Which prediction disappears when a window of the map is zeroed",
        "Windows of 1, 2 and 3 cells a side of the layer before the head are zeroed in turn. a: the "
        "predictions before. b and d: the map as heat, bright where its numbers are large, and a crossed "
        "window that is zeroed; c and e: the predictions then, dashed orange where one disappeared. The "
        "numbered maps, one for each prediction: orange where zeroing a cell lowers its score, a ring on the "
        "cell that made it. Where the layer feeds a 1 x 1 convolution, as in YOLOv3, a score can only change "
        "where its own cell is covered; earlier layers show the effect of the surroundings: objectspace "
        "occlude --tap.",
        "A photo with the map as a heat overlay, predictions before and after, and importance maps",
        _occlusion,
    ),
    _Drawer(
        "figure4",
        "Figure 4. From photo to window",
        "Each object's vector is the window of the detector's own map around the cell that answers for it.",
        "Photos with boxes, responsible cells and windows",
        lambda material: draw_window_cuts(window_cuts(material)),
    ),
    _Drawer(
        "figure5",
        "Figure 5. Nearest neighbors of windows",
        "As in figure 2, in the window space: pictures of the objects, vectors of windows of the map.",
        "A grid of objects and their nearest neighbors in the window space",
        lambda material: draw_space(material.store, _window(material)),
    ),
    _Drawer(
        "figure6",
        "Figure 6. One object at many places",
        "The same cut-out on black, never cut off by the border: all that differs is the place. This is the "
        "first of the objects that were moved.",
        "Twelve pictures of the same object at different places",
        _moved_pictures,
    ),
    _Drawer(
        "figure7",
        "Figure 7. Where the place is in the vectors",
        "The windows of the object of figure 6 by principal components and by t-SNE. Red grows to the right "
        "and blue downwards: above with the place of the box in the picture, below with that of its center "
        "in the window. The claims are about all objects that were moved.",
        "Scatter plots of the projected windows, colored by the place in the picture and in the window",
        _projections,
    ),
)
