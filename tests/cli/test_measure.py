"""measure and compare on a small store."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import objectspace
from objectspace.errors import InputError


@pytest.fixture(scope="module")
def store(world: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    import sys

    from objectspace.cli.commands import app

    path = tmp_path_factory.mktemp("measured") / "world.osp"
    table = path.with_name("table.csv")
    table.write_text("file,angle,style\nred1.png,10,a\nred2.png,350,b\ngreen.jpg,180,a\nblue.jpg,200,\n")
    options = ["--annotations", world.labels, "--factors", table, "--window", "1", "--scale", "deepest"]
    arguments = ["index", world.photos, "--store", path, *world.model, *options, "--quiet"]
    with pytest.raises(SystemExit) as ended:
        app([str(part) for part in arguments])
    assert not ended.value.code, sys.stderr
    return path


def test_json_is_of_the_documented_shape(command: Callable, store: Path) -> None:
    done = command("measure", store, "--factor", "angle", "--circular", "360", "-k", "2", "--json")
    assert done.code == 0, done.err
    document = json.loads(done.out)
    assert {"space", "factor", "kind", "k", "n", "group", "neighbors", "probe", "labels"} <= set(document)
    assert {"value", "chance", "low", "high", "p"} <= set(document["neighbors"])
    assert {"metric", "value", "chance", "low", "high"} <= set(document["probe"])
    assert (document["kind"], document["k"], document["n"], document["group"]) == ("circular", 2, 6, None)


def test_json_says_what_made_it(command: Callable, store: Path) -> None:
    document = json.loads(command("measure", store, "--factor", "label", "--json").out)
    assert document["version"] == objectspace.__version__
    spaces = json.loads(command("info", store, "--json").out)["spaces"]
    assert document["recipe"] == next(one["recipe"] for one in spaces if one["name"] == document["space"])


def test_the_answer_comes_before_a_figure_that_fails(
    command: Callable, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object) -> None:
        raise InputError("no room")

    monkeypatch.setattr("objectspace.figures.style.write_figure", full)
    spaces = spaces_of(command, store)
    for arguments in (["measure", store, "--factor", "label"], ["compare", store, "--spaces", *spaces]):
        done = command(*arguments, "--figure", tmp_path / "f.png")
        assert (done.code, done.err) == (1, "objectspace: no room\n")
        assert done.out


def test_text_and_figure(command: Callable, store: Path, tmp_path: Path) -> None:
    done = command("measure", store, "--factor", "label", "--figure", tmp_path / "label.png")
    assert done.code == 0, done.err
    assert done.out.startswith("label (categorical) in ")
    assert "purity at 5" in done.out
    assert (tmp_path / "label.png").read_bytes()[:4] == b"\x89PNG"


def test_objects_without_the_factor_are_counted(command: Callable, store: Path) -> None:
    assert "2 objects left out" in command("measure", store, "--factor", "style").out


def test_the_worst_are_listed_with_their_photo(command: Callable, store: Path) -> None:
    asked = ("measure", store, "--factor", "label", "--worst", "2")
    document = json.loads(command(*asked, "--json").out)
    assert [set(one) for one in document["worst"]] == [{"object_id", "image", "label", "value"}] * 2
    assert document["worst"][0]["value"] <= document["worst"][1]["value"]
    text = command(*asked).out
    assert all(one["object_id"] in text and one["image"] in text for one in document["worst"])
    assert all(Path(one["image"]).is_file() for one in document["worst"])


def spaces_of(command: Callable, store: Path) -> list[str]:
    return [space["name"] for space in json.loads(command("info", store, "--json").out)["spaces"]]


def test_compare_takes_spaces_one_after_another(command: Callable, store: Path, tmp_path: Path) -> None:
    _, first, second = spaces_of(command, store)
    figure = tmp_path / "two.svg"
    arguments = ["--factor", "angle", "--circular", "angle=360", "--figure", figure, "--json"]
    done = command("compare", store, "--spaces", first, second, *arguments)
    assert done.code == 0, done.err
    document = json.loads(done.out)
    assert (document["spaces"], document["n"]) == ([first, second], 6)
    assert document["factors"][0]["measures"][0]["kind"] == "circular"
    assert "<svg" in figure.read_text()


def test_compare_prints_a_table(command: Callable, store: Path) -> None:
    _, first, second = spaces_of(command, store)
    done = command("compare", store, "--spaces", first, "--spaces", second, "--factor", "x")
    assert done.out.startswith(f"6 objects in all of {first}, {second}; 4 groups")
    assert "overlap at 5" in done.out


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
    sentence: Callable, store: Path, arguments: list[str], message: str
) -> None:
    assert sentence("measure", store, *arguments).startswith(message)


@pytest.mark.parametrize(
    "arguments",
    [
        ["measure", "--factor", "angle", "--circular", "360", "--categorical"],
        ["compare", "--spaces", "one"],
        ["compare", "--spaces", "a", "b", "--factor", "x", "--circular", "x"],
        ["compare", "--spaces", "a", "b", "--factor", "x", "--circular", "y=360"],
        ["compare", "--spaces", "a", "b", "--factor", "x", "--circular", "x=360", "--categorical", "x"],
    ],
)
def test_wrong_usage(command: Callable, store: Path, arguments: list[str]) -> None:
    assert command(arguments[0], store, *arguments[1:]).code == 2
