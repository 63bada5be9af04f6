"""The parts of a job by name: plain values that can be pickled and loaded."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from objectspace.arguments import typed
from objectspace.errors import InputError
from objectspace.models.detectors import Detector, check_detector, load_detector
from objectspace.models.encoders import Encoder, check_encoder, load_encoder
from objectspace.models.encoders.encoder_maps import load_encoder_map
from objectspace.models.maps import MapSource
from objectspace.models.prompts import Prompter, load_prompter
from objectspace.objects.annotations import AnnotationSet, open_annotations
from objectspace.objects.annotations.image_factors import (
    FactorTable,
    factors_from_csv,
    factors_from_pattern,
    merge_factors,
)
from objectspace.objects.annotations.mask_images import open_mask_images
from objectspace.objects.labels import read_names
from objectspace.places import Place


@typed
@dataclass(frozen=True, slots=True)
class DetectorSpec:
    """A detector by the arguments of :func:`objectspace.load_detector`, except device and precision.

    >>> osp.DetectorSpec("demo").load("cpu", "float32")
    DarknetDetector('demo', 416 x 416 pixels, float32 on cpu)
    """

    name_or_cfg: Path | str
    weights: Path | str | None = None
    names: Path | str | None = None
    resize: str | None = None

    def check(self) -> None:
        """Raise InputError or a ModelError for a name or a file that cannot be; nothing is loaded."""
        check_detector(self.name_or_cfg, self.weights, self.names)

    def load(self, device: str, precision: str) -> Detector:
        """Return the detector. Raises as :func:`objectspace.load_detector` does."""
        return load_detector(
            self.name_or_cfg,
            weights=self.weights,
            names=self.names,
            resize=self.resize,
            device=device,
            precision=precision,
        )


@typed
@dataclass(frozen=True, slots=True)
class EncoderSpec:
    """An encoder by the arguments of :func:`objectspace.load_encoder`, except device and precision.

    >>> osp.EncoderSpec("demo").load("cpu", "float32")
    NetworkEncoder('demo', 96 x 96 pixels to 256 numbers, float32 on cpu)
    """

    name: str
    weights: Path | str | None = None

    def check(self) -> None:
        """Raise InputError or a ModelError for a name or a file that cannot be; nothing is loaded."""
        check_encoder(self.name, self.weights)

    def load(self, device: str, precision: str) -> Encoder:
        """Return the encoder of crops. Raises as :func:`objectspace.load_encoder` does."""
        return load_encoder(self.name, weights=self.weights, device=device, precision=precision)

    def load_map(self, device: str, precision: str) -> MapSource:
        """Return the encoder of whole images. Raises as :func:`objectspace.load_encoder_map` does."""
        return load_encoder_map(self.name, weights=self.weights, device=device, precision=precision)


@typed
@dataclass(frozen=True, slots=True)
class PromptSpec:
    """Words, and the networks that find them, by the arguments of :func:`objectspace.load_prompter`.

    words: ``"apple. red car. dog."``, or the words one by one
    name: of the networks; None for the default

    >>> osp.Job(encoder="resnet50", prompts=osp.PromptSpec("apple. red chair.")).to_json()["prompts"]["words"]
    'apple. red chair.'
    """

    words: str | tuple[str, ...]
    name: str | None = None
    weights: Path | str | None = None
    box_threshold: float | None = None
    text_threshold: float | None = None

    def load(self, device: str) -> Prompter:
        """Return what finds the words. Raises as :func:`objectspace.load_prompter` does."""
        named = {} if self.name is None else {"name": self.name}
        return load_prompter(
            self.words,
            **named,
            weights=self.weights,
            box_threshold=self.box_threshold,
            text_threshold=self.text_threshold,
            device=device,
        )


@typed
@dataclass(frozen=True, slots=True)
class AnnotationSpec:
    """Annotations by their place and format, see :func:`objectspace.open_annotations`.

    names: a file of class names, a line each, for a folder of YOLO's labels; None for a list in or beside
        the folder, else COCO's

    >>> osp.AnnotationSpec("world/annotations.json", "coco").read()
    CocoAnnotations('world/annotations.json': 12 images, 8 categories)
    """

    path: Path | str
    format: str = "yolo"
    names: Path | str | None = None

    def read(self) -> AnnotationSet:
        """Return the reader of the annotations. Raises AnnotationError, InputError for the class names."""
        names = None if self.names is None else read_names(self.names)
        return open_annotations(self.path, names=names, format=self.format)


@typed
@dataclass(frozen=True, slots=True)
class MaskSpec:
    """Mask images, one object an image, see :func:`objectspace.open_mask_images`.

    >>> job = osp.Job(encoder="resnet50", annotations=osp.MaskSpec("masks", "{stem}-map.png"))
    >>> job.to_json()["annotations"]
    {'folder': 'masks', 'pattern': '{stem}-map.png', 'label': 'object'}
    """

    folder: Path | str
    pattern: str = "{stem}.png"
    label: str = "object"

    def read(self, factors: FactorTable | None) -> AnnotationSet:
        """Return the reader of the masks, labeled by ``factors`` where it says. Raises AnnotationError."""
        return open_mask_images(self.folder, pattern=self.pattern, label=self.label, factors=factors)


@typed
@dataclass(frozen=True, slots=True)
class FactorTableSpec:
    """Factors of each image from a pattern of file names, a table, or both.

    pattern: see :func:`objectspace.factors_from_pattern`; table: see :func:`objectspace.factors_from_csv`

    >>> osp.FactorTableSpec(pattern="(?P<number>[0-9]+)").read(photos)
    FactorTable(12 images: number)
    """

    pattern: str | None = None
    table: Path | str | None = None

    def read(self, images: Sequence[Place]) -> FactorTable:
        """Return the factors of these images. Raises AnnotationError and InputError as the two readers do."""
        parts, paths = [], list(map(os.fspath, images))
        if self.pattern is not None:
            parts.append(factors_from_pattern(self.pattern, paths))
        if self.table is not None:
            parts.append(factors_from_csv(self.table, paths))
        if not parts:
            raise InputError("factors come from a pattern or from a table; give one of them")
        return parts[0] if len(parts) == 1 else merge_factors(*parts)


Spec = DetectorSpec | EncoderSpec | PromptSpec | AnnotationSpec | MaskSpec | FactorTableSpec
