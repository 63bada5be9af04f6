"""Vectors of the user's own: kept as handed in, once, and never mixed with others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from objectspace.embeddings.spaces import Recipe
from objectspace.errors import InputError, ObjectspaceError, QueryError, RecipeError, StoreError
from objectspace.jobs.add_embeddings import add_embeddings
from objectspace.objects.records import make_objects
from objectspace.search import SpaceSearch
from objectspace.search.queries.images import query_image
from objectspace.search.queries.networks import space_detector
from objectspace.store import Batch, ImageRow, SpaceRows, open_store, open_writer

CROP = Recipe("crop", "resnet50", "aa", "pooled", {"size": 224}, "float32", "0.1.0", crop={"margin": 0.0})
VECTORS = np.array([[0, 0], [1, 0], [0, 2], [4, 4]], np.float64)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store of four objects with crop vectors."""
    boxes = np.array([[0, 0, 10, 10 * n] for n in range(1, 5)], np.float32)
    objects = make_objects(image_id="i" * 32, xyxy=boxes, label=["dog"] * 4, source="mine@1")
    batch = Batch(
        images=[ImageRow("i" * 32, "dogs.jpg", 64, 48)],
        objects=objects,
        thumbnails=[b"jpeg"] * 4,
        job="job",
        vectors={"resnet50-crop": SpaceRows(CROP, objects.object_id, np.eye(4, dtype=np.float32))},
    )
    with open_writer(tmp_path / "dogs.osp") as writer:
        writer.commit(batch)
    return tmp_path / "dogs.osp"


@pytest.fixture
def ids(path: Path) -> list[str]:
    return open_store(path).objects().object_id.tolist()


def held(path: Path) -> dict[str, dict[str, list[float]]]:
    """What the store's spaces hold: space -> object -> vector."""
    store = open_store(path)
    spaces = [store.space(name) for name in store.space_names]
    return {s.name: dict(zip(s.object_id.tolist(), s.vectors.tolist(), strict=True)) for s in spaces}


def test_the_vectors_are_a_space_like_any_other(path: Path, ids: list[str]) -> None:
    assert add_embeddings(path, "mine", ids, VECTORS, model="mine 1.0") == 4
    store = open_store(path)
    assert held(path)["mine"] == dict(zip(ids, VECTORS.tolist(), strict=True))
    assert (store.recipe("mine").route, store.recipe("mine").model) == ("external", "mine 1.0")
    search = SpaceSearch(store, "mine", metric="euclidean")
    assert search.nearest(search.stored([ids[1]]), k=2, same_image=True)[0].distance.tolist() == [1, 5**0.5]


def test_adding_twice_is_adding_once(path: Path, ids: list[str]) -> None:
    add_embeddings(path, "mine", ids[:3], VECTORS[:3], model="mine")
    assert add_embeddings(path, "mine", ids[::-1], VECTORS[::-1], model="mine") == 1
    assert add_embeddings(path, "mine", ids, VECTORS, model="mine") == 0
    assert held(path)["mine"] == dict(zip(ids, VECTORS.tolist(), strict=True))


@pytest.mark.parametrize(
    ("change", "error", "sentence"),
    [
        ({"vectors": VECTORS[:3]}, InputError, r"vectors of shape \(3, 2\) for 4 objects; expected \(4, num"),
        ({"vectors": VECTORS[:, 0]}, InputError, r"vectors of shape \(4,\) for 4 objects"),
        ({"vectors": [["a", "b"]] * 4}, InputError, "vectors are no array of numbers, expected one row per"),
        ({"vectors": [[1.0], [1.0, 2.0]]}, InputError, "vectors are no array of numbers"),
        ({"vectors": np.where(VECTORS == 4, np.nan, VECTORS)}, InputError, "has a NaN or an infinity in it"),
        ({"vectors": VECTORS * 1e300}, InputError, "has a NaN or an infinity in it"),
        ({"object_ids": ["0" * 32, "1", "2", "3"]}, InputError, "object 0{32}, which is not in the store"),
        ({"object_ids": ["a", "b", "c", "a"]}, InputError, "object a is named 2 times; give one vector per"),
        ({"model": " "}, InputError, "model is empty; name what made the vectors"),
        ({"space": "my space"}, InputError, "space name 'my space': use letters"),
        (
            {"space": "resnet50-crop"},
            RecipeError,
            "holds vectors of resnet50 by route crop; name a new space",
        ),
    ],
)
def test_what_cannot_be_kept_is_refused_whole(
    path: Path, ids: list[str], change: dict, error: type[ObjectspaceError], sentence: str
) -> None:
    before = held(path)
    wanted = {"space": "mine", "object_ids": ids, "vectors": VECTORS, "model": "mine", **change}
    with pytest.raises(error, match=sentence):
        add_embeddings(path, **wanted)
    assert held(path) == before


@pytest.mark.parametrize(
    ("vectors", "model", "sentence"),
    [
        (VECTORS, "other", "holds vectors of mine by route external; name a new space for those of other"),
        (VECTORS[:, :1], "mine", "has vectors of 2 numbers, these have 1; name a new space"),
        (VECTORS + 1, "mine", "has another vector in space mine of .*; name a new space for new vectors"),
    ],
)
def test_a_space_keeps_to_its_model_and_its_vectors(
    path: Path, ids: list[str], vectors: np.ndarray, model: str, sentence: str
) -> None:
    add_embeddings(path, "mine", ids[:2], VECTORS[:2], model="mine")
    with pytest.raises(RecipeError, match=sentence):
        add_embeddings(path, "mine", ids, vectors, model=model)


def test_the_object_whose_vector_differs_is_named(path: Path, ids: list[str]) -> None:
    add_embeddings(path, "mine", ids, VECTORS, model="mine")
    changed = np.array(VECTORS)
    changed[-1, 0] += 1
    with pytest.raises(RecipeError, match=f"object {ids[-1]} has another vector in space mine"):
        add_embeddings(path, "mine", ids, changed, model="mine")


def test_no_store_is_made_where_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        add_embeddings(tmp_path / "none.osp", "mine", ["a"], [[1.0]], model="mine")
    assert not (tmp_path / "none.osp").exists()


def test_a_new_photo_has_no_vector_there(path: Path, ids: list[str]) -> None:
    add_embeddings(path, "mine", ids, VECTORS, model="mine")
    with pytest.raises(QueryError, match="vectors of space mine were handed in; search it for a stored"):
        query_image(open_store(path), "new.jpg", "mine", box=(0, 0, 5, 5), new=True)
    with pytest.raises(QueryError, match="space mine was not cut from a detector's map"):
        space_detector(open_store(path), "mine")
