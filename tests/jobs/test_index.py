"""Index jobs with a detector and an encoder whose every number is known by eye."""

from __future__ import annotations

import json
import logging
import math
import shutil
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from objectspace.errors import ImageError, InputError, ModelError, RecipeError
from objectspace.images import Image, find_images
from objectspace.jobs.index import index
from objectspace.models.maps import MapRun
from objectspace.objects.annotations import AnnotationSet, open_annotations
from objectspace.objects.annotations.image_factors import factors_from_csv, factors_from_pattern
from objectspace.objects.boxes import Frame
from objectspace.objects.records import Objects
from objectspace.pipeline import engine_threads, stages
from objectspace.pipeline.job import Job
from objectspace.pipeline.loaded_job import LoadedJob
from objectspace.pipeline.results import DecodedImage, ReadImage
from objectspace.store import Store, open_store
from tests.jobs.fakes import GREEN, RED, FakeDetector, MeanColor, save

pytestmark = pytest.mark.usefixtures("no_default_space")


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    """Five photos that differ in one corner pixel."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(5):
        save(folder / f"view{number}.png", number)
    return find_images([folder])


@pytest.fixture
def job() -> Job:
    return Job(detector=FakeDetector(), encoder=MeanColor())


def rows_of(store: Store) -> dict[str, Any]:
    """Everything in a store, to be compared whole."""
    objects = store.objects()
    columns = {name: column.tolist() for name, column in objects.columns.items() if name != "objectness"}
    spaces = {}
    for name in store.space_names:
        space = store.space(name)
        cells = {column: values.tolist() for column, values in store.cells(name).items()}
        spaces[name] = (space.recipe, space.object_id.tolist(), space.vectors.tobytes(), cells)
    return {
        "images": store.images(),
        "objects": {name: repr(values) for name, values in columns.items()},
        "thumbnails": store.thumbnails(objects.object_id),
        "spaces": spaces,
        "failures": store.failures(),
    }


def test_crops_have_the_color_of_their_objects(photos: list[Path], job: Job, tmp_path: Path) -> None:
    index(photos, tmp_path / "s.osp", job)
    store = open_store(tmp_path / "s.osp")
    space = store.space("color-crop")
    expected = {"apple": RED, "couch": GREEN}
    labels = store.objects(space.object_id).label
    np.testing.assert_allclose(space.vectors, [expected[label] for label in labels])


def test_windows_lie_around_the_cell_that_made_the_object(
    photos: list[Path], job: Job, tmp_path: Path
) -> None:
    index(photos, tmp_path / "s.osp", replace(job, pools=("window1", "window3")))
    store = open_store(tmp_path / "s.osp")
    np.testing.assert_array_equal(store.space("fake-window1-stride16").vectors, [[0, 0]] * 5)
    np.testing.assert_array_equal(store.space("fake-window1-stride32").vectors, [[1, 1]] * 5)
    # Around cell (1, 1) of a 2 x 2 map: the last row and column are outside.
    x = [[0, 1, 0], [0, 1, 0], [0, 0, 0]]
    window = store.space("fake-window3-stride32").vectors[0].reshape(2, 3, 3)
    np.testing.assert_array_equal(window, [x, np.transpose(x)])
    assert store.cells("fake-window3-stride32")["cells_outside"].tolist() == [5] * 5


def test_deepest_scale_has_one_space_of_all_objects(photos: list[Path], job: Job, tmp_path: Path) -> None:
    index(photos, tmp_path / "s.osp", replace(job, scale="deepest", encoder=None))
    store = open_store(tmp_path / "s.osp")
    assert store.space_names == ["fake-window3-deepest"]
    assert len(store.space("fake-window3-deepest")) == 10


def test_annotated_objects_get_windows_and_no_score(photos: list[Path], job: Job, tmp_path: Path) -> None:
    labels = tmp_path / "labels"
    labels.mkdir()
    (labels / "view0.txt").write_text("0 0.125 0.125 0.125 0.125\n")
    reader = open_annotations(labels, names=["pear"])
    report = index(photos, tmp_path / "s.osp", replace(job, annotations=reader))
    store = open_store(tmp_path / "s.osp")
    assert (report.indexed, report.objects) == (5, 1)
    assert store.objects().label.tolist() == ["pear"]
    assert np.isnan(store.objects().score).all()
    assert store.space_names == ["both", "color-crop", "fake-window3-stride16"]


def test_changed_labels_are_read_again(photos: list[Path], job: Job, tmp_path: Path) -> None:
    labels = tmp_path / "labels"
    labels.mkdir()
    (labels / "view0.txt").write_text("0 0.125 0.125 0.125 0.125\n")
    job = replace(job, detector=None, annotations=open_annotations(labels, names=["pear"]))
    index(photos, tmp_path / "s.osp", job)
    (labels / "view1.txt").write_text("0 0.125 0.125 0.125 0.125\n")
    assert index(photos, tmp_path / "s.osp", job).objects == 1
    assert len(open_store(tmp_path / "s.osp").objects()) == 2


def test_an_edited_label_file_redoes_its_photo_alone(photos: list[Path], job: Job, tmp_path: Path) -> None:
    labels = tmp_path / "labels"
    labels.mkdir()
    for photo in photos:
        (labels / f"{photo.stem}.txt").write_text("0 0.125 0.125 0.125 0.125\n")
    for replaces in (False, True):
        annotations = open_labels(labels, "0 0.125 0.125 0.125 0.125\n")
        once = replace(job, detector=None, annotations=annotations, replaces=replaces)
        index(photos, tmp_path / f"{replaces}.osp", once)
        open_labels(labels, "0 0.5 0.5 0.125 0.125\n")
        report = index(photos, tmp_path / f"{replaces}.osp", once)
        assert (report.indexed, report.known) == (1, 4)


def open_labels(folder: Path, line: str) -> AnnotationSet:
    (folder / "view0.txt").write_text(line)
    return open_annotations(folder, names=["pear"])


def coco(path: Path, *boxes: tuple[str, list[int]]) -> Path:
    names = [f"view{number}.png" for number in range(5)]
    annotations = [
        {"id": number, "image_id": names.index(name), "category_id": 1, "bbox": box}
        for number, (name, box) in enumerate(boxes)
    ]
    images = [{"id": number, "file_name": name} for number, name in enumerate(names)]
    document = {"images": images, "categories": [{"id": 1, "name": "pear"}], "annotations": annotations}
    path.write_text(json.dumps(document))
    return path


def test_a_changed_entry_of_one_file_redoes_its_photo_alone(
    photos: list[Path], job: Job, tmp_path: Path
) -> None:
    first, second = ("view0.png", [4, 4, 8, 8]), ("view1.png", [4, 4, 8, 8])
    edited = ("view0.png", [4, 4, 9, 9])
    indexed = []
    # Of the second photo's annotation only the id changes.
    for boxes in ((first, second), (first, edited, second)):
        file = coco(tmp_path / "coco.json", *boxes)
        annotations = open_annotations(file, format="coco")
        indexed.append(index(photos, tmp_path / "s.osp", replace(job, annotations=annotations)).indexed)
    assert indexed == [5, 1]


@pytest.mark.parametrize("others_replace", [False, True])
def test_objects_that_another_job_added_are_removed_by_the_one_that_replaces(
    photos: list[Path], job: Job, tmp_path: Path, others_replace: bool
) -> None:
    one, two = ("view0.png", [4, 4, 8, 8]), ("view0.png", [32, 32, 30, 30])
    files = coco(tmp_path / "one.json", one), coco(tmp_path / "both.json", one, two)
    first, second = (
        replace(job, detector=None, annotations=open_annotations(file, format="coco"), replaces=replaces)
        for file, replaces in zip(files, (True, others_replace), strict=True)
    )
    left = []
    for again in (first, second, first, first):
        report = index(photos, tmp_path / "s.osp", again)
        left.append((len(open_store(tmp_path / "s.osp")), report.indexed))
    assert left == [(1, 5), (2, 1), (1, 1), (1, 0)]


def test_a_failure_of_a_label_file_heals(photos: list[Path], job: Job, tmp_path: Path) -> None:
    labels = tmp_path / "labels"
    labels.mkdir()
    job = replace(job, detector=None, annotations=open_labels(labels, "0 0.5 0.5 nothing 0.5"))
    assert len(index(photos, tmp_path / "s.osp", job).failures) == 1
    assert len(open_store(tmp_path / "s.osp").failures()) == 1
    open_labels(labels, "0 0.5 0.5 0.5 0.5")
    assert index(photos, tmp_path / "s.osp", job).failures == ()
    assert open_store(tmp_path / "s.osp").failures() == []


def test_objects_whose_labels_are_gone_are_removed(photos: list[Path], job: Job, tmp_path: Path) -> None:
    labels = tmp_path / "labels"
    labels.mkdir()
    for name, line in (("view0", "0 0.125 0.125 0.125 0.125"), ("view1", "0 0.5 0.5 0.5 0.5")):
        (labels / f"{name}.txt").write_text(f"{line}\n0 0.75 0.75 0.25 0.25\n")
    job = replace(job, annotations=open_annotations(labels, names=["pear"]), replaces=True)
    index(photos, tmp_path / "s.osp", job)
    (labels / "view0.txt").write_text("0 0.75 0.75 0.25 0.25\n")
    (labels / "view1.txt").write_text("0 0.5 0.5 0.5 0.4\n")
    index(photos, tmp_path / "s.osp", job)
    index(photos, tmp_path / "fresh.osp", job)

    edited, fresh = open_store(tmp_path / "s.osp"), open_store(tmp_path / "fresh.osp")
    assert sorted(edited.objects().object_id) == sorted(fresh.objects().object_id)
    for name in fresh.space_names:
        assert sorted(edited.members(name)) == sorted(fresh.members(name))
    assert index(photos, tmp_path / "s.osp", job).indexed == 0


def test_objects_are_removed_when_it_is_asked_for_only_later(
    photos: list[Path], job: Job, tmp_path: Path
) -> None:
    labels = tmp_path / "labels"
    labels.mkdir()
    (labels / "view0.txt").write_text("0 0.125 0.125 0.125 0.125\n0 0.75 0.75 0.25 0.25\n")
    job = replace(job, detector=None, annotations=open_annotations(labels, names=["pear"]))
    index(photos, tmp_path / "s.osp", job)
    (labels / "view0.txt").write_text("0 0.75 0.75 0.25 0.25\n")
    index(photos, tmp_path / "s.osp", job)
    assert len(open_store(tmp_path / "s.osp")) == 2
    index(photos, tmp_path / "s.osp", replace(job, replaces=True))
    assert len(open_store(tmp_path / "s.osp")) == 1


@pytest.mark.parametrize("replaces", [(False, True), (True, False)])
def test_replacing_and_adding_know_what_the_other_has_finished(
    photos: list[Path], job: Job, tmp_path: Path, replaces: tuple[bool, bool]
) -> None:
    file = coco(tmp_path / "coco.json", ("view0.png", [4, 4, 8, 8]), ("view1.png", [4, 4, 8, 8]))
    for first, indexed in zip(replaces, (5, 0), strict=True):
        annotations = open_annotations(file, format="coco")
        again = replace(job, detector=None, annotations=annotations, replaces=first)
        assert index(photos, tmp_path / "s.osp", again).indexed == indexed


def test_labels_that_cannot_be_read_remove_nothing(photos: list[Path], job: Job, tmp_path: Path) -> None:
    labels = tmp_path / "labels"
    labels.mkdir()
    (labels / "view0.txt").write_text("0 0.125 0.125 0.125 0.125\n")
    job = replace(job, detector=None, annotations=open_annotations(labels, names=["pear"]), replaces=True)
    index(photos, tmp_path / "s.osp", job)
    before = rows_of(open_store(tmp_path / "s.osp"))
    (labels / "view0.txt").write_bytes(b"0 0.125 0.125 0.125 \xff\n")
    for _ in range(2):  # the photo is not done, and looked at again
        report = index(photos, tmp_path / "s.osp", job)
        assert [Path(failure.path).name for failure in report.failures] == ["view0.txt"]
        after = rows_of(open_store(tmp_path / "s.osp"))
        assert {**after, "failures": []} == before


def test_annotated_job_keeps_detected_objects(photos: list[Path], job: Job, tmp_path: Path) -> None:
    labels = tmp_path / "labels"
    labels.mkdir()
    (labels / "view0.txt").write_text("0 0.125 0.125 0.125 0.125\n")
    index(photos, tmp_path / "s.osp", job)
    reader = open_annotations(labels, names=["pear"])
    index(photos, tmp_path / "s.osp", replace(job, annotations=reader, replaces=True))
    assert len(open_store(tmp_path / "s.osp")) == 11


def test_labels_of_two_folders_are_added_up(photos: list[Path], job: Job, tmp_path: Path) -> None:
    for folder, side in (("first", 0.25), ("second", 0.5)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "view0.txt").write_text(f"0 0.5 0.5 {side} {side}\n")
        index(
            photos,
            tmp_path / "s.osp",
            replace(job, annotations=open_annotations(tmp_path / folder, names=["pear"])),
        )
    assert len(open_store(tmp_path / "s.osp")) == 2


def test_same_job_twice_is_once(photos: list[Path], job: Job, tmp_path: Path) -> None:
    index(photos, tmp_path / "s.osp", job)
    before = rows_of(open_store(tmp_path / "s.osp"))
    report = index(photos, tmp_path / "s.osp", job)
    assert (report.indexed, report.known, report.objects) == (0, 5, 0)
    assert rows_of(open_store(tmp_path / "s.osp")) == before


def test_lower_threshold_adds_and_keeps_ids(photos: list[Path], job: Job, tmp_path: Path) -> None:
    index(photos, tmp_path / "s.osp", replace(job, confidence=0.5))
    first = open_store(tmp_path / "s.osp").objects().object_id.tolist()
    index(photos, tmp_path / "s.osp", replace(job, confidence=0.2))
    both = open_store(tmp_path / "s.osp").objects().object_id.tolist()
    assert len(first) == 5
    assert both[:5] == first
    assert len(both) == 10


def test_copies_of_a_photo_are_one_image(photos: list[Path], job: Job, tmp_path: Path) -> None:
    copy = photos[0].with_name("zcopy.png")
    copy.write_bytes(photos[0].read_bytes())
    report = index([*photos, copy], tmp_path / "s.osp", job)
    assert (report.indexed, report.known) == (5, 1)
    assert report.copies == ((str(copy), str(photos[0])),)
    assert len(open_store(tmp_path / "s.osp").images()) == 5
    again = index([*photos, copy], tmp_path / "s.osp", job)
    assert (again.known, again.copies) == (6, report.copies)


@pytest.mark.parametrize(
    ("runs", "replaces"),
    [
        ([["a.png", "b.png"]], False),
        ([["b.png", "a.png"]], False),
        ([["b.png"], ["a.png"]], False),
        ([["a.png", "b.png"]], True),
        ([["b.png", "a.png"]], True),
    ],
)
def test_labels_of_copies_are_added_up_however_the_runs_are_cut(
    photos: list[Path], job: Job, tmp_path: Path, runs: list[list[str]], replaces: bool
) -> None:
    for name, side in (("a", 0.25), ("b", 0.5)):
        shutil.copy(photos[0], tmp_path / f"{name}.png")
        (tmp_path / f"{name}.txt").write_text(f"0 0.5 0.5 {side} {side}\n")
    annotations = open_annotations(tmp_path, names=["pear"])
    job = replace(job, detector=None, annotations=annotations, replaces=replaces)
    for _ in range(2):
        for names in runs:
            index([tmp_path / name for name in names], tmp_path / "s.osp", job)
        store = open_store(tmp_path / "s.osp")
        assert sorted(store.objects().xyxy[:, 0].tolist()) == [16, 24]
        assert len(store.images()) == 1
    assert len(store.space("color-crop")) == 2


def test_copies_with_the_same_labels_are_looked_at_once(photos: list[Path], job: Job, tmp_path: Path) -> None:
    for name in ("a", "b"):
        shutil.copy(photos[0], tmp_path / f"{name}.png")
        (tmp_path / f"{name}.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    job = replace(job, detector=None, annotations=open_annotations(tmp_path, names=["pear"]))
    report = index([tmp_path / "a.png", tmp_path / "b.png"], tmp_path / "s.osp", job)
    assert (report.indexed, report.known, report.objects) == (1, 1, 1)


def test_a_copy_with_other_factors_is_told(
    photos: list[Path], job: Job, tmp_path: Path, logged: list[logging.LogRecord]
) -> None:
    copies = [tmp_path / name for name in ("test1.png", "train1.png", "train2.png")]
    for copy in copies:
        shutil.copy(photos[0], copy)
    factors = factors_from_pattern(r"(?P<split>[a-z]+)\d", copies)
    index(copies, tmp_path / "s.osp", replace(job, factors=factors))
    told = [record.getMessage() for record in logged if record.levelname == "WARNING"]
    assert told == [
        "2 photos are copies of another with other factors, whose factors count, such as "
        f"{tmp_path / 'train1.png'}"
    ]


def test_broken_photo_is_kept_as_failure_and_heals(photos: list[Path], job: Job, tmp_path: Path) -> None:
    photos[2].write_bytes(b"no photo")
    report = index(photos, tmp_path / "s.osp", job)
    assert report.indexed == 4
    assert [failure.path for failure in open_store(tmp_path / "s.osp").failures()] == [str(photos[2])]
    save(photos[2], 2)
    assert index(photos, tmp_path / "s.osp", job).indexed == 1
    assert open_store(tmp_path / "s.osp").failures() == []


def test_a_failure_of_a_known_photo_heals(
    photos: list[Path], job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> bytes:
        raise ImageError(str(path), "may not be read (permission denied)")

    index(photos, tmp_path / "s.osp", job)
    before = rows_of(open_store(tmp_path / "s.osp"))
    with monkeypatch.context() as patch:
        patch.setattr(stages, "read_file", refuse)
        assert len(index(photos, tmp_path / "s.osp", job).failures) == 5
    assert len(open_store(tmp_path / "s.osp").failures()) == 5
    assert index(photos[:4], tmp_path / "s.osp", job).known == 4
    assert [failure.path for failure in open_store(tmp_path / "s.osp").failures()] == [str(photos[4])]
    index(photos, tmp_path / "s.osp", job)
    assert rows_of(open_store(tmp_path / "s.osp")) == before


def test_moved_photos_get_their_new_path_and_copies_do_not(
    photos: list[Path], job: Job, tmp_path: Path
) -> None:
    index(photos, tmp_path / "s.osp", job)
    moved = photos[0].rename(tmp_path / "moved.png")
    # What lies there now is another photo.
    photos[1].rename(photos[1].with_name("renamed.png"))
    save(photos[1], 77)
    copy = tmp_path / "copy.png"
    copy.write_bytes(photos[2].read_bytes())
    now = [moved, copy, *find_images([photos[0].parent])]
    index(now, tmp_path / "s.osp", job)
    paths = {Path(image.path) for image in open_store(tmp_path / "s.osp").images()}
    assert paths == {*now} - {copy}
    assert index(now, tmp_path / "s.osp", job).known == len(now)


def test_crops_of_different_photos_share_batches(photos: list[Path], job: Job, tmp_path: Path) -> None:
    index(photos, tmp_path / "s.osp", job)
    encoder = job.encoder
    assert isinstance(encoder, MeanColor)
    assert sum(encoder.calls) == 10
    assert [calls % encoder.batch_size for calls in encoder.calls[:-1]] == [0] * (len(encoder.calls) - 1)


def test_progress_counts_every_photo_and_object(photos: list[Path], job: Job, tmp_path: Path) -> None:
    photos[2].write_bytes(b"no photo")
    seen: list[tuple[int, int]] = []
    index(photos, tmp_path / "s.osp", job, progress=lambda *counts: seen.append(counts))
    assert np.sum(seen, axis=0).tolist() == [5, 8]


def test_factors_are_columns_and_can_be_changed(photos: list[Path], job: Job, tmp_path: Path) -> None:
    first = factors_from_pattern(r"(?P<kind>view)", photos)
    index(photos, tmp_path / "s.osp", replace(job, factors=first))
    second = factors_from_pattern(r"view(?P<view>\d+)", photos)
    report = index(photos, tmp_path / "s.osp", replace(job, factors=second))
    objects = open_store(tmp_path / "s.osp").objects()
    assert report.indexed == 0
    assert objects.factors["kind"].tolist() == ["view"] * 10
    assert objects.factors["view"].tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]


@pytest.mark.parametrize("confidence", [0.25, 0.2], ids=["photos that are done", "photos done anew"])
def test_a_table_that_does_not_name_a_photo_leaves_its_factors(
    photos: list[Path], job: Job, tmp_path: Path, confidence: float
) -> None:
    whole, half = tmp_path / "all.csv", tmp_path / "half.csv"
    whole.write_text("file,angle\n" + "".join(f"{photo.name},10\n" for photo in photos))
    half.write_text("file,angle\nview0.png,20\nview1.png,\n")
    index(photos, tmp_path / "s.osp", replace(job, factors=factors_from_csv(whole, photos)))
    second = replace(job, factors=factors_from_csv(half, photos), confidence=confidence)
    index(photos, tmp_path / "s.osp", second)
    store = open_store(tmp_path / "s.osp")
    names, objects = {image.image_id: Path(image.path).stem for image in store.images()}, store.objects()
    angles = zip(objects.image_id.tolist(), objects.factors["angle"].tolist(), strict=True)
    expected = [("view0", 20.0), ("view1", math.nan), ("view2", 10.0), ("view3", 10.0), ("view4", 10.0)]
    assert sorted({repr((names[image_id], angle)) for image_id, angle in angles}) == list(map(repr, expected))


def test_another_recipe_is_refused_and_nothing_changes(photos: list[Path], job: Job, tmp_path: Path) -> None:
    index(photos, tmp_path / "s.osp", job)
    before = rows_of(open_store(tmp_path / "s.osp"))
    other = MeanColor()
    other.weights = "f" * 64
    with pytest.raises(RecipeError, match="weights"):
        index(photos, tmp_path / "s.osp", replace(job, encoder=other))
    assert other.calls == []
    assert rows_of(open_store(tmp_path / "s.osp")) == before


def test_suffix_names_other_spaces(photos: list[Path], job: Job, tmp_path: Path) -> None:
    index(photos, tmp_path / "s.osp", replace(job, suffix="-b"))
    names = ["both-b", "color-crop-b", "fake-window3-stride16-b", "fake-window3-stride32-b"]
    assert open_store(tmp_path / "s.osp").space_names == names


def test_job_that_fails_keeps_what_it_finished(
    photos: list[Path], job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail_at_last(crops: np.ndarray) -> np.ndarray:
        if len(encoder.calls) == 2:
            raise ModelError("out of order")
        return MeanColor.embed(encoder, crops)

    encoder = MeanColor()
    monkeypatch.setattr(encoder, "embed", fail_at_last)
    with pytest.raises(ModelError, match="out of order"):
        index(photos, tmp_path / "s.osp", replace(job, encoder=encoder))
    assert len(open_store(tmp_path / "s.osp").images()) == 4
    index(photos, tmp_path / "s.osp", job)
    index(photos, tmp_path / "undisturbed.osp", job)
    assert rows_of(open_store(tmp_path / "s.osp")) == rows_of(open_store(tmp_path / "undisturbed.osp"))


def test_one_image_a_thread_and_several_a_pass_make_the_same_store(
    photos: list[Path], job: Job, tmp_path: Path
) -> None:
    photos[2].write_bytes(b"no photo")
    copy = photos[0].with_name("view0-copy.png")
    copy.write_bytes(photos[0].read_bytes())
    stores = []
    for size in (1, 2):
        index([*photos, copy], tmp_path / f"{size}.osp", replace(job, detector=FakeDetector(size)))
        stores.append(rows_of(open_store(tmp_path / f"{size}.osp")))
    assert stores[0] == stores[1]


@pytest.mark.parametrize("size", [1, 2])
def test_of_copies_the_first_counts_though_it_is_opened_last(
    photos: list[Path], job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    def slow(read: ReadImage, job: LoadedJob) -> DecodedImage:
        if Path(read.path) == photos[0]:
            time.sleep(0.2)
        return stages.decode(read, job)

    copy = photos[0].with_name("view0-copy.png")
    copy.write_bytes(photos[0].read_bytes())
    monkeypatch.setattr(engine_threads, "decode", slow)
    summary = index([photos[0], copy], tmp_path / "s.osp", replace(job, detector=FakeDetector(size)))
    assert (summary.indexed, summary.known) == (1, 1)
    assert [image.path for image in open_store(tmp_path / "s.osp").images()] == [str(photos[0])]


def test_copies_of_a_broken_file_all_fail(photos: list[Path], job: Job, tmp_path: Path) -> None:
    for photo in photos[:2]:
        photo.write_bytes(b"no photo")
    assert len(index(photos, tmp_path / "s.osp", job).failures) == 2


def test_images_that_are_skipped_take_no_place_in_a_pass(
    photos: list[Path], job: Job, tmp_path: Path
) -> None:
    index(photos[1:2], tmp_path / "s.osp", job)
    detector = FakeDetector()
    index(photos, tmp_path / "s.osp", replace(job, detector=detector))
    assert sorted(detector.calls) == [2, 2]


class Faulty(FakeDetector):
    """Gives NaN for image 2: as a box, as a score, or in its map."""

    def __init__(self, fault: str, batch_size: int) -> None:
        super().__init__(batch_size)
        self.fault = fault

    def prepare(self, image: Image) -> np.ndarray:
        return np.full((64, 64, 3), image.pixels[0, 63, 0], np.uint8)

    def run(self, inputs: Sequence[np.ndarray]) -> MapRun:
        maps = super().run(inputs).maps
        faulty = torch.tensor([pixels[0, 0, 0] == 2 for pixels in inputs])
        if self.fault == "map":
            maps = {
                layer: torch.where(faulty[:, None, None, None], torch.nan, m) for layer, m in maps.items()
            }
        return MapRun((faulty,), maps)

    def find_objects(
        self, run: MapRun, row: int, image_id: str, frame: Frame, *, confidence: float, iou: float
    ) -> Objects:
        found = super().find_objects(run, row, image_id, frame, confidence=confidence, iou=iou)
        if not run.heads[0][row] or self.fault == "map":
            return found
        if self.fault == "box":
            return replace(found, xyxy=found.xyxy * np.float32("nan"))
        return replace(found, score=found.score * np.float32("nan"))


class FaultyEncoder(MeanColor):
    """Gives NaN for crops of one color."""

    def __init__(self, color: tuple[int, int, int]) -> None:
        super().__init__()
        self.color = color

    def embed(self, crops: np.ndarray) -> np.ndarray:
        vectors = super().embed(crops)
        return np.where((vectors == self.color).all(1, keepdims=True), np.float32("inf"), vectors)


@pytest.mark.parametrize("size", [1, 2])
@pytest.mark.parametrize("fault", ["box", "score", "map"])
def test_an_image_on_which_the_detector_gives_nan_fails_alone(
    photos: list[Path], job: Job, tmp_path: Path, fault: str, size: int
) -> None:
    summary = index(photos, tmp_path / "s.osp", replace(job, detector=Faulty(fault, size)))
    assert (summary.indexed, [failure.path for failure in summary.failures]) == (4, [str(photos[2])])
    told = "not finite" if fault == "box" else "fake gave NaN or infinity"
    (failure,) = open_store(tmp_path / "s.osp").failures()
    assert told in failure.reason
    assert index(photos, tmp_path / "s.osp", job).indexed == 1
    assert open_store(tmp_path / "s.osp").failures() == []


def test_an_image_on_which_the_encoder_gives_infinity_fails_alone(
    photos: list[Path], job: Job, tmp_path: Path
) -> None:
    save(photos[2], 2, small=(0, 0, 200))
    encoder = FaultyEncoder((0, 0, 200))
    summary = index(photos, tmp_path / "s.osp", replace(job, encoder=encoder))
    assert (summary.indexed, [failure.path for failure in summary.failures]) == (4, [str(photos[2])])
    assert "color gave NaN or infinity" in summary.failures[0].reason
    store = open_store(tmp_path / "s.osp")
    assert {len(store.space(name)) for name in store.space_names} == {4, 8}


# ---------------------------------------------------------------------------------------------- float16


def test_float16_vectors_are_those_of_float32_rounded_once(
    photos: list[Path], job: Job, tmp_path: Path
) -> None:
    index(photos, tmp_path / "whole.osp", job)
    index(photos, tmp_path / "half.osp", replace(job, vectors="float16"))
    whole, half = open_store(tmp_path / "whole.osp"), open_store(tmp_path / "half.osp")
    assert half.space_names == whole.space_names
    for name in ("color-crop", "fake-window3-stride16", "fake-window3-stride32"):
        assert whole.recipe(name).differences(half.recipe(name)) == {"vectors": ("float32", "float16")}
        assert half.members(name) == whole.members(name)
        rounded = whole.space(name).vectors.astype(np.float16)
        assert half.space(name).vectors.tobytes() == rounded.astype(np.float32).tobytes()
    # The same job has nothing left to do; what is queried is made by the same networks.
    again = index(photos, tmp_path / "half.osp", replace(job, vectors="float16"))
    assert (again.indexed, again.known) == (0, 5)


class Bright(MeanColor):
    """Gives a number beyond float16 for crops of one color."""

    def embed(self, crops: np.ndarray) -> np.ndarray:
        vectors = super().embed(crops)
        return np.where((vectors == (0, 0, 200)).all(1, keepdims=True), np.float32(-70000), vectors)


class BrightMap(FakeDetector):
    """Gives a number beyond float16 in the map of image 2."""

    def prepare(self, image: Image) -> np.ndarray:
        return np.full((64, 64, 3), image.pixels[0, 63, 0], np.uint8)

    def run(self, inputs: Sequence[np.ndarray]) -> MapRun:
        bright = torch.tensor([pixels[0, 0, 0] == 2 for pixels in inputs])[:, None, None, None]
        maps = {
            layer: torch.where(bright, 1e5, features) for layer, features in super().run(inputs).maps.items()
        }
        return MapRun((), maps)


@pytest.mark.parametrize("part", ["encoder", "detector"])
def test_an_image_whose_vectors_float16_cannot_hold_fails_alone(
    photos: list[Path], job: Job, tmp_path: Path, part: str
) -> None:
    save(photos[2], 2, small=(0, 0, 200))
    bright = {"encoder": Bright(), "detector": BrightMap()}[part]
    half = replace(job, **{part: bright}, vectors="float16")
    summary = index(photos, tmp_path / "s.osp", half)
    assert (summary.indexed, [failure.path for failure in summary.failures]) == (4, [str(photos[2])])
    number = {"encoder": "70000", "detector": "100000"}[part]
    told = f'has {number} in it, and float16 holds numbers up to 65504; give vectors="float32"'
    assert told in summary.failures[0].reason
    # As float32 they are kept.
    assert index(photos, tmp_path / "whole.osp", replace(half, vectors="float32")).indexed == 5


@pytest.mark.parametrize(("first", "second"), [("float32", "float16"), ("float16", "float32")])
def test_one_space_is_never_of_both_kinds(
    photos: list[Path], job: Job, tmp_path: Path, first: Any, second: Any
) -> None:
    index(photos[:2], tmp_path / "s.osp", replace(job, vectors=first))
    before = rows_of(open_store(tmp_path / "s.osp"))
    told = rf"was made by another recipe \(vectors '{first}', now '{second}'\); use another store"
    with pytest.raises(RecipeError, match=told):
        index(photos, tmp_path / "s.osp", replace(job, vectors=second))
    assert rows_of(open_store(tmp_path / "s.osp")) == before
    index(photos, tmp_path / "s.osp", replace(job, vectors=second, suffix="-b"))
    assert len(open_store(tmp_path / "s.osp").space("color-crop-b")) == 10


def test_numbers_of_another_kind_are_refused(job: Job) -> None:
    with pytest.raises(InputError, match="vectors is 'int8', expected float32 or float16"):
        replace(job, vectors="int8")


def test_a_job_can_be_followed_in_the_log(
    photos: list[Path], job: Job, tmp_path: Path, logged: list[logging.LogRecord]
) -> None:
    photos[2].write_bytes(b"no photo")
    index(photos, tmp_path / "s.osp", job)
    told = [record.getMessage() for record in logged]
    assert any(line.startswith("committed 4 images, 8 objects, 1 failures") for line in told)
    assert any(str(photos[2]) in line for line in told)
