"""One object varied: cut out, drawn into controlled pictures, indexed into a store (the paper's figure 6)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from objectspace.arguments import typed
from objectspace.embeddings.windows import Scale
from objectspace.errors import InputError, counted
from objectspace.images import Image
from objectspace.jobs.index import index
from objectspace.jobs.index_summary import IndexSummary
from objectspace.models.detectors import Detector
from objectspace.models.encoders import Encoder
from objectspace.models.maps import MapSource
from objectspace.objects.records import Objects
from objectspace.pipeline.job import Job
from objectspace.pipeline.specs import AnnotationSpec, DetectorSpec, EncoderSpec
from objectspace.scenes.variation import Factor, default_backgrounds
from objectspace.scenes.variation_files import ANNOTATIONS, draw_variation


@dataclass(frozen=True, slots=True)
class VariedObject:
    """The pictures of one varied object and the summary of indexing them into ``store``."""

    pictures: Sequence[Path]
    store: Path
    summary: IndexSummary

    def __repr__(self) -> str:
        return f"VariedObject({counted(len(self.pictures), 'picture')} in {str(self.store)!r})"


@typed
def vary_object(
    image: Image,
    objects: Objects,
    factor: Factor,
    store: Path | str,
    *,
    detector: DetectorSpec | Detector | str | None = None,
    encoder: EncoderSpec | Encoder | str | None = None,
    encoder_map: EncoderSpec | MapSource | str | None = None,
    device: str = "cpu",
    precision: str = "auto",
    pools: tuple[str, ...] = ("window3",),
    scale: Scale = "own",
    backgrounds: Sequence[str] = (),
    steps: int = 16,
    size: float | None = None,
    progress: Callable[[int, int], None] = lambda pictures, objects: None,
) -> VariedObject:
    """Cut one object out of an image and index pictures in which one factor of it varies.

    objects: the object, one row; without a mask all of its box is cut out
    factor: "position", "angle", "size" or "background", see :func:`objectspace.scenes.variation.vary`
    store: a new store, or one of the same recipes; the pictures and their annotations are written beside it,
        in STORE-pictures
    detector, encoder, encoder_map, device, precision, pools, scale: as in
        :class:`~objectspace.pipeline.job.Job`; nothing is detected
    backgrounds: "black", "gray", "blur" or paths of photos; by default those of ``default_backgrounds``
    steps: angles or sizes; positions across and down
    size: the object's longer side as a share of the picture's shorter one; by default as it is in the image
    progress: called with the numbers of pictures and objects that were finished since

    Raises InputError for another number of objects, where the object does not fit or has no room to move,
    and for a folder that cannot be written.

    >>> objects = store.objects_of_images([image.image_id])
    >>> osp.vary_object(image, objects, "position", "moved.osp", encoder="demo", steps=3)
    VariedObject(9 pictures in 'moved.osp')
    """
    if len(objects) != 1:
        raise InputError(f"{len(objects)} objects were given, expected one; take a row with objects.take")
    store = Path(store)
    folder = store.with_name(f"{store.name}-pictures")
    pictures = draw_variation(
        image,
        objects.xyxy[0],
        objects.mask[0],
        str(objects.label[0]),
        factor,
        folder,
        backgrounds=backgrounds or default_backgrounds(factor),
        steps=steps,
        size=size,
    )
    job = Job(
        detector=detector,
        encoder=encoder,
        encoder_map=encoder_map,
        annotations=AnnotationSpec(folder / ANNOTATIONS, "coco"),
        device=device,
        precision=precision,
        pools=pools,
        scale=scale,
    )
    return VariedObject(pictures, store, index(pictures, store, job, progress=progress))
