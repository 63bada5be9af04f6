"""Objects of several finders in one store: told when it happens, counted, and taken apart by --source."""

from __future__ import annotations

import json
import shutil

import pytest

from objectspace.store import open_store


@pytest.fixture(scope="module")
def mixed(world, annotated, tmp_path_factory):
    """The annotated store, and what a detector finds in its photos: the store's path and what index said."""
    from objectspace import Job, index, load_detector, load_encoder

    path = tmp_path_factory.mktemp("mixed") / "s.osp"
    shutil.copytree(annotated, path)
    job = Job(
        detector=load_detector(world.cfg, weights=world.weights, names=world.names),
        encoder=load_encoder("test_vit", weights=world.encoder_weights),
        scale="deepest",
    )
    index(sorted(world.photos.rglob("*.*")), path, job)
    return path


@pytest.fixture
def names(mixed):
    """The sources by the part before @."""
    return {name.partition("@")[0]: name for name in open_store(mixed).info().sources}


def test_info_counts_labels_by_source(mixed, names, command):
    objects = open_store(mixed).objects()
    document = json.loads(command("info", mixed, "--json").out)
    assert set(document["sources"]) == set(objects.source.tolist())
    for source, labels in document["sources"].items():
        held = objects.label[objects.source == source].tolist()
        assert labels == {label: held.count(label) for label in set(held)}
    assert "      6  " + names["annotations-yolo"] + ": apple 3, pear 2, plum 1" in command("info", mixed).out


def test_neighbors_of_one_finder(mixed, names, search):
    objects = open_store(mixed).objects()
    asked = ("--object", objects.object_id[objects.source == names["tiny"]][0], "-k", "500", "--same-image")
    alone = search(mixed, *asked, "--source", "annotations-yolo")["neighbors"]
    everyone = {row["object_id"] for row in search(mixed, *asked)["neighbors"]}
    assert everyone > {row["object_id"] for row in alone}
    answer = search(mixed, *asked, "--source", names["annotations-yolo"])
    found = objects.object_id[objects.source == names["annotations-yolo"]].tolist()
    assert sorted(row["object_id"] for row in answer["neighbors"]) == sorted(found)
    assert answer["source"] == names["annotations-yolo"]


def test_a_sheet_and_a_measure_of_one_finder(mixed, command, tmp_path):
    done = command("sheet", mixed, "--out", tmp_path / "s.svg", "--source", "annotations-yolo", "--json")
    answers = json.loads(done.out)
    assert len(answers) == 6
    store = open_store(mixed)
    ids = [row["object_id"] for answer in answers for row in [answer["query"], *answer["neighbors"]]]
    assert {name.partition("@")[0] for name in store.objects(ids).source.tolist()} == {"annotations-yolo"}
    done = command("measure", mixed, "--factor", "label", "--source", "annotations-yolo", "--json")
    assert json.loads(done.out)["n"] == 6


def test_an_unknown_source_names_the_known(mixed, names, sentence, tmp_path):
    told = f"no object is of source 'yola', expected one of {names['annotations-yolo']}, {names['tiny']}"
    assert sentence("measure", mixed, "--factor", "label", "--source", "yola") == told
    assert sentence("sheet", mixed, "--out", tmp_path / "s.svg", "--source", "yola") == told


def test_index_says_so_when_it_first_happens(world, command, tmp_path):
    store = ("index", world.photos, "--store", tmp_path / "s.osp", "--route", "crop", *world.encoder, "-q")
    first = command(*store, "--annotations", world.labels, "--names", world.names)
    assert "more than one finder" not in first.err
    masks = tmp_path / "masks"
    masks.mkdir()
    from PIL import Image

    for photo in world.photos.rglob("*.*"):
        with Image.open(photo) as picture:
            Image.new("L", picture.size, 255).save(masks / f"{photo.stem}.png")
    second = command(*store, "--masks", masks)
    assert (
        "the store now holds objects of more than one finder, which search and measures mix: " in second.err
    )
    assert "more than one finder" not in command(*store, "--masks", masks).err
