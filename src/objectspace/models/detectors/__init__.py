"""Detectors: images → objects with provenance. The protocol, and the detectors known by name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from objectspace.arguments import typed
from objectspace.errors import InputError, guess
from objectspace.images import Image
from objectspace.models.catalogue import TORCHVISION, is_detr, located, safe_name
from objectspace.models.maps import MapRun, MapSource
from objectspace.models.weights import check_weight_file
from objectspace.objects.boxes import Frame
from objectspace.objects.labels import read_names
from objectspace.objects.records import Objects

#: How an image is resized to the network's input: sides scaled independently, or aspect kept, with gray bars.
RESIZES = ("stretch", "letterbox")

#: Names of networks that other packages run: YOLOv5, v6 and v8 to v13, YOLO-NAS, YOLOX, Mask R-CNN.
_ELSEWHERE = re.compile(r"yolo_?v?(5|6|8|9|1[0-9])|yolo_?(nas|x)|mask_?r-?cnn")


class Detector(MapSource, Protocol):
    """A network that finds objects, each with the cell that found it; its maps give the window route.

    loaded_from: the arguments of :func:`load_detector` that make it again, in plain JSON
    """

    def find_objects(
        self, run: MapRun, row: int, image_id: str, frame: Frame, *, confidence: float, iou: float
    ) -> Objects:
        """Return the objects of one image of a pass, highest score first, boxes in the image's own frame.

        With every detector an object's score is at least ``confidence``, and a box suppresses another where
        their IoU is above ``iou``. Raises NonFiniteError where the network gave NaN or infinity.
        """

    def detect(
        self, images: Sequence[Image], *, confidence: float = 0.25, iou: float = 0.45
    ) -> list[Objects]:
        """Return the objects of each image; see :meth:`find_objects`."""
        found = []
        for start in range(0, len(images), self.batch_size):
            batch = images[start : start + self.batch_size]
            run = self.run([self.prepare(image) for image in batch])
            for row, image in enumerate(batch):
                frame = self.frame((image.width, image.height))
                found.append(
                    self.find_objects(run, row, image.image_id, frame, confidence=confidence, iou=iou)
                )
        return found


def check_detector(name_or_cfg: str | Path, weights: Path | str | None, names: Path | str | None) -> None:
    """Raise what :func:`load_detector` would for an unknown name and files that cannot be read.

    Nothing is loaded, and nothing fetched; a weight file is not read.
    """
    from objectspace.models.darknet.architectures import ARCHITECTURES
    from objectspace.models.darknet.cfg import read_cfg

    name = str(name_or_cfg)
    check_weight_file(weights)
    if Path(name).suffix.lower() == ".cfg":
        read_cfg(name_or_cfg)
        if weights is None:
            raise _needs_weights(name)
    elif not (name in ARCHITECTURES or name in TORCHVISION or is_detr(name)):
        raise InputError(_unknown(name, sorted([*ARCHITECTURES, *TORCHVISION])))
    if names is not None:
        read_names(names)


@typed
def load_detector(
    name_or_cfg: str | Path,
    *,
    weights: Path | str | None = None,
    names: Path | str | None = None,
    resize: str | None = None,
    device: str = "cpu",
    precision: str = "auto",
) -> Detector:
    """Load the detector of a name, of a Darknet ``.cfg`` file, or of the DETR family.

    The names are ``yolov3``, ``yolov3-spp`` and ``yolov3-tiny`` and those of torchvision's detectors, whose
    published weights are fetched once, and ``demo``, which is shipped and knows the drawn world only
    (docs/default-models.md). A DETR is named by its id on the hub, which holds a slash, or by the folder that
    transformers saved it to; ``detr:``, ``rt_detr:``, ``rt_detr_v2:``, ``d_fine:`` or ``conditional_detr:``
    may stand before it. docs/detectors.md compares them.

    weights: the weight file; may be left out for a name; a DETR has its own beside its config
    names: a file of class names, a line each; otherwise the name's own, or COCO's for 80 classes
    resize: "letterbox" (the default of a name) or "stretch" (the default of a cfg), for a Darknet network
        only
    device, precision: see :mod:`objectspace.models.precision`

    Raises InputError for an unknown name or option, CfgError, WeightsError, DownloadError, ModelError.

    >>> osp.load_detector("demo", precision="float32")
    DarknetDetector('demo', 416 x 416 pixels, float32 on cpu)
    """
    from objectspace.models.darknet.architectures import ARCHITECTURES

    if resize is not None and resize not in RESIZES:
        raise InputError(f"resize is {resize!r}, expected {' or '.join(RESIZES)}")
    name, suffix = str(name_or_cfg), Path(name_or_cfg).suffix.lower()
    if name in ARCHITECTURES or suffix == ".cfg":
        return _load_darknet(name_or_cfg, weights, names, resize, device, precision)
    if resize is not None:
        raise InputError(f"{name} has its own rule of how a photo becomes its input; leave out resize")
    options: dict[str, Any] = {"names": names, "device": device, "precision": precision}
    detector: Detector
    if name in TORCHVISION:
        from objectspace.models.detectors.torchvision_models import load_torchvision

        detector = load_torchvision(name, weights=weights, **options)
    elif is_detr(name):
        from objectspace.models.detectors.detr import load_detr

        if weights is not None:
            raise InputError(f"the weights of {name} stand beside its config; leave out its weight file")
        detector = load_detr(name, **options)
    else:
        raise InputError(_unknown(name, sorted([*ARCHITECTURES, *TORCHVISION])))
    detector.loaded_from = {
        "name_or_cfg": located(name),
        "weights": None if weights is None else str(Path(weights).absolute()),
        "names": None if names is None else str(Path(names).absolute()),
        "resize": None,
    }
    return detector


def _load_darknet(
    name_or_cfg: str | Path,
    weights: Path | str | None,
    names: Path | str | None,
    resize: str | None,
    device: str,
    precision: str,
) -> Detector:
    from objectspace.models.darknet.architectures import ARCHITECTURES
    from objectspace.models.darknet.cfg import read_cfg
    from objectspace.models.detectors.darknet_models import load_darknet
    from objectspace.models.weights import fetch

    architecture = ARCHITECTURES.get(str(name_or_cfg))
    known_names = None if architecture is None else architecture.names
    if architecture is not None:
        name, cfg, default = architecture.name, architecture.cfg(), "letterbox"
        weights = fetch(architecture.weights) if weights is None else weights
    else:
        name = safe_name(Path(name_or_cfg).stem, otherwise="darknet")
        cfg, default = read_cfg(name_or_cfg), "stretch"
    if weights is None:
        raise _needs_weights(str(name_or_cfg))
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


def _needs_weights(cfg: str) -> InputError:
    return InputError(f"{cfg} needs its weight file: give the detector's as weights=")


def _unknown(name: str, known: Sequence[str]) -> str:
    if _ELSEWHERE.match(Path(name).name.lower()):
        hint = "; what another package's network finds is taken as annotations: docs/annotations.md"
    else:
        hint = guess(name, known)
    return (
        f"no detector {name!r}: expected {', '.join(known)}, a Darknet .cfg file, or the folder or hub id "
        f"of a DETR{hint}"
    )
