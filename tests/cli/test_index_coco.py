from __future__ import annotations

import json

import pytest

from objectspace.store import open_store


@pytest.fixture
def coco(tmp_path):
    """A COCO file of two of the world's photos and one that is not there."""
    path = tmp_path / "annotations.json"
    names = ["red1.png", "sub/green.jpg", "gone.png"]
    rows = [
        {"image_id": 0, "bbox": [8, 8, 32, 32], "attributes": {"style": "plain", "yaw": 30}},
        {"image_id": 0, "bbox": [60, 20, 24, 32], "attributes": {"style": "wild", "yaw": 60}},
        {"image_id": 1, "segmentation": [[20, 8, 60, 8, 60, 48]], "attributes": {"style": "plain"}},
        {"image_id": 1, "bbox": [0, 0, 0, 0]},
        {"image_id": 0, "bbox": [0, 0, 9, 9], "iscrowd": 1},
    ]
    document = {
        "images": [{"id": n, "file_name": name, "width": 96, "height": 64} for n, name in enumerate(names)],
        "categories": [{"id": 3, "name": "apple"}],
        "annotations": [{"id": n, "category_id": 3, **row} for n, row in enumerate(rows)],
    }
    path.write_text(json.dumps(document))
    return path


def test_index_from_a_coco_file(world, command, coco, tmp_path):
    done = command(
        "index",
        world.photos,
        "--store",
        tmp_path / "s.osp",
        "--annotations",
        coco,
        "--annotation-format",
        "coco",
        *world.encoder,
        "--json",
    )
    assert done.code == 0, done.err
    report = json.loads(done.out)
    assert (report["indexed"], report["objects"]) == (4, 3)
    assert [failure["reason"] for failure in report["failures"]] == [
        "annotation 3: bbox has no area (width 0, height 0)"
    ]
    told = done.err.splitlines()
    assert told == [
        f"objectspace: {coco}: 1 image is not among the photos, such as gone.png",
        f"objectspace: {coco}: 2 photos are not annotated there, such as {world.photos / 'red2.png'}",
        f"objectspace: {coco}: 1 annotation is of a crowd (iscrowd) and left out",
    ]
    objects = open_store(tmp_path / "s.osp").objects()
    attributes = {style: yaw for style, yaw in zip(*objects.factors.values(), strict=True) if yaw == yaw}
    assert attributes == {"plain": 30, "wild": 60}
    assert sum(mask is not None for mask in objects.mask) == 1


def test_a_coco_file_of_other_photos(world, sentence, coco, tmp_path):
    told = sentence(
        "index",
        world.photos / "sub" / "blue.jpg",
        "--store",
        tmp_path / "s.osp",
        "--annotations",
        coco,
        "--annotation-format",
        "coco",
        *world.encoder,
    )
    assert told == f"{coco}: none of its images is among the photos, such as red1.png"


def test_edited_attributes_reach_the_stored_objects(world, command, coco, tmp_path):
    arguments = ("--annotations", coco, "--annotation-format", "coco", *world.encoder, "-q")

    def yaws():
        done = command("index", world.photos, "--store", tmp_path / "s.osp", *arguments)
        assert done.code == 0, done.err
        objects = open_store(tmp_path / "s.osp").objects()
        return dict(zip(objects.xyxy[:, 0].tolist(), objects.factors["yaw"].tolist(), strict=True))

    before = yaws()
    coco.write_text(coco.read_text().replace('"yaw": 30', '"yaw": 90'))
    assert (before[8], yaws()[8], before[60], yaws()[60]) == (30, 90, 60, 60)
