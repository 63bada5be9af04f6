"""The DETR family of transformers: objects from queries, each with the query that made it.

Sources: N. Carion et al., "End-to-End Object Detection with Transformers", ECCV 2020; Y. Zhao et al., "DETRs
Beat YOLOs on Real-time Object Detection", CVPR 2024 (RT-DETR, whose decoder D-FINE has as well).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from objectspace.errors import InputError, ModelError
from objectspace.files import content_id, recipe_digest
from objectspace.images import Pixels
from objectspace.models.batches import PREPARED
from objectspace.models.catalogue import plain_name
from objectspace.models.detectors import Detector
from objectspace.models.detectors.passes import check_thresholds, in_passes, normalized
from objectspace.models.detectors.pretrained import PretrainedDetector, load_pretrained_detr
from objectspace.models.inputs import RESAMPLING
from objectspace.models.maps import Head, MapRun, check_finite
from objectspace.models.precision import reproducible, resolve_device, resolve_precision
from objectspace.objects import boxes
from objectspace.objects.boxes import Frame
from objectspace.objects.labels import coco_spelling, read_names
from objectspace.objects.records import Objects, Provenance, make_objects

#: Conditional DETR keeps as many pairs of query and class (``post_process_object_detection``).
_CONDITIONAL_TOP = 100

#: RT-DETR's proposals start from squares of this share of the input, twice as large on each further level.
_PROPOSAL_SIDE = 0.05

#: Strides that a DETR's backbone may have, and an input in which each gives another number of cells.
_STRIDES, _PROBE_HW = (4, 8, 16, 32, 64), (128, 192)


@dataclass(frozen=True, eq=False)
class Answers:
    """The outputs of the queries (q) of one image.

    logits: (q, classes), of DETR with "no object" last; boxes: (q, 4) center, width and height in [0, 1]
    start: (q,) the number of the cell, in the order level, row, column, whose proposal a query started from,
        and objectness: (q,) in [0, 1] what it was chosen by; None where queries are learned
    grids: (rows, columns) of each map
    """

    logits: Tensor
    boxes: Tensor
    start: Tensor | None
    objectness: Tensor | None
    grids: tuple[tuple[int, int], ...]


class DetrDetector(Detector):
    """A detector of the DETR family; made by :func:`load_detr`.

    See :class:`objectspace.models.maps.MapSource` for the attributes. Its maps are the encoder's: one of
    DETR, one of each level of RT-DETR and D-FINE. ``queries`` of a run are the decoder's last states, and the
    provenance of an object has its query as ``anchor``. It runs in float32: a query's box is four numbers
    from 0 to 1, of which bfloat16 has too few digits for a place in an image.
    """

    def __init__(
        self, name: str, pretrained: PretrainedDetector, names: Sequence[str], device: str = "cpu"
    ) -> None:
        """Take the network and its labels, ``names`` (classes,)."""
        self.name = name
        self.device = resolve_device(device)
        self.precision = "float32"
        self.network: Any = pretrained.network.to(self.device)
        self.names = np.array(names, object)
        self.loaded_from: Mapping[str, Any] = {}
        self.batch_size = PREPARED[self.device.type]
        config = self.network.config
        self.query_dimension = int(config.d_model)
        self._kind = str(config.model_type)
        self.recipe: Mapping[str, Any] = {
            "family": "detr",
            "network": self._kind,
            "weights": pretrained.sha256,
            "names": content_id("\n".join(names).encode()),
            **pretrained.input_rule,
            "normalization": {"mean": list(pretrained.mean), "std": list(pretrained.std)},
            "resampling": RESAMPLING,
            "precision": self.precision,
        }
        self.source = f"{name}@{recipe_digest(self.recipe)}"
        longest = pretrained.input_rule.get("sides", [0])[-1]
        self.input_wh: tuple[int, int] = tuple(pretrained.input_rule.get("input_wh", (longest, longest)))
        self.heads = self._levels() if self._two_stage else (self._only_map(),)

    def run(self, inputs: Sequence[Pixels] | Pixels) -> MapRun:
        """Run prepared inputs (h, w, 3), each of its own size; a row does not depend on the others."""
        rows = in_passes(inputs, self._run_batch, self.device)
        maps = {head.layer: [features[head.layer] for _, features, _ in rows] for head in self.heads}
        return MapRun(tuple(answers for answers, _, _ in rows), maps, [queries for _, _, queries in rows])

    def find_objects(
        self, run: MapRun, row: int, image_id: str, frame: Frame, *, confidence: float, iou: float
    ) -> Objects:
        """Return the objects of one image of a pass whose score is at least ``confidence``, highest first.

        Queries suppress one another in the decoder, so nothing is suppressed here: ``iou`` is not used.
        Raises NonFiniteError.
        """
        check_thresholds(confidence, iou)
        answers: Answers = run.heads[row]
        check_finite(self.name, image_id, answers.logits, answers.boxes, answers.objectness)
        score, label, query = self._scored(answers.logits)
        order = torch.argsort(score, descending=True, stable=True)
        order = order[score[order] >= confidence]
        score, label, query = score[order], label[order], query[order]
        # The image fills the input, so a share of the input is one of the image.
        center, sides = answers.boxes[query, :2], answers.boxes[query, 2:]
        corners = torch.cat([center - sides / 2, center + sides / 2], 1).numpy()
        xyxy = boxes.clip((corners * np.array(frame.image_wh * 2)).astype(np.float32), frame.image_wh)
        inside = np.flatnonzero(boxes.area(xyxy) > 0)
        return make_objects(
            image_id=image_id,
            xyxy=xyxy[inside],
            label=self.names[label.numpy()[inside]].tolist(),
            source=self.source,
            score=score.numpy()[inside],
            provenance=self._provenance(answers, query.numpy(), frame).take(inside),
        )

    @property
    def _two_stage(self) -> bool:
        """Whether the queries start from proposals of the encoder's cells."""
        return self._kind in ("rt_detr", "rt_detr_v2", "d_fine")

    def _scored(self, logits: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return score, class and query of each answer: one a query, or the best pairs of query and class."""
        queries, classes = logits.shape
        if self._kind == "detr":
            score, label = torch.softmax(logits, -1)[:, :-1].max(-1)
            return score, label, torch.arange(queries)
        most = queries if self._two_stage else min(_CONDITIONAL_TOP, queries * classes)
        score, pair = torch.topk(torch.sigmoid(logits).flatten(), most)
        return score, pair % classes, pair // classes

    def _provenance(self, answers: Answers, query: NDArray[np.int64], frame: Frame) -> Provenance:
        """Return the query of each object and its cell: its proposal's, or the one at its box's center."""
        if answers.start is not None and answers.objectness is not None:
            level, x, y = _cells(answers.start.numpy()[query], answers.grids)
            objectness = answers.objectness.numpy()[query]
        else:
            rows, columns = answers.grids[0]
            center = answers.boxes[query, :2].numpy() * np.array(frame.input_wh) / self.heads[0].stride
            x, y = np.clip(np.floor(center).astype(np.int32), 0, (columns - 1, rows - 1)).T
            level = np.zeros(len(query), np.int64)
            objectness = (
                _certainty(answers.logits)[query] if self._kind == "detr" else np.full(len(query), np.nan)
            )
        return Provenance(
            head=np.array([head.layer for head in self.heads], np.int32)[level],
            stride=np.array([head.stride for head in self.heads], np.int32)[level],
            cell_x=x.astype(np.int32),
            cell_y=y.astype(np.int32),
            anchor=query.astype(np.int32),
            objectness=objectness.astype(np.float32),
        )

    def _run_batch(self, pixels: Tensor) -> list[tuple[Answers, list[Tensor], Tensor]]:
        """Return answers, maps (c, h, w) and queries (q, d) of each of inputs (b, 3, h, w) uint8."""
        with torch.inference_mode(), reproducible(self.device):
            outputs = self._forward(pixels)
            maps = self._maps(outputs, (pixels.shape[2], pixels.shape[3]))
            grids = tuple((one.shape[2], one.shape[3]) for one in maps)
            start, objectness = self._starts(outputs, grids)
        rows = []
        for row in range(len(pixels)):
            answers = Answers(
                outputs.logits[row].float().cpu(),
                outputs.pred_boxes[row].float().cpu(),
                None if start is None else start[row].cpu(),
                None if objectness is None else objectness[row].cpu(),
                grids,
            )
            rows.append((answers, [one[row] for one in maps], outputs.last_hidden_state[row]))
        return rows

    def _forward(self, pixels: Tensor) -> Any:
        return self.network(pixel_values=normalized(pixels, self.recipe, self.device))

    def _maps(self, outputs: Any, input_hw: tuple[int, int]) -> list[Tensor]:
        """Return the encoder's maps (b, c, h, w)."""
        if self._two_stage:
            return list(outputs.encoder_last_hidden_state)
        tokens = outputs.encoder_last_hidden_state
        rows, columns = (-(-side // self.heads[0].stride) for side in input_hw)
        return [tokens.transpose(1, 2).reshape(len(tokens), -1, rows, columns)]

    def _starts(self, outputs: Any, grids: Sequence[tuple[int, int]]) -> tuple[Tensor | None, Tensor | None]:
        """Return the cells (b, q) that the network chose to start the queries from, and their scores."""
        if not self._two_stage:
            return None, None
        best = outputs.enc_outputs_class.max(-1).values
        if best.shape[1] != sum(rows * columns for rows, columns in grids):
            raise ModelError(f"{self.name} has levels beside those of its encoder, which is not supported")
        chosen, start = torch.topk(best, self.network.config.num_queries, dim=1)
        return start, torch.sigmoid(chosen)

    def _levels(self) -> tuple[Head, ...]:
        """Describe the encoder's maps of RT-DETR and D-FINE."""
        config = self.network.config
        width, height = self.input_wh
        heads = []
        for level, stride in enumerate(config.feat_strides):
            side = _PROPOSAL_SIDE * 2**level
            anchor = np.array([[width * side, height * side]], np.float32)
            grid = (-(-width // stride), -(-height // stride))
            heads.append(
                Head(level, f"encoder.{level}", stride, config.encoder_hidden_dim, grid, anchor, (level,))
            )
        return tuple(heads)

    def _only_map(self) -> Head:
        """Describe the encoder's map of DETR, probed with a black image."""
        black = torch.zeros((1, 3, *_PROBE_HW), dtype=torch.uint8)
        with torch.inference_mode():
            _, cells, channels = self._forward(black).encoder_last_hidden_state.shape
        for stride in _STRIDES:
            if cells == -(-_PROBE_HW[0] // stride) * -(-_PROBE_HW[1] // stride):
                grid = (-(-self.input_wh[0] // stride), -(-self.input_wh[1] // stride))
                return Head(0, "encoder", stride, channels, grid, np.empty((0, 2), np.float32), ())
        raise ModelError(
            f"the encoder of {self.name} has {cells} cells for {_PROBE_HW}, which is no known stride"
        )


def load_detr(
    name: str, *, names: Path | str | None, device: str = "cpu", precision: str = "auto"
) -> DetrDetector:
    """Load the detector of a folder that transformers saved, or of the hub; see :mod:`.pretrained`.

    names: a file of class names; otherwise those of its configuration, as COCO spells them
    Raises InputError for bfloat16, in which such a detector has no boxes to speak of.
    """
    if precision == "bfloat16":
        raise InputError(f"{name} runs in float32 only: bfloat16 has too few digits for its boxes")
    resolve_precision(precision, resolve_device(device))
    pretrained = load_pretrained_detr(name)
    labels = _class_names(pretrained.network.config, names, name)
    return DetrDetector(plain_name(name), pretrained, labels, device)


def _class_names(config: Any, given: Path | str | None, name: str) -> tuple[str, ...]:
    count = int(config.num_labels)
    if given is not None:
        names = read_names(given)
        if len(names) != count:
            raise InputError(f"{given} has {len(names)} names, but {name} has {count} classes")
        return names
    known = [coco_spelling(str(config.id2label.get(number, "N/A"))) for number in range(count)]
    # COCO's 91 numbers have gaps, which would all have one name.
    return tuple(f"class {number}" if label == "N/A" else label for number, label in enumerate(known))


def _certainty(logits: Tensor) -> NDArray[np.float32]:
    """Return the probability (q,) that a query of DETR means an object at all."""
    certainty: NDArray[np.float32] = (1 - torch.softmax(logits, -1)[:, -1]).numpy()
    return certainty


def _cells(
    start: NDArray[np.int64], grids: Sequence[tuple[int, int]]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return level, column and row of cells by their numbers in the order level, row, column."""
    counts = np.array([rows * columns for rows, columns in grids])
    ends = np.cumsum(counts)
    level = np.searchsorted(ends, start, side="right")
    within = start - (ends - counts)[level]
    columns = np.array([columns for _, columns in grids])[level]
    return level, within % columns, within // columns
