"""Approximate search: true distances, an honest recall, the semantics of exact search, and never silently."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from scipy.stats import binomtest

from objectspace.embeddings.spaces import Recipe
from objectspace.errors import InputError, QueryError, StoreBusyError
from objectspace.files import content_id
from objectspace.jobs import build_index
from objectspace.jobs.build_index import choose_settings, index_space
from objectspace.objects.records import concatenate, make_objects
from objectspace.search import SpaceSearch, approximate
from objectspace.search.approximate import recall_of
from objectspace.store import Batch, ImageRow, SpaceRows, StoredVectors, open_store, open_writer
from objectspace.store.columns import OUTDATED
from objectspace.store.tables import find_rows


@pytest.fixture(scope="module")
def plain(tmp_path_factory, add_objects, noise):
    """A store without an index: 1000 vectors, the last ten of them without a direction."""
    path = tmp_path_factory.mktemp("store") / "plain.osp"
    vectors = noise.copy()
    vectors[-10:] = 0
    add_objects(path, vectors)
    return path


@pytest.fixture(autouse=True, scope="module")
def few():
    """A filter that leaves up to 300 rows is answered exactly; so cats are many and owls few."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(approximate, "FEW", 300)
        yield


@pytest.fixture(scope="module", params=["ivf-hnsw-sq", "ivf-pq"])
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def indexed(tmp_path_factory, plain, kind):
    """The same with an index of this kind by euclidean distance."""
    path = tmp_path_factory.mktemp("store") / f"{kind}.osp"
    shutil.copytree(plain, path)
    index_space(path, "a-crop", metric="euclidean", kind=kind)
    return path


@pytest.fixture(scope="module")
def both(indexed):
    """Approximate and exact search of the same store."""
    return tuple(searches(indexed))


@pytest.fixture
def small_sample(monkeypatch):
    """The recall, which takes longer than the index, of 20 objects, where it is not what is tested."""
    monkeypatch.setattr(approximate, "_SAMPLE", 20)


def searches(path, metric="euclidean"):
    store = open_store(path)
    return (SpaceSearch(store, "a-crop", metric=metric, approximate=yes) for yes in (True, False))


def by_hand(vectors, query):
    return np.sqrt(((vectors.astype(np.float64) - query.astype(np.float64)) ** 2).sum(axis=1))


def check_same(found, expected):
    for one, other in zip(found, expected, strict=True):
        assert one.neighbors.object_id.tolist() == other.neighbors.object_id.tolist()
        assert one.distance.tolist() == other.distance.tolist()


def test_the_recall_that_is_told_is_that_of_a_recount(tmp_path, plain, kind, monkeypatch):
    # One candidate for each neighbor makes an index that misses much.
    monkeypatch.setattr(build_index, "_CANDIDATES", 1)
    shutil.copytree(plain, tmp_path / "s.osp")
    told = index_space(tmp_path / "s.osp", "a-crop", metric="euclidean", kind=kind).recall
    search = SpaceSearch(open_store(tmp_path / "s.osp"), "a-crop", metric="euclidean", approximate=True)
    vectors = search.space.vectors[:]
    drawn = np.random.default_rng(0).choice(1000, 200, replace=False)
    hits = 0
    answers = search.nearest(search.stored(search.space.object_id[drawn].tolist()), same_image=True)
    for row, answer in zip(drawn, answers, strict=True):
        distances = by_hand(vectors, vectors[row])
        distances[row] = np.inf
        tenth = np.sort(distances)[9] * (1 + 1e-12)
        assert len(answer.images) == 10
        hits += int((answer.distance <= tenth).sum())
    assert told.recall_at_10 == pytest.approx(hits / 2000)
    assert told.recall_at_10 < 0.99
    interval = binomtest(round(hits / 10), 200).proportion_ci(method="wilson")
    assert (told.low, told.high) == pytest.approx((interval.low, interval.high), abs=0.01)
    assert told.n == 200


def test_what_ties_with_the_tenth_counts_as_found():
    true = np.array([[1.0, 2.0, 2.0], [1.0, 1.0, 3.0]])
    recall = recall_of(np.array([[2.0, 2.0, 2.5], [1.0, 3.0, np.inf]]), true)
    assert recall.recall_at_10 == pytest.approx(4 / 6)


@pytest.mark.parametrize(("hits", "n"), [(0, 50), (50, 50), (47, 50), (1, 3)])
def test_the_interval_is_wilsons(hits, n):
    found = np.where(np.arange(n)[:, None] < hits, 0.0, 2.0)
    recall = recall_of(found, np.ones((n, 1)))
    interval = binomtest(hits, n).proportion_ci(method="wilson")
    assert (recall.low, recall.high) == pytest.approx((interval.low, interval.high), abs=1e-6)
    assert recall.low <= recall.recall_at_10 <= recall.high


def test_the_default_settings_find_nearly_all(indexed):
    assert open_store(indexed).stored_space("a-crop").index.recall.low > 0.95


def test_distances_are_those_of_the_vectors(both):
    search, _ = both
    vectors = search.space.vectors[:]
    rows = {name: row for row, name in enumerate(search.space.object_id.tolist())}
    for answer in search.nearest(search.stored(search.space.object_id[:40].tolist()), same_image=True):
        query = vectors[rows[answer.query.object_id[0]]]
        expected = by_hand(vectors[[rows[name] for name in answer.neighbors.object_id]], query)
        np.testing.assert_allclose(answer.distance, expected, rtol=1e-14)
        assert (np.diff(answer.distance) >= 0).all()


@pytest.mark.parametrize(
    "asked", [{}, {"label": "cat"}, {"label": "owl"}, {"same_image": True}, {"k": 1}, {"k": 999}]
)
def test_filters_mean_what_they_mean_in_exact_search(both, asked):
    nearly, exact = both
    queries = exact.stored(exact.space.object_id[:30].tolist())
    found, expected = nearly.nearest(queries, **asked), exact.nearest(queries, **asked)
    same = 0
    for one, other in zip(found, expected, strict=True):
        ids = one.neighbors.object_id.tolist()
        assert len(ids) == len(other.neighbors) == len(set(ids))
        assert one.query.object_id[0] not in ids
        if "label" in asked:
            assert set(one.neighbors.label) == {asked["label"]}
        if "same_image" not in asked:
            assert one.query.image_id[0] not in one.neighbors.image_id
        same += len(set(ids) & set(other.neighbors.object_id))
    assert same >= 0.97 * sum(len(other.neighbors) for other in expected)


def test_a_filter_that_leaves_few_is_answered_exactly(both):
    nearly, exact = both
    assert exact.objects.labeled("owl").sum() == 100
    queries = exact.stored(exact.space.object_id[:30].tolist())
    check_same(
        nearly.nearest(queries, label="owl", same_image=True),
        exact.nearest(queries, label="owl", same_image=True),
    )


def test_a_label_of_many_is_searched_by_the_index(both, monkeypatch):
    nearly, _ = both
    monkeypatch.setattr(approximate.StreamedIndex, "nearest", None)  # exact search fails
    queries = nearly.stored(nearly.space.object_id[:5].tolist())
    assert all(len(answer.images) == 10 for answer in nearly.nearest(queries, label="cat", same_image=True))


def test_vectors_in_memory_give_the_same_answers_and_none_is_read(indexed, monkeypatch):
    space = open_store(indexed).stored_space("a-crop")
    vectors, groups = space.vectors[:], np.arange(1000) // 3
    queries, own = vectors[:200:7], groups[:200:7]
    read, held = (
        approximate.approximate_index(space, metric="euclidean", in_memory=given).grouped(groups)
        for given in (None, vectors)
    )
    expected = read.nearest(queries, k=5, query_groups=own)
    monkeypatch.setattr(StoredVectors, "propose", None)
    found = held.nearest(queries, k=5, query_groups=own)
    np.testing.assert_array_equal(found.index, expected.index)
    np.testing.assert_array_equal(found.distance, expected.distance)


@pytest.mark.usefixtures("small_sample")
def test_a_large_group_of_the_query_is_left_out_by_the_index(tmp_path, kind, noise, monkeypatch):
    """One clip has 700 of 1000 vectors, all nearer to one another than to the rest; another is of ten."""
    vectors = noise.copy()
    vectors[:700] = vectors[:700] / 20 + vectors[0]
    clip = np.where(np.arange(1000) < 700, 0, np.arange(1000) // 10)
    with_clips(tmp_path / "s.osp", vectors, clip)
    index_space(tmp_path / "s.osp", "a-crop", metric="euclidean", kind=kind)
    nearly, exact = searches(tmp_path / "s.osp")
    counts, propose = [], StoredVectors.propose

    def told(self, queries, count, *rest):
        counts.append(count)
        return propose(self, queries, count, *rest)

    monkeypatch.setattr(StoredVectors, "propose", told)
    monkeypatch.setattr(approximate, "FEW", 100)
    rows = [*range(0, 700, 50), *range(700, 1000, 20)]
    queries = exact.stored(exact.space.object_id[rows].tolist())
    for label in (None, "cat"):
        counts.clear()
        found = nearly.nearest(queries, exclude_same="clip", label=label)
        # Eleven are asked for, ten candidates each: the query itself is found, too.
        assert sorted(counts) == [110, 120 if label is None else 119]
        expected = exact.nearest(queries, exclude_same="clip", label=label)
        same = 0
        for one, other in zip(found, expected, strict=True):
            assert one.query.factors["clip"][0] not in one.neighbors.factors["clip"]
            same += len(set(one.neighbors.object_id) & set(other.neighbors.object_id))
        assert same >= 0.95 * 10 * len(rows)


def with_clips(path, vectors, clip):
    """A store of these vectors, ten a photo, with the clip of each as a factor."""
    images = [ImageRow(content_id(b"%d" % n), f"photos/{n}.jpg", 100, 100) for n in range(len(vectors) // 10)]
    boxes = np.float32([[10 * n, 5, 10 * n + 9, 60] for n in range(10)])
    labels = ["cat"] * 9 + ["owl"]
    objects = concatenate(
        [make_objects(image_id=i.image_id, xyxy=boxes, label=labels, source="hand@1") for i in images]
    ).with_factors({"clip": clip.astype(np.float64)})
    recipe = Recipe("crop", "net", "aa", "mean", {"size": 8}, "float32", "0", crop={"margin": 0.0})
    rows = {"a-crop": SpaceRows(recipe, objects.object_id, vectors)}
    with open_writer(path) as writer:
        writer.commit(Batch(images, objects, [b"jpeg"] * len(objects), "job", rows))


@pytest.mark.usefixtures("small_sample")
def test_by_cosine_and_for_vectors_without_a_direction(tmp_path, plain, kind):
    shutil.copytree(plain, tmp_path / "s.osp")
    index_space(tmp_path / "s.osp", "a-crop", kind=kind, metric="cosine")
    nearly, exact = searches(tmp_path / "s.osp", "cosine")
    directed = exact.stored(exact.space.object_id[:30].tolist())
    found, expected = nearly.nearest(directed, same_image=True), exact.nearest(directed, same_image=True)
    same = [
        set(a.neighbors.object_id) & set(b.neighbors.object_id) for a, b in zip(found, expected, strict=True)
    ]
    assert sum(map(len, same)) >= 290
    for one, other in zip(found, expected, strict=True):
        both = np.isin(one.neighbors.object_id, other.neighbors.object_id)
        assert set(one.distance[both]) <= set(other.distance)
    lost = exact.stored(exact.space.object_id[-3:].tolist())
    check_same(nearly.nearest(lost, same_image=True), exact.nearest(lost, same_image=True))


@pytest.mark.usefixtures("small_sample")
def test_vectors_that_came_later_are_found_and_counted(tmp_path, indexed, add_objects):
    path = tmp_path / "s.osp"
    shutil.copytree(indexed, path)
    before = open_store(path).stored_space("a-crop").index
    add_objects(path, np.full((20, 16), 9, np.float32) + np.arange(20, dtype=np.float32)[:, None], first=900)
    nearly, exact = searches(path)
    assert nearly.approximate.unindexed == 20
    assert nearly.approximate.to_json()["unindexed"] == 20
    assert nearly.approximate.index == before
    new = exact.stored(exact.space.object_id[-20:].tolist())
    check_same(nearly.nearest(new, k=5, same_image=True), exact.nearest(new, k=5, same_image=True))
    after = index_space(path, "a-crop", metric="euclidean", kind=before.kind)
    assert after.count == 1020
    assert open_store(path).info().spaces[0].unindexed == 0


def test_removed_objects_are_not_found(tmp_path, indexed, noise):
    path = tmp_path / "s.osp"
    shutil.copytree(indexed, path)
    with open_writer(path) as writer:
        held = open_store(path).stored_space("a-crop")
        gone = held.object_id[100:200].tolist()
        vectors = held.vectors[100:200]
        with writer._publishing():
            writer._remove(find_rows(writer._tables["objects"], "object_id", gone, OUTDATED.names))
        writer.finish()
    nearly, exact = searches(path)
    assert len(nearly) == 900
    assert nearly.approximate.unindexed == 0
    kept = exact.stored(exact.space.object_id[90:110].tolist())
    for one, other in zip(
        nearly.nearest(kept, same_image=True), exact.nearest(kept, same_image=True), strict=True
    ):
        assert not set(one.neighbors.object_id) & set(gone)
        assert len(set(one.neighbors.object_id) & set(other.neighbors.object_id)) >= 8
    assert not (nearly.space.vectors[95:105] == vectors[0]).all(1).any()


def test_without_an_index_the_sentence_says_how_to_build_it(plain):
    store = open_store(plain)
    with pytest.raises(QueryError, match="no approximate index; build it with: objectspace index-space"):
        SpaceSearch(store, "a-crop", metric="euclidean", approximate=True)
    assert SpaceSearch(store, "a-crop", metric="euclidean").approximate is None


def test_an_index_of_another_metric_is_not_used(indexed):
    with pytest.raises(QueryError, match="is of euclidean distances; give that as metric=, or bu"):
        SpaceSearch(open_store(indexed), "a-crop", metric="cosine", approximate=True)


def test_what_cannot_be_indexed_is_refused(tmp_path, plain, add_objects, noise):
    with pytest.raises(QueryError, match="kind 'flat' of index is unknown; expected ivf-hnsw-sq or ivf-pq"):
        index_space(plain, "a-crop", metric="euclidean", kind="flat")
    with pytest.raises(QueryError, match="metric 'dot' is unknown"):
        index_space(plain, "a-crop", metric="dot")
    with pytest.raises(QueryError, match="no space other"):
        index_space(plain, "other")
    add_objects(tmp_path / "small.osp", noise[:250])
    with pytest.raises(InputError, match="has 250 vectors and an index needs 256; search it exactly"):
        index_space(tmp_path / "small.osp", "a-crop", metric="euclidean")
    with open_writer(plain), pytest.raises(StoreBusyError):
        index_space(plain, "a-crop", metric="euclidean")


@pytest.mark.parametrize("dimension", [1, 7, 512, 1000, 2048, 9216])
def test_codes_divide_the_vector_into_parts_of_at_most_eight_numbers(dimension):
    parts = choose_settings("ivf-pq", 10_000, dimension)["sub_vectors"]
    assert dimension % parts == 0
    assert dimension / parts <= 8


@pytest.mark.parametrize("count", [256, 70_000, 10**8])
def test_each_partition_is_learned_from_enough_vectors(count):
    settings = choose_settings("ivf-pq", count, 64)
    assert settings["partition_size"] >= 256
    assert settings["probes"] >= count // settings["partition_size"] / 17


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_a_space_too_large_for_memory_has_the_same_answers(plain, monkeypatch, metric):
    store = open_store(plain)
    in_memory = SpaceSearch(store, "a-crop", metric=metric)
    monkeypatch.setattr("objectspace.search.space_search.IN_MEMORY", 4 * 1000 * 16 - 1)
    monkeypatch.setattr("objectspace.neighbors.streamed._BLOCK", 4 * 16 * 150)
    monkeypatch.setattr(type(store), "space", None)  # reading it whole fails
    on_disk = SpaceSearch(store, "a-crop", metric=metric)
    queries = in_memory.stored(in_memory.space.object_id[::20].tolist())
    for asked in ({}, {"label": "owl"}, {"same_image": True}):
        check_same(on_disk.nearest(queries, **asked), in_memory.nearest(queries, **asked))
