"""The baseline: one pass over the unchanged image, from which every way of occluding it starts."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from objectspace.errors import InputError, ModelError
from objectspace.images import Image
from objectspace.models.darknet.downstream import PIXELS, downstream, tap_number
from objectspace.models.darknet.layers import INPUT, Layer
from objectspace.models.detectors import Detector
from objectspace.models.detectors.darknet_models import DarknetDetector
from objectspace.models.detectors.predictions import HeadReader, Predictions, unsuppressed
from objectspace.models.maps import MapRun
from objectspace.objects.boxes import Frame


@dataclass(frozen=True, eq=False)
class Baseline:
    """The network's outputs and predictions for an image before anything is zeroed.

    tap: the number of the layer whose windows are zeroed, -1 for the pixels
    cell: the sides of a grid cell in cells of the tap: 1, and for the pixels the deepest head's stride
    path: the layers downstream of the tap, down to ``readers``' heads
    outputs: by number, (1, c, h, w), the tap's and those of every layer that the path reads
    raw: for each reader the head's raw numbers (anchors * (5 + classes), h, w), float32 on the CPU
    candidates: the predictions that reach the threshold, highest score first, before suppression
    kept: (n,) the rows of ``candidates`` that suppression keeps, in order
    """

    detector: DarknetDetector
    image: Image
    frame: Frame
    tap: int
    cell: int
    path: tuple[Layer, ...]
    readers: tuple[HeadReader, ...]
    outputs: Mapping[int, Tensor]
    raw: tuple[Tensor, ...]
    candidates: Predictions
    kept: NDArray[np.int64]

    @property
    def map(self) -> Tensor:
        """The tap's output (1, c, h, w)."""
        return self.outputs[self.tap]

    @property
    def grid_wh(self) -> tuple[int, int]:
        """The cells that windows are made of, across and down."""
        _, _, height, width = self.map.shape
        return width // self.cell, height // self.cell

    @property
    def tap_name(self) -> str:
        """The tap's name for users."""
        return PIXELS[0] if self.tap == INPUT else str(self.tap)


def run_baseline(
    detector: Detector,
    image: Image,
    tap: str | None,
    heads: Collection[int] | None,
    *,
    confidence: float,
    iou: float,
) -> Baseline:
    """Run the detector once and return its outputs as far as a run-on from the tap reads them.

    By default the tap is the layer before the head with the most predictions, the deepest of several.
    Raises InputError for an unknown tap or head, or a tap on which no head depends; ModelError for a detector
    of another family or another precision than float32.
    """
    if not isinstance(detector, DarknetDetector):
        raise ModelError(f"{detector.name} is no Darknet network, and only those can be run on from a tap")
    if detector.precision != "float32":
        raise ModelError(f"{detector.name} runs in {detector.precision}; load it with precision float32")
    readers = _readers(detector, heads)
    frame = detector.frame((image.width, image.height))
    batch = detector.batch(detector.prepare(image)[None])
    taps = [tap] if tap is not None else [reader.head.tap for reader in readers]
    run = detector.network.run(batch, _outputs_needed(detector, taps, readers))
    heads_raw = tuple(head.float().cpu() for head in run.heads)
    found = detector.predictions(MapRun(heads_raw, {}), 0, image.image_id, confidence)
    found = found.take(np.isin(found.provenance.head, [reader.head.layer for reader in readers]))
    kept = unsuppressed(found, iou)
    number = tap_number(detector.network.layers, tap or _busiest(found.take(kept), readers))
    path = _path(detector, number, readers)
    outputs = {INPUT: batch, **{int(name): output for name, output in run.taps.items()}}
    raw = dict(zip(detector.readers, heads_raw, strict=True))
    return Baseline(
        detector=detector,
        image=image,
        frame=frame,
        tap=number,
        cell=max(reader.head.stride for reader in readers) if number == INPUT else 1,
        path=path,
        readers=readers,
        outputs={n: outputs[n] for n in _read_by(number, path)},
        raw=tuple(raw[reader][0] for reader in readers),
        candidates=found,
        kept=kept,
    )


def _readers(detector: DarknetDetector, heads: Collection[int] | None) -> tuple[HeadReader, ...]:
    there = [reader.head.layer for reader in detector.readers]
    if heads is not None and (not heads or not set(heads) <= set(there)):
        raise InputError(f"heads are {sorted(heads)}, expected some of {there}")
    return tuple(reader for reader in detector.readers if heads is None or reader.head.layer in heads)


def _path(detector: DarknetDetector, tap: int, readers: Sequence[HeadReader]) -> tuple[Layer, ...]:
    path = downstream(detector.network.layers, tap, [reader.head.layer for reader in readers])
    if not path:
        raise InputError(f"no head of {detector.name} depends on tap {tap}; expected a layer before one")
    return path


def _outputs_needed(
    detector: DarknetDetector, taps: Sequence[str], readers: Sequence[HeadReader]
) -> list[str]:
    """Return the names of the layers whose outputs a run-on from any of ``taps`` reads."""
    numbers = [tap_number(detector.network.layers, tap) for tap in taps]
    needed = {n for number in numbers for n in _read_by(number, _path(detector, number, readers))}
    return [str(n) for n in sorted(needed - {INPUT})]


def _read_by(tap: int, path: Sequence[Layer]) -> set[int]:
    return {tap, *(number for layer in path for number in layer.inputs)}


def _busiest(kept: Predictions, readers: Sequence[HeadReader]) -> str:
    """Return the tap of the head with the most predictions, of several the one with the longest stride."""
    counts = {reader.head.layer: int((kept.provenance.head == reader.head.layer).sum()) for reader in readers}
    best = max(readers, key=lambda reader: (counts[reader.head.layer], reader.head.stride))
    return best.head.tap
