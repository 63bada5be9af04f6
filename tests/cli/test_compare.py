"""``objectspace compare`` on a small store."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from objectspace.errors import InputError


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
