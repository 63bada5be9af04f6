from __future__ import annotations

import numpy as np
import PIL.Image
import pytest

from objectspace.errors import InputError
from objectspace.images import image_from_array, read_image
from objectspace.objects.annotations import open_annotations
from objectspace.objects.masks import decode
from objectspace.scenes.variation_files import ANNOTATIONS, draw_variation

BOX = np.array([4, 4, 14, 10], np.float32)


def photo():
    rng = np.random.default_rng(0)
    return image_from_array(rng.integers(0, 255, (30, 40, 3), dtype=np.uint8), path="p.png")


def test_the_annotations_say_what_was_drawn(tmp_path):
    paths = draw_variation(photo(), BOX, None, "sofa", "position", tmp_path / "pictures", steps=3)
    reader = open_annotations(tmp_path / "pictures" / ANNOTATIONS, format="coco")
    assert len(paths) == 9
    for path in paths:
        image = read_image(path)
        objects = reader.objects_of(image).objects
        assert objects.label.tolist() == ["couch"]
        left, top, right, bottom = objects.xyxy[0].astype(int)
        np.testing.assert_array_equal(image.pixels[top:bottom, left:right], photo().pixels[4:10, 4:14])
        assert decode(objects.mask[0]).sum() == 60
        assert image.pixels.any(2).sum() <= 60
        assert {name: column.tolist() for name, column in objects.factors.items()} == {
            "angle": [0],
            "scale": [1],
            "background": ["black"],
        }


def test_the_object_can_be_made_smaller_or_larger(tmp_path):
    draw_variation(photo(), BOX, None, "dog", "position", tmp_path / "p", steps=2, size=0.5)
    reader = open_annotations(tmp_path / "p" / ANNOTATIONS, format="coco")
    xyxy = reader.objects_of(read_image(tmp_path / "p" / "00001.png")).objects.xyxy
    assert (xyxy[0, 2:] - xyxy[0, :2]).tolist() == [15, 9]


def test_pictures_are_replaced_by_those_of_the_next_run(tmp_path):
    for steps in (3, 2):
        draw_variation(photo(), BOX, None, "dog", "angle", tmp_path / "p", steps=steps)
    assert len(list((tmp_path / "p").glob("*.png"))) == 2


def test_a_run_that_fails_keeps_the_pictures_before_and_can_be_repeated(tmp_path):
    """The advice of the failure, --size, can be followed."""
    full = np.array([0, 0, 40, 30], np.float32)
    with pytest.raises(InputError, match="has no room"):
        draw_variation(photo(), full, None, "dog", "position", tmp_path / "p", steps=16)
    assert not list(tmp_path.iterdir())
    draw_variation(photo(), full, None, "dog", "position", tmp_path / "p", steps=2, size=0.3)
    with pytest.raises(InputError, match="has no room"):
        draw_variation(photo(), full, None, "dog", "position", tmp_path / "p", steps=16)
    assert len(list((tmp_path / "p").glob("*.png"))) == 4


def test_an_empty_folder_is_filled(tmp_path):
    draw_variation(photo(), BOX, None, "dog", "angle", tmp_path, steps=2)
    assert len(list(tmp_path.glob("*.png"))) == 2


def test_two_backgrounds_of_one_name_are_not_one(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        PIL.Image.new("RGB", (40, 30), "red").save(tmp_path / folder / "room.png")
    names = [str(tmp_path / folder / "room.png") for folder in ("a", "b")]
    with pytest.raises(InputError, match=r"b/room.png: another background is called room.png, too; rename"):
        draw_variation(photo(), BOX, None, "dog", "background", tmp_path / "p", backgrounds=names)


def test_a_folder_with_something_of_the_users_beside_the_pictures_is_left_alone(tmp_path):
    draw_variation(photo(), BOX, None, "dog", "angle", tmp_path / "p", steps=2)
    (tmp_path / "p" / "mine.txt").touch()
    with pytest.raises(InputError, match="exists and holds no varied pictures"):
        draw_variation(photo(), BOX, None, "dog", "angle", tmp_path / "p", steps=2)
    assert (tmp_path / "p" / "mine.txt").exists()


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").touch()
    with pytest.raises(InputError, match="exists and holds no varied pictures"):
        draw_variation(photo(), BOX, None, "dog", "angle", tmp_path)
    assert (tmp_path / "mine.txt").exists()


@pytest.mark.parametrize("size", [0, -1, 1.5, float("nan")])
def test_a_size_that_is_no_share(tmp_path, size):
    with pytest.raises(InputError, match="is not a share of the picture's shorter side"):
        draw_variation(photo(), BOX, None, "dog", "angle", tmp_path / "p", size=size)
