"""``objectspace info``."""

from __future__ import annotations

import json
import shutil

import pytest

LABELS = {"apple": 3, "pear": 2, "plum": 1}


@pytest.fixture
def store(world, command, tmp_path):
    """A store of the world's labeled objects in one space of crops."""
    job = ("--annotations", world.labels, "--names", world.names, *world.encoder)
    assert command("index", world.photos, "--store", tmp_path / "s.osp", *job).code == 0
    return tmp_path / "s.osp"


def test_info_in_words(command, store):
    text = command("info", store).out
    assert text.startswith(f"{store}: 4 images, 6 objects\n        3  apple\n")
    assert "space                    objects  dimensions  purity@5  chance\n" in text
    assert "test_vit-crop (default)        6          64  " in text
    assert "  test_vit-crop: crop, test_vit, bfloat16, background black\n" in text


def test_info_as_json(command, store):
    done = command("info", store, "--json")
    document = json.loads(done.out)
    assert (document["images"], document["objects"], document["labels"], document["failures"]) == (
        4,
        6,
        LABELS,
        [],
    )
    (space,) = document["spaces"]
    assert (space["name"], space["count"], space["dimension"]) == ("test_vit-crop", 6, 64)
    assert space["recipe"]["route"] == "crop"
    assert done.err == ""


def test_a_store_of_another_format_version(annotated, sentence, tmp_path):
    copy = tmp_path / "copy.osp"
    shutil.copytree(annotated, copy)
    manifest = json.loads((copy / "manifest.json").read_text())
    (copy / "manifest.json").write_text(json.dumps({**manifest, "version": 99}))
    assert "has format version 99" in sentence("info", copy)
    assert "has format version 99" in sentence("sheet", copy, "--out", tmp_path / "x.png")


def test_numbers_that_may_be_names_and_a_single_label_are_told(world, command, store, tmp_path):
    masks = ("--masks", world.masks, "--mask-pattern", "{stem}-map.png", "--pattern", "(?P<number>[0-9]+)")
    assert command("index", world.photos, "--store", tmp_path / "m.osp", *masks, *world.encoder).code == 0
    lines = command("info", tmp_path / "m.osp").out.splitlines()
    names = "number: numbers, taken as lengths; where they are names: measure --factor number --categorical"
    assert names in lines
    measure = f"objectspace measure {tmp_path / 'm.osp'} --factor number"
    assert f"one label, so that it has no purity; {measure}" in lines
    assert "taken as lengths" not in command("info", store).out
    assert "one label" not in command("info", store).out
