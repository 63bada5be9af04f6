"""Jobs whose vectors are written chunk by chunk by others, here in this process: the store of a plain run."""

from __future__ import annotations

import json
from collections.abc import Generator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import objectspace as osp
from objectspace.images import Failure
from objectspace.jobs import commits
from objectspace.jobs.written_vectors import write_vectors
from objectspace.pipeline.engine_ray import RayEngine, _without_copies
from objectspace.pipeline.engine_threads import run
from objectspace.pipeline.results import ImageResult, Outcome, SkippedImage
from objectspace.store import open_store, open_writer
from objectspace.store.fragments import FragmentWriter
from tests.cluster.conftest import contents


@cache
def networks() -> dict[str, Any]:
    """The networks of all jobs, loaded once, and how they pool."""
    return {"detector": osp.load_detector("demo"), "encoder": osp.load_encoder("demo"), "pools": ("window1",)}


class InThisProcess(RayEngine):
    """The engine of many machines without machines: chunks of five images, pickled on their way."""

    def run(
        self, images: Any, job: Any, loaded: Any, is_finished: Any, in_worker: Any
    ) -> Generator[list[Outcome], None, None]:
        chunks = (
            in_worker(list(run(images[at : at + 5], loaded, is_finished))) for at in range(0, len(images), 5)
        )
        yield from _without_copies(chunks)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine drawn photos, a broken one in the first chunk, and copies of one in its chunk and in another."""
    folder = tmp_path_factory.mktemp("drawn") / "world"
    osp.write_world(folder, count=9, seed=5)
    images = folder / "images"
    (images / "000001-broken.png").write_bytes(b"no picture")
    for copy in ("000002-copy.png", "zz-copy.png"):
        (images / copy).write_bytes((images / "000002.png").read_bytes())
    return images


@pytest.mark.parametrize("objects", [7, 256])
def test_the_store_is_that_of_a_plain_run(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, objects: int
) -> None:
    monkeypatch.setattr(commits, "COMMIT_OBJECTS", objects)
    job = osp.Job(**networks())
    plain = osp.index(photos, tmp_path / "plain.osp", job)
    written = osp.index(photos, tmp_path / "written.osp", job, engine=InThisProcess())
    assert contents(tmp_path / "written.osp") == contents(tmp_path / "plain.osp")
    assert (written.indexed, written.known, len(written.failures)) == (9, 2, 1)
    assert (plain.indexed, plain.known, len(plain.failures)) == (9, 2, 1)


def test_vectors_that_are_kept_as_float16(photos: Path, tmp_path: Path) -> None:
    job = osp.Job(**networks(), vectors="float16")
    osp.index(photos, tmp_path / "plain.osp", job)
    osp.index(photos, tmp_path / "written.osp", job, engine=InThisProcess())
    assert contents(tmp_path / "written.osp") == contents(tmp_path / "plain.osp")
    assert open_store(tmp_path / "written.osp").recipe("demo-crop").vectors == "float16"


def test_a_job_that_finds_some_vectors_in_the_store_adds_the_others(photos: Path, tmp_path: Path) -> None:
    """The crop space is there for the first seven images, the window spaces are not."""
    some = sorted(photos.iterdir())[:7]
    for store, engine in (("plain.osp", None), ("written.osp", InThisProcess())):
        osp.index(some, tmp_path / store, osp.Job(**{**networks(), "pools": ()}))
        osp.index(photos, tmp_path / store, osp.Job(**networks()), engine=engine)
    assert contents(tmp_path / "written.osp") == contents(tmp_path / "plain.osp")


def test_labels_that_are_gone_take_their_vectors(tmp_path: Path) -> None:
    osp.write_world(tmp_path / "world", count=6, seed=1)
    photos, labels = tmp_path / "world" / "images", tmp_path / "world" / "annotations.json"
    job = osp.Job(
        annotations=osp.AnnotationSpec(labels, "coco"), encoder=networks()["encoder"], replaces=True
    )
    document = json.loads(labels.read_text())
    engines = (("plain.osp", None), ("written.osp", InThisProcess()))
    for removed in (0, 2):
        left = document["annotations"][removed:]
        labels.write_text(json.dumps({**document, "annotations": left}))
        for store, engine in engines:
            osp.index(photos, tmp_path / store, job, engine=engine)
        assert contents(tmp_path / "written.osp") == contents(tmp_path / "plain.osp")
        assert len(osp.open_store(tmp_path / "written.osp")) == len(left)


def outcomes_of(photos: Path) -> list[Outcome]:
    images = sorted(photos.iterdir())[:5]
    return list(run(images, osp.Job(**networks()).load(), lambda image_id, contents: False))


def test_vectors_stay_behind_and_everything_else_is_sent(photos: Path, tmp_path: Path) -> None:
    before = outcomes_of(photos)
    with open_writer(tmp_path / "a.osp") as writer:
        after = write_vectors(before, writer.fragments())
    kinds = [ImageResult, Failure, ImageResult, ImageResult, SkippedImage]
    assert [type(outcome) for outcome in after] == kinds
    for old, new in zip(before, after, strict=True):
        if isinstance(old, ImageResult) and isinstance(new, ImageResult):
            assert (new.path, new.thumbnails) == (old.path, old.thumbnails)
            assert not new.vectors
            ids = {name: rows.object_id.tolist() for name, rows in new.written.items()}
            assert ids == {name: list(rows.object_id) for name, rows in old.vectors.items()}
        else:
            assert new == old


def test_a_machine_without_the_store_sends_its_vectors(photos: Path, tmp_path: Path) -> None:
    before = outcomes_of(photos)
    assert write_vectors(before, FragmentWriter(tmp_path / "nowhere.osp", 1)) == before
