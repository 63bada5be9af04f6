"""Plain copies of vectors: the same numbers, made once, made anew when the store has changed, deletable."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import objectspace as osp
from objectspace.errors import InputError
from objectspace.jobs.join import join_spaces
from objectspace.search import SpaceSearch
from objectspace.store import open_store, open_writer, vector_cache


def halved(batch: Any) -> Any:
    crops = batch.vectors["resnet50-crop"]
    kept = replace(crops, recipe=replace(crops.recipe, vectors="float16"))
    return replace(batch, vectors={**batch.vectors, "resnet50-crop": kept})


@pytest.fixture(autouse=True)
def few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Vectors are copied three rows at a time."""
    monkeypatch.setattr(vector_cache, "_COPIED", 4 * 8 * 3)


@pytest.fixture(scope="module")
def unchanged(tmp_path_factory: pytest.TempPathFactory, make_batch: Any) -> Path:
    """Forty crops kept as float16 and twenty windows as float32."""
    path: Path = tmp_path_factory.mktemp("unchanged") / "s.osp"
    with open_writer(path) as writer:
        for number in range(10):
            writer.commit(halved(make_batch(number)))
    return path


@pytest.fixture
def store(tmp_path: Path, unchanged: Path) -> Path:
    return Path(shutil.copytree(unchanged, tmp_path / "s.osp"))


def copies(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_ino for path in folder.iterdir()} if folder.exists() else {}


class Counted:
    """Vectors that are read by slices, and how many rows at once."""

    def __init__(self, vectors: np.ndarray) -> None:
        self.vectors, self.shape, self.read = vectors, vectors.shape, []

    def __getitem__(self, rows: slice) -> np.ndarray:
        self.read.append(len(self.vectors[rows]))
        return self.vectors[rows]


def test_vectors_are_copied_in_parts(tmp_path: Path) -> None:
    source = Counted(np.random.default_rng(0).normal(size=(10, 8)).astype(np.float32))
    cache = vector_cache.VectorCache(tmp_path / "copies", tmp_path / "s.osp", "a", 1, {}, "float32")
    np.testing.assert_array_equal(cache.mapped(source), source.vectors)
    assert source.read == [3, 3, 3, 1]


ROWS = [slice(None), slice(3, 17), slice(0, 20, 7), slice(9, 9), [19, 0, 0, 7], np.array([2, 5]), []]


@pytest.mark.parametrize("name", ["resnet50-crop", "yolo-window"])
@pytest.mark.parametrize("rows", ROWS, ids=str)
def test_rows_are_those_of_the_table(unchanged: Path, tmp_path: Path, name: str, rows: Any) -> None:
    plain, cached = open_store(unchanged), open_store(unchanged, cache=tmp_path / "copies")
    found, expected = (one.stored_space(name).vectors[rows] for one in (cached, plain))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(cached.space(name).vectors, plain.space(name).vectors)
    assert cached.space(name).object_id.tolist() == plain.members(name)
    np.testing.assert_array_equal(cached.vectors(name, [4, 1]), plain.vectors(name, [4, 1]))


def test_the_copy_is_made_once_and_holds_the_numbers_as_they_are_kept(store: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copies"
    assert open_store(store, cache=folder).info().objects == 40
    assert copies(folder) == {}  # nothing was read yet
    for _ in range(2):
        open_store(store, cache=folder).stored_space("resnet50-crop").vectors[3:5]
        made = copies(folder)
        open_store(store, cache=folder).space("yolo-window")
    both = copies(folder)
    assert {name: both[name] for name in made} == made
    (crops,) = (path for path in folder.iterdir() if path.name.startswith("resnet50-crop@"))
    kept = np.fromfile(crops, np.float16).reshape(40, 8)
    np.testing.assert_array_equal(kept, open_store(store).space("resnet50-crop").vectors)


def test_a_changed_store_is_copied_anew_and_the_old_copy_goes(
    store: Path, tmp_path: Path, make_batch: Any
) -> None:
    folder = tmp_path / "copies"
    early = open_store(store, cache=folder)
    before = early.space("resnet50-crop").vectors.copy()
    early.space("yolo-window")
    old = copies(folder)
    with open_writer(store) as writer:
        writer.commit(halved(make_batch(77)))
        writer.remove_images([early.images()[0].image_id])
    now = open_store(store, cache=folder)
    for name in ("resnet50-crop", "yolo-window"):
        np.testing.assert_array_equal(now.space(name).vectors, open_store(store).space(name).vectors)
    assert len(copies(folder)) == 2
    assert not copies(folder).keys() & old.keys()
    # Who opened the store before sees what it was.
    np.testing.assert_array_equal(early.space("resnet50-crop").vectors, before)


def test_another_store_of_the_same_name_and_version_has_its_own_copy(
    store: Path, tmp_path: Path, make_batch: Any
) -> None:
    folder = tmp_path / "copies"
    open_store(store, cache=folder).space("resnet50-crop")
    shutil.rmtree(store)
    with open_writer(store) as writer:
        for number in range(50, 60):
            writer.commit(halved(make_batch(number)))
    found = open_store(store, cache=folder).space("resnet50-crop").vectors
    np.testing.assert_array_equal(found, open_store(store).space("resnet50-crop").vectors)


@pytest.mark.parametrize("harm", ["deleted", "cut short"])
def test_a_copy_that_is_gone_or_cut_short_is_made_again(store: Path, tmp_path: Path, harm: str) -> None:
    folder = tmp_path / "copies"
    open_store(store, cache=folder).space("resnet50-crop")
    (file,) = folder.iterdir()
    if harm == "deleted":
        file.unlink()
    else:
        os.truncate(file, 100)
    found = open_store(store, cache=folder).space("resnet50-crop").vectors
    np.testing.assert_array_equal(found, open_store(store).space("resnet50-crop").vectors)


def test_what_a_reader_writes_into_its_vectors_stays_its_own(store: Path, tmp_path: Path) -> None:
    mine = open_store(store, cache=tmp_path / "copies").stored_space("yolo-window").vectors[:]
    mine += 1
    theirs = open_store(store, cache=tmp_path / "copies").stored_space("yolo-window").vectors[:]
    np.testing.assert_array_equal(theirs, open_store(store).space("yolo-window").vectors)


@pytest.mark.parametrize("in_memory", [0, 1 << 30])
def test_answers_are_the_same(store: Path, tmp_path: Path, in_memory: int) -> None:
    join_spaces(store, ["resnet50-crop", "yolo-window"], name="both")
    for space in ("resnet50-crop", "yolo-window", "both"):
        ids = open_store(store).members(space)[:7]
        plain, cached = (
            SpaceSearch(opened, space, in_memory=in_memory).nearest(ids, k=4)
            for opened in (open_store(store), open_store(store, cache=tmp_path / "copies"))
        )
        assert [one.to_json() for one in cached] == [one.to_json() for one in plain]


def test_a_folder_that_cannot_be_written_is_one_sentence(store: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    opened = osp.open_store(store, cache=tmp_path / "file" / "copies")
    with pytest.raises(InputError, match="cannot be written"):
        opened.space("resnet50-crop")
