"""The engine of one machine: runs the stages in threads of one core each, a few images ahead.

On a processor a thread takes an image through all stages but the last, so that there are never more decoded
images than threads, each on its way from its file to a few small crops. A network that takes several images
to a pass, as on a GPU, has a thread of its own between those that decode and those that cut.

Where a GPU cuts the crops, results carry their photos until it has read them: :data:`AHEAD` for each thread,
of at most ``LARGEST_PHOTO`` bytes each, and three groups of them in the encoder's stage (crop_batches.py).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from functools import partial
from threading import Lock

from objectspace.errors import ImageError
from objectspace.images import Failure
from objectspace.pipeline.loaded_job import LoadedJob
from objectspace.pipeline.results import DecodedImage, DetectedImage, ImageResult, Outcome, SkippedImage
from objectspace.pipeline.stages import cut, decode, encode, find, read_image_file
from objectspace.places import Place
from objectspace.threads import compute_ahead

#: Results that wait for each thread, without decoded pixels but for a photo that a GPU cuts.
AHEAD = 3
#: Decoded pixels at which a pass is run before it is full, as one of phone photos would fill gigabytes.
PASS_PIXELS = 64_000_000

#: What copies share: an image's id, and a digest of its annotations.
_Content = tuple[str, str | None]

#: Whether a job finished an image before: its id, and a digest of its annotations.
IsFinished = Callable[[str, str | None], bool]


def run(images: Sequence[Place], job: LoadedJob, is_finished: IsFinished) -> Generator[Outcome, None, None]:
    """Yield what becomes of each image, in their order: a result, a failure, or that it is skipped.

    An image that ``is_finished`` is skipped, and so is a copy of an earlier one with the same annotations.
    """
    opener = _Opener(job, is_finished)
    finder = job.prompts or job.detector or job.encoder_map
    results: Generator[Outcome, None, None]
    if finder is None or (finder.batch_size == 1 and finder.device.type == "cpu"):
        results = compute_ahead(enumerate(images), partial(_process, opener=opener, job=job), ahead=AHEAD)
    else:
        results = _in_passes(images, opener, job, finder.batch_size, finder.device.type == "cpu")
    with closing(results), closing(opener.without_copies(results)) as distinct:
        yield from encode(distinct, job)


class _Opener:
    """Reads and decodes the images of a job that are still to be processed."""

    def __init__(self, job: LoadedJob, is_finished: IsFinished) -> None:
        self._job, self._is_finished = job, is_finished
        self._first: dict[_Content, int] = {}
        self._lock = Lock()

    def open(self, numbered: tuple[int, Place]) -> DecodedImage | SkippedImage | Failure:
        """Decode an image, given its place in the job's order; safe to call from many threads."""
        place, path = numbered
        try:
            read = read_image_file(path, self._job)
            skipped = SkippedImage(read.path, read.image_id)
            content = (read.image_id, read.contents)
            if self._is_copy(content, place) or self._is_finished(*content):
                return skipped
            decoded = decode(read, self._job)
        except ImageError as error:
            return Failure(error.path, error.reason)
        with self._lock:
            self._first[content] = min(self._first.get(content, place), place)
        return skipped if self._is_copy(content, place) else decoded

    def _is_copy(self, content: _Content, place: int) -> bool:
        """Return whether an earlier image that could be decoded has the same content and annotations."""
        return self._first.get(content, place) < place

    def without_copies(self, outcomes: Iterable[Outcome]) -> Generator[Outcome, None, None]:
        """Yield the outcomes of all images in order, but a copy as skipped.

        A thread may open a copy before another opens the first one; which of them counts must not depend on
        that.
        """
        for place, outcome in enumerate(outcomes):
            if isinstance(outcome, ImageResult) and self._first[outcome.image_id, outcome.contents] < place:
                yield SkippedImage(outcome.path, outcome.image_id)
            else:
                yield outcome


def _process(numbered: tuple[int, Place], opener: _Opener, job: LoadedJob) -> Outcome:
    """Run one image through all stages but the encoder's."""
    opened = opener.open(numbered)
    if not isinstance(opened, DecodedImage):
        return opened
    (found,) = find([opened], job)
    return cut(found, job) if isinstance(found, DetectedImage) else found


# ------------------------------------------------------------------------------------------------ passes


def _in_passes(
    images: Sequence[Place], opener: _Opener, job: LoadedJob, size: int, side_by_side: bool
) -> Generator[Outcome, None, None]:
    """Yield the outcomes of all images in order, ``size`` images to a pass."""
    opened = compute_ahead(enumerate(images), opener.open, ahead=1)
    passes = compute_ahead(
        _batches(opened, size), partial(_find, job=job), ahead=2, workers=None if side_by_side else 1
    )
    found = (one for batch in passes for one in batch)
    return compute_ahead(found, partial(_cut, job=job), ahead=1)


_Opened = DecodedImage | SkippedImage | Failure
_Found = DetectedImage | SkippedImage | Failure


def _batches(opened: Iterable[_Opened], size: int) -> Iterator[list[_Opened]]:
    """Yield what was opened, in order, in lists of ``size`` decoded images or of as many as memory allows.

    What is not decoded goes along and counts for nothing, so that a pass is full.
    """
    batch: list[_Opened] = []
    count = pixels = 0
    for one in opened:
        batch.append(one)
        if isinstance(one, DecodedImage):
            count, pixels = count + 1, pixels + one.image.pixels.size // 3
        if count == size or pixels >= PASS_PIXELS or (not count and len(batch) == size):
            yield batch
            batch, count, pixels = [], 0, 0
    if batch:
        yield batch


def _find(batch: Sequence[_Opened], job: LoadedJob) -> list[_Found]:
    decoded = [one for one in batch if isinstance(one, DecodedImage)]
    found = iter(find(decoded, job) if decoded else [])
    return [next(found) if isinstance(one, DecodedImage) else one for one in batch]


def _cut(found: _Found, job: LoadedJob) -> Outcome:
    return cut(found, job) if isinstance(found, DetectedImage) else found
