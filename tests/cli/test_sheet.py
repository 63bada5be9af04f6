"""``objectspace sheet``."""

from __future__ import annotations

import json

import pytest

from objectspace.store import open_store


@pytest.mark.parametrize(("suffix", "start"), [("png", b"\x89PNG"), ("pdf", b"%PDF"), ("svg", b"<?xml")])
def test_sheet(annotated, command, tmp_path, suffix, start):
    out = tmp_path / f"sheet.{suffix}"
    done = command("sheet", annotated, "--out", out, "--rows", 3, "-k", 2)
    assert done.out == f"{out}: 3 targets of space both, 2 neighbors each\n"
    assert done.err == ""
    assert out.read_bytes().startswith(start)


def test_a_sheet_makes_its_folder(annotated, command, tmp_path):
    assert command("sheet", annotated, "--out", tmp_path / "new" / "s.png", "--rows", 1).code == 0
    assert (tmp_path / "new" / "s.png").is_file()


def test_a_sheet_as_json_holds_its_answers(annotated, command, tmp_path):
    done = command("sheet", annotated, "--out", tmp_path / "s.svg", "--rows", 2, "-k", 3, "--json")
    assert (done.code, done.err) == (0, "")
    answers = json.loads(done.out)
    assert [len(answer["neighbors"]) for answer in answers] == [3, 3]
    target = answers[0]["query"]["object_id"]
    asked = ("--object", target, "-k", 3)
    found = json.loads(command("search", annotated, *asked, "--json").out)
    assert found == answers[0]


def test_a_sheet_tells_of_fewer_neighbors_than_asked_for(annotated, command, tmp_path):
    held = len(open_store(annotated).objects())
    told = command("sheet", annotated, "--out", tmp_path / "s.svg", "-k", 1000).out
    assert told.endswith(", as there are no more in other photos (--same-image takes the target's own too)\n")
    told = command("sheet", annotated, "--out", tmp_path / "s.svg", "-k", 1000, "--same-image").out
    assert told.endswith(f" at most {held - 1} neighbors each, as there are no more\n")


def test_a_sheet_counts_the_targets_that_have_fewer(annotated, command, tmp_path):
    objects = open_store(annotated).objects()
    elsewhere = [int((objects.image_id != image).sum()) for image in objects.image_id]
    k = max(elsewhere)
    short = sum(count < k for count in elsewhere)
    assert 0 < short < len(elsewhere)
    told = command("sheet", annotated, "--out", tmp_path / "s.svg", "-k", k).out
    have = f"{short} targets have" if short > 1 else "1 target has"
    assert f", {k} neighbors each; {have} fewer, as there are no more in other photos (" in told


def test_a_label_that_is_not_there_is_guessed(annotated, sentence, tmp_path):
    told = sentence("sheet", annotated, "--out", tmp_path / "s.svg", "--label", "aple")
    assert told == "no object of space both has the label 'aple'; did you mean apple?"
    told = sentence("sheet", annotated, "--out", tmp_path / "s.svg", "--neighbor-label", "zebra")
    assert told.endswith("has the label 'zebra'; objectspace info lists the labels")


def test_a_sheet_of_one_label(annotated, command, tmp_path):
    out = tmp_path / "s.svg"
    told = command("sheet", annotated, "--out", out, "--label", "plum").out
    assert told.startswith(f"{out}: 1 target of ")
    answers = json.loads(command("sheet", annotated, "--out", out, "--neighbor-label", "plum", "--json").out)
    assert len(answers) == 6
    assert {row["label"] for answer in answers for row in answer["neighbors"]} == {"plum"}


def test_neighbors_come_from_other_photos_unless_asked_for(annotated, command, tmp_path):
    def images(*options):
        done = command("sheet", annotated, "--out", tmp_path / "s.svg", "-k", 5, "--json", *options)
        return [
            (answer["query"]["image"], {row["image"] for row in answer["neighbors"]})
            for answer in json.loads(done.out)
        ]

    assert not any(own in others for own, others in images())
    assert any(own in others for own, others in images("--same-image"))
    assert command("sheet", annotated, "--out", "s.svg", "--same-image", "--exclude-same", "image").code == 2


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("sheet.gif", "a figure is written as .png, .pdf, .svg"),
        ("file/sheet.png", "cannot be written: Not a directory"),
        ("folder.png", "is a folder, which is not overwritten"),
    ],
)
def test_a_sheet_that_cannot_be_written_fails_before_the_work(
    annotated, sentence, tmp_path, monkeypatch, name, told
):
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "file").touch()
    monkeypatch.setattr("objectspace.store.open_store", None)
    assert told in sentence("sheet", annotated, "--out", tmp_path / name)
    assert told in sentence("search", annotated, "--object", "a", "--sheet", tmp_path / name)


def test_a_sheet_with_explanations(annotated, command, sentence, tmp_path):
    plain = ("--out", tmp_path / "plain.png", "--rows", 2, "-k", 1, "--space")
    given = ("--out", tmp_path / "why.png", "--rows", 2, "-k", 1, "--explain", "--space")
    for arguments in (plain, given):
        assert command("sheet", annotated, *arguments, "tiny-window3-deepest").code == 0
    assert (tmp_path / "plain.png").read_bytes() != (tmp_path / "why.png").read_bytes()
    assert "both is a joint space; explain neighbors in the space of one" in sentence(
        "sheet", annotated, *given, "both"
    )
