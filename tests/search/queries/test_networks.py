"""What found a store's objects is loaded again as the store says, or one sentence says why not."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from objectspace.embeddings.spaces import model_key
from objectspace.errors import ModelError, QueryError, RecipeError
from objectspace.search.queries import networks
from objectspace.search.queries.networks import _detecting_network, _found_by_words

LABELS = {"name": "labels"}
WORDS = {"family": "words", "model": "dino", "weights": "ab", "words": ["red apple", "cat"]}


def a_store(**sources: Any) -> Any:
    """A store of these sources, in which two networks of one name were loaded from two files."""
    models = {
        model_key("dino", weights): {"name": "dino", "weights": f"{weights}.pth"} for weights in ("ab", "cd")
    }
    return SimpleNamespace(path="s.osp", sources=sources, models=models)


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """With what prompters were loaded, which have the source ``words``; nothing is loaded."""
    calls: list[Any] = []

    def load(words: list[str], **arguments: Any) -> Any:
        calls.append((words, arguments))
        return SimpleNamespace(source="words")

    monkeypatch.setattr(networks, "load_prompter", load)
    monkeypatch.setattr(networks, "source_detector", lambda store, source, device: (source, device))
    return calls


def test_words_are_asked_for_as_they_were(loaded: list[Any]) -> None:
    recipe = {**WORDS, "weights": "cd", "box_threshold": 0.25, "text_threshold": None}
    store = a_store(hand=LABELS, words=recipe, yolo={"weights": "x"})
    assert _detecting_network(store, "cuda")["prompts"].source == "words"
    thresholds = {"box_threshold": 0.25, "text_threshold": None}
    assert loaded == [
        (["red apple", "cat"], {"name": "dino", "weights": "cd.pth", "device": "cuda", **thresholds})
    ]
    assert _found_by_words(store)


def test_the_first_network_of_a_store_is_the_one_that_finds(loaded: list[Any]) -> None:
    store = a_store(hand=LABELS, yolo={"weights": "x"}, words=WORDS)
    assert _detecting_network(store, "cpu") == {"detector": ("yolo", "cpu")}
    assert not _found_by_words(store)
    assert not loaded
    with pytest.raises(QueryError, match="come from annotations; give the object's x1, y1, x2, y2 as box="):
        _detecting_network(a_store(hand=LABELS), "cpu")
    assert not _found_by_words(a_store(hand=LABELS))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"words": None}, "the recipe of words in the store at s.osp has no words; index again"),
        ({"words": "cat"}, "has no words; index again"),
        ({"words": ["cat", 3]}, "has no words; index again"),
        ({"model": 3}, "has no model; index again"),
        ({"box_threshold": "0.3"}, "a threshold of words in the store at s.osp is no number; index again"),
        ({"box_threshold": 0.3, "text_threshold": [1]}, "is no number; index again"),
    ],
)
def test_a_recipe_of_words_that_says_too_little(loaded: list[Any], change: Any, sentence: str) -> None:
    with pytest.raises(ModelError, match=sentence):
        _detecting_network(a_store(words={**WORDS, **change}), "cpu")
    assert not loaded


def test_words_that_cannot_be_asked_for_again(loaded: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RecipeError, match="other found the words of this store and has changed since; index"):
        _detecting_network(a_store(other=WORDS), "cpu")

    def fail(words: list[str], **arguments: Any) -> Any:
        raise ModelError("no such file")

    monkeypatch.setattr(networks, "load_prompter", fail)
    with pytest.raises(ModelError, match="found the words of this store cannot be loaded again: no such"):
        _detecting_network(a_store(words=WORDS), "cpu")


# -------------------------------------------------------------------------------------- spaces and their jobs


class Computed:
    """A recipe's computed part, which differs from one made now by so much."""

    def __init__(self, *, differing: dict[str, int]) -> None:
        self.differing = differing

    def differences(self, made: str) -> dict[str, tuple[int, str]]:
        return {f"key {number}": (number, made) for number in range(self.differing[made])}


@pytest.mark.parametrize(
    ("differing", "space", "name"),
    [
        ({"a": 0, "b": 1}, "b-tight", "a"),
        ({"a": 1, "b": 0}, "a-tight", "b"),
        ({"a": 0, "b": 0}, "b-tight", "b"),
        ({"a": 0, "b": 0}, "a-tight", "a"),
    ],
)
def test_vectors_are_made_by_the_same_recipe_of_the_same_name(
    differing: dict[str, int], space: str, name: str
) -> None:
    job: Any = SimpleNamespace(recipes={made: made for made in differing})
    recipe: Any = SimpleNamespace(computed=Computed(differing=differing))
    assert networks._made_name(job, space, recipe) == name


def test_what_has_changed_since_is_told_of_the_nearest_recipe() -> None:
    job: Any = SimpleNamespace(recipes={made: made for made in "abc"})
    recipe: Any = SimpleNamespace(computed=Computed(differing={"a": 3, "b": 2, "c": 4}))
    with pytest.raises(RecipeError, match=r"any more \(key 0: 0, now b; key 1: 1, now b\); index again$"):
        networks._made_name(job, "a", recipe)


def test_a_job_is_named_as_the_space_and_not_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(networks, "_made_name", lambda job, space, recipe: "net-crop")
    monkeypatch.setattr(networks, "replace", lambda job, **changed: (job, changed))
    job: Any = "job"
    recipe: Any = None
    assert networks._named_as(job, "net-crop-tight", recipe) == ("job", {"suffix": "-tight"})
    assert networks._named_as(job, "net-crop", recipe) == ("job", {"suffix": ""})
    with pytest.raises(RecipeError, match=r"^space my-net-crop has another name than net-crop, which its"):
        networks._named_as(job, "my-net-crop", recipe)


def recipe_of(route: str, **more: Any) -> Any:
    values = {"route": route, "erasure": None, "window": None, "scale": None, "model": "net", "weights": "ab"}
    return SimpleNamespace(**{**values, "precision": "float32", "crop": {}, **more})


@pytest.mark.parametrize(
    ("recipe", "pool"),
    [
        (recipe_of("query"), "cell"),
        (recipe_of("mask"), "mask"),
        (recipe_of("window", window=3), "window3"),
        (recipe_of("roi", window=7), "roi7"),
    ],
)
def test_vectors_of_a_map_are_pooled_as_they_were(recipe: Any, pool: str) -> None:
    assert networks._pool_of(recipe) == pool


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"factors": ["color", "clip"]}, "color, clip"),
        ({"factors": [3]}, "3"),
        ({"factors": []}, "something"),
        ({"factors": "color"}, "something"),
        ({}, "something"),
    ],
)
def test_what_was_erased_is_named(given: Any, named: str) -> None:
    with pytest.raises(QueryError, match=f"^vectors of space s had {named} erased, which is not done to new"):
        networks._job_parts(a_store(), "s", recipe_of("crop", erasure=given), "cpu")
    with pytest.raises(
        QueryError, match=r"^vectors of space s were handed in; search it for a stored object"
    ):
        networks._job_parts(a_store(), "s", recipe_of("external"), "cpu")


@pytest.mark.parametrize("scale", [None, "own", "deepest"])
def test_a_space_of_a_map_takes_its_detector_or_its_encoder(
    scale: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(networks, "space_detector", lambda store, space, device: ("detector", space, device))
    monkeypatch.setattr(networks, "_loaded_again", lambda space, load, arguments, *more: (space, arguments))
    recipe = recipe_of("window", window=3, scale=scale)
    options = {"pools": ("window3",), "scale": scale or "own"}
    store = a_store()
    assert networks._job_parts(store, "s", recipe, "cuda") == options | {
        "detector": ("detector", "s", "cuda")
    }
    store.models[model_key("net", "ab")] = {"encoder_map": {"name": "vit", "weights": None}}
    made = networks._job_parts(store, "s", recipe, "cuda")
    assert made == options | {"encoder_map": ("s", {"name": "vit", "weights": None})}
    store.models[model_key("net", "ab")] = {"encoder_map": ["vit"]}
    with pytest.raises(ModelError, match=r"says nothing of how net is loaded; index again"):
        networks._job_parts(store, "s", recipe, "cuda")


@pytest.mark.parametrize("route", ["crop", "external", "window"])
@pytest.mark.parametrize("mapped", [False, True])
def test_the_detector_of_a_space_is_that_of_its_map(
    route: str, mapped: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(networks, "_detector_of", lambda store, *given: given)
    store = a_store()
    store.recipe = lambda space: recipe_of(route)
    store.models[model_key("net", "ab")] = (
        {"encoder_map": {"name": "vit"}} if mapped else {"name_or_cfg": "n"}
    )
    if route != "window" or mapped:
        with pytest.raises(QueryError, match=r"^space s was not cut from a detector's map$"):
            networks.space_detector(store, "s")
    else:
        assert networks.space_detector(store, "s") == ("net", "ab", "float32", "cpu")
        given = networks.space_detector(store, "s", device="cuda", precision="bfloat16")
        assert given == ("net", "ab", "bfloat16", "cuda")


@pytest.mark.parametrize("source", ["hand", "words", "nobody"])
def test_the_detector_of_a_source_is_none_of_hands_and_words(source: str) -> None:
    store = a_store(hand=LABELS, words=WORDS)
    with pytest.raises(QueryError, match=f"^the objects of {source} were not found by a detector$"):
        networks.source_detector(store, source)


def test_the_detector_of_a_source_is_loaded_in_its_own_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(networks, "_detector_of", lambda store, *given: given)
    store = a_store(**{"yolo@1f": {"weights": "ab", "precision": "bfloat16"}, "old@2": {"weights": "cd"}})
    assert networks.source_detector(store, "yolo@1f") == ("yolo", "ab", "bfloat16", "cpu")
    given = networks.source_detector(store, "yolo@1f", device="cuda", precision="float32")
    assert given == ("yolo", "ab", "float32", "cuda")
    assert networks.source_detector(store, "old@2", precision="float32")[2] == "float32"
    with pytest.raises(ModelError, match=r"the recipe of old@2 in the store at s.osp has no precision"):
        networks.source_detector(store, "old@2")


def test_the_parts_of_a_joint_space_are_made_in_one_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """A crop of an encoder and windows of a detector; two encoders are too many."""
    parts = [SimpleNamespace(spaces=("a-crop",)), SimpleNamespace(spaces=("w16", "w32"))]
    networks_of = {"a-crop": {"encoder": "vit", "crop": None}, "w16": {"detector": "yolo", "crop": "x"}}
    monkeypatch.setattr(networks, "joint_parts", lambda recipe: parts)
    monkeypatch.setattr(networks, "_job_parts", lambda store, space, recipe, device: networks_of[space])
    monkeypatch.setattr(networks, "_job_of", lambda store, given, *more: (given, more))
    monkeypatch.setattr(networks, "_made_name", lambda job, name, recipe: f"made {name}")
    store = SimpleNamespace(recipe=lambda space: space)
    job, names = networks.joint_job(store, "both", device="cuda", confidence=0.5)  # type: ignore[arg-type]
    assert job == ({"encoder": "vit", "crop": "x", "detector": "yolo"}, (None, "cuda", 0.5))
    assert names == {"a-crop": "made a-crop", "w16": "made w16", "w32": "made w32"}
    networks_of["w16"] = {"encoder": "other"}
    with pytest.raises(
        QueryError, match=r"the parts of space both are not made in one pass .* their own encoder;"
    ):
        networks.joint_job(store, "both")  # type: ignore[arg-type]


@pytest.mark.parametrize("annotated", [False, True])
@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize("words", [False, True])
def test_what_finds_objects_is_loaded_where_nothing_else_does(
    annotated: bool, mapped: bool, words: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without annotations: the detector of the map finds them as well, unless words found the store's."""
    monkeypatch.setattr(networks, "_detecting_network", lambda store, device: {"found by": device})
    monkeypatch.setattr(networks, "Job", lambda **given: SimpleNamespace(load=lambda: given))
    store = a_store(words=WORDS) if words else a_store(yolo={"weights": "x"})
    parts = {"detector": "yolo", "pools": ("cell",)} if mapped else {"encoder": "vit"}
    annotations: Any = "labels" if annotated else None
    made: Any = networks._job_of(store, parts, annotations, "cuda", 0.5)
    expected = {"annotations": annotations, "confidence": 0.5, "pools": (), **parts}
    assert made == expected | ({} if annotated or (mapped and not words) else {"found by": "cuda"})
