"""Damage is found; what is damaged is dropped; the same job again makes the store of an undisturbed run."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from objectspace.embeddings.spaces import Recipe
from objectspace.errors import StoreBusyError, StoreError
from objectspace.images import encode_thumbnail
from objectspace.jobs.join import join_spaces
from objectspace.objects.records import make_objects
from objectspace.store import Batch, SpaceRows, indexed_key, open_store, open_writer, tables
from objectspace.store.examination import Examination, _brief, _unreadable, examine_store
from objectspace.store.repair import repair_store

JPEG = encode_thumbnail(np.zeros((8, 8, 3), np.uint8))
SIDES = ("x1", "y1", "x2", "y2")
SPACE = "spaces/resnet50-crop"
CROP = Recipe("crop", "resnet50", "aa", "pooled", {"size": 224}, "float32", "0.1.0", crop={"margin": 0.0})


@pytest.fixture(scope="module")
def batches(make_batch) -> list[Batch]:
    return [replace(make_batch(number), thumbnails=[JPEG] * 4) for number in range(3)]


def index(path: Path, batches: Sequence[Batch]) -> set[str]:
    """Commit what is not finished, as an index job does; return the images that were processed."""
    processed = set()
    with open_writer(path) as writer:
        done = writer.finished()
        for batch in batches:
            rows = [row for row in batch.images if indexed_key(row.image_id, "job") not in done]
            if rows:
                processed |= {row.image_id for row in rows}
                writer.commit(batch)
        writer.finish()
    return processed


@pytest.fixture(scope="module")
def pristine(tmp_path_factory, batches) -> Path:
    path = tmp_path_factory.mktemp("repair") / "dogs.osp"
    index(path, batches)
    return path


@pytest.fixture(scope="module")
def whole(pristine, read_all) -> dict:
    """All that the undisturbed store says."""
    return read_all(pristine)


@pytest.fixture
def copy(pristine, tmp_path) -> Path:
    return shutil.copytree(pristine, tmp_path / "dogs.osp")


def data_files(path: Path, table: str) -> list[Path]:
    """The data files of a table, by the order of their commits."""
    return sorted((path / f"{table}.lance" / "data").iterdir(), key=lambda file: file.stat().st_mtime_ns)


def flip(file: Path, place: int = -1) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2 if place < 0 else place] ^= 1
    file.write_bytes(data)


def flip_a_vector(file: Path, vectors: np.ndarray) -> None:
    """Flip one bit of the first number of the vectors: a number like any other."""
    flip(file, file.read_bytes().index(vectors[0].tobytes()))


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-30])


def remove(file: Path) -> None:
    file.unlink()


def zeros(file: Path) -> None:
    file.write_bytes(bytes(file.stat().st_size))


def test_a_whole_store(copy):
    found = examine_store(copy)
    assert found.whole
    assert found.to_json() == {"damages": [], "redone": 0, "handed_in": {}}
    before = (copy / "manifest.json").read_bytes()
    assert repair_store(copy).whole
    assert (copy / "manifest.json").read_bytes() == before


@pytest.mark.parametrize("damage", [flip, truncate, remove, zeros])
@pytest.mark.parametrize("table", ["images", "objects", "indexed", "failures", SPACE, "spaces/yolo-window"])
def test_one_file(copy, whole, batches, read_all, table, damage: Callable[[Path], None]):
    damage(data_files(copy, table)[1])
    found = repair_store(copy)
    assert {one.table for one in found.damages} == {table}
    open_store(copy).info()
    processed = index(copy, batches)
    # The second commit made the file. Of what is in failures no image is finished; a vector of the window
    # space has one image of the two; where its ids cannot be read, those without a vector there come along.
    expected = {row.image_id for row in batches[1].images}
    if table == "failures":
        assert processed == found.redone == set()
        return
    if table == "spaces/yolo-window" and damage is flip:
        expected = {batches[1].images[0].image_id}
    elif table == "spaces/yolo-window":
        expected |= {batch.images[1].image_id for batch in batches}
    assert processed == found.redone == expected
    assert examine_store(copy).whole
    assert read_all(copy) == whole


def test_a_flipped_bit_in_a_vector_is_found(copy, batches):
    flip_a_vector(data_files(copy, SPACE)[1], batches[1].vectors["resnet50-crop"].vectors)
    open_store(copy).space("resnet50-crop")  # Lance reads it as a number like any other
    (damage,) = examine_store(copy).damages
    assert (damage.table, damage.rows) == (SPACE, 4)
    assert damage.what.endswith("has changed since it was written")


@pytest.mark.parametrize("table", ["images", "objects", "indexed", SPACE])
def test_a_table_that_is_gone(copy, whole, batches, read_all, table):
    shutil.rmtree(copy / f"{table}.lance")
    (damage, *_) = repair_store(copy).damages
    assert (damage.table, damage.rows) == (table, None)
    assert damage.what.startswith(
        f"cannot be opened: the store at {copy} is damaged: table {table}.lance has"
    )
    processed = index(copy, batches)
    assert processed == {row.image_id for batch in batches for row in batch.images}
    assert examine_store(copy).whole
    assert read_all(copy) == whole


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (
            "LanceError(IO): no footer, /cargo/lance/reader.rs:12:3, /cargo/lance/scan.rs:4",
            "LanceError(IO): no footer",
        ),
        ("no version 3; restore the table; restore it from a copy", "no version 3"),
        ("one line\nand another", "one line and another"),
    ],
)
def test_of_an_error_what_a_reader_can_use_is_told(error, text):
    assert _brief(OSError(error)) == text


def test_a_joint_space_whose_objects_are_gone(copy):
    """It goes with them: of no object there are no parts."""
    join_spaces(copy, ["resnet50-crop", "yolo-window"], name="both")
    shutil.rmtree(copy / "objects.lance")
    repair_store(copy)
    store = open_store(copy)
    assert store.space_names == ["resnet50-crop", "yolo-window"]
    assert [len(store.space(name)) for name in store.space_names] == [0, 0]
    assert store.object_rows("resnet50-crop").tolist() == []


def test_the_metadata_of_a_version(copy):
    version = open_store(copy)._manifest.tables["images"]
    file = copy / "images.lance" / "_versions" / f"{2**64 - 1 - version:020}.manifest"
    file.write_bytes(file.read_bytes().replace(b"image_id", b"image_ix"))
    assert not repair_store(copy).whole
    assert examine_store(copy).whole


def files_in(path: Path, kind: str) -> list[Path]:
    return sorted(file for file in path.rglob(f"{kind}/**/*") if file.is_file())


def damage_each(pristine: Path, folder: Path, kind: str) -> Iterator[Path]:
    """Yield copies of a store, in each one file of a kind damaged, and repaired."""
    damages = (flip, truncate, remove, zeros)
    files = files_in(pristine, kind)
    assert len(files) > 2
    for number, file in enumerate(files):
        path = shutil.copytree(pristine, folder / str(number))
        damages[number % 4](path / file.relative_to(pristine))
        found = repair_store(path)
        told = [damage.what.split(" ")[0] for damage in found.damages]
        assert told == [str(file.relative_to(pristine)).split(".lance/")[1]]
        assert examine_store(path).whole
        yield path


def test_a_file_of_an_index_of_keys(tmp_path, batches, read_all, monkeypatch):
    """Nothing is lost but the time of making it again."""
    monkeypatch.setattr(tables, "MANY_FRAGMENTS", 2)
    monkeypatch.setattr(tables, "FULL_FRAGMENT", 8)
    pristine = tmp_path / "dogs.osp"
    index(pristine, batches)
    for path in damage_each(pristine, tmp_path, "_indices"):
        assert read_all(path) == read_all(pristine)
        assert index(path, batches) == set()


def test_a_file_of_deletions(tmp_path, batches, read_all):
    """Where it is not known which rows were deleted, all of that commit are made again."""
    pristine = tmp_path / "dogs.osp"
    index(pristine, batches)
    batch = batches[1]
    (image, other), own = batch.images, batch.objects.image_id == batch.images[0].image_id
    moved = make_objects(
        image_id=image.image_id,
        xyxy=batch.objects.xyxy[own] + np.float32(7),
        label=["dog"] * int(own.sum()),
        source="yolo@1",
    )
    vectors = {"resnet50-crop": SpaceRows(CROP, moved.object_id, np.ones((len(moved), 8), np.float32))}
    again = replace(
        batch,
        images=[image],
        objects=moved,
        thumbnails=[JPEG] * 2,
        vectors=vectors,
        job="again",
        replaces=True,
    )
    with open_writer(pristine) as writer:
        writer.commit(again)
    expected = {name: part for name, part in read_all(pristine).items() if name != "indexed"}
    for path in damage_each(pristine, tmp_path, "_deletions"):
        assert index(path, batches) >= {other.image_id}
        with open_writer(path) as writer:
            writer.commit(again)
        assert {name: part for name, part in read_all(path).items() if name != "indexed"} == expected
        assert examine_store(path).whole


@pytest.mark.usefixtures("small_sample")
def test_an_index_of_vectors(add_objects, noise, tmp_path):
    from objectspace.jobs.build_index import index_space

    path = tmp_path / "s.osp"
    add_objects(path, noise[:400])
    index_space(path, "a-crop")
    files = files_in(path / "spaces" / "a-crop.lance", "_indices")
    assert files
    for number, file in enumerate(files):
        copy = shutil.copytree(path, tmp_path / str(number))
        (flip, truncate, remove, zeros)[number % 4](copy / file.relative_to(path))
        found = examine_store(copy)
        told = [damage.what for damage in found.damages if "thumbnail" not in damage.what]
        assert [what.split(" ")[0] for what in told] == [str(file.relative_to(path)).split(".lance/")[1]]


def test_rows_that_no_store_holds(tmp_path, batches, monkeypatch, read_all, whole):
    """A store that another program wrote: whole files, and values that cannot be used."""
    monkeypatch.setattr("objectspace.store.additions.check_new", lambda table, rows: None)
    monkeypatch.setattr("objectspace.store.repair._AT_ONCE", 2)  # of the rows that go from a table
    bad = batches[1]
    vectors = bad.vectors["resnet50-crop"]
    object.__setattr__(vectors, "vectors", vectors.vectors.copy())
    kept = vectors.vectors[0, 0]
    vectors.vectors[0, 0] = np.nan
    thumbnails = [JPEG, b"no picture", JPEG, encode_thumbnail(np.zeros((900, 900, 3), np.uint8), side=900)]
    index(tmp_path / "s.osp", [batches[0], replace(bad, thumbnails=thumbnails), batches[2]])
    vectors.vectors[0, 0] = kept
    found = repair_store(tmp_path / "s.osp")
    told = {(damage.table, damage.what) for damage in found.damages}
    assert told == {
        ("objects", "2 rows whose thumbnail cannot be decoded"),
        (SPACE, "1 row whose vector is not finite"),
    }
    assert index(tmp_path / "s.osp", batches) == {row.image_id for row in bad.images} == found.redone
    assert read_all(tmp_path / "s.osp") == whole


def test_what_was_handed_in_is_named(copy, batches):
    from objectspace.jobs.add_embeddings import add_embeddings

    ids = open_store(copy).objects().object_id
    add_embeddings(copy, "mine", ids, np.eye(len(ids)), model="by hand")
    flip(data_files(copy, "spaces/mine")[0])
    found: Examination = examine_store(copy)
    assert found.handed_in == {"mine": len(ids)}


def test_damage_does_not_travel_into_joined_files(copy, batches, read_all):
    flip_a_vector(data_files(copy, SPACE)[1], batches[1].vectors["resnet50-crop"].vectors)
    before = read_all(copy)
    with open_writer(copy) as writer, pytest.raises(StoreError, match="has changed since it was written"):
        writer._compact([SPACE])
    assert read_all(copy) == before


def test_repair_waits_for_no_writer(copy):
    with open_writer(copy), pytest.raises(StoreBusyError):
        repair_store(copy)


def test_no_store_to_examine(tmp_path):
    with pytest.raises(StoreError, match="no store at"):
        examine_store(tmp_path)
    with pytest.raises(StoreError, match="no store at"):
        repair_store(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_only_what_no_index_makes_is_handed_in(copy, batches):
    """A space of the job is damaged as well, one that was erased, and one that was handed in is whole."""
    from objectspace.jobs.add_embeddings import add_embeddings

    ids = open_store(copy).objects().object_id
    add_embeddings(copy, "whole", ids, np.eye(len(ids)), model="by hand")
    rows = batches[0].vectors["resnet50-crop"]
    erased = replace(rows, recipe=replace(rows.recipe, erasure={"factors": ["x"]}))
    with open_writer(copy) as writer:
        writer.commit(replace(batches[0], vectors={"erased": erased}, job="erase", failures=()))
    for table in (SPACE, "spaces/erased"):
        flip(data_files(copy, table)[0])
    found = examine_store(copy)
    assert {one.table for one in found.damages} == {SPACE, "spaces/erased"}
    assert found.handed_in == {"erased": 4}


def test_boxes_are_usable_where_all_four_sides_are_known_and_in_order() -> None:
    """Every combination of small sides, of infinite ones, of those that are missing."""
    boxes = list(product((0.0, 1.0, float("inf"), None), repeat=4))
    columns = zip(SIDES, zip(*boxes, strict=True), strict=True)
    sides = {name: pa.array(column, pa.float32()) for name, column in columns}
    rows = pa.table({**sides, "mask": pa.nulls(len(boxes)), "thumbnail": [JPEG] * len(boxes)})
    usable = [
        all(side is not None and np.isfinite(side) for side in box) and box[0] < box[2] and box[1] < box[3]
        for box in boxes
    ]
    found = _unreadable("objects", rows)
    assert list(found) == ["box is not finite, or has no area"]
    assert found["box is not finite, or has no area"].tolist() == [not one for one in usable]
    assert sum(usable) == 1
    assert _unreadable("objects", rows.filter(pa.array(usable))) == {}


def test_thumbnails_of_a_pixel_are_pictures_and_those_of_none_are_not() -> None:
    sizes = [(1, 1), (1, 9), (9, 1), (2, 2)]
    thumbnails = [encode_thumbnail(np.zeros((*size, 3), np.uint8)) for size in sizes] + [b"", b"text", None]
    columns = {
        name: pa.array([side] * 7, pa.float32()) for name, side in zip(SIDES, (0, 0, 9, 9), strict=True)
    }
    found = _unreadable("objects", pa.table({**columns, "mask": pa.nulls(7), "thumbnail": thumbnails}))
    assert list(found) == ["thumbnail cannot be decoded"]
    assert found["thumbnail cannot be decoded"].tolist() == [False] * 4 + [True] * 3
