"""``objectspace measure`` on a small store."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import objectspace
from objectspace.errors import InputError


def test_json_is_of_the_documented_shape(command: Callable, measured: Path) -> None:
    done = command("measure", measured, "--factor", "angle", "--circular", "360", "-k", "2", "--json")
    assert done.code == 0, done.err
    document = json.loads(done.out)
    assert {"space", "factor", "kind", "k", "n", "group", "neighbors", "probe", "labels"} <= set(document)
    assert {"value", "chance", "low", "high", "p"} <= set(document["neighbors"])
    assert {"metric", "value", "chance", "low", "high"} <= set(document["probe"])
    assert (document["kind"], document["k"], document["n"], document["group"]) == ("circular", 2, 6, None)


def test_json_says_what_made_it(command: Callable, measured: Path) -> None:
    document = json.loads(command("measure", measured, "--factor", "label", "--json").out)
    assert document["version"] == objectspace.__version__
    spaces = json.loads(command("info", measured, "--json").out)["spaces"]
    assert document["recipe"] == next(one["recipe"] for one in spaces if one["name"] == document["space"])


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_neighbors_are_measured_by_both_metrics(command: Callable, measured: Path, metric: str) -> None:
    asked = ("measure", measured, "--space", "tiny-window1-deepest", "--factor", "label", "-k", "2")
    document = json.loads(command(*asked, "--metric", metric, "--json").out)
    by_metric = document["neighbors_by_metric"]
    assert next(iter(by_metric)) == document["metric"] == metric
    assert by_metric[metric] == document["neighbors"]
    other = "cosine" if metric == "euclidean" else "euclidean"
    alone = json.loads(command(*asked, "--metric", other, "--json").out)
    assert by_metric[other] == alone["neighbors"] != document["neighbors"]
    rows = [
        line
        for line in command(*asked, "--metric", metric).out.splitlines()
        if line.startswith("purity at 2, ")
    ]
    assert [row.split()[3] for row in rows] == [metric, other]


def test_a_joint_space_ranks_alike_by_both_metrics_and_says_so(command: Callable, measured: Path) -> None:
    asked = ("measure", measured, "--space", "both", "-k", "2")
    by_metric = json.loads(command(*asked, "--json").out)["neighbors_by_metric"]
    assert by_metric["euclidean"] == by_metric["cosine"]
    by_cosine = json.loads(command(*asked, "--metric", "cosine", "--json").out)
    assert by_cosine["neighbors_by_metric"] == by_metric
    lines = command(*asked).out.splitlines()
    (row,) = (line for line in lines if line.startswith("purity at 2, "))
    assert row.startswith("purity at 2, either metric ")
    assert "neighbors by label, either metric" in lines
    assert not any("euclidean" in line for line in lines)


def test_the_answer_comes_before_a_figure_that_fails(
    command: Callable, measured: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object) -> None:
        raise InputError("no room")

    monkeypatch.setattr("objectspace.figures.style.write_figure", full)
    done = command("measure", measured, "--factor", "label", "--figure", tmp_path / "f.png")
    assert (done.code, done.err) == (1, "objectspace: no room\n")
    assert done.out


def test_text_and_figure(command: Callable, measured: Path, tmp_path: Path) -> None:
    done = command("measure", measured, "--factor", "label", "--figure", tmp_path / "label.png")
    assert done.code == 0, done.err
    assert done.out.startswith("label (categorical) in ")
    assert "purity at 5" in done.out
    assert "\nthat is: near objects are " in done.out
    assert (tmp_path / "label.png").read_bytes()[:4] == b"\x89PNG"


def test_objects_without_the_factor_are_counted(command: Callable, measured: Path) -> None:
    assert "2 objects left out" in command("measure", measured, "--factor", "style").out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--factor", "angel"], "no factor 'angel'"),
        (["--factor", "style", "--circular", "360"], "factor style holds texts"),
        (["--factor", "label", "--figure", "label.txt"], "label.txt: a figure is written as .png"),
        (["--factor", "label", "--space", "nowhere"], "no space nowhere"),
    ],
)
def test_a_question_that_cannot_be_answered(
    sentence: Callable, measured: Path, arguments: list[str], message: str
) -> None:
    assert sentence("measure", measured, *arguments).startswith(message)


def test_a_factor_is_an_angle_or_names(command: Callable, measured: Path) -> None:
    asked = ("measure", measured, "--factor", "angle", "--circular", "360", "--categorical")
    assert command(*asked).code == 2


def test_where_there_is_no_interval_a_line_says_why(command: Callable, measured: Path) -> None:
    """Six objects in four photos."""
    lines = command("measure", measured, "--factor", "label").out.splitlines()
    assert not any("intervals speak of" in line for line in lines)
    row = next(line for line in lines if line.startswith("purity at 5"))
    assert row.endswith("no interval: 4 groups, 5 are needed")


def test_skewed_values_are_said_to_be(
    command: Callable, measured: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ("measure", measured, "--factor", "size")
    skewness = json.loads(command(*asked, "--json").out)["skewness"]
    monkeypatch.setattr("objectspace.cli.measure.SKEWED", abs(skewness))
    assert f"values of size are skewed (skewness {skewness:.1f}): " in command(*asked).out
    assert "skewed" not in command("measure", measured, "--factor", "angle", "--circular", "360").out
    monkeypatch.setattr("objectspace.cli.measure.SKEWED", abs(skewness) + 1e-9)
    assert "skewed" not in command(*asked).out


def test_a_measure_without_groups_is_warned_of_where_photos_share_values(
    command: Callable, measured: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("objectspace.analyses.factors.likely_groups", lambda *_: ["apple", "tray"])
    asked = ("measure", measured, "--factor", "x")
    warned = command(*asked).err
    assert "without --group every photo is a group of its own" in warned
    assert "share a value of apple, tray" in warned
    assert "such as --group apple" in warned
    assert command(*asked, "--control", "label").err == warned
    assert "without --group" not in command(*asked, "--group", "label").err


def test_a_sample_is_said_in_the_answer(
    command: Callable, measured: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("objectspace.analyses.groups.MOST_OBJECTS", 4)
    monkeypatch.setattr("objectspace.analyses.groups.FEWEST_DRAWN", 3)
    asked = ("measure", measured, "--factor", "label")
    whole = json.loads(command(*asked, "--all", "--json").out)
    drawn = json.loads(command(*asked, "--json").out)
    assert whole["probe"]["n"] == whole["probe"]["drawn_of"] == drawn["probe"]["drawn_of"] == whole["n"]
    assert drawn["probe"]["n"] < whole["n"]
    assert drawn["neighbors"]["value"] == whole["neighbors"]["value"]
    line = f"the probe is of {drawn['probe']['n']} of {whole['n']} objects, whole photos drawn at random"
    assert line in command(*asked).out
    assert line not in command(*asked, "--all").out


def test_neighbors_of_a_sample_are_said_to_be(
    command: Callable, measured: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("objectspace.analyses.groups.FEWEST_DRAWN", 1)
    asked = ("measure", measured, "--factor", "label", "--sample", "3")
    document = json.loads(command(*asked, "--json").out)
    assert 0 < document["neighbors"]["n"] <= 3 < document["n"]
    text = f"neighbors, among all, of {document['neighbors']['n']} of {document['n']} objects"
    assert text in command(*asked).out
