"""``objectspace compare`` on a small store."""

from __future__ import annotations

import json
from collections.abc import Callable
from math import nan
from pathlib import Path

import pytest

from objectspace.analyses.comparison import Difference
from objectspace.cli.compare import _better
from objectspace.errors import InputError
from objectspace.store import open_writer


def test_compare_takes_spaces_one_after_another(
    command: Callable, measured: Path, measured_spaces: list[str], tmp_path: Path
) -> None:
    first, second = measured_spaces
    figure = tmp_path / "two.svg"
    arguments = ["--factor", "angle", "--circular", "angle=360", "--figure", figure, "--json"]
    done = command("compare", measured, "--spaces", first, second, *arguments)
    assert done.code == 0, done.err
    document = json.loads(done.out)
    assert (document["spaces"], document["n"]) == ([first, second], 6)
    assert document["factors"][0]["measures"][0]["kind"] == "circular"
    assert "<svg" in figure.read_text()


def test_compare_prints_a_table(command: Callable, measured: Path, measured_spaces: list[str]) -> None:
    first, second = measured_spaces
    done = command("compare", measured, "--spaces", first, "--spaces", second, "--factor", "x")
    assert done.out.startswith(f"6 objects in all of {first}, {second}; 4 groups")
    assert "overlap at 5" in done.out


def test_neighbors_of_a_sample_are_said_to_be(
    command: Callable, measured: Path, measured_spaces: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("objectspace.analyses.groups.FEWEST_DRAWN", 1)
    asked = ("compare", measured, "--spaces", *measured_spaces, "--factor", "x", "--sample", "3")
    document = json.loads(command(*asked, "--json").out)
    drawn = document["pairs"][0]["overlap"]["n"]
    assert 0 < drawn <= 3 < document["n"]
    assert document["factors"][0]["measures"][1]["neighbors"]["n"] == drawn
    text = f"neighbors, among all, are of {drawn} of 6 objects, whole photos drawn at random"
    assert text in command(*asked).out
    assert text not in command(*asked[:-2]).out


def test_the_answer_comes_before_a_figure_that_fails(
    command: Callable,
    measured: Path,
    measured_spaces: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*arguments: object) -> None:
        raise InputError("no room")

    monkeypatch.setattr("objectspace.figures.style.write_figure", full)
    done = command("compare", measured, "--spaces", *measured_spaces, "--figure", tmp_path / "f.png")
    assert (done.code, done.err) == (1, "objectspace: no room\n")
    assert done.out


def test_without_names_both_routes_and_their_joint_space_are_compared(
    command: Callable, measured: Path, measured_spaces: list[str]
) -> None:
    done = command("compare", measured, "--json")
    assert sorted(json.loads(done.out)["spaces"][:2]) == sorted(measured_spaces)
    assert json.loads(done.out)["spaces"][2] == "both"
    assert [one["factor"] for one in json.loads(done.out)["factors"]] == ["label"]


def test_without_names_and_without_two_spaces_it_lists_them(command: Callable, tmp_path: Path) -> None:
    with open_writer(tmp_path / "s"):
        pass
    done = command("compare", tmp_path / "s")
    assert done.code == 2
    assert "name two spaces or more: --spaces A B; those of" in " ".join(done.err.replace("│", "").split())


@pytest.mark.parametrize(
    ("value", "low", "high", "no_interval", "told"),
    [
        (0.2, 0.1, 0.3, "", "b is better than a"),
        (-0.2, -0.3, -0.1, "", "a is better than b"),
        (0.2, -0.1, 0.5, "", "these photos do not decide between a and b"),
        (0.2, nan, nan, "4 groups, 5 are needed", "no interval of the difference: 4 groups, 5 are needed"),
    ],
)
def test_the_answer_in_words(value: float, low: float, high: float, no_interval: str, told: str) -> None:
    assert _better(Difference("a", "b", value, low, high, 0.5, no_interval), "photos") == told


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["one"], "give two spaces or more: --spaces A B"),
        (["a", "b", "--factor", "x", "--circular", "x"], "--circular x: expected NAME=PERIOD"),
        (["a", "b", "--factor", "x", "--circular", "y=360"], "y is no --factor; name it there too"),
        (
            ["a", "b", "--factor", "x", "--circular", "x=360", "--categorical", "x"],
            "a factor is --circular or --categorical, not both",
        ),
    ],
)
def test_wrong_usage(command: Callable, measured: Path, arguments: list[str], told: str) -> None:
    done = command("compare", measured, "--spaces", *arguments)
    assert done.code == 2
    assert told in " ".join(done.err.replace("│", "").split())
