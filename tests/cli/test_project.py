"""``objectspace project``, on one object at many places."""

from __future__ import annotations

import json

from objectspace.store import open_writer


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


def test_project_without_a_space_to_project(sentence, tmp_path):
    with open_writer(tmp_path / "s.osp"):
        pass
    told = f"no space in {tmp_path / 's.osp'} yet; index photos first"
    assert sentence("project", tmp_path / "s.osp") == told
    assert sentence("project", tmp_path / "s.osp", "--json") == told
