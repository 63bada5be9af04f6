from __future__ import annotations

import json

import pytest

from objectspace.scenes.world import world_files


def test_world_writes_pictures_and_the_truth(command, tmp_path):
    done = command("world", "--out", tmp_path / "w", "--count", 3, "--seed", 7)

    assert done.code == 0
    assert len(list((tmp_path / "w" / "images").iterdir())) == 3
    objects = len(json.loads((tmp_path / "w" / "annotations.json").read_text())["annotations"])
    assert f"3 pictures of {objects} objects" in done.out


def test_world_as_json(command, tmp_path):
    done = command("world", "--out", tmp_path / "w", "--count", 2, "--json")

    answer = json.loads(done.out)
    assert (answer["pictures"], answer["seed"]) == (2, 0)
    assert answer["objects"] >= 2


def test_a_folder_that_is_taken_is_one_sentence(sentence, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")

    assert "exists already" in sentence("world", "--out", tmp_path, "--count", 1)


@pytest.mark.parametrize("options", [("--count", 0), ("--seed", -1), ("--count", "many"), ("--cuont", 3)])
def test_wrong_usage_exits_2(command, tmp_path, options):
    assert command("world", "--out", tmp_path / "w", *options).code == 2


def test_ctrl_c_leaves_no_folder(command, tmp_path, monkeypatch):
    def stop(seed, index):
        raise KeyboardInterrupt

    monkeypatch.setattr(world_files, "draw_scene", stop)

    assert command("world", "--out", tmp_path / "w", "--count", 2).code == 130
    assert not list(tmp_path.iterdir())
