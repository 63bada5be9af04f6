"""Objects to and from ``supervision.Detections``, which most detectors of the field can be turned into.

The package supervision is imported only by :func:`to_supervision`; extra ``supervision``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from objectspace.arguments import typed
from objectspace.errors import InputError
from objectspace.images import Image
from objectspace.objects.annotations.annotation_reader import ShapeError, inside
from objectspace.objects.labels import coco_spelling
from objectspace.objects.masks import decode, encode, mask_area, polygon_mask
from objectspace.objects.records import Mask, Objects, can_be_column, make_objects

if TYPE_CHECKING:
    from supervision import Detections

#: The label of detections without a class, such as masked objects.
UNCLASSIFIED = "object"

_CLASS_NAME, _TRACK, _CORNERS = "class_name", "tracker_id", "xyxyxyxy"


@typed
def to_supervision(objects: Objects, *, names: Sequence[str] | None = None) -> Detections:
    """Convert the objects of one image to detections, in their order.

    ``class_id`` is a label's place in ``names``, or without them in the sorted labels of these objects: give
    them to number the objects of several images alike. ``data`` has ``class_name``, ``object_id``, ``source``
    and the factors; the factor ``tracker_id`` becomes the field where it numbers every object.
    ``confidence`` is NaN for an object without a score, None where no object has one.

    ``mask`` is (n, h, w) bool, n h w bytes, empty for an object that has none; None where none has one.

    Raises InputError for objects of several images, for a label that is not in ``names``, and where
    supervision is not installed.

    >>> objects = store.objects_of_images([image.image_id])
    >>> detections = osp.to_supervision(objects)
    >>> len(detections) == len(objects)
    True
    """
    try:
        import supervision
    except ImportError:
        raise InputError(
            "to_supervision needs the package supervision: pip install 'objectspace[supervision]'"
        ) from None
    if len(images := np.unique(objects.image_id)) > 1:
        raise InputError(f"objects of {len(images)} images, and detections are of one; take() those of one")
    numbered = {name: number for number, name in enumerate(names or sorted(set(objects.label)))}
    if unknown := [label for label in objects.label if label not in numbered]:
        raise InputError(f"label {unknown[0]!r} is not among the {len(numbered)} names")
    track = _track_numbers(objects.factors.get(_TRACK))
    factors = {name: column for name, column in objects.factors.items() if track is None or name != _TRACK}
    return supervision.Detections(
        xyxy=objects.xyxy.copy(),
        mask=_dense(objects.mask),
        confidence=None if np.isnan(objects.score).all() else objects.score.copy(),
        class_id=np.array([numbered[label] for label in objects.label], np.int64),
        tracker_id=track,
        data={
            **factors,
            _CLASS_NAME: objects.label.astype(np.str_),
            "object_id": objects.object_id,
            "source": objects.source.astype(np.str_),
        },
    )


@typed
def from_supervision(
    detections: Detections,
    image: Image,
    *,
    names: Sequence[str] | None = None,
    source: str = "supervision",
) -> Objects:
    """Convert the detections in one image (``read_image``) to objects, in their order.

    Labels are ``data["class_name"]``, else ``names[class_id]``, else "object", as COCO spells them. Entries
    of ``data`` with a number or text for each object become factors, and so does ``tracker_id`` (text: it
    names, and does not measure); other entries and names of the objects' own columns are left out. Oriented
    corners (``data["xyxyxyxy"]``) are the mask of an object that has none, and their extent its box. What
    reaches over the image's border is cut off. ``source`` names what found the objects.

    Raises InputError for a box without area inside the image, masks of another size than the image's,
    scores outside [0, 1] and a class without a name.

    >>> detections = osp.to_supervision(store.objects_of_images([image.image_id]))
    >>> osp.from_supervision(detections, image).label.tolist() == detections.data["class_name"].tolist()
    True
    """
    corners = _oriented(detections)
    boxes = detections.xyxy if corners is None else np.hstack([corners.min(1), corners.max(1)])
    xyxy = np.array([_box(row, box, image) for row, box in enumerate(boxes)], np.float32)
    score = detections.confidence
    if score is not None and not all(np.isnan(one) or 0 <= one <= 1 for one in score):
        raise InputError(f"detections: confidence from {min(score)} to {max(score)}, expected 0 to 1")
    factors = {name: _factor(values) for name, values in _per_object(detections).items()}
    if detections.tracker_id is not None:
        factors[_TRACK] = _texts(detections.tracker_id)
    return make_objects(
        image_id=image.image_id,
        xyxy=xyxy.reshape(-1, 4),
        label=_labels(detections, names),
        source=source,
        score=None if score is None else np.asarray(score, np.float32),
        mask=_packed(detections, image) if corners is None else _filled(corners, image),
        factors=factors,
    )


def _dense(masks: NDArray[np.object_]) -> NDArray[np.bool_] | None:
    first = next((mask for mask in masks if mask is not None), None)
    if first is None:
        return None
    dense = np.zeros((len(masks), first.height, first.width), np.bool_)
    for row, mask in enumerate(masks):
        if mask is not None:
            dense[row] = decode(mask)
    return dense


def _packed(detections: Detections, image: Image) -> list[Mask | None] | None:
    """Encode the masks one by one, so that compact ones are never all unpacked; empty ones are None."""
    if detections.mask is None or not len(detections):
        return None
    size = detections.mask.shape[1:]
    if size != (image.height, image.width):
        raise InputError(
            f"detections: masks of height {size[0]} and width {size[1]}, the image's are {image.height} and "
            f"{image.width}"
        )
    packed = (encode(np.asarray(detections.mask[row], np.bool_)) for row in range(len(detections)))
    return [mask if mask_area(mask) else None for mask in packed]


def _oriented(detections: Detections) -> NDArray[np.float64] | None:
    """Return the corners (n, 4, 2) of oriented boxes; None where there are masks, or none are given."""
    corners = detections.data.get(_CORNERS)
    if corners is None or detections.mask is not None or not len(detections):
        return None
    if np.shape(corners) != (len(detections), 4, 2):
        shape = np.shape(corners)
        raise InputError(f"detections: {_CORNERS} of shape {shape}, expected {(len(detections), 4, 2)}")
    return np.asarray(corners, np.float64)


def _filled(corners: NDArray[np.float64], image: Image) -> list[Mask | None]:
    """Return the masks of oriented boxes (n, 4, 2), None for one too thin to cover a pixel."""
    masks = (polygon_mask(points, (image.width, image.height)) for points in corners)
    return [mask if mask_area(mask) else None for mask in masks]


def _box(row: int, box: NDArray[Any], image: Image) -> NDArray[np.float32]:
    try:
        return inside(box.astype(np.float32), (image.width, image.height))
    except ShapeError as error:
        raise InputError(f"detections: box {box.tolist()} of row {row}: {error}; leave it out") from None


def _labels(detections: Detections, names: Sequence[str] | None) -> list[str]:
    given = detections.data.get(_CLASS_NAME)
    if given is not None:
        return [coco_spelling(str(name)) for name in given]
    if detections.class_id is None or not len(detections):
        return [UNCLASSIFIED] * len(detections)
    if names is None:
        raise InputError("detections: class_id without class_name in data; give the classes' names")
    if unknown := [number for number in detections.class_id if not 0 <= number < len(names)]:
        raise InputError(f"detections: class_id {unknown[0]} is not among the {len(names)} names")
    return [coco_spelling(names[number]) for number in detections.class_id]


def _per_object(detections: Detections) -> dict[str, NDArray[Any]]:
    """Return the entries of ``data`` that can be factors."""
    columns = {name: np.asarray(values) for name, values in detections.data.items() if name != _CLASS_NAME}
    return {
        name: values
        for name, values in columns.items()
        if values.shape == (len(detections),) and can_be_column(name)
    }


def _factor(values: NDArray[Any]) -> NDArray[Any]:
    """Return numbers as float64, None among them as NaN; anything else as text."""
    if values.dtype.kind in "fiu":
        return values.astype(np.float64)
    known = [value for value in values if value is not None]
    if known and all(isinstance(value, Real) and not isinstance(value, bool) for value in known):
        return np.array([np.nan if value is None else float(value) for value in values])
    return _texts(values)


def _texts(values: NDArray[Any]) -> NDArray[np.object_]:
    column = np.empty(len(values), object)
    column[:] = [None if value is None else str(value) for value in values]
    return column


def _track_numbers(values: NDArray[Any] | None) -> NDArray[np.int64] | None:
    """Return track numbers from their factor; None where any is missing, as detections have all or none."""
    known = [] if values is None else [text for text in values if re.fullmatch(r"-?[0-9]{1,18}", str(text))]
    return np.array(known, np.int64) if values is not None and len(known) == len(values) else None
