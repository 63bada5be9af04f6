"""The stages of the pipeline, each from one value of an image to the next: read, decode, find, cut, encode.

::

    read_image_file ─▶ decode ─▶ find (detector) ─▶ cut ─▶ encode (crops share batches)

They know no store and no threads: engines run them. Only :func:`encode` takes more than it needs for one
image, as crops of different images share a pass of the encoder.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from objectspace.embeddings.crop_batches import CropBatches, Crops, crop_batches
from objectspace.embeddings.crops import CropPolicy, cut_crops
from objectspace.embeddings.device_crops import LARGEST_PHOTO, cuts_on_device, stage_photo
from objectspace.embeddings.pooling import pool
from objectspace.embeddings.recipes import crop_recipe, map_recipe, query_recipe, used_heads
from objectspace.embeddings.spaces import SpaceRows
from objectspace.embeddings.windows import responsible_cells
from objectspace.errors import Float16Error, InputError, ModelError, NonFiniteError, counted, named_errors
from objectspace.files import content_id, printable_path
from objectspace.images import (
    Failure,
    Image,
    Pixels,
    decode_image,
    encode_thumbnail,
    read_file,
)
from objectspace.models.detectors import Detector
from objectspace.models.encoders import Encoder
from objectspace.models.maps import MapRun, MapSource, check_finite
from objectspace.objects.annotations import AnnotationReader
from objectspace.objects.annotations.annotation_reader import Annotated
from objectspace.objects.boxes import whole_pixels
from objectspace.objects.records import Objects
from objectspace.pipeline.loaded_job import LoadedJob
from objectspace.pipeline.results import (
    DecodedImage,
    DetectedImage,
    ImageResult,
    Outcome,
    ReadImage,
)
from objectspace.places import Place

# ------------------------------------------------------------------------------------------ read, decode


def read_image_file(path: Place, job: LoadedJob) -> ReadImage:
    """Return the bytes of an image's file, its id and a digest of its annotations. Raises ImageError."""
    data = read_file(path)
    with named_errors(f"annotation reader {type(job.annotations).__name__}", f"contents of {path}"):
        contents = job.contents(path)
    return ReadImage(str(path), content_id(data), data, contents)


def decode(read: ReadImage, job: LoadedJob) -> DecodedImage:
    """Return the image in a file's bytes, with the inputs of the job's networks. Raises ImageError.

    A network that reads the whole image sees it decoded at no more than the scale it needs, whether or not
    crops are cut as well, so that it finds the same objects in every job; crops and prompts want every pixel.
    """
    image: Image | None = None
    inputs = {}
    for network in _networks(job):
        if image is None or _reduced(image):
            image = decode_image(read.data, path=read.path, at_least=network.input_wh)
        inputs[network.name] = network.prepare(image)
    wants_all = job.encoder is not None or job.prompts is not None
    if image is None or (wants_all and _reduced(image)):
        image = decode_image(read.data, path=read.path)
    return DecodedImage(image, inputs, read.contents)


def _networks(job: LoadedJob) -> tuple[MapSource, ...]:
    """Return the networks that read whole images: for their maps, or to find the objects."""
    finder = job.detector if job.detects else None
    networks = (finder, job.map_source) if finder is not job.map_source else (finder,)
    return tuple(network for network in networks if network is not None)


def _reduced(image: Image) -> bool:
    return image.pixels.shape[:2] != (image.height, image.width)


# ------------------------------------------------------------------------------------------------ find


def find(batch: Sequence[DecodedImage], job: LoadedJob) -> list[DetectedImage | Failure]:
    """Return the objects of each image with their vectors from maps, by one pass of each network.

    A failure takes the place of an image on which a network gave numbers that are not finite, or that the
    job's vectors cannot hold.
    """
    runs = {}
    for network in _networks(job):
        with named_errors(f"network {network.name}", f"run of {counted(len(batch), 'image')}"):
            runs[network.name] = network.run([decoded.inputs[network.name] for decoded in batch])
    found: list[DetectedImage | Failure] = []
    for row, (decoded, objects) in enumerate(zip(batch, _objects_of(batch, job, runs), strict=True)):
        if isinstance(objects, Failure):
            found.append(objects)
            continue
        try:
            vectors = _pooled(decoded.image, objects[0], job, runs, row) if len(objects[0]) else {}
            found.append(DetectedImage(decoded.image, *objects, decoded.contents, vectors))
        except (NonFiniteError, Float16Error) as error:
            found.append(_failure(decoded.image.path, error))
    return found


def _failure(path: str, error: Exception) -> Failure:
    return Failure(printable_path(path), error.reason if isinstance(error, NonFiniteError) else str(error))


_Found = tuple[Objects, tuple[Failure, ...]]


def _objects_of(
    batch: Sequence[DecodedImage], job: LoadedJob, runs: Mapping[str, MapRun]
) -> list[_Found | Failure]:
    """Return the objects of each image, and the problems of its annotations."""
    images = [decoded.image for decoded in batch]
    if job.annotations is not None:
        annotated = [_annotated(job.annotations, image) for image in images]
        return [(one.objects, tuple(Failure(*problem) for problem in one.problems)) for one in annotated]
    if job.prompts is not None:
        return _prompted(images, job)
    if job.detector is None:
        raise InputError("nothing finds the objects; give a detector, words or annotations")
    run = runs[job.detector.name]
    return [_detected(image, row, run, job.detector, job) for row, image in enumerate(images)]


def _annotated(reader: AnnotationReader, image: Image) -> Annotated:
    """Return an image's annotated objects, whoever wrote the reader. Raises ModelError, which names it."""
    who = f"annotation reader {type(reader).__name__}"
    with named_errors(who, f"objects_of {printable_path(image.path)}"):
        found: Any = reader.objects_of(image)
    if not isinstance(found, Annotated) or not isinstance(found.objects, Objects):
        raise ModelError(
            f"{who}: objects_of returned {type(found).__name__}, expected Annotated with Objects"
        )
    if (found.objects.image_id != image.image_id).any():
        raise ModelError(
            f"{who}: objects_of returned objects of another image than {printable_path(image.path)}; "
            f"expected image_id {image.image_id}"
        )
    return found


def _detected(image: Image, row: int, run: MapRun, detector: Detector, job: LoadedJob) -> _Found | Failure:
    frame = detector.frame((image.width, image.height))
    try:
        with named_errors(f"detector {detector.name}", f"find_objects in {printable_path(image.path)}"):
            objects = detector.find_objects(
                run, row, image.image_id, frame, confidence=job.confidence, iou=job.iou
            )
        check_finite(detector.name, image.image_id, objects.score)
    except (ModelError, InputError) as error:
        # The thresholds were checked with the job: what is refused here are this image's numbers.
        return _failure(image.path, error)
    return objects, ()


def _prompted(images: Sequence[Image], job: LoadedJob) -> list[_Found | Failure]:
    """Return the objects that the words name; an image that fails does not fail the others of its pass."""
    assert job.prompts is not None
    try:
        return [(objects, ()) for objects in job.prompts.find_objects(images)]
    except (ModelError, InputError) as error:
        if len(images) == 1:
            return [_failure(images[0].path, error)]
    return [found for image in images for found in _prompted([image], job)]


def _pooled(
    image: Image, objects: Objects, job: LoadedJob, runs: Mapping[str, MapRun], row: int
) -> dict[str, SpaceRows]:
    """Return the vectors that one image's objects have in the network's maps, by space."""
    if (source := job.map_source) is None:
        return {}
    run, frame = runs[source.name], source.frame((image.width, image.height))
    spaces = _queried(image.image_id, objects, job, source, run, row)
    maps = {head.layer: run.maps[head.layer][row] for head in source.heads}
    heads = [replace(head, grid_wh=_grid_wh(maps[head.layer])) for head in source.heads]
    cells = responsible_cells(objects, heads, frame, job.scale, source=source.source)
    for head in used_heads(source, job.scale):
        here = np.flatnonzero(cells.head == head.layer)
        for pooling in job.poolings if len(here) else ():
            own = cells.take(here)
            vectors, outside = pool(maps[head.layer], objects.take(here), own, pooling, frame, head.stride)
            check_finite(source.name, image.image_id, vectors)
            columns = {"head": own.head, "cell_x": own.cell_x, "cell_y": own.cell_y, "anchor": own.anchor}
            recipe = map_recipe(source, head, pooling, job.scale, job.vectors)
            spaces[job.map_name(source, pooling, head)] = SpaceRows(
                recipe, objects.object_id[here], vectors, {**columns, "cells_outside": outside}
            )
    return spaces


def _grid_wh(features: Tensor) -> tuple[int, int]:
    """Return the cells of a map (c, h, w) across and down."""
    _, height, width = features.shape
    return width, height


def _queried(
    image_id: str, objects: Objects, job: LoadedJob, source: MapSource, run: MapRun, row: int
) -> dict[str, SpaceRows]:
    """Return the vectors of the queries that made the objects, if the network has queries and made them."""
    made = np.flatnonzero(objects.source == source.source)
    if run.queries is None or not len(made):
        return {}
    vectors = run.queries[row].float().cpu().numpy()[objects.provenance.anchor[made]]
    check_finite(source.name, image_id, vectors)
    rows = SpaceRows(query_recipe(source, job.vectors), objects.object_id[made], vectors)
    return {job.query_name(source): rows}


# ------------------------------------------------------------------------------------------------- cut


def cut(found: DetectedImage, job: LoadedJob) -> ImageResult:
    """Return an image's result so far: thumbnails, and crops for the job's encoder, instead of pixels.

    Where the encoder's device cuts, the result carries the photo, of :data:`LARGEST_PHOTO` bytes at most.
    """
    image, objects = found.image, found.objects
    return ImageResult(
        image_id=image.image_id,
        path=image.path,
        width=image.width,
        height=image.height,
        objects=objects,
        problems=found.problems,
        contents=found.contents,
        vectors=found.vectors,
        thumbnails=tuple(encode_thumbnail(cut_box(image, box)) for box in objects.xyxy),
        crops=None if job.encoder is None else _crops(image, objects, job.encoder, job.crop),
    )


def _crops(image: Image, objects: Objects, encoder: Encoder, policy: CropPolicy) -> Crops:
    """Return the objects' crops, or the photo where the encoder's device is to cut them."""
    fits = image.pixels.nbytes <= LARGEST_PHOTO and not _reduced(image)
    if fits and len(objects) and cuts_on_device(encoder, policy):
        return stage_photo(image, objects, encoder.device)
    return cut_crops(image, objects, policy, encoder.input_size, interpolation=encoder.interpolation)


def cut_box(image: Image, box: NDArray[np.float32]) -> Pixels:
    """Return the pixels (h, w, 3) that a box touches, at the scale at which the image was decoded."""
    height, width = image.pixels.shape[:2]
    scale = np.array([width / image.width, height / image.height] * 2, np.float32)
    left, top, right, bottom = whole_pixels(box * scale, (width, height))
    return image.pixels[top:bottom, left:right]


# ---------------------------------------------------------------------------------------------- encode


def encode(outcomes: Iterable[Outcome], job: LoadedJob) -> Iterator[Outcome]:
    """Yield each outcome, in order, with the vectors of its crops, whose batches run on from image to image.

    A failure takes the place of an image one of whose vectors is not finite, or cannot be held.
    """
    if job.encoder is None:
        yield from outcomes
        return
    with crop_batches(job.encoder, job.crop) as batches:
        embedded = _EmbeddedOutcomes(job.encoder, batches, job)
        for outcome in outcomes:
            embedded.add(outcome)
            yield from embedded.finished()
        embedded.flush()
        yield from embedded.finished()


class _EmbeddedOutcomes:
    """Outcomes in order, which wait until the vectors of their crops have come."""

    def __init__(self, encoder: Encoder, batches: CropBatches, job: LoadedJob) -> None:
        self._encoder, self._batches = encoder, batches
        self._name = job.crop_name(encoder)
        self._recipe = crop_recipe(encoder, job.crop, job.vectors)
        self._waiting: deque[Outcome] = deque()
        self._vectors = np.empty((0, encoder.dimension), np.float32)

    def add(self, outcome: Outcome) -> None:
        """Add an outcome, and hand in its crops."""
        if isinstance(outcome, ImageResult):
            crops, outcome = outcome.crops, replace(outcome, crops=None)
            if crops is not None and len(crops):
                self._arrive(self._batches.add(crops))
        self._waiting.append(outcome)

    def flush(self) -> None:
        """Encode what is left."""
        self._arrive(self._batches.flush())

    def finished(self) -> Iterator[Outcome]:
        """Yield the outcomes all of whose crops are encoded, up to the first that has to wait."""
        while self._waiting:
            outcome = self._waiting[0]
            if isinstance(outcome, ImageResult):
                if len(outcome.objects) > len(self._vectors):
                    return
                outcome = self._embedded(outcome)
            self._waiting.popleft()
            yield outcome

    def _arrive(self, vectors: NDArray[np.float32]) -> None:
        if len(vectors):
            self._vectors = np.concatenate([self._vectors, vectors])

    def _embedded(self, result: ImageResult) -> ImageResult | Failure:
        """Return the result with the next vectors, one for each of its objects."""
        count = len(result.objects)
        vectors, self._vectors = self._vectors[:count], self._vectors[count:]
        if not count:
            return result
        try:
            check_finite(self._encoder.name, result.image_id, vectors)
            rows = SpaceRows(self._recipe, result.objects.object_id, vectors.copy())
        except (NonFiniteError, Float16Error) as error:
            return _failure(result.path, error)
        return replace(result, vectors={**result.vectors, self._name: rows})
