"""``objectspace explain`` and ``objectspace select``, which end in a figure and in a named selection."""

from __future__ import annotations

import json

import numpy as np
import pytest

from objectspace.store import open_store
from objectspace.store.selections import save_selection


@pytest.fixture
def ids(annotated):
    return open_store(annotated).objects().object_id.tolist()


WINDOWS = "tiny-window3-deepest"


def test_an_explanation_as_json_sums_to_the_distance(annotated, command, ids, tmp_path):
    given = ["--object", ids[0], "--object", ids[1], "--space", WINDOWS, "--figure", tmp_path / "why.png"]
    found = json.loads(command("explain", annotated, *given, "--json").out)
    assert np.sum(found["heat"]) == pytest.approx(found["distance"], rel=1e-5)
    assert [one["object_id"] for one in found["objects"]] == ids[:2]
    assert (tmp_path / "why.png").read_bytes().startswith(b"\x89PNG")


def test_an_explanation_in_words_names_the_strongest_cells(annotated, command, ids):
    done = command("explain", annotated, *(part for name in ids[:3] for part in ("--object", name)))
    lines = done.out.splitlines()
    assert [line[:2] for line in lines[:3]] == ["A:", "B:", "C:"]
    assert "by occlusion, as the network does not average its cells" in done.out
    assert len(lines[lines.index(next(line for line in lines if line.startswith("part"))) :]) == 9


def test_a_box_of_a_photo_and_its_nearest(annotated, command, world):
    photo = world.photos / "red1.png"
    given = ["--image", photo, "--box", "8,8,40,40", "--space", WINDOWS, "--json"]
    found = json.loads(command("explain", annotated, *given).out)
    assert np.sum(found["heat"]) == pytest.approx(found["distance"], rel=1e-5)


@pytest.mark.parametrize(
    "given", [[], ["--image", "x.png"], ["--object", "a"] * 4, ["--check", "--object", "a"]]
)
def test_wrong_usage(annotated, command, given):
    assert command("explain", annotated, *given).code == 2


def test_a_selection_is_kept_with_its_coverage(annotated, command, ids):
    done = command(
        "select", annotated, "--space", "test_vit-crop", "-n", 3, "--name", "few", "--by", "density"
    )
    assert done.out.startswith(
        "few: 3 objects of space test_vit-crop, by density\nmean cosine to the nearest"
    )
    kept = open_store(annotated).selection("few")
    assert set(kept.object_ids.tolist()) < set(ids)
    more = json.loads(
        command("select", annotated, "-n", 2, "--name", "more", "--already", "few", "--json").out
    )
    assert not set(more["object_ids"]) & set(kept.object_ids.tolist())
    among = json.loads(
        command("select", annotated, "-n", 3, "--name", "again", "--from", "few", "--json").out
    )
    assert sorted(among["object_ids"]) == sorted(kept.object_ids.tolist())


def test_more_than_there_are(annotated, command):
    done = command("select", annotated, "-n", 1000, "--name", "all")
    assert (done.code, done.out) == (1, "")
    assert "1000 to choose of" in done.err


def test_a_selection_limits_search_measure_sheet_and_export(annotated, command, ids, tmp_path):
    open_store(annotated).save_selection("two", ids[1:3])
    found = json.loads(
        command("search", annotated, "--object", ids[0], "--selection", "two", "--same-image", "--json").out
    )
    assert {one["object_id"] for one in found["neighbors"]} == set(ids[1:3])
    assert found["selection"] == "two"
    sheet = ["--selection", "two", "--out", tmp_path / "s.png", "-k", 1, "--json"]
    rows = json.loads(command("sheet", annotated, *sheet).out)
    assert [one["query"]["object_id"] for one in rows] == ids[1:3]
    export = ["--selection", "two", "--format", "npz", "--out", tmp_path / "two.npz", "--json"]
    assert json.loads(command("export", annotated, *export).out)["objects"] == 2
    open_store(annotated).save_selection("all but one", ids[1:])
    measure = ["--factor", "label", "--selection", "all but one", "-k", 1, "--json"]
    assert json.loads(command("measure", annotated, *measure).out)["n"] == len(ids) - 1


def test_a_selection_that_is_not_there(annotated, command, tmp_path):
    done = command("export", annotated, "--selection", "tow", "--format", "npz", "--out", tmp_path / "t.npz")
    assert (done.code, done.out) == (1, "")
    assert "no selection 'tow'" in done.err


def test_a_selection_of_objects_that_are_gone_is_one_sentence(annotated, sentence, ids, tmp_path):
    save_selection(annotated, "gone", ["0" * 32], {})
    out, given = tmp_path / "g", ("--selection", "gone")
    for arguments in (
        ("search", annotated, "--object", ids[0], *given),
        ("measure", annotated, "--factor", "label", *given),
        ("sheet", annotated, "--out", f"{out}.png", *given),
        ("export", annotated, "--format", "npz", "--out", f"{out}.npz", *given),
        ("audit", annotated, *given),
        ("select", annotated, "-n", 2, "--name", "few", "--from", "gone"),
        ("select", annotated, "-n", 2, "--name", "few", "--already", "gone"),
    ):
        assert "1 of 1 object of selection gone are not in" in sentence(*arguments)


def test_the_objects_of_a_selection_alone_are_audited(annotated, command, ids):
    open_store(annotated).save_selection("four", ids[:4])
    given = ("--selection", "four", "--only", "outliers", "--uncalibrated", "--json")
    document = json.loads(command("audit", annotated, *given).out)
    assert (document["n"], document["from"]) == (4, "four")
