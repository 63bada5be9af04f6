"""A store as a notebook shows it, as a data frame, in memory or not, and where one can be written."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from objectspace.errors import InputError, StoreBusyError, StoreError, StoreVersionError
from objectspace.objects.data_frames import data_frame
from objectspace.store import Batch, Store, open_store, open_writer
from objectspace.store.manifest import MANIFEST, _replace_remote
from objectspace.store.writer import check_store_place


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory, make_batch: Callable[..., Batch]) -> Path:
    """Ten photos of two objects each, in two spaces of twenty and ten vectors."""
    folder = tmp_path_factory.mktemp("shown") / "shown.osp"
    with open_writer(folder) as writer:
        for number in range(5):
            writer.commit(make_batch(number))
    return folder


def test_a_notebook_shows_what_is_in_a_store(path: Path) -> None:
    shown = open_store(path)._repr_html_()
    assert f"{path}: 10 images, 20 objects: 10 dog, 10 potted plant<" in shown
    for row in (("resnet50-crop", 20, 8, "crop"), ("yolo-window", 10, 3, "window")):
        assert "<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" in shown
    # The first twelve objects, over their labels.
    assert shown.count("<figure") == shown.count("<img") == 12
    assert shown.count("<figcaption>dog<") == shown.count("<figcaption>potted plant<") == 6


def test_a_notebook_shows_twelve_labels_at_most(
    tmp_path: Path, make_batch: Callable[..., Batch], monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_writer(tmp_path / "s.osp") as writer:
        writer.commit(make_batch(0))
    store = open_store(tmp_path / "s.osp")
    info = replace(store.info(), labels={f"label{number:02}": 1 for number in range(13)})
    monkeypatch.setattr(Store, "info", lambda self: info)
    shown = store._repr_html_()
    assert "1 label11<" in shown
    assert "label12" not in shown


def test_a_notebook_shows_a_store_of_nothing(tmp_path: Path) -> None:
    with open_writer(tmp_path / "empty.osp"):
        pass
    shown = open_store(tmp_path / "empty.osp")._repr_html_()
    assert "0 images, 0 objects" in shown
    assert "<figure" not in shown


def test_what_is_tried_first_of_a_store_is_answered_with_what_there_is(path: Path) -> None:
    store = open_store(path)
    with pytest.raises(AttributeError, match=r"no attribute 'search'; objectspace\.SpaceSearch") as caught:
        _ = store.search
    assert (caught.value.name, caught.value.obj) == ("search", store)
    with pytest.raises(AttributeError, match=r"no attribute 'nothing'$"):
        _ = store.nothing


def test_a_data_frame_has_a_row_for_each_object(path: Path) -> None:
    store = open_store(path)
    frame, objects = store.to_pandas(), store.objects()
    assert len(frame) == 20
    for name, column in objects.columns.items():
        if name == "xyxy":
            np.testing.assert_array_equal(frame[["x1", "y1", "x2", "y2"]].to_numpy(), column)
        elif name == "apple":
            known = [None if value is None else str(value) for value in column]
            assert frame[name].astype(object).where(frame[name].notna(), None).tolist() == known
        elif column.dtype.kind == "f":
            np.testing.assert_array_equal(frame[name].to_numpy(float), column.astype(float))
    paths = {image.image_id: image.path for image in store.images()}
    assert frame["path"].tolist() == [paths[name] for name in objects.image_id]


def test_without_pandas_a_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(InputError, match="pip install pandas"):
        data_frame({"a": np.arange(2)})


def test_a_space_is_read_into_memory_up_to_a_size(path: Path) -> None:
    stored = open_store(path).stored_space("resnet50-crop")
    size = 20 * 8 * 4
    assert stored.vectors.nbytes == size
    for most, in_memory in ((size, True), (size - 1, False)):
        space = stored.to_space(most)
        assert isinstance(space.searched, np.ndarray) is in_memory
        np.testing.assert_array_equal(space.searched[:], stored.vectors[:])
        assert space.objects.object_id.tolist() == stored.object_id.tolist() == space.object_id.tolist()
        assert (space.name, space.recipe) == (stored.name, stored.recipe)


def test_a_store_can_be_written_where_none_is_and_where_one_is(path: Path, tmp_path: Path) -> None:
    new = tmp_path / "folder" / "new.osp"
    check_store_place(new)
    check_store_place(tmp_path)
    assert not new.parent.exists()
    assert not list(tmp_path.iterdir())
    open_writer(new).close()
    assert open_store(new).info().images == 0
    check_store_place(path)
    with open_writer(path), pytest.raises(StoreBusyError):
        check_store_place(path)
    check_store_place(path)
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="file"):
        check_store_place(tmp_path / "file" / "new.osp")
    later = tmp_path / "later.osp"
    later.mkdir()
    manifest = json.loads((path / MANIFEST).read_text())
    (later / MANIFEST).write_text(json.dumps({**manifest, "format_version": 99, "version": 99}))
    with pytest.raises(StoreVersionError):
        check_store_place(later)


class Bucket:
    """Object storage of one file, whose tag is the number of writes; some of its answers are lost."""

    def __init__(self, held: bytes | None, tag: str | None) -> None:
        self.held, self.tag = held, tag
        self.lost = False

    def __truediv__(self, name: str) -> Bucket:
        assert name == MANIFEST
        return self

    def read_tagged(self) -> tuple[bytes | None, str | None]:
        return self.held, self.tag

    def create(self, data: bytes) -> str:
        return self.replace_tagged(data, None)

    def replace_tagged(self, data: bytes, tag: str | None) -> str:
        if tag != self.tag:
            raise FileExistsError
        self.held, self.tag = data, str(int(self.tag or 0) + 1)
        if self.lost:
            raise FileExistsError
        return self.tag


@pytest.mark.parametrize("tag", [None, "7"])
def test_a_manifest_in_object_storage_is_replaced_unless_another_one_was(tag: str | None) -> None:
    bucket = Bucket(None if tag is None else b"old", tag)
    expected = str(int(tag or 0) + 1)
    assert _replace_remote(bucket, b"new", tag) == expected
    assert (bucket.held, bucket.tag) == (b"new", expected)
    with pytest.raises(StoreBusyError, match=r"another process has written to .* meanwhile"):
        _replace_remote(bucket, b"newer", tag)
    assert bucket.held == b"new"
    # The first answer was lost, and storage was asked again.
    bucket.lost = True
    assert _replace_remote(bucket, b"newest", expected) == str(int(expected) + 1)
    assert bucket.held == b"newest"


def test_a_store_is_shown_by_its_first_three_spaces(path: Path) -> None:
    store = open_store(path)
    assert repr(store) == f"Store({str(path)!r}, spaces: resnet50-crop, yolo-window)"

    class Named(Store):
        space_names = ("a", "b", "c", "d", "e")

        def __init__(self) -> None:
            self.path = path

    assert repr(Named()) == f"Store({str(path)!r}, spaces: a, b, c, 2 more)"
    Named.space_names = ("a", "b", "c")
    assert repr(Named()) == f"Store({str(path)!r}, spaces: a, b, c)"
    Named.space_names = ()
    assert repr(Named()) == f"Store({str(path)!r}, spaces: none)"
