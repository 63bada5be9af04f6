"""Zero every window of several layers on all photos, and count the predictions lost: see docs/occlusion.md.

python tools/occlusion_study.py ../shared/real occlusion.jsonl
python tools/occlusion_tables.py occlusion.jsonl

Each line of occlusion.jsonl is one photo at one tap; a run that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from objectspace.analyses.occlusion import Occlusion, measure_occlusion
from objectspace.images import Image, find_images, read_image
from objectspace.models.detectors import load_detector
from objectspace.models.detectors.darknet_models import DarknetDetector
from objectspace.objects.boxes import iou
from objectspace.objects.records import Objects
from objectspace.threads import use_one_torch_thread

#: The layers before YOLOv3-tiny's heads (14 deepest, 21 finer), two earlier ones, the input.
TAPS = ("14", "21", "13", "12", "pixels")
SIZES = (1, 3)
CONFIDENCE, SAME = 0.25, 0.5


def main() -> None:
    """Measure what is not in the file yet, tap by tap."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("real", type=Path)
    parser.add_argument("file", type=Path)
    parser.add_argument("--photos", default="photos/coco128", help="a folder of ``real``")
    parser.add_argument("--taps", nargs="+", default=TAPS)
    parser.add_argument("--every", type=int, default=1, help="take every so-manieth photo")
    given = parser.parse_args()
    use_one_torch_thread()
    weights = given.real / "weights" / "yolov3-tiny.weights"
    detector = load_detector("yolov3-tiny", weights=weights, precision="float32")
    assert isinstance(detector, DarknetDetector)
    photos = find_images([given.real / given.photos])[:: given.every]
    lines = given.file.read_text().splitlines() if given.file.exists() else []
    done = {(line["photo"], line["tap"]) for line in map(json.loads, lines)}
    for tap in given.taps:
        for photo in photos:
            if (photo.stem, tap) not in done:
                line = {"photo": photo.stem, "tap": tap, "predictions": occlude(detector, photo, tap)}
                with given.file.open("a") as file:
                    print(json.dumps(line), file=file)


def occlude(detector: DarknetDetector, photo: Path, tap: str) -> list[dict[str, Any]]:
    """Return what befalls each prediction of a photo, as JSON."""
    image = read_image(photo)
    result = measure_occlusion(detector, image, tap=tap, sizes=SIZES, confidence=CONFIDENCE)
    candidates = _candidates(detector, image)
    heads = result.objects.provenance.head.tolist()
    return [
        {"head": head, **_fate(result, row), **_others(result, row, candidates)}
        for row, head in enumerate(heads)
    ]


def _candidates(detector: DarknetDetector, image: Image) -> Objects:
    """Return the predictions of the unchanged image before suppression."""
    run = detector.run([detector.prepare(image)])
    found = detector.predictions(run, 0, image.image_id, CONFIDENCE)
    return detector.objects_of(found, image.image_id, detector.frame((image.width, image.height)))


def _fate(result: Occlusion, row: int) -> dict[str, Any]:
    """Return the windows under which one prediction's score falls below the threshold, or the object is lost.

    fallen: before suppression, at its own cell and anchor; lost: after it, no detection takes its place.
    Of windows that do not cover its cell: the share, of those of 3 x 3 cells.
    """
    x, y = _own_cell(result, row)
    windows = result.windows
    across = (windows.x <= x) & (x < windows.x + windows.size)
    covers = across & (windows.y <= y) & (y < windows.y + windows.size)
    columns, rows = result.grid_wh
    left, top = (int(np.clip(at - 1, 0, end - 3)) for at, end in ((x, columns), (y, rows)))
    kinds = {
        "own": (windows.size == 1) & covers,
        "around": (windows.size == 3) & (windows.x == left) & (windows.y == top),
        "others": (windows.size == 3) & ~covers,
    }
    fallen, lost = result.scores[:, row] < CONFIDENCE, result.disappeared[:, row]
    fate: dict[str, Any] = {"changes": bool(result.score_change[:, row].any())}
    for kind, chosen in kinds.items():
        fate[kind] = {"fallen": float(fallen[chosen].mean()), "lost": float(lost[chosen].mean())}
        fate[kind]["found again"] = float((fallen & ~lost)[chosen].mean())
    return fate


def _own_cell(result: Occlusion, row: int) -> tuple[int, int]:
    """Return the cell of the tap's grid that holds the middle of a prediction's own cell."""
    cells = result.objects.provenance
    middle = (np.array([cells.cell_x[row], cells.cell_y[row]]) + 0.5) * cells.stride[row]
    x, y = (middle * result.grid_wh / result.frame.input_wh).astype(int).tolist()
    return x, y


def _others(result: Occlusion, row: int, candidates: Objects) -> dict[str, bool]:
    """Return who else predicts the object in the unchanged image, before suppression: its label, IoU 0.5."""
    objects, cells, own = result.objects, candidates.provenance, result.objects.provenance
    alike = (candidates.label == objects.label[row]) & (
        iou(objects.xyxy[row : row + 1], candidates.xyxy)[0] >= SAME
    )
    same_head = cells.head == own.head[row]
    same_cell = same_head & (cells.cell_x == own.cell_x[row]) & (cells.cell_y == own.cell_y[row])
    return {
        "other cell": bool((alike & same_head & ~same_cell).any()),
        "other head": bool((alike & ~same_head).any()),
    }


if __name__ == "__main__":
    main()
