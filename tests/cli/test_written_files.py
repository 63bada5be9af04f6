"""One rule for what a command writes: a file is overwritten, a folder never; told before the work."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer

from objectspace.cli.app import app
from objectspace.store import open_store

#: A command line for each option that names a file to write: FILE, of a STORE and a PHOTO of it.
WRITERS = {
    "audit --csv": "audit STORE --uncalibrated --csv FILE",
    "audit --sheet": "audit STORE --uncalibrated --sheet FILE",
    "compare --figure": "compare STORE --spaces both test_vit-crop --factor label --figure FILE",
    "context --figure": "context STORE --alone both --both both --around both --figure FILE",
    "explain --figure": "explain STORE --object ID --object ID --figure FILE",
    "export --out": "export STORE --format npz --out FILE",
    "measure --figure": "measure STORE --factor label --figure FILE",
    "occlude --figure": "occlude PHOTO --detector demo --figure FILE",
    "project --figure": "project STORE --figure FILE",
    "report --out": "report STORE --out FILE",
    "search --sheet": "search STORE --object ID --sheet FILE",
    "sheet --out": "sheet STORE --out FILE",
}
#: What makes a folder of files or goes on in it: refused where it holds anything else.
FOLDERS = {"demo --out", "world --out"}
NAMES = ("--out", "--figure", "--sheet", "--csv", "--save", "--write", "--output")


def writers() -> set[str]:
    found = set()
    for name, command in typer.main.get_command(app).commands.items():
        for one in command.params:
            if not set(NAMES).isdisjoint(one.opts):
                found.add(f"{name} {next(opt for opt in one.opts if opt in NAMES)}")
    return found


def test_every_command_that_writes_a_file_is_tried() -> None:
    assert writers() == WRITERS.keys() | FOLDERS


@pytest.fixture
def lines(annotated, world):
    ids = open_store(annotated).objects().object_id.tolist()

    def line(option: str, path: Path) -> list[str]:
        words = {"STORE": annotated, "FILE": path, "PHOTO": world.photos / "red1.png", "ID": ids[0]}
        return [str(words.get(word, word)) for word in WRITERS[option].split()]

    return line


@pytest.mark.parametrize("option", WRITERS)
def test_a_folder_is_refused_before_the_work(lines, sentence, tmp_path, monkeypatch, option):
    def work(*_: object, **__: object) -> None:
        raise AssertionError("the work was begun")

    for name in (
        "objectspace.search.space_search.SpaceSearch.nearest",
        "objectspace.search.audit._Auditor",
        "objectspace.analyses.factors.measure_factor",
        "objectspace.models.detectors.load_detector",
        "objectspace.report.html_report._material",
        "objectspace.analyses.projection.project",
        "objectspace.export.select",
    ):
        monkeypatch.setattr(name, work)
    folder = tmp_path / "o.png"
    (folder / "report.html").mkdir(parents=True)
    told = sentence(*lines(option, folder))
    place = folder / "report.html" if option == "report --out" else folder
    assert told == f"{place} is a folder, which is not overwritten; give another path, or remove it first"


@pytest.mark.parametrize(
    "option", ["audit --csv", "audit --sheet", "export --out", "search --sheet", "sheet --out"]
)
def test_a_file_is_overwritten(lines, command, tmp_path, option):
    (tmp_path / "o.png").write_text("mine")
    assert command(*lines(option, tmp_path / "o.png")).code == 0
    assert (tmp_path / "o.png").read_bytes() != b"mine"
    assert len(list(tmp_path.iterdir())) == 1


def test_the_docs_say_so() -> None:
    page = (Path(__file__).parents[2] / "docs" / "questions.md").read_text()
    (told,) = re.findall(r"## What is overwritten\?\n\n(.+?)\n\n", page, re.DOTALL)
    for option in WRITERS.keys() | FOLDERS:
        assert f"`{option}" in told, option
