"""The shipped models by name: nothing is fetched."""

from __future__ import annotations

import json

import pytest
from PIL import Image

from objectspace.scenes.world import draw_scene


@pytest.fixture
def photos(tmp_path):
    for index in range(2):
        Image.fromarray(draw_scene(2, index).pixels).save(tmp_path / f"{index}.png")
    return tmp_path


def test_index_by_name_makes_the_spaces_of_both_routes(photos, tmp_path, command, monkeypatch):
    monkeypatch.setenv("OBJECTSPACE_CACHE", str(tmp_path / "no-cache"))
    store = tmp_path / "world.osp"
    done = command(
        "index", photos, "--store", store, "--detector", "demo", "--encoder", "demo", "--window", 3
    )
    assert done.code == 0, done.err
    info = json.loads(command("info", store, "--json").out)
    names = {space["name"]: space["dimension"] for space in info["spaces"]}
    assert names["demo-crop"] == 256
    assert {name: names[name] for name in names if "window" in name} == {
        "demo-window3-stride32": 192 * 9,
        "demo-window3-stride16": 128 * 9,
    }
    assert not (tmp_path / "no-cache").exists()


def test_models_lists_them_as_here(command):
    rows = {(row["name"], row["kind"]): row for row in json.loads(command("models", "--json").out)}
    for kind in ("detector", "encoder"):
        row = rows["demo", kind]
        assert row["path"].endswith(row["file"])
        assert row["license"] == "Apache-2.0"
        assert "this package" in row["source"]
