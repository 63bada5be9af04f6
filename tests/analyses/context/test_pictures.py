"""The pictures beside a context: of the photos that were indexed, and of no others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from objectspace.figures.context_crops import cut_views
from PIL import Image

from objectspace.analyses.context import view_objects
from objectspace.errors import ImageError
from objectspace.images import read_image
from objectspace.objects.records import Objects


def test_a_photo_that_was_replaced_is_not_cut(objects: Objects, noise, space, tmp_path: Path) -> None:
    Image.fromarray(np.zeros((10, 30, 3), np.uint8)).save(tmp_path / "a.png")
    photo = read_image(tmp_path / "a.png").image_id
    image_id = np.where(objects.image_id == objects.image_id[0], photo, objects.image_id)
    objects = replace(objects, image_id=image_id)
    grounds = ("black", "keep", "only")
    spaces = (space(name, objects, noise[0], background=name) for name in grounds)
    views = view_objects(*spaces, objects)
    paths = dict.fromkeys(objects.image_id.tolist(), str(tmp_path / "a.png"))

    with pytest.raises(ImageError, match=r"a\.png: holds another photo than the one that was indexed"):
        cut_views(views, paths)
