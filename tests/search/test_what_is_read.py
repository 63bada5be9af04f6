"""A search reads the rows that it shows and the columns that it filters by, whatever the store holds."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from objectspace.embeddings.spaces import Recipe
from objectspace.errors import QueryError
from objectspace.files import content_id
from objectspace.jobs.build_index import index_space
from objectspace.objects.records import make_objects
from objectspace.search import SpaceSearch, default_space
from objectspace.search.queries.points import query_point
from objectspace.search.queries.stored import stored_objects_of
from objectspace.search.tiles import sheet_rows
from objectspace.store import Batch, ImageRow, SpaceRows, Store, StoredVectors, open_store, open_writer


@pytest.fixture(scope="module")
def path(tmp_path_factory, add_objects, noise):
    """1000 objects of 100 images, with an index."""
    path = tmp_path_factory.mktemp("store") / "s.osp"
    add_objects(path, noise)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("objectspace.search.approximate._SAMPLE", 20)  # no test asks for the recall
        index_space(path, "a-crop", metric="euclidean")
    return path


@pytest.fixture
def read(monkeypatch):
    """How many objects were read, by call; reading all objects, images or ids of a space fails."""
    counts = []

    def few(function):
        def call(self, ids=None):
            assert ids is not None, f"{function.__name__} reads everything"
            counts.append(len(ids))
            return function(self, ids)

        return call

    def refuse(self, *_):
        raise AssertionError("everything is read")

    monkeypatch.setattr(Store, "objects", few(Store.objects))
    for name in ("images", "members", "info"):
        monkeypatch.setattr(Store, name, refuse)
    return counts


@pytest.fixture
def no_ids(monkeypatch):
    """Reading all ids of a space fails."""

    def some(self, rows=None):
        assert rows is not None, "all ids are read"
        return read_some(self, rows)

    read_some = StoredVectors.object_ids
    monkeypatch.setattr(StoredVectors, "object_ids", some)


def some_ids(path):
    return open_store(path).members("a-crop")[10:13]


@pytest.mark.parametrize("approximate", [False, True])
def test_an_answer_reads_the_objects_that_it_shows(path, approximate, request):
    ids = some_ids(path)
    read = request.getfixturevalue("read")
    search = SpaceSearch(open_store(path), "a-crop", metric="euclidean", approximate=approximate)
    assert read == []
    answers = search.nearest(search.stored(ids), k=5)
    shown = {name for answer in answers for name in answer.neighbors.object_id.tolist()}
    assert read[:2] == [3, len(shown)]
    assert sum(read) == 3 + len(shown)  # and none to be unlike
    assert all(len(answer.images) == 5 for answer in answers)


def test_approximate_search_reads_no_ids_but_those_shown(path, request):
    ids = some_ids(path)
    request.getfixturevalue("no_ids")
    search = SpaceSearch(open_store(path), "a-crop", metric="euclidean", approximate=True)
    for asked in ({}, {"label": "cat"}, {"same_image": True}):
        assert len(search.nearest(search.stored(ids), k=5, **asked)) == 3


def test_a_filter_reads_its_column(path, read, monkeypatch):
    columns = []
    whole = Store.object_columns

    def told(self, names, space=None):
        columns.append(list(names))
        return whole(self, names, space)

    monkeypatch.setattr(Store, "object_columns", told)
    search = SpaceSearch(open_store(path), "a-crop", metric="euclidean")
    query = search.stored(search.space.object_id[:1].tolist())
    for _ in range(2):
        search.nearest(query, label="owl", exclude_same="image")
    assert columns == [["label"]]  # photos are told apart by their rows


def test_the_default_space_is_chosen_without_reading(path, request):
    (held, *_) = some_ids(path)
    request.getfixturevalue("read")
    request.getfixturevalue("no_ids")
    assert default_space(open_store(path)) == "a-crop"
    assert default_space(open_store(path), held) == "a-crop"
    with pytest.raises(QueryError, match="no object zzz"):
        default_space(open_store(path), "zzz")


def test_thumbnails_of_a_sheet_are_read_at_once(path, monkeypatch):
    calls, stream = [], io.BytesIO()
    Image.new("RGB", (8, 8)).save(stream, "JPEG")
    jpeg = stream.getvalue()
    monkeypatch.setattr(Store, "thumbnails", lambda self, ids: calls.append(len(ids)) or [jpeg] * len(ids))
    search = SpaceSearch(open_store(path), "a-crop", metric="euclidean")
    answers = search.nearest(search.stored(search.space.object_id[:4].tolist()), k=3)
    rows = sheet_rows(search.store, answers)
    assert [len(row.neighbors) for row in rows] == [3] * 4
    shown = {name for answer in answers for name in answer.neighbors.object_id.tolist()}
    assert calls == [len(shown | set(search.space.object_id[:4].tolist()))]


def test_a_stored_photo_is_known_without_reading_the_others(tmp_path, request):
    photo = tmp_path / "photo.png"
    Image.new("RGB", (40, 30)).save(photo)
    image = ImageRow(content_id(photo.read_bytes()), str(photo), 40, 30)
    boxes = [[0, 0, 10, 10], [20, 0, 30, 10]]
    objects = make_objects(image_id=image.image_id, xyxy=np.float32(boxes), label=["a", "b"], source="hand@1")
    recipe = Recipe("crop", "net", "aa", "mean", {"size": 8}, "float32", "0", crop={"margin": 0.0})
    vectors = np.float32([[1, 0], [0, 1]])
    with open_writer(tmp_path / "s.osp") as writer:
        rows = SpaceRows(recipe, objects.object_id, vectors)
        writer.commit(Batch([image], objects, [b"", b""], "job", {"crop": rows}))
    request.getfixturevalue("read")
    store = open_store(tmp_path / "s.osp")
    assert stored_objects_of(store, photo).object_id.tolist() == objects.object_id.tolist()
    query = query_point(store, photo, "crop", (25, 5))
    assert query.objects.label.tolist() == ["b"]
    assert query.vectors.tolist() == [[0, 1]]
    assert query.images == (str(photo),)
