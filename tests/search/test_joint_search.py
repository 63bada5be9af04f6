"""Search in a joint space against a loop over its parts: objects of one, of both, and of two strides."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import pytest

from objectspace.embeddings.joint import JointPart, joint_recipe
from objectspace.embeddings.spaces import Recipe
from objectspace.errors import QueryError
from objectspace.files import content_id
from objectspace.jobs.build_index import index_space
from objectspace.objects.records import concatenate, make_objects
from objectspace.search import Queries, SpaceSearch, default_space
from objectspace.search.queries.joint import joint_queries
from objectspace.store import Batch, ImageRow, SpaceRows, open_store, open_writer

CROP = Recipe("crop", "color", "aa", "mean", {"size": 8}, "float32", "0.1.0", crop={"margin": 0.0})
FINE = Recipe("window", "net", "bb", "1", {"size": 8}, "float32", "0.1.0", 3, "own", 16)
COARSE = Recipe("window", "net", "bb", "2", {"size": 8}, "float32", "0.1.0", 3, "own", 32)
WEIGHTS, MISSING = {"cut": 1.0, "map": 3.0}, {"cut": 0.0, "map": 0.25}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """21 objects of seven photos; a crop of all but the last two, windows at one of two strides of most."""
    path = tmp_path_factory.mktemp("joint") / "s.osp"
    images = [ImageRow(content_id(b"%d" % n), f"photos/{n}.jpg", 100, 100) for n in range(7)]
    boxes = np.float32([[10 * n, 5, 10 * n + 9, 60] for n in range(3)])
    objects = concatenate(
        [
            make_objects(image_id=i.image_id, xyxy=boxes, label=["cat", "dog", "cat"], source="s@1")
            for i in images
        ]
    )
    rng = np.random.default_rng(0)
    held = {"crop": range(19), "fine": range(1, 21, 3), "coarse": range(0, 21, 3)}
    rows = {
        name: SpaceRows(
            recipe, objects.object_id[list(own)], rng.normal(size=(len(own), size)).astype(np.float32) + 0.3
        )
        for (name, own), recipe, size in zip(held.items(), (CROP, FINE, COARSE), (5, 7, 9), strict=True)
    }
    parts = [
        JointPart("cut", ("crop",), WEIGHTS["cut"], MISSING["cut"]),
        JointPart("map", ("fine", "coarse"), WEIGHTS["map"], MISSING["map"]),
    ]
    with open_writer(path) as writer:
        writer.commit(Batch(images, objects, [b"jpeg"] * 21, "job", rows, sources={"s@1": {}}))
        recipes = {"crop": CROP, "fine": FINE, "coarse": COARSE}
        writer.declare_joint("a-joint", joint_recipe(parts, recipes))
    return open_store(path)


@pytest.fixture(scope="module", params=["in memory", "on disk"])
def search(request, store):
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "on disk":
            patch.setattr("objectspace.search.space_search.IN_MEMORY", 0)
        yield SpaceSearch(store, "a-joint", metric="euclidean")


@functools.cache
def vectors_of(path: Path, space: str) -> dict[str, np.ndarray]:
    """The vectors of a space by object, in float64."""
    held = open_store(path).space(space)
    return dict(zip(held.object_id.tolist(), held.vectors.astype(float), strict=True))


def cosines(store, one: str, other: str) -> dict[str, float]:
    """The cosine of two objects in each part."""
    found = {}
    for part, names in (("cut", ["crop"]), ("map", ["fine", "coarse"])):
        found[part] = MISSING[part]
        for name in names:
            held = vectors_of(store.path, name)
            if one in held and other in held:
                first, second = held[one], held[other]
                found[part] = float(first @ second / np.sqrt((first @ first) * (second @ second)))
    return found


def similarity(store, one: str, other: str) -> float:
    return sum(WEIGHTS[part] * cosine for part, cosine in cosines(store, one, other).items()) / 4


def test_neighbors_and_their_parts_are_those_of_a_loop(store, search):
    ids = store.objects().object_id.tolist()
    for name, answer in zip(ids, search.nearest(search.stored(ids), k=20, same_image=True), strict=True):
        others = sorted((2 - 2 * similarity(store, name, o), o) for o in ids if o != name)
        np.testing.assert_allclose(answer.distance**2, [far for far, _ in others], atol=1e-6)
        assert answer.parts.names == ("cut", "map")
        np.testing.assert_allclose(answer.parts.shares, [0.25, 0.75])
        document = answer.to_json()["neighbors"]
        for row, other in enumerate(answer.neighbors.object_id.tolist()):
            expected = cosines(store, name, other)
            for part, cosine in expected.items():
                told = document[row]["parts"][part]
                assert told["cosine"] == pytest.approx(cosine, abs=1e-6)
                assert told["similarity"] == pytest.approx(cosine * WEIGHTS[part] / 4, abs=1e-6)
                # No cosine of two drawn vectors is what counts where there are none.
                assert told["assumed"] is (cosine == MISSING[part])


def test_a_part_is_a_space_of_all_objects_whatever_their_stride(store):
    search = SpaceSearch(store, "a-joint/map")
    ids = store.objects().object_id.tolist()
    for name, answer in zip(ids, search.nearest(search.stored(ids), k=20, same_image=True), strict=True):
        expected = sorted((1 - cosines(store, name, other)["map"], other) for other in ids if other != name)
        np.testing.assert_allclose(answer.distance, [far for far, _ in expected], atol=1e-6)
        assert answer.parts.names == ("map",)


def test_a_part_that_a_joint_space_lacks_is_no_space(store):
    with pytest.raises(
        QueryError, match=r"no space a-joint/sky .*its spaces: a-joint, .*, a-joint/cut, a-joint/map"
    ):
        store.stored_space("a-joint/sky")
    with pytest.raises(QueryError, match="a-joint/map is a part of joint space a-joint; index a-joint"):
        index_space(store.path, "a-joint/map")


def test_a_mean_and_what_it_is_unlike_rank_part_by_part(store, search):
    """Directions are added in each part, where one that has no vector there adds nothing."""
    ids = store.objects().object_id.tolist()
    spaces = {"cut": ["crop"], "map": ["fine", "coarse"]}

    @functools.cache
    def directions(part: str, name: str) -> np.ndarray:
        pieces = []
        for space in spaces[part]:
            members = store.members(space)
            size = store.stored_space(space).dimension
            row = store.vectors(space, [members.index(name)])[0] if name in members else np.zeros(size)
            pieces.append(row.astype(float))
        whole = np.concatenate(pieces)
        length = np.linalg.norm(whole)
        return whole / length if length else whole

    liked, unliked = [ids[2], ids[7], ids[9]], [ids[4], ids[12]]
    query = search.unlike(search.mean(search.stored(liked)), unliked)
    (answer,) = search.nearest(query, k=20, same_image=True)
    assert not {*liked, *unliked} & set(answer.neighbors.object_id.tolist())
    assert len(answer.images) == 16
    for row, other in enumerate(answer.neighbors.object_id.tolist()):
        total = 0.0
        for part, weight in WEIGHTS.items():
            mean = np.mean([directions(part, name) for name in liked], axis=0)
            away = np.mean([directions(part, name) for name in unliked], axis=0)
            moved = 2 * mean / np.linalg.norm(mean) - away
            own = directions(part, other)
            in_one_block = any(own)
            total += weight * (own @ moved / np.linalg.norm(moved) if in_one_block else MISSING[part])
        assert answer.distance[row] == pytest.approx(np.sqrt(2 - 2 * total / 4), abs=1e-5)
    assert (np.diff(answer.distance) >= 0).all()


def test_vectors_from_outside_are_queries_part_by_part(store, search):
    """The stored vectors handed in again find themselves; a row of NaN has nothing in that part."""
    ids = store.objects().object_id.tolist()
    given = {}
    for name, size in (("crop", 5), ("fine", 7), ("coarse", 9)):
        given[name] = np.full((21, size), np.nan)
        members = store.members(name)
        given[name][[ids.index(one) for one in members]] = store.space(name).vectors
    inside = search.stored(ids)
    outside = Queries(inside.objects, joint_queries(store, "a-joint", given), inside.images, stored=False)
    for one, other in zip(
        search.nearest(outside, k=21, same_image=True),
        search.nearest(inside, k=20, same_image=True),
        strict=True,
    ):
        # What lacks a part is as far from itself as from others that lack it.
        itself = similarity(store, *2 * one.query.object_id.tolist())
        assert one.distance[one.neighbors.object_id == one.query.object_id[0]] == pytest.approx(
            np.sqrt(max(0, 2 - 2 * itself)), abs=1e-3
        )
        mine = one.neighbors.object_id != one.query.object_id[0]
        np.testing.assert_allclose(one.distance[mine], other.distance, atol=1e-9)
    with pytest.raises(QueryError, match="a vector of space fine has a NaN or an infinity in it"):
        joint_queries(store, "a-joint", {"fine": np.array([[np.nan, *[1.0] * 6]])})
    with pytest.raises(QueryError, match="vectors of unlike objects: none; give"):
        joint_queries(store, "a-joint", {})
    with pytest.raises(QueryError, match="vectors of unlike objects: 2 of fine, 3 of crop; give"):
        joint_queries(store, "a-joint", {"fine": np.ones((2, 7)), "crop": np.ones((3, 5))})
    with pytest.raises(QueryError, match="space grass is no part of a-joint; its parts' spaces: crop, fine"):
        joint_queries(store, "a-joint", {"grass": np.ones((2, 7))})


def test_a_joint_space_is_searched_last_by_default(store, tmp_path: Path):
    assert default_space(store) == "crop"
    # The last two objects have no crop; one of them is in no space but the joint one.
    ids = store.objects().object_id.tolist()
    assert default_space(store, ids[19]) == "fine"
    assert default_space(store, ids[20]) == "a-joint"


def test_plain_spaces_have_no_parts(store):
    search = SpaceSearch(store, "crop", metric="cosine")
    answer, *_ = search.nearest(search.stored(store.members("crop")[:2]), k=2, same_image=True)
    assert answer.parts is None
    assert "parts" not in answer.to_json()["neighbors"][0]
