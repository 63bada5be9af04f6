from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from objectspace.store import open_store

WORDS = ["--prompt", "Apple. red pineapple", "--encoder", "demo", "--device", "cpu"]
EVERYTHING = ["--box-threshold", "0", "--text-threshold", "0.7"]


@pytest.fixture(scope="module")
def photos(world, tmp_path_factory) -> Path:
    """Two of the world's photos."""
    folder = tmp_path_factory.mktemp("photos")
    for name in ("red1.png", "red2.png"):
        shutil.copy(world.photos / name, folder)
    return folder


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


def held(command, store: Path) -> dict:
    return json.loads(command("info", store, "--json").out)


def test_words_make_crops_and_provenance_of_what_they_name(command, photos, store, prompt_weights) -> None:
    given = ["index", photos, "--store", store, *WORDS, "--prompt-weights", prompt_weights, *EVERYTHING]
    done = command(*given)
    assert (done.code, done.err) == (0, "")
    info = held(command, store)
    assert set(info["labels"]) == {"Apple", "red pineapple"}
    assert [space["name"] for space in info["spaces"]] == ["demo-crop"]
    again = command(*given)
    assert f"0 photos and 0 objects indexed, {info['images']} were there already" in again.out

    opened = open_store(store)
    objects = opened.objects()
    (source,) = set(objects.source)
    recipe = opened.sources[source]
    assert recipe["words"] == ["Apple", "red pineapple"]
    assert (recipe["box_threshold"], recipe["text_threshold"]) == (0.0, 0.7)
    assert (objects.score > 0.7).all()
    assert any(mask is not None for mask in objects.mask)
    assert objects.factors["mask_score"].shape == (len(objects),)


def test_a_new_photo_is_searched_by_the_same_words(command, photos, world, store, prompt_weights) -> None:
    command("index", photos, "--store", store, *WORDS, "--prompt-weights", prompt_weights, *EVERYTHING)
    done = command("search", store, "--image", world.photos / "sub/green.jpg", "--json")
    assert done.code == 0, done.err
    assert {answer["query"]["label"] for answer in json.loads(done.out)} <= {"Apple", "red pineapple"}


def test_windows_of_a_detectors_map_at_the_words_objects(
    command, world, photos, store, prompt_weights
) -> None:
    given = [*WORDS, "--prompt-weights", prompt_weights, *EVERYTHING, *world.network]
    done = command("index", photos, "--store", store, *given)
    assert (done.code, done.err) == (0, "")
    info = held(command, store)
    windows = [space for space in info["spaces"] if space["name"].startswith("tiny-window3")]
    assert sum(space["count"] for space in windows) == info["objects"]
    assert set(info["labels"]) == {"Apple", "red pineapple"}
    done = command("search", store, "--image", photos / "red1.png", "--space", windows[0]["name"])
    assert done.code == 0, done.err


def test_an_encoders_map_at_the_words_objects(command, photos, store, prompt_weights) -> None:
    given = [*WORDS, "--prompt-weights", prompt_weights, *EVERYTHING, "--route", "map", "--pool", "mask"]
    done = command("index", photos, "--store", store, *given)
    assert (done.code, done.err) == (0, "")
    info = held(command, store)
    assert [(space["name"], space["count"]) for space in info["spaces"]] == [
        ("demo-map-mask-stride32", info["objects"])
    ]


def test_words_that_nothing_matches_are_told(command, photos, store, prompt_weights) -> None:
    given = [*WORDS, "--prompt-weights", prompt_weights, "--box-threshold", "1"]
    done = command("index", photos, "--store", store, *given)
    assert done.code == 0
    assert "2 photos and 0 objects indexed" in done.out
    assert done.err == (
        "objectspace: nothing was found for Apple, red pineapple; lower --box-threshold (1.0) or "
        "--text-threshold (0.25), or use other words\n"
    )


def test_sam3(command, photos, store, prompt_weights) -> None:
    given = ["--prompt-model", "sam3", "--prompt-weights", prompt_weights, "--box-threshold", "0.2"]
    done = command("index", photos, "--store", store, *WORDS, *given)
    assert (done.code, done.err) == (0, "")
    assert set(held(command, store)["labels"]) == {"Apple", "red pineapple"}
    given[-1] = "0.9"
    done = command("index", photos, "--store", store, *WORDS[2:], "--prompt", "dog", *given)
    assert done.err == (
        "objectspace: nothing was found for dog; lower --box-threshold (0.9), or use other words\n"
    )


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["--prompt", " . "], "prompt without words: ' . '; expected words such as"),
        (["--prompt", "dog", "--prompt-model", "sam2"], "no prompt model 'sam2': expected grounded-sam or"),
        (["--prompt", "dog", "--prompt-weights", "nowhere"], "nowhere lacks the folder grounding-dino; exp"),
        (["--prompt", "dog", "--box-threshold", "2"], "box threshold is 2.0, expected a number from 0 to 1"),
    ],
)
def test_what_cannot_be_found_is_one_sentence(
    sentence, photos, store, given: list[str], expected: str
) -> None:
    assert sentence("index", photos, "--store", store, "--encoder", "demo", *given).startswith(expected)


def test_words_beside_annotations_are_wrong_usage(command, world, store) -> None:
    given = ["--annotations", world.labels, "--names", world.names, "--prompt", "dog"]
    done = command("index", world.photos, "--store", store, *given)
    assert done.code == 2
    assert "give --prompt or --annotations" in done.err


def test_a_threshold_without_words_is_wrong_usage(command, photos, store) -> None:
    done = command("index", photos, "--store", store, "--box-threshold", "0.3")
    assert done.code == 2
    assert "give --prompt" in done.err


def test_weights_that_changed_since(
    command, sentence, photos, world, store, prompt_weights, tmp_path
) -> None:
    folder = shutil.copytree(prompt_weights, tmp_path / "weights")
    command("index", photos, "--store", store, *WORDS, "--prompt-weights", folder, *EVERYTHING)
    with (folder / "sam/model.safetensors").open("r+b") as stream:
        stream.seek(-4, 2)
        stream.write(b"\1\2\3\4")
    problem = sentence("search", store, "--image", world.photos / "sub/green.jpg")
    assert "found the words of this store and has changed since; index again" in problem


def test_the_networks_are_listed_with_their_licenses(command) -> None:
    listed = [model for model in json.loads(command("models", "--json").out) if model["kind"] == "prompts"]
    assert [(model["name"], model["file"], model["license"]) for model in listed] == [
        ("grounded-sam", "grounding-dino/model.safetensors", "Apache-2.0"),
        ("grounded-sam", "sam/model.safetensors", "Apache-2.0"),
        ("sam3", "sam3/model.safetensors", "SAM License"),
    ]
