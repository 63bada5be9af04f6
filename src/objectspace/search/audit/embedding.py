"""Embed planted pictures by a space's own recipe."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from objectspace.embeddings.joint import JOINT, joint_parts
from objectspace.errors import InputError, ObjectspaceError
from objectspace.files import content_id
from objectspace.neighbors import JointVectors
from objectspace.objects.annotations import objects_reader
from objectspace.objects.records import Objects, make_objects
from objectspace.pipeline.engine_threads import run
from objectspace.pipeline.loaded_job import LoadedJob
from objectspace.pipeline.results import ImageResult
from objectspace.search.audit.plants import PlantedPicture
from objectspace.search.queries.joint import joint_queries
from objectspace.search.queries.networks import joint_job, space_job
from objectspace.store import Store

#: Pictures that are on the disk at once.
_AT_ONCE = 24


class PlantEmbedder:
    """The networks of a space, which give planted objects their vectors.

    Raises InputError where they are not there or the space's vectors were not made by any.
    """

    def __init__(self, store: Store, space: str, *, device: str = "cpu") -> None:
        self._store, self._space = store, space
        empty = objects_reader({})
        try:
            if store.recipe(space).route == "query":
                raise InputError(f"space {space} holds only what its detector found")
            self._job: LoadedJob
            self._names: Mapping[str, str] = {space: space}
            if store.recipe(space).route == JOINT:
                self._job, self._names = joint_job(store, space, annotations=empty, device=device)
            else:
                self._job = space_job(store, space, annotations=empty, device=device)
        except ObjectspaceError as error:
            raise InputError(
                f"no cases can be planted in space {space}, so that nothing says how good its lists are: "
                f"{error}; or give uncalibrated= for lists without a figure"
            ) from error

    def embed(
        self, pictures: Iterable[PlantedPicture]
    ) -> tuple[list[str], NDArray[np.int64], NDArray[np.float32] | JointVectors, list[bytes]]:
        """Return the kind, the object's row, the vector and the thumbnail of all that have a vector (m,)."""
        kinds: list[str] = []
        rows: list[int] = []
        found: list[dict[str, NDArray[np.float32]]] = []
        thumbnails: list[bytes] = []
        waiting = iter(pictures)
        while batch := list(islice(waiting, _AT_ONCE)):
            for picture, of_spaces, shown in self._batch(batch):
                kinds += [picture.kind] * len(picture.row)
                rows += picture.row.tolist()
                found += of_spaces
                thumbnails += shown
        there = [number for number, vectors in enumerate(found) if vectors]
        kept = [kinds[number] for number in there], np.array([rows[number] for number in there], np.int64)
        vectors = self._together([found[number] for number in there])
        return *kept, vectors, [thumbnails[number] for number in there]

    def _batch(
        self, pictures: Iterable[PlantedPicture]
    ) -> Iterator[tuple[PlantedPicture, list[dict[str, NDArray[np.float32]]], list[bytes]]]:
        """Yield each picture with the vectors of its objects, by space, and their thumbnails."""
        with tempfile.TemporaryDirectory() as folder:
            objects: dict[Path | str, Objects] = {}
            by_path: dict[str, PlantedPicture] = {}
            for number, picture in enumerate(pictures):
                path = Path(folder, f"{number}{picture.suffix}")
                path.write_bytes(picture.data)
                objects[path], by_path[str(path)] = _objects(picture), picture
            job = replace(self._job, annotations=objects_reader(objects))
            for outcome in run([Path(path) for path in by_path], job, lambda image_id, contents: False):
                if isinstance(outcome, ImageResult):
                    picture = by_path[outcome.path]
                    yield picture, *self._of_objects(outcome, len(picture.row))

    def _of_objects(
        self, result: ImageResult, count: int
    ) -> tuple[list[dict[str, NDArray[np.float32]]], list[bytes]]:
        # An object's label is its place in the picture.
        place = dict(zip(result.objects.object_id.tolist(), map(int, result.objects.label), strict=True))
        vectors: list[dict[str, NDArray[np.float32]]] = [{} for _ in range(count)]
        thumbnails = [b""] * count
        for number, thumbnail in zip(place.values(), result.thumbnails, strict=True):
            thumbnails[number] = thumbnail
        for space, made in self._names.items():
            if (held := result.vectors.get(made)) is not None:
                for name, vector in zip(held.object_id, held.vectors, strict=True):
                    vectors[place[str(name)]][space] = vector
        return vectors, thumbnails

    def _together(self, found: list[dict[str, NDArray[np.float32]]]) -> NDArray[np.float32] | JointVectors:
        if self._space in self._names:
            dimension = self._store.stored_space(self._space).vectors.shape[1]
            return np.array([one[self._space] for one in found], np.float32).reshape(-1, dimension)
        vectors = {}
        for part in joint_parts(self._store.recipe(self._space)):
            for space in part.spaces:
                dimension = self._store.stored_space(space).vectors.shape[1]
                nothing = np.full(dimension, np.nan, np.float32)
                given = [one.get(space, nothing) for one in found]
                vectors[space] = np.array(given, np.float32).reshape(-1, dimension)
        return joint_queries(self._store, self._space, vectors)


def _objects(picture: PlantedPicture) -> Objects:
    return make_objects(
        image_id=content_id(picture.data),
        xyxy=picture.xyxy,
        label=[str(place) for place in range(len(picture.row))],
        source="planted@1",
        mask=picture.mask,
    )
