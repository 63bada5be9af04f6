"""The stages of a job apart: pixels of boxes, and objects of words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from objectspace.images import Failure, Image
from objectspace.pipeline.engine_threads import run
from objectspace.pipeline.job import Job
from objectspace.pipeline.results import ImageResult
from objectspace.pipeline.stages import cut_box
from tests.jobs.fakes import GREEN, FakePrompter, MeanColor, save


@pytest.mark.parametrize("factor", [1, 2, 4])
def test_a_box_of_a_reduced_photo_is_cut_at_its_scale(factor: int) -> None:
    """Of a photo of 80 x 40 the pixels 8 to 32 across and 4 to 20 down."""
    pixels = np.random.default_rng(0).integers(0, 256, (40 // factor, 80 // factor, 3), np.uint8)
    found = cut_box(Image("i", "a.png", pixels, 80, 40), np.array([8, 4, 32, 20], np.float32))
    expected = pixels[4 // factor : 20 // factor, 8 // factor : 32 // factor]
    np.testing.assert_array_equal(found, expected)


def test_a_photo_in_which_words_fail_fails_alone(tmp_path: Path) -> None:
    names = ["0", "1", "2", "3", "bad", "5", "6"]
    for number, name in enumerate(names):
        save(tmp_path / f"{name}.png", number)
    photos = [tmp_path / f"{name}.png" for name in names]
    job = Job(prompts=FakePrompter(), encoder=MeanColor()).load()  # type: ignore[arg-type]
    outcomes = list(run(photos, job, lambda image_id, contents: False))
    assert [outcome.path for outcome in outcomes] == list(map(str, photos))
    for name, outcome in zip(names, outcomes, strict=True):
        if name == "bad":
            assert isinstance(outcome, Failure)
        else:
            assert isinstance(outcome, ImageResult)
            assert outcome.objects.label.tolist() == ["apple", "couch"]
            assert (outcome.objects.image_id == outcome.image_id).all()


def test_every_photo_has_the_vectors_of_its_own_crops(tmp_path: Path) -> None:
    """Crops of one color each, two a photo, in passes of four that run on from photo to photo."""
    colors = [(200, 0, 0), (0, 0, 180), (90, 90, 0), (0, 120, 120), (250, 250, 250)]
    for number, color in enumerate(colors):
        save(tmp_path / f"{number}.png", number, small=color)
    photos = [tmp_path / f"{number}.png" for number in range(len(colors))]
    job = Job(prompts=FakePrompter(), encoder=MeanColor()).load()  # type: ignore[arg-type]
    for color, outcome in zip(colors, run(photos, job, lambda image_id, contents: False), strict=True):
        assert isinstance(outcome, ImageResult)
        (rows,) = outcome.vectors.values()
        assert rows.object_id.tolist() == outcome.objects.object_id.tolist()
        np.testing.assert_allclose(rows.vectors, [color, GREEN], atol=1)
