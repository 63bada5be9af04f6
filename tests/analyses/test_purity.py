"""Purity against a double loop, and on spaces whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from objectspace.analyses.purity import measure_purity
from objectspace.embeddings.spaces import Recipe, Space
from objectspace.errors import InputError
from objectspace.objects.records import Objects, concatenate, make_objects

RECIPE = Recipe("crop", "fake", "0" * 64, "tap", {}, "float32", "0")


def make_space(vectors: np.ndarray, labels: list[str], images: list[str]) -> tuple[Space, Objects]:
    boxes = np.array([[0, 0, 1 + row, 1] for row in range(len(labels))], np.float32)
    objects = concatenate(
        [
            make_objects(image_id=image, xyxy=box[None], label=[label], source="s")
            for image, box, label in zip(images, boxes, labels, strict=True)
        ]
    )
    return Space("fake", RECIPE, objects.object_id, vectors.astype(np.float32)), objects


def random_space(seed: int, count: int = 60) -> tuple[Space, Objects, np.ndarray, list[str], list[str]]:
    rng = np.random.default_rng(seed)
    labels = [str(label) for label in rng.integers(0, 3, count)]
    images = [str(image) for image in rng.integers(0, 12, count)]
    vectors = rng.normal(size=(count, 4))
    return *make_space(vectors, labels, images), vectors, labels, images


def test_value_and_chance_equal_a_double_loop() -> None:
    space, objects, vectors, labels, images = random_space(0)
    shares, chances = [], []
    for row in range(len(labels)):
        others = [other for other in range(len(labels)) if images[other] != images[row]]
        others.sort(
            key=lambda other: np.linalg.norm(
                vectors[other].astype(np.float32) - vectors[row].astype(np.float32)
            )
        )
        shares.append(np.mean([labels[other] == labels[row] for other in others[:5]]))
        chances.append(np.mean([labels[other] == labels[row] for other in others]))
    purity = measure_purity(space, objects, k=5)
    assert purity.value == pytest.approx(np.mean(shares))
    assert purity.chance == pytest.approx(np.mean(chances))


def test_vectors_that_are_the_label_are_pure() -> None:
    labels = ["a", "b"] * 10
    space, objects = make_space(
        np.array([[ord(x)] for x in labels]), labels, [str(n // 2) for n in range(20)]
    )
    purity = measure_purity(space, objects, k=5)
    assert (purity.value, purity.low, purity.high) == (1, 1, 1)


def test_interval_covers_chance_for_noise_at_about_its_level() -> None:
    covered = 0
    for seed in range(40):
        space, objects, *_ = random_space(seed)
        purity = measure_purity(space, objects, k=5, seed=seed)
        covered += purity.low <= purity.chance <= purity.high
    # 95 % of 40 is 38; below 31 comes once in 10,000 times even if the true level were 90 %.
    assert covered >= 31


def test_one_photo_is_refused() -> None:
    space, objects = make_space(np.eye(3), ["a", "b", "c"], ["x", "x", "x"])
    with pytest.raises(InputError, match="at least two photos"):
        measure_purity(space, objects)


def test_rows_must_match() -> None:
    space, objects = make_space(np.eye(3), ["a", "b", "c"], ["x", "y", "z"])
    with pytest.raises(InputError, match="same order"):
        measure_purity(space, objects.take([2, 1, 0]))
