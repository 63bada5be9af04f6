"""``objectspace vary`` on the tiny network."""

from __future__ import annotations

import json

import pytest

from objectspace.store import open_store

BOX = "8,8,40,40"


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
