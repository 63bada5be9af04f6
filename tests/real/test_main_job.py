"""The main job on real photos with real weights, through the command line as a user types it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from objectspace.analyses.factors import FactorSpec, measure_neighbors
from objectspace.store import open_store
from tests.real.commands import OBJECTSPACE, objectspace

pytestmark = pytest.mark.real


def test_the_dog_is_found_where_it_is(dogs: Path) -> None:
    store = open_store(dogs)
    paths = {row.image_id: Path(row.path).name for row in store.images()}
    objects = store.objects()
    boxes = [
        box
        for box, label, image_id in zip(objects.xyxy, objects.label, objects.image_id, strict=True)
        if label == "dog" and paths[str(image_id)] == "dog.jpg"
    ]
    # Read off the picture by eye.
    assert len(boxes) == 1
    np.testing.assert_allclose(boxes[0], [131, 220, 310, 540], atol=80)


def test_every_object_lives_in_the_crop_space_and_one_window_space(dogs: Path) -> None:
    info = objectspace("info", dogs)
    counts = {space["name"]: (space["count"], space["dimension"]) for space in info["spaces"]}
    windows = {name: count for name, count in counts.items() if "window" in name}
    assert counts["resnet50-crop"] == (info["objects"], 2048)
    assert sum(count for count, _ in windows.values()) == info["objects"]
    assert {name[-2:]: dimension for name, (_, dimension) in windows.items()} == {"16": 1296, "32": 864}


def test_the_same_command_again_does_nothing(dogs: Path, real: Path, networks: list[str | Path]) -> None:
    report = objectspace("index", real / "photos" / "darknet", "--store", dogs, *networks)
    assert (report["indexed"], report["known"], report["objects"]) == (0, 7, 0)


def test_windows_alone_find_the_same_objects(dogs: Path, real: Path, networks: list[str | Path]) -> None:
    before = objectspace("info", dogs)
    photos = real / "photos" / "darknet"
    report = objectspace("index", photos, "--store", dogs, "--route", "window", *networks[:6])
    assert (report["indexed"], report["objects"]) == (7, before["objects"])
    assert objectspace("info", dogs) == before


def test_a_box_drawn_again_finds_its_object_at_distance_zero(dogs: Path, real: Path) -> None:
    store = open_store(dogs)
    space = store.space("resnet50-crop")
    objects = store.objects(space.object_id)
    path = {row.image_id: row.path for row in store.images()}[str(objects.image_id[0])]
    box = ",".join(f"{side:.9g}" for side in objects.xyxy[0])
    asked = ["search", dogs, "--image", path, "--box", box, "--space", "resnet50-crop"]
    assert objectspace(*asked)["query"]["object_id"] == objects.object_id[0]
    answer = objectspace(*asked, "--new", "--same-image", "--metric", "euclidean", "-k", "1")
    assert answer["neighbors"][0]["object_id"] == objects.object_id[0]
    assert answer["neighbors"][0]["distance"] == 0


def test_a_photo_that_is_not_in_the_store_is_detected_and_searched(
    dogs: Path, real: Path, tmp_path: Path
) -> None:
    photo = tmp_path / "mirrored.png"
    with PIL.Image.open(real / "photos" / "darknet" / "dog.jpg") as picture:
        picture.transpose(PIL.Image.Transpose.FLIP_LEFT_RIGHT).save(photo)
    answers = objectspace("search", dogs, "--image", photo, "-k", "3")
    dog = next(answer for answer in answers if answer["query"]["label"] == "dog")
    assert dog["neighbors"][0]["image"].endswith("dog.jpg")


def test_sheet_is_a_picture(dogs: Path, tmp_path: Path) -> None:
    out = tmp_path / "sheet.png"
    subprocess.run([*OBJECTSPACE, "sheet", str(dogs), "--out", str(out), "--rows", "6"], check=True)
    with PIL.Image.open(out) as picture:
        assert picture.width > 1500
        assert np.asarray(picture.convert("L")).std() > 20


def test_apples_get_their_factors_from_file_names(
    real: Path, networks: list[str | Path], tmp_path: Path
) -> None:
    photos = sorted((real / "apples" / "photos").glob("apple1-0*.png"))[:12]
    masks = [
        "--masks",
        real / "apples" / "masks",
        "--mask-pattern",
        "{stem}-map.png",
        "--mask-label",
        "apple",
    ]
    pattern = ["--pattern", r"apple(?P<apple>\d+)-(?P<elevation>\d+)-(?P<azimuth>\d+)"]
    encoder = networks[-4:]
    report = objectspace("index", *photos, "--store", tmp_path / "apples.osp", *masks, *pattern, *encoder)
    objects = open_store(tmp_path / "apples.osp").objects()
    assert report["objects"] == 12
    assert set(objects.factors) == {"apple", "elevation", "azimuth"}
    named = {float(photo.stem.split("-")[2]) for photo in photos}
    assert set(objects.factors["azimuth"].tolist()) == named
    assert all(mask is not None for mask in objects.mask)


def test_annotated_objects_of_coco_are_purer_than_chance(
    real: Path, networks: list[str | Path], tmp_path: Path
) -> None:
    """Window spaces only: the crops of 929 objects take minutes (docs/real-run.md has them)."""
    store = tmp_path / "coco128.osp"
    coco = real / "photos" / "coco128"
    labels = ["--annotations", coco / "labels", "--route", "window"]
    report = objectspace("index", coco / "images", "--store", store, *labels, *networks[:6])
    assert (report["indexed"], report["objects"]) == (128, 929)
    opened = open_store(store)
    for name in opened.space_names:
        space = opened.space(name)
        purity = measure_neighbors(space, opened.objects(space.object_id), FactorSpec("label"), k=5).overall
        print(
            f"{name}: purity at 5 {purity.value:.3f} ({purity.low:.3f} to {purity.high:.3f}), "
            f"chance {purity.chance:.3f}, {purity.n} objects"
        )
        assert purity.low > 2 * purity.chance
