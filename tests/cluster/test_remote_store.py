"""A store in object storage holds what one on disk holds, and two writers lose no row."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import objectspace as osp
from objectspace.errors import StoreBusyError, StoreError
from objectspace.objects.records import no_objects
from objectspace.places import RemotePath
from objectspace.store import Batch, ImageRow, lease
from objectspace.store.examination import examine_store
from objectspace.store.manifest import MANIFEST
from objectspace.store.writer import LOCK
from tests.cluster.conftest import NETWORKS, Serve, contents, make_bucket

pytestmark = pytest.mark.slow


def batch_of(*names: str) -> Batch:
    images = [ImageRow(name * 32, f"{name}.png", 4, 4) for name in names]
    return Batch(images, no_objects(), [], job="job")


def test_a_store_in_a_bucket_holds_what_one_on_disk_holds(
    bucket: str, photos: Path, undisturbed: dict[str, Any]
) -> None:
    for path in photos.iterdir():
        (RemotePath(bucket) / "photos" / path.name).write_bytes(path.read_bytes())
    summary = osp.index(f"{bucket}/photos", f"{bucket}/a.osp", osp.Job(**NETWORKS))
    assert contents(f"{bucket}/a.osp") == undisturbed
    assert (summary.indexed, summary.known) == (48, 1)
    again = osp.index(f"{bucket}/photos", f"{bucket}/a.osp", osp.Job(**NETWORKS))
    assert (again.indexed, again.known) == (0, 49)
    assert contents(f"{bucket}/a.osp") == undisturbed


@pytest.mark.parametrize("kept", ["float32", "float16"])
def test_search_in_a_bucket_is_search_on_disk_also_by_a_copy(
    bucket: str, tmp_path: Path, add_objects: Any, noise: Any, kept: str
) -> None:
    for store in (f"{bucket}/s.osp", tmp_path / "s.osp"):
        for start in (0, 60):
            add_objects(store, noise[start : start + 60], first=start // 10, kept=kept)
    opened = [
        osp.open_store(tmp_path / "s.osp"),
        osp.open_store(f"{bucket}/s.osp"),
        osp.open_store(f"{bucket}/s.osp", cache=tmp_path / "copies"),
    ]
    ids = opened[0].members("a-crop")[::9]
    told = [
        [answer.to_json() for answer in osp.SpaceSearch(store, in_memory=size).nearest(ids, k=7)]
        for store in opened
        for size in (0, 1 << 30)
    ]
    assert all(answers == told[0] for answers in told)
    assert len(list((tmp_path / "copies").iterdir())) == 1


def test_the_explorer_shows_photos_of_a_bucket_and_its_next_commit(bucket: str, photos: Path) -> None:
    from objectspace.explorer.served_store import ServedStore
    from objectspace.explorer.views import photo_jpeg

    for path in sorted(photos.glob("0*.png"))[:3]:
        (RemotePath(bucket) / "photos" / path.name).write_bytes(path.read_bytes())
    place = RemotePath(bucket) / "a.osp"
    first, *rest = osp.find_images([f"{bucket}/photos"])
    osp.index([first], place, osp.Job(**NETWORKS))
    served = ServedStore(place)
    assert photo_jpeg(served.state(), 0, None)[:2] == b"\xff\xd8"
    points = served.state().maps.points("demo-crop")
    assert len(points) == len(osp.open_store(place))
    assert (place / "explorer" / "maps").names()
    osp.index(rest, place, osp.Job(**NETWORKS))
    assert len(served.state().images) == 3


def test_selections_and_checks_work_in_a_bucket(bucket: str, photos: Path) -> None:
    place = f"{bucket}/a.osp"
    osp.index(sorted(photos.iterdir())[:6], place, osp.Job(**NETWORKS))
    store = osp.open_store(place)
    ids = store.objects().object_id[:3].tolist()
    store.save_selection("few", ids)
    assert store.selection_names == ["few"]
    assert osp.open_store(place).selection("few").object_ids.tolist() == ids
    assert examine_store(place).whole


def test_damage_in_a_bucket_is_found(bucket: str) -> None:
    place = RemotePath(bucket) / "a.osp"
    with osp.open_writer(place) as writer:
        writer.commit(batch_of("a", "b"))
    (data,) = [path for path in place.objects_below() if "images.lance/data" in str(path)]
    data.write_bytes(data.read_bytes()[:-8] + b"damaged!")
    assert not examine_store(place).whole


def test_a_second_writer_is_told_of_the_first(bucket: str) -> None:
    with osp.open_writer(f"{bucket}/a.osp") as writer:
        writer.commit(batch_of("a"))
        with pytest.raises(StoreBusyError, match=r"is writing to s3://.*a.osp \(.*process \d+"):
            osp.open_writer(f"{bucket}/a.osp")
    with osp.open_writer(f"{bucket}/a.osp") as writer:
        assert list(writer.paths().values()) == ["a.png"]
    assert not (RemotePath(bucket) / "a.osp" / LOCK).is_file()


def test_a_writer_that_slept_loses_nothing_of_its_successor(
    bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = f"{bucket}/a.osp"
    sleeper = osp.open_writer(place)
    sleeper.commit(batch_of("a"))
    monkeypatch.setattr(lease, "TAKEN_OVER_AFTER", timedelta(seconds=-1))
    with osp.open_writer(place) as successor:
        successor.commit(batch_of("b"))
        with pytest.raises(StoreBusyError, match="another process"):
            sleeper.commit(batch_of("c"))
        # What the sleeper wrote into the table is no part of what its successor commits on top of it.
        with pytest.raises(StoreBusyError, match="another process writes to"):
            successor.commit(batch_of("d"))
        successor.commit(batch_of("d"))
        # The sleeper undoes nothing any more, which would fail its successor's next commit.
        with pytest.raises(StoreError, match="has taken"):
            sleeper.commit(batch_of("e"))
        with pytest.raises(StoreError, match="has taken the store over"):
            sleeper.commit(batch_of("e"))
        successor.commit(batch_of("f"))
    assert {row.path for row in osp.open_store(place).images()} == {"a.png", "b.png", "d.png", "f.png"}


def test_the_manifest_alone_keeps_the_loser_out(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two writers of different tables: Lance sees no conflict, the manifest does."""
    place = f"{bucket}/a.osp"
    first = osp.open_writer(place)
    monkeypatch.setattr(lease, "TAKEN_OVER_AFTER", timedelta(seconds=-1))
    with osp.open_writer(place) as second:
        failure = Batch([], no_objects(), [], job="job", failures=[osp.Failure("x.png", "is broken")])
        second.commit(failure)
        with pytest.raises(StoreBusyError, match=r"has written to s3://.* meanwhile"):
            first.commit(batch_of("a"))
    store = osp.open_store(place)
    assert (len(store.images()), len(store.failures())) == (0, 1)


def test_a_commit_whose_answer_was_lost_is_found_done(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    place = RemotePath(bucket) / "a.osp"
    replace = RemotePath.replace_tagged

    def lost(self: RemotePath, data: bytes, tag: str) -> str:
        """The first answer is lost, and the client asks again."""
        replace(self, data, tag)
        return replace(self, data, tag)

    with osp.open_writer(place) as writer:
        monkeypatch.setattr(RemotePath, "replace_tagged", lost)
        writer.commit(batch_of("a"))
        monkeypatch.undo()
        assert "a.png" in writer.paths().values()
    assert (place / MANIFEST).is_file()


@pytest.mark.parametrize("header", ["If-None-Match", "If-Match"])
def test_storage_that_ignores_conditional_writes_is_refused(
    s3_server: Serve, header: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = make_bucket(s3_server(without=(header,)), monkeypatch)
    with pytest.raises(StoreError, match=r"ignores conditional writes .* keep the store in another"):
        osp.open_writer(f"{bucket}/a.osp")
    assert list(RemotePath(bucket).objects_below()) == []


def test_a_missing_store_and_a_missing_bucket_are_told_apart(bucket: str) -> None:
    with pytest.raises(StoreError, match=f"no store at {bucket}/a.osp; make one with objectspace index"):
        osp.open_store(f"{bucket}/a.osp")
    with pytest.raises(osp.InputError, match="there is no bucket s3://never-made-here"):
        osp.open_writer("s3://never-made-here/a.osp")


def test_a_folder_of_something_else_is_no_store(bucket: str) -> None:
    (RemotePath(bucket) / "photos" / "1.png").write_bytes(b"x")
    with pytest.raises(StoreError, match=r"photos is not a store .* \(it holds 1.png\)"):
        osp.open_writer(f"{bucket}/photos")
