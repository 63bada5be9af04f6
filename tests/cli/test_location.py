"""``objectspace vary``, ``project`` and ``erase``, one after another on the tiny network."""

from __future__ import annotations

import json
import shutil

import pytest

from objectspace.store import open_store, open_writer

BOX = "8,8,40,40"


@pytest.fixture(scope="module")
def varied(world, tmp_path_factory):
    """A store of one rectangle at 8 x 8 places, in windows of one and three cells."""
    from objectspace.cli import app

    store = tmp_path_factory.mktemp("varied") / "place.osp"
    options = ["--window", "1", "--window", "3", "--steps", "8", "--size", "0.4", "--label", "apple", "-q"]
    photo = str(world.photos / "red1.png")
    arguments = ["vary", photo, "--box", BOX, "--factor", "position", "--store", str(store), *options]
    app([*arguments, *world.network], standalone_mode=False)
    return store


@pytest.fixture
def spaces(varied):
    return {int(name.split("-")[1].removeprefix("window")): name for name in open_store(varied).space_names}


def test_vary_indexes_every_place_with_its_factors(varied, spaces):
    store = open_store(varied)
    objects = store.objects()
    assert len(objects) == 64
    assert set(objects.label) == {"apple"}
    assert set(objects.factors) == {"angle", "scale", "background"}
    assert {len(store.space(name)) for name in spaces.values()} == {64}
    assert len(list((varied.parent / "place.osp-pictures").glob("*.png"))) == 64


def test_vary_a_stored_object_by_its_mask(world, command, tmp_path):
    """The second rectangle of the photo is labeled by a triangle."""
    labeled = ("--annotations", world.labels, "--names", world.names, *world.encoder)
    command("index", world.photos, "--store", tmp_path / "s.osp", *labeled)
    objects = open_store(tmp_path / "s.osp").objects()
    (row,) = [
        n
        for n, mask in enumerate(objects.mask)
        if mask is not None and objects.label[n] == "pear" and objects.xyxy[n, 0] == 60
    ]
    one = (
        "--object",
        objects.object_id[row],
        "--from",
        tmp_path / "s.osp",
        "--factor",
        "angle",
        "--steps",
        3,
    )
    job = ("--route", "crop", *world.encoder, "--json")
    done = command("vary", world.photos / "red1.png", *one, "--store", tmp_path / "angle.osp", *job)
    assert (done.code, done.err) == (0, "")
    assert json.loads(done.out)["objects"] == 3
    turned = open_store(tmp_path / "angle.osp")
    assert sorted(turned.objects().factors["angle"]) == [0, 120, 240]
    assert set(turned.objects().label) == {"pear"}
    assert turned.space_names == ["test_vit-crop"]


def test_project_tells_what_the_components_hold(varied, spaces, command, tmp_path):
    done = command(
        "project",
        varied,
        "--space",
        spaces[3],
        "--red",
        "x",
        "--blue",
        "y",
        "--figure",
        tmp_path / "p.png",
        "--json",
    )
    assert (done.code, done.err) == (0, "")
    found = json.loads(done.out)
    assert (found["method"], found["n"]) == ("pca", 64)
    assert sorted(found["explained_variance"], reverse=True) == found["explained_variance"]
    assert set(found["r2"]) == {"x", "y", "phase_x", "phase_y"}
    assert len(found["r2"]["x"]["components"]) == len(found["explained_variance"])
    assert found["r2"]["phase_x"]["first_10"] > found["r2"]["phase_x"]["first_2"] - 0.05
    assert set(found["variance"]) == {"phase", "place", "both", "components"}
    assert (tmp_path / "p.png").stat().st_size > 10_000


def test_project_without_a_space_takes_every_window(varied, spaces, command):
    done = command("project", varied)
    assert (done.code, done.err) == (0, "")
    assert [line.split(":")[0] for line in done.out.splitlines() if "objects, pca" in line] == sorted(
        spaces.values()
    )


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


def test_project_without_a_space_to_project(sentence, tmp_path):
    with open_writer(tmp_path / "s.osp"):
        pass
    told = f"no space in {tmp_path / 's.osp'} yet; index photos first"
    assert sentence("project", tmp_path / "s.osp") == told
    assert sentence("project", tmp_path / "s.osp", "--json") == told


@pytest.mark.parametrize(
    "arguments", [(), ("--box", BOX, "--object", "1"), ("--object", "1"), ("--box", BOX, "--from", "s.osp")]
)
def test_vary_needs_one_object(world, command, tmp_path, arguments):
    named = ("--factor", "position", "--store", tmp_path / "s.osp", *world.network)
    done = command("vary", world.photos / "red1.png", *arguments, *named)
    assert done.code == 2
    assert not (tmp_path / "s.osp").exists()


def test_an_object_of_another_photo(world, varied, sentence, tmp_path):
    one = ("--object", open_store(varied).members(open_store(varied).space_names[0])[0], "--from", varied)
    named = ("--factor", "position", "--store", tmp_path / "s.osp", *world.network)
    assert "is not in" in sentence("vary", world.photos / "red1.png", *one, *named)
