"""The world's files, read back by other programs and by the library's own reader."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from pycocotools.coco import COCO

from objectspace.errors import InputError
from objectspace.images import read_image
from objectspace.objects.annotations import open_annotations
from objectspace.objects.labels import COCO_NAMES
from objectspace.objects.masks import decode
from objectspace.scenes.world import draw_scene, world_files
from objectspace.scenes.world.world_files import write_world

SEED, COUNT = 5, 6


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("files") / "new" / "world"
    write_world(path, count=COUNT, seed=SEED)
    return path


@pytest.fixture(scope="module")
def coco(folder: Path) -> COCO:
    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(folder / "annotations.json")


def test_pictures_are_lossless(folder: Path) -> None:
    for index in range(COUNT):
        pixels = np.asarray(PIL.Image.open(folder / "images" / f"{index:06d}.png"))
        assert np.array_equal(pixels, draw_scene(SEED, index).pixels)


def test_pycocotools_reads_the_masks_boxes_and_factors(coco: COCO) -> None:
    for index in range(COUNT):
        scene = draw_scene(SEED, index)
        annotations = coco.loadAnns(coco.getAnnIds([index + 1]))
        assert [coco.cats[entry["category_id"]]["name"] for entry in annotations] == list(scene.kinds)
        for number, entry in enumerate(annotations):
            assert np.array_equal(coco.annToMask(entry).astype(bool), scene.masks[number])
            x, y, width, height = entry["bbox"]
            assert [x, y, x + width, y + height] == scene.xyxy[number].tolist()
            assert entry["area"] == scene.masks[number].sum()
            assert entry["attributes"]["yaw"] == scene.factors["yaw"][number]
            assert entry["attributes"]["style"] == scene.factors["style"][number]


def test_companions_are_annotations_of_the_same_picture(coco: COCO) -> None:
    paired = [entry for entry in coco.anns.values() if entry["companion"]]

    assert paired
    for entry in paired:
        other = coco.anns[entry["companion"]]
        assert other["companion"] == entry["id"]
        assert other["image_id"] == entry["image_id"]


def test_the_librarys_reader_gives_the_same_objects(folder: Path) -> None:
    reader = open_annotations(folder / "annotations.json", names=COCO_NAMES, format="coco")
    for index in range(COUNT):
        scene = draw_scene(SEED, index)
        objects = reader.objects_of(read_image(folder / "images" / f"{index:06d}.png")).objects
        order = np.lexsort(objects.xyxy.T)
        expected = np.lexsort(scene.xyxy.T)
        assert objects.label[order].tolist() == [scene.kinds[number] for number in expected]
        assert np.array_equal(objects.xyxy[order], scene.xyxy[expected])
        for place, number in zip(order, expected, strict=True):
            assert np.array_equal(decode(objects.mask[place]), scene.masks[number])
        assert np.allclose(objects.factors["size"][order].astype(float), scene.factors["size"][expected])


def test_a_larger_world_begins_with_the_same_pictures(folder: Path, tmp_path: Path) -> None:
    write_world(tmp_path / "larger", count=COUNT + 1, seed=SEED)

    name = "images/000002.png"
    assert (tmp_path / "larger" / name).read_bytes() == (folder / name).read_bytes()


def test_progress_counts_every_picture(tmp_path: Path) -> None:
    told: list[int] = []

    write_world(tmp_path / "world", count=3, seed=0, progress=told.append)

    assert sum(told) == 3


def test_a_folder_that_holds_something_is_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")

    with pytest.raises(InputError, match="exists already; give a new folder"):
        write_world(tmp_path, count=1, seed=0)
    assert (tmp_path / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize(("count", "seed", "words"), [(0, 0, "one at least"), (1, -1, "negative")])
def test_numbers_that_make_no_world(tmp_path: Path, count: int, seed: int, words: str) -> None:
    with pytest.raises(InputError, match=words):
        write_world(tmp_path / "world", count=count, seed=seed)


def test_a_folder_below_a_file_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(InputError, match="cannot be written"):
        write_world(tmp_path / "file" / "world", count=1, seed=0)


def test_stopping_half_way_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop_at_two(seed: int, index: int):
        if index == 2:
            raise KeyboardInterrupt
        return draw_scene(seed, index)

    monkeypatch.setattr(world_files, "draw_scene", stop_at_two)

    with pytest.raises(KeyboardInterrupt):
        write_world(tmp_path / "world", count=4, seed=0)
    assert list(tmp_path.iterdir()) == []


def test_nothing_stays_of_a_world_that_was_stopped(tmp_path: Path) -> None:
    def stop(pictures: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_world(tmp_path / "world", count=40, seed=SEED, progress=stop)
    assert list(tmp_path.iterdir()) == []
