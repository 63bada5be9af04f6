"""The evidence that a store holds for the paper's claims: spaces, photos, zeroed windows, moved objects."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from objectspace.analyses.factor_columns import ANGLES, angle_period
from objectspace.analyses.factor_values import factor_column
from objectspace.analyses.grid_positions import grid_positions
from objectspace.analyses.occlusion import Occlusion, measure_occlusion
from objectspace.analyses.projection import Projection, project
from objectspace.arguments import typed
from objectspace.embeddings.joint import JOINT, joint_parts
from objectspace.embeddings.spaces import Recipe
from objectspace.errors import ImageError, InputError, ObjectspaceError, QueryError
from objectspace.images import Image, read_image
from objectspace.jobs.vary import vary_object
from objectspace.models.detectors import Detector
from objectspace.models.encoders.encoder_maps import ENCODER_MAP
from objectspace.objects.records import Objects, known_values
from objectspace.report.claims import (
    WINDOW,
    Column,
    Evidence,
    Missing,
    MovedObject,
    SpaceWithObjects,
    ZeroedPhoto,
)
from objectspace.report.claims.zeroed_cells import zeroed_photo
from objectspace.scenes.variation import picture_size
from objectspace.store import ImageRow, SpaceInfo, Store, open_store

Value = TypeVar("Value")

steps = logging.getLogger("objectspace.steps")

#: Patterns of the default columns of orientation and of style, the first that matches a column of the store.
ORIENTATIONS = ANGLES
STYLES = ("style", "breed", "colou?r")

#: Photos whose windows are zeroed.
OCCLUDED = 24
#: Objects that are moved, of a photo each, and positions across and down of each. A clock would make the
#: figures depend on what else the machine does, and fewer than ten objects give no verdict.
MOVED, STEPS = 12, 10

#: A photo with this many predictions makes as good an example as one with more.
ENOUGH = 4


@typed
@dataclass(frozen=True, slots=True)
class Choice:
    """Spaces and columns of a report; :func:`choose` fills those that are None.

    orientation: the column of the direction that an object faces, an angle of ``period`` or, ``linear``, a
        length; by default as its name says
    """

    crop: str | None = None
    window: str | None = None
    orientation: str | None = None
    period: float | None = None
    style: str | None = None
    group: str | None = None
    both: str | None = None
    linear: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class StoredImage:
    """A photo of the store, still on disk, with the store's objects in it."""

    row: ImageRow
    objects: Objects

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels, as its boxes count them."""
        return self.row.width, self.row.height

    def read(self, *, at_least: tuple[int, int] | None = None) -> Image:
        """Decode the photo as :func:`~objectspace.images.read_image`. Raises ImageError if replaced."""
        return read_image(self.row.path, at_least=at_least, image_id=self.row.image_id)


@dataclass(frozen=True, slots=True, eq=False)
class StoredImages:
    """The photos that a report uses, and those that could not be read. No pixels are kept."""

    read: Sequence[StoredImage]
    unread: Sequence[ImageError]


@dataclass(frozen=True, slots=True, eq=False)
class ZeroedImages:
    """The outcome of zeroing windows of some photos: small numbers of all, and one photo to draw.

    photos: those with detections; example: of the image ``image``, the first with the most predictions, four
        being enough
    """

    photos: Sequence[ZeroedPhoto]
    example: Occlusion
    image: StoredImage


@dataclass(frozen=True, slots=True, eq=False)
class Moved:
    """Objects at many positions each, ``wanted`` or fewer; ``pictures`` are those of the first."""

    objects: Sequence[MovedObject]
    pictures: Sequence[Path]
    wanted: int


def attempt(step: Callable[[], Value]) -> Value | Missing:
    """Return what a step returns, or why it failed, so that the rest of the report can go on."""
    try:
        return step()
    except ObjectspaceError as error:
        return Missing(str(error))


def choose(store: Store, choice: Choice) -> Choice:
    """Return the choice with its gaps filled from the store.

    The crop space is the first by name; the window space is, of a detector's map, the one of 3 x 3 cells with
    the most objects; the joint space is one of these two, if there is one; columns are found by their names.
    An erased space is used only if it is named. The orientation is an angle or a length as its name says
    (:func:`~objectspace.analyses.factor_columns.angle_period`), unless that is chosen.
    Raises QueryError for an unknown space and for one of another route, InputError for an unknown column, and
    for an orientation of texts.
    """
    info = {space.name: space for space in store.info().spaces if space.problem is None}
    whole = [name for name, space in info.items() if space.recipe.erasure is None]
    windows = sorted(
        (name for name in whole if info[name].recipe.route == "window" and not _of_encoder(info[name])),
        key=lambda name: (info[name].recipe.window != WINDOW, -info[name].count, name),
    )
    crops = sorted(name for name in whole if info[name].recipe.route == "crop")
    objects = store.objects()
    columns = sorted(objects.factors)
    for name in (choice.orientation, choice.style, choice.group):
        if name is not None:
            factor_column(objects, name)  # raises for an unknown one
    numbers = [name for name in columns if objects.factors[name].dtype.kind == "f"]
    orientation = choice.orientation or _first_match(ORIENTATIONS, numbers)
    period = (
        None if orientation is None else _period(choice, orientation, factor_column(objects, orientation))
    )
    crop = _of_route(store, choice.crop, "crop") or next(iter(crops), None)
    window = _of_route(store, choice.window, "window") or next(iter(windows), None)
    return Choice(
        crop=crop,
        window=window,
        orientation=orientation,
        period=period,
        style=choice.style or _first_match(STYLES, columns),
        group=choice.group,
        both=_of_route(store, choice.both, JOINT) or _joint_space(info, crop, window),
        linear=orientation is not None and period is None,
    )


def _period(choice: Choice, name: str, column: NDArray[Any]) -> float | None:
    """Return the period of the orientation that is an angle, None of a length: as chosen, or by its name."""
    if choice.linear and choice.period is not None:
        raise InputError(f"orientation {name}: linear= takes it as a length, period= as an angle; give one")
    if column.dtype.kind != "f":
        raise InputError(f"orientation {name} holds texts, expected numbers: angles or lengths")
    return None if choice.linear else choice.period or angle_period(name, column)


def _joint_space(info: Mapping[str, SpaceInfo], crop: str | None, window: str | None) -> str | None:
    """Return the first joint space by name that reads both spaces and no third part; None without one."""
    for name in sorted(info):
        parts = [set(part.spaces) for part in joint_parts(info[name].recipe)]
        if len(parts) == 2 and all(any(one in part for part in parts) for one in (crop, window)):
            return name
    return None


def _first_match(patterns: Sequence[str], names: Sequence[str]) -> str | None:
    """Return the name that the earliest of the patterns matches as a whole, or None."""
    return next((name for pattern in patterns for name in names if re.fullmatch(pattern, name)), None)


def _of_route(store: Store, name: str | None, route: str) -> str | None:
    """Return the named space after checking its route; None where none is named."""
    if name is not None and (made := store.recipe(name).route) != route:
        raise QueryError(f"space {name} is of the {made} route, expected one of the {route} route")
    return name


def _of_encoder(space: SpaceInfo) -> bool:
    """Return whether a space was cut from an encoder's map, which detects nothing."""
    return space.recipe.preprocessing.get("family") == ENCODER_MAP


def gather(store: Store, choice: Choice, zeroed: ZeroedImages | Missing, moved: Moved | Missing) -> Evidence:
    """Return the evidence of a complete choice."""
    return Evidence(
        crop=held(store, choice.crop),
        window=held(store, choice.window),
        both=held(store, choice.both),
        orientation=_orientation(store, choice),
        style=None if choice.style is None else Column(choice.style),
        group=choice.group,
        occlusions=zeroed if isinstance(zeroed, Missing) else zeroed.photos,
        moved=moved if isinstance(moved, Missing) else moved.objects,
    )


def _orientation(store: Store, choice: Choice) -> Column | None:
    """Return the column of orientations: an angle by its period, a length by its extent."""
    if choice.orientation is None:
        return None
    if choice.period is not None:
        return Column(choice.orientation, choice.period)
    values = factor_column(store.objects(), choice.orientation)
    known = values[known_values(values)]
    return Column(choice.orientation, extent=float(np.ptp(known)) if len(known) else 0.0)


def held(store: Store, name: str | None) -> SpaceWithObjects | None:
    """Return a space with its objects. Raises QueryError for an unknown one."""
    if name is None:
        return None
    space = store.space(name)
    return SpaceWithObjects(space, space.objects)


def stored_images(store: Store, space: str, count: int) -> StoredImages:
    """Return up to ``count`` photos with objects of a space, evenly spaced over the store.

    Each is decoded once to see that it can be, and dropped. Raises InputError where none of them can be read
    or is still the photo that was indexed.
    """
    objects = store.objects(store.members(space))
    there = set(objects.image_id.tolist())
    rows = [row for row in store.images() if row.image_id in there]
    chosen = np.linspace(0, len(rows) - 1, min(count, len(rows))).round().astype(int)
    read: list[StoredImage] = []
    unread: list[ImageError] = []
    for row in (rows[number] for number in chosen):
        image = StoredImage(row, objects.take(objects.image_id == row.image_id))
        try:
            image.read()
        except ImageError as error:
            unread.append(error)
        else:
            read.append(image)
    if not read:
        raise InputError(
            f"no photo of the store could be read: {unread[0]}" if unread else f"space {space} is empty"
        )
    return StoredImages(read, unread)


def occlude(detector: Detector, images: Sequence[StoredImage]) -> ZeroedImages:
    """Zero windows of 1 to 3 cells of the layer before a head, photo by photo.

    Only one photo and one whole result are held at a time. Raises ModelError for a detector of another family
    or precision than Darknet in float32, and InputError where nothing is detected in any photo.
    """
    photos: list[ZeroedPhoto] = []
    best: tuple[Occlusion, StoredImage] | None = None
    for number, image in enumerate(images):
        steps.info("zeroing windows: photo %d of %d", number + 1, len(images))
        found = measure_occlusion(detector, image.read(), sizes=(1, 2, WINDOW))
        if not len(found.objects):
            continue
        photos.append(zeroed_photo(found))
        if best is None or min(len(found.objects), ENOUGH) > len(best[0].objects):
            best = found, image
    if best is None:
        raise InputError(f"{detector.name} detects nothing in the photos that were read")
    return ZeroedImages(photos, *best)


def move(detector: Detector, images: Sequence[StoredImage], recipe: Recipe, folder: Path) -> Moved:
    """Move :data:`MOVED` objects over a black picture each and project their windows; files go to ``folder``.

    recipe: of the windows' space; the next object takes the place of one that has pictures without a window
    in it.
    Raises InputError where every object so fills its photo that it has no room to move.
    """
    candidates = _objects_to_move(images)
    moved: list[MovedObject] = []
    pictures: Sequence[Path] = ()
    for number, (image, row) in enumerate(candidates):
        if len(moved) == MOVED:
            break
        steps.info("moving object %d of %d to %d places each", len(moved) + 1, MOVED, STEPS**2)
        one = image.objects.take([row])
        varied = vary_object(
            image.read(),
            one,
            "position",
            folder / f"moved-{number}.osp",
            detector=detector,
            pools=(f"window{recipe.window}",),
            scale="deepest" if recipe.scale == "deepest" else "own",
            steps=STEPS,
        )
        store = open_store(varied.store)
        alike = _space_like(store, recipe)
        if alike is None or alike.count < len(varied.pictures):
            continue
        pictures = pictures or varied.pictures
        moved.append(MovedObject(str(one.label[0]), *_projections(store, alike.name)))
    if not moved:
        raise InputError("no moved object has its windows in the space of the others")
    return Moved(moved, pictures, MOVED)


def _space_like(store: Store, recipe: Recipe) -> SpaceInfo | None:
    """Return the space of the same layer, window and stride; precision may differ."""
    alike = ("route", "tap", "window", "scale", "stride")
    for space in store.info().spaces:
        if all(getattr(space.recipe, part) == getattr(recipe, part) for part in alike):
            return space
    return None


def _projections(store: Store, name: str) -> tuple[Projection, Projection]:
    """Return a space's projections by PCA and by t-SNE."""
    space = store.space(name)
    objects = space.objects
    left, top = objects.xyxy[:, :2].astype(np.float64).T
    positions = grid_positions(space, objects, store.cells(name), store.image_wh())
    factors = {"x1": left, "y1": top}
    pca = project(space, objects, factors, positions=positions)
    return pca, project(space, objects, factors, positions=positions, method="tsne", components=pca)


def _objects_to_move(images: Sequence[StoredImage]) -> list[tuple[StoredImage, int]]:
    """Return an object of each photo that has one with room, so that labels take turns.

    Preferred are objects with a mask, then those of the space's usual size, whose copies fit its head too.
    """
    sides = [_sides(image) for image in images]
    usual = float(np.median(np.concatenate(sides)))
    ranked: list[tuple[tuple[bool, float], StoredImage, int]] = []
    for image, own in zip(images, sides, strict=True):
        # Whole pixels take up to two more than the box.
        rows = np.flatnonzero(_room(image) > STEPS)
        ranks = [(image.objects.mask[row] is None, abs(float(np.log(own[row] / usual)))) for row in rows]
        if ranks:
            best = min(range(len(ranks)), key=ranks.__getitem__)
            ranked.append((ranks[best], image, int(rows[best])))
    if not ranked:
        raise InputError(
            "every object of the photos that were read so fills its photo that it has no "
            "room to move; objectspace vary --size moves a smaller copy"
        )
    ranked.sort(key=lambda one: one[0])
    seen: Counter[str] = Counter()
    turns: list[int] = []
    for _, image, row in ranked:
        label = str(image.objects.label[row])
        turns.append(seen[label])
        seen[label] += 1
    order = sorted(range(len(ranked)), key=turns.__getitem__)
    return [(ranked[place][1], ranked[place][2]) for place in order]


def _sides(image: StoredImage) -> NDArray[np.float64]:
    """Return the longer side (n,) of each object as a share of its photo's shorter one."""
    sides: NDArray[np.float64] = (image.objects.xyxy[:, 2:] - image.objects.xyxy[:, :2]).max(axis=1)
    return sides / min(image.size)


def _room(image: StoredImage) -> NDArray[np.float64]:
    """Return the pixels (n,) that each object can move, across or down, in a picture as it would be drawn."""
    drawn = np.array(picture_size(*image.size), np.float64)
    scale = drawn / image.size
    sides = (image.objects.xyxy[:, 2:] - image.objects.xyxy[:, :2]) * scale
    room: NDArray[np.float64] = (drawn - sides).min(axis=1)
    return room
