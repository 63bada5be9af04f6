"""What a store has to test the paper's claims with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from objectspace.analyses.occlusion import Occlusion, measure_occlusion
from objectspace.analyses.place import window_whereabouts
from objectspace.analyses.projection import Method, Projection, project
from objectspace.embeddings.encoders.maps import ENCODER_MAP
from objectspace.errors import ImageError, InputError, ObjectspaceError, QueryError
from objectspace.flow import index
from objectspace.images import Image, read_image
from objectspace.jobs import Job
from objectspace.objects.annotations import open_annotations
from objectspace.objects.detectors import Detector
from objectspace.objects.records import Objects
from objectspace.report.claims import WINDOW, Column, Evidence, Held, Missing
from objectspace.scenes.variation import picture_size
from objectspace.scenes.variation_files import ANNOTATIONS, draw_variation
from objectspace.store import SpaceInfo, Store, open_store

Value = TypeVar("Value")

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
class Photos:
    """The photos that were looked at, and those of them that could not be read."""

    read: Sequence[Photo]
    unread: Sequence[ImageError]


@dataclass(frozen=True, slots=True, eq=False)
class Moved:
    """One object moved about: its label, the pictures, and its window space by PCA and by t-SNE."""

    label: str
    pictures: Sequence[Path]
    space: str
    pca: Projection
    tsne: Projection


def attempt(step: Callable[[], Value]) -> Value | Missing:
    """What a step gives, or why it could not be done: the rest of the report does not depend on it."""
    try:
        return step()
    except ObjectspaceError as error:
        return Missing(str(error))


def choose(store: Store, choice: Choice) -> Choice:
    """The choice with what was left open.

    That is the first crop space by name; of the windows of a detector's map those of 3 x 3 cells with the
    most objects; columns by their names. A space from which something was erased must be named.
    Raises QueryError for an unknown space and for one of another route.
    """
    info = {space.name: space for space in store.info().spaces}
    whole = [name for name, space in info.items() if space.recipe.erasure is None]
    windows = sorted(
        (name for name in whole if info[name].recipe.route == "window" and not _of_encoder(info[name])),
        key=lambda name: (info[name].recipe.window != WINDOW, -info[name].count, name),
    )
    crops = sorted(name for name in whole if info[name].recipe.route == "crop")
    columns = set(store.objects().factors)
    return Choice(
        crop=_of_route(store, choice.crop, "crop") or next(iter(crops), None),
        window=_of_route(store, choice.window, "window") or next(iter(windows), None),
        orientation=choice.orientation or next((name for name in ORIENTATIONS if name in columns), None),
        period=choice.period,
        style=choice.style or next((name for name in STYLES if name in columns), None),
        group=choice.group,
    )


def _of_route(store: Store, name: str | None, route: str) -> str | None:
    """The space that was named, None where none was."""
    if name is not None and (made := store.recipe(name).route) != route:
        raise QueryError(f"space {name} is of the {made} route, expected one of the {route} route")
    return name


def _of_encoder(space: SpaceInfo) -> bool:
    """Whether a space was cut from an encoder's map, which detects nothing."""
    return space.recipe.preprocessing.get("family") == ENCODER_MAP


def gather(
    store: Store, choice: Choice, occlusions: Sequence[Occlusion] | Missing, moved: Moved | Missing
) -> Evidence:
    """The evidence of a complete choice."""
    return Evidence(
        crop=held(store, choice.crop),
        window=held(store, choice.window),
        orientation=None if choice.orientation is None else Column(choice.orientation, choice.period),
        style=None if choice.style is None else Column(choice.style),
        group=choice.group,
        occlusions=occlusions,
        moved=moved if isinstance(moved, Missing) else (moved.pca, moved.tsne),
    )


def held(store: Store, name: str | None) -> Held | None:
    """A space with its objects. Raises QueryError for an unknown one."""
    if name is None:
        return None
    space = store.space(name)
    return Held(space, store.objects(space.object_id))


def photos_of(store: Store, space: str, count: int) -> Photos:
    """Up to ``count`` photos with objects of a space, spread over the store.

    Raises InputError where none of them can be read, or is the photo that was indexed.
    """
    objects = store.objects(store.members(space))
    there = set(objects.image_id.tolist())
    rows = [row for row in store.images() if row.image_id in there]
    places = np.linspace(0, len(rows) - 1, min(count, len(rows))).round().astype(int)
    read: list[Photo] = []
    unread: list[ImageError] = []
    for row in (rows[place] for place in places):
        try:
            image = read_image(row.path, image_id=row.image_id)
        except ImageError as error:
            unread.append(error)
            continue
        read.append(Photo(image, objects.take(objects.image_id == row.image_id)))
    if not read:
        raise InputError(
            f"no photo of the store could be read: {unread[0]}" if unread else f"space {space} is empty"
        )
    return Photos(read, unread)


def occlude(detector: Detector, photos: Sequence[Photo]) -> list[Occlusion]:
    """The layer before a head of each photo where something is found, zeroed in windows of 1 to 3 cells.

    Raises ModelError for a detector of another family or precision than Darknet in float32, and InputError
    where nothing is found in any photo.
    """
    found = [measure_occlusion(detector, photo.image, sizes=(1, 2, WINDOW)) for photo in photos]
    if not (occlusions := [occlusion for occlusion in found if len(occlusion.objects)]):
        raise InputError(f"{detector.name} detects nothing in the photos that were looked at")
    return occlusions


def move(detector: Detector, photos: Sequence[Photo], folder: Path) -> Moved:
    """One object moved over a black picture, its windows projected; pictures and store go to ``folder``.

    Raises InputError where every object so fills its photo that it has no room to move.
    """
    photo, row = _object_to_move(photos)
    objects, label = photo.objects, str(photo.objects.label[row])
    pictures = draw_variation(
        photo.image,
        objects.xyxy[row],
        objects.mask[row],
        label,
        "position",
        folder / "moved-pictures",
        steps=STEPS,
    )
    path = folder / "moved.osp"
    reader = open_annotations(folder / "moved-pictures" / ANNOTATIONS, format="coco")
    index(pictures, path, Job(detector=detector, annotations=reader, pools=(f"window{WINDOW}",)))
    store = open_store(path)
    name = max(store.info().spaces, key=lambda space: space.count).name
    return Moved(label, pictures, name, _projection(store, name, "pca"), _projection(store, name, "tsne"))


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
        # Whole pixels take up to two more than the box.
        for row in np.flatnonzero(_room(photo) > STEPS):
            rank = (photo.objects.mask[row] is None, abs(float(np.log(sides[row] / 0.25))))
            if best is None or rank < best[0]:
                best = rank, photo, int(row)
    if best is None:
        raise InputError(
            "every object of the photos that were looked at so fills its photo that it has no "
            "room to move; objectspace vary --size moves a smaller copy"
        )
    return best[1], best[2]


def _room(photo: Photo) -> NDArray[np.float64]:
    """(n,) pixels that each object can move, across or down, in a picture as it would be drawn."""
    drawn = np.array(picture_size(photo.image), np.float64)
    scale = drawn / (photo.image.width, photo.image.height)
    sides = (photo.objects.xyxy[:, 2:] - photo.objects.xyxy[:, :2]) * scale
    room: NDArray[np.float64] = (drawn - sides).min(axis=1)
    return room
