"""Vectors that stay on disk, and the index that a space may have."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from objectspace.errors import QueryError, StoreError
from objectspace.store import Recall, SpaceIndex, open_store, open_writer
from objectspace.store.columns import OUTDATED
from objectspace.store.tables import find_rows

INDEX = SpaceIndex("ivf-pq", "cosine", 300, {"probes": 20, "candidates": 10}, Recall(0.9, 0.8, 0.95, 200))


@pytest.fixture(scope="module")
def made(tmp_path_factory, make_batch):
    """Ten commits of four vectors each, of which the first were joined and six vectors removed."""
    path = tmp_path_factory.mktemp("store") / "s.osp"
    with open_writer(path) as writer:
        for number in range(6):
            writer.commit(make_batch(number))
        writer._compact(["spaces/resnet50-crop"])
        for number in range(6, 10):
            writer.commit(make_batch(number))
        gone = open_store(path).members("resnet50-crop")[3:9]
        with writer._publishing():
            writer._remove(find_rows(writer._tables["objects"], "object_id", gone, OUTDATED.names))
    return path


@pytest.fixture
def path(tmp_path, made):
    """A copy of it, to be changed."""
    return shutil.copytree(made, tmp_path / "s.osp")


@pytest.mark.parametrize(
    "rows",
    [
        slice(0, 34),
        slice(None),
        slice(2, 9),
        slice(17, 29),
        slice(30, 999),
        slice(9, 9),
        slice(0, 34, 7),
        np.array([0, 1, 5, 18, 33]),
        [33, 0, 0, 20],
        [],
    ],
)
def test_rows_are_those_of_the_whole(made, rows):
    store = open_store(made)
    whole, held = store.space("resnet50-crop"), store.stored_space("resnet50-crop")
    assert held.vectors.shape == whole.vectors.shape == (34, 8)
    assert held.object_id.tolist() == whole.object_id.tolist() == store.members("resnet50-crop")
    assert (held.dimension, len(held), len(held.vectors)) == (8, 34, 34)
    expected = whole.vectors[np.asarray(rows, int) if isinstance(rows, list) else rows]
    found = held.vectors[rows]
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, expected)


def test_a_store_without_an_index_says_so(made):
    store = open_store(made)
    assert store.stored_space("resnet50-crop").index is None
    assert [space["index"] for space in store.info().to_json()["spaces"]] == [None, None]


def with_index(path, value):
    manifest = json.loads((path / "manifest.json").read_text())
    manifest["spaces"]["resnet50-crop"]["index"] = value
    (path / "manifest.json").write_text(json.dumps(manifest))


def test_the_manifest_keeps_the_index_through_later_commits(path, make_batch):
    with_index(path, INDEX.to_json())
    with open_writer(path) as writer:
        writer.commit(make_batch(10))
        writer.finish()
    assert open_store(path).stored_space("resnet50-crop").index == INDEX
    told = open_store(path).info().to_json()["spaces"][0]["index"]
    assert (told["recall_at_10"], told["low"], told["high"], told["n"]) == (0.9, 0.8, 0.95, 200)


@pytest.mark.parametrize(
    "change",
    [
        {"recall_at_10": 1.5},
        {"low": 0.99},
        {"n": None},
        {"settings": {"probes": 20}},
        {"settings": 3},
        {"count": "many"},
    ],
)
def test_a_damaged_index_is_named(path, change):
    with_index(path, {**INDEX.to_json(), **change})
    with pytest.raises(StoreError, match="the index of space resnet50-crop has no kind, settings or recall"):
        open_store(path)


def test_measuring_that_fails_leaves_the_store_as_it_was(path, read_all):
    before = read_all(path)

    def fail(vectors):
        raise QueryError("no recall today")

    settings = {"partition_size": 256, "probes": 1, "candidates": 10}
    with open_writer(path) as writer:
        with pytest.raises(QueryError, match="no recall today"):
            writer.index_space(
                "resnet50-crop", kind="ivf-hnsw-sq", metric="euclidean", settings=settings, measure=fail
            )
        assert read_all(path) == before
        with pytest.raises(QueryError, match=f"no space other in {path}; its spaces: resnet50-crop, yolo-wi"):
            writer.index_space(
                "other", kind="ivf-hnsw-sq", metric="euclidean", settings=settings, measure=fail
            )
    assert read_all(path) == before
    assert open_store(path).stored_space("resnet50-crop").index is None


@pytest.mark.usefixtures("small_sample")
@pytest.mark.parametrize("kind", ["ivf-hnsw-sq", "ivf-pq"])
def test_an_index_is_built_anew_in_the_place_of_the_old(tmp_path, add_objects, noise, kind):
    from objectspace.jobs.build_index import index_space

    path = tmp_path / "s.osp"
    add_objects(path, noise[:300])
    index_space(path, "a-crop", kind="ivf-pq")
    assert open_store(path).stored_space("a-crop").vectors.unindexed == 0
    add_objects(path, noise[300:340], first=30)
    assert open_store(path).info().spaces[0].unindexed == 40
    told = index_space(path, "a-crop", kind=kind, metric="cosine")
    held = open_store(path).stored_space("a-crop")
    assert held.index == told
    assert (told.kind, told.metric, told.count, held.vectors.unindexed) == (kind, "cosine", 340, 0)
    queries = held.vectors[[7, 320]]
    query, row, vectors = held.vectors.propose(queries, 5, told)
    assert (np.bincount(query) == 5).all()
    np.testing.assert_array_equal(vectors, held.vectors[row])
    alone = held.vectors.propose_rows(queries, 5, told)
    assert sorted(zip(*(one.tolist() for one in alone), strict=True)) == sorted(
        zip(query.tolist(), row.tolist(), strict=True)
    )
    allowed = np.arange(340) % 2 == 0
    for some in (allowed, np.arange(340) != 7):
        query, row, _ = held.vectors.propose(queries, 5, told, some)
        assert some[row].all()
        assert set(query.tolist()) == {0, 1}
