from __future__ import annotations

import shutil

import numpy as np
import pytest

from objectspace.errors import ModelError, QueryError, RecipeError
from objectspace.images import find_images
from objectspace.jobs.index import index
from objectspace.models.encoders import load_encoder
from objectspace.objects.annotations import open_annotations
from objectspace.pipeline.job import Job
from objectspace.search import SpaceSearch
from objectspace.search.queries.texts import default_text_space, query_text, text_spaces
from objectspace.store import open_store

SPACE = "tiny-clip-crop"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("texts")


@pytest.fixture(scope="module")
def model(clip_folder, folder):
    """A copy of the model, which a test changes for a while."""
    return shutil.copytree(clip_folder, folder / "tiny-clip")


@pytest.fixture(scope="module")
def store(world, model, folder):
    """The labeled objects, in a space with a text tower and in one without."""
    reader = open_annotations(world.labels, names=("apple", "pear", "plum"))
    for name, weights in ((f"open_clip:local-dir:{model}", None), ("test_vit", world.encoder_weights)):
        encoder = load_encoder(name, weights=weights)
        index(find_images([world.photos]), folder / "s.osp", Job(encoder=encoder, annotations=reader))
    return open_store(folder / "s.osp")


def test_texts_are_ranked_by_cosine_with_the_very_weights(store, model):
    texts = ["a red apple", "a plum"]
    search = SpaceSearch(store, SPACE, metric="cosine")
    answers = search.nearest(query_text(store, texts, SPACE), k=10)
    vectors = load_encoder(f"open_clip:local-dir:{model}").embed_text(texts).astype(float)
    for text, vector, answer in zip(texts, vectors, answers, strict=True):
        others = search.space.vectors.astype(float)
        cosine = others @ vector / np.linalg.norm(others, axis=1) / np.linalg.norm(vector)
        expected = sorted(zip(1 - cosine, search.space.object_id.tolist(), strict=True))
        assert answer.neighbors.object_id.tolist() == [name for _, name in expected]
        np.testing.assert_allclose(answer.distance, [distance for distance, _ in expected], atol=1e-6)
        query = answer.to_json()["query"]
        assert query == dict.fromkeys(["object_id", "image", "label", "score", "xyxy"]) | {"text": text}


def test_a_text_is_not_compared_by_euclidean_distance(store):
    with pytest.raises(QueryError, match="compared with images by cosine, not by euclidean"):
        SpaceSearch(store, SPACE, metric="euclidean").nearest(query_text(store, ["a"], SPACE))


def test_the_space_is_found_that_has_a_text_tower(store):
    assert text_spaces(store) == [SPACE]
    assert default_text_space(store) == SPACE


def test_a_space_without_a_text_tower_names_those_that_have_one(store):
    with pytest.raises(QueryError, match=rf"space test_vit-crop was made without .*; search {SPACE}$"):
        query_text(store, ["a"], "test_vit-crop")
    with pytest.raises(QueryError, match="no space nope"):
        query_text(store, ["a"], "nope")


def test_a_store_without_a_text_tower_says_how_to_make_one(world, tmp_path):
    encoder = load_encoder("test_vit", weights=world.encoder_weights)
    reader = open_annotations(world.labels, names=("apple", "pear", "plum"))
    index(find_images([world.photos]), tmp_path / "p.osp", Job(encoder=encoder, annotations=reader))
    plain = open_store(tmp_path / "p.osp")
    with pytest.raises(
        QueryError, match=r"no space of .*p\.osp has a text tower; make one with: objectspace"
    ):
        default_text_space(plain)
    with pytest.raises(
        QueryError, match=r"test_vit-crop was made without .*: objectspace index .*open_clip:"
    ):
        query_text(plain, ["a"], "test_vit-crop")


def test_weights_that_are_gone_or_have_changed(store, model):
    weights = model / "open_clip_model.safetensors"
    whole = weights.read_bytes()
    try:
        weights.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        with pytest.raises(RecipeError, match=rf"space {SPACE} cannot be made any more \(weights: "):
            query_text(store, ["a"], SPACE)
        weights.unlink()
        with pytest.raises(ModelError, match=rf"the encoder of space {SPACE} cannot be loaded again: "):
            query_text(store, ["a"], SPACE)
    finally:
        weights.write_bytes(whole)
