"""Queries from a photo: an object in a box of it, or every object that is detected in it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectspace.errors import QueryError
from objectspace.files import content_id, recipe_digest
from objectspace.flow import decode_photo, encode, find, job_cutter
from objectspace.images import Image, read_file
from objectspace.jobs import Job
from objectspace.objects.annotations import Annotated
from objectspace.objects.boxes import area, clip
from objectspace.objects.records import make_objects
from objectspace.search import UNLABELLED, Queries
from objectspace.search.queries.networks import space_job
from objectspace.store import Store
from objectspace.tally import Finding


@dataclass(frozen=True, slots=True)
class BoxReader:
    """Read one box, the same in every photo, as an annotation."""

    xyxy: tuple[float, float, float, float]

    @property
    def recipe(self) -> Mapping[str, Any]:
        """The recipe: that a user drew the box."""
        return {"format": "box of a query"}

    @property
    def source(self) -> str:
        """The source: ``box@`` and the recipe's digest."""
        return f"box@{recipe_digest(self.recipe)}"

    @property
    def factor_names(self) -> Collection[str]:
        """The names of factors: none."""
        return ()

    def contents(self, photo: Path | str) -> str:
        """Return a digest of the box."""
        return content_id(repr(self.xyxy).encode())

    def files(self, photo: Path | str) -> Sequence[Path]:
        """Return the annotation files of a photo: none."""
        return ()

    def objects_of(self, image: Image) -> Annotated:
        """Return the box, clipped to the photo. Raises QueryError where nothing of it is inside."""
        box: NDArray[np.float32] = clip(np.array([self.xyxy], np.float32), (image.width, image.height))
        if not area(box)[0] > 0:
            sides = ",".join(f"{side:g}" for side in self.xyxy)
            raise QueryError(
                f"box {sides} has no area inside {image.path}, which is {image.width} x {image.height}; "
                "give x1,y1,x2,y2 in its pixels"
            )
        objects = make_objects(image_id=image.image_id, xyxy=box, label=[UNLABELLED], source=self.source)
        return Annotated(objects)


def query_photo(
    store: Store,
    photo: Path | str,
    space: str,
    *,
    box: tuple[float, float, float, float] | None = None,
    device: str = "cpu",
    confidence: float = 0.25,
) -> Queries:
    """Return the object in a box of a photo, or all that are detected in it, embedded as ``space`` was made.

    Networks are loaded from where the job that made the space found them. Raises ImageError for a photo that
    cannot be read, QueryError where nothing is found, RecipeError where the networks' files have changed.
    """
    annotations = None if box is None else BoxReader(box)
    job = space_job(store, space, annotations=annotations, device=device, confidence=confidence)
    opened = decode_photo(read_file(Path(photo)), Path(photo), job)
    # Unpacked, so that the pipeline has ended and its threads' settings are taken back.
    (finding,) = encode(map(job_cutter(job), find(iter([opened]), job)), job)
    return _queries(finding, job, space, store, photo)


def _queries(finding: Finding, job: Job, space: str, store: Store, photo: Path | str) -> Queries:
    objects = finding.objects
    if not len(objects):
        raise QueryError(f"nothing was detected in {photo}; name the object with --box x1,y1,x2,y2")
    if space not in finding.vectors and store.recipe(space).route == "query":
        raise QueryError(f"space {space} holds only what its detector found; search it without --box")
    if space not in finding.vectors:
        there = ", ".join(sorted(set(finding.vectors) & set(store.space_names))) or "none of this store"
        raise QueryError(
            f"what {photo} shows has no vector in space {space}, as its size belongs to another head; "
            f"search in {there}"
        )
    rows = finding.vectors[space]
    held = {name: row for row, name in enumerate(np.asarray(rows.object_id).tolist())}
    kept = [row for row, name in enumerate(objects.object_id.tolist()) if name in held]
    vectors = rows.vectors[[held[str(objects.object_id[row])] for row in kept]]
    thumbnails = tuple(finding.thumbnails[row] for row in kept)
    return Queries(objects.take(kept), vectors, (str(photo),) * len(kept), False, thumbnails)
