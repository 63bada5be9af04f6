"""The stages of the pipeline, each from one value of an image to the next: read, decode, find, cut, encode.

::

    read_image_file ─▶ decode ─▶ find (detector) ─▶ cut ─▶ encode (crops share batches)

They know no store and no threads: engines run them. Only :func:`encode` takes more than it needs for one
image, as crops of different images share a pass of the encoder.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from objectspace.embeddings.crops import cut_crops
from objectspace.embeddings.pooling import pool
from objectspace.embeddings.recipes import crop_recipe, map_recipe, query_recipe, used_heads
from objectspace.embeddings.spaces import Recipe, SpaceRows
from objectspace.embeddings.windows import responsible_cells
from objectspace.errors import InputError, ModelError, ObjectspaceError, counted
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
from objectspace.models.maps import MapRun, MapSource
from objectspace.objects.annotations import AnnotationReader
from objectspace.objects.annotations.reader import Annotated
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

# ------------------------------------------------------------------------------------------ read, decode


def read_image_file(path: Path, job: LoadedJob) -> ReadImage:
    """Return the bytes of an image's file, its id and a digest of its annotations. Raises ImageError."""
    data = read_file(path)
    with _named_errors(f"annotation reader {type(job.annotations).__name__}", f"contents of {path}"):
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
    """The networks that read whole images: for their maps, or to find the objects."""
    finder = job.detector if job.detects else None
    networks = (finder, job.map_source) if finder is not job.map_source else (finder,)
    return tuple(network for network in networks if network is not None)


def _reduced(image: Image) -> bool:
    return image.pixels.shape[:2] != (image.height, image.width)


# ------------------------------------------------------------------------------------------------ find


def find(batch: Sequence[DecodedImage], job: LoadedJob) -> list[DetectedImage | Failure]:
    """Return the objects of each image with their vectors from maps, by one pass of each network.

    A failure takes the place of an image on which a network gave numbers that are not finite.
    """
    runs = {}
    for network in _networks(job):
        with _named_errors(f"network {network.name}", f"run of {counted(len(batch), 'image')}"):
            runs[network.name] = network.run([decoded.inputs[network.name] for decoded in batch])
    found: list[DetectedImage | Failure] = []
    for row, (decoded, objects) in enumerate(zip(batch, _objects_of(batch, job, runs), strict=True)):
        if isinstance(objects, Failure):
            found.append(objects)
            continue
        try:
            vectors = _pooled(decoded.image, objects[0], job, runs, row) if len(objects[0]) else {}
            found.append(DetectedImage(decoded.image, *objects, decoded.contents, vectors))
        except ModelError as error:
            found.append(_failure(decoded.image, error))
    return found


def _check_finite(values: NDArray[np.float32], name: str) -> None:
    if not np.isfinite(values).all():
        raise ModelError(f"{name} gave NaN or infinity for this image; are its weights whole?")


def _failure(image: Image, error: Exception) -> Failure:
    return Failure(printable_path(image.path), str(error))


_Found = tuple[Objects, tuple[Failure, ...]]


def _objects_of(
    batch: Sequence[DecodedImage], job: LoadedJob, runs: Mapping[str, MapRun]
) -> list[_Found | Failure]:
    """The objects of each image, and what could not be used of its annotations."""
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
    with _named_errors(who, f"objects_of {printable_path(image.path)}"):
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
        with _named_errors(f"detector {detector.name}", f"find_objects in {printable_path(image.path)}"):
            objects = detector.find_objects(
                run, row, image.image_id, frame, confidence=job.confidence, iou=job.iou
            )
        _check_finite(objects.score, detector.name)
    except (ModelError, InputError) as error:
        # The thresholds were checked with the job: what is refused here are this image's numbers.
        return _failure(image, error)
    return objects, ()


def _prompted(images: Sequence[Image], job: LoadedJob) -> list[_Found | Failure]:
    """The objects that the words name; one image that fails does not take the others of its pass along."""
    assert job.prompts is not None
    try:
        return [(objects, ()) for objects in job.prompts.find_objects(images)]
    except (ModelError, InputError) as error:
        if len(images) == 1:
            return [_failure(images[0], error)]
    return [found for image in images for found in _prompted([image], job)]


def _pooled(
    image: Image, objects: Objects, job: LoadedJob, runs: Mapping[str, MapRun], row: int
) -> dict[str, SpaceRows]:
    """The vectors that the maps of the job's network give the objects of one image, by space."""
    if (source := job.map_source) is None:
        return {}
    run, frame = runs[source.name], source.frame((image.width, image.height))
    spaces = _queried(objects, job, source, run, row)
    maps = {head.layer: run.maps[head.layer][row] for head in source.heads}
    heads = [replace(head, grid_wh=_grid_wh(maps[head.layer])) for head in source.heads]
    cells = responsible_cells(objects, heads, frame, job.scale, source=source.source)
    for head in used_heads(source, job.scale):
        here = np.flatnonzero(cells.head == head.layer)
        for pooling in job.poolings if len(here) else ():
            own = cells.take(here)
            vectors, outside = pool(maps[head.layer], objects.take(here), own, pooling, frame, head.stride)
            _check_finite(vectors, source.name)
            columns = {"head": own.head, "cell_x": own.cell_x, "cell_y": own.cell_y, "anchor": own.anchor}
            recipe = map_recipe(source, head, pooling, job.scale)
            spaces[job.map_name(source, pooling, head)] = SpaceRows(
                recipe, objects.object_id[here], vectors, {**columns, "cells_outside": outside}
            )
    return spaces


def _grid_wh(features: Tensor) -> tuple[int, int]:
    """The cells of a map (c, h, w) across and down."""
    _, height, width = features.shape
    return width, height


def _queried(
    objects: Objects, job: LoadedJob, source: MapSource, run: MapRun, row: int
) -> dict[str, SpaceRows]:
    """The vectors of the queries that made the objects, where the network has queries and made them."""
    made = np.flatnonzero(objects.source == source.source)
    if run.queries is None or not len(made):
        return {}
    vectors = run.queries[row].float().cpu().numpy()[objects.provenance.anchor[made]]
    _check_finite(vectors, source.name)
    rows = SpaceRows(query_recipe(source), objects.object_id[made], vectors)
    return {job.query_name(source): rows}


# ------------------------------------------------------------------------------------------------- cut


def cut(found: DetectedImage, job: LoadedJob) -> ImageResult:
    """Return an image's result so far: thumbnails, and crops for the job's encoder, instead of pixels."""
    image, objects, encoder = found.image, found.objects, job.encoder
    crops = None
    if encoder is not None:
        crops = cut_crops(image, objects, job.crop, encoder.input_size, interpolation=encoder.interpolation)
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
        crops=crops,
    )


def cut_box(image: Image, box: NDArray[np.float32]) -> Pixels:
    """Return the pixels (h, w, 3) that a box touches, at the scale at which the image was decoded."""
    height, width = image.pixels.shape[:2]
    scale = np.array([width / image.width, height / image.height] * 2, np.float32)
    left, top, right, bottom = whole_pixels(box * scale, (width, height))
    return image.pixels[top:bottom, left:right]


# ---------------------------------------------------------------------------------------------- encode


def encode(outcomes: Iterable[Outcome], job: LoadedJob) -> Iterator[Outcome]:
    """Yield each outcome, in order, with the vectors of its crops, whose batches run on from image to image.

    A failure takes the place of an image one of whose vectors is not finite.
    """
    if job.encoder is None:
        yield from outcomes
        return
    batches = _CropBatches(job.encoder, job.crop_name(job.encoder), crop_recipe(job.encoder, job.crop))
    for outcome in outcomes:
        batches.add(outcome)
        yield from batches.finished()
    batches.flush()
    yield from batches.finished()


def _embedded(encoder: Encoder, crops: Pixels) -> NDArray[np.float32]:
    """Return the vectors of crops, whoever wrote the encoder. Raises ModelError, which names it."""
    with _named_errors(f"encoder {encoder.name}", f"embed of {len(crops)} crops"):
        vectors: Any = encoder.embed(crops)
    shape = (len(crops), encoder.dimension)
    if isinstance(vectors, np.ndarray) and vectors.dtype.kind in "fiu" and vectors.shape == shape:
        numbers: NDArray[np.float32] = vectors.astype(np.float32, copy=False)
        return numbers
    came = type(vectors).__name__
    if isinstance(vectors, np.ndarray):
        came = f"{vectors.dtype} of shape {vectors.shape}"
    raise ModelError(f"encoder {encoder.name}: embed returned {came}, expected float32 of shape {shape}")


@contextmanager
def _named_errors(who: str, what: str) -> Iterator[None]:
    """Turn what another's code raises into one ModelError, which names that code."""
    try:
        yield
    except ObjectspaceError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise ModelError(f"{who}: {what} raised {type(error).__name__}: {reason}") from error


class _CropBatches:
    """Outcomes in order, the crops of which are encoded as soon as they fill a pass."""

    def __init__(self, encoder: Encoder, name: str, recipe: Recipe) -> None:
        self._encoder, self._name, self._recipe = encoder, name, recipe
        self._waiting: deque[Outcome] = deque()
        self._crops: list[Pixels] = []
        self._count = 0
        self._vectors = np.empty((0, encoder.dimension), np.float32)

    def add(self, outcome: Outcome) -> None:
        """Take an outcome, and encode what fills a pass."""
        if isinstance(outcome, ImageResult):
            if outcome.crops is not None and len(outcome.crops):
                self._crops.append(outcome.crops)
                self._count += len(outcome.crops)
            outcome = replace(outcome, crops=None)
        self._waiting.append(outcome)
        if self._count >= self._encoder.batch_size:
            self._encode(self._count - self._count % self._encoder.batch_size)

    def flush(self) -> None:
        """Encode what is left."""
        if self._count:
            self._encode(self._count)

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

    def _encode(self, count: int) -> None:
        """Encode the first so many crops."""
        crops = np.concatenate(self._crops)
        self._vectors = np.concatenate([self._vectors, _embedded(self._encoder, crops[:count])])
        # A copy, as a view would keep the crops that are encoded.
        self._crops = [crops[count:].copy()]
        self._count -= count

    def _embedded(self, result: ImageResult) -> ImageResult | Failure:
        """The result with the next vectors, one for each of its objects."""
        count = len(result.objects)
        vectors, self._vectors = self._vectors[:count], self._vectors[count:]
        if not count:
            return result
        try:
            _check_finite(vectors, self._encoder.name)
        except ModelError as error:
            return Failure(printable_path(result.path), str(error))
        rows = SpaceRows(self._recipe, result.objects.object_id, vectors.copy())
        return replace(result, vectors={**result.vectors, self._name: rows})
