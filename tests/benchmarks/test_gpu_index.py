"""The photos of the benchmark of a whole command on a GPU."""

from __future__ import annotations

import io
import json
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
    images = [read_image(path) for path in find_images([tmp_path / "whole"])]
    assert len({image.image_id for image in images}) == 8
    assert len(find_images([tmp_path / "quarter"])) == 2
    assert len(json.loads((tmp_path / "quarter.json").read_text())["images"]) == 2
    reader = open_annotations(tmp_path / "whole.json", format="coco")
    for number, image in enumerate(images):
        photo = drawn[number % 2]
        assert np.array_equal(image.pixels, np.asarray(PIL.Image.open(io.BytesIO(photo.data))))
        objects = reader.objects_of(image).objects
        assert len(objects) == OBJECTS_A_PHOTO
        assert objects.mask[1] == photo.objects.mask[1]
