"""Scores of the demo models on held-out pictures of the drawn world, as docs/default-models.md has them.

python -m tools.demo_models.evaluate --work FOLDER

Run from the repository's root. Without --detector-weights and --encoder-weights it is the shipped ones.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from objectspace.images import Image
from objectspace.models.catalogue import DEMO_ENCODER
from objectspace.models.detectors import Detector, load_detector
from objectspace.models.encoders import load_encoder
from objectspace.models.weights import fetch, load_state_dict
from objectspace.objects.records import concatenate
from objectspace.scenes.world import KINDS
from tools.demo_models.average_precision import Boxes, average_precision, matched
from tools.demo_models.pictures import SIDE, Pictures, load_pictures

#: The held-out pictures: another seed than training's, and how many of it.
SEED, COUNT = 2, 500

#: Detections are ranked for average precision down to this score.
_LEAST_SCORE = 0.01

#: The detectors' default.
_CONFIDENCE = 0.25


@dataclass(frozen=True)
class DetectorScores:
    """By kind (8,): average precision at IoU 0.5, and precision and recall at the default confidence 0.25."""

    ap: NDArray[np.float64]
    precision: NDArray[np.float64]
    recall: NDArray[np.float64]


def main() -> None:
    """Print the scores and the logs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="folder of the drawn pictures")
    parser.add_argument("--detector-weights", type=Path)
    parser.add_argument("--encoder-weights", type=Path)
    given = parser.parse_args()
    pictures = load_pictures(given.work, SEED, COUNT)
    print(f"{COUNT} pictures of seed {SEED}, {len(pictures.kind)} objects.\n")
    detector = load_detector("demo", weights=given.detector_weights, precision="float32")
    print_detector(score_detector(*detect(detector, pictures), truths_of(pictures), pictures.kind))
    weights = given.encoder_weights or fetch(DEMO_ENCODER)
    for name, offset in (("mask on black", 0), ("box", 1)):
        print_confusion(name, confusion(weights, pictures.crops[offset::2], pictures.kind))
    for model in ("detector", "encoder"):
        print_log(model, given.work)


def detect(detector: Detector, pictures: Pictures) -> tuple[Boxes, NDArray[np.int64]]:
    """What the detector finds in all pictures, and the kind (n,) of each."""
    parts, picture = [], []
    for number, pixels in enumerate(pictures.pixels):
        image = Image(f"{number}", f"{number}", np.ascontiguousarray(pixels), SIDE, SIDE)
        (found,) = detector.detect([image], confidence=_LEAST_SCORE)
        parts.append(found)
        picture.append(np.full(len(found), number))
    objects = concatenate(parts)
    kinds = np.array([KINDS.index(label) for label in objects.label], np.int64)
    return Boxes(np.concatenate(picture), objects.xyxy, objects.score.astype(np.float64)), kinds


def truths_of(pictures: Pictures) -> Boxes:
    """The true boxes of all pictures."""
    return Boxes(pictures.picture, pictures.xyxy, np.ones(len(pictures.kind)))


def score_detector(
    found: Boxes, found_kind: NDArray[np.int64], truths: Boxes, true_kind: NDArray[np.int64]
) -> DetectorScores:
    """The scores of each kind."""
    rows = []
    for kind in range(len(KINDS)):
        own, real = found.take(found_kind == kind), truths.take(true_kind == kind)
        sure = own.take(own.score >= _CONFIDENCE)
        right = (matched(sure, real, iou=0.5) >= 0).sum()
        rows.append((average_precision(own, real), right / max(len(sure.score), 1), right / len(real.score)))
    return DetectorScores(*np.array(rows).T)


def confusion(weights: Path, crops: NDArray[np.uint8], kind: NDArray[np.int64]) -> NDArray[np.int64]:
    """How often a crop of kind (row) is taken for kind (column) by the encoder with its own classifier."""
    encoder = load_encoder("demo", weights=weights, precision="float32")
    classifier = load_state_dict(weights)
    logits = encoder.embed(crops) @ classifier["fc.weight"].float().numpy().T + classifier["fc.bias"].numpy()
    table = np.zeros((len(KINDS), len(KINDS)), np.int64)
    np.add.at(table, (kind, logits.argmax(1)), 1)
    return table


def print_log(model: str, folder: Path) -> None:
    """A row an epoch of a training, if it was run in this folder."""
    path = folder / model / "log.jsonl"
    if not path.exists():
        return
    print(f"\n| epochs of the {model} | steps | mean loss | seconds |\n| --- | --- | --- | --- |")
    seconds = 0.0
    for line in map(json.loads, path.read_text().splitlines()):
        print(f"| {line['epoch']} | {line['step']} | {line['loss']:.3f} | {line['seconds']:.0f} |")
        seconds += line["seconds"]
    print(f"\nThe {model}'s training took {seconds / 60:.0f} minutes.")


def print_detector(scores: DetectorScores) -> None:
    """A row a kind, and the mean."""
    print("| kind | AP@0.5 | precision at 0.25 | recall at 0.25 |\n| --- | --- | --- | --- |")
    columns = (scores.ap, scores.precision, scores.recall)
    for kind, *numbers in zip((*KINDS, "**mean**"), *(np.append(c, c.mean()) for c in columns), strict=True):
        print(f"| {kind} | " + " | ".join(f"{number:.3f}" for number in numbers) + " |")


def print_confusion(name: str, table: NDArray[np.int64]) -> None:
    """The accuracy, and a row a true kind."""
    print(f"\nCrops by {name}: accuracy **{table.trace() / table.sum():.3f}** of {table.sum()}.\n")
    print("| true \\ taken for | " + " | ".join(KINDS) + " |\n" + "| --- " * (len(KINDS) + 1) + "|")
    for kind, row in zip(KINDS, table, strict=True):
        print(f"| {kind} | " + " | ".join(str(count) for count in row) + " |")


if __name__ == "__main__":
    main()
