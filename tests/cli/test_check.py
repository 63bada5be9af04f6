"""``objectspace check``: damage is listed, exit 1; --repair, then the same index, and the store is whole."""

from __future__ import annotations

import json


def test_damage_is_listed_and_repaired(world, command, tmp_path):
    store = tmp_path / "s.osp"
    job = ("index", world.photos, "--store", store, *world.network, "--route", "window")
    assert command(*job).code == 0
    assert command("check", store) == (0, f"{store}: whole\n", "")
    whole = json.loads(command("info", store, "--json").out)

    (data, *_) = (store / "objects.lance" / "data").iterdir()
    data.write_bytes(data.read_bytes()[:-1])
    done = command("check", store)
    count = whole["objects"]
    assert done.code == 1
    assert done.out.splitlines() == [
        f"objects: data/{data.name} has changed since it was written ({count} rows)",
        "after --repair, the same index command makes 4 photos again",
    ]
    assert done.err == f"objectspace: {store} is damaged (1 place); --repair drops what is lost\n"
    assert json.loads(command("check", store, "--json").out)["redone"] == 4

    done = command("check", store, "--repair")
    assert (done.code, done.err) == (0, "")
    assert done.out.endswith("\nthe same index command makes 4 photos again\n")
    assert command("info", store).code == 0
    assert "4 photos and" in command(*job).out
    assert json.loads(command("info", store, "--json").out) == whole
    assert command("check", store).code == 0


def test_no_store(sentence, tmp_path):
    assert "no store at" in sentence("check", tmp_path, "--repair")
