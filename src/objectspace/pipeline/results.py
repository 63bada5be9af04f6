"""Values between the stages: one for each image, from its bytes to its vectors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from objectspace.embeddings.spaces import SpaceRows, WrittenRows
from objectspace.images import Failure, Image, Pixels
from objectspace.objects.records import Objects

if TYPE_CHECKING:
    # It imports torch, which readers of results need not have.
    from objectspace.embeddings.crop_batches import Crops


@dataclass(frozen=True, slots=True)
class ReadImage:
    """The bytes of an image's file, named but not decoded.

    contents: a digest of the annotations of the image when it was read; None without annotations
    """

    path: str
    image_id: str
    data: bytes = field(repr=False)
    contents: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class DecodedImage:
    """An image and the input (h, w, 3) of each network that reads whole images, by the network's name."""

    image: Image
    inputs: Mapping[str, Pixels]
    contents: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class DetectedImage:
    """An image with its objects, and the vectors that maps gave them, by space.

    problems: what could not be used of its annotations
    """

    image: Image
    objects: Objects
    problems: tuple[Failure, ...] = ()
    contents: str | None = None
    vectors: Mapping[str, SpaceRows] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class ImageResult:
    """The result of a job for one image; once it is encoded, it holds no pixels of the image itself.

    width, height: of the upright image in pixels
    vectors: by space, of the objects that have one there
    thumbnails: a JPEG of each object
    crops: (n, size, size, 3) of the objects, or the photo for the device that cuts them, until they are
        encoded; None after, and without an encoder
    written: by space, vectors that a worker has written into the store's place, instead of ``vectors``
    """

    image_id: str
    path: str
    width: int
    height: int
    objects: Objects
    problems: tuple[Failure, ...]
    contents: str | None
    vectors: Mapping[str, SpaceRows]
    thumbnails: tuple[bytes, ...]
    crops: Crops | None = None
    written: Mapping[str, WrittenRows] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SkippedImage:
    """An image that is not processed: the job finished it before, or it is a copy of an earlier one."""

    path: str
    image_id: str


#: What becomes of an image in the end.
Outcome = ImageResult | SkippedImage | Failure
