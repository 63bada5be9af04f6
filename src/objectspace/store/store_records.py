"""Values that a store takes and gives: plain, and checked where they are made."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from objectspace.embeddings.spaces import Recipe, SpaceRows, WrittenRows
from objectspace.errors import InputError, counted
from objectspace.files import content_id
from objectspace.images import Failure
from objectspace.objects.records import Objects
from objectspace.store.indexes import SpaceIndex
from objectspace.store.purity import LabelPurity

# Space names become file names: no separators, nothing hidden, nothing that a shell expands.
_SPACE_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}")


class ImageRow(NamedTuple):
    """One image: its content id, the path of its file, its original width and height in pixels."""

    image_id: str
    path: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Batch:
    """The additions of one commit: images, their objects, the vectors of these in any number of spaces.

    thumbnails: one JPEG per object, in the order of ``objects``
    vectors: space name -> its new rows; the objects may be in this batch or already in the store
    failures: files that this job could not use
    job: the name under which every image in ``images`` is finished. Or the images that are finished, each
        under a name of its own: image id -> name
    sources: what found the objects, ``objects.source`` -> the recipe behind the name
    unnamed: image id -> factors that are not given for the image, whose stored objects keep theirs
    replaces: whether the batch holds all that its sources find in the finished images, so that what they
        found there before and do not find now (labels were edited) is removed with its vectors
    models: how to load a network again, its ``model_key`` (embeddings/spaces.py) -> the arguments that did
    written: space name -> new rows that workers have written already (``Writer.fragments``)
    """

    images: Sequence[ImageRow]
    objects: Objects
    thumbnails: Sequence[bytes]
    job: str | Mapping[str, str]
    vectors: Mapping[str, SpaceRows] = field(default_factory=dict)
    failures: Sequence[Failure] = ()
    sources: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    models: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    replaces: bool = False
    unnamed: Mapping[str, Collection[str]] = field(default_factory=dict)
    written: Mapping[str, Sequence[WrittenRows]] = field(default_factory=dict)

    def __repr__(self) -> str:
        spaces = ", ".join({**self.vectors, **self.written}) or "none"
        return f"Batch({len(self.images)} images, {len(self.objects)} objects, spaces: {spaces})"

    @property
    def finished(self) -> Mapping[str, str]:
        """The finished images: image id -> under which name."""
        if isinstance(self.job, str):
            return {row.image_id: self.job for row in self.images}
        return self.job

    def __post_init__(self) -> None:
        if len(self.thumbnails) != len(self.objects):
            raise InputError(f"{len(self.thumbnails)} thumbnails for {len(self.objects)} objects")
        for name in (*self.vectors, *self.written):
            check_space_name(name)


def indexed_key(image_id: str, job: str) -> str:
    """Return one key of an image and the name under which it is finished."""
    return f"{image_id} {job}"


def objects_digest(object_ids: Iterable[str]) -> str:
    """Return 32 hex digits that name a set of objects, in any order."""
    return content_id("\n".join(sorted(set(object_ids))).encode())


def check_space_name(name: str) -> None:
    """Raise InputError for a name that cannot name a space."""
    if not _SPACE_NAME.fullmatch(name):
        raise InputError(
            f"space name {name!r}: use letters, digits, dots, dashes and underscores, not starting with a dot"
        )


@dataclass(frozen=True, slots=True)
class SpaceInfo:
    """One space in a line: its name, vectors, numbers in a vector, recipe, and what index it has.

    index: its approximate index, None without one; unindexed: vectors that came after the index was built
    purity: of labels among other photos, as last measured; None where it was not
    problem: why a joint space cannot be read, as one of its parts is gone or was made anew; else None
    """

    name: str
    count: int
    dimension: int
    recipe: Recipe
    index: SpaceIndex | None = None
    unindexed: int = 0
    purity: LabelPurity | None = None
    problem: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "name": self.name,
            "count": self.count,
            "dimension": self.dimension,
            "recipe": self.recipe.to_json(),
            "index": self.index and {**self.index.to_json(), "unindexed": self.unindexed},
            "purity": self.purity and self.purity.to_json(),
            "problem": self.problem,
        }


@dataclass(frozen=True, slots=True)
class StoreInfo:
    """The contents of a store; ``labels`` from the most frequent down, equal counts by name.

    sources: what found the objects, by name -> its labels, in that order
    """

    images: int
    objects: int
    labels: Mapping[str, int]
    spaces: Sequence[SpaceInfo]
    failures: Sequence[Failure]
    default_space: str | None = None
    sources: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    def __repr__(self) -> str:
        held = [
            counted(self.images, "image"),
            counted(self.objects, "object"),
            counted(len(self.spaces), "space"),
        ]
        return f"StoreInfo({', '.join([*held, counted(len(self.failures), 'failure')])})"

    def to_json(self) -> dict[str, Any]:
        """Return the same as plain JSON values, the shape that ``objectspace info --json`` prints."""
        return {
            "images": self.images,
            "objects": self.objects,
            "labels": dict(self.labels),
            "sources": {name: dict(labels) for name, labels in self.sources.items()},
            "default_space": self.default_space,
            "spaces": [space.to_json() for space in self.spaces],
            "failures": [failure._asdict() for failure in self.failures],
        }
