from __future__ import annotations

import numpy as np
import pytest

from objectspace.models.prompts.found import DUPLICATE_IOU, Found, each_once


def found(*rows: tuple[list[float], int, float]) -> Found:
    """Boxes relative to a photo of 100 x 50 pixels, each with its word and score; queries in order."""
    xyxy, word, score = zip(*rows, strict=True)
    relative = np.array(xyxy, np.float32) / np.array([100, 50, 100, 50], np.float32)
    queries = np.arange(len(rows))
    return Found(relative, np.array(word, np.int64), np.array(score, np.float32), queries)


def queries_kept(*rows: tuple[list[float], int, float]) -> list[int]:
    return each_once(found(*rows), (100, 50))[0].query.tolist()


def test_best_first_and_equal_scores_in_the_order_of_words_then_queries() -> None:
    rows = [
        ([0, 0, 10, 10], 1, 0.5),
        ([20, 0, 30, 10], 0, 0.5),
        ([40, 0, 50, 10], 0, 0.5),
        ([60, 0, 70, 10], 2, 0.9),
    ]
    assert queries_kept(*rows) == [3, 1, 2, 0]


def test_a_box_of_the_same_word_that_repeats_a_better_one_goes() -> None:
    # 9 of 10 columns shared: 90 of 100 pixels.
    assert queries_kept(([0, 0, 9, 10], 0, 0.4), ([0, 0, 10, 10], 0, 0.6)) == [1]


def test_overlap_up_to_the_threshold_stays() -> None:
    # 8 of 10 columns shared: exactly the threshold.
    assert DUPLICATE_IOU == 0.8
    assert queries_kept(([0, 0, 8, 10], 0, 0.4), ([0, 0, 10, 10], 0, 0.6)) == [1, 0]


def test_the_same_box_of_two_words_stays_twice() -> None:
    assert queries_kept(([0, 0, 10, 10], 0, 0.4), ([0, 0, 10, 10], 1, 0.6)) == [1, 0]


def test_boxes_are_cut_off_at_the_border_and_those_outside_go() -> None:
    kept, xyxy = each_once(
        found(([-10, -5, 50, 60], 0, 0.9), ([110, 0, 130, 10], 0, 0.8), ([90, 40, 100, 50], 0, 0.7)),
        (100, 50),
    )
    assert kept.query.tolist() == [0, 2]
    np.testing.assert_allclose(xyxy, [[0, 0, 50, 50], [90, 40, 100, 50]], rtol=1e-6)
    assert xyxy.dtype == np.float32


@pytest.mark.parametrize("seed", range(3))
def test_as_the_obvious_loop_does(seed: int) -> None:
    random = np.random.default_rng(seed)
    corner, side = random.uniform(0, 60, (40, 2)), random.uniform(5, 40, (40, 2))
    xyxy = np.concatenate([corner, corner + side], 1).astype(np.float32) * np.array([1, 0.5, 1, 0.5])
    xyxy = np.repeat(xyxy, 3, axis=0) + random.uniform(-1, 1, (120, 4))  # threes of near repetitions
    word, score = random.integers(0, 3, 120), random.permutation(120) / 120
    rows = [(list(box), int(w), float(s)) for box, w, s in zip(xyxy, word, score, strict=True)]

    boxes = each_once(found(*rows), (100, 50))[1].astype(np.float64)
    clipped = np.clip(xyxy, 0, [100, 50, 100, 50])
    kept: list[int] = []
    for row in np.argsort(-score):
        if all(word[row] != word[other] or overlap(clipped[row], clipped[other]) <= 0.8 for other in kept):
            kept.append(int(row))
    assert len(kept) < 120
    np.testing.assert_allclose(boxes, clipped[kept], atol=1e-4)


def overlap(first: np.ndarray, second: np.ndarray) -> float:
    low, high = np.maximum(first[:2], second[:2]), np.minimum(first[2:], second[2:])
    shared = np.prod(np.maximum(high - low, 0))
    return float(shared / (np.prod(first[2:] - first[:2]) + np.prod(second[2:] - second[:2]) - shared))
