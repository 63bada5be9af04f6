"""Photos that are gone are forgotten where that is asked for, and never because a disk is not there."""

from __future__ import annotations

import logging
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from objectspace.errors import InputError
from objectspace.jobs.index import index
from objectspace.jobs.index_summary import IndexSummary
from objectspace.objects.annotations import open_annotations
from objectspace.pipeline.job import Job
from objectspace.store import Store, open_store
from objectspace.store.examination import examine_store
from tests.jobs.fakes import FakeDetector, MeanColor, save

pytestmark = pytest.mark.usefixtures("no_default_space")


@pytest.fixture
def job() -> Job:
    return Job(detector=FakeDetector(), encoder=MeanColor())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five photos in two subfolders."""
    for number, place in enumerate(("a", "a", "b", "b", "b")):
        path = tmp_path / "photos" / place / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        save(path, number)
    return tmp_path / "photos"


def names(store: Store) -> list[str]:
    return sorted(Path(row.path).name for row in store.images())


def warnings(logged: list[logging.LogRecord]) -> list[str]:
    return [record.getMessage() for record in logged if record.levelno == logging.WARNING]


def pruned(folder: Path, job: Job, **options: Any) -> tuple[IndexSummary, Store]:
    store = folder.parent / "s.osp"
    summary = index(folder, store, job, prune=folder, **options)
    return summary, open_store(store)


def test_a_store_without_the_gone_photos_is_the_store_of_the_others(folder: Path, job: Job) -> None:
    store = folder.parent / "s.osp"
    index(folder, store, job)
    (folder / "b" / "3.png").unlink()
    shutil.rmtree(folder / "a")
    assert index(folder, store, job).forgotten == ()
    assert len(open_store(store).images()) == 5
    summary, left = pruned(folder, job)
    assert summary.forgotten == tuple(str(folder / name) for name in ("a/0.png", "a/1.png", "b/3.png"))
    assert summary.to_json()["forgotten"] == list(summary.forgotten)

    index(folder, folder.parent / "fresh.osp", job)
    fresh = open_store(folder.parent / "fresh.osp")
    assert names(left) == names(fresh) == ["2.png", "4.png"]
    assert left.indexed() == fresh.indexed()
    assert sorted(left.objects().object_id) == sorted(fresh.objects().object_id)
    for name in fresh.space_names:
        assert sorted(left.members(name)) == sorted(fresh.members(name))
    assert not examine_store(store).damages


def test_a_forgotten_photo_that_comes_back_is_indexed_again(folder: Path, job: Job) -> None:
    pruned(folder, job)
    (folder / "a" / "0.png").rename(folder.parent / "0.png")
    assert len(pruned(folder, job)[0].forgotten) == 1
    (folder.parent / "0.png").rename(folder / "a" / "0.png")
    summary, store = pruned(folder, job)
    assert (summary.indexed, summary.forgotten, len(store)) == (1, (), 10)


def test_a_moved_photo_stays_and_a_replaced_one_goes(folder: Path, job: Job) -> None:
    pruned(folder, job)
    (folder / "a" / "0.png").rename(folder / "b" / "moved.png")
    save(folder / "b" / "2.png", 9)
    summary, store = pruned(folder, job)
    assert summary.forgotten == (str(folder / "b" / "2.png"),)
    assert names(store) == ["1.png", "2.png", "3.png", "4.png", "moved.png"]


def test_a_photo_without_objects_is_forgotten_too(folder: Path, job: Job) -> None:
    labels = folder.parent / "labels"
    labels.mkdir()
    (labels / "2.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    annotated = replace(job, detector=None, annotations=open_annotations(labels, names=["pear"]))
    pruned(folder, annotated)
    (folder / "b" / "4.png").unlink()
    summary, store = pruned(folder, annotated)
    assert summary.forgotten == (str(folder / "b" / "4.png"),)
    assert set().union(*store.indexed().values()) == {row.image_id for row in store.images()}


def test_photos_of_other_folders_and_excluded_ones_stay(folder: Path, job: Job) -> None:
    store = folder.parent / "s.osp"
    index(folder, store, job)
    (folder / "a" / "0.png").unlink()
    (folder / "b" / "2.png").unlink()
    photos = [folder / "a" / "1.png"]
    assert index(photos, store, job, prune=[folder / "a"]).forgotten == (str(folder / "a" / "0.png"),)
    assert names(open_store(store)) == ["1.png", "2.png", "3.png", "4.png"]


def test_failures_of_files_that_are_gone_are_forgotten_and_those_that_came_again_stay(
    folder: Path, job: Job
) -> None:
    for name in ("gone.png", "stays.png"):
        (folder / name).write_bytes(b"no picture")
    _, store = pruned(folder, job)
    assert len(store.failures()) == 2
    (folder / "gone.png").unlink()
    summary, store = pruned(folder, job)
    assert [Path(failure.path).name for failure in store.failures()] == ["stays.png"]
    assert summary.forgotten == ()


def test_a_disk_that_is_not_mounted_empties_nothing(
    folder: Path, job: Job, logged: list[logging.LogRecord]
) -> None:
    store, disk = folder.parent / "s.osp", folder.parent / "disk"
    shutil.copytree(folder, disk)
    for number, path in enumerate(sorted(disk.rglob("*.png")), start=10):
        save(path, number)
    index([*folder.rglob("*.png"), *disk.rglob("*.png")], store, job)
    shutil.rmtree(disk)
    disk.mkdir()
    (folder / "a" / "0.png").unlink()
    summary = index(folder, store, job, prune=[folder, disk])
    assert (summary.forgotten, len(open_store(store).images())) == ((), 10)
    told = f"1 photo seems gone, but {disk} holds no photo; nothing was forgotten: is the disk there?"
    assert warnings(logged) == [told]


def test_a_disk_within_the_folder_that_is_not_mounted_keeps_its_photos(folder: Path, job: Job) -> None:
    pruned(folder, job)
    shutil.rmtree(folder / "a")
    (folder / "a").mkdir()
    (folder / "b" / "2.png").unlink()
    summary, store = pruned(folder, job)
    assert summary.forgotten == (str(folder / "b" / "2.png"),)
    assert names(store) == ["0.png", "1.png", "3.png", "4.png"]


def test_a_folder_of_that_name_somewhere_else_empties_nothing(
    folder: Path, job: Job, monkeypatch: pytest.MonkeyPatch, logged: list[logging.LogRecord]
) -> None:
    store, elsewhere = folder.parent / "s.osp", folder.parent / "elsewhere"
    monkeypatch.chdir(folder.parent)
    index("photos", store, job, prune="photos")
    (elsewhere / "photos").mkdir(parents=True)
    save(elsewhere / "photos" / "new.png", 77)
    monkeypatch.chdir(elsewhere)
    assert index("photos", store, job, prune="photos").forgotten == ()
    (warning,) = warnings(logged)
    assert "photos holds none of the 5 photos that the store knows from there" in warning
    assert len(open_store(store).images()) == 6


def test_what_is_pruned_is_a_folder(folder: Path, job: Job) -> None:
    photo = folder / "a" / "0.png"
    with pytest.raises(InputError, match=r"0\.png is no folder; prune= takes the folders"):
        index([photo], folder.parent / "s.osp", job, prune=[photo])
