"""The whole pipeline on one page: photos → objects → embeddings by both routes → store.

::

    open (threads) ─▶ find (detector) ─▶ cut (threads) ─▶ encode ─▶ commit

Each stage is a generator over the one before it, so photos flow through one by one: the next are decoded and
cut in threads while the network works, crops of different photos share the encoder's batches, and never more
than a few dozen photos are in memory. A commit takes whole photos only, so a job that was killed goes on with
the first photo that is not in the store.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from objectspace.embeddings.crops import cut_crops
from objectspace.embeddings.pooling import pool
from objectspace.embeddings.recipes import crop_recipe, map_recipe, query_recipe, used_heads
from objectspace.embeddings.windows import responsible_cells
from objectspace.errors import ImageError, InputError
from objectspace.files import content_id
from objectspace.images import Image, Pixels, decode_image, encode_thumbnail, read_file
from objectspace.jobs import Finished, Job
from objectspace.objects.boxes import whole_pixels
from objectspace.objects.maps import MapRun, MapSource
from objectspace.objects.records import Objects
from objectspace.store import Failure, SpaceRows, open_writer
from objectspace.tally import Finding, Progress, Report, Tally
from objectspace.threads import compute_ahead


def index(
    photos: Sequence[Path], store: Path | str, job: Job, *, progress: Progress = lambda *_: None
) -> Report:
    """Find and embed the objects of photos and keep them in the store, which is made if there is none.

    Photos that this job has done are not done again; a file that cannot be read is kept with its reason in
    the store's failures until it can, and the job goes on. A photo that was moved is known by its content,
    and the store learns its new path. ``progress(photos, objects)`` is called after each photo with what has
    come since the last call.

    Raises StoreBusyError, RecipeError (a space of that name has another recipe), StoreError, ModelError.
    """
    started = time.monotonic()
    with open_writer(store) as writer:
        writer.check_recipes(job.recipes())
        tally = Tally(job, writer, progress)
        opened = compute_ahead(photos, partial(open_photo, job=job, finished=tally.finished))
        found = find(_to_do(opened, tally), job)
        cut = compute_ahead(found, job_cutter(job))
        try:
            for finding in encode(cut, job):
                tally.add(finding)
        finally:
            # A job that is stopped keeps the photos it has finished.
            tally.commit()
        tally.finish()
        writer.finish()
    return tally.report(len(photos), time.monotonic() - started)


# ------------------------------------------------------------------------------------------------ open


@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """A photo that is decoded: its image, and the input (h, w, 3) of each network that looks at the whole.

    contents: a digest of what was annotated of it when it was opened; None without annotations
    """

    image: Image
    inputs: Mapping[str, Pixels]
    contents: str | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """A photo that this job has done before."""

    path: Path
    image_id: str


def open_photo(path: Path, job: Job, finished: Finished) -> Opened | Known | Failure:
    """Read, name and decode one photo, and lay it on the detector's input."""
    try:
        data, contents = read_file(path), job.contents(path)
        if finished.has(image_id := content_id(data), contents):
            return Known(path, image_id)
        return replace(decode_photo(data, path, job), contents=contents)
    except ImageError as error:
        return Failure(error.path, error.reason)


def _to_do(opened: Iterator[Opened | Known | Failure], tally: Tally) -> Iterator[Opened]:
    """The photos that are still to be done; failures, known photos and copies are told on the way."""
    for photo in opened:
        if isinstance(photo, Failure):
            tally.fail_photo(photo)
        elif isinstance(photo, Known):
            tally.know(photo.path, photo.image_id)
        elif tally.begin(photo.image.path, photo.image.image_id):
            yield photo


def decode_photo(data: bytes, path: Path, job: Job) -> Opened:
    """The photo in a file's bytes, for all of the job's networks. Raises ImageError.

    A network that looks at the whole photo sees it decoded at no more than the scale it needs, whether or not
    crops are cut as well, so that it finds the same objects in every job; crops and prompts want every pixel.
    """
    image: Image | None = None
    inputs = {}
    for network in _networks(job):
        if image is None or _reduced(image):
            image = decode_image(data, path=str(path), at_least=network.input_wh)
        inputs[network.name] = network.prepare(image)
    wants_all = job.encoder is not None or job.prompts is not None
    if image is None or (wants_all and _reduced(image)):
        image = decode_image(data, path=str(path))
    return Opened(image, inputs)


def _networks(job: Job) -> tuple[MapSource, ...]:
    """The networks that look at whole photos: for their maps, or to find the objects."""
    finder = job.detector if job.detects else None
    networks = (finder, job.map_source) if finder is not job.map_source else (finder,)
    return tuple(network for network in networks if network is not None)


def _reduced(image: Image) -> bool:
    return image.pixels.shape[:2] != (image.height, image.width)


# ------------------------------------------------------------------------------------------------ find


def find(opened: Iterator[Opened], job: Job) -> Iterator[Finding]:
    """The objects of each photo with their windows, the detector taking as many photos as a pass holds.

    On a processor passes run side by side, a core each, which is faster than sharing the cores in every
    layer; a GPU takes one pass at a time.
    """
    finder = job.prompts or job.detector or job.encoder_map
    batches = _batches(opened, 1 if finder is None else finder.batch_size)
    one_by_one = finder is not None and finder.device.type != "cpu"
    for findings in compute_ahead(batches, partial(_find_batch, job=job), workers=1 if one_by_one else None):
        yield from findings


def _find_batch(batch: Sequence[Opened], job: Job) -> list[Finding]:
    runs = {
        network.name: network.run([photo.inputs[network.name] for photo in batch])
        for network in _networks(job)
    }
    found = _objects_of([photo.image for photo in batch], job, runs)
    findings = []
    for row, (photo, (objects, problems)) in enumerate(zip(batch, found, strict=True)):
        vectors = _pooled(photo.image, objects, job, runs, row) if len(objects) else {}
        findings.append(Finding(photo.image, objects, problems, photo.contents, vectors))
    return findings


def _batches(photos: Iterator[Opened], size: int) -> Iterator[list[Opened]]:
    batch: list[Opened] = []
    for photo in photos:
        batch.append(photo)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _objects_of(
    images: Sequence[Image], job: Job, runs: Mapping[str, MapRun]
) -> list[tuple[Objects, tuple[Failure, ...]]]:
    """The objects of each image, and what could not be used of its annotations."""
    if job.annotations is not None:
        annotated = [job.annotations.objects_of(image) for image in images]
        return [(one.objects, tuple(Failure(*problem) for problem in one.problems)) for one in annotated]
    if job.prompts is not None:
        return [(objects, ()) for objects in job.prompts.find_objects(images)]
    if job.detector is None:
        raise InputError("nothing finds the objects; give a detector, words or annotations")
    find_objects, run = job.detector.find_objects, runs[job.detector.name]
    found = []
    for row, image in enumerate(images):
        frame = job.detector.frame((image.width, image.height))
        found.append(find_objects(run, row, image.image_id, frame, confidence=job.confidence, iou=job.iou))
    return [(objects, ()) for objects in found]


def _pooled(
    image: Image, objects: Objects, job: Job, runs: Mapping[str, MapRun], row: int
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


def _queried(objects: Objects, job: Job, source: MapSource, run: MapRun, row: int) -> dict[str, SpaceRows]:
    """The vectors of the queries that made the objects, where the network has queries and made them."""
    made = np.flatnonzero(objects.source == source.source)
    if run.queries is None or not len(made):
        return {}
    vectors = run.queries[row].float().cpu().numpy()[objects.provenance.anchor[made]]
    rows = SpaceRows(query_recipe(source), objects.object_id[made], vectors)
    return {job.query_name(source): rows}


# ------------------------------------------------------------------------------------------------- cut


def job_cutter(job: Job) -> Callable[[Finding], Finding]:
    """What cuts thumbnails, and crops for the job's encoder, out of a finding's pixels."""

    def cut(finding: Finding) -> Finding:
        image, objects = finding.image, finding.objects
        crops = None
        if job.encoder is not None:
            encoder = job.encoder
            crops = cut_crops(
                image, objects, job.crop, encoder.input_size, interpolation=encoder.interpolation
            )
        thumbnails = tuple(encode_thumbnail(cut_box(image, box)) for box in objects.xyxy)
        # The photo's own pixels are not needed any more; an empty picture keeps their place.
        return replace(
            finding, image=replace(image, pixels=image.pixels[:0]), thumbnails=thumbnails, crops=crops
        )

    return cut


def cut_box(image: Image, box: NDArray[np.float32]) -> Pixels:
    """The pixels (h, w, 3) that a box of the image's frame touches, at the scale at which it was decoded."""
    height, width = image.pixels.shape[:2]
    scale = np.array([width / image.width, height / image.height] * 2, np.float32)
    left, top, right, bottom = whole_pixels(box * scale, (width, height))
    return image.pixels[top:bottom, left:right]


# ---------------------------------------------------------------------------------------------- encode


def encode(cut: Iterator[Finding], job: Job) -> Iterator[Finding]:
    """Give each finding the vectors of its crops, whose batches run on from photo to photo."""
    encoder = job.encoder
    if encoder is None:
        yield from cut
        return
    name, recipe = job.crop_name(encoder), crop_recipe(encoder, job.crop)
    waiting: deque[Finding] = deque()
    crops: list[Pixels] = []
    vectors: list[NDArray[np.float32]] = []

    def finished() -> Iterator[Finding]:
        """Findings all of whose crops are encoded; what is left over of the vectors stays."""
        ready = np.concatenate(vectors) if vectors else np.empty((0, encoder.dimension), np.float32)
        vectors.clear()
        while waiting and len(waiting[0].objects) <= len(ready):
            finding = waiting.popleft()
            own, ready = ready[: len(finding.objects)], ready[len(finding.objects) :]
            rows = {name: SpaceRows(recipe, finding.objects.object_id, own)} if len(own) else {}
            yield replace(finding, vectors={**finding.vectors, **rows}, crops=None)
        if len(ready):
            vectors.append(ready)

    for finding in cut:
        waiting.append(finding)
        crops.append(finding.crops if finding.crops is not None else np.empty(0, np.uint8))
        count = sum(map(len, crops))
        if whole := count - count % encoder.batch_size:
            together = np.concatenate([part for part in crops if len(part)])
            vectors.append(encoder.embed(together[:whole]))
            crops = [together[whole:]]
        yield from finished()
    if rest := [part for part in crops if len(part)]:
        vectors.append(encoder.embed(np.concatenate(rest)))
    yield from finished()
