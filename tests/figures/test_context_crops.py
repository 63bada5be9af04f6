"""The pictures beside a context: of the photos that were indexed, and of no others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from objectspace.analyses.context import view_objects
from objectspace.errors import ImageError
from objectspace.figures.context_crops import cut_views
from objectspace.images import read_image
from objectspace.objects.records import make_objects
from tests.crop_spaces import make_space


def test_a_photo_that_was_replaced_is_not_cut(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((10, 30, 3), np.uint8)).save(tmp_path / "a.png")
    boxes = np.array([(0, 0, 10, 10), (20, 0, 30, 10)], np.float32)
    objects = make_objects(image_id="0" * 32, xyxy=boxes, label=["cup", "cup"], source="test@0")
    assert read_image(tmp_path / "a.png").image_id != "0" * 32
    spaces = (
        make_space(name, objects, np.zeros((2, 8)), background=name) for name in ("black", "keep", "only")
    )
    views = view_objects(*spaces, objects)

    with pytest.raises(ImageError, match=r"a\.png: holds another photo than the one that was indexed"):
        cut_views(views, {"0" * 32: str(tmp_path / "a.png")})
