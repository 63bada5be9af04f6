"""One object varied, from Python."""

from __future__ import annotations

import pytest

from objectspace.errors import InputError
from objectspace.images import read_image
from objectspace.jobs.vary import vary_object
from objectspace.models.detectors import load_detector
from objectspace.objects.records import make_objects
from objectspace.store import open_store


@pytest.fixture
def image(world):
    return read_image(world.photos / "red1.png")


def test_pictures_lie_beside_the_store_that_holds_their_windows(world, image, tmp_path) -> None:
    detector = load_detector(world.cfg, weights=world.weights, names=world.names, precision="float32")
    one = make_objects(image_id=image.image_id, xyxy=[[8, 8, 24, 24]], label=["apple"], source="test@0")
    told: list[int] = []

    varied = vary_object(
        image,
        one,
        "position",
        tmp_path / "s.osp",
        detector=detector,
        pools=("window1",),
        steps=3,
        progress=lambda pictures, objects: told.append(pictures),
    )

    assert [path.parent.name for path in varied.pictures] == ["s.osp-pictures"] * 9
    assert varied.summary.indexed == sum(told) == 9
    store = open_store(varied.store)
    objects = store.objects()
    assert set(objects.label) == {"apple"}
    assert len({tuple(box) for box in objects.xyxy.tolist()}) == 9
    assert sum(space.count for space in store.info().spaces) == 9


def test_one_object_is_varied_at_a_time(image, tmp_path) -> None:
    two = make_objects(image_id=image.image_id, xyxy=[[0, 0, 9, 9]] * 2, label=["a", "b"], source="test@0")
    with pytest.raises(InputError, match=r"2 objects were given, expected one; take a row"):
        vary_object(image, two, "position", tmp_path / "s.osp")
