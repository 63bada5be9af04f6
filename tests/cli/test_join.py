"""``objectspace join``, and the joint space of both routes that index declares."""

from __future__ import annotations

import json

import numpy as np
import pytest

from objectspace.store import open_store

FAMILY = "tiny-window3"


@pytest.fixture(scope="module")
def indexed(world, tmp_path_factory):
    """A store that both routes filled."""
    from objectspace.cli import main

    path = tmp_path_factory.mktemp("joint") / "both.osp"
    arguments = ["index", world.photos, "--store", path, "--annotations", world.labels, *world.model, "-q"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["objectspace", *map(str, arguments), "--precision", "float32"])
        with pytest.raises(SystemExit) as ended:
            main()
    assert not ended.value.code
    return path


def test_index_declares_both_where_both_routes_ran(indexed):
    recipe = open_store(indexed).recipe("both")
    assert [part["name"] for part in recipe.parts] == ["crop", "window"]
    windows = [name for name in open_store(indexed).space_names if "window" in name]
    assert recipe.parts[1]["spaces"] == windows


def test_search_says_what_came_from_which_part(indexed, search):
    query = open_store(indexed).objects().object_id[0]
    document = search(indexed, "--space", "both", "--object", query, "--metric", "cosine", "-k", "2")
    for neighbor in document["neighbors"]:
        parts = [part["similarity"] for part in neighbor["parts"].values()]
        assert sum(parts) == pytest.approx(1 - neighbor["distance"])


def test_a_table_has_a_column_for_each_part(indexed, command):
    query = open_store(indexed).objects().object_id[0]
    lines = command("search", indexed, "--space", "both", "--object", query).out.splitlines()
    assert lines[1].split()[:4] == ["rank", "distance", "crop", "window"]


def test_a_part_that_is_assumed_is_in_brackets(indexed, command, search):
    """A window of another stride has no cosine with the query's."""
    store = open_store(indexed)
    strides = {name: set(store.space(name).object_id) for name in store.space_names if "window" in name}
    query = store.objects().object_id[0]
    arguments = (indexed, "--space", "both", "--object", query, "-k", "100", "--same-image")
    own = [names for names in strides.values() if query in names]
    shared = [
        any(near in names for names in own)
        for near in (one["object_id"] for one in search(*arguments)["neighbors"])
    ]
    lines = command(*("search", *arguments)).out.splitlines()
    windows = [line.split()[3] for line in lines[2 : 2 + len(shared)]]
    assert [not window.startswith("(") for window in windows] == shared
    assert any("in brackets" in line for line in lines) == (not all(shared))


def test_a_box_of_a_photo_is_embedded_by_both_routes(indexed, world, search):
    """The photo of a stored object, queried by its box, is that object but for its own mask and cell."""
    photo = world.photos / "red2.png"
    box = ("--image", photo, "--box", "10,12,44,44", "--new", "--same-image")
    document = search(indexed, "--space", "both", *box, "-k", "1")
    assert document["neighbors"][0]["image"] == str(photo)
    assert document["neighbors"][0]["parts"]["window"]["cosine"] == pytest.approx(1, abs=1e-4)


def test_measure_takes_a_joint_space(indexed, command):
    done = command("measure", indexed, "--space", "both", "--factor", "label", "-k", "1", "--json")
    assert (done.code, done.err) == (0, "")
    assert json.loads(done.out)["space"] == "both"


def test_compare_takes_a_joint_space(indexed, command):
    crop = next(name for name in open_store(indexed).space_names if "crop" in name)
    done = command("compare", indexed, "--spaces", crop, "both", "-k", "1", "--json")
    assert done.code == 0
    assert json.loads(done.out)["spaces"] == [crop, "both"]


def test_an_export_writes_it_out_where_it_is_named(indexed, command, tmp_path):
    out = tmp_path / "both.npz"
    done = command("export", indexed, "--format", "npz", "--space", "both", "--out", out)
    assert done.code == 0, done.err
    store = open_store(indexed)
    with np.load(out) as written:
        shapes = [written[name].shape for name in written.files]
    assert (len(store), store.space("both").dimension) in shapes


def test_join_tells_its_parts(indexed, command):
    crop = next(name for name in open_store(indexed).space_names if "crop" in name)
    family = next(n for n in open_store(indexed).space_names if "window" in n).rsplit("-stride", 1)[0]
    done = command("join", indexed, crop, family, "--space-name", "mine", "--weight", f"{crop}=2")
    assert done.code == 0, done.err
    assert f"crop: {crop}; weight 2" in done.out
    info = json.loads(command("info", indexed, "--json").out)
    assert "mine" in [space["name"] for space in info["spaces"]]


def test_a_weight_is_a_number(indexed, command):
    done = command("join", indexed, "a", "b", "--space-name", "c", "--weight", "a=much")
    assert done.code == 2
    assert "--weight a=much: expected PART=NUMBER" in done.err
