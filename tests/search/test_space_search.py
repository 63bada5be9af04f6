from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from objectspace.embeddings.spaces import Recipe
from objectspace.errors import QueryError
from objectspace.files import content_id
from objectspace.objects.records import concatenate, make_objects, no_objects
from objectspace.search import Queries, SpaceSearch, choose_targets, default_space, distance_text
from objectspace.store import Batch, ImageRow, SpaceRows, open_store, open_writer

CROP = Recipe("crop", "color", "aa", "mean", {"size": 8}, "float32", "0.1.0", crop={"margin": 0.0})
WINDOW = Recipe("window", "net", "bb", "1", {"size": 8}, "float32", "0.1.0", 3, "own", 32)
LABELS = ["cat", "dog", "cat", "owl"]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """40 objects, four of each of ten photos, small whole numbers as vectors: many ties and twins.

    The window space holds the first four only.
    """
    path = tmp_path_factory.mktemp("store") / "s.osp"
    images = [ImageRow(content_id(b"%d" % n), f"photos/{n}.jpg", 100, 100) for n in range(10)]
    boxes = np.float32([[10 * n, 5, 10 * n + 9, 60] for n in range(4)])
    objects = concatenate(
        [make_objects(image_id=i.image_id, xyxy=boxes, label=LABELS, source="hand@1") for i in images]
    )
    vectors = np.random.default_rng(0).integers(1, 3, (40, 5)).astype(np.float32)
    spaces = {
        "color-crop": SpaceRows(CROP, objects.object_id, vectors),
        "a-window": SpaceRows(WINDOW, objects.object_id[:4], vectors[:4, :2]),
    }
    with open_writer(path) as writer:
        writer.commit(Batch(images, objects, [b"jpeg"] * 40, "job", spaces))
    return open_store(path)


@pytest.fixture
def search(store):
    return SpaceSearch(store, "color-crop", metric="euclidean")


def by_hand(search, vector, *, metric, leave_out=(), k=10):
    """Ids and distances of the k nearest, one pair after another in float64."""
    rows = []
    for name, other in zip(search.space.object_id.tolist(), search.space.vectors.astype(float), strict=True):
        if name in leave_out:
            continue
        target = vector.astype(float)
        if metric == "euclidean":
            distance = float(np.sqrt(((target - other) ** 2).sum()))
        else:
            distance = 1 - float(target @ other / np.sqrt((target @ target) * (other @ other)))
        rows.append((round(distance, 9), name))
    return sorted(rows)[:k]


def told(answer):
    return list(zip(np.round(answer.distance, 9).tolist(), answer.neighbors.object_id.tolist(), strict=True))


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_every_answer_is_that_of_a_double_loop(store, metric):
    search = SpaceSearch(store, "color-crop", metric=metric)
    ids = search.space.object_id.tolist()
    queries = search.stored(ids)
    for name, vector, answer in zip(
        ids, queries.vectors, search.nearest(queries, same_image=True), strict=True
    ):
        expected = by_hand(search, vector, metric=metric, leave_out={name})
        np.testing.assert_allclose([d for d, _ in told(answer)], [d for d, _ in expected], atol=1e-6)
        last = expected[-1][0]
        inside = {other for distance, other in expected if distance < last - 1e-6}
        assert inside <= {other for _, other in told(answer)}


def test_equal_distances_come_by_object_id(search):
    ids = search.space.object_id.tolist()
    for name, answer in zip(ids, search.nearest(search.stored(ids), same_image=True), strict=True):
        vector = search.stored([name]).vectors[0]
        assert told(answer) == by_hand(search, vector, metric="euclidean", leave_out={name})


def test_a_vector_from_outside_has_the_same_answer_with_the_object_itself_in_it(search):
    ids = search.space.object_id.tolist()
    inside = search.stored(ids)
    outside = Queries(inside.objects, inside.vectors.copy(), inside.images, stored=False)
    for name, stored, handed in zip(
        ids,
        search.nearest(inside, k=39, same_image=True),
        search.nearest(outside, k=40, same_image=True),
        strict=True,
    ):
        assert (0.0, name) in told(handed)
        assert [row for row in told(handed) if row[1] != name] == told(stored)


def test_a_twin_with_a_smaller_id_does_not_push_the_query_into_its_own_answer(search):
    ids, vectors = search.space.object_id, search.space.vectors
    twins = {
        name: {other for other in ids[(vectors == vectors[row]).all(1)].tolist() if other != name}
        for row, name in enumerate(ids.tolist())
    }
    for k in {max(1, len(others)) for others in twins.values()}:
        names = [name for name, others in twins.items() if max(1, len(others)) == k]
        for name, answer in zip(
            names, search.nearest(search.stored(names), k=k, same_image=True), strict=True
        ):
            assert name not in answer.neighbors.object_id.tolist()
            assert twins[name] <= set(answer.neighbors.object_id.tolist())
            assert not twins[name] or (answer.distance == 0).all()


def test_filters(search):
    query = search.stored(search.space.object_id[:1].tolist())
    (owls,) = search.nearest(query, k=40, label="owl", same_image=True)
    assert set(owls.neighbors.label) == {"owl"}
    assert len(owls.images) == 10 - (query.objects.label[0] == "owl")
    (others,) = search.nearest(query, k=40)
    assert len(others.images) == 36
    assert query.images[0] not in others.images
    (both,) = search.nearest(query, k=40, label="owl")
    assert len(both.images) == 9


def test_k_beyond_the_space_gives_what_there_is(search):
    (answer,) = search.nearest(search.stored(search.space.object_id[:1].tolist()), k=10**6, same_image=True)
    assert len(answer.images) == 39


def test_json_of_an_answer(search):
    (answer,) = search.nearest(search.stored(search.space.object_id[:1].tolist()), k=1, same_image=True)
    document = json.loads(json.dumps(answer.to_json(), allow_nan=False))
    assert list(document) == ["space", "metric", "default_space", "other_spaces", "query", "neighbors"]
    assert (document["default_space"], document["other_spaces"]) == (None, ["a-window"])
    assert document["query"]["object_id"] == search.space.object_id[0]
    assert document["query"]["image"] == "photos/0.jpg"
    (row,) = document["neighbors"]
    assert list(row) == ["rank", "object_id", "image", "label", "score", "xyxy", "distance"]
    assert (row["rank"], row["score"]) == (1, None)


def test_a_query_from_outside_has_no_id_in_json(search):
    query = search.stored(search.space.object_id[:1].tolist())
    (answer,) = search.nearest(
        Queries(query.objects, query.vectors, ("new.jpg",), stored=False), same_image=True
    )
    assert answer.to_json()["query"]["object_id"] is None
    assert answer.to_json()["query"]["image"] == "new.jpg"


def test_records_show_themselves_in_a_line(search):
    query = search.stored(search.space.object_id[:2].tolist())
    answer, _ = search.nearest(query, k=3, same_image=True)
    assert repr(search) == "SpaceSearch('color-crop', 40 x 5, euclidean, exact)"
    assert repr(query) == "Queries(2 vectors of 2 objects, stored=True)"
    near = distance_text(answer.distance[0])
    label = answer.query.label[0]
    assert repr(answer) == f"Answer('{label}' in 'color-crop', euclidean: 3 neighbors, nearest at {near})"


def test_what_cannot_be_answered(store, search):
    query = search.stored(search.space.object_id[:1].tolist())
    with pytest.raises(QueryError, match="did you mean dog"):
        search.nearest(query, label="dgo", same_image=True)
    with pytest.raises(QueryError, match="k is 0, expected 1 or more"):
        search.nearest(query, k=0, same_image=True)
    with pytest.raises(QueryError, match="no object zzz"):
        search.stored(["zzz"])
    with pytest.raises(QueryError, match="no space nope"):
        SpaceSearch(store, "nope")
    with pytest.raises(QueryError, match="metric 'l1' is not known, expected euclidean or cosine"):
        SpaceSearch(store, "color-crop", metric="l1")
    with pytest.raises(QueryError):
        search.nearest(
            Queries(query.objects, query.vectors[:, :3], query.images, stored=False), same_image=True
        )


# --------------------------------------------------------------------------------- several as one, and unlike


def score_by_hand(vectors, liked, unliked, metric):
    """What docs/search.md says is ranked by, one pair after another in float64; small is near."""

    def apart(x, y):
        x, y = x.astype(float), y.astype(float)
        if metric == "euclidean":
            return float(((x - y) ** 2).sum())
        return -float(x @ y / np.sqrt((x @ x) * (y @ y)))

    scores = np.array([np.mean([apart(vector, other) for other in liked]) for vector in vectors])
    if not len(unliked):
        return scores
    far = np.array([np.mean([apart(vector, other) for other in unliked]) for vector in vectors])
    if metric == "cosine":
        # The mean of directions has a length; a query is a direction.
        units = [other.astype(float) / np.linalg.norm(other) for other in liked]
        scores = scores / np.linalg.norm(np.mean(units, axis=0))
    return 2 * scores - far


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize(("likes", "unlikes"), [(3, 0), (1, 1), (2, 3)])
def test_a_mean_and_what_it_is_unlike_rank_as_documented(store, metric, likes, unlikes):
    search = SpaceSearch(store, "color-crop", metric=metric)
    ids, vectors = search.space.object_id.tolist(), search.space.vectors
    for start in range(0, 30, 7):
        liked, unliked = ids[start : start + likes], ids[start + likes : start + likes + unlikes]
        query = search.mean(search.stored(liked))
        query = search.unlike(query, unliked) if unliked else query
        (answer,) = search.nearest(query, k=40, same_image=True)
        own = {*liked, *unliked}
        scores = score_by_hand(
            vectors, *(vectors[[ids.index(i) for i in part]] for part in (liked, unliked)), metric
        )
        expected = sorted(scores[row] for row, name in enumerate(ids) if name not in own)
        found = [scores[ids.index(name)] for name in answer.neighbors.object_id]
        np.testing.assert_allclose(found, expected, atol=1e-6)
        assert not own & set(answer.neighbors.object_id.tolist())


def test_a_mean_of_one_is_that_one(search):
    one = search.stored(search.space.object_id[:1].tolist())
    ((mean,), (alone,)) = (
        search.nearest(search.mean(one), same_image=True),
        search.nearest(one, same_image=True),
    )
    assert told(mean) == told(alone)
    assert mean.to_json() == alone.to_json()


def test_each_of_several_queries_is_moved_away(search):
    a, b, c = search.space.object_id[:3].tolist()
    both = search.nearest(search.unlike(search.stored([a, b]), [c]), same_image=True)
    alone = [search.nearest(search.unlike(search.stored([name]), [c]), same_image=True)[0] for name in (a, b)]
    assert [told(answer) for answer in both] == [told(answer) for answer in alone]


def test_photos_of_all_that_a_query_is_made_of_are_left_out(search):
    first, other = search.space.object_id[[0, 20]].tolist()
    query = search.unlike(search.mean(search.stored([first, other])), [search.space.object_id[8]])
    (answer,) = search.nearest(query, k=40)
    assert not {"photos/0.jpg", "photos/5.jpg"} & set(answer.images)
    assert len(answer.images) == 31  # 40 less two photos of four, less the one to be unlike
    (owls,) = search.nearest(query, k=40, label="owl", same_image=True)
    assert set(owls.neighbors.label) == {"owl"}


def test_json_of_several_objects_and_of_what_they_are_unlike(search):
    a, b, c = search.space.object_id[:3].tolist()
    (answer,) = search.nearest(search.unlike(search.mean(search.stored([a, b])), [c]), k=1, same_image=True)
    query = json.loads(json.dumps(answer.to_json(), allow_nan=False))["query"]
    assert [query[key] for key in ("object_id", "image", "label", "score", "xyxy")] == [None] * 5
    assert [row["object_id"] for row in query["objects"]] == [a, b]
    assert [row["object_id"] for row in query["unlike"]] == [c]
    assert answer.query_images == ("photos/0.jpg", "photos/0.jpg")


def test_what_cannot_be_averaged_or_moved_away(search):
    a, b = search.space.object_id[:2].tolist()
    query = search.stored([a])
    with pytest.raises(QueryError, match="no object zzz"):
        search.unlike(query, ["zzz"])
    with pytest.raises(QueryError, match=f"object {a} is to be like and unlike; name it once"):
        search.unlike(query, [b, a])
    with pytest.raises(QueryError, match="a mean needs at least one query"):
        search.mean(search.stored([]))
    text = Queries(no_objects(), query.vectors, (), stored=False, texts=("a cat",))
    with pytest.raises(QueryError, match="unlike moves the query of an object, not of a text"):
        search.unlike(text, [a])


def test_a_vector_of_length_zero_has_no_direction(store):
    search = SpaceSearch(store, "color-crop", metric="cosine")
    query = search.stored(search.space.object_id[:1].tolist())
    nothing = Queries(query.objects, 0 * query.vectors, query.images, stored=False)
    with pytest.raises(QueryError, match="a vector of length zero has no direction to average by cosine"):
        search.mean(nothing)


def test_the_crop_space_is_searched_unless_another_is_named(store):
    assert default_space(store) == "color-crop"
    assert default_space(store, store.objects().object_id[20]) == "color-crop"
    with pytest.raises(QueryError, match="no object zzz"):
        default_space(store, "zzz")


def test_a_space_from_which_something_was_erased_is_searched_by_name_only(store, tmp_path):
    vectors = SpaceRows(
        replace(CROP, erasure={"factors": ["x"]}), store.objects().object_id, np.ones((40, 5), np.float32)
    )
    copied = shutil.copytree(store.path, tmp_path / "s.osp")
    with open_writer(copied) as writer:
        writer.commit(Batch([], no_objects(), [], "erased", {"a-crop": vectors}))
    assert default_space(open_store(copied)) == "color-crop"


def test_an_empty_store_has_nothing_to_search(tmp_path):
    with open_writer(tmp_path / "s.osp"):
        pass
    with pytest.raises(QueryError, match=r"no space in .* yet; index photos first"):
        default_space(open_store(tmp_path / "s.osp"))


def test_targets_take_turns_among_the_labels_the_most_frequent_first(search):
    chosen = choose_targets(search, 7)
    assert search.store.objects(chosen).label.tolist() == ["cat", "dog", "owl", "cat", "dog", "owl", "cat"]
    assert len(set(chosen)) == 7


def test_targets_of_a_label_and_more_than_there_are(search):
    assert len(choose_targets(search, 1000)) == 40
    owls = choose_targets(search, 1000, label="owl")
    assert owls == sorted(owls)
    assert len(owls) == 10
    assert choose_targets(search, 5, label="bat") == []


@pytest.mark.parametrize(
    ("distance", "text"),
    [
        (0.0, "0.000"),
        (5.2, "5.200"),
        (7.08, "7.080"),
        (5204.0, "5204"),
        (0.0321, "0.03210"),
        (123456.0, "1.235e+05"),
    ],
)
def test_distances_for_people(distance, text):
    assert distance_text(distance) == text
