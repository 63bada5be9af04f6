"""Queries from a photo: an object in a box of it, or every object that is detected in it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectspace.arguments import typed
from objectspace.embeddings.joint import JOINT
from objectspace.errors import ImageError, QueryError
from objectspace.files import content_id, recipe_digest
from objectspace.images import Failure, Image
from objectspace.objects.annotations import Annotated
from objectspace.objects.boxes import area, clip
from objectspace.objects.records import make_objects
from objectspace.pipeline.engine_threads import run
from objectspace.pipeline.loaded_job import LoadedJob
from objectspace.pipeline.results import ImageResult
from objectspace.places import Place
from objectspace.search import UNLABELED, Queries
from objectspace.search.queries.joint import joint_queries
from objectspace.search.queries.networks import joint_job, space_job
from objectspace.search.queries.stored import image_file, landed_queries
from objectspace.store import Store, as_store


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

    def contents(self, image_path: Path | str) -> str:
        """Return a digest of the box."""
        return content_id(repr(self.xyxy).encode())

    def files(self, image_path: Path | str) -> Sequence[Path]:
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
        objects = make_objects(image_id=image.image_id, xyxy=box, label=[UNLABELED], source=self.source)
        return Annotated(objects)


@typed
def query_image(
    store: Store | Place | str,
    image_path: Path | str,
    space: str,
    *,
    box: tuple[float, float, float, float] | None = None,
    new: bool = False,
    device: str = "cpu",
    confidence: float = 0.25,
) -> Queries:
    """Return the object in a box of a photo, or all that are detected in it, embedded as ``space`` was made.

    image_path: a file, or the end of the path of one stored photo, such as its name

    A box that is a stored object's (IoU of .9 or more) is that object, with its mask; with ``new`` the pixels
    in the box are embedded all the same.

    Networks are loaded from where the job that made the space found them. Raises ImageError for a photo that
    cannot be read, QueryError where nothing is found and for a stored object that has no vector in the
    space, naming those that have; RecipeError where the networks' files have changed.

    >>> x1, y1, x2, y2 = store.objects_of_images([image.image_id]).xyxy[0]
    >>> osp.query_image(store, photos[0], "demo-crop", box=(x1, y1, x2, y2))
    Queries(1 vector of 1 object, stored=True)
    """
    store = as_store(store)
    store.recipe(space)  # raises for an unknown space
    if box is not None and not new:
        landed = landed_queries(store, image_path, space, box=box)
        if landed is not None:
            return landed
    annotations = None if box is None else BoxReader(box)
    if store.recipe(space).route == JOINT:
        job, names = joint_job(store, space, annotations=annotations, device=device, confidence=confidence)
        photo = image_file(store, image_path)
        return replace(_joint_queries(_run(photo, job), space, store, photo, names), box=box)
    job = space_job(store, space, annotations=annotations, device=device, confidence=confidence)
    photo = image_file(store, image_path)
    return replace(_queries(_run(photo, job), space, store, photo), box=box)


def _run(image_path: Path | str, job: LoadedJob) -> ImageResult:
    """Return what a job makes of one photo. Raises ImageError."""
    # Through the engine, as on other threads the last digits of a vector may differ.
    (outcome,) = run([Path(image_path)], job, lambda image_id, contents: False)
    if isinstance(outcome, Failure):
        raise ImageError(*outcome)
    assert isinstance(outcome, ImageResult)
    if not len(outcome.objects):
        raise QueryError(f"nothing was detected in {image_path}; give the object's x1, y1, x2, y2 as box=")
    return outcome


def _joint_queries(
    result: ImageResult, space: str, store: Store, image_path: Path | str, names: Mapping[str, str]
) -> Queries:
    """Return all objects of a photo as queries of a joint space; ``names``: its spaces -> the job's names."""
    objects = result.objects
    place = {name: row for row, name in enumerate(objects.object_id.tolist())}
    given = {}
    for name, made in names.items():
        if (rows := result.vectors.get(made)) is not None:
            vectors = np.full((len(objects), rows.vectors.shape[1]), np.nan, np.float32)
            vectors[[place[str(one)] for one in rows.object_id]] = rows.vectors
            given[name] = vectors
    images = (str(image_path),) * len(objects)
    return Queries(objects, joint_queries(store, space, given), images, False, result.thumbnails)


def _queries(result: ImageResult, space: str, store: Store, image_path: Path | str) -> Queries:
    objects = result.objects
    if space not in result.vectors and store.recipe(space).route == "query":
        raise QueryError(f"space {space} holds only what its detector found; search it without box=")
    if space not in result.vectors:
        there = ", ".join(sorted(set(result.vectors) & set(store.space_names))) or "none of this store"
        raise QueryError(
            f"what {image_path} shows has no vector in space {space}, as its size belongs to another head; "
            f"search in {there}"
        )
    rows = result.vectors[space]
    held = {name: row for row, name in enumerate(np.asarray(rows.object_id).tolist())}
    kept = [row for row, name in enumerate(objects.object_id.tolist()) if name in held]
    vectors = rows.vectors[[held[str(objects.object_id[row])] for row in kept]]
    thumbnails = tuple(result.thumbnails[row] for row in kept)
    return Queries(objects.take(kept), vectors, (str(image_path),) * len(kept), False, thumbnails)
