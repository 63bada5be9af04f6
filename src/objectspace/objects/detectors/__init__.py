"""Detectors: images → objects with provenance. The protocol, and the detectors known by name."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from objectspace.errors import InputError
from objectspace.images import Image
from objectspace.objects.boxes import Frame
from objectspace.objects.maps import MapRun, MapSource
from objectspace.objects.records import Objects

#: How an image is laid on the network's input: sides scaled apart, or aspect kept and grey bars beside it.
RESIZES = ("stretch", "letterbox")


class Detector(MapSource, Protocol):
    """What finds objects and knows the cell that found each; its maps give the window route.

    loaded_from: the arguments of :func:`load_detector` that make it again, in plain JSON
    """

    def find_objects(
        self, run: MapRun, row: int, image_id: str, frame: Frame, *, confidence: float, iou: float
    ) -> Objects:
        """The objects of one image of a pass, best first, boxes in the image's own frame."""

    def detect(
        self, images: Sequence[Image], *, confidence: float = 0.25, iou: float = 0.45
    ) -> list[Objects]:
        """The objects of each image."""


def load_detector(
    name_or_cfg: str | Path,
    *,
    weights: Path | str | None = None,
    names: Path | str | None = None,
    resize: str | None = None,
    device: str = "cpu",
    precision: str = "auto",
) -> Detector:
    """The detector of a name or of a Darknet ``.cfg`` file.

    The names are ``yolov3``, ``yolov3-spp`` and ``yolov3-tiny``, whose published weights are fetched once,
    and ``demo``, which is shipped and knows the drawn world only (docs/default-models.md).

    weights: the weight file; may be left out for a name
    names: a file of class names, a line each; otherwise the name's own, or COCO's for 80 classes
    resize: "letterbox" (the default of a name) or "stretch" (the default of a cfg)
    device, precision: see :mod:`objectspace.networks.precision`

    Raises InputError for an unknown name or option, CfgError, WeightsError, DownloadError.
    """
    from objectspace.networks.darknet.architectures import ARCHITECTURES
    from objectspace.networks.darknet.cfg import read_cfg
    from objectspace.networks.weights import fetch
    from objectspace.objects.detectors.darknet import load_darknet

    if resize is not None and resize not in RESIZES:
        raise InputError(f"resize is {resize!r}, expected {' or '.join(RESIZES)}")
    architecture = ARCHITECTURES.get(str(name_or_cfg))
    known_names = None if architecture is None else architecture.names
    if architecture is not None:
        name, cfg, default = architecture.name, architecture.cfg(), "letterbox"
        weights = fetch(architecture.weights) if weights is None else weights
    elif Path(name_or_cfg).suffix.lower() == ".cfg":
        name, cfg, default = Path(name_or_cfg).stem, read_cfg(name_or_cfg), "stretch"
    else:
        raise InputError(_unknown(str(name_or_cfg), sorted(ARCHITECTURES)))
    if weights is None:
        raise InputError(
            f"{name_or_cfg} needs its weight file: give it as weights, or with --detector-weights"
        )
    detector = load_darknet(
        name,
        cfg,
        weights,
        names=known_names if names is None else names,
        resize=resize or default,
        device=device,
        precision=precision,
    )
    detector.loaded_from = {
        "name_or_cfg": str(name_or_cfg) if architecture else str(Path(name_or_cfg).absolute()),
        "weights": str(Path(weights).absolute()),
        "names": None if names is None else str(Path(names).absolute()),
        "resize": resize or default,
    }
    return detector


def _unknown(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    guess = f"; did you mean {near[0]}?" if near else ""
    return f"no detector {name!r}: expected {', '.join(known)} or a Darknet .cfg file{guess}"
