"""``objectspace index-space``, ``search --approximate``, and what info tells of an index."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from objectspace.embeddings.spaces import Recipe
from objectspace.files import content_id
from objectspace.objects.records import concatenate, make_objects
from objectspace.store import Batch, ImageRow, SpaceRows, open_store, open_writer

RECIPE = Recipe("crop", "color", "aa", "mean", {"size": 8}, "float32", "0.1.0", crop={"margin": 0.0})


def add(path, first, photos):
    """Ten objects a photo, at random vectors of eight numbers."""
    images = [
        ImageRow(content_id(b"%d" % n), f"photos/{n}.jpg", 100, 100) for n in range(first, first + photos)
    ]
    boxes = np.float32([[10 * n, 5, 10 * n + 9, 60] for n in range(10)])
    objects = concatenate(
        [make_objects(image_id=i.image_id, xyxy=boxes, label=["cat"] * 10, source="hand@1") for i in images]
    )
    vectors = np.random.default_rng(first).standard_normal((len(objects), 8)).astype(np.float32)
    rows = {"a-crop": SpaceRows(RECIPE, objects.object_id, vectors)}
    with open_writer(path) as writer:
        writer.commit(Batch(images, objects, [b"jpeg"] * len(objects), "job", rows))


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    path = tmp_path_factory.mktemp("store") / "plain.osp"
    add(path, 0, 30)
    return path


@pytest.fixture
def store(tmp_path, plain):
    return shutil.copytree(plain, tmp_path / "s.osp")


def first_object(store):
    return open_store(store).members("a-crop")[0]


def test_what_is_printed_is_what_the_store_keeps(command, store):
    done = command("index-space", store, "--kind", "ivf-pq", "--metric", "cosine")
    assert (done.code, done.err) == (0, "")
    index = open_store(store).stored_space("a-crop").index
    share, low, high = (
        f"{number:.3f}" for number in (index.recall.recall_at_10, index.recall.low, index.recall.high)
    )
    assert "300 vectors of space a-crop indexed in" in done.out
    told = f"ivf-pq, cosine, recall at 10 {share} (95 % {low} to {high}, 200 objects)"
    assert told in done.out
    assert told in command("info", store).out
    document = json.loads(command("info", store, "--json").out)
    assert document["spaces"][0]["index"] == {**index.to_json(), "unindexed": 0}


def test_json_of_a_build(command, store):
    done = command("index-space", store, "--space", "a-crop", "--json")
    assert (done.code, done.err) == (0, "")
    index = open_store(store).stored_space("a-crop").index
    assert json.loads(done.out) == {"space": "a-crop", **index.to_json()}
    assert (index.kind, index.metric, index.count) == ("ivf-hnsw-sq", "cosine", 300)


def test_an_approximate_answer_always_tells_its_recall(command, store):
    command("index-space", store)
    add(store, 100, 2)
    recall = open_store(store).stored_space("a-crop").index.recall
    asked = ("search", store, "--object", first_object(store), "--approximate")
    done = command(*asked)
    assert done.code == 0
    assert done.err.startswith(
        f"objectspace: the answer is approximate: ivf-hnsw-sq, cosine, recall at 10 "
        f"{recall.recall_at_10:.3f} (95 % "
    )
    assert "measured before 20 vectors came, which are compared one by one" in done.err
    assert "measured before 20 vectors came" in command("info", store).out
    document = json.loads(command(*asked, "--json").out)
    assert document["approximate"] == {
        "kind": "ivf-hnsw-sq",
        "recall_at_10": recall.recall_at_10,
        "low": recall.low,
        "high": recall.high,
        "n": 200,
        "unindexed": 20,
    }
    exact = json.loads(command(*asked[:-1], "--json").out)
    assert "approximate" not in exact
    assert document["neighbors"] == exact["neighbors"]


def test_without_an_index_one_sentence_says_how_to_build_it(sentence, plain):
    assert sentence("search", plain, "--object", first_object(plain), "--approximate") == (
        "space a-crop has no approximate index; build it with: "
        "objectspace index-space STORE --space a-crop --metric cosine"
    )


def test_a_small_space_is_not_indexed(sentence, tmp_path):
    add(tmp_path / "s.osp", 0, 3)
    assert sentence("index-space", tmp_path / "s.osp") == (
        "space a-crop has 30 vectors and an index needs 256; search it exactly, which takes no time"
    )


def test_a_kind_that_is_unknown_is_wrong_usage(command, plain):
    assert command("index-space", plain, "--kind", "flat").code == 2


@pytest.mark.parametrize("option", ["--address=auto", "--workers=2"])
def test_options_of_a_cluster_need_the_engine(command, plain, option):
    done = command("index-space", plain, option)
    assert done.code == 2
    assert f"{option.split('=')[0]} needs --engine ray" in done.err
