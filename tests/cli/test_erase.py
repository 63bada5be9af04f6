"""``objectspace erase``, on one object at many places."""

from __future__ import annotations

import json
import shutil

import pytest

from objectspace.store import open_store

BOX = "8,8,40,40"


def test_erase_adds_a_space_and_tells_what_it_did(varied, spaces, command, sentence, tmp_path):
    shutil.copytree(varied, tmp_path / "real.osp")
    named = ("--space", spaces[3], "--factor", "x", "--factor", "y", "--space-name", "placeless")
    done = command("erase", tmp_path / "real.osp", "--fit", varied, *named, "--json")
    assert (done.code, done.err) == (0, "")
    told = json.loads(done.out)
    assert (told["name"], told["rank"], told["n"], told["purity"]) == ("placeless", 2, 64, None)
    # The erased space is the one that the eraser was fitted to: nothing linear is left of it.
    assert told["here"]["x"]["before"]["value"] > 0.3
    assert told["here"]["x"]["after"]["value"] < 0.05
    store = open_store(tmp_path / "real.osp")
    recipe = store.recipe("placeless")
    assert recipe.erasure["factors"] == ["x", "y"]
    assert recipe.differences(store.recipe(spaces[3])).keys() == {"erasure"}
    assert store.members("placeless") == store.members(spaces[3])
    box = ("--image", varied.parent / "place.osp-pictures/00001.png", "--box", BOX)
    assert "had x, y erased, which is not done to new photos" in sentence(
        "search", tmp_path / "real.osp", "--space", "placeless", *box
    )
    again = command("erase", tmp_path / "real.osp", "--fit", varied, *named, "--json")
    assert json.loads(again.out) == told


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"--factor": "label"}, "factor label is not a number for every object"),
        ({"--factor": "scale"}, "a factor that is the same everywhere cannot be erased"),
        ({"--factor": "hue"}, "no factor 'hue', expected one of"),
        ({"--space": "other"}, "no space other in"),
        ({"--space-name": "a b"}, "space name 'a b': use letters"),
    ],
)
def test_what_cannot_be_erased(varied, spaces, sentence, changed, told):
    options = {"--space": spaces[1], "--fit": varied, "--factor": "x", "--space-name": "new", **changed}
    assert told in sentence("erase", varied, *(part for pair in options.items() for part in pair))


def test_an_eraser_is_fitted_to_a_space_of_the_same_recipe(
    world, varied, spaces, command, sentence, tmp_path
):
    command(
        "index",
        world.photos,
        "--store",
        tmp_path / "s.osp",
        "--route",
        "window",
        "--window",
        2,
        *world.network,
    )
    (name, *_) = open_store(tmp_path / "s.osp").space_names
    told = sentence(
        "erase", tmp_path / "s.osp", "--space", name, "--fit", varied, "--factor", "x", "--space-name", "new"
    )
    assert "has the recipe of this one" in told
    assert "differs in window (2, there 1); vary with the options that made this one" in told


def test_a_name_that_cannot_be_taken_is_told_before_the_work(
    varied, spaces, command, sentence, tmp_path, monkeypatch
):
    shutil.copytree(varied, tmp_path / "real.osp")
    named = ("--space", spaces[3], "--fit", varied, "--factor", "x")
    assert command("erase", tmp_path / "real.osp", *named, "--space-name", "flat").code == 0

    def work(*arguments, **options):
        raise AssertionError("the probes have begun")

    monkeypatch.setattr("objectspace.jobs.erase.measure_erasure", work)
    for taken, factor, told in (
        ("a/b", "x", "space name 'a/b': use letters"),
        (spaces[3], "x", "needs another name than"),
        (spaces[1], "x", f"space {spaces[1]} of {tmp_path / 'real.osp'} was made by another recipe"),
        ("flat", "y", f"space flat of {tmp_path / 'real.osp'} was made by another recipe"),
    ):
        assert told in sentence("erase", tmp_path / "real.osp", *named[:-1], factor, "--space-name", taken)
