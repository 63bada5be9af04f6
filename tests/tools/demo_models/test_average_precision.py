from __future__ import annotations

import contextlib
import io
import math

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from tools.demo_models.average_precision import Boxes, average_precision, matched


def boxes(*rows: tuple[int, float, float, float, float, float]) -> Boxes:
    """Rows of picture, x1, y1, x2, y2, score."""
    table = np.array(rows, np.float64).reshape(-1, 6)
    return Boxes(table[:, 0].astype(np.int64), table[:, 1:5].astype(np.float32), table[:, 5])


def coco(found: Boxes, truths: Boxes, pictures: int) -> float:
    """The same by pycocotools."""

    def rows(part: Boxes) -> list[dict]:
        return [
            {
                "id": number + 1,
                "image_id": int(picture) + 1,
                "category_id": 1,
                "bbox": [*box[:2].tolist(), *(box[2:] - box[:2]).tolist()],
                "area": float((box[2:] - box[:2]).prod()),
                "iscrowd": 0,
                "score": float(score),
            }
            for number, (picture, box, score) in enumerate(
                zip(part.picture, part.xyxy, part.score, strict=True)
            )
        ]

    with contextlib.redirect_stdout(io.StringIO()):
        known = COCO()
        known.dataset = {
            "images": [{"id": number + 1} for number in range(pictures)],
            "annotations": rows(truths),
            "categories": [{"id": 1}],
        }
        known.createIndex()
        evaluation = COCOeval(known, known.loadRes(rows(found)), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
    return float(evaluation.eval["precision"][0, :, 0, 0, -1].mean())


def scattered(generator: np.random.Generator, count: int, pictures: int) -> Boxes:
    corner = generator.uniform(0, 60, (count, 2))
    xyxy = np.concatenate([corner, corner + generator.uniform(10, 40, (count, 2))], 1)
    return Boxes(generator.integers(0, pictures, count), xyxy, generator.permutation(count) / count)


@pytest.mark.parametrize("seed", range(5))
def test_it_is_cocos(seed: int) -> None:
    generator = np.random.default_rng(seed)
    truths = scattered(generator, 60, 12)
    near = truths.take(generator.random(60) < 0.7)
    shift = np.tile(generator.normal(0, 4, (len(near.score), 2)), 2)
    moved = Boxes(near.picture, near.xyxy + shift, generator.random(len(near.score)))
    false = scattered(generator, 30, 12)
    found = Boxes(
        *(np.concatenate([getattr(a, n) for a in (moved, false)]) for n in ("picture", "xyxy", "score"))
    )
    assert average_precision(found, truths) == pytest.approx(coco(found, truths, 12), abs=1e-9)


def test_by_hand() -> None:
    truths = boxes((0, 0, 0, 10, 10, 1), (1, 0, 0, 10, 10, 1))
    found = boxes((0, 0, 0, 10, 10, 0.9), (0, 50, 50, 60, 60, 0.8), (1, 0, 0, 10, 10, 0.7))
    # Precision 1 up to recall 1/2 (levels 0 to 0.5: 51 of them), then 2/3 (50 of them).
    assert average_precision(found, truths) == pytest.approx((51 + 50 * 2 / 3) / 101)


def test_a_truth_is_taken_once_by_the_best() -> None:
    truths = boxes((0, 0, 0, 10, 10, 1))
    found = boxes((0, 0, 0, 10, 9, 0.5), (0, 0, 0, 10, 8, 0.9))
    assert matched(found, truths, iou=0.5).tolist() == [-1, 0]


def test_nothing_found_is_nothing_and_no_truths_are_no_number() -> None:
    assert average_precision(boxes(), boxes((0, 0, 0, 1, 1, 1))) == 0
    assert math.isnan(average_precision(boxes((0, 0, 0, 1, 1, 1)), boxes()))
