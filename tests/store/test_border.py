"""A store of a stranger: whatever stands in its tables, a reader gets the rows or one clear sentence."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import lance
import numpy as np
import pyarrow as pa
import pytest

from objectspace.errors import InputError, ObjectspaceError, StoreError
from objectspace.store import Store, border, open_store, open_writer

SPACE = "spaces/resnet50-crop"


@pytest.fixture(scope="module")
def pristine(tmp_path_factory, make_batch) -> Path:
    path = tmp_path_factory.mktemp("border") / "dogs.osp"
    with open_writer(path) as writer:
        writer.commit(make_batch(1))
    return path


@pytest.fixture
def tampered(pristine, tmp_path) -> Callable[[str, Callable[[pa.Table], pa.Table]], Path]:
    """A function (table, change): a copy of the store whose table is what ``change`` makes of its rows."""
    import shutil

    def tamper(name: str, change: Callable[[pa.Table], pa.Table]) -> Path:
        path = tmp_path / "dogs.osp"
        shutil.copytree(pristine, path)
        folder = path / f"{name}.lance"
        rows = change(lance.dataset(str(folder)).to_table())
        shutil.rmtree(folder)
        lance.write_dataset(rows, str(folder))
        manifest = json.loads((path / "manifest.json").read_text())
        manifest["tables"][name] = 1
        (path / "manifest.json").write_text(json.dumps(manifest))
        return path

    return tamper


def set_column(name: str, value: Callable[[pa.ChunkedArray], pa.Array]) -> Callable[[pa.Table], pa.Table]:
    def change(rows: pa.Table) -> pa.Table:
        return rows.set_column(rows.column_names.index(name), name, value(rows[name]))

    return change


def first_is(value: Any) -> Callable[[pa.ChunkedArray], pa.Array]:
    """The column with another value in its first row."""
    return lambda column: pa.array([value, *column.to_pylist()[1:]], column.type)


def all_are(values: list[Any], kind: pa.DataType) -> Callable[[pa.ChunkedArray], pa.Array]:
    return lambda column: pa.array((values * len(column))[: len(column)], kind)


def read_everything(path: Path) -> None:
    store = open_store(path)
    store.info()
    store.images()
    store.image_wh()
    store.failures()
    store.indexed()
    objects = store.objects()
    store.thumbnails(objects.object_id)
    store.object_columns(["label", "xyxy", *store.factor_names])
    store.image_rows()
    for name in store.space_names:
        store.space(name)
        store.members(name)
        store.object_rows(name)
        store.object_columns(["label"], name)
        store.cells(name)
        stored = store.stored_space(name)
        stored.vectors[:]
        stored.vectors.rows(objects.object_id)


def test_the_pristine_store_is_read(pristine):
    read_everything(pristine)


VECTORS = pa.array(np.zeros(12, np.float32))
MASK = {"height": 480, "width": 640, "counts": b"1"}


@pytest.mark.parametrize(
    ("table", "column", "value", "sentence"),
    [
        ("images", "path", first_is(None), "images has 1 row whose path is missing"),
        *(
            ("images", "path", first_is(path), "images has 1 row whose path names no file")
            for path in ("", ".", "/", "././", "//.")
        ),
        ("images", "image_id", first_is(None), "images has 1 row whose image_id is missing"),
        ("images", "width", first_is(0), "images has 1 row whose width is no number of pixels"),
        ("images", "height", first_is(None), "images has 1 row whose height is missing"),
        ("images", "image_id", all_are(["a"], pa.string()), "1 row whose image_id another row has"),
        ("images", "path", all_are([7], pa.int64()), "images has int64 as column path, expected string"),
        ("objects", "object_id", first_is(None), "objects has 1 row whose object_id is missing"),
        ("objects", "object_id", all_are(["a"], pa.string()), "3 rows whose object_id another row has"),
        ("objects", "label", first_is(None), "objects has 1 row whose label is missing"),
        ("objects", "source", first_is(None), "objects has 1 row whose source is missing"),
        ("objects", "score", first_is(float("inf")), "objects has 1 row whose score is outside 0 to 1"),
        ("objects", "score", first_is(-0.5), "objects has 1 row whose score is outside 0 to 1"),
        ("objects", "x1", first_is(float("nan")), "is not finite with x1 < x2"),
        ("objects", "x2", first_is(-1e30), "is not finite with x1 < x2"),
        ("objects", "y1", first_is(None), "objects has 1 row whose y1 is missing"),
        ("objects", "mask", first_is({**MASK, "counts": None}), "mask has no sides, no counts or too many"),
        ("objects", "mask", first_is({**MASK, "width": None}), "mask has no sides, no counts or too many"),
        ("objects", "mask", first_is({**MASK, "height": -1}), "mask has no sides, no counts or too many"),
        ("objects", "mask", first_is({**MASK, "width": 2**31 - 1}), "mask has no sides, no counts or too"),
        ("objects", "mask", first_is({**MASK, "counts": b""}), "mask has no sides, no counts or too many"),
        ("objects", "mask", first_is({**MASK, "counts": b"\xff0"}), "mask has no sides, no counts or too"),
        ("objects", "angle", first_is(float("inf")), "objects has 1 row whose angle is infinite"),
        ("objects", "thumbnail", first_is(None), "objects has 1 row whose thumbnail is missing"),
        ("objects", "thumbnail", first_is(b"x" * 10**6), "thumbnail has more than 65536 bytes"),
        ("objects", "image_id", all_are(["0" * 32], pa.string()), "objects has 4 rows of what no other"),
        ("objects", "angle", all_are([1], pa.int64()), "has int64 as factor 'angle', expected double or"),
        ("objects", "angle", all_are([True], pa.bool_()), "has bool as factor 'angle'"),
        ("objects", "angle", all_are([b"x"], pa.binary()), "has binary as factor 'angle'"),
        ("objects", "angle", all_are([[1.0]], pa.list_(pa.float64())), "as factor 'angle'"),
        ("objects", "angle", all_are([{"a": 1}], pa.struct([("a", pa.int32())])), "as factor 'angle'"),
        ("objects", "angle", all_are([datetime(2026, 1, 1)], pa.timestamp("us")), "has timestamp"),
        (SPACE, "object_id", first_is("0" * 32), "resnet50-crop has 1 row of what no other table knows"),
        (SPACE, "object_id", first_is(None), "resnet50-crop has 1 row whose object_id is missing"),
        (SPACE, "vector", first_is(None), "it has rows without a vector"),
        (SPACE, "vector", first_is([1.0, float("nan"), *[0.0] * 6]), "has vectors with a NaN or an infinity"),
        (SPACE, "vector", first_is([1.0, float("-inf"), *[0.0] * 6]), "has vectors with a NaN or an"),
        (SPACE, "vector", first_is([1.0, None, *[0.0] * 6]), "has vectors with a NaN or an infinity"),
        (
            SPACE,
            "vector",
            lambda _: pa.FixedSizeListArray.from_arrays(VECTORS, 3),
            "as column vector, expected fixed_size_list<item: float>[8]",
        ),
        (SPACE, "vector", all_are(["x"], pa.string()), "has string as column vector"),
        (SPACE, "cell_x", all_are([1.5], pa.float64()), "has double as column cell_x"),
        ("failures", "reason", first_is(None), "failures has 1 row whose reason is missing"),
        ("indexed", "job", first_is(None), "indexed has 1 row whose job is missing"),
    ],
)
def test_a_value_that_no_store_holds(tampered, table, column, value, sentence):
    with pytest.raises(ObjectspaceError) as refused:
        read_everything(tampered(table, set_column(column, value)))
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("table", "column"),
    [("images", "path"), ("objects", "mask"), ("objects", "x1"), (SPACE, "vector"), ("indexed", "objects")],
)
def test_a_column_that_is_gone(tampered, table, column):
    path = tampered(table, lambda rows: rows.drop_columns([column]))
    with pytest.raises(StoreError, match=f"table {table} lacks the column {column}"):
        read_everything(path)
    with pytest.raises(StoreError, match=f"table {table} lacks the column {column}"):
        open_writer(path)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_vector_that_is_not_finite_is_found_where_it_is_used(tampered, number):
    from objectspace.neighbors import StreamedIndex
    from objectspace.search import SpaceSearch

    path = tampered(SPACE, set_column("vector", first_is([number, *[0.0] * 7])))
    store = open_store(path)
    for use in (
        lambda: SpaceSearch(store, "resnet50-crop"),
        lambda: store.vectors("resnet50-crop", [0]),
        lambda: StreamedIndex(
            store.stored_space("resnet50-crop").vectors, store.members("resnet50-crop")
        ).nearest(np.zeros((1, 8), np.float32), k=1),
    ):
        with pytest.raises(StoreError, match="it has vectors with a NaN or an infinity; objectspace check"):
            use()


@pytest.mark.parametrize("name", ["...", "..a", ".a", "/.b", "é", " "])
def test_a_file_may_have_any_name(tampered, name):
    path = tampered("images", set_column("path", first_is(name)))
    assert open_store(path).images()[0].path == name


def test_objects_of_an_image_that_is_not_there(tampered):
    path = tampered("images", lambda rows: rows.slice(1))
    store = open_store(path)
    objects = store.objects()
    with pytest.raises(StoreError, match="objects has 2 rows of what no other table knows"):
        store.images_of(objects)
    assert len(store.images_of(objects.take(objects.image_id == store.images()[0].image_id))) == 2


def test_an_object_and_an_image_twice_are_found_where_they_are_looked_up(tampered):
    path = tampered("objects", lambda rows: pa.concat_tables([rows, rows]))
    ids = lance.dataset(str(path / "objects.lance")).to_table()["object_id"].to_pylist()
    with pytest.raises(StoreError, match="objects has 1 row whose object_id another row has"):
        open_store(path).objects(ids[:1])


def test_a_space_without_any_objects(pristine, tmp_path):
    import shutil

    path = shutil.copytree(pristine, tmp_path / "dogs.osp")
    manifest = json.loads((path / "manifest.json").read_text())
    del manifest["tables"]["objects"], manifest["files"]["objects"]
    (path / "manifest.json").write_text(json.dumps(manifest))
    for read in (Store.object_rows, lambda store, name: store.object_columns(["label"], name)):
        with pytest.raises(StoreError, match="resnet50-crop has 4 rows of what no other table knows"):
            read(open_store(path), "resnet50-crop")


@pytest.mark.parametrize(
    ("table", "column"), [("indexed", "job"), ("objects", "object_id"), (SPACE, "object_id")]
)
def test_a_job_on_a_store_whose_keys_are_missing(tampered, table, column):
    path = tampered(table, set_column(column, first_is(None)))
    for _ in range(2):  # the lock is free again after the first
        with pytest.raises(StoreError, match=f"1 row whose {column} is missing"):
            open_writer(path)


def test_a_factor_with_a_name_that_no_factor_has(tampered):
    path = tampered("objects", lambda rows: rows.append_column("rank", pa.array([1.0] * 4)))
    with pytest.raises(
        StoreError, match=r"as factor 'rank', expected double or string, and a name of letters"
    ):
        open_store(path).objects()


def test_the_images_are_gone(pristine, tmp_path):
    manifest = json.loads((pristine / "manifest.json").read_text())
    del manifest["tables"]["images"], manifest["files"]["images"]
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    for table in ("objects", "spaces", "failures", "indexed"):
        name = table if table == "spaces" else f"{table}.lance"
        (tmp_path / name).symlink_to(pristine / name)
    with pytest.raises(StoreError, match="is damaged: it names objects and no table images"):
        open_store(tmp_path)


def test_what_no_store_holds_is_not_written(tmp_path, make_batch):
    from dataclasses import replace

    batch = make_batch(1)
    loud = replace(batch.objects, score=np.full(4, 37, np.float32))
    with open_writer(tmp_path / "s.osp") as writer:
        with pytest.raises(InputError, match=r"4 rows for table objects, whose score is outside 0 to 1"):
            writer.commit(replace(batch, objects=loud))
        writer.commit(batch)
    assert len(open_store(tmp_path / "s.osp")) == 4


@pytest.mark.parametrize("place", ["manifest.json", "objects.lance/data", "objects.lance/_versions"])
def test_a_fifo_in_the_place_of_a_file(pristine, tmp_path, place):
    import os
    import shutil

    path = shutil.copytree(pristine, tmp_path / "dogs.osp")
    file = path / place
    if file.is_dir():
        (file, *_) = sorted(file.iterdir())
    file.unlink()
    os.mkfifo(file)
    with pytest.raises(StoreError, match="it is a FIFO, expected a regular file"):
        open_store(path).objects()
    with pytest.raises(StoreError, match="it is a FIFO, expected a regular file"):
        open_writer(path)


def test_masks_have_no_more_letters_than_seven_a_run() -> None:
    """One run more than pixels, as the first may be empty."""
    masks = [
        {"height": h, "width": w, "counts": b"0" * n} for h, w, n in ((1, 1, 14), (1, 1, 15), (2, 3, 49))
    ]
    masks += [{"height": 2, "width": 3, "counts": b"0" * 50}, None]
    kind = pa.struct([("height", pa.int32()), ("width", pa.int32()), ("counts", pa.binary())])
    found = border._has_bad_mask(pa.array(masks, kind))
    assert found.to_pylist() == [False, True, False, True, False]


def test_the_type_of_a_strange_column_is_told_in_sixty_letters() -> None:
    fields = [pa.field(name, pa.float64(), nullable=False) for name in ("left", "top", "right", "bottom")]
    wide = pa.struct(fields)
    told = "struct<left: double, top: double, right: double, bottom: double>"
    assert border._type_text(wide) == told[:60]
    assert border._type_text(pa.struct(fields[:2])) == "struct<left: double, top: double>"
