"""The photos of the benchmark of a whole command on a GPU."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from benchmarks.gpu import OBJECTS_A_PHOTO, draw_photo
from objectspace.images import find_images, read_image
from objectspace.objects.annotations import open_annotations


def test_copies_are_other_files_with_the_same_objects(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    from benchmarks.gpu_index import write_photos

    drawn = [draw_photo(64, 48, seed) for seed in range(2)]
    write_photos(tmp_path, drawn, copies=4)
    images = [read_image(path) for path in find_images([tmp_path / "photos"])]
    assert len({image.image_id for image in images}) == 8
    reader = open_annotations(tmp_path / "annotations.json", format="coco")
    for number, image in enumerate(images):
        photo = drawn[number % 2]
        assert np.array_equal(image.pixels, np.asarray(PIL.Image.open(io.BytesIO(photo.data))))
        objects = reader.objects_of(image).objects
        assert len(objects) == OBJECTS_A_PHOTO
        assert objects.mask[1] == photo.objects.mask[1]


def test_the_rate_leaves_out_the_start_and_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    from benchmarks.gpu_index import Course

    # Of twenty photos the first comes after 30 s, then ten a second, and the last two take their time.
    done = [30 + number / 10 for number in range(19)] + [60.0]
    assert Course(done, 70.0).rate() == pytest.approx(10)
