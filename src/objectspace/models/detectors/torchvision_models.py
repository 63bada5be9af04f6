"""torchvision's Faster R-CNN, RetinaNet, FCOS and SSD: objects, each with the anchor that made it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models import detection
from torchvision.models._meta import _COCO_CATEGORIES
from torchvision.models.detection.image_list import ImageList

from objectspace.errors import InputError, WeightsError
from objectspace.files import content_id, file_sha256, recipe_digest
from objectspace.images import Pixels
from objectspace.models.batches import PREPARED
from objectspace.models.catalogue import EPS_0, TORCHVISION
from objectspace.models.detectors import Detector
from objectspace.models.detectors.anchored import predictions, reader_of
from objectspace.models.detectors.passes import check_thresholds, in_passes, normalized
from objectspace.models.detectors.predictions import objects_inside
from objectspace.models.inputs import RESAMPLING
from objectspace.models.maps import Head, MapRun, check_finite
from objectspace.models.precision import reproducible, resolve_device, resolve_precision, torch_dtype
from objectspace.models.weights import fetch, fill, load_state_dict
from objectspace.objects.boxes import Frame
from objectspace.objects.labels import COCO_NAMES, coco_spelling, read_names
from objectspace.objects.records import Objects

#: Pixels a side of the input by which the levels of a network for any input size are read.
_PROBE = 256

#: The class scores in a state dict; a class has as many of them as a cell has anchors.
_CLASS_SCORES = (
    "roi_heads.box_predictor.cls_score.weight",
    "head.classification_head.cls_logits.weight",
    "head.classification_head.module_list.0.weight",
    "head.classification_head.module_list.0.1.weight",
)


class TorchvisionDetector(Detector):
    """One of torchvision's detectors; made by :func:`load_torchvision`.

    See :class:`objectspace.models.maps.MapSource` for the attributes. Its maps are those that its backbone
    gives to its heads: the levels of a feature pyramid, or SSD's six. Inputs may differ in size where
    ``recipe["resize"]`` is "shorter side".
    """

    def __init__(
        self,
        name: str,
        network: nn.Module,
        *,
        weights: str,
        names: Sequence[str],
        device: str = "cpu",
        precision: str = "auto",
        notes: Mapping[str, Any] | None = None,
    ) -> None:
        """Take one of torchvision's networks, its sha256 ``weights`` and its labels ``names`` (classes,)."""
        self.name = name
        self.device = resolve_device(device)
        self.precision = resolve_precision(precision, self.device)
        self.network: Any = network.eval().to(self.device, torch_dtype(self.precision))
        self.names = np.array(names, object)
        self.loaded_from: Mapping[str, Any] = {}
        self.query_dimension = 0
        self.batch_size = PREPARED[self.device.type]
        self._reader = reader_of(self.network)
        transform: Any = self.network.transform
        self.recipe: Mapping[str, Any] = {
            "family": "torchvision",
            "network": name,
            "weights": weights,
            "names": content_id("\n".join(names).encode()),
            **_input_rule(transform),
            "normalization": {"mean": list(transform.image_mean), "std": list(transform.image_std)},
            "resampling": RESAMPLING,
            "precision": self.precision,
            **(notes or {}),
        }
        self.source = f"{name}@{recipe_digest(self.recipe)}"
        self.input_wh = _largest(transform)
        self.heads = self._probed_heads()

    def run(self, inputs: Sequence[Pixels] | Pixels) -> MapRun:
        """Run prepared inputs (h, w, 3), each of its own size; a row does not depend on the others."""
        rows = in_passes(inputs, self._run_batch, self.device)
        maps = {
            head.layer: [features[level] for _, features in rows] for level, head in enumerate(self.heads)
        }
        return MapRun(tuple(raw for raw, _ in rows), maps)

    def find_objects(
        self, run: MapRun, row: int, image_id: str, frame: Frame, *, confidence: float, iou: float
    ) -> Objects:
        """Return the objects of one image of a pass, highest score first, as many as torchvision keeps.

        As in torchvision, but with these thresholds: scores below ``confidence`` are dropped, then boxes
        whose IoU with a higher-scoring one of their class is above ``iou``. Raises NonFiniteError.
        """
        check_thresholds(confidence, iou)
        raw = run.heads[row]
        check_finite(self.name, image_id, *raw.outputs)
        found = predictions(self._reader.kept(raw, confidence, iou), self.heads, raw.grids)
        return objects_inside(found, image_id, frame, self.names, self.source)

    def _run_batch(self, pixels: Tensor) -> list[tuple[Any, list[Tensor]]]:
        """Return head outputs and maps (c, h, w) of each of b inputs (b, 3, h, w) uint8 of one size."""
        with torch.inference_mode(), reproducible(self.device):
            features, images = self._features(pixels)
            raw = self._reader.raw(features, images)
            maps = [[level[row].float() for level in features.values()] for row in range(len(raw))]
        return list(zip(raw, maps, strict=True))

    def _features(self, pixels: Tensor) -> tuple[dict[str, Tensor], ImageList]:
        """Return the backbone's maps by name, and the padded images with their sizes before padding."""
        size = (pixels.shape[2], pixels.shape[3])
        multiple = self.network.transform.size_divisible
        down, right = (-side % multiple for side in size)
        inputs = normalized(pixels, self.recipe, self.device)
        padded = functional.pad(inputs, (0, right, 0, down)).to(torch_dtype(self.precision))
        features = self.network.backbone(padded)
        if isinstance(features, Tensor):
            features = OrderedDict([("0", features)])
        return features, ImageList(padded, [size] * len(pixels))

    def _probed_heads(self) -> tuple[Head, ...]:
        """Describe the levels of the network, probed with a black image.

        In Faster R-CNN this also fixes the scale of each level, which torchvision takes from the first image
        it sees, of any shape.
        """
        height, width = self.network.transform.fixed_size or (_PROBE, _PROBE)
        with torch.inference_mode():
            features, images = self._features(torch.zeros((1, 3, height, width), dtype=torch.uint8))
            self._reader.raw(features, images)
            anchors = self._reader.anchors(features, images)
        steps = getattr(getattr(self.network, "anchor_generator", None), "steps", None)
        heads: list[Head] = []
        for level, (name, features_of) in enumerate(features.items()):
            stride = steps[level] if steps else round(width / features_of.shape[3])
            first = sum(len(head.anchors) for head in heads)
            numbers = tuple(range(first, first + len(anchors[level])))
            grid = (-(-self.input_wh[0] // stride), -(-self.input_wh[1] // stride))
            heads.append(
                Head(level, f"backbone.{name}", stride, features_of.shape[1], grid, anchors[level], numbers)
            )
        return tuple(heads)


def load_torchvision(
    name: str,
    *,
    weights: Path | str | None,
    names: Path | str | None,
    device: str = "cpu",
    precision: str = "auto",
) -> TorchvisionDetector:
    """Load the detector of one of the names in :data:`objectspace.models.catalogue.TORCHVISION`.

    weights: a state dict, otherwise torchvision's own of COCO, fetched once
    names: a file of class names, without or with the background's, which is class 0; otherwise COCO's
    """
    path = fetch(TORCHVISION[name]) if weights is None else Path(weights)
    tensors = load_state_dict(path)
    classes = count_classes(name, tensors, path)
    network = getattr(detection, name)(weights=None, weights_backbone=None, num_classes=classes)
    fill(network, tensors, path, name)
    sha256 = file_sha256(path)
    notes = {}
    if sha256 in EPS_0:
        notes["batch_norm_eps"] = 0.0
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eps = 0.0
    return TorchvisionDetector(
        name,
        network,
        weights=sha256,
        names=class_names(classes, names, path),
        device=device,
        precision=precision,
        notes=notes,
    )


def count_classes(name: str, tensors: Mapping[str, Tensor], path: Path) -> int:
    """Count the classes of a state dict, with the background. Raises WeightsError for another network's."""
    for key in _CLASS_SCORES:
        if key not in tensors:
            continue
        scores = int(tensors[key].shape[0])
        if key.startswith("roi_heads") or name.startswith("fcos"):
            return scores
        # RetinaNet has 9 anchors a cell; the first of SSD's maps 4, of SSDLite's 6.
        each = 9 if name.startswith("retinanet") else 6 if name.startswith("ssdlite") else 4
        if scores % each == 0:
            return scores // each
    raise WeightsError(f"{path} holds no class scores of {name}; it is of another network")


def class_names(classes: int, given: Path | str | None, weights: Path) -> tuple[str, ...]:
    """Return the labels of all classes, the background first: of a file, COCO's, or numbers."""
    numbered = tuple(f"class {number}" for number in range(classes))
    if given is not None:
        names = read_names(given)
        if len(names) == classes:
            return names
        if len(names) == classes - 1:
            return (numbered[0], *names)
        raise InputError(
            f"{given} has {len(names)} names, but {weights} has {classes - 1} classes beside the background"
        )
    if classes == len(_COCO_CATEGORIES):
        # Of COCO's 90 numbers ten have no class; a network says one of them only by mistake.
        known = [coco_spelling(name) for name in _COCO_CATEGORIES]
        return tuple(
            name if name in COCO_NAMES else number for name, number in zip(known, numbered, strict=True)
        )
    return (numbered[0], *COCO_NAMES) if classes == len(COCO_NAMES) + 1 else numbered


def _input_rule(transform: Any) -> dict[str, Any]:
    """Describe how an image becomes an input, as recipes have it."""
    if transform.fixed_size is not None:
        return {"resize": "stretch", "input_wh": list(transform.fixed_size)}
    sides = [transform.min_size[-1], transform.max_size]
    return {"resize": "shorter side", "sides": sides, "padded_to": transform.size_divisible}


def _largest(transform: Any) -> tuple[int, int]:
    if transform.fixed_size is not None:
        width, height = transform.fixed_size
        return width, height
    longest = -(-transform.max_size // transform.size_divisible) * transform.size_divisible
    return longest, longest
