"""Objects from a data.yaml, from Pascal VOC, and from annotations that cannot be used."""

from __future__ import annotations

import json
import shutil

import numpy as np
import PIL.Image
import pytest

from objectspace.store import open_store

LABELS = {"apple": 3, "pear": 2, "plum": 1}


@pytest.fixture
def index(world, command, tmp_path):
    """Indexes photos by annotations with --json: the report, what was told, and the objects of the store."""

    def run(photos, annotations, *more):
        arguments = ("--annotations", annotations, *world.encoder, "--json", *more)
        done = command("index", photos, "--store", tmp_path / "s.osp", *arguments)
        assert done.code == 0, done.err
        return json.loads(done.out), done.err.splitlines(), open_store(tmp_path / "s.osp")

    return run


@pytest.fixture
def dataset(world, tmp_path):
    """The world's photos and labels as Ultralytics lays them out."""
    folder = tmp_path / "set"
    shutil.copytree(world.photos, folder / "images")
    shutil.copytree(world.labels, folder / "labels")
    (folder / "data.yaml").write_text(
        "path: set\ntrain: images\nval: images/sub\nnames: [apple, pear, plum]\n"
    )
    return folder


@pytest.fixture
def devkit(tmp_path):
    """One photo with two objects and a mask of the second; one photo that is not there; one broken file."""
    folder = tmp_path / "VOC2012"
    for name in ("Annotations", "JPEGImages", "SegmentationObject"):
        (folder / name).mkdir(parents=True)
    for stem, red in (("1", 200), ("3", 100)):
        PIL.Image.new("RGB", (96, 64), (red, 40, 40)).save(folder / "JPEGImages" / f"{stem}.jpg")
    objects = "".join(
        f"<object><name>{name}</name><pose>{pose}</pose><bndbox><xmin>{left}</xmin><ymin>9</ymin>"
        f"<xmax>{left + 19}</xmax><ymax>40</ymax></bndbox></object>"
        for name, pose, left in (("sofa", "Left", 9), ("cat", "Unspecified", 41))
    )
    (folder / "Annotations/1.xml").write_text(f"<annotation><filename>1.jpg</filename>{objects}</annotation>")
    (folder / "Annotations/2.xml").write_text("<annotation><filename>2.jpg</filename></annotation>")
    (folder / "Annotations/3.xml").write_text("<!DOCTYPE x><annotation/>")
    numbers = np.zeros((64, 96), np.uint8)
    numbers[10:30, 45:55] = 2
    PIL.Image.fromarray(numbers).save(folder / "SegmentationObject/1.png")
    return folder


def test_index_from_a_data_yaml(dataset, index):
    (dataset / "labels/gone.txt").write_text("0 0.5 0.5 0.1 0.1")
    (dataset / "labels/red2.txt").unlink()
    report, told, store = index(dataset / "images", dataset / "data.yaml")
    assert (report["objects"], report["failures"]) == (5, [])
    assert store.info().labels == {"apple": 2, "pear": 2, "plum": 1}
    name = f"objectspace: {dataset}/data.yaml"
    assert told == [
        f"{name}: 1 image is not among the photos, such as {dataset}/labels/gone.txt",
        f"{name}: 1 photo is not annotated there, such as {dataset}/images/red2.png",
    ]


def test_names_that_are_assumed_are_told(dataset, index):
    (dataset / "data.yaml").unlink()
    _, told, store = index(dataset / "images", dataset / "labels")
    assert store.info().labels == {"person": 3, "bicycle": 2, "car": 1}
    assert told[0].startswith(
        f"objectspace: {dataset}/labels: the classes are taken for COCO's 80 (0 is person)"
    )
    (dataset / "labels/classes.txt").write_text("apple\npear\nplum\n")
    _, told, store = index(dataset / "images", dataset / "labels", "--replace")
    assert store.info().labels == LABELS
    assert told == [f"objectspace: {dataset}/labels: the 3 classes are named by {dataset}/labels/classes.txt"]


def test_photos_can_be_left_out(dataset, index):
    report, _, _ = index(dataset / "images", dataset / "data.yaml", "--exclude", "sub", "--exclude", "red2*")
    assert report["photos"] == 1


def test_two_photos_of_one_name_and_one_annotation(devkit, index):
    again = devkit / "JPEGImages/more/1.jpg"
    again.parent.mkdir()
    PIL.Image.new("RGB", (96, 64), (40, 200, 40)).save(again)
    _, told, _ = index(devkit / "JPEGImages", devkit, "--annotation-format", "voc")
    assert (
        told[1]
        == f"objectspace: {devkit}: 1 photo has the annotations of another of that name, such as {again}"
    )


def test_new_names_make_new_objects(dataset, index):
    index(dataset / "images", dataset / "data.yaml")
    text = (dataset / "data.yaml").read_text()
    (dataset / "data.yaml").write_text(text.replace("plum", "fig"))
    _, _, store = index(dataset / "images", dataset / "data.yaml", "--replace")
    assert store.info().labels == {"apple": 3, "pear": 2, "fig": 1}


def test_a_format_without_annotations_is_wrong_usage(world, command, tmp_path):
    done = command("index", world.photos, "--store", tmp_path / "s.osp", "--annotation-format", "coco")
    assert done.code == 2
    assert "--annotation-format coco needs --annotations" in " ".join(done.err.split())
    assert not (tmp_path / "s.osp").exists()


def test_index_from_a_development_kit(devkit, index):
    report, told, store = index(devkit / "JPEGImages", devkit, "--annotation-format", "voc")
    assert report["failures"] == [
        {"path": f"{devkit}/Annotations/3.xml", "reason": "has a DOCTYPE, which is not read; remove it"}
    ]
    assert told == [f"objectspace: {devkit}: 1 image is not among the photos, such as 2.jpg"]
    objects = store.objects()
    found = sorted(zip(objects.label, objects.xyxy.tolist(), objects.factors["pose"], strict=True))
    assert found == [("cat", [40, 8, 60, 40], None), ("couch", [8, 8, 28, 40], "Left")]
    assert {label for label, mask in zip(objects.label, objects.mask, strict=True) if mask} == {"cat"}


@pytest.mark.parametrize(
    ("name", "text", "format", "told"),
    [
        (
            "data.yaml",
            "train: images",
            "yolo",
            "has no names, expected a data.yaml: names, and train, val or ",
        ),
        ("a.json", "{}", "coco", "has no images, expected a COCO file: an object with images, annotations, "),
        (
            "a.json",
            "{}",
            "yolo",
            "is a file and YOLO's labels are a folder or a data.yaml; a COCO file needs ",
        ),
        ("a.xml", "<annotation/>", "voc", "is not a folder, expected the folder of VOC's XML files"),
        ("a.xml", "", "kitti", "annotation format 'kitti' is not known, expected yolo, coco or voc"),
    ],
)
def test_annotations_of_another_kind(world, sentence, tmp_path, name, text, format, told):
    path = tmp_path / name
    path.write_text(text)
    options = ("--annotations", path, "--annotation-format", format, *world.encoder)
    line = sentence("index", world.photos, "--store", tmp_path / "s.osp", *options)
    assert line.startswith(f"{path}: {told}")


def test_annotations_of_other_photos(world, sentence, devkit, tmp_path):
    options = ("--annotations", devkit, "--annotation-format", "voc", *world.encoder)
    told = sentence("index", world.photos, "--store", tmp_path / "s.osp", *options)
    assert told == f"{devkit}: none of its images is among the photos, such as 1.jpg"


def test_masks_of_other_photos_are_counted(world, command, tmp_path):
    masks = tmp_path / "masks"
    shutil.copytree(world.masks, masks)
    shutil.copy(masks / "red1-map.png", masks / "gone-map.png")
    options = ("--masks", masks, "--mask-pattern", "{stem}-map.png", *world.encoder)
    done = command("index", world.photos, "--store", tmp_path / "s.osp", *options, "-q")
    assert done.code == 0
    assert (
        done.err == f"objectspace: {masks}: 1 image is not among the photos, such as {masks}/gone-map.png\n"
    )


def test_objects_whose_centers_share_a_cell_are_counted(world, command, tmp_path):
    """Two apples about one point and a plum beside them in one photo, so in one cell; a pear in the next."""
    labels = {"red1": ["0 .2 .2 .3 .3", "0 .2 .2 .2 .2", "2 .25 .2 .3 .3", "1 .8 .8 .2 .2"]}
    labels |= {"red2": ["0 .2 .2 .3 .3", "1 .8 .2 .3 .3"]}
    for stem, lines in labels.items():
        (tmp_path / f"{stem}.txt").write_text("\n".join(lines))
    store, options = (
        tmp_path / "store",
        ["--annotations", tmp_path, "--route", "window", "--scale", "deepest"],
    )
    assert command("index", world.photos, "--store", store, *world.network, *options).code == 0
    counted = {"objects": 3, "of_another_label": 3}
    (space,) = json.loads(command("info", store, "--json").out)["spaces"]
    assert space["shared_vectors"] == counted
    assert (
        json.loads(command("measure", store, "--factor", "label", "--json").out)["shared_vectors"] == counted
    )
    sentence = "3 objects have the vector of another object of their photo, 3 of one of another label; "
    for done in (command("info", store), command("measure", store, "--factor", "label")):
        assert f"{sentence}where their centers share a cell, --pool roi3 tells them apart" in done.out


def test_labels_of_which_no_line_can_be_used_end_with_1(world, tmp_path, command):
    labels = tmp_path / "labels"
    labels.mkdir()
    for photo in world.photos.rglob("*.*"):
        (labels / f"{photo.stem}.txt").write_text("0 0.5 0.5\n")
    store = tmp_path / "s.osp"
    done = command("index", world.photos, "--store", store, "--annotations", labels, *world.encoder, "-q")
    assert done.code == 1
    assert "no object was found: 4 problems, the first " in done.err


def test_a_mistyped_folder_of_labels_is_guessed(world, tmp_path, sentence):
    near = world.labels.with_name(world.labels.name[:-1])
    told = sentence(
        "index", world.photos, "--store", tmp_path / "s.osp", "--annotations", near, *world.encoder
    )
    assert f"did you mean {world.labels}" in told
