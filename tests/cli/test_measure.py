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
