"""Neighbors that share a value of the query are left out, and those farther than a distance."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from objectspace.embeddings.spaces import Recipe
from objectspace.errors import QueryError
from objectspace.files import content_id
from objectspace.jobs.build_index import index_space
from objectspace.objects.records import concatenate, make_objects, no_objects
from objectspace.search import Queries, SpaceSearch, choose_targets
from objectspace.store import Batch, ImageRow, SpaceRows, open_store, open_writer

CROP = Recipe("crop", "color", "aa", "mean", {"size": 8}, "float32", "0.1.0", crop={"margin": 0.0})
#: Of each photo, twice over: the clip, and the second it was taken at; of the objects, an attribute.
CLIPS = ["north", "north", None, "south", "east", None, "south", "north"]
SECONDS = [1.0, 1.0, 2.0, np.nan, 2.0, np.nan, 3.0, 3.0]
COATS = ["red", "green", None]
LABELS = ["cat", "owl", "cat", "cat", "dog"]
SOURCES = ["hand@1", "yolo@1f", "yolov3-tiny@0a", "yolo@2b"]
PHOTOS, EACH = 16, 25


def column(values):
    texts = np.empty(len(values), object)
    texts[:] = values
    return texts


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """400 objects, 25 of each of 16 photos, small whole numbers as vectors: many ties and twins.

    The crop space holds all but the objects of the first photo.
    """
    path = tmp_path_factory.mktemp("store") / "s.osp"
    images = [ImageRow(content_id(b"%d" % n), f"photos/{n}.jpg", 1000, 100) for n in range(PHOTOS)]
    boxes = np.float32([[10 * n, 5, 10 * n + 9, 60] for n in range(EACH)])
    parts = []
    for number, image in enumerate(images):
        labels = [LABELS[row % 5] for row in range(EACH)]
        made = make_objects(image_id=image.image_id, xyxy=boxes, label=labels, source="hand@1")
        factors = {
            "clip": column([CLIPS[number % 8]] * EACH),
            "second": np.full(EACH, SECONDS[number % 8]),
            "coat": column([COATS[row % 3] for row in range(EACH)]),
        }
        parts.append(made.with_factors(factors))
    objects = concatenate(parts)
    objects = replace(objects, source=column([SOURCES[row % 4] for row in range(len(objects))]))
    vectors = np.random.default_rng(0).integers(1, 6, (len(objects), 6)).astype(np.float32)
    rows = SpaceRows(CROP, objects.object_id[EACH:], vectors[EACH:])
    with open_writer(path) as writer:
        writer.commit(Batch(images, objects, [b"jpeg"] * len(objects), "job", {"a-crop": rows}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("objectspace.search.approximate._SAMPLE", 20)  # no test asks for the recall
        index_space(path, "a-crop", metric="euclidean")
    open_store(path).save_selection("some", objects.object_id[EACH + 5 :: 3])
    return path


@pytest.fixture(scope="module", params=["in memory", "on disk", "approximate"])
def search(request, path):
    """The three ways to search a space."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "on disk":
            patch.setattr("objectspace.search.space_search.IN_MEMORY", 0)
        yield SpaceSearch(
            open_store(path), "a-crop", metric="euclidean", approximate=request.param == "approximate"
        )


@pytest.fixture(scope="module")
def exact(path):
    return SpaceSearch(open_store(path), "a-crop", metric="euclidean")


@pytest.fixture(scope="module")
def objects(exact):
    """All objects of the space, row for row, the same by every way of search."""
    return exact.store.objects(exact.space.object_id)


@pytest.fixture(scope="module")
def vectors(exact):
    return np.asarray(exact.space.vectors[:], np.float64)


def value_of(objects, row, name):
    """A value as the double loop compares it, None where it is unknown."""
    value = objects.image_id[row] if name == "image" else objects.factors[name][row]
    return None if value is None or value != value else value


def by_hand(objects, vectors, vector, left_out, *, k, within=np.inf):
    """Distance and id of the k nearest in float64, but for some rows."""
    far = np.sqrt(((vector.astype(np.float64) - vectors) ** 2).sum(axis=1)).tolist()
    pairs = enumerate(zip(far, objects.object_id.tolist(), strict=True))
    return sorted(pair for row, pair in pairs if not left_out(row) and pair[0] <= within)[:k]


def told(answer):
    return list(zip(answer.distance.tolist(), answer.neighbors.object_id.tolist(), strict=True))


@pytest.mark.parametrize(
    "asked",
    [
        {"source": "yolo"},
        {"source": "yolo@2b"},
        {"label": "owl"},
        {"label": "owl", "source": "yolo"},
        {"selection": "some"},
        {"selection": "some", "label": "cat"},
        {"selection": "some", "source": "yolov3-tiny"},
        {"among": 7},
        {"among": 7, "label": "cat", "source": "yolo", "selection": "some"},
    ],
)
def test_a_neighbor_is_what_every_filter_keeps(search, objects, vectors, asked):
    some = set(search.store.selection("some").object_ids)
    rows = np.arange(len(search))
    keeps = {
        "source": lambda row, name: objects.source[row] == name or objects.source[row].split("@")[0] == name,
        "label": lambda row, label: objects.label[row] == label,
        "selection": lambda row, _: objects.object_id[row] in some,
        "among": lambda row, step: row % step == 0,
    }
    own = {row for row in rows.tolist() if all(keeps[name](row, value) for name, value in asked.items())}
    given = asked | ({"among": rows % asked["among"] == 0} if "among" in asked else {})
    queries = search.stored(search.space.object_id[[3, 7, 100, 374]].tolist())
    answers = search.nearest(queries, k=400, same_image=True, **given)
    assert 4 < len(own) < 200
    for row, vector, answer in zip((3, 7, 100, 374), queries.vectors, answers, strict=True):
        left = own - {row}
        expected = by_hand(objects, vectors, vector, lambda row, left=left: row not in left, k=400)
        assert told(answer) == expected


@pytest.mark.parametrize("count", [7, 1000])
def test_targets_are_of_the_label_and_the_source(exact, objects, count):
    own = [
        name
        for name, label, source in zip(objects.object_id.tolist(), objects.label, objects.source, strict=True)
        if label == "owl" and source in ("yolo@1f", "yolo@2b")
    ]
    assert choose_targets(exact, count, label="owl", source="yolo") == sorted(own)[:count]


def test_a_source_that_found_nothing_is_named(exact):
    with pytest.raises(
        QueryError, match="no object is of source 'yol', expected one of hand@1, yolo@1f, yolo@2b,"
    ):
        exact.nearest(exact.space.object_id[:1].tolist(), source="yol")


@pytest.mark.parametrize("name", ["image", "clip", "second", "coat"])
def test_no_neighbor_shares_the_querys_value(exact, objects, vectors, name):
    rows = range(0, len(exact), 7)
    queries = exact.stored(exact.space.object_id[list(rows)].tolist())
    for row, vector, answer in zip(
        rows, queries.vectors, exact.nearest(queries, exclude_same=name), strict=True
    ):
        mine = value_of(objects, row, name)

        def left_out(other, row=row, mine=mine):
            return other == row or (mine is not None and value_of(objects, other, name) == mine)

        assert told(answer) == by_hand(objects, vectors, vector, left_out, k=10)


@pytest.mark.parametrize("name", ["image", "clip", "second"])
def test_every_way_of_search_leaves_the_same_out(search, exact, name):
    ids = exact.space.object_id[::9].tolist()
    found = search.nearest(search.stored(ids), k=50, exclude_same=name)
    expected = exact.nearest(exact.stored(ids), k=50, exclude_same=name)
    shared = 0
    for one, true in zip(found, expected, strict=True):
        assert len(one.images) == 50
        mine = value_of(one.query, 0, name)
        assert mine is None or mine not in {value_of(one.neighbors, row, name) for row in range(50)}
        shared += len(set(told(one)) & set(told(true)))
    assert shared >= (0.97 if search.approximate else 1) * 50 * len(ids)


def test_the_photo_is_left_out_where_no_column_is_named(exact):
    queries = exact.stored(exact.space.object_id[:40].tolist())
    first, second = exact.nearest(queries), exact.nearest(queries, exclude_same="image")
    own = [answer.query.image_id[0] in answer.neighbors.image_id for answer in first]
    assert not any(own)
    assert [answer.to_json() for answer in first] == [answer.to_json() for answer in second]
    with pytest.raises(QueryError, match="give same_image= or exclude_same='clip', one of them"):
        exact.nearest(queries, exclude_same="clip", same_image=True)


def test_values_of_all_that_a_query_is_made_of_are_left_out(exact, objects, vectors):
    clip = objects.factors["clip"]
    parts = [int(np.flatnonzero(clip == name)[0]) for name in ("north", "east")]
    parts.append(next(row for row in range(len(clip)) if clip[row] is None))
    query = exact.mean(exact.stored(exact.space.object_id[parts].tolist()))
    (answer,) = exact.nearest(query, k=400, exclude_same="clip")

    def left_out(row):
        return row in parts or objects.factors["clip"][row] in ("north", "east")

    expected = by_hand(objects, vectors, query.vectors[0], left_out, k=400)
    np.testing.assert_allclose(answer.distance, [distance for distance, _ in expected], rtol=1e-6)
    assert set(answer.neighbors.object_id) == {name for _, name in expected}


def outside(search, photo):
    """A vector from outside in a photo."""
    box = np.float32([[1, 1, 7, 7]])
    made = make_objects(image_id=content_id(photo), xyxy=box, label=["query"], source="box@1")
    return Queries(made, search.space.vectors[:1].copy(), ("p.jpg",), stored=False)


@pytest.mark.parametrize(
    ("photo", "name", "value"),
    [
        (b"4", "clip", "east"),
        (b"0", "clip", "north"),  # none of this photo's objects is in the space
        (b"2", "clip", None),  # its clip is unknown
        (b"4", "coat", None),  # its objects have different ones
        (b"new", "clip", None),
        (b"new", "image", None),
        (b"4", "image", content_id(b"4")),
    ],
)
def test_a_query_from_outside_has_the_value_of_its_photo(search, objects, photo, name, value):
    (answer,) = search.nearest(outside(search, photo), k=400, exclude_same=name)
    kept = {value_of(answer.neighbors, row, name) for row in range(len(answer.neighbors))}
    everything = {value_of(objects, row, name) for row in range(len(search))}
    assert kept == everything - ({value} if value is not None else set())


def test_words_have_no_value(path):
    search = SpaceSearch(open_store(path), "a-crop", metric="cosine")
    words = Queries(no_objects(), search.space.vectors[:1], (), stored=False, texts=("a cat",))
    (answer,), (free,) = search.nearest(words, exclude_same="clip"), search.nearest(words, same_image=True)
    assert told(answer) == told(free)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("k", [3, 60, 400])
def test_within_keeps_all_that_are_near_enough_and_k_at_most(path, metric, k):
    search = SpaceSearch(open_store(path), "a-crop", metric=metric)
    queries = search.stored(search.space.object_id[::23].tolist())
    everything = search.nearest(queries, k=len(search), same_image=True)
    # A distance that there is, so that an object lies on the edge, and one number below it.
    edge = float(everything[0].distance[40])
    for within in (edge, np.nextafter(edge, 0), 0.0):
        for answer, whole in zip(
            search.nearest(queries, k=k, within=within, same_image=True), everything, strict=True
        ):
            assert told(answer) == [pair for pair in told(whole) if pair[0] <= within][:k]
            assert answer.to_json()["within"] == within


def test_within_in_whole_numbers_is_that_of_a_double_loop(search, objects, vectors):
    queries = search.stored(search.space.object_id[:30].tolist())
    for row, answer in enumerate(search.nearest(queries, k=5, within=3.0, same_image=True)):
        near = by_hand(objects, vectors, queries.vectors[row], lambda _: False, k=400, within=3.0)
        expected = [pair for pair in near if pair[1] != objects.object_id[row]][:5]
        assert len(answer.images) == len(expected) or search.approximate
        assert set(told(answer)) <= set(near)
        assert search.approximate or told(answer) == expected


def test_both_limits_and_a_label_of_several_as_one(exact):
    ids = exact.space.object_id[:2].tolist()
    (answer,) = exact.nearest(
        exact.mean(exact.stored(ids)), k=20, label="cat", exclude_same="clip", within=3.5
    )
    assert 0 < len(answer.images) <= 20
    assert answer.distance.max() <= 3.5
    assert "north" not in answer.neighbors.factors["clip"]


def test_json_names_the_limits_that_were_asked_for(exact):
    query = exact.stored(exact.space.object_id[:1].tolist())
    (answer,) = exact.nearest(query, exclude_same="clip", within=1e-3)
    document = json.loads(json.dumps(answer.to_json(), allow_nan=False))
    assert list(document)[-4:] == ["exclude_same", "within", "query", "neighbors"]
    assert (document["exclude_same"], document["within"], document["neighbors"]) == ("clip", 1e-3, [])


@pytest.mark.parametrize("within", [-1, -1e-9, float("nan"), float("inf")])
def test_a_distance_that_is_none(exact, within):
    query = exact.stored(exact.space.object_id[:1].tolist())
    with pytest.raises(QueryError, match=rf"within is {within:g}, expected a distance of 0 or more"):
        exact.nearest(query, within=within, same_image=True)


def test_a_column_that_is_not_there_is_guessed(exact):
    query = exact.stored(exact.space.object_id[:1].tolist())
    with pytest.raises(QueryError) as error:
        exact.nearest(query, exclude_same="clpi")
    assert str(error.value) == (
        "no column 'clpi' that objects may share, expected one of image, clip, coat, second; "
        "did you mean clip?"
    )
    words = Queries(no_objects(), query.vectors, (), stored=False, texts=("a cat",))
    with pytest.raises(QueryError, match="no column 'label'"):
        SpaceSearch(exact.store, "a-crop", metric="cosine").nearest(words, exclude_same="label")
