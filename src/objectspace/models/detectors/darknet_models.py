"""Detection with a Darknet network: pixels → heads → boxes, each with the cell that made it."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from objectspace.errors import InputError, ModelError, ModelWarning
from objectspace.files import content_id, file_sha256, recipe_digest
from objectspace.images import Pixels
from objectspace.models import batches
from objectspace.models.darknet.architectures import ARCHITECTURES
from objectspace.models.darknet.cfg import Cfg
from objectspace.models.darknet.layers import INPUT, Convolution, Layer, Layers, Yolo, read_layers
from objectspace.models.darknet.network import DarknetNetwork, load_network
from objectspace.models.detectors import Detector
from objectspace.models.detectors.passes import check_thresholds
from objectspace.models.detectors.predictions import (
    HeadReader,
    Predictions,
    best_first,
    objects_inside,
    unsuppressed,
)
from objectspace.models.inputs import RESAMPLING, checked_inputs
from objectspace.models.maps import Head, MapRun, check_finite
from objectspace.models.precision import resolve_device, resolve_precision, torch_dtype
from objectspace.objects.boxes import Frame
from objectspace.objects.labels import COCO_NAMES, read_names
from objectspace.objects.records import Objects


class DarknetDetector(Detector):
    """A Darknet network with what turns its heads into objects; made by :func:`load_darknet`.

    See :class:`objectspace.models.maps.MapSource` for the attributes. ``batch_size`` is the number of
    inputs that one pass of the network takes; :meth:`run` splits longer batches and fills up shorter ones.
    ``network`` has its batch norms folded; ``readers`` read its heads, in order; ``names`` (classes,) are the
    labels.
    """

    def __init__(
        self,
        name: str,
        network: DarknetNetwork,
        recipe: Mapping[str, Any],
        names: Sequence[str],
        device: torch.device,
    ) -> None:
        self.name = name
        self.recipe = recipe
        self.source = f"{name}@{recipe_digest(recipe)}"
        self.device = device
        self.precision: str = recipe["precision"]
        self.input_wh = network.layers.input_wh
        self.heads = tuple(_head(layer, network.layers) for layer in network.layers.heads)
        self.query_dimension = 0
        self.batch_size = batches.DARKNET[device.type]
        self.loaded_from: Mapping[str, Any] = {}
        self.names = np.array(names, object)
        self.readers = tuple(
            HeadReader(
                head, layer.settings.classes, layer.settings.scale_xy, self.input_wh, layer.settings.reading
            )
            for head, layer in zip(self.heads, network.layers.heads, strict=True)
            if isinstance(layer.settings, Yolo)
        )
        network.fold()
        self.network = network.to(device, torch_dtype(self.precision)).to(memory_format=torch.channels_last)

    def run(self, inputs: Sequence[Pixels] | Pixels) -> MapRun:
        """Run b prepared inputs (h, w, 3); a row does not depend on the others, on a CPU not by a bit."""
        stacked, taps = checked_inputs(inputs, self.input_wh), [head.tap for head in self.heads]
        runs = [
            self.network.run(self.batch(batch), taps)
            for batch in batches.batches(stacked, self.batch_size, self.device)
        ]
        heads = [_joined([run.heads[place] for run in runs], len(stacked)) for place in range(len(taps))]
        maps = {
            head.layer: _joined([run.taps[head.tap] for run in runs], len(stacked)) for head in self.heads
        }
        return MapRun(tuple(head.cpu() for head in heads), maps)

    def find_objects(
        self, run: MapRun, row: int, image_id: str, frame: Frame, *, confidence: float, iou: float
    ) -> Objects:
        """Return the objects of one image of a pass, highest score first.

        Each cell and anchor predicts its best class with the score objectness * class probability. Scores
        below ``confidence`` are dropped; then boxes whose IoU with a higher-scoring one of their class is
        above ``iou``; then boxes outside the image. Equal scores are in the order of head, cell row, cell
        column, anchor. Raises NonFiniteError.
        """
        check_thresholds(confidence, iou)
        found = self.predictions(run, row, image_id, confidence)
        return self.objects_of(found.take(unsuppressed(found, iou)), image_id, frame)

    def predictions(self, run: MapRun, row: int, image_id: str, confidence: float) -> Predictions:
        """Return the predictions of every head that reach the threshold, highest first, unsuppressed."""
        check_finite(self.name, image_id, *(raw[row] for raw in run.heads))
        return best_first(
            [reader.of_map(raw[row], confidence) for reader, raw in zip(self.readers, run.heads, strict=True)]
        )

    def objects_of(self, found: Predictions, image_id: str, frame: Frame) -> Objects:
        """Return the objects of predictions, clipped to the image; those outside it are dropped."""
        return objects_inside(found, image_id, frame, self.names, self.source)

    def batch(self, inputs: Pixels) -> Tensor:
        """Convert prepared inputs (b, h, w, 3) to the network's: (b, 3, h, w) in [0, 1] on its device."""
        pixels = torch.from_numpy(inputs).to(self.device).permute(0, 3, 1, 2)
        return pixels.to(torch.float32).div_(255).to(torch_dtype(self.precision))


def load_darknet(
    name: str,
    cfg: Cfg,
    weights: Path | str,
    *,
    names: Path | str | tuple[str, ...] | None,
    resize: str,
    device: str,
    precision: str,
) -> DarknetDetector:
    """Load the detector of a cfg and its weight file; see :func:`objectspace.models.detectors.load_detector`.

    names: of the classes, or the file that holds them

    Warns (ModelWarning) where published weights meet a cfg whose anchors are not those that they were trained
    with.
    """
    where = resolve_device(device)
    numbers = resolve_precision(precision, where)
    network = load_network(cfg, weights)
    if (channels := network.layers.input_shape[0]) != 3:
        raise cfg.net.error(f"channels={channels}, expected 3, as photos are read in red, green and blue")
    labels = _class_names(network.layers, names)
    sha256 = file_sha256(Path(weights))
    _warn_of_other_anchors(network.layers, sha256)
    recipe = {
        "family": "darknet",
        "cfg": cfg.sha256,
        "weights": sha256,
        "names": content_id("\n".join(labels).encode()),
        "input_wh": list(network.layers.input_wh),
        "resize": resize,
        "resampling": RESAMPLING,
        "precision": numbers,
    }
    return DarknetDetector(name, network, recipe, labels, where)


def _warn_of_other_anchors(layers: Layers, sha256: str) -> None:
    """Warn of heads whose anchors are not those that published weights of this sha256 were trained with."""
    published = next((known for known in ARCHITECTURES.values() if known.weights.sha256 == sha256), None)
    if published is None:
        return
    trained = {head.number: head.settings for head in read_layers(published.cfg()).heads}
    for head in layers.heads:
        own, known = head.settings, trained.get(head.number)
        if isinstance(own, Yolo) and isinstance(known, Yolo) and _anchors(own) != _anchors(known):
            mask = ",".join(str(number) for number in known.mask)
            anchors = ", ".join(f"{width:g},{height:g}" for width, height in known.anchors)
            warnings.warn(
                f"{head.where} predicts boxes of wrong sizes: the weights, published as {published.name}, "
                f"were trained with mask={mask} there, of anchors={anchors}; write that into the cfg, or "
                f"name the detector {published.name} in its place",
                ModelWarning,
                stacklevel=2,
            )


def _anchors(yolo: Yolo) -> list[tuple[float, float]]:
    return [yolo.anchors[number] for number in yolo.mask]


def _class_names(layers: Layers, given: Path | str | tuple[str, ...] | None) -> tuple[str, ...]:
    counts = {layer.settings.classes for layer in layers.heads if isinstance(layer.settings, Yolo)}
    if len(counts) != 1:
        words = f"heads of {sorted(counts)} classes" if counts else "no [yolo] layer, so it finds no objects"
        raise ModelError(f"{layers.path} has {words}; expected one or more heads of the same classes")
    count = counts.pop()
    if isinstance(given, tuple):
        names = given
    elif given is not None:
        names = read_names(given)
    elif count == len(COCO_NAMES):
        names = COCO_NAMES
    else:
        names = tuple(f"class {number}" for number in range(count))
    if len(names) != count:
        raise InputError(f"{given} has {len(names)} names, but {layers.path} has {count} classes")
    return names


def _head(yolo: Layer, layers: Layers) -> Head:
    """Describe a head for the window route: the layer before its own convolution is its tap."""
    own = layers.layers[yolo.inputs[0]] if yolo.inputs[0] != INPUT else None
    if own is None or not isinstance(own.settings, Convolution) or own.inputs[0] == INPUT:
        raise ModelError(f"{yolo.where} is expected to follow a convolution that reads an earlier layer")
    assert isinstance(yolo.settings, Yolo)
    tap = layers.layers[own.inputs[0]]
    _, rows, columns = yolo.shape
    return Head(
        layer=yolo.number,
        tap=tap.name,
        stride=yolo.stride,
        channels=tap.shape[0],
        grid_wh=(columns, rows),
        anchors=np.array(_anchors(yolo.settings), np.float32),
        anchor_index=yolo.settings.mask,
    )


def _joined(parts: Sequence[Tensor], count: int) -> Tensor:
    """Concatenate all parts and return the first ``count`` rows, in float32."""
    return (parts[0] if len(parts) == 1 else torch.cat(list(parts)))[:count].float()
