"""What a store has to test the paper's claims with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from objectspace.analyses.claims import WINDOW, Column, Evidence, Held
from objectspace.analyses.occlusion import Occlusion, measure_occlusion
from objectspace.analyses.place import window_whereabouts
from objectspace.analyses.projection import Method, Projection, project
from objectspace.embeddings.encoders.maps import ENCODER_MAP
from objectspace.errors import InputError, ObjectspaceError
from objectspace.flow import index
from objectspace.images import Image, read_image
from objectspace.jobs import Job
from objectspace.objects.annotations import open_annotations
from objectspace.objects.detectors import Detector
from objectspace.objects.records import Objects
from objectspace.scenes.variation_files import ANNOTATIONS, draw_variation
from objectspace.store import SpaceInfo, Store, open_store

#: Columns that are taken for an orientation and for a style where none is named, in this order.
ORIENTATIONS = ("yaw", "azimuth", "angle")
STYLES = ("style", "breed", "colour", "color")

#: Photos that are occluded, and places across and down of the object that is moved about.
OCCLUDED = 24
STEPS = 16


@dataclass(frozen=True, slots=True)
class Choice:
    """What the user chose; None is chosen by :func:`choose`."""

    crop: str | None = None
    window: str | None = None
    orientation: str | None = None
    period: float = 360.0
    style: str | None = None
    group: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Photo:
    """A photo of the store with the objects of the store in it."""

    image: Image
    objects: Objects


@dataclass(frozen=True, slots=True, eq=False)
class Moved:
    """One object moved about: the pictures, and its window space by PCA and by t-SNE."""

    pictures: Sequence[Path]
    space: str
    pca: Projection
    tsne: Projection


def choose(store: Store, choice: Choice) -> Choice:
    """The choice with what was left open: the first crop space, the fullest window space, columns by name."""
    info = {space.name: space for space in store.info().spaces}
    crops = [name for name, space in info.items() if space.recipe.route == "crop"]
    windows = sorted(
        (name for name, space in info.items() if space.recipe.route == "window" and not _of_encoder(space)),
        key=lambda name: (info[name].recipe.window != WINDOW, -info[name].count, name),
    )
    columns = set(store.objects().factors)
    return Choice(
        crop=choice.crop or (min(crops, key=len) if crops else None),
        window=choice.window or (windows[0] if windows else None),
        orientation=choice.orientation or next((name for name in ORIENTATIONS if name in columns), None),
        period=choice.period,
        style=choice.style or next((name for name in STYLES if name in columns), None),
        group=choice.group,
    )


def _of_encoder(space: SpaceInfo) -> bool:
    """Whether a space was cut from an encoder's map, which detects nothing."""
    return space.recipe.preprocessing.get("family") == ENCODER_MAP


def gather(store: Store, choice: Choice, occlusions: Sequence[Occlusion], moved: Moved | None) -> Evidence:
    """The evidence of a complete choice."""
    return Evidence(
        crop=held(store, choice.crop),
        window=held(store, choice.window),
        orientation=None if choice.orientation is None else Column(choice.orientation, choice.period),
        style=None if choice.style is None else Column(choice.style),
        group=choice.group,
        occlusions=occlusions,
        moved=None if moved is None else (moved.pca, moved.tsne),
    )


def held(store: Store, name: str | None) -> Held | None:
    """A space with its objects. Raises QueryError for an unknown one."""
    if name is None:
        return None
    space = store.space(name)
    return Held(space, store.objects(space.object_id))


def photos_of(store: Store, space: str, count: int) -> list[Photo]:
    """Up to ``count`` photos with objects of a space, spread over the store, as far as they can be read."""
    objects = store.objects(store.members(space))
    paths = {row.image_id: row.path for row in store.images()}
    names = [name for name in paths if name in set(objects.image_id.tolist())]
    chosen = [
        names[place] for place in np.linspace(0, len(names) - 1, min(count, len(names))).round().astype(int)
    ]
    photos = []
    for name in chosen:
        try:
            image = read_image(paths[name])
        except ObjectspaceError:
            continue
        photos.append(Photo(image, objects.take(objects.image_id == name)))
    return photos


def occlude(detector: Detector, photos: Sequence[Photo]) -> list[Occlusion]:
    """The layer before a head of each photo where something is found, zeroed in windows of 1 to 3 cells."""
    found = (measure_occlusion(detector, photo.image, sizes=(1, 2, WINDOW)) for photo in photos)
    return [occlusion for occlusion in found if len(occlusion.objects)]


def move(detector: Detector, photos: Sequence[Photo], folder: Path) -> Moved:
    """One object moved over a black picture, its windows projected; pictures and store go to ``folder``.

    Raises InputError where no object fits.
    """
    photo, row = _object_to_move(photos)
    objects = photo.objects
    pictures = draw_variation(
        photo.image,
        objects.xyxy[row],
        objects.mask[row],
        str(objects.label[row]),
        "position",
        folder / "moved-pictures",
        steps=STEPS,
    )
    path = folder / "moved.osp"
    reader = open_annotations(folder / "moved-pictures" / ANNOTATIONS, format="coco")
    index(pictures, path, Job(detector=detector, annotations=reader, pools=(f"window{WINDOW}",)))
    store = open_store(path)
    name = max(store.info().spaces, key=lambda space: space.count).name
    return Moved(pictures, name, _projection(store, name, "pca"), _projection(store, name, "tsne"))


def _projection(store: Store, name: str, method: Method) -> Projection:
    space = store.space(name)
    objects = store.objects(space.object_id)
    left, top = objects.xyxy[:, :2].astype(np.float64).T
    where = window_whereabouts(store, name, objects)
    return project(space, objects, {"x1": left, "y1": top}, where=where, method=method)


def _object_to_move(photos: Sequence[Photo]) -> tuple[Photo, int]:
    """The object whose longer side is nearest a quarter of its photo's shorter one; better with a mask."""
    best: tuple[tuple[bool, float], Photo, int] | None = None
    for photo in photos:
        shorter = min(photo.image.width, photo.image.height)
        sides = (photo.objects.xyxy[:, 2:] - photo.objects.xyxy[:, :2]).max(axis=1) / shorter
        for row, side in enumerate(sides.tolist()):
            rank = (photo.objects.mask[row] is None, abs(float(np.log(side / 0.25))))
            if best is None or rank < best[0]:
                best = rank, photo, row
    if best is None:
        raise InputError("no photo of the store could be read, so no object could be moved")
    return best[1], best[2]
