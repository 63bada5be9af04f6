"""``objectspace index`` and ``info``: what a job puts into a store, by every option."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from objectspace.store import open_store

LABELS = {"apple": 3, "pear": 2, "plum": 1}


@pytest.fixture
def index(command, tmp_path):
    """Runs index with --json into one store; the report, and the store as it is then."""

    def run(*arguments):
        done = command("index", "--store", tmp_path / "s.osp", "--json", *arguments)
        assert (done.code, done.err) == (0, "")
        return json.loads(done.out), open_store(tmp_path / "s.osp")

    return run


def sizes(store):
    return {space.name: (space.count, space.dimension) for space in store.info().spaces}


def test_both_routes_in_one_pass(world, index):
    report, store = index(world.photos, *world.model)
    objects = len(store)
    assert (report["photos"], report["indexed"], report["known"], report["failures"]) == (4, 4, 0, [])
    assert report["objects"] == objects > 4
    spaces = sizes(store)
    assert spaces.pop("test_vit-crop") == (objects, 64)
    assert spaces.pop("both")[0] == objects
    assert set(spaces) <= {"tiny-window3-stride16", "tiny-window3-stride32"}
    assert sum(count for count, _ in spaces.values()) == objects
    assert {dimension for _, dimension in spaces.values()} == {8 * 3 * 3}


def test_the_crop_route_makes_no_windows(world, index):
    _, store = index(world.photos, *world.model, "--route", "crop")
    assert set(sizes(store)) == {"test_vit-crop"}


def test_the_window_route_needs_no_encoder(world, index):
    _, store = index(world.photos, *world.network, "--route", "window")
    assert all(name.startswith("tiny-window3-stride") for name in sizes(store))
    assert len(store)


def test_windows_of_two_sizes(world, index):
    _, store = index(world.photos, *world.network, "--route", "window", "--window", 1, "--window", 2)
    widths = {name.split("-")[1]: dimension for name, (_, dimension) in sizes(store).items()}
    assert widths == {"window1": 8, "window2": 32}


def test_poolings_have_spaces_of_their_own(world, index):
    _, store = index(world.photos, *world.network, "--route", "window", "--pool", "roi2", "--pool", "mask")
    widths = {name.split("-")[1]: dimension for name, (_, dimension) in sizes(store).items()}
    assert widths == {"roi2": 32, "mask": 8}


def test_the_encoders_map_has_the_objects_of_the_detector(world, index):
    _, store = index(world.photos, *world.network, "--encoder", "demo", "--route", "map", "--pool", "mask")
    assert sizes(store) == {"demo-map-mask-stride32": (len(store), 256)}


def test_an_unknown_pooling_is_one_sentence(world, sentence, tmp_path):
    told = sentence("index", world.photos, "--store", tmp_path / "s.osp", *world.model, "--pool", "max")
    assert "pooling 'max' is not known; choose mask, cell, or window or roi" in told


def test_the_deepest_scale_puts_all_windows_into_one_space(world, index):
    _, store = index(world.photos, *world.network, "--route", "window", "--scale", "deepest")
    assert sizes(store) == {"tiny-window3-deepest": (len(store), 72)}


def test_confidence_one_finds_nothing_and_every_photo_is_done(world, index):
    report, store = index(world.photos, *world.model, "--confidence", 1)
    assert (report["indexed"], report["objects"], len(store)) == (4, 0, 0)
    assert index(world.photos, *world.model, "--confidence", 1)[0]["known"] == 4


def test_annotations_alone_make_the_crop_space_with_masks_from_polygons(world, index):
    report, store = index(world.photos, "--annotations", world.labels, "--names", world.names, *world.encoder)
    assert report["objects"] == 6
    assert store.info().labels == LABELS
    assert sizes(store) == {"test_vit-crop": (6, 64)}
    masked = [mask is not None for mask in store.objects().mask]
    assert sum(masked) == 2


def test_annotations_with_a_detector_have_windows_of_its_map(world, index):
    _, store = index(world.photos, "--annotations", world.labels, *world.model)
    spaces = sizes(store)
    assert store.info().labels == LABELS
    assert spaces.pop("test_vit-crop") == (6, 64)
    assert spaces.pop("both")[0] == 6
    assert sum(count for count, _ in spaces.values()) == 6


def test_annotated_boxes_are_those_of_the_files(world, index):
    _, store = index(world.photos, "--annotations", world.labels, "--names", world.names, *world.encoder)
    red2 = store.objects().xyxy[:, 0] == 10
    np.testing.assert_allclose(store.objects().xyxy[red2], [[10, 12, 44, 44]], atol=1e-4)


def test_masks_give_one_object_a_photo(world, index):
    _, store = index(
        world.photos,
        "--masks",
        world.masks,
        "--mask-pattern",
        "{stem}-map.png",
        "--mask-label",
        "fruit",
        *world.encoder,
    )
    assert store.info().labels == {"fruit": 4}
    assert sorted(map(tuple, store.objects().xyxy.tolist()))[0] == (8, 8, 40, 40)


def test_named_groups_of_the_file_name_are_factors(world, index, command, tmp_path):
    done = command(
        "index", world.photos, "--store", tmp_path / "s.osp", *world.model, "--route", "crop",
        "--pattern", r"(?P<color>[a-z]+)(?P<number>\d+)",
    )  # fmt: skip
    assert done.code == 0
    assert done.err == f"objectspace: 2 of 4 photos have no factors, such as {world.photos}/sub/blue.jpg\n"
    factors = open_store(tmp_path / "s.osp").objects().factors
    assert set(factors["color"].tolist()) == {"red", None}
    assert set(factors["number"][~np.isnan(factors["number"])].tolist()) == {1, 2}


def test_factors_come_from_a_table_too(world, index, tmp_path):
    table = tmp_path / "angles.csv"
    table.write_text("file,angle\nred1.png,10\nred2.png,20\ngreen.jpg,30\nblue.jpg,40\n")
    _, store = index(world.photos, *world.network, "--route", "window", "--factors", table)
    assert set(store.objects().factors["angle"].tolist()) == {10, 20, 30, 40}


def test_a_suffix_keeps_two_recipes_apart(world, index):
    index(world.photos, *world.model, "--route", "crop")
    _, store = index(
        world.photos, *world.model, "--route", "crop", "--background", "mean", "--suffix", "gray"
    )
    names = set(sizes(store))
    assert len(names) == 2
    assert any(name.endswith("-gray") for name in names)


def test_the_same_command_twice_adds_nothing(world, index):
    _, store = index(world.photos, *world.model)
    before = store.info().to_json()
    second, store = index(world.photos, *world.model)
    assert (second["indexed"], second["known"], second["objects"]) == (0, 4, 0)
    assert store.info().to_json() == before


def test_the_summary_in_words(world, command, tmp_path):
    arguments = ("index", world.photos, "--store", tmp_path / "s.osp", *world.network, "--route", "window")
    assert command(*arguments).out.startswith(f"{tmp_path}/s.osp: 4 photos and ")
    again = command(*arguments)
    lines = again.out.splitlines()
    assert lines[0] == f"{tmp_path}/s.osp: 0 photos and 0 objects indexed, 4 were there already"
    assert lines[1].split() == ["space", "objects", "dimensions", "purity@5", "chance"]
    assert again.err == ""


def test_copies_byte_for_byte_are_named(world, command, tmp_path):
    shutil.copytree(world.photos, tmp_path / "photos")
    first, *others = sorted((tmp_path / "photos").rglob("*.png"))
    shutil.copy(first, tmp_path / "photos" / "zz.png")
    shutil.copy(others[0], tmp_path / "photos" / "zy.png")
    job = ("--store", tmp_path / "s.osp", *world.network, "--route", "window")
    told = f"2 photos are copies of another, byte for byte: {tmp_path / 'photos' / 'zy.png'} of {others[0]}; "
    lines = command("index", tmp_path / "photos", *job).out.splitlines()
    assert "already" not in lines[0]
    assert lines[1] == f"{told}{tmp_path / 'photos' / 'zz.png'} of {first}"
    lines = command("index", tmp_path / "photos", *job).out.splitlines()
    assert lines[0].endswith("indexed, 4 were there already")
    assert lines[1].startswith(told)
