"""Objects that the user's own code found: a mapping from photos to what is in them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from objectspace.digests import content_id
from objectspace.errors import InputError
from objectspace.images import Image, printable_path
from objectspace.objects.annotations.reader import Annotated, AnnotationSet, Coverage, Problem, absolute
from objectspace.objects.records import Objects, concatenate, no_objects


def objects_reader(objects: Mapping[Path | str, Objects]) -> AnnotationSet:
    """The objects of photos, by the photos' paths, for a job to embed.

    They are kept as they are, with their ids, scores and provenance, under the one ``source`` that all of
    them have. A photo that is not named has no objects. Raises InputError where the objects have several
    sources, and where two names are one photo.
    """
    by_path: dict[str, Objects] = {}
    for path, found in objects.items():
        if by_path.setdefault(absolute(path), found) is not found:
            raise InputError(f"objects: {path} is named twice")
    together = concatenate(list(by_path.values()))
    sources = sorted(set(together.source.tolist()))
    if len(sources) > 1:
        raise InputError(f"objects: of the sources {', '.join(sources)}; give each a job of its own")
    return ObjectsInMemory(by_path, (*sources, "objects")[0], _digest(by_path))


@dataclass(frozen=True, slots=True, eq=False)
class ObjectsInMemory:
    """Objects by the absolute path of their photo; ``digest`` is of all their columns."""

    objects: Mapping[str, Objects]
    source: str
    digest: str

    @property
    def recipe(self) -> Mapping[str, Any]:
        """That the objects were handed in, and their source."""
        return {"format": "objects", "source": self.source}

    def contents(self) -> str:
        """A digest of all columns of all objects."""
        return self.digest

    def coverage(self, photos: Sequence[Path | str]) -> Coverage:
        """Which named photos are not among those of a job, and which of these are not named."""
        places = {str(photo): absolute(photo) for photo in photos}
        asked = set(places.values())
        missing = (path for path in self.objects if path not in asked)
        unnamed = (photo for photo, place in places.items() if place not in self.objects)
        return Coverage(tuple(map(printable_path, missing)), tuple(unnamed))

    def objects_of(self, image: Image) -> Annotated:
        """The photo's objects; a problem where they are of another picture than the file has now."""
        found = self.objects.get(absolute(image.path))
        if found is None:
            return Annotated(no_objects())
        if (found.image_id != image.image_id).any():
            reason = "the objects given for it are of another picture (another image_id); find them again"
            return Annotated(no_objects(), (Problem(printable_path(image.path), reason),))
        return Annotated(found)


def _digest(by_path: Mapping[str, Objects]) -> str:
    """Of what a store keeps: an object's id stands for its image, box, label and mask."""
    lines = []
    for path in sorted(by_path):
        columns = by_path[path].columns()
        kept = {name: columns[name].tolist() for name in columns if name not in ("mask", "xyxy", "label")}
        lines.append(json.dumps([path, kept], sort_keys=True))
    return content_id("\n".join(lines).encode("utf-8", "surrogateescape"))
