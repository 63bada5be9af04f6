"""Objects: one columnar record for everything found in images, checked once when it is made."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from objectspace.arguments import typed
from objectspace.errors import InputError, counted
from objectspace.files import content_id
from objectspace.objects.data_frames import data_frame

if TYPE_CHECKING:
    import pandas

#: Provenance of an object that no detector made, or no known cell of it.
UNKNOWN = -1

#: Labels that a repr lists before it only counts.
_NAMED_LABELS = 5


@dataclass(frozen=True, slots=True)
class Mask:
    """A run-length mask as COCO packs it: ``counts`` of a ``height`` x ``width`` image, column by column."""

    height: int
    width: int
    counts: bytes

    def __repr__(self) -> str:
        return f"Mask({self.width} x {self.height} pixels, {len(self.counts)} bytes)"


@dataclass(frozen=True, slots=True, eq=False)
class Provenance:
    """The cell of a detector that made each object (n,).

    ``head`` is the number of the detector's output layer, ``stride`` its pixels a cell, ``cell_x`` and
    ``cell_y`` the responsible cell, ``anchor`` its number in the whole network's list, or the number of the
    query of a DETR: int32, -1 where no detector made the object. ``objectness`` is float32 in [0, 1], NaN
    there and where a detector has no such score (docs/detectors.md).

    >>> osp.Provenance.unknown(2)
    Provenance(2 objects, heads [-1])
    """

    head: NDArray[np.int32]
    stride: NDArray[np.int32]
    cell_x: NDArray[np.int32]
    cell_y: NDArray[np.int32]
    anchor: NDArray[np.int32]
    objectness: NDArray[np.float32]

    def __repr__(self) -> str:
        return f"Provenance({len(self.head)} objects, heads {np.unique(self.head).tolist()})"

    @classmethod
    def unknown(cls, count: int) -> Provenance:
        """Return the provenance of ``count`` objects that came from elsewhere."""
        nowhere = np.full(count, UNKNOWN, np.int32)
        return cls(nowhere, nowhere, nowhere, nowhere, nowhere, np.full(count, np.nan, np.float32))

    def take(self, index: NDArray[Any]) -> Provenance:
        """Return the rows that ``index`` (integers or booleans) selects."""
        return Provenance(*(getattr(self, column.name)[index] for column in fields(self)))

    @classmethod
    def joined(cls, parts: Sequence[Provenance]) -> Provenance:
        """Concatenate the rows of all parts (at least one) in order."""
        return cls(*(np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(cls)))


@dataclass(frozen=True, slots=True, eq=False)
class Objects:
    """The objects of one or more images, a row each.

    object_id: (n,) str, 32 hex digits: a hash of image, source, box, label and mask, so the same job twice
        gives the same ids
    image_id: (n,) str
    xyxy: (n, 4) float32, pixels of the original image, inside it, area above zero
    label: (n,) str
    score: (n,) float32 in [0, 1]; NaN where there is none (an annotation)
    source: (n,) str, what found the object, as ``name@digest`` of its recipe
    mask: (n,) of :class:`Mask` or None
    provenance: which cell of the detector made it
    factors: the user's own columns, name -> (n,) float64 or str; NaN and None where unknown

    >>> objects = store.objects()
    >>> objects.take(objects.label == "dog").label.tolist()
    ['dog', 'dog', 'dog', 'dog', 'dog']
    """

    object_id: NDArray[np.str_]
    image_id: NDArray[np.str_]
    xyxy: NDArray[np.float32]
    label: NDArray[np.object_]
    score: NDArray[np.float32]
    source: NDArray[np.object_]
    mask: NDArray[np.object_]
    provenance: Provenance
    factors: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        count = len(self.object_id)
        for name, column in self.columns.items():
            if len(column) != count:
                raise InputError(f"objects: column {name} has {len(column)} rows, expected {count}")
        if self.xyxy.shape != (count, 4):
            raise InputError(f"objects: xyxy has shape {self.xyxy.shape}, expected ({count}, 4)")
        _check_boxes(self.xyxy)

    def __len__(self) -> int:
        return len(self.object_id)

    def __repr__(self) -> str:
        count, images = len(self), len(np.unique(self.image_id))
        labels = Counter(self.label.tolist()).most_common()
        named = ", ".join(f"{label} {number}" for label, number in labels[:_NAMED_LABELS])
        more = f", {len(labels) - _NAMED_LABELS} more labels" if len(labels) > _NAMED_LABELS else ""
        factors = f"; factors {', '.join(self.factors)}" if self.factors else ""
        return (
            f"Objects({count} in {counted(images, 'image')}: {named}{more}{factors})"
            if count
            else "Objects(0)"
        )

    @property
    def columns(self) -> dict[str, NDArray[Any]]:
        """Return every column by name: the object's own, its provenance's, then the factors."""
        own = {name: getattr(self, name) for name in _OWN}
        cells = {f.name: getattr(self.provenance, f.name) for f in fields(self.provenance)}
        return {**own, **cells, **self.factors}

    def take(self, index: NDArray[Any] | Sequence[int]) -> Objects:
        """Return the rows that ``index`` (integers or booleans) selects, in its order."""
        rows = np.asarray(index)
        if rows.size == 0:
            rows = rows.astype(np.int64)
        own = {name: getattr(self, name)[rows] for name in _OWN}
        factors = {name: column[rows] for name, column in self.factors.items()}
        return Objects(**own, provenance=self.provenance.take(rows), factors=factors)

    def to_pandas(self) -> pandas.DataFrame:
        """Return a row for each object, its box as x1, y1, x2 and y2. Raises InputError without pandas."""
        return data_frame(self.columns)

    @typed
    def with_factors(self, factors: Mapping[str, NDArray[Any]]) -> Objects:
        """Return the same objects with more factor columns, which replace those of the same name."""
        return replace(self, factors={**self.factors, **factors})


#: The columns of an object itself, neither its provenance's nor the user's.
_OWN = tuple(column.name for column in fields(Objects) if column.name not in ("provenance", "factors"))

#: Columns that objects, their store and their search results have already; no factor takes such a name.
RESERVED_NAMES = frozenset(
    {column.name for column in (*fields(Objects), *fields(Provenance))}
    | {"distance", "height", "image", "path", "rank", "thumbnail", "vector", "width", "x1", "x2", "y1", "y2"}
)

#: Lance, the store's format, reads a dot as "field of a struct" and a backtick as a quote.
_FACTOR_NAME = re.compile(r"\w[\w -]*")


def can_be_column(name: str) -> bool:
    """Return whether a factor can have this name: letters, digits, spaces, - and _, and not reserved."""
    return _FACTOR_NAME.fullmatch(name) is not None and name not in RESERVED_NAMES


def known_values(column: NDArray[Any]) -> NDArray[np.bool_]:
    """Return (n,) where a column has a value: a finite number, a text."""
    if column.dtype.kind == "f":
        finite: NDArray[np.bool_] = np.isfinite(column)
        return finite
    return np.array([value is not None and value != "" for value in column], bool)


@typed
def make_objects(
    *,
    image_id: str,
    xyxy: NDArray[np.float32],
    label: Sequence[str],
    source: str,
    score: NDArray[np.float32] | None = None,
    mask: Sequence[Mask | None] | None = None,
    provenance: Provenance | None = None,
    factors: Mapping[str, NDArray[Any]] | None = None,
) -> Objects:
    """Make the objects of one image with their ids, duplicates once.

    >>> boxes = np.array([[0, 0, 5, 5], [3, 3, 9, 9]], np.float32)
    >>> make_objects(image_id="a1", xyxy=boxes, label=["cat", "dog"], source="by hand")
    Objects(2 in 1 image: cat 1, dog 1)

    xyxy is (n, 4) float32 in pixels of the image; score (n,) or None for objects without scores.
    Raises InputError for a box that is not finite or has no area, and for columns of different lengths.
    """
    count = len(xyxy)
    masks = np.array([*([None] * count if mask is None else mask), None], object)[:-1]
    labels = np.array([*label, None], object)[:-1]
    boxes = np.asarray(xyxy, np.float32).reshape(count, 4)
    if not count == len(labels) == len(masks):
        raise InputError(
            f"objects: {count} boxes, {len(labels)} labels, {len(masks)} masks; expected as many of each"
        )
    _check_boxes(boxes)
    ids = [
        object_id(image_id, source, box, name, shape)
        for box, name, shape in zip(boxes, labels, masks, strict=True)
    ]
    objects = Objects(
        object_id=np.array(ids, "<U32"),
        image_id=np.full(count, image_id, "<U32"),
        xyxy=boxes,
        label=labels,
        score=np.full(count, np.nan, np.float32) if score is None else np.asarray(score, np.float32),
        source=np.full(count, source, object),
        mask=masks,
        provenance=Provenance.unknown(count) if provenance is None else provenance,
        factors={} if factors is None else factors,
    )
    first = np.sort(np.unique(objects.object_id, return_index=True)[1])
    return objects if len(first) == count else objects.take(first)


def object_id(image_id: str, source: str, box: NDArray[np.float32], label: str, mask: Mask | None) -> str:
    """Return 32 hex digits that name one object: the same in every job that finds it again.

    The box counts to a hundredth of a pixel, so that the last bit of a float does not make a new object.
    """
    place = ",".join(f"{round(float(side) * 100)}" for side in box)
    text = "\n".join((image_id, source, place, label))
    return content_id(text.encode() + (b"" if mask is None else b"\n" + mask.counts))


def _check_boxes(xyxy: NDArray[np.float32]) -> None:
    """Raise InputError for the first box (n, 4) that is not finite or has no area."""
    good = np.isfinite(xyxy).all(1) & (xyxy[:, :2] < xyxy[:, 2:]).all(1)
    if not good.all():
        row = int(np.flatnonzero(~good)[0])
        raise InputError(
            f"objects: box {xyxy[row].tolist()} of row {row} is not finite with x1 < x2 and y1 < y2"
        )


def no_objects() -> Objects:
    """Return an empty record."""
    return make_objects(image_id="", xyxy=np.empty((0, 4), np.float32), label=[], source="")


def concatenate(parts: Sequence[Objects]) -> Objects:
    """Concatenate the rows of all parts; a factor that a part lacks is unknown (NaN, None) in its rows."""
    parts = [part for part in parts if len(part)]
    if not parts:
        return no_objects()
    if len(parts) == 1:
        return parts[0]
    own = {name: np.concatenate([getattr(part, name) for part in parts]) for name in _OWN}
    cells = Provenance.joined([part.provenance for part in parts])
    names = dict.fromkeys(name for part in parts for name in part.factors)
    return Objects(**own, provenance=cells, factors={name: _factor(parts, name) for name in names})


def _factor(parts: Sequence[Objects], name: str) -> NDArray[Any]:
    numeric = all(part.factors[name].dtype.kind == "f" for part in parts if name in part.factors)
    unknown: Any = np.nan if numeric else None
    dtype: Any = np.float64 if numeric else object
    columns = [part.factors.get(name, np.full(len(part), unknown, dtype)) for part in parts]
    return np.concatenate([column.astype(dtype) for column in columns])
